//! Port mirroring that is only written down, and bridges that are only named.

use super::steps::{Steps, steered};
use crate::engine::ports::{Copies, Mirrors};
use crate::error::Result;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Default)]
pub struct SimMirrors {
    copies: Arc<Mutex<Copies>>,
    bridges: Arc<Mutex<BTreeSet<String>>>,
    steps: Arc<Steps>,
}

steered!(SimMirrors);

impl SimMirrors {
    /// A bridge of the host starts to exist.
    pub fn add_bridge(&self, name: &str) {
        self.bridges.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// What is copied at present.
    pub fn copies(&self) -> Copies {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Mirrors for SimMirrors {
    fn has_bridge(&self, name: &str) -> Result<bool> {
        Ok(self.bridges.lock().unwrap_or_else(PoisonError::into_inner).contains(name))
    }

    fn set(&self, wanted: &Copies) -> Result<()> {
        self.steps.step("mirror", || {
            *self.copies.lock().unwrap_or_else(PoisonError::into_inner) = wanted.clone();
            Ok(())
        })
    }
}
