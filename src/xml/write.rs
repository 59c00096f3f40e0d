//! Tree to text: escaped, indented by two spaces, elements with text kept on one line.

use super::{Element, Node};
use std::fmt::{self, Write};

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_element(self, 0, f)
    }
}

fn write_element(element: &Element, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    indent(depth, f)?;
    write!(f, "<{}", element.name)?;
    for (name, value) in &element.attributes {
        write!(f, " {name}=\"")?;
        escape(value, true, f)?;
        f.write_char('"')?;
    }
    let text = element.content();
    let has_elements = element.elements().next().is_some();
    if text.is_empty() && !has_elements {
        return f.write_str("/>\n");
    }
    f.write_char('>')?;
    if !has_elements {
        for node in &element.children {
            if let Node::Text(text) = node {
                escape(text, false, f)?;
            }
        }
        return writeln!(f, "</{}>", element.name);
    }
    f.write_char('\n')?;
    if !text.is_empty() {
        indent(depth + 1, f)?;
        escape(&text, false, f)?;
        f.write_char('\n')?;
    }
    for child in element.elements() {
        write_element(child, depth + 1, f)?;
    }
    indent(depth, f)?;
    writeln!(f, "</{}>", element.name)
}

fn indent(depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    (0..depth).try_for_each(|_| f.write_str("  "))
}

/// Escapes a text; what XML 1.0 cannot hold becomes U+FFFD.
pub fn escape(text: &str, attribute: bool, out: &mut impl Write) -> fmt::Result {
    for c in text.chars() {
        match c {
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '&' => out.write_str("&amp;")?,
            '"' if attribute => out.write_str("&quot;")?,
            '\n' if attribute => out.write_str("&#10;")?,
            '\t' if attribute => out.write_str("&#9;")?,
            '\r' => out.write_str("&#13;")?,
            '\t' | '\n' => out.write_char(c)?,
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.write_char('\u{fffd}')?,
            _ => out.write_char(c)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::xml::{Element, parse};

    #[test]
    fn what_is_written_reads_back() {
        let tree = Element::new("a")
            .with("x", "1 <\"&'> 2\n\t")
            .child(Element::new("b").text("<&> ]]> ü"))
            .child(Element::new("c"));
        assert_eq!(parse(tree.to_string().as_bytes()).unwrap().first("b"), tree.first("b"));
        assert_eq!(parse(tree.to_string().as_bytes()).unwrap().get("x"), tree.get("x"));
        assert_eq!(Element::new("b").text("\u{1}").to_string(), "<b>\u{fffd}</b>\n");
    }
}
