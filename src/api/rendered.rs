//! Documents kept as bytes until what they show has changed: a list is a copy of bytes.

use super::fault::Fault;
use super::vms::Rendering;
use crate::model::VmId;
use crate::wire::{Format, Version};
use axum::body::Bytes;
use std::collections::HashMap;
use std::sync::RwLock;

/// What makes one rendering of a VM differ from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub vm: VmId,
    pub format: Format,
    pub version: Version,
    pub all_content: bool,
    pub filter: bool,
    pub place: Rendering,
}

/// More items of lists than this belong to VMs that are gone.
const MOST_ITEMS: usize = 65_536;
/// So many VMs are asked for one by one time and again; each that was just made is, once.
const MOST_ALONE: usize = 256;

#[derive(Default)]
pub struct Rendered {
    items: RwLock<Kept>,
    alone: RwLock<Kept>,
}

type Kept = HashMap<Key, (u64, Bytes)>;

impl Rendered {
    /// The rendering of that stamp, made when it is not there. The stamp must have been read before.
    pub fn get(
        &self,
        key: Key,
        stamp: u64,
        render: impl FnOnce() -> Result<Vec<u8>, Fault>,
    ) -> Result<Bytes, Fault> {
        let (kept, most) = match key.place {
            Rendering::InList => (&self.items, MOST_ITEMS),
            Rendering::Alone => (&self.alone, MOST_ALONE),
        };
        if let Some((at, bytes)) = kept.read().expect("no panic while held").get(&key)
            && *at == stamp
        {
            return Ok(bytes.clone());
        }
        let bytes = Bytes::from(render()?.into_boxed_slice());
        let mut kept = kept.write().expect("no panic while held");
        if kept.len() >= most {
            kept.clear();
        }
        kept.insert(key, (stamp, bytes.clone()));
        Ok(bytes)
    }
}
