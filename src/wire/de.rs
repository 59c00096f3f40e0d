//! Tree to struct. Forgiving about form (order, repeats, spelling of scalars), strict about values and
//! where they stand; every refusal names the path of its element.

use super::tree::{Node, Value};
use super::{Date, Dialect, scalar};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use std::any::type_name;
use std::fmt;

/// Makes a struct of a tree whose structs a dialect lifts on the way.
pub fn document<T: DeserializeOwned>(root: Node, dialect: &dyn Dialect) -> Result<T, Refused> {
    let path = Path { above: None, name: &root.name.clone() };
    T::deserialize(Field { nodes: vec![root], path: &path, dialect })
}

/// What is wrong and where; the sentence is the client's.
#[derive(Debug)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Refused(why.to_string())
    }
}

/// The way from the root to an element, for sentences.
struct Path<'p> {
    above: Option<&'p Path<'p>>,
    name: &'p str,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.above {
            Some(above) => write!(f, "{above}/{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// All nodes of one name: a list takes them all, everything else the last one.
struct Field<'a> {
    nodes: Vec<Node>,
    path: &'a Path<'a>,
    dialect: &'a dyn Dialect,
}

impl Field<'_> {
    /// The value's text; an element with elements inside has none.
    fn text(&mut self) -> Result<String, Refused> {
        match self.nodes.pop() {
            Some(Node { value: Some(Value::Text(text)), .. }) => Ok(text),
            Some(Node { value: None, children, .. }) if children.is_empty() => Ok(String::new()),
            _ => Err(self.refused("a value is expected here, not elements")),
        }
    }

    /// The value through a parser of scalars.
    fn scalar<T>(&mut self, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Refused> {
        let text = self.text()?;
        parse(text.trim_ascii()).map_err(|why| self.refused(why))
    }

    fn integer(&mut self, min: i128, max: i128, kind: &str) -> Result<i128, Refused> {
        self.scalar(|text| scalar::integer(text, min, max, kind))
    }

    fn refused(&self, why: impl fmt::Display) -> Refused {
        Refused(format!("{}: {why}", self.path))
    }

    fn is_empty(&self) -> bool {
        self.nodes.last().is_none_or(|node| node.children.is_empty() && !is_said(node))
    }
}

/// Whether the node has a value; blanks are none.
fn is_said(node: &Node) -> bool {
    match &node.value {
        Some(Value::Text(text)) => !text.trim_ascii().is_empty(),
        Some(_) => true,
        None => false,
    }
}

/// Whether an empty element of this optional type is as good as none: a number, a boolean or a date.
/// An empty text is a value, by which clients clear a description. serde hands out no other sign of
/// what is inside an option than its type's name; a test holds the names to what they are today.
fn empty_is_absent<Optional>() -> bool {
    let name = type_name::<Optional>();
    let inner = name.split_once('<').map_or(name, |(_, inner)| inner.trim_end_matches('>'));
    matches!(inner, "bool" | "i16" | "i32" | "i64" | "u16" | "u32" | "u64" | "f64")
        || inner == type_name::<Date>()
}

/// Deserializes integers of one type between its own bounds.
macro_rules! integers {
    ($($method:ident $visit:ident $type:ty, $kind:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            let number = self.integer(<$type>::MIN.into(), <$type>::MAX.into(), $kind)?;
            let number = <$type>::try_from(number).map_err(|why| self.refused(why))?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Field<'_> {
    type Error = Refused;

    integers! {
        deserialize_i8 visit_i8 i8, "byte";
        deserialize_i16 visit_i16 i16, "short";
        deserialize_i32 visit_i32 i32, "integer";
        deserialize_i64 visit_i64 i64, "long";
        deserialize_u8 visit_u8 u8, "unsigned byte";
        deserialize_u16 visit_u16 u16, "unsigned short";
        deserialize_u32 visit_u32 u32, "unsigned integer";
    }

    /// Sizes and durations: version 3 has no 64 bits without a sign.
    fn deserialize_u64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let number = self.integer(0, i64::MAX.into(), "long")?;
        visitor.visit_u64(u64::try_from(number).map_err(|why| self.refused(why))?)
    }
    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_bool(self.scalar(scalar::boolean)?)
    }
    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_f64(self.scalar(scalar::decimal)?)
    }
    fn deserialize_string<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_string(self.text()?)
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_string(visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        match name {
            Date::MARK => visitor.visit_i64(self.scalar(scalar::date)?.as_millis()),
            _ => visitor.visit_newtype_struct(self),
        }
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.is_empty() && empty_is_absent::<V::Value>() {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let Field { nodes, path, dialect } = self;
        visitor.visit_seq(Items { nodes: nodes.into_iter(), path, dialect })
    }
    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        kind: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let Some(mut node) = self.nodes.pop() else {
            return Err(self.refused("an element is expected here"));
        };
        self.dialect.lift(kind, &mut node);
        if is_said(&node) {
            return Err(self.refused("elements are expected here, not a value"));
        }
        if node.many {
            return Err(self.refused("elements are expected here, not a list"));
        }
        visitor.visit_map(Fields {
            children: node.children.into_iter().map(Some).collect(),
            fields: fields.iter(),
            next: None,
            path: self.path,
            dialect: self.dialect,
        })
    }
    /// No type of the documents asks for anything else; a text is the most that can be said.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_string(visitor)
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        f32 char bytes byte_buf unit unit_struct tuple tuple_struct map enum identifier
    }
}

struct Items<'a> {
    nodes: std::vec::IntoIter<Node>,
    path: &'a Path<'a>,
    dialect: &'a dyn Dialect,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        let node = Node { many: false, ..node };
        seed.deserialize(Field { nodes: vec![node], path: self.path, dialect: self.dialect }).map(Some)
    }
}

/// Walks over the fields that a struct knows, each with its children; what remains is unknown and ignored.
struct Fields<'a> {
    children: Vec<Option<Node>>,
    fields: std::slice::Iter<'static, &'static str>,
    next: Option<(&'static str, Vec<Node>)>,
    path: &'a Path<'a>,
    dialect: &'a dyn Dialect,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        while self.children.iter().any(Option::is_some)
            && let Some(&field) = self.fields.next()
        {
            let nodes: Vec<Node> = self
                .children
                .iter_mut()
                .filter_map(|child| child.take_if(|node| node.name == field))
                .collect();
            if !nodes.is_empty() {
                self.next = Some((field, nodes));
                return seed.deserialize(field.into_deserializer()).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let Some((name, nodes)) = self.next.take() else {
            return Err(de::Error::custom("a value without its name"));
        };
        let path = Path { above: Some(self.path), name };
        seed.deserialize(Field { nodes, path: &path, dialect: self.dialect })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_numbers_booleans_and_dates_are_absent_but_texts_and_structs_are_not() {
        assert!(empty_is_absent::<Option<bool>>());
        assert!(empty_is_absent::<Option<i32>>() && empty_is_absent::<Option<u64>>());
        assert!(empty_is_absent::<Option<f64>>() && empty_is_absent::<Option<Date>>());
        assert!(!empty_is_absent::<Option<String>>());
        assert!(!empty_is_absent::<Option<super::super::types::Ref>>());
    }
}
