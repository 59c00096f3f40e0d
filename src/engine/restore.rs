//! Going back to a snapshot: a preview goes on over the frozen images while the present ones wait;
//! it is committed, and they go with all later snapshots, or undone, and they are back.

use super::restore_rows::{
    check_devices, chosen, committed, configured, described, has, mixed, put_back, undone,
};
use super::snapshots::{
    check_no_preview, check_regular, check_whole, fresh_overlays, is_frozen, locked, present, saved,
};
use super::world::{Change, Intent, Operation, Preview, World};
use super::{Engine, failpoint};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::*;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) const REVERT: &str = "Cannot revert to Snapshot";
/// What a preview keeps of the present.
const BEFORE: &str = "Active VM before the preview";

/// What of a snapshot is restored beside the configuration.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// The disks, each as that snapshot has it; the others stay as they are. `None` is all that the
    /// restored one has, and those that came later are unplugged.
    pub only: Option<BTreeMap<DiskId, SnapshotId>>,
    /// The guest goes on where it was, if its memory was kept.
    pub memory: bool,
}

impl Engine {
    /// Shows the VM as it was. With `commit` for good.
    pub async fn preview_snapshot(
        self: &Arc<Self>,
        vm: VmId,
        id: SnapshotId,
        wanted: Restored,
        commit: bool,
    ) -> Result<()> {
        let Restored { only, memory } = wanted;
        let snapshot = self.snapshot(vm, id)?;
        check_regular(REVERT, &snapshot)?;
        let (_guard, _) = self.hold_with_disks("restore snapshot", vm).await?;
        self.may(vm, Move::Restore)?;
        self.require_connection()?;
        let memory = memory && snapshot.memory.is_some();
        if memory {
            self.check_memory(&snapshot, only.as_ref()).await?;
        }
        let others: BTreeMap<DiskId, SnapshotId> =
            only.iter().flatten().filter(|(_, of)| **of != id).map(|(disk, of)| (*disk, *of)).collect();
        let before = SnapshotId::random();
        let mut preview = None;
        let intent = self
            .promise(|world| {
                check_no_preview(world, REVERT, vm)?;
                let snapshot = world.snapshots.get(&id).ok_or_else(|| Error::not_found(id))?;
                if only.is_none() {
                    check_whole(REVERT, world, snapshot)?;
                }
                let mixed = mixed(world, snapshot, &others)?;
                let overlays = fresh_overlays(&chosen(&mixed, only.as_ref())?);
                check_devices(world, &mixed, &overlays, only.is_none())?;
                world.check_not_lent(REVERT, overlays.iter().map(|overlay| overlay.disk))?;
                self.require_active_below(REVERT, world, overlays.iter().map(|overlay| overlay.disk))?;
                if commit {
                    // Their memories go with them.
                    let later = world.snapshots_of(vm).into_iter().filter(|it| it.date > snapshot.date);
                    self.require_memories(REVERT, world, later, false)?;
                }
                // Whatever is going to change, even if no snapshot would take it as it is now.
                let changes = |(_, disk): &(&Attachment, &Disk)| is_frozen(disk) || has(&overlays, disk.id);
                let keeps = Snapshot {
                    kind: SnapshotKind::Preview,
                    disks: world.disks_of(vm).into_iter().filter(changes).map(saved).collect(),
                    ..present(world, vm, before, BEFORE)?
                };
                let mut changes = locked(keeps, world);
                let busy = Snapshot { status: SnapshotStatus::Locked, ..snapshot.clone() };
                changes.push(Change::Snapshot(Box::new(busy)));
                let whole = only.is_none();
                let planned = Preview { vm, snapshot: id, others, before, overlays, whole, memory, commit };
                preview = Some(planned.clone());
                Ok((Operation::PreviewSnapshot(planned), changes))
            })
            .await?;
        failpoint::hit("restore_snapshot.intended");
        let Some(preview) = preview else { return Ok(()) };
        let ended = self.finish_preview(&preview).await;
        let changes = match ended {
            Ok(changes) => changes,
            Err(failure) => return self.fail(intent, failure).await,
        };
        let follows = changes.iter().find_map(|change| match change {
            Change::Intent(intent) => Some(intent.clone()),
            _ => None,
        });
        self.settle(intent, changes).await?;
        match follows {
            Some(Intent { id, operation: Operation::EndPreview { vm, doomed, memories }, .. }) => {
                self.finish_end(id, vm, &doomed, &memories).await
            }
            _ => Ok(()),
        }
    }

    /// The previewed state becomes the VM's: what came after it goes.
    pub async fn commit_snapshot(self: &Arc<Self>, vm: VmId) -> Result<()> {
        self.end_preview(vm, "commit snapshot", committed).await
    }

    /// The VM is what it was before the preview.
    pub async fn undo_snapshot(self: &Arc<Self>, vm: VmId) -> Result<()> {
        self.end_preview(vm, "undo snapshot", undone).await
    }

    async fn end_preview(
        self: &Arc<Self>,
        vm: VmId,
        name: &'static str,
        plan: impl FnOnce(&World, VmId) -> Result<(Operation, Vec<Change>)>,
    ) -> Result<()> {
        self.own_vm(vm)?;
        let (_guard, _) = self.hold_with_disks(name, vm).await?;
        self.may(vm, Move::Restore)?;
        self.require_connection()?;
        let mut operation = None;
        let intent = self
            .promise(|world| {
                let planned = plan(world, vm)?;
                let all = world.disks_of(vm).into_iter().map(|(_, disk)| disk.id);
                self.require_active_below(REVERT, world, all)?;
                if let Operation::EndPreview { memories, .. } = &planned.0 {
                    self.require_memories(REVERT, world, memories.iter(), false)?;
                }
                operation = Some(planned.0.clone());
                Ok(planned)
            })
            .await?;
        failpoint::hit("end_preview.intended");
        match operation {
            Some(Operation::EndPreview { doomed, memories, .. }) => {
                self.finish_end(intent, vm, &doomed, &memories).await
            }
            _ => Ok(()),
        }
    }

    async fn finish_end(
        &self,
        intent: IntentId,
        vm: VmId,
        doomed: &[Disk],
        memories: &[Snapshot],
    ) -> Result<()> {
        // There is no way back: what fails is tried again by the next reconcile.
        let changes = self.finish_end_preview(vm, doomed, memories).await?;
        self.settle(intent, changes).await
    }

    /// The rows are what they are to be; the definition follows, and what nobody needs goes.
    pub(super) async fn finish_end_preview(
        &self,
        vm: VmId,
        doomed: &[Disk],
        memories: &[Snapshot],
    ) -> Result<Vec<Change>> {
        self.sync_definition(vm).await?;
        failpoint::hit("end_preview.defined");
        let files = |wiped: bool| -> Result<Vec<PathBuf>> {
            let world = self.world();
            let these = doomed.iter().filter(|disk| disk.wipe_after_delete == wiped);
            these.map(|disk| self.image_file(&world, disk)).collect()
        };
        self.remove_files(files(true)?, true).await?;
        self.remove_files(files(false)?, false).await?;
        for snapshot in memories {
            let file = self.memory_file(snapshot)?;
            self.remove_files(file.into_iter().collect(), false).await?;
        }
        self.refresh_pools();
        Ok(vec![])
    }

    pub(super) async fn finish_preview(&self, preview: &Preview) -> Result<Vec<Change>> {
        let Preview { vm, before, ref overlays, commit, .. } = *preview;
        let (snapshot, kept) = (self.any_snapshot(preview.snapshot)?, self.any_snapshot(before)?);
        let mixed = mixed(&self.world(), &snapshot, &preview.others)?;
        self.make_overlays(&mixed, overlays).await?;
        failpoint::hit("restore_snapshot.overlaid");
        if kept.status == SnapshotStatus::Locked {
            let mut rows = self.overlaid(&mixed, overlays);
            self.record(|world| {
                rows.iter_mut().for_each(|row| described(row, &mixed));
                rows.extend(configured(world, &mixed, preview));
                rows.push(Change::Snapshot(Box::new(Snapshot {
                    status: SnapshotStatus::Ok,
                    ..kept.clone()
                })));
                Ok(rows)
            })
            .await?;
        }
        failpoint::hit("restore_snapshot.switched");
        self.sync_definition(vm).await?;
        failpoint::hit("restore_snapshot.defined");
        let mut changes = self.released(Snapshot { status: SnapshotStatus::InPreview, ..snapshot });
        changes.extend(kept.disks.iter().flat_map(|saved| self.unlocked(saved.disk.id)));
        if commit {
            let mut world = self.world().clone();
            changes.iter().for_each(|change| world.apply(change));
            let (operation, more) = committed(&world, vm)?;
            changes.extend(more);
            let intent =
                Intent { id: IntentId::random(), begun: Timestamp::now(), undoing: false, operation };
            changes.push(Change::Intent(intent));
        }
        Ok(changes)
    }

    pub(super) async fn undo_preview(&self, preview: &Preview) -> Result<Vec<Change>> {
        let Preview { vm, before, ref overlays, .. } = *preview;
        let (Ok(snapshot), Ok(kept)) = (self.any_snapshot(preview.snapshot), self.any_snapshot(before))
        else {
            return Ok(vec![]);
        };
        if kept.status == SnapshotStatus::Ok {
            self.record(|world| Ok(put_back(world, &kept))).await?;
        }
        self.sync_definition(vm).await?;
        let mixed = mixed(&self.world(), &snapshot, &preview.others)?;
        let files = self.overlay_files(&mixed, overlays)?;
        self.remove_files(files, false).await?;
        let mut changes = self.released(Snapshot { status: SnapshotStatus::Ok, ..snapshot });
        changes.extend(kept.disks.iter().flat_map(|saved| self.unlocked(saved.disk.id)));
        changes.push(Change::DropSnapshot { vm, snapshot: before });
        Ok(changes)
    }

    /// The rows of a way back that can neither be finished nor undone now: somebody may undo it
    /// when what stands in its way is gone.
    pub(super) fn left_in_preview(&self, preview: &Preview) -> Vec<Change> {
        let world = self.world();
        let row = |id: SnapshotId, status| {
            let found = world.snapshots.get(&id)?.clone();
            Some(Change::Snapshot(Box::new(Snapshot { status, ..found })))
        };
        let shown = row(preview.snapshot, SnapshotStatus::InPreview);
        shown.into_iter().chain(row(preview.before, SnapshotStatus::Ok)).collect()
    }

    /// Refuses a way back by which the guest would wake without a disk that it had.
    async fn check_memory(
        &self,
        snapshot: &Snapshot,
        only: Option<&BTreeMap<DiskId, SnapshotId>>,
    ) -> Result<()> {
        let cannot = |why: String| Error::conflict(format!("{REVERT}. {why}"));
        let is_left =
            |saved: &SavedDisk| only.is_some_and(|only| only.get(&saved.disk.id) != Some(&snapshot.id));
        if snapshot.disks.iter().any(is_left) {
            return Err(cannot("Its memory is restored with all of its disks only.".into()));
        }
        let Some(file) = self.memory_file(snapshot)? else { return Ok(()) };
        let saved = domain::observe(&self.saved_document(file).await?);
        let world = self.world();
        world.check_none_borrowed(REVERT, snapshot.vm)?;
        let since = world.disks_of(snapshot.vm).into_iter().find(|(on, disk)| {
            // Those that snapshots take are unplugged where they came later.
            on.active && !is_frozen(disk) && !saved.has_disk(disk.id)
        });
        if let Some((_, disk)) = since {
            return Err(cannot(format!(
                "Its memory is of a guest without disk {}: deactivate that first.",
                disk.alias
            )));
        }
        drop(world);
        for disk in saved.disks {
            let Some(id) = disk.alias.as_deref().and_then(DiskId::from_alias) else { continue };
            // One that snapshots take is not what it was then, unless this one has it.
            let stays = || self.is_active(snapshot.vm, id) && self.disk(id).is_ok_and(|it| !is_frozen(&it));
            let there = snapshot.disk(id).is_some() || stays();
            if !there {
                let target = disk.target;
                return Err(cannot(format!("Its memory is of a guest with a disk {target}, which is gone.")));
            }
        }
        Ok(())
    }
}
