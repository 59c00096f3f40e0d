//! One at a time for each VM, or for what else there are many of.

use crate::model::VmId;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

/// Turns of one kind of work; those of different VMs are at it side by side.
#[derive(Debug)]
pub struct Turns<K = VmId> {
    /// Each knows how many there were.
    taken: Mutex<HashMap<K, Arc<Queue<u64>>>>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { taken: Mutex::default() }
    }
}

pub struct Turn(OwnedMutexGuard<u64>);

/// A turn that is over.
pub(super) struct Ended {
    turns: Arc<Queue<u64>>,
    number: u64,
}

impl<K: Eq + Hash + Copy> Turns<K> {
    pub async fn take(&self, of: K) -> Turn {
        let turns = {
            let mut taken = self.taken.lock().expect("no panic while held");
            taken.retain(|id, turns| *id == of || Arc::strong_count(turns) > 1);
            taken.entry(of).or_default().clone()
        };
        let mut turn = turns.lock_owned().await;
        *turn += 1;
        Turn(turn)
    }
}

impl Turn {
    pub(super) fn end(self) -> Ended {
        Ended { turns: OwnedMutexGuard::mutex(&self.0).clone(), number: *self.0 }
    }
}

impl Ended {
    /// Nobody had a turn since.
    pub(super) async fn was_last(&self) -> bool {
        *self.turns.lock().await == self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_was_last() {
        let (turns, vm) = (Turns::default(), VmId::random());
        let first = turns.take(vm).await.end();
        drop(turns.take(VmId::random()).await);
        assert!(first.was_last().await);
        let second = turns.take(vm).await.end();
        assert!(!first.was_last().await && second.was_last().await);
    }
}
