//! What all documents are made of.

use serde::{Serialize, Serializer};

/// Holds the place, in version 3's order, of an element that version 4 does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot;

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_struct("Slot")
    }
}

/// A request never fills a slot: the rewrite has moved what it held.
impl<'de> serde::Deserialize<'de> for Slot {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Slot)
    }
}

/// An element that says yes by standing there, whatever it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence;

impl Serialize for Presence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl<'de> serde::Deserialize<'de> for Presence {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Presence)
    }
}

part! {
    /// A way to another resource.
    Link {
        href: Option<String>,
        rel: Option<String>,
    }
}

part! {
    /// The actions of a resource.
    Actions {
        link: Vec<Link>,
    }
}

part! {
    /// A mention of another resource: requests name it by id or name, answers by id and href.
    Ref {
        href: Option<String>,
        id: Option<String>,
        name: Option<String>,
    }
}

impl Ref {
    /// A reference by id alone, as lists inside of documents have it.
    pub fn bare(id: impl ToString) -> Self {
        Self { id: Some(id.to_string()), ..Self::default() }
    }

    /// A reference with its address.
    pub fn at(href: impl Into<String>, id: impl ToString) -> Self {
        Self { href: Some(href.into()), ..Self::bare(id) }
    }
}

impl Link {
    /// A link of a relation.
    pub fn new(rel: impl Into<String>, href: impl Into<String>) -> Self {
        Self { href: Some(href.into()), rel: Some(rel.into()) }
    }
}

part! {
    /// What a collection says beside its items.
    Head {
        actions: Option<Actions>,
        size: Option<u32>,
        total: Option<u32>,
        active: Option<u32>,
    }
}

part! {
    /// A version of software, or a level of compatibility.
    VersionNumber {
        major: Option<u16>,
        minor: Option<u16>,
        build: Option<u16>,
        revision: Option<u16>,
        full_version: Option<String>,
    }
}

part! {
    /// Levels of compatibility.
    SupportedVersions {
        version: Vec<VersionNumber>,
    }
}

part! {
    /// The answer to what went wrong.
    Fault {
        reason: Option<String>,
        detail: Option<String>,
    }
}

impl crate::wire::Document for Fault {
    const ROOT: &'static str = "fault";
}

part! {
    /// A property of a scheduling policy, a network or a storage.
    Property {
        name: Option<String>,
        value: Option<String>,
    }
}

part! {
    /// A list of `property`.
    Properties {
        property: Vec<Property>,
    }
}

part! {
    /// A name and value that hooks and drivers understand.
    CustomProperty {
        name: Option<String>,
        value: Option<String>,
        regexp: Option<String>,
    }
}

part! {
    /// A list of `custom_property`.
    CustomProperties {
        custom_property: Vec<CustomProperty>,
    }
}

part! {
    /// A switch.
    Enabled {
        enabled: Option<bool>,
    }
}

references! {
    DataCenterRefs: data_center;
    DiskRefs: disk;
    HostRefs: host;
    NetworkRefs: network;
    StorageDomainRefs: storage_domain;
    VmRefs: vm;
}
