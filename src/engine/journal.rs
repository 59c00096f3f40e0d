//! Promise, act, settle: the only way by which rows change.

use super::Engine;
use super::ports::{Durability, Store};
use super::world::{Change, Intent, Operation, World};
use crate::error::{Error, Result};
use crate::model::{Attachment, IntentId, Nic};
use jiff::Timestamp;
use std::sync::atomic::Ordering;

impl Engine {
    /// Checks and promises in one step: nobody else promises meanwhile, and the rows are on the
    /// disk with their intent before the engine acts on them.
    pub(super) async fn promise(
        &self,
        plan: impl FnOnce(&World) -> Result<(Operation, Vec<Change>)>,
    ) -> Result<IntentId> {
        let _gate = self.gate.lock().await;
        let (operation, mut changes) = self.planned(plan, |(_, changes)| changes)?;
        let intent = Intent { id: IntentId::random(), begun: Timestamp::now(), undoing: false, operation };
        let id = intent.id;
        changes.push(Change::Intent(intent));
        self.write(changes, Durability::Synced).await?;
        if let Some(telling) = self.telling_of(id) {
            self.begin_job(id.0, &telling);
        }
        Ok(id)
    }

    /// What a plan comes to, within what quotas allow.
    fn planned<T>(
        &self,
        plan: impl FnOnce(&World) -> Result<T>,
        changes: impl FnOnce(&T) -> &Vec<Change>,
    ) -> Result<T> {
        let world = self.world();
        let planned = plan(&world)?;
        self.count(&world, changes(&planned))?;
        Ok(planned)
    }

    /// Rows that change without an intent, because one transaction is all there is to it.
    pub(super) async fn record(&self, plan: impl FnOnce(&World) -> Result<Vec<Change>>) -> Result<()> {
        let _gate = self.gate.lock().await;
        let changes = self.planned(plan, |changes| changes)?;
        match changes.is_empty() {
            true => Ok(()),
            false => self.write(changes, Durability::Synced).await,
        }
    }

    /// The same for rows of what is done already: nobody can refuse it any more.
    pub(super) async fn keep(&self, done: impl FnOnce(&World) -> Vec<Change>) -> Result<()> {
        let _gate = self.gate.lock().await;
        let changes = done(&self.world());
        self.write(changes, Durability::Synced).await
    }

    /// The intent is done. Lazy: a replay of a finished intent changes nothing.
    pub(super) async fn settle(&self, intent: IntentId, changes: Vec<Change>) -> Result<()> {
        self.close(intent, changes, None).await
    }

    /// The intent is over: what it set out to do is done, or for that reason it is not.
    pub(super) async fn close(
        &self,
        intent: IntentId,
        mut changes: Vec<Change>,
        failure: Option<&Error>,
    ) -> Result<()> {
        // Told in the words of what still is: a removal drops its rows here.
        let telling = self.telling_of(intent);
        changes.push(Change::DropIntent(intent));
        self.note(changes).await?;
        if let Some(telling) = telling {
            self.end_job(intent.0, telling, failure);
        }
        Ok(())
    }

    /// The operation failed. A complete undo settles the intent; after one that failed too, the
    /// intent stays open, and the next reconcile undoes it.
    pub(super) async fn give_up(
        &self,
        intent: IntentId,
        failure: Error,
        undone: Result<Vec<Change>>,
    ) -> Error {
        let closed = match undone {
            Ok(changes) => self.close(intent, changes, Some(&failure)).await,
            Err(second) => {
                let open = self.world().intents.get(&intent).cloned();
                let open = open.map(|it| Change::Intent(Intent { undoing: true, ..it }));
                self.note(open.into_iter().collect()).await.and(Err(second))
            }
        };
        both(failure, closed)
    }

    /// Rows that a crash may lose, since they are found again by looking at the world.
    pub(super) async fn note(&self, changes: Vec<Change>) -> Result<()> {
        let _gate = self.gate.lock().await;
        self.write(changes, Durability::Lazy).await
    }

    async fn write(&self, changes: Vec<Change>, durability: Durability) -> Result<()> {
        let store = self.store.clone();
        let changes = super::lane::blocking(move || match store.commit(&changes, durability) {
            Err(_) if is_there(store.as_ref(), &changes) => Ok(changes),
            committed => committed.map(|()| changes),
        })
        .await?;
        let mut world = self.world.write().expect("no panic while held");
        self.hints.follow(&changes, &world);
        for change in &changes {
            world.apply(change);
        }
        drop(world);
        // After the rows: whoever reads the new stamp reads the new rows.
        for change in &changes {
            match change {
                Change::Vm(vm) => self.inventory.touch(vm.id),
                Change::Attachment(Attachment { vm, .. })
                | Change::DropAttachment { vm, .. }
                | Change::Nic(Nic { vm, .. })
                | Change::DropNic { vm, .. } => self.inventory.touch(*vm),
                Change::Snapshot(snapshot) => self.inventory.touch(snapshot.vm),
                Change::Disk(disk) => {
                    self.world().attachments_of(disk.id).for_each(|on| self.inventory.touch(on.vm));
                }
                Change::DropVm(id) => self.inventory.forget(*id),
                _ => {}
            }
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

/// A commit that fails may have lost no more than its answer: the store tells.
fn is_there(store: &dyn Store, changes: &[Change]) -> bool {
    let Ok(rows) = store.load() else { return false };
    let mut stored = World::default();
    rows.iter().for_each(|row| stored.apply(row));
    let mut applied = stored.clone();
    changes.iter().for_each(|change| applied.apply(change));
    applied == stored
}

/// An operation failed and so did its undo: one error that keeps both.
fn both(failure: Error, undo: Result<()>) -> Error {
    match undo {
        Ok(()) => failure,
        Err(second) => failure.because(format!("and undoing it failed: {second}")),
    }
}
