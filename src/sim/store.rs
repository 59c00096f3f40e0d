//! A store in memory: the real one without a file, so that it refuses what the real one refuses.

use super::steps::{Steps, steered};
use crate::engine::ports::{Durability, HistoryEntry, Store};
use crate::engine::world::Change;
use crate::error::Result;
use crate::store::Sqlite;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone)]
pub struct MemoryStore {
    rows: Arc<Sqlite>,
    disk: Arc<Disk>,
    steps: Arc<Steps>,
}

/// What a power loss leaves.
struct Disk {
    synced: Sqlite,
    /// Lazy commits that no synced one has followed yet.
    pending: Mutex<Vec<Change>>,
}

steered!(MemoryStore);

impl MemoryStore {
    pub fn new() -> Result<Self> {
        Self::holding(&[])
    }

    /// A store that begins with these rows.
    pub fn holding(rows: &[Change]) -> Result<Self> {
        let disk = Disk { synced: Sqlite::in_memory()?, pending: Mutex::default() };
        let store =
            Self { rows: Arc::new(Sqlite::in_memory()?), disk: Arc::new(disk), steps: Arc::default() };
        store.keep(rows, Durability::Synced)?;
        Ok(store)
    }

    /// A store of its own with what was committed to this one, as a restart finds it.
    pub fn reopened(&self) -> Result<Self> {
        let store = Self::holding(&self.load()?)?;
        store.remember(&self.history()?)?;
        Ok(store)
    }

    /// The same after a power loss.
    pub fn after_power_loss(&self) -> Result<Self> {
        Self::holding(&self.disk.synced.load()?)
    }

    fn keep(&self, changes: &[Change], durability: Durability) -> Result<()> {
        self.rows.commit(changes, durability)?;
        let mut pending = self.disk.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.extend_from_slice(changes);
        match durability {
            Durability::Lazy => Ok(()),
            Durability::Synced => self.disk.synced.commit(&std::mem::take(&mut *pending), durability),
        }
    }
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Vec<Change>> {
        self.rows.load()
    }

    fn commit(&self, changes: &[Change], durability: Durability) -> Result<()> {
        self.steps.step("commit", || self.keep(changes, durability))
    }

    fn history(&self) -> Result<Vec<HistoryEntry>> {
        self.rows.history()
    }

    /// No step: it follows behind the operations, at its own time.
    fn remember(&self, entries: &[HistoryEntry]) -> Result<()> {
        self.rows.remember(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str) -> Change {
        Change::Setting { name: name.into(), value: String::new() }
    }

    #[test]
    fn keeps_what_was_committed() {
        let store = MemoryStore::new().unwrap();
        store.commit(&[setting("a")], Durability::Synced).unwrap();
        store.fail_at(1);
        assert!(store.commit(&[setting("b")], Durability::Synced).is_err());
        store.lose_answer_at(1);
        assert!(store.commit(&[setting("c")], Durability::Synced).is_err());
        let copy = store.reopened().unwrap();
        copy.commit(&[setting("d")], Durability::Lazy).unwrap();
        assert_eq!(store.clone().load().unwrap(), [setting("a"), setting("c")]);
        assert_eq!(copy.load().unwrap().len(), 3);
        assert_eq!(store.calls(), 3);
        assert_eq!(copy.after_power_loss().unwrap().load().unwrap(), store.load().unwrap());
        copy.commit(&[setting("e")], Durability::Synced).unwrap();
        assert_eq!(copy.after_power_loss().unwrap().load().unwrap().len(), 4);
    }
}
