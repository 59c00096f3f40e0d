//! One at a time for each VM.

use crate::model::VmId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Turns of one kind of work; those of different VMs are at it side by side.
#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<HashMap<VmId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    pub(super) async fn take(&self, vm: VmId) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut taken = self.taken.lock().expect("no panic while held");
            taken.retain(|id, turn| *id == vm || Arc::strong_count(turn) > 1);
            taken.entry(vm).or_default().clone()
        };
        turn.lock_owned().await
    }
}
