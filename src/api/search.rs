//! The search language: `name=web* and status=up sortby name desc page 2`.
//!
//! A query that cannot be understood is a fault, never ignored: clients take the first hit.

use super::access;
use super::app::App;
use super::fault::Fault;
use super::request::Request;
use crate::error::Error;
use crate::model::Object;
use std::cmp::Ordering;

/// What can be searched for.
pub trait Searched {
    /// The names of its fields.
    const FIELDS: &'static [&'static str];
    /// A field's value; `None` when it has none.
    fn field(&self, app: &App, name: &str) -> Option<String>;
    /// What its readers need to see; nothing when everybody may read it.
    fn object(&self) -> Option<Object> {
        None
    }
    /// All values of a field that may have several: one that matches is enough.
    fn values(&self, app: &App, name: &str) -> Vec<String> {
        self.field(app, name).into_iter().collect()
    }
}

/// The items that the request asks for: searched, sorted, and no more than it wants.
pub fn select<T: Searched>(app: &App, request: &Request, mut items: Vec<T>) -> Result<Vec<T>, Fault> {
    let query = match &request.search {
        Some(text) => Query::parse(text, T::FIELDS)?,
        None => Query::default(),
    };
    items.retain(|item| item.object().is_none_or(|object| access::shows(app, request, object)));
    items.retain(|item| query.holds(request.case_sensitive, |name| item.values(app, name)));
    if let Some((field, descending)) = &query.sort {
        let key = |item: &T| item.field(app, field);
        items.sort_by(|a, b| {
            let order = compare(key(a).as_deref().unwrap_or(""), key(b).as_deref().unwrap_or(""));
            if *descending { order.reverse() } else { order }
        });
    }
    let size = request.max.unwrap_or(usize::MAX);
    let skip = size.saturating_mul(query.page.saturating_sub(1));
    Ok(items.into_iter().skip(skip).take(size).collect())
}

/// Numbers by their value, the rest by its text.
fn compare(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        _ => a.to_lowercase().cmp(&b.to_lowercase()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Is,
    IsNot,
    Below,
    Above,
    AtMost,
    AtLeast,
}

#[derive(Debug, PartialEq)]
struct Condition {
    field: String,
    op: Op,
    value: String,
}

/// Alternatives of conditions that hold together; none at all holds always.
#[derive(Debug, Default, PartialEq)]
struct Query {
    any: Vec<Vec<Condition>>,
    sort: Option<(String, bool)>,
    page: usize,
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Op(Op),
}

fn wrong(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("The search query is not understood: {why}."))
}

fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' => {
                let end = rest[1..].find('"').ok_or_else(|| wrong("a quotation mark is not closed"))?;
                (Token::Quoted(rest[1..=end].to_owned()), end + 2)
            }
            '\'' | ';' => return Err(wrong(format!("the character {first} is not allowed"))),
            '=' => (Token::Op(Op::Is), 1),
            '!' if rest.starts_with("!=") => (Token::Op(Op::IsNot), 2),
            '<' if rest.starts_with("<=") => (Token::Op(Op::AtMost), 2),
            '>' if rest.starts_with(">=") => (Token::Op(Op::AtLeast), 2),
            '<' => (Token::Op(Op::Below), 1),
            '>' => (Token::Op(Op::Above), 1),
            '!' => return Err(wrong("! stands without =")),
            _ => {
                let end =
                    rest.find(|c: char| c.is_whitespace() || "=!<>\"';".contains(c)).unwrap_or(rest.len());
                (Token::Word(rest[..end].to_owned()), end)
            }
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

impl Query {
    fn parse(text: &str, fields: &[&str]) -> Result<Self, Error> {
        let known = |name: &str| -> Result<String, Error> {
            let name = name.to_lowercase();
            match fields.contains(&name.as_str()) {
                true => Ok(name),
                false => Err(wrong(format!("there is no field {name}"))),
            }
        };
        let mut query = Self { page: 1, ..Self::default() };
        let mut tokens = tokens(text)?.into_iter().peekable();
        let mut all: Vec<Condition> = Vec::new();
        let mut joined = true;
        while let Some(token) = tokens.next() {
            let Token::Word(word) = token else {
                return Err(wrong("a condition begins with the name of a field"));
            };
            match word.to_lowercase().as_str() {
                "and" if !joined => joined = true,
                "or" if !joined => {
                    query.any.push(std::mem::take(&mut all));
                    joined = true;
                }
                "sortby" => {
                    let Some(Token::Word(field)) = tokens.next() else {
                        return Err(wrong("sortby names no field"));
                    };
                    let direction = tokens.next_if(|token| {
                        matches!(token, Token::Word(word) if ["asc", "desc"].contains(&word.to_lowercase().as_str()))
                    });
                    let descending =
                        matches!(direction, Some(Token::Word(word)) if word.eq_ignore_ascii_case("desc"));
                    query.sort = Some((known(&field)?, descending));
                }
                "page" if tokens.peek().is_none_or(|token| !matches!(token, Token::Op(_))) => {
                    let number = match tokens.next() {
                        Some(Token::Word(number)) => number.parse().ok().filter(|page| *page > 0),
                        _ => None,
                    };
                    query.page = number.ok_or_else(|| wrong("page has no positive number"))?;
                }
                _ => {
                    let field = known(&word)?;
                    let Some(Token::Op(op)) = tokens.next() else {
                        return Err(wrong(format!("{field} has no comparison")));
                    };
                    let value = match tokens.next() {
                        Some(Token::Word(value) | Token::Quoted(value)) => value,
                        _ => return Err(wrong(format!("{field} is compared with nothing"))),
                    };
                    all.push(Condition { field, op, value });
                    joined = false;
                }
            }
        }
        if joined && !(all.is_empty() && query.any.is_empty()) {
            return Err(wrong("and, or join two conditions"));
        }
        query.any.push(all);
        Ok(query)
    }

    fn holds(&self, case_sensitive: bool, values: impl Fn(&str) -> Vec<String>) -> bool {
        let one = |condition: &Condition| match values(&condition.field).as_slice() {
            [] => condition.holds(case_sensitive, ""),
            // Not to be one of several means to be none of them.
            several if condition.op == Op::IsNot => {
                several.iter().all(|it| condition.holds(case_sensitive, it))
            }
            several => several.iter().any(|it| condition.holds(case_sensitive, it)),
        };
        self.any.is_empty() || self.any.iter().any(|all| all.iter().all(one))
    }
}

impl Condition {
    fn holds(&self, case_sensitive: bool, value: &str) -> bool {
        let same = || {
            // States are written with and without underscores.
            let fold = |text: &str| match case_sensitive && self.field != "status" {
                true => text.to_owned(),
                false => text.to_lowercase().replace('_', if self.field == "status" { "" } else { "_" }),
            };
            matches(&fold(&self.value), &fold(value))
        };
        let order = || compare(value, &self.value);
        match self.op {
            Op::Is => same(),
            Op::IsNot => !same(),
            Op::Below => order() == Ordering::Less,
            Op::Above => order() == Ordering::Greater,
            Op::AtMost => order() != Ordering::Greater,
            Op::AtLeast => order() != Ordering::Less,
        }
    }
}

/// `*` stands for any characters, also none.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[&str] = &["name", "status", "size"];

    fn found(query: &str) -> Result<Vec<&'static str>, Error> {
        let rows = [("web1", "up", "10"), ("web2", "down", "9"), ("DB", "powering_up", "100")];
        let query = Query::parse(query, FIELDS)?;
        let rows = rows.into_iter().filter(|(name, status, size)| {
            query.holds(true, |field| {
                vec![match field {
                    "name" => (*name).into(),
                    "status" => (*status).into(),
                    _ => (*size).into(),
                }]
            })
        });
        Ok(rows.map(|(name, ..)| name).collect())
    }

    #[test]
    fn queries_as_clients_send_them() {
        assert_eq!(found("name=web1").unwrap(), ["web1"]);
        assert_eq!(found("name = \"web1\"").unwrap(), ["web1"]);
        assert_eq!(found("name=web*").unwrap(), ["web1", "web2"]);
        assert_eq!(found("name=*b*").unwrap(), ["web1", "web2"]);
        assert_eq!(found("name=db").unwrap(), [""; 0]);
        assert_eq!(found("Status=PoweringUp").unwrap(), ["DB"]);
        assert_eq!(found("name=web* and status!=up").unwrap(), ["web2"]);
        assert_eq!(found("name=DB or name=web1 and status=down").unwrap(), ["DB"]);
        assert_eq!(found("size>9 sortby name desc page 1").unwrap(), ["web1", "DB"]);
        assert_eq!(found("").unwrap().len(), 3);
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
            "name=\"x",
            "name='x'",
            "name=x;y",
            "sortby",
            "sortby nope",
            "page 0",
            "page x",
            "name!x",
            "web1",
        ] {
            assert!(found(bad).is_err(), "{bad}");
        }
    }
}
