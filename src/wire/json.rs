//! The tree as JSON: the root element has no name, repeated elements are arrays, and some numbers are strings.

use super::Dialect;
use super::Frame;
use super::tree::{Node, Place, Value};
use crate::xml::check;
use serde_json::{Number, Value as Json};
use std::fmt::{self, Write};

/// As deep as XML may be.
const MAX_DEPTH: usize = 64;

/// Reads a document; an object with the root element's name as its only key counts as what it holds.
pub fn read(body: &[u8], root: &'static str, dialect: &dyn Dialect) -> Result<Node, String> {
    let json: Json = serde_json::from_slice(body).map_err(|why| why.to_string())?;
    let name = dialect.root(root);
    let Json::Object(mut fields) = json else { return Err("The document is not a JSON object.".into()) };
    if fields.len() == 1
        && let Some(inner @ Json::Object(_)) = fields.get_mut(name)
        && let Json::Object(inner) = inner.take()
    {
        fields = inner;
    }
    let mut out = Vec::with_capacity(1);
    push(name.into(), Json::Object(fields), 1, &mut out)?;
    out.pop().ok_or_else(|| "The document is empty.".into())
}

/// A whole number that its client's language has no integers for.
fn whole(number: &Number) -> Option<String> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    let whole = number.as_f64().filter(|it| number.is_f64() && it.fract() == 0.0 && it.abs() <= EXACT)?;
    Some(format!("{whole:.0}"))
}

/// Appends what a key holds: no node for null, one for each item of an array.
fn push(name: String, json: Json, depth: usize, out: &mut Vec<Node>) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("The document is nested deeper than {MAX_DEPTH}."));
    }
    match json {
        Json::Null => {}
        Json::Bool(value) => out.push(Node::text(name, value.to_string())),
        Json::Number(number) => {
            out.push(Node::text(name, whole(&number).unwrap_or_else(|| number.to_string())))
        }
        Json::String(text) => {
            check(&text).map_err(|why| format!("{name}: {why}"))?;
            out.push(Node::text(name, text));
        }
        Json::Array(items) => {
            let first = out.len();
            for item in items {
                push(name.clone(), item, depth + 1, out)?;
            }
            out[first..].iter_mut().for_each(|node| node.many = true);
        }
        Json::Object(fields) => {
            let mut node = Node::new(name);
            for (key, value) in fields {
                push(key, value, depth + 1, &mut node.children)?;
            }
            out.push(node);
        }
    }
    Ok(())
}

/// Writes what a node holds, without its name.
pub fn write(node: &Node, out: &mut String) -> fmt::Result {
    if let Some(value) = &node.value {
        return scalar(value, out);
    }
    out.push('{');
    members(node, out)?;
    out.push('}');
    Ok(())
}

fn members(node: &Node, out: &mut String) -> fmt::Result {
    let mut before: Option<&Node> = None;
    for child in node.children.iter().filter(|child| child.place != Place::Slot) {
        match before {
            Some(before) if child.many && before.many && before.name == child.name => out.push(','),
            before => {
                if let Some(before) = before {
                    out.push_str(if before.many { "]," } else { "," });
                }
                write!(out, "\"{}\":", child.name)?;
                if child.many {
                    out.push('[');
                }
            }
        }
        write(child, out)?;
        before = Some(child);
    }
    if before.is_some_and(|child| child.many) {
        out.push(']');
    }
    Ok(())
}

/// What stands around items that were written before: as a whole when there are none, or before
/// and after them.
pub fn frame(head: &Node, item: &str) -> Result<Frame, fmt::Error> {
    let mut before = String::from("{");
    members(head, &mut before)?;
    let empty = format!("{before}}}");
    if before.len() > 1 {
        before.push(',');
    }
    write!(before, "\"{item}\":[")?;
    Ok(Frame { empty, before, between: ",", after: "]}".into() })
}

fn scalar(value: &Value, out: &mut String) -> fmt::Result {
    match value {
        Value::Text(text) if text.bytes().all(is_plain) => write!(out, "\"{text}\""),
        Value::Text(text) => write!(out, "{}", Json::from(text.as_str())),
        Value::Int(number) => write!(out, "\"{number}\""),
        Value::Bool(value) => write!(out, "\"{value}\""),
        Value::Long(number) => write!(out, "{number}"),
        Value::Decimal(number) => write!(out, "{number}"),
        Value::Date(date) => write!(out, "{}", date.as_millis()),
    }
}

/// Whether a byte surely needs no escape; most texts have no other.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')
}
