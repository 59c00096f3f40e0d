//! Promise, act, settle: the only way by which rows change.

use super::Engine;
use super::ports::{Durability, Store};
use super::telling::Telling;
use super::world::{Change, Intent, Operation, World};
use crate::error::{Error, Kind, Result};
use crate::model::{Attachment, Borrowed, IntentId, Nic, Vm, VmId};
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long what was noted waits for a promise that takes it along.
const MOMENT: Duration = Duration::from_millis(10);
/// When a store that took nothing is asked again.
const RETRY: Duration = Duration::from_secs(2);

impl Engine {
    /// Checks and promises in one step: nobody else promises meanwhile, and the rows are on the
    /// disk with their intent before the engine acts on them.
    pub(super) async fn promise(
        &self,
        plan: impl FnOnce(&World) -> Result<(Operation, Vec<Change>)>,
    ) -> Result<IntentId> {
        let mut behind = self.gate.lock().await;
        let (operation, mut changes) = self.planned(plan, |(_, changes)| changes)?;
        let intent = Intent { id: IntentId::random(), begun: Timestamp::now(), undoing: false, operation };
        let id = intent.id;
        changes.push(Change::Intent(intent));
        self.write(&mut behind, changes).await?;
        if let Some(telling) = self.telling_of(id) {
            self.begin_job(id.0, &telling);
        }
        Ok(id)
    }

    /// What a plan comes to, within what quotas allow.
    fn planned<T>(
        &self,
        plan: impl FnOnce(&World) -> Result<T>,
        changes: impl FnOnce(&mut T) -> &mut Vec<Change>,
    ) -> Result<T> {
        let (planned, told) = {
            let world = self.world();
            let mut planned = plan(&world)?;
            let changes = changes(&mut planned);
            world.give_quotas(changes);
            let told = world.consumed(changes)?;
            (planned, told)
        };
        self.tell_of_quotas(told);
        Ok(planned)
    }

    /// Rows that change without an intent, because one transaction is all there is to it.
    pub(super) async fn record(&self, plan: impl FnOnce(&World) -> Result<Vec<Change>>) -> Result<()> {
        let mut behind = self.gate.lock().await;
        let changes = self.planned(plan, |changes| changes)?;
        match changes.is_empty() {
            true => Ok(()),
            false => self.write(&mut behind, changes).await,
        }
    }

    /// The same for rows of what is done already: nobody can refuse it any more.
    pub(super) async fn keep(&self, done: impl FnOnce(&World) -> Vec<Change>) -> Result<()> {
        let mut behind = self.gate.lock().await;
        let changes = done(&self.world());
        self.write(&mut behind, changes).await
    }

    /// The intent is done, and so is the operation. Lazy: a replay of a finished intent changes nothing.
    /// While the store takes nothing, that is said: nobody may rely on what a crash may undo.
    pub(super) async fn settle(&self, intent: IntentId, changes: Vec<Change>) -> Result<()> {
        self.close(intent, self.telling_of(intent), changes, None).await;
        match self.is_behind.load(Ordering::Acquire) {
            true => self.write_behind().await,
            false => Ok(()),
        }
    }

    /// The intent is over: what it set out to do is done, or for that reason it is not.
    /// It is told in the words of what still is: a removal drops its rows here, an undo has before.
    pub(super) async fn close(
        &self,
        intent: IntentId,
        telling: Option<Telling>,
        mut changes: Vec<Change>,
        failure: Option<&Error>,
    ) {
        changes.push(Change::DropIntent(intent));
        self.note(changes).await;
        if let Some(telling) = telling {
            self.end_job(intent.0, telling, failure);
        }
    }

    /// The operation failed. A complete undo settles the intent; after one that failed too, the
    /// intent stays open, and the next reconcile undoes it.
    pub(super) async fn give_up(
        &self,
        intent: IntentId,
        telling: Option<Telling>,
        failure: Error,
        undone: Result<Vec<Change>>,
    ) -> Error {
        match undone {
            Ok(changes) => {
                self.close(intent, telling, changes, Some(&failure)).await;
                failure
            }
            Err(second) => {
                let open = self.world().intents.get(&intent).cloned();
                let open = open.map(|it| Change::Intent(Intent { undoing: true, ..it }));
                self.note(open.into_iter().collect()).await;
                failure.because(format!("and undoing it failed: {second}"))
            }
        }
    }

    /// Rows that a crash may lose, since they are found again by looking at the world. Readers see them
    /// at once; the store has them with the next promise, or a moment later.
    pub(super) async fn note(&self, changes: Vec<Change>) {
        self.note_with(|_| changes).await;
    }

    /// The same of a VM's row as it is then.
    pub(super) async fn note_vm(&self, id: VmId, edit: impl FnOnce(&mut Vm)) {
        self.note_with(|world| changed_vm(world, id, edit)).await;
    }

    /// The same of any rows that follow from others, which may have changed since somebody looked.
    pub(super) async fn note_with(&self, done: impl FnOnce(&World) -> Vec<Change>) {
        let mut behind = self.gate.lock().await;
        let changes = done(&self.world());
        self.apply(&changes);
        behind.push(changes);
        self.noted.notify_one();
    }

    pub(super) async fn write_behind_for_ever(self: Arc<Self>) {
        loop {
            self.noted.notified().await;
            tokio::time::sleep(MOMENT).await;
            while let Err(why) = self.write_behind().await {
                tracing::error!("rows of what is done cannot be written yet: {why}");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Writes what has been noted.
    pub(super) async fn write_behind(&self) -> Result<()> {
        let mut behind = self.gate.lock().await;
        let written = self.commit_behind(&mut behind).await;
        self.is_behind.store(written.is_err(), Ordering::Release);
        written
    }

    async fn commit_behind(&self, behind: &mut Vec<Vec<Change>>) -> Result<()> {
        if behind.is_empty() {
            return Ok(());
        }
        match self.commit(behind.concat(), Durability::Lazy).await {
            Err(why) if why.kind == Kind::Bug => {}
            written => return written.map(|()| behind.clear()),
        }
        // What does not fit must not be in the way of all that follows.
        while let Some(first) = behind.first().cloned() {
            match self.commit(first, Durability::Lazy).await {
                Err(why) if why.kind != Kind::Bug => return Err(why),
                Err(why) => tracing::error!("rows of what is done do not fit: {why}"),
                Ok(()) => {}
            }
            behind.remove(0);
        }
        Ok(())
    }

    /// One transaction with all that was noted before it.
    async fn write(&self, behind: &mut Vec<Vec<Change>>, changes: Vec<Change>) -> Result<()> {
        let mut all = behind.concat();
        all.extend_from_slice(&changes);
        match self.commit(all, Durability::Synced).await {
            Ok(()) => behind.clear(),
            Err(why) if behind.is_empty() => return Err(why),
            // What does not fit may be of either.
            Err(_) => {
                self.commit_behind(behind).await?;
                self.commit(changes.clone(), Durability::Synced).await?;
            }
        }
        self.apply(&changes);
        Ok(())
    }

    async fn commit(&self, changes: Vec<Change>, durability: Durability) -> Result<()> {
        let store = self.store.clone();
        super::lane::blocking(move || match store.commit(&changes, durability) {
            // What is noted is written again instead.
            Err(_) if durability == Durability::Synced && is_there(store.as_ref(), &changes) => Ok(()),
            committed => committed,
        })
        .await
    }

    fn apply(&self, changes: &[Change]) {
        let mut world = self.world.write().expect("no panic while held");
        self.hints.follow(changes, &world);
        for change in changes {
            world.apply(change);
        }
        drop(world);
        // After the rows: whoever reads the new stamp reads the new rows.
        for change in changes {
            match change {
                Change::Vm(vm) => self.inventory.touch(vm.id),
                Change::Attachment(Attachment { vm, .. })
                | Change::DropAttachment { vm, .. }
                | Change::Borrowed(Borrowed { vm, .. })
                | Change::DropBorrowed { vm, .. }
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
    }
}

/// A row with what is new in it; nothing where it is gone.
pub(super) fn changed<T: Clone>(
    row: Option<&T>,
    edit: impl FnOnce(&mut T),
    change: impl FnOnce(Box<T>) -> Change,
) -> Vec<Change> {
    let Some(mut row) = row.cloned() else { return vec![] };
    edit(&mut row);
    vec![change(Box::new(row))]
}

/// The same of a VM's row.
pub(super) fn changed_vm(world: &World, id: VmId, edit: impl FnOnce(&mut Vm)) -> Vec<Change> {
    changed(world.vms.get(&id), edit, Change::Vm)
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
