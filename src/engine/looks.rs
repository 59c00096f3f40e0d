//! What a recovery asks of images. For a single hint they are asked before anything is held, and the rows
//! are promised by those answers: storage that is slow, or silent, holds nobody up.

use super::ports::{Examined, Images};
use crate::error::{Error, Result};
use crate::model::{DiskFormat, HostLun};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Answers, by the files that they are about.
#[derive(Default)]
pub(super) struct Seen {
    images: BTreeMap<PathBuf, Result<Option<Examined>>>,
    files: BTreeMap<PathBuf, bool>,
    luns: Option<Result<Vec<HostLun>>>,
}

pub(super) struct Looks<'a> {
    /// Nobody is asked again where there is none.
    images: Option<&'a dyn Images>,
    seen: RefCell<Seen>,
}

impl<'a> Looks<'a> {
    pub fn at(images: &'a dyn Images) -> Self {
        Self { images: Some(images), seen: RefCell::default() }
    }

    pub fn seen(seen: Seen) -> Self {
        Self { images: None, seen: RefCell::new(seen) }
    }

    pub fn into_seen(self) -> Seen {
        self.seen.into_inner()
    }

    /// [`Images::examine`]
    pub fn examine(&self, folder: &Path, name: &str, format: DiskFormat) -> Result<Option<Examined>> {
        let file = folder.join(name);
        if let Some(known) = self.seen.borrow().images.get(&file) {
            return known.clone();
        }
        let images = self.images.ok_or_else(changed)?;
        let found = images.examine(folder, name, format);
        self.seen.borrow_mut().images.insert(file, found.clone());
        found
    }

    /// [`Images::luns`]
    pub fn luns(&self) -> Result<Vec<HostLun>> {
        if let Some(known) = &self.seen.borrow().luns {
            return known.clone();
        }
        let found = self.images.ok_or_else(changed)?.luns();
        self.seen.borrow_mut().luns = Some(found.clone());
        found
    }

    /// Whether a regular file of that name lies in the folder.
    pub fn has(&self, folder: &Path, name: &str) -> bool {
        let file = folder.join(name);
        if let Some(known) = self.seen.borrow().files.get(&file) {
            return *known;
        }
        let found = self.images.is_some_and(|images| images.beneath(folder, name).is_ok());
        self.seen.borrow_mut().files.insert(file, found);
        found
    }
}

/// What was found first asked for other files.
pub(super) fn changed() -> Error {
    Error::busy("another operation")
}
