//! Documents kept as bytes until what they show has changed: a list is a copy of bytes.

use super::condensed::{Condensed, Shapes};
use super::fault::Fault;
use super::listed::Item;
use crate::model::VmId;
use crate::wire::{Format, Version};
use axum::body::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

/// What makes one rendering of a VM differ from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub vm: VmId,
    pub format: Format,
    pub version: Version,
    pub all_content: bool,
    pub filter: bool,
}

/// More items of lists than this belong to VMs that are gone.
const MOST_ITEMS: usize = 65_536;
/// So many VMs are asked for one by one time and again; each that was just made is, once.
const MOST_ALONE: usize = 256;

#[derive(Default)]
pub struct Rendered {
    items: RwLock<Kept<Arc<Condensed>>>,
    shapes: Mutex<Shapes>,
    alone: RwLock<Kept<Bytes>>,
}

/// Each of the stamp that was read before it was made.
type Kept<T> = HashMap<Key, (u64, T)>;

impl Rendered {
    /// The VM's document of that stamp, made when it is not there. The stamp must have been read before.
    pub fn alone(
        &self,
        key: Key,
        stamp: u64,
        render: impl FnOnce() -> Result<Bytes, Fault>,
    ) -> Result<Bytes, Fault> {
        kept(&self.alone, MOST_ALONE, key, stamp, render)
    }

    /// The same as an item of a list.
    pub fn item(
        &self,
        key: Key,
        stamp: u64,
        render: impl FnOnce() -> Result<Bytes, Fault>,
    ) -> Result<Item, Fault> {
        let condense = |text: Bytes| {
            let mut shapes = self.shapes.lock().expect("no panic while held");
            Arc::new(shapes.condense(&text, &key.vm.to_string()))
        };
        kept(&self.items, MOST_ITEMS, key, stamp, || render().map(condense)).map(Item::Condensed)
    }
}

fn kept<T: Clone>(
    all: &RwLock<Kept<T>>,
    most: usize,
    key: Key,
    stamp: u64,
    make: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    if let Some((at, known)) = all.read().expect("no panic while held").get(&key)
        && *at == stamp
    {
        return Ok(known.clone());
    }
    let made = make()?;
    let mut all = all.write().expect("no panic while held");
    if all.len() >= most {
        all.clear();
    }
    all.insert(key, (stamp, made.clone()));
    Ok(made)
}
