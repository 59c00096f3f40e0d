//! Version 3 of the API as rewrites of version 4: the engine that applies the table of `v3_rules`.
//!
//! Rules belong to a struct by its name, so the same element name can mean different things in
//! different places (`version` of an operating system, of a template, of an address).

use super::Dialect;
use super::tree::{Node, Place, Value};
use super::v3_rules::{EVERYWHERE, ROOTS, RULES};
use std::collections::HashMap;
use std::sync::LazyLock;

/// One difference between the versions. `lower` makes version 3 of version 4, `lift` goes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// The value of a field becomes that of an element inside: `<status><state>up</state></status>`.
    Wrap(&'static str, &'static str),
    /// What is under these paths is an attribute in XML.
    Attrs(&'static [&'static str]),
    /// This field is the text beside the attributes.
    Text(&'static str),
    /// A field by its name in version 4 and in version 3.
    Rename(&'static str, &'static str),
    /// Version 3 has the value a second time; in a request the first path wins.
    Also(&'static str, &'static str),
    /// Two fields of one value; whoever reads a request takes the first one where both are there.
    Twins(&'static str, &'static str),
    /// A field at another place: its path in version 4 and in version 3.
    Move(&'static str, &'static str),
    /// The items of a list (its path in version 4) stand by themselves in version 3, each as an
    /// element with one attribute.
    Spread { list: &'static str, item: &'static str, key: &'static str },
    /// A list without its wrapper: wrapper and item.
    Bare(&'static str, &'static str),
    /// A reference that is a link of this relation.
    Link(&'static str, &'static str),
    /// Upper-case values.
    Upper(&'static str),
    /// Lower-case values whatever a request says.
    Lower(&'static [&'static str]),
    /// Elements that version 3 does not have.
    Only4(&'static [&'static str]),
    /// Another name that requests may use: the synonym and the field.
    Synonym(&'static str, &'static str),
    /// A boolean that is `true` where a request mentions it and leaves it empty.
    Mentioned(&'static str),
}

/// Version 3.
pub struct V3;

impl Dialect for V3 {
    fn lower(&self, kind: &str, node: &mut Node) {
        for rule in EVERYWHERE.iter().chain(rules(kind)) {
            rule.lower(node);
        }
    }

    fn lift(&self, kind: &str, node: &mut Node) {
        for rule in rules(kind).iter().rev().chain(EVERYWHERE) {
            rule.lift(node);
        }
    }

    fn prefer_news(&self, kind: &str, node: &mut Node, shown: &Node) {
        for rule in rules(kind) {
            if let Rule::Also(first, second) | Rule::Twins(first, second) = *rule
                && let (Some(said), Some(other)) = (node.said(first), node.said(second))
                && shown.said(first).is_some_and(|shown| shown == said && shown != other)
            {
                node.take(first);
            }
        }
    }

    fn root(&self, name: &'static str) -> &'static str {
        ROOTS.iter().find(|(four, _)| *four == name).map_or(name, |(_, three)| three)
    }
}

fn rules(kind: &str) -> &'static [Rule] {
    static INDEX: LazyLock<HashMap<&str, &[Rule]>> = LazyLock::new(|| RULES.iter().copied().collect());
    INDEX.get(kind).copied().unwrap_or_default()
}

impl Rule {
    /// Version 4 to version 3.
    pub fn lower(&self, node: &mut Node) {
        match *self {
            Rule::Wrap(field, inner) => {
                if let Some(child) = node.get_mut(field)
                    && let Some(value) = child.value.take()
                {
                    child.children.push(Node::scalar(inner, value));
                }
            }
            Rule::Attrs(fields) => {
                for path in fields {
                    if let Some(child) = node.at_mut(path) {
                        child.place = Place::Attribute;
                    }
                }
            }
            Rule::Text(field) => {
                if let Some(child) = node.get_mut(field) {
                    child.place = Place::Text;
                }
            }
            Rule::Rename(four, three) => rename(node, four, three),
            Rule::Also(four, three) => {
                if let Some(value) = single(node, four) {
                    node.put(three, value);
                }
            }
            Rule::Move(four, three) => {
                if let Some(child) = node.take(four) {
                    node.put(three, child);
                }
            }
            Rule::Spread { list, item, key } => {
                let top = list.split('/').next().unwrap_or(list);
                let (above, name) = list.rsplit_once('/').unwrap_or(("", list));
                let values = node.at_mut(above).map(|parent| parent.take_all(name)).unwrap_or_default();
                let place = node.children.iter().position(|child| child.name == top);
                node.take_all(top);
                let spread = values.into_iter().map(|value| {
                    let value = Node { name: key.into(), place: Place::Attribute, many: false, ..value };
                    Node { many: true, children: vec![value], ..Node::new(item) }
                });
                let place = place.unwrap_or(node.children.len()).min(node.children.len());
                node.children.splice(place..place, spread);
            }
            Rule::Bare(wrapper, _) => {
                if let Some(place) = node.children.iter().position(|child| child.name == wrapper) {
                    let items = std::mem::take(&mut node.children[place].children);
                    node.children.splice(place..=place, items);
                }
            }
            Rule::Link(field, relation) => {
                if let Some(reference) = node.take(field)
                    && let Some(href) = reference.get("href").cloned()
                {
                    let children = vec![href, Node::text("rel", relation)];
                    node.children.push(Node { many: true, children, ..Node::new("link") });
                }
            }
            Rule::Upper(path) => each_text(node, path, str::make_ascii_uppercase),
            Rule::Lower(_) | Rule::Synonym(..) | Rule::Mentioned(_) | Rule::Twins(..) => {}
            Rule::Only4(fields) => node.children.retain(|child| !fields.contains(&&*child.name)),
        }
    }

    /// Version 3 to version 4. A client may say it the version 4 way already: that stays.
    pub fn lift(&self, node: &mut Node) {
        match *self {
            Rule::Wrap(field, inner) => {
                for child in node.children.iter_mut().filter(|child| child.name == field) {
                    if let Some(value) = child.take(inner) {
                        child.value = value.value;
                        child.children.clear();
                    }
                }
            }
            Rule::Attrs(_) | Rule::Twins(..) => {}
            Rule::Text(field) => {
                if node.get(field).is_none()
                    && let Some(value) = node.value.take()
                {
                    node.children.push(Node::scalar(field, value));
                }
            }
            Rule::Rename(four, three) => rename(node, three, four),
            Rule::Also(four, three) | Rule::Move(four, three) => {
                if let Some(child) = node.take(three)
                    && node.at(four).is_none()
                {
                    node.put(four, child);
                }
            }
            Rule::Spread { list, item, key } => {
                let mut values = Vec::new();
                for mut child in node.take_all(item) {
                    match child.take(key) {
                        Some(value) => values.push(value),
                        None => node.children.push(child),
                    }
                }
                node.put_all(list, values);
            }
            Rule::Bare(wrapper, item) => {
                let items = node.take_all(item);
                if !items.is_empty() {
                    node.take_all(wrapper);
                    node.children.push(Node { children: items, ..Node::new(wrapper) });
                }
            }
            Rule::Link(field, relation) => {
                let links = node.take_all("link");
                for mut link in links {
                    let named = matches!(link.get("rel"), Some(Node { value: Some(Value::Text(rel)), .. }) if rel == relation);
                    if named {
                        link.take("rel");
                        link.many = false;
                        node.put(field, link);
                    } else {
                        node.children.push(link);
                    }
                }
            }
            Rule::Upper(path) => each_text(node, path, str::make_ascii_lowercase),
            Rule::Lower(paths) => {
                for path in paths {
                    each_text(node, path, str::make_ascii_lowercase);
                }
            }
            Rule::Only4(fields) => node.children.retain(|child| !fields.contains(&&*child.name)),
            Rule::Synonym(synonym, field) => {
                if let Some(child) = node.take(synonym)
                    && node.get(field).is_none()
                {
                    node.put(field, child);
                }
            }
            Rule::Mentioned(field) => {
                let blank =
                    |value: &Value| matches!(value, Value::Text(text) if text.trim_ascii().is_empty());
                if let Some(child) = node.get_mut(field)
                    && child.children.is_empty()
                    && child.value.as_ref().is_none_or(blank)
                {
                    child.value = Some(Value::Text("true".into()));
                }
            }
        }
    }
}

fn rename(node: &mut Node, from: &'static str, to: &'static str) {
    for child in &mut node.children {
        if child.name == from {
            child.name = to.into();
        }
    }
}

/// The node under a path where its name stands there once: version 3 repeats no lists.
fn single(node: &Node, path: &str) -> Option<Node> {
    let (parent, name) = match path.rsplit_once('/') {
        Some((above, name)) => (node.at(above)?, name),
        None => (node, path),
    };
    let mut found = parent.children.iter().filter(|child| child.name == name && child.place != Place::Slot);
    let first = found.next()?;
    found.next().is_none().then(|| Node { many: false, ..first.clone() })
}

/// Changes the texts of every node under a path.
fn each_text(node: &mut Node, path: &str, change: fn(&mut str)) {
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    for child in node.children.iter_mut().filter(|child| child.name == name) {
        match (rest, &mut child.value) {
            (Some(rest), _) => each_text(child, rest, change),
            (None, Some(Value::Text(text))) => change(text),
            (None, _) => {}
        }
    }
}
