//! The documents of the API: one family of structs in version 4's shape, read and written in every
//! version and format that clients speak.
//!
//! ```text
//! struct  <- de <-  tree  <- xml, json <-  body
//! struct  -> ser -> tree  -> xml, json ->  body
//!                 v3: rewrites of the tree by the table in v3_rules
//! ```
//!
//! Nothing here knows HTTP, the engine, or what a document's values mean.

pub mod convert;
mod de;
mod json;
mod mandatory;
mod scalar;
mod ser;
mod tree;
pub mod types;
mod v3;
mod v3_rules;
mod xml;

#[cfg(test)]
mod goldens;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use mandatory::{filled, missing, require};
pub use scalar::Date;
pub use types::Head;

use crate::error::Error;
use serde::{Serialize, de::DeserializeOwned};
use std::any::type_name;
use tree::Node;

/// A version of the API.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    V3,
}

/// A format of its documents.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    Xml,
    Json,
}

/// A document of the API: something that can stand alone in a body.
pub trait Document: Serialize + DeserializeOwned {
    /// The name of its root element in version 4.
    const ROOT: &'static str;
}

/// A document of something that has an address of its own.
pub trait Resource: Document {
    fn href(&self) -> Option<&str>;
    /// Says that it is not made yet, and where it is told how far that is.
    fn in_the_making(self, job: uuid::Uuid) -> Self;
}

/// What makes a version of the API differ from the structs, which have version 4's shape.
trait Dialect {
    /// Turns the node of a struct of that name into the version's form.
    fn lower(&self, kind: &str, node: &mut Node);
    /// Turns what a request says in the version's form into the struct's.
    fn lift(&self, kind: &str, node: &mut Node);
    /// Where a request says one value by two names, and repeats what was shown by the one that would
    /// win, the other one counts.
    fn prefer_news(&self, kind: &str, node: &mut Node, shown: &Node);
    /// The version's name of a root element.
    fn root(&self, name: &'static str) -> &'static str;
}

impl Version {
    fn dialect(self) -> &'static dyn Dialect {
        match self {
            Version::V3 => &v3::V3,
        }
    }
}

/// Reads a body. The refusals are the client's to read: they name the element's path, and they are
/// invalid values by their kind of fault.
pub fn read<T: Document>(body: &[u8], format: Format, version: Version) -> Result<T, Error> {
    read_as(body, format, version.dialect())
}

/// The same of a body that changes what is shown as `shown`. Clients send back all that they read, with
/// what they changed in it: an older name of a value counts where it alone says something new.
pub fn read_over<T: Document>(body: &[u8], format: Format, version: Version, shown: &T) -> Result<T, Error> {
    let dialect = version.dialect();
    let mut asked = parsed::<T>(body, format, dialect)?;
    let kind = type_name::<T>().rsplit("::").next().unwrap_or_default();
    dialect.prefer_news(kind, &mut asked, &tree(shown, T::ROOT, dialect));
    de::document(asked, dialect).map_err(|why| Error::invalid(why.0))
}

fn read_as<T: Document>(body: &[u8], format: Format, dialect: &dyn Dialect) -> Result<T, Error> {
    de::document(parsed::<T>(body, format, dialect)?, dialect).map_err(|why| Error::invalid(why.0))
}

fn parsed<T: Document>(body: &[u8], format: Format, dialect: &dyn Dialect) -> Result<Node, Error> {
    if body.trim_ascii().is_empty() {
        return Err(Error::invalid(format!("The body is empty; a '{}' is expected.", dialect.root(T::ROOT))));
    }
    let tree = match format {
        Format::Xml => xml::read(body, T::ROOT, dialect),
        Format::Json => json::read(body, T::ROOT, dialect),
    };
    tree.map_err(Error::invalid)
}

/// Writes a document as a whole body.
pub fn write<T: Document>(document: &T, format: Format, version: Version) -> Vec<u8> {
    let dialect = version.dialect();
    render(&tree(document, T::ROOT, dialect), format, true)
}

/// Writes a document as it stands in a collection, for a `Frame`.
pub fn write_item<T: Document>(document: &T, format: Format, version: Version) -> Vec<u8> {
    let dialect = version.dialect();
    render(&tree(document, T::ROOT, dialect), format, false)
}

/// What a collection's body is made of beside its items: with items `before`, the items with
/// `between` them, and `after`; without any `empty`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pub empty: String,
    pub before: String,
    pub between: &'static str,
    pub after: String,
}

/// The frame of a collection of items that `write_item` made: together the same bytes as `write`
/// of the whole. `root` and `item` are version 4's names.
pub fn frame(root: &'static str, item: &'static str, head: &Head, format: Format, version: Version) -> Frame {
    let dialect = version.dialect();
    let head = tree(head, root, dialect);
    match format {
        Format::Xml => xml::frame(&head),
        Format::Json => json::frame(&head, dialect.root(item)),
    }
    .unwrap_or_default()
}

/// The tree of a document. Our structs hold nothing that a tree cannot, so there is always one.
fn tree<T: Serialize>(document: &T, root: &'static str, dialect: &dyn Dialect) -> Node {
    let name = dialect.root(root);
    ser::tree(document, name, dialect).unwrap_or_else(|_| Node::new(name))
}

/// A whole body, or an item one step below the root. Writing to a string cannot fail.
fn render(tree: &Node, format: Format, whole: bool) -> Vec<u8> {
    let mut out = String::with_capacity(4096);
    let _ = match format {
        Format::Xml if whole => {
            out.push_str(xml::PROLOG);
            xml::write(tree, 0, &mut out)
        }
        Format::Xml => xml::write(tree, 1, &mut out),
        Format::Json => json::write(tree, &mut out),
    };
    out.into_bytes()
}
