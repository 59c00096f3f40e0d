//! Look-ups by a short path: `devices/disk`, `source/@file`, `os/type`.

use super::Element;

impl Element {
    /// The first element under a path of names.
    pub fn at(&self, path: &str) -> Option<&Element> {
        path.split('/').try_fold(self, |element, name| element.first(name))
    }

    /// The text of an element (`a/b`) or an attribute (`a/@b`) under a path; `None` when absent or empty.
    pub fn value(&self, path: &str) -> Option<String> {
        let value = match path.rsplit_once('/') {
            Some((element, attribute)) if attribute.starts_with('@') => {
                self.at(element)?.get(&attribute[1..])?.to_owned()
            }
            None if path.starts_with('@') => self.get(&path[1..])?.to_owned(),
            _ => self.at(path)?.content(),
        };
        (!value.is_empty()).then_some(value)
    }

    /// A number under a path.
    pub fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.value(path)?.parse().ok()
    }

    /// All elements under a path: the last name may repeat.
    pub fn every<'a>(&'a self, path: &'a str) -> Vec<&'a Element> {
        match path.rsplit_once('/') {
            Some((parent, name)) => self.at(parent).map(|p| p.all(name).collect()).unwrap_or_default(),
            None => self.all(path).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::xml::parse;

    #[test]
    fn paths_reach_text_attributes_and_repeats() {
        let root =
            parse(b"<d><os><type arch='x86_64'>hvm</type><e/></os><l><i n='1'/><i n='2'/></l></d>").unwrap();
        assert_eq!(root.value("os/type").as_deref(), Some("hvm"));
        assert_eq!(root.value("os/type/@arch").as_deref(), Some("x86_64"));
        assert_eq!(root.value("os/e"), None);
        assert_eq!(root.every("l/i").len(), 2);
        assert_eq!(root.number::<u32>("l/i/@n"), Some(1));
    }
}
