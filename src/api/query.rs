//! The search language: `name=web* and status!=up sortby name desc page 2`. What a query says is
//! checked when it is read: a field, a comparison or a value that makes no sense is refused.

mod moment;

use crate::error::Error;
use jiff::Timestamp;
use moment::{moment, span};
use std::cmp::Ordering;

/// What a field holds; whatever is not listed is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Text,
    Number,
    /// `true` or `false`.
    Flag,
    /// A moment.
    Time,
    /// A duration; the field has its seconds.
    Span,
    /// One of these, the lesser first; written in any case, with underscores or without.
    Words(&'static [&'static str]),
}

/// The fields of what is searched.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'f> {
    pub names: &'f [&'static str],
    pub kinds: &'f [(&'static str, Holds)],
}

/// So many conditions a query has at most: each is asked of everything.
const MOST: usize = 200;

/// Text fields in which a free text is not looked for.
const NOT_FREE: &[&str] = &["id", "os", "apps"];

impl Fields<'_> {
    fn kind(&self, name: &str) -> Holds {
        self.kinds.iter().find(|(known, _)| *known == name).map_or(Holds::Text, |(_, kind)| *kind)
    }

    /// The field of that name; of others' fields, `host.name` and `hosts.name` are the same.
    fn find(&self, name: &str) -> Option<&'static str> {
        let name = name.to_lowercase();
        let other = name.split_once('.').map(|(object, field)| match object.strip_suffix('s') {
            Some(object) => format!("{object}.{field}"),
            None => format!("{object}s.{field}"),
        });
        let is = |known: &&&str| **known == name || Some(**known) == other.as_deref();
        self.names.iter().find(is).copied()
    }

    fn free(&self) -> impl Iterator<Item = &'static str> + '_ {
        let names = self.names.iter().copied();
        names.filter(|name| self.kind(name) == Holds::Text && !name.contains('.') && !NOT_FREE.contains(name))
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

impl Op {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Is => order == Ordering::Equal,
            Self::IsNot => order != Ordering::Equal,
            Self::Below => order == Ordering::Less,
            Self::Above => order == Ordering::Greater,
            Self::AtMost => order != Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
        }
    }
}

/// A value as its field's kind reads it.
#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    /// A pattern.
    Text(String),
    Number(f64),
    /// From one moment to before another.
    Within(Timestamp, Timestamp),
    /// A pattern without underscores, and the words it is one of.
    Word(String, &'static [&'static str]),
}

#[derive(Debug, PartialEq)]
enum Condition {
    Field {
        field: &'static str,
        op: Op,
        wanted: Wanted,
    },
    /// Some text field has it somewhere.
    Free(String, Vec<&'static str>),
}

/// Groups that all hold; of each, one of several alternatives, of which all conditions hold.
#[derive(Debug, Default, PartialEq)]
pub struct Query {
    groups: Vec<Vec<Vec<Condition>>>,
    /// The field, and whether the greatest comes first.
    pub sort: Option<(&'static str, bool)>,
    /// From 1.
    pub page: usize,
}

#[derive(Clone, Debug, PartialEq)]
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
                let quoted = &rest[1..=end];
                if let Some(bad) = quoted.chars().find(|c| "';".contains(*c)) {
                    return Err(wrong(format!("the character {bad} is not allowed")));
                }
                (Token::Quoted(quoted.to_owned()), end + 2)
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
    pub fn everything() -> Self {
        Self { page: 1, ..Self::default() }
    }

    pub fn parse(text: &str, fields: Fields) -> Result<Self, Error> {
        Self::parse_at(text, fields, Timestamp::now())
    }

    fn parse_at(text: &str, fields: Fields, now: Timestamp) -> Result<Self, Error> {
        let mut query = Self::everything();
        let mut tokens = tokens(text)?.into_iter().peekable();
        // An "and" or "or" is owed a condition after it; without one, a new group begins.
        let mut owed = true;
        let mut free = false;
        let mut conditions = 0;
        while let Some(token) = tokens.next() {
            let compared = matches!(tokens.peek(), Some(Token::Op(_)));
            let keyword = match &token {
                Token::Word(word) if !compared => word.to_lowercase(),
                _ => String::new(),
            };
            match keyword.as_str() {
                "and" | "or" if owed => return Err(wrong("and, or join two conditions")),
                "and" => owed = true,
                "or" => {
                    query.groups.last_mut().expect("a condition stands before").push(Vec::new());
                    owed = true;
                }
                "sortby" => {
                    let Some(Token::Word(name)) = tokens.next() else {
                        return Err(wrong("sortby names no field"));
                    };
                    let field = fields.find(&name).ok_or_else(|| no_field(&name))?;
                    let direction = tokens.next_if(|token| {
                        matches!(token, Token::Word(word) if ["asc", "desc"].contains(&word.to_lowercase().as_str()))
                    });
                    let descending =
                        matches!(direction, Some(Token::Word(word)) if word.eq_ignore_ascii_case("desc"));
                    query.sort = Some((field, descending));
                    query.page = page(&mut tokens)?;
                    if tokens.peek().is_some() {
                        return Err(wrong("something stands behind sortby and page"));
                    }
                }
                "page" => {
                    tokens = std::iter::once(token).chain(tokens).collect::<Vec<_>>().into_iter().peekable();
                    query.page = page(&mut tokens)?;
                    if tokens.peek().is_some() {
                        return Err(wrong("something stands behind page"));
                    }
                }
                _ => {
                    let condition = match (token, tokens.next_if(|token| matches!(token, Token::Op(_)))) {
                        (Token::Word(name), Some(Token::Op(op))) => {
                            let field = fields.find(&name).ok_or_else(|| no_field(&name))?;
                            let Some(Token::Word(value) | Token::Quoted(value)) = tokens.next() else {
                                return Err(wrong(format!("{field} is compared with nothing")));
                            };
                            let wanted = wanted(field, fields.kind(field), op, &value, now)?;
                            Condition::Field { field, op, wanted }
                        }
                        (Token::Word(name), None) if fields.find(&name).is_some() => {
                            return Err(wrong(format!("{name} has no comparison")));
                        }
                        // As people write it where rows of all kinds are searched.
                        (Token::Word(text), None) if text.ends_with(':') => {
                            return Err(wrong(format!("{text} names no field")));
                        }
                        (Token::Word(text) | Token::Quoted(text), None) if !free => {
                            free = true;
                            Condition::Free(text, fields.free().collect())
                        }
                        (Token::Word(_) | Token::Quoted(_), None) => {
                            return Err(wrong("there is more than one free text"));
                        }
                        _ => return Err(wrong("a condition begins with the name of a field")),
                    };
                    if !owed || query.groups.is_empty() {
                        query.groups.push(vec![Vec::new()]);
                    }
                    let group = query.groups.last_mut().expect("one was begun");
                    group.last_mut().expect("it has an alternative").push(condition);
                    owed = false;
                    conditions += 1;
                    if conditions > MOST {
                        return Err(wrong(format!("it has more than {MOST} conditions")));
                    }
                }
            }
        }
        match owed && !query.groups.is_empty() {
            true => Err(wrong("and, or join two conditions")),
            false => Ok(query),
        }
    }

    pub fn holds(&self, case_sensitive: bool, values: impl Fn(&str) -> Vec<String>) -> bool {
        let one = |condition: &Condition| condition.holds(case_sensitive, &values);
        self.groups.iter().all(|group| group.iter().any(|all| all.iter().all(one)))
    }

    /// Whether the query could hold for what only some fields are known of; `None` is not known.
    pub fn may_hold(&self, case_sensitive: bool, values: impl Fn(&str) -> Option<Vec<String>>) -> bool {
        let one = |condition: &Condition| match condition {
            Condition::Field { field, op, wanted } => {
                values(field).is_none_or(|values| wanted.hold(*op, case_sensitive, &values))
            }
            Condition::Free(..) => true,
        };
        self.groups.iter().all(|group| group.iter().any(|all| all.iter().all(one)))
    }
}

fn no_field(name: &str) -> Error {
    wrong(format!("there is no field {name}"))
}

/// `page N`, or the first one.
fn page(tokens: &mut std::iter::Peekable<std::vec::IntoIter<Token>>) -> Result<usize, Error> {
    let is_page = |token: &Token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("page"));
    if tokens.next_if(is_page).is_none() {
        return Ok(1);
    }
    let number = match tokens.next() {
        Some(Token::Word(number)) => number.parse().ok().filter(|page| *page > 0),
        _ => None,
    };
    number.ok_or_else(|| wrong("page has no positive number"))
}

fn wanted(field: &str, kind: Holds, op: Op, value: &str, now: Timestamp) -> Result<Wanted, Error> {
    let not = |what: &str| wrong(format!("{field} is {what}, not {value}"));
    let ordered = !matches!(op, Op::Is | Op::IsNot);
    match kind {
        Holds::Text if ordered => Err(wrong(format!("{field} is a text, which is no less and no more"))),
        Holds::Text => Ok(Wanted::Text(value.to_owned())),
        Holds::Number => value
            .parse()
            .ok()
            .filter(|it: &f64| it.is_finite())
            .map(Wanted::Number)
            .ok_or_else(|| not("a number")),
        Holds::Span => span(value).map(Wanted::Number).ok_or_else(|| not("a duration like 1.02:03:04")),
        Holds::Time => {
            let (from, to) = moment(value, now).ok_or_else(|| not("a date"))?;
            // Before and after a day mean its first instant.
            Ok(Wanted::Within(from, if ordered { from } else { to }))
        }
        Holds::Flag if ordered => {
            Err(wrong(format!("{field} is true or false, which is no less and no more")))
        }
        Holds::Flag => word(value, &["false", "true"]).ok_or_else(|| not("true or false")),
        Holds::Words(words) => {
            word(value, words).filter(|_| !ordered || !value.contains('*')).ok_or_else(|| {
                wrong(format!("{field} is none of its values: {value}. It may be {}", words.join(", ")))
            })
        }
    }
}

fn word(value: &str, words: &'static [&'static str]) -> Option<Wanted> {
    let pattern = plain(value);
    let known = pattern.is_empty() || words.iter().any(|word| matches(&pattern, &plain(word)));
    known.then_some(Wanted::Word(pattern, words))
}

/// States are written with and without underscores, in any case.
fn plain(text: &str) -> String {
    text.to_lowercase().replace('_', "")
}

impl Condition {
    fn holds(&self, case_sensitive: bool, values: impl Fn(&str) -> Vec<String>) -> bool {
        match self {
            Self::Free(text, fields) => {
                let cased = |text: &str| if case_sensitive { text.to_owned() } else { text.to_lowercase() };
                let text = format!("*{}*", cased(text));
                let has = |value: &String| matches(&text, &cased(value));
                fields.iter().any(|field| values(field).iter().any(has))
            }
            Self::Field { field, op, wanted } => wanted.hold(*op, case_sensitive, &values(field)),
        }
    }
}

impl Wanted {
    /// Of all values of a field.
    fn hold(&self, op: Op, case_sensitive: bool, values: &[String]) -> bool {
        match values {
            // What is not there is nothing, and no text.
            [] => match self {
                Self::Text(pattern) | Self::Word(pattern, _) if !pattern.is_empty() => op == Op::IsNot,
                _ => self.holds(op, case_sensitive, ""),
            },
            // Not to be one of several means to be none of them.
            several if op == Op::IsNot => several.iter().all(|it| self.holds(op, case_sensitive, it)),
            several => several.iter().any(|it| self.holds(op, case_sensitive, it)),
        }
    }

    fn holds(&self, op: Op, case_sensitive: bool, value: &str) -> bool {
        let alike = |same: bool| same == (op == Op::Is);
        match self {
            Self::Text(pattern) if case_sensitive => alike(matches(pattern, value)),
            Self::Text(pattern) => alike(matches(&pattern.to_lowercase(), &value.to_lowercase())),
            Self::Word(pattern, words) => {
                let rank = |text: &str| words.iter().position(|word| plain(word) == text);
                match op {
                    Op::Is | Op::IsNot => alike(matches(pattern, &plain(value))),
                    _ => match (rank(&plain(value)), rank(pattern)) {
                        (Some(value), Some(wanted)) => op.holds(value.cmp(&wanted)),
                        _ => false,
                    },
                }
            }
            // What has no value is none of them.
            Self::Number(wanted) => match value.parse::<f64>() {
                Ok(value) => value.partial_cmp(wanted).is_some_and(|order| op.holds(order)),
                Err(_) => op == Op::IsNot,
            },
            Self::Within(from, to) => match value.parse::<Timestamp>() {
                Ok(at) if at < *from => op.holds(Ordering::Less),
                Ok(at) if at == *from || at < *to => op.holds(Ordering::Equal),
                Ok(_) => op.holds(Ordering::Greater),
                Err(_) => op == Op::IsNot,
            },
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
mod tests;
