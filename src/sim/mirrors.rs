//! Port mirroring that is only written down.

use super::steps::{Steps, steered};
use crate::engine::ports::{Copies, Mirrors};
use crate::error::Result;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Default)]
pub struct SimMirrors {
    copies: Arc<Mutex<Copies>>,
    steps: Arc<Steps>,
}

steered!(SimMirrors);

impl SimMirrors {
    /// What is copied at present.
    pub fn copies(&self) -> Copies {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Mirrors for SimMirrors {
    fn set(&self, wanted: &Copies) -> Result<()> {
        self.steps.step("mirror", || {
            *self.copies.lock().unwrap_or_else(PoisonError::into_inner) = wanted.clone();
            Ok(())
        })
    }
}
