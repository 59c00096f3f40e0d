//! Queries as clients send them, and any others against the plainest way to read them.

use super::*;
use proptest::prelude::*;

const FIELDS: Fields = Fields {
    names: &["name", "status", "size", "time", "uptime", "shared", "id", "hosts.name"],
    kinds: &[
        ("status", Holds::Words(&["up", "down", "powering_up"])),
        ("size", Holds::Number),
        ("time", Holds::Time),
        ("uptime", Holds::Span),
        ("shared", Holds::Flag),
    ],
};

type Row = [&'static str; 4];

/// Name, status, size, time.
const ROWS: [Row; 4] = [
    ["web1", "up", "10", "2016-05-04T10:00:00Z"],
    ["web2", "down", "9", "2016-05-03T23:59:59Z"],
    ["DB", "powering_up", "100", "2016-05-01T00:00:00Z"],
    ["a b", "up", "", ""],
];

fn value(row: &Row, field: &str) -> Vec<String> {
    let value = match field {
        "name" => row[0],
        "status" => row[1],
        "size" => row[2],
        "time" => row[3],
        "uptime" => "3723",
        "shared" => "true",
        "hosts.name" => return vec!["one".into(), "two".into()],
        _ => "",
    };
    Some(value.to_owned()).filter(|value| !value.is_empty()).into_iter().collect()
}

fn found(query: &str) -> Result<Vec<&'static str>, Error> {
    // A Wednesday.
    let now = "2016-05-04T12:00:00Z".parse().unwrap();
    let query = Query::parse_at(query, FIELDS, now)?;
    Ok(ROWS.iter().filter(|row| query.holds(true, |field| value(row, field))).map(|row| row[0]).collect())
}

#[test]
fn queries_as_clients_send_them() {
    for (query, names) in [
        ("name=web1", &["web1"][..]),
        ("name = \"web1\"", &["web1"]),
        ("NAME=web*", &["web1", "web2"]),
        ("name=*b*", &["web1", "web2", "a b"]),
        ("name=db", &[]),
        ("name=\"a b\"", &["a b"]),
        ("Status=PoweringUp", &["DB"]),
        ("status=POWERING*", &["DB"]),
        ("name=web* and status!=up", &["web2"]),
        ("name=DB or name=web1 and status=down", &["DB"]),
        ("name=DB or name=web1 status=up", &["web1"]),
        ("size>9 sortby name desc page 1", &["web1", "DB"]),
        ("size<=10", &["web1", "web2"]),
        ("size!=10", &["web2", "DB", "a b"]),
        ("", &["web1", "web2", "DB", "a b"]),
        ("web", &["web1", "web2"]),
        ("\"a b\" or name=DB", &["DB", "a b"]),
        ("time=today", &["web1"]),
        ("time=yesterday", &["web2"]),
        ("time=Sunday", &["DB"]),
        ("time<Wednesday", &["web2", "DB"]),
        ("time>=2016-05-03", &["web1", "web2"]),
        // After a day's first instant.
        ("time>2016-05-03", &["web1", "web2"]),
        ("time<=2016-05-03", &["DB"]),
        ("time=05/03/2016", &["web2"]),
        ("time=\"2016-05-03 23:59:59\"", &["web2"]),
        ("time>2016-05-03T23:59:59Z", &["web1"]),
        ("status>up", &["web2", "DB"]),
        ("uptime>1:02 uptime<1:02:04 name=DB", &["DB"]),
        ("uptime<1193047:00 name=DB", &["DB"]),
        ("host.name=two and Hosts.name!=three name=DB", &["DB"]),
        ("hosts.name!=two", &[]),
        ("shared=TRUE name=DB", &["DB"]),
        ("size=\"\"", &[]),
    ] {
        match found(query) {
            Ok(seen) => assert_eq!(seen, names, "{query}"),
            Err(why) => assert_eq!(query, "size=\"\"", "{why}"),
        }
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for bad in [
        "nam=x",
        "name",
        "name=",
        "=x",
        "name==x",
        "name=x and",
        "or name=x",
        "name=x or and name=y",
        "name=\"x",
        "name='x'",
        "name=\"x'\"",
        "name=x;y",
        "sortby",
        "sortby nope",
        "page 0",
        "page x",
        "name!x",
        "web1 web2",
        "Vms: name=x",
        "name>x",
        "size=x",
        "size=1*",
        "status=nope",
        "shared=maybe",
        "shared>false",
        "time=soon",
        "uptime=x",
        "sortby name name=x",
        "page 1 page 2",
        "name=x and sortby name",
        "status>p*",
    ] {
        assert!(found(bad).is_err(), "{bad}");
    }
    let many = |count: usize| vec!["name=x"; count].join(" or ");
    assert!(found(&many(MOST)).is_ok() && found(&many(MOST + 1)).is_err());
}

/// A field, an operator and a value.
type Compared = (&'static str, &'static str, String);

/// The same language as a tree, and in the plainest way.
#[derive(Clone, Debug)]
struct Plain(Vec<Vec<Vec<Compared>>>);

fn glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some('*'), _) => glob(&pattern[1..], text) || (!text.is_empty() && glob(pattern, &text[1..])),
        (Some(a), Some(b)) => a == b && glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}

impl Plain {
    fn holds(&self, row: &Row) -> bool {
        self.0.iter().all(|group| group.iter().any(|all| all.iter().all(|one| Self::one(one, row))))
    }

    fn one((field, op, wanted): &(&str, &str, String), row: &Row) -> bool {
        let value = value(row, field).pop().unwrap_or_default();
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        match (*field, value.parse::<i64>(), wanted.parse::<i64>()) {
            ("size", Ok(value), Ok(wanted)) => match *op {
                "=" => value == wanted,
                "!=" => value != wanted,
                "<" => value < wanted,
                ">" => value > wanted,
                "<=" => value <= wanted,
                _ => value >= wanted,
            },
            ("size", ..) => *op == "!=",
            _ => glob(&chars(wanted), &chars(&value)) == (*op == "="),
        }
    }

    fn text(&self, gap: &str) -> String {
        let one = |(field, op, wanted): &(&str, &str, String)| format!("{field}{gap}{op}{gap}\"{wanted}\"");
        let all = |all: &Vec<_>| all.iter().map(one).collect::<Vec<_>>().join(" AND ");
        let any = |any: &Vec<Vec<_>>| any.iter().map(all).collect::<Vec<_>>().join(" or ");
        self.0.iter().map(any).collect::<Vec<_>>().join("  ")
    }
}

fn condition() -> impl Strategy<Value = Compared> {
    let named = (prop::sample::select(vec!["=", "!="]), "[*web1 2DBa]{0,5}");
    let sized = (prop::sample::select(vec!["=", "!=", "<", ">", "<=", ">="]), 0..120u32);
    prop_oneof![
        named.prop_map(|(op, text)| ("name", op, text)),
        sized.prop_map(|(op, number)| ("size", op, number.to_string())),
    ]
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_meant(
        tree in prop::collection::vec(prop::collection::vec(prop::collection::vec(condition(), 1..4), 1..4), 0..3),
        gap in prop::sample::select(vec!["", " ", "  "]),
    ) {
        let plain = Plain(tree);
        let query = Query::parse(&plain.text(gap), FIELDS).unwrap();
        for row in &ROWS {
            prop_assert_eq!(query.holds(true, |field| value(row, field)), plain.holds(row), "{}", plain.text(gap));
            // Who knows less rules out less.
            let names = |field: &str| (field == "name").then(|| value(row, field));
            prop_assert!(query.may_hold(true, names) || !plain.holds(row), "{}", plain.text(gap));
            prop_assert_eq!(query.may_hold(true, |field| Some(value(row, field))), plain.holds(row));
        }
    }

    #[test]
    fn any_text_is_a_query_or_refused(text in "[a-z=!<>\"';* .:0-9ü-]{0,40}") {
        if let Ok(query) = Query::parse(&text, FIELDS) {
            let _ = ROWS.iter().filter(|row| query.holds(false, |field| value(row, field))).count();
        }
    }
}
