//! Struct to tree. Absent values and empty texts but ids leave nothing behind; a struct always
//! leaves a node.

use super::tree::{Node, Place, Value};
use super::{Date, Dialect};
use serde::{Serialize, Serializer, ser};
use std::fmt;

/// Turns a document into a tree whose structs a dialect has lowered.
pub fn tree<T: Serialize>(document: &T, root: &'static str, dialect: &dyn Dialect) -> Result<Node, Refused> {
    let mut out = Vec::with_capacity(1);
    document.serialize(Field { name: root, many: false, out: &mut out, dialect })?;
    out.pop().ok_or(Refused)
}

/// The value is none that an API document has: a map, a tuple, bytes.
#[derive(Debug)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a value of an API document")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Refused
    }
}

/// Writes one field: none, one or several nodes of its name.
struct Field<'a> {
    name: &'static str,
    many: bool,
    out: &'a mut Vec<Node>,
    dialect: &'a dyn Dialect,
}

impl Field<'_> {
    fn push(self, value: Value) -> Result<(), Refused> {
        self.out.push(Node { many: self.many, ..Node::scalar(self.name, value) });
        Ok(())
    }
}

impl<'a> Serializer for Field<'a> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Items<'a>;
    type SerializeStruct = Struct<'a>;
    type SerializeTuple = ser::Impossible<(), Refused>;
    type SerializeTupleStruct = ser::Impossible<(), Refused>;
    type SerializeTupleVariant = ser::Impossible<(), Refused>;
    type SerializeMap = ser::Impossible<(), Refused>;
    type SerializeStructVariant = ser::Impossible<(), Refused>;

    fn serialize_none(self) -> Result<(), Refused> {
        Ok(())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }
    fn serialize_str(self, text: &str) -> Result<(), Refused> {
        // An empty drive has a file with an empty name.
        if text.is_empty() && self.name != "id" {
            return Ok(());
        }
        self.push(Value::Text(text.to_owned()))
    }
    fn serialize_bool(self, value: bool) -> Result<(), Refused> {
        self.push(Value::Bool(value))
    }
    fn serialize_i8(self, number: i8) -> Result<(), Refused> {
        self.push(Value::Int(number.into()))
    }
    fn serialize_i16(self, number: i16) -> Result<(), Refused> {
        self.push(Value::Int(number.into()))
    }
    fn serialize_i32(self, number: i32) -> Result<(), Refused> {
        self.push(Value::Int(number.into()))
    }
    fn serialize_u8(self, number: u8) -> Result<(), Refused> {
        self.push(Value::Int(number.into()))
    }
    fn serialize_u16(self, number: u16) -> Result<(), Refused> {
        self.push(Value::Int(number.into()))
    }
    fn serialize_u32(self, number: u32) -> Result<(), Refused> {
        self.push(Value::Int(number.into()))
    }
    fn serialize_i64(self, number: i64) -> Result<(), Refused> {
        self.push(Value::Long(number))
    }
    /// Clients read 64 bits with a sign.
    fn serialize_u64(self, number: u64) -> Result<(), Refused> {
        self.push(Value::Long(i64::try_from(number).unwrap_or(i64::MAX)))
    }
    fn serialize_f32(self, number: f32) -> Result<(), Refused> {
        self.serialize_f64(number.into())
    }
    /// Neither format has a way to say infinity.
    fn serialize_f64(self, number: f64) -> Result<(), Refused> {
        if number.is_finite() { self.push(Value::Decimal(number)) } else { Ok(()) }
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        if name != Date::MARK {
            return value.serialize(self);
        }
        let before = self.out.len();
        let Field { name, many, out, dialect } = self;
        value.serialize(Field { name, many, out: &mut *out, dialect })?;
        for node in &mut out[before..] {
            if let Some(Value::Long(millis)) = node.value {
                node.value = Some(Value::Date(Date::from_millis(millis).ok_or(Refused)?));
            }
        }
        Ok(())
    }
    /// The one unit struct of the types is `Slot`.
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        self.out.push(Node { place: Place::Slot, ..Node::new(self.name) });
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Refused> {
        self.serialize_str(variant)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Refused> {
        Ok(Items { name: self.name, out: self.out, dialect: self.dialect })
    }
    fn serialize_struct(self, kind: &'static str, fields: usize) -> Result<Struct<'a>, Refused> {
        let children = Vec::with_capacity(fields.min(8));
        let node = Node { many: self.many, children, ..Node::new(self.name) };
        Ok(Struct { kind, node, out: self.out, dialect: self.dialect })
    }

    fn serialize_char(self, _: char) -> Result<(), Refused> {
        Err(Refused)
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<(), Refused> {
        Err(Refused)
    }
    fn serialize_unit(self) -> Result<(), Refused> {
        Err(Refused)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Refused> {
        Err(Refused)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Refused> {
        Err(Refused)
    }
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Refused> {
        Err(Refused)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Refused> {
        Err(Refused)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Refused> {
        Err(Refused)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Refused> {
        Err(Refused)
    }
}

/// The items of a repeated element.
struct Items<'a> {
    name: &'static str,
    out: &'a mut Vec<Node>,
    dialect: &'a dyn Dialect,
}

impl ser::SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Refused> {
        item.serialize(Field { name: self.name, many: true, out: &mut *self.out, dialect: self.dialect })
    }
    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}

/// A struct on its way: its node is lowered by the dialect when complete.
struct Struct<'a> {
    kind: &'static str,
    node: Node,
    out: &'a mut Vec<Node>,
    dialect: &'a dyn Dialect,
}

impl ser::SerializeStruct for Struct<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(Field { name, many: false, out: &mut self.node.children, dialect: self.dialect })
    }
    fn end(mut self) -> Result<(), Refused> {
        self.dialect.lower(self.kind, &mut self.node);
        self.out.push(self.node);
        Ok(())
    }
}
