//! The tree as XML.

use super::Dialect;
use super::Frame;
use super::tree::{Node, Place, Value};
use crate::xml::write::escape;
use crate::xml::{Element, Node as Content, parse};
use std::fmt::{self, Write};

/// How every document begins; clients compare it byte by byte.
pub const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

const INDENT: &str = "  ";

/// Reads a document; its root element must have that name.
pub fn read(body: &[u8], root: &'static str, dialect: &dyn Dialect) -> Result<Node, String> {
    let element = parse(body).map_err(|why| why.to_string())?;
    let wanted = dialect.root(root);
    if element.name != wanted {
        return Err(format!("The root element is '{}' instead of '{wanted}'.", element.name));
    }
    Ok(node(element))
}

/// Attributes and elements are alike; a text counts where no element stands beside it.
fn node(element: Element) -> Node {
    let mut node = Node::new(element.name);
    node.children.extend(element.attributes.into_iter().map(|(name, value)| Node::text(name, value)));
    let mut text = String::new();
    let mut elements = false;
    for child in element.children {
        match child {
            Content::Element(child) => {
                elements = true;
                node.children.push(self::node(child));
            }
            Content::Text(more) => text.push_str(&more),
        }
    }
    if !elements {
        node.value = Some(Value::Text(text));
    }
    node
}

/// Writes an element and what is in it, on lines of its own.
pub fn write(node: &Node, depth: usize, out: &mut String) -> fmt::Result {
    indent(depth, out)?;
    out.push('<');
    out.push_str(&node.name);
    for child in node.children.iter().filter(|child| child.is_attribute()) {
        if let Some(value) = &child.value {
            out.push(' ');
            out.push_str(&child.name);
            out.push_str("=\"");
            scalar(value, true, out)?;
            out.push('"');
        }
    }
    if let Some(value) = &node.value {
        out.push('>');
        scalar(value, false, out)?;
        return close(&node.name, out);
    }
    let mut inside = node.children.iter().filter(|child| child.place != Place::Slot && !child.is_attribute());
    let Some(first) = inside.next() else {
        out.push_str("/>\n");
        return Ok(());
    };
    out.push('>');
    if let (Place::Text, Some(value)) = (first.place, &first.value) {
        scalar(value, false, out)?;
        return close(&node.name, out);
    }
    out.push('\n');
    write(first, depth + 1, out)?;
    for child in inside {
        write(child, depth + 1, out)?;
    }
    indent(depth, out)?;
    close(&node.name, out)
}

/// What stands around items that were written before: as a whole when there are none, or before
/// and after them.
pub fn frame(head: &Node) -> Result<Frame, fmt::Error> {
    let mut empty = String::from(PROLOG);
    write(head, 0, &mut empty)?;
    let mut before = String::from(PROLOG);
    writeln!(before, "<{}>", head.name)?;
    for child in &head.children {
        write(child, 1, &mut before)?;
    }
    Ok(Frame { empty, before, between: "", after: format!("</{}>\n", head.name) })
}

fn close(name: &str, out: &mut String) -> fmt::Result {
    out.push_str("</");
    out.push_str(name);
    out.push_str(">\n");
    Ok(())
}

fn indent(depth: usize, out: &mut String) -> fmt::Result {
    (0..depth).for_each(|_| out.push_str(INDENT));
    Ok(())
}

fn scalar(value: &Value, attribute: bool, out: &mut String) -> fmt::Result {
    match value {
        Value::Text(text) if text.bytes().all(is_plain) => {
            out.push_str(text);
            Ok(())
        }
        Value::Text(text) => escape(text, attribute, out),
        Value::Int(number) => write!(out, "{number}"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Long(number) => write!(out, "{number}"),
        Value::Decimal(number) => write!(out, "{number}"),
        Value::Date(date) => write!(out, "{date}"),
    }
}

/// Whether a byte surely needs no escape; most texts have no other.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'<' | b'>' | b'&' | b'"')
}
