//! A tree for any XML document: libvirt's domains are read, edited and written through it,
//! so that elements which vireo does not know survive an edit.
//!
//! This is the only place that parses or escapes XML.

mod path;
mod read;
pub mod write;

pub use read::{Malformed, check, line_of, parse, parse_lines};

/// One element: a name, its attributes in order, its children in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Builder: sets an attribute.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.set(name, value);
        self
    }

    /// Builder: appends a child.
    pub fn child(mut self, child: Element) -> Self {
        self.push(child);
        self
    }

    /// Builder: appends text.
    pub fn text(mut self, text: impl ToString) -> Self {
        self.children.push(Node::Text(text.to_string()));
        self
    }

    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == attribute).map(|(_, value)| value.as_str())
    }

    pub fn set(&mut self, attribute: &str, value: impl ToString) {
        let value = value.to_string();
        match self.attributes.iter_mut().find(|(name, _)| name == attribute) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((attribute.to_owned(), value)),
        }
    }

    pub fn unset(&mut self, attribute: &str) {
        self.attributes.retain(|(name, _)| name != attribute);
    }

    pub fn push(&mut self, child: Element) {
        self.children.push(Node::Element(child));
    }

    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    pub fn elements_mut(&mut self) -> impl Iterator<Item = &mut Element> {
        self.children.iter_mut().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The children of one name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.elements().filter(move |element| element.name == name)
    }

    /// The first child of that name.
    pub fn first(&self, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.name == name)
    }

    pub fn first_mut(&mut self, name: &str) -> Option<&mut Element> {
        self.elements_mut().find(|element| element.name == name)
    }

    /// The first child of that name, appended when absent.
    pub fn ensure(&mut self, name: &str) -> &mut Element {
        if self.first(name).is_none() {
            self.push(Element::new(name));
        }
        self.first_mut(name).expect("just ensured")
    }

    /// Whether both say the same, in whatever order attributes and children of different names stand.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let (mut ours, mut theirs): (Vec<_>, Vec<_>) =
            (self.elements().collect(), other.elements().collect());
        ours.sort_by_key(|child| &child.name);
        theirs.sort_by_key(|child| &child.name);
        self.name == other.name
            && self.attributes.len() == other.attributes.len()
            && self.attributes.iter().all(|(name, value)| other.get(name) == Some(value))
            && self.content() == other.content()
            && ours.len() == theirs.len()
            && ours.into_iter().zip(theirs).all(|(a, b)| a.says_the_same(b))
    }

    /// Replaces every child of the new child's name by it, in the place of the first one.
    pub fn replace(&mut self, child: Element) {
        let place =
            self.children.iter().position(|node| matches!(node, Node::Element(e) if e.name == child.name));
        self.remove(&child.name.clone());
        let place = place.unwrap_or(self.children.len()).min(self.children.len());
        self.children.insert(place, Node::Element(child));
    }

    /// Removes every child of that name.
    pub fn remove(&mut self, name: &str) {
        self.retain(|element| element.name != name);
    }

    /// Keeps the text and those child elements for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&Element) -> bool) {
        self.children.retain(|node| match node {
            Node::Element(element) => keep(element),
            Node::Text(_) => true,
        });
    }

    /// The element's own text, trimmed.
    pub fn content(&self) -> String {
        let text: String = self
            .children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect();
        text.trim().to_owned()
    }

    /// Replaces all children by a text.
    pub fn set_content(&mut self, text: impl ToString) {
        self.children = vec![Node::Text(text.to_string())];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_all_the_same_but_among_those_of_one_name() {
        let read = |text: &str| parse(text.as_bytes()).unwrap();
        let one = read("<d><a x='1' y='2'/>\n  <b>t</b><c n='1'/><c n='2'/></d>");
        assert!(one.says_the_same(&read("<d><c n='1'/><b>t</b><c n='2'/><a y='2' x='1'/></d>")));
        for other in [
            "<d><a x='1' y='2'/><b>t</b><c n='2'/><c n='1'/></d>",
            "<d><a x='1' y='3'/><b>t</b><c n='1'/><c n='2'/></d>",
            "<d><a x='1' y='2' z=''/><b>t</b><c n='1'/><c n='2'/></d>",
            "<d><a x='1' y='2'/><b>u</b><c n='1'/><c n='2'/></d>",
            "<d><a x='1' y='2'/><b>t</b><c n='1'/></d>",
            "<e><a x='1' y='2'/><b>t</b><c n='1'/><c n='2'/></e>",
        ] {
            let other = read(other);
            assert!(!one.says_the_same(&other) && !other.says_the_same(&one), "{other}");
        }
    }
}
