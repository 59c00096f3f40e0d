//! A store in memory: the real one without a file, so that it refuses what the real one refuses.

use super::steps::{Steps, steered};
use crate::engine::ports::{Durability, Store};
use crate::engine::world::Change;
use crate::error::Result;
use crate::store::Sqlite;
use std::sync::Arc;

#[derive(Clone)]
pub struct MemoryStore {
    rows: Arc<Sqlite>,
    steps: Arc<Steps>,
}

steered!(MemoryStore);

impl MemoryStore {
    pub fn new() -> Result<Self> {
        Ok(Self { rows: Arc::new(Sqlite::in_memory()?), steps: Arc::default() })
    }

    /// A store of its own with what was committed to this one, as a restart finds it.
    pub fn reopened(&self) -> Result<Self> {
        let copy = Self::new()?;
        copy.rows.commit(&self.load()?, Durability::Lazy)?;
        Ok(copy)
    }
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Vec<Change>> {
        self.rows.load()
    }

    fn commit(&self, changes: &[Change], durability: Durability) -> Result<()> {
        self.steps.step("commit", || self.rows.commit(changes, durability))
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
    }
}
