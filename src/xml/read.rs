//! Text to tree. Refuses what a hostile body is made of: DOCTYPE, entities, deep nesting, a second root.

use super::{Element, Node};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Deep enough for every document of the API and of libvirt.
const MAX_DEPTH: usize = 64;

/// The document is not one that vireo reads; the text says why, in a client's terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

fn malformed<T>(why: impl ToString) -> Result<T, Malformed> {
    Err(Malformed(why.to_string()))
}

/// Parses one document with exactly one root element.
pub fn parse(bytes: &[u8]) -> Result<Element, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed("the document is not UTF-8".into()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    tree(&mut Reader::from_str(text))
}

/// Parses a file that somebody wrote: what is wrong comes with its line.
pub fn parse_lines(text: &str) -> Result<Element, (usize, Malformed)> {
    let mut reader = Reader::from_str(text);
    tree(&mut reader).map_err(|why| (line(text, reader.buffer_position()), why))
}

/// The line of the first element under a path of names, the root's name first.
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    loop {
        let before = reader.buffer_position();
        let event = reader.read_event().ok()?;
        match &event {
            Event::Start(start) | Event::Empty(start) => open.push(start.name().as_ref().to_owned()),
            Event::Eof => return None,
            _ => {}
        }
        if open.join("/") == path {
            return Some(line(text, before));
        }
        if matches!(event, Event::End(_) | Event::Empty(_)) {
            open.pop();
        }
    }
}

fn line(text: &str, offset: u64) -> usize {
    let before = text.bytes().take(offset as usize);
    1 + before.filter(|byte| *byte == b'\n').count()
}

fn tree(reader: &mut Reader<&[u8]>) -> Result<Element, Malformed> {
    reader.config_mut().check_end_names = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(why) => return malformed(format!("{why} at offset {}", reader.error_position())),
        };
        match event {
            Event::Start(start) => {
                if open.len() >= MAX_DEPTH {
                    return malformed(format!("elements are nested deeper than {MAX_DEPTH}"));
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => close(element(&start)?, &mut open, &mut root)?,
            Event::End(_) => {
                let Some(done) = open.pop() else { return malformed("an end tag without its start") };
                close(done, &mut open, &mut root)?;
            }
            // Lines end as XML has it, whatever a client's system ends them with.
            Event::Text(text) => add_text(&text.xml10_content(), &mut open)?,
            Event::CData(text) => add_text(&text.xml10_content(), &mut open)?,
            Event::GeneralRef(reference) => {
                let name: &str = &reference;
                let resolved = match name {
                    "lt" => "<".to_owned(),
                    "gt" => ">".to_owned(),
                    "amp" => "&".to_owned(),
                    "quot" => "\"".to_owned(),
                    "apos" => "'".to_owned(),
                    _ => match reference.resolve_char_ref() {
                        Ok(Some(c)) => c.to_string(),
                        _ => return malformed(format!("the entity '{name}' is not known")),
                    },
                };
                add_text(&resolved, &mut open)?;
            }
            Event::DocType(_) => return malformed("a DOCTYPE is not accepted"),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(unclosed) = open.last() {
        return malformed(format!("the element '{}' is not closed", unclosed.name));
    }
    root.ok_or_else(|| Malformed("the document is empty".into()))
}

fn element(start: &BytesStart<'_>) -> Result<Element, Malformed> {
    let mut element = Element::new(start.name().as_ref().to_owned());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|why| Malformed(why.to_string()))?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        let value = value.map_err(|why| Malformed(why.to_string()))?;
        check(&value)?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), Malformed> {
    match (open.last_mut(), &root) {
        (Some(parent), _) => parent.push(done),
        (None, None) => *root = Some(done),
        (None, Some(_)) => return malformed("the document has more than one root element"),
    }
    Ok(())
}

fn add_text(text: &str, open: &mut [Element]) -> Result<(), Malformed> {
    check(text)?;
    match open.last_mut() {
        Some(parent) => match parent.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ => parent.children.push(Node::Text(text.to_owned())),
        },
        None if text.trim().is_empty() => {}
        None => return malformed("text outside of the root element"),
    }
    Ok(())
}

/// Characters that XML 1.0 has no way to hold.
pub fn check(text: &str) -> Result<(), Malformed> {
    match text.chars().find(|c| {
        (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{80}'..='\u{9f}'))
            || matches!(c, '\u{fffe}' | '\u{ffff}')
    }) {
        Some(c) => malformed(format!("the control character U+{:04X} is not allowed", c as u32)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_text_entities_and_cdata() {
        let root = parse(b"<?xml version='1.0'?><a b='1 &lt; 2'>x &amp; <![CDATA[<y>]]>&#65;</a>").unwrap();
        assert_eq!(root.get("b"), Some("1 < 2"));
        assert_eq!(root.content(), "x & <y>A");
    }

    #[test]
    fn lines_end_as_xml_has_it() {
        let text = "<a b='1\r\n2\r3\n\t4&#13;&#10;&#9;5 &#xd;ü&lt;'>1\r\n2\r3\n\r\n\r4&#13;\n5&#xD;&#10;6\r<![CDATA[\r\n7\r8]]>\r\r</a>";
        let root = parse(text.as_bytes()).unwrap();
        assert_eq!(root.get("b"), Some("1 2 3  4\r\n\t5 \rü<"));
        let Node::Text(text) = &root.children[0] else { panic!("no text") };
        assert_eq!(text, "1\n2\n3\n\n\n4\r\n5\r\n6\n\n7\n8\n\n");
        assert_eq!(parse(root.to_string().as_bytes()).unwrap(), root);
    }

    #[test]
    fn refuses_what_attacks_are_made_of() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        for bad in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "text",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<a>&nope;</a>",
            "<a>&#1;</a>",
            "<a b='\u{1}'/>",
            "<a b='&#1;'/>",
            "<a b='&nope;'/>",
            "<a>\u{0}</a>",
            "<a",
            "<a b=1/>",
            &deep,
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?} was accepted");
        }
        assert!(parse(b"<a>\xff</a>").is_err());
    }
}
