//! Documents with every field set, made by walking the structs: what a new field looks like on the
//! wire is seen without anybody having to think of it.

use super::Date;
use super::v3::Rule;
use super::v3_rules::RULES;
use serde::de::value::Error;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use std::any::type_name;

/// A document with all of its fields, or all that version 3 has.
pub fn sample<T: DeserializeOwned>(only_version_3: bool) -> T {
    T::deserialize(Sample { field: "", above: &Above { kind: "", above: None }, only_version_3 }).unwrap()
}

const GUID: &str = "082c794b-771f-452f-83c9-b2b5a19c0399";
const MILLIS: i64 = 1_423_490_081_123;

/// Structs that are only mentioned inside of others: they have files of their own.
const MENTIONED: &[&str] =
    &["Cdrom", "Disk", "Group", "Nic", "Permission", "Role", "Snapshot", "Tag", "User", "Vm"];

/// Values that mean something where a made-up word would not do.
fn text(kind: &str, field: &str) -> String {
    let known = match (kind, field) {
        ("SsoMethod", "id") => "guest_agent",
        (_, "href") => return format!("/ovirt-engine/api/things/{GUID}"),
        (_, "id") => GUID,
        ("Link", "rel") => "start",
        ("Vm" | "Template" | "InstanceType", "type") => "server",
        ("OperatingSystem", "type") => "rhel_6x64",
        ("Statistic", "type") => "decimal",
        ("Statistic", "unit") => "bytes_per_second",
        ("Fault", "detail") => "[Cannot run VM. <b> & \"c\" are 'd'.]",
        ("Cpu", "type") => "Intel Haswell Family",
        ("BootSequence", "device") => "hd",
        ("Ip", "version") => "v4",
        (_, "kind") => "gauge",
        (_, "status") => "up",
        (_, "creation_status") => "in_progress",
        (_, "architecture") => "x86_64",
        (_, "source" | "required_rng_source" | "supported_rng_source") => "urandom",
        (_, "protocol") => "spice",
        (_, "address") => "192.0.2.7",
        (_, "name") => return format!("{}-1", kind.to_lowercase()),
        (_, "description") => "grüß dich",
        (_, field) => field,
    };
    known.to_owned()
}

/// The structs around the one that is made.
struct Above<'a> {
    kind: &'static str,
    above: Option<&'a Above<'a>>,
}

impl Above<'_> {
    fn depth(&self) -> usize {
        self.above.map_or(0, |above| above.depth() + 1)
    }
}

#[derive(Clone, Copy)]
struct Sample<'a> {
    field: &'static str,
    above: &'a Above<'a>,
    only_version_3: bool,
}

/// Answers every request for a number in the same way.
macro_rules! numbers {
    ($($method:ident $visit:ident $number:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit($number)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Sample<'_> {
    type Error = Error;

    numbers! {
        deserialize_bool visit_bool true;
        deserialize_u16 visit_u16 5900;
        deserialize_u32 visit_u32 7200;
        deserialize_i32 visit_i32 2;
        deserialize_i64 visit_i64 -1;
        deserialize_u64 visit_u64 8_589_934_592;
        deserialize_f64 visit_f64 12.5;
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(text(self.above.kind, self.field))
    }
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        assert_eq!(name, Date::MARK);
        visitor.visit_i64(MILLIS)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let count = if type_name::<V::Value>().contains("String") { 2 } else { 1 };
        visitor.visit_seq(de::value::SeqDeserializer::new(std::iter::repeat_n(self, count)))
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        kind: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let above = Above { kind, above: Some(self.above) };
        visitor.visit_map(Fields { fields: fields.iter(), next: None, above, sample: self })
    }

    serde::forward_to_deserialize_any! {
        i8 i16 u8 f32 char str bytes byte_buf unit unit_struct tuple tuple_struct map enum identifier
        ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Sample<'_> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

struct Fields<'a> {
    fields: std::slice::Iter<'static, &'static str>,
    next: Option<&'static str>,
    above: Above<'a>,
    sample: Sample<'a>,
}

impl Fields<'_> {
    fn skipped(&self, field: &str) -> bool {
        let nested = self.above.depth() > 1;
        let mentioned = nested && MENTIONED.contains(&self.above.kind);
        // What every resource has need not be seen again in every reference.
        let common = nested
            && self.above.kind != "Actions"
            && matches!(field, "actions" | "link" | "description" | "comment" | "creation_status");
        let rules = RULES.iter().filter(|(kind, _)| *kind == self.above.kind).flat_map(|(_, rules)| *rules);
        let newer = |rule: &Rule| matches!(rule, Rule::Only4(fields) if fields.contains(&field));
        common
            || (mentioned && !matches!(field, "href" | "id" | "name"))
            || (self.sample.only_version_3 && rules.into_iter().any(newer))
    }
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        loop {
            let Some(&field) = self.fields.next() else { return Ok(None) };
            if !self.skipped(field) {
                self.next = Some(field);
                return seed.deserialize(field.into_deserializer()).map(Some);
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let field = self.next.take().unwrap();
        seed.deserialize(Sample { field, above: &self.above, ..self.sample })
    }
}
