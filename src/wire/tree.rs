//! The tree between the structs and the two formats: it knows what XML and JSON say differently.

use super::Date;
use std::borrow::Cow;

/// One element of an API document, with either a value or children (in a request: perhaps both).
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub name: Cow<'static, str>,
    pub place: Place,
    /// One of a repeated element, which is an array in JSON.
    pub many: bool,
    pub value: Option<Value>,
    pub children: Vec<Node>,
}

/// How XML writes a node; JSON knows no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Element,
    Attribute,
    /// The text of the parent, beside its attributes.
    Text,
    /// Nothing: keeps the place of an element that a rewrite may fill.
    Slot,
}

/// A scalar in the kinds that JSON tells apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    /// Up to 32 bits: a string in JSON.
    Int(i64),
    /// A string in JSON.
    Bool(bool),
    /// 64 bits: a number in JSON.
    Long(i64),
    Decimal(f64),
    Date(Date),
}

impl Value {
    /// As a request would say it.
    fn said(&self) -> String {
        match self {
            Self::Text(text) => text.trim_ascii().to_owned(),
            Self::Int(number) | Self::Long(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Decimal(number) => number.to_string(),
            Self::Date(date) => date.to_string(),
        }
    }
}

impl Node {
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), place: Place::Element, many: false, value: None, children: Vec::new() }
    }

    pub fn scalar(name: impl Into<Cow<'static, str>>, value: Value) -> Self {
        Self { value: Some(value), ..Self::new(name) }
    }

    pub fn text(name: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self::scalar(name, Value::Text(text.into()))
    }

    /// Whether XML writes it as an attribute of its parent.
    pub fn is_attribute(&self) -> bool {
        self.place == Place::Attribute
            || (self.value.is_some() && matches!(&*self.name, "id" | "href" | "rel"))
    }

    /// The child that counts for a name: the last one, as a request may say it twice. Slots do not count.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.position(name).map(|index| &self.children[index])
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.position(name).map(|index| &mut self.children[index])
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.children.iter().rposition(|child| child.name == name && child.place != Place::Slot)
    }

    /// The node under a path of names such as `status/state`.
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('/').try_fold(self, |node, name| node.get(name))
    }

    /// The value under a path as a request would say it.
    pub fn said(&self, path: &str) -> Option<String> {
        self.at(path)?.value.as_ref().map(Value::said)
    }

    pub fn at_mut(&mut self, path: &str) -> Option<&mut Node> {
        path.split('/').try_fold(self, |node, name| node.get_mut(name))
    }

    /// Removes the node under a path.
    pub fn take(&mut self, path: &str) -> Option<Node> {
        let (parent, name) = self.parent(path)?;
        let index = parent.position(name)?;
        Some(parent.children.remove(index))
    }

    /// Removes every child of a name.
    pub fn take_all(&mut self, name: &str) -> Vec<Node> {
        self.children.extract_if(.., |child| child.name == name && child.place != Place::Slot).collect()
    }

    /// Puts a node under a path, into the slot of that name where there is one.
    pub fn put(&mut self, path: &'static str, node: Node) {
        self.put_all(path, [node]);
    }

    /// The same of several: however many a request has, the parent's children are searched once.
    pub fn put_all(&mut self, path: &'static str, nodes: impl IntoIterator<Item = Node>) {
        let mut nodes = nodes.into_iter();
        let Some(first) = nodes.next() else { return };
        let (parent, name) = match path.rsplit_once('/') {
            Some((above, name)) => (self.ensure(above), name),
            None => (self, path),
        };
        let named = |node| Node { name: Cow::Borrowed(name), place: Place::Element, ..node };
        match parent.children.iter_mut().find(|child| child.name == name && child.place == Place::Slot) {
            Some(slot) => *slot = named(first),
            None => parent.children.push(named(first)),
        }
        parent.children.extend(nodes.map(named));
    }

    fn parent<'a>(&mut self, path: &'a str) -> Option<(&mut Node, &'a str)> {
        match path.rsplit_once('/') {
            Some((above, name)) => Some((self.at_mut(above)?, name)),
            None => Some((self, path)),
        }
    }

    fn ensure(&mut self, path: &'static str) -> &mut Node {
        path.split('/').fold(self, |node, name| {
            let index = node.position(name).unwrap_or_else(|| {
                node.children.push(Node::new(name));
                node.children.len() - 1
            });
            &mut node.children[index]
        })
    }
}
