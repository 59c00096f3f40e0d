//! Removing snapshots: the image that a disk went on in is written into the one that the snapshot
//! froze, and goes; the data of all other snapshots stay.
//!
//! Once that has begun, the frozen state is no more, while the newer one stays whole in either
//! image: there is no way back, and a hiccup is tried again.

use super::journal::changed;
use super::lane::{COPIES, lasting};
use super::locks::{Entity, Mode};
use super::snapshots::{check_no_preview, check_regular, not_regular};
use super::stateless::check_not_stateless;
use super::wake::TO_WAKE;
use super::world::{Change, Operation, World};
use super::{Engine, failpoint, jobs::Started};
use crate::error::{Error, Kind, Result};
use crate::model::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const REMOVE: &str = "Cannot remove Snapshot";
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// The images of one disk that a merge is about.
struct Merge {
    /// Frozen with the snapshot.
    base: Disk,
    /// What lies over it, and goes.
    child: Disk,
    /// What lies over that.
    over: Option<Disk>,
    /// The one that is written.
    top: Disk,
    target: String,
}

impl Engine {
    /// Removes a snapshot; the VM may run.
    pub async fn remove_snapshot(self: &Arc<Self>, vm: VmId, id: SnapshotId) -> Result<Started<()>> {
        self.merge_out(vm, id, None).await
    }

    /// Removes one disk from a snapshot.
    pub async fn remove_disk_snapshot(
        self: &Arc<Self>,
        vm: VmId,
        id: SnapshotId,
        disk: DiskId,
    ) -> Result<Started<()>> {
        self.merge_out(vm, id, Some(disk)).await
    }

    async fn merge_out(
        self: &Arc<Self>,
        vm: VmId,
        id: SnapshotId,
        only: Option<DiskId>,
    ) -> Result<Started<()>> {
        if id == SnapshotId::active(vm) {
            return Err(Error::conflict(not_regular(REMOVE, "ACTIVE")));
        }
        check_regular(REMOVE, &self.snapshot(vm, id)?)?;
        let guard = self.take("remove snapshot", &self.snapshot_entities(vm, id)).await?;
        self.may(vm, Move::RemoveSnapshot)?;
        self.require_connection()?;
        let mut merged = Vec::new();
        let whole = only.is_none();
        let intent = self
            .promise(|world| {
                check_no_preview(world, REMOVE, vm)?;
                check_not_stateless(world, REMOVE, vm)?;
                let snapshot = world.snapshots.get(&id).ok_or_else(|| Error::not_found(id))?;
                if whole && world.vms.get(&vm).is_some_and(|vm| vm.wakes_from == Some(id)) {
                    return Err(Error::conflict(format!("{REMOVE}. {TO_WAKE}")));
                }
                let disks = snapshot.disks.iter().map(|saved| saved.disk.id);
                let disks: Vec<DiskId> = disks.filter(|disk| only.is_none_or(|only| only == *disk)).collect();
                if disks.is_empty() && !whole {
                    return Err(Error::not_found("disk"));
                }
                check_disks(world, &disks)?;
                merged =
                    disks.iter().filter_map(|disk| Some(Merge::of(world, snapshot, *disk)?.child)).collect();
                world.check_not_lent(REMOVE, disks.iter().copied())?;
                self.require_active_below(REMOVE, world, disks.iter().copied())?;
                if whole {
                    self.require_memories(REMOVE, world, [snapshot].into_iter(), false)?;
                }
                let mut changes: Vec<Change> = disks
                    .iter()
                    .filter_map(|disk| world.disks.get(disk))
                    .map(|disk| Change::Disk(disk.locked()))
                    .collect();
                let busy = Snapshot { status: SnapshotStatus::Locked, ..snapshot.clone() };
                changes.push(Change::Snapshot(Box::new(busy)));
                Ok((Operation::RemoveSnapshot { vm, snapshot: id, merged: merged.clone(), whole }, changes))
            })
            .await?;
        failpoint::hit("remove_snapshot.intended");
        let engine = self.clone();
        Ok(self.jobs.start((), async move {
            let _guard = guard;
            match engine.insist_on_removal(vm, id, &merged, whole).await {
                // It is finished when the connection is there again.
                Err(away) if away.kind == Kind::Unavailable => Err(away),
                ended => engine.conclude(intent, ended).await,
            }
        }))
    }

    async fn insist_on_removal(
        &self,
        vm: VmId,
        id: SnapshotId,
        merged: &[Disk],
        whole: bool,
    ) -> Result<Vec<Change>> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.finish_remove_snapshot(vm, id, merged, whole).await {
                Err(away) if away.kind == Kind::Unavailable && self.reconnects().await => {}
                Err(why) if why.kind != Kind::Unavailable && tries < TRIES => {
                    tracing::warn!(snapshot = %id, "merging is tried again: {why}");
                    tokio::time::sleep(PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    pub(super) async fn finish_remove_snapshot(
        &self,
        vm: VmId,
        id: SnapshotId,
        merged: &[Disk],
        whole: bool,
    ) -> Result<Vec<Change>> {
        for child in merged {
            let plan = {
                let world = self.world();
                world.snapshots.get(&id).and_then(|snapshot| Merge::of(&world, snapshot, child.id))
            };
            if let Some(plan) = plan {
                self.merge(vm, id, plan).await?;
            }
            failpoint::hit("remove_snapshot.merged");
        }
        self.drop_merged(vm, id, merged).await?;
        let Ok(snapshot) = self.any_snapshot(id) else { return Ok(vec![]) };
        if whole {
            let memory = self.memory_file(&snapshot)?;
            self.remove_files(memory.into_iter().collect(), false).await?;
        }
        self.refresh_pools();
        if whole {
            let unlocked = merged.iter().flat_map(|disk| self.unlocked(disk.id));
            return Ok(unlocked.chain([Change::DropSnapshot { vm, snapshot: id }]).collect());
        }
        self.open_snapshot(id, merged).await;
        Ok(vec![])
    }

    /// What was not merged stays in the snapshot; an image whose merge has begun is no longer what
    /// it was, and says so.
    pub(super) async fn undo_remove_snapshot(
        &self,
        vm: VmId,
        id: SnapshotId,
        merged: &[Disk],
    ) -> Result<Vec<Change>> {
        let Ok(snapshot) = self.any_snapshot(id) else { return Ok(vec![]) };
        for child in merged {
            let target = snapshot.disk(child.id).map(|saved| saved.attachment.target.clone());
            if let (Some(target), true) = (target, self.runs(vm)) {
                self.drop_block_job(vm, &target).await?;
            }
        }
        let done: Vec<Disk> =
            merged.iter().filter(|child| snapshot.disk(child.id).is_none()).cloned().collect();
        self.drop_merged(vm, id, &done).await?;
        self.open_snapshot(id, merged).await;
        Ok(vec![])
    }

    /// The snapshot can be used again, and so can the disks that were to be merged. Others of the snapshot
    /// may have gone meanwhile.
    async fn open_snapshot(&self, id: SnapshotId, merged: &[Disk]) {
        let ok = |snapshot: &mut Snapshot| snapshot.status = SnapshotStatus::Ok;
        let with = |world: &World| changed(world.snapshots.get(&id), ok, Change::Snapshot);
        let disks: Vec<Change> = merged.iter().flat_map(|disk| self.unlocked(disk.id)).collect();
        self.note_with(|world| disks.into_iter().chain(with(world)).collect()).await;
    }

    /// Data, then rows: from there on the child is nobody's.
    async fn merge(&self, vm: VmId, id: SnapshotId, plan: Merge) -> Result<()> {
        self.record(|world| {
            let mut snapshot = world.snapshots.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
            snapshot
                .disks
                .iter_mut()
                .filter(|saved| saved.disk.id == plan.base.id)
                .for_each(|saved| saved.disk.status = DiskStatus::Illegal);
            Ok(vec![Change::Snapshot(Box::new(snapshot))])
        })
        .await?;
        failpoint::hit("remove_snapshot.marked");
        while !self.is_merged(vm, &plan).await? {
            let live = self.has_live(vm, plan.base.id).await?;
            match live {
                true => self.merge_live(vm, &plan).await?,
                false => self.merge_files(&plan).await?,
            }
            if !live {
                break;
            }
        }
        failpoint::hit("remove_snapshot.written");
        self.record(|world| Ok(plan.rows(world, id))).await
    }

    /// Has the guest gone on without the child, or would it?
    async fn is_merged(&self, vm: VmId, plan: &Merge) -> Result<bool> {
        if plan.child.image == plan.top.image {
            self.look_at(vm).await?;
            let seen = self.inventory.seen(vm);
            let file = seen.as_ref().and_then(|seen| seen.observed.file_of(plan.top.id));
            let base = self.image_file(&self.world(), &plan.base)?;
            return Ok(file.map(PathBuf::from) == Some(base));
        }
        let real = self.real_chain(&plan.top).await?;
        Ok(real.iter().all(|(name, _)| *name != plan.child.file_name()))
    }

    async fn merge_files(&self, plan: &Merge) -> Result<()> {
        let (child, over, below) = {
            let world = self.world();
            let over = plan.over.as_ref().map(|over| self.image_file(&world, over)).transpose()?;
            (self.image_file(&world, &plan.child)?, over, plan.base.file_name())
        };
        let (images, format) = (self.images.clone(), plan.base.format);
        lasting(&COPIES, move || {
            images.commit(&child)?;
            over.map_or(Ok(()), |over| images.rebase(&over, &below, format))
        })
        .await
    }

    /// QEMU merges under its guest; a guest that ends meanwhile leaves the rest to the next round.
    async fn merge_live(&self, vm: VmId, plan: &Merge) -> Result<()> {
        let active = plan.child.image == plan.top.image;
        if self.block_job(vm, &plan.target).await?.is_none() {
            let (top, base) = {
                let world = self.world();
                (self.image_file(&world, &plan.child)?, self.image_file(&world, &plan.base)?)
            };
            let target = plan.target.clone();
            let text = |file: PathBuf| file.to_string_lossy().into_owned();
            let (top, base) = (text(top), text(base));
            self.lane.call(move |hv| hv.commit_block(vm, &target, &top, &base, active)).await?;
        }
        failpoint::hit("remove_snapshot.live");
        let most = self.image_size(&plan.child);
        let left = self.follow_block_job(vm, &plan.target, plan.base.id, most).await?;
        match self.has_live(vm, plan.base.id).await? && !self.is_merged(vm, plan).await? {
            true => {
                let what = "Cannot remove Snapshot. The merge";
                Err(self.interrupted(what, plan.base.storage_domain, left).await)
            }
            false => Ok(()),
        }
    }

    async fn real_chain(&self, top: &Disk) -> Result<Vec<(String, DiskFormat)>> {
        let file = self.image_file(&self.world(), top)?;
        let (images, format) = (self.images.clone(), top.format);
        super::lane::blocking(move || images.chain(&file, format)).await
    }

    /// Removes images that were merged away, when nothing on the disk refers to them any more.
    async fn drop_merged(&self, vm: VmId, id: SnapshotId, merged: &[Disk]) -> Result<()> {
        if merged.is_empty() {
            return Ok(());
        }
        self.sync_definition(vm).await?;
        for child in merged {
            let Ok(disk) = self.disk(child.id) else { continue };
            let promised: Vec<(String, DiskFormat)> =
                self.world().chain(&disk).iter().map(|image| (image.file_name(), image.format)).collect();
            let real = self.real_chain(&disk).await?;
            if real != promised || promised.iter().any(|(name, _)| *name == child.file_name()) {
                return Err(Error::host("The chain of images is not the expected one; nothing was removed.")
                    .because(format!("snapshot {id}: promised {promised:?}, found {real:?}")));
            }
            let file = self.image_file(&self.world(), child)?;
            self.remove_files(vec![file], child.wipe_after_delete).await?;
            failpoint::hit("remove_snapshot.image_removed");
        }
        Ok(())
    }
}

impl Merge {
    fn of(world: &World, snapshot: &Snapshot, disk: DiskId) -> Option<Self> {
        let saved = snapshot.disk(disk)?;
        let images = world.images_of(disk);
        let over = |below: ImageId| images.iter().find(|image| image.parent == Some(below));
        let child = Disk::clone(over(saved.disk.image)?);
        Some(Self {
            base: saved.disk.clone(),
            over: over(child.image).map(|over| Disk::clone(over)),
            top: world.disks.get(&disk)?.clone(),
            target: world.attachments.get(&(snapshot.vm, disk))?.target.clone(),
            child,
        })
    }

    /// The rows of the end: what was the child's is in the base, and the snapshot lets it go.
    fn rows(&self, world: &World, id: SnapshotId) -> Vec<Change> {
        let settled = |disk: &Disk| {
            let mut disk = disk.clone();
            if disk.image == self.child.image {
                let Disk { image, parent, format, sparse, .. } = self.base;
                disk = Disk { image, parent, format, sparse, ..disk };
            } else if disk.parent == Some(self.child.image) {
                disk.parent = Some(self.base.image);
            }
            disk
        };
        let top = world.disks.get(&self.base.id).map(|disk| Change::Disk(settled(disk)));
        let snapshots = world.snapshots_with(self.base.id).map(|snapshot| {
            let mut snapshot = snapshot.clone();
            if snapshot.id == id {
                snapshot.disks.retain(|saved| saved.disk.id != self.base.id);
            }
            for saved in snapshot.disks.iter_mut().filter(|saved| saved.disk.id == self.base.id) {
                saved.disk = settled(&saved.disk);
            }
            Change::Snapshot(Box::new(snapshot))
        });
        top.into_iter().chain(snapshots).collect()
    }
}

/// Nobody knows what a disk holds that is not whole, or is about to.
fn check_disks(world: &World, disks: &[DiskId]) -> Result<()> {
    let disks = disks.iter().filter_map(|id| world.disks.get(id));
    let bad: Vec<&str> =
        disks.filter(|disk| disk.status != DiskStatus::Ok).map(|disk| disk.alias.as_str()).collect();
    match bad.is_empty() {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "{REMOVE}. The following disks are in 'illegal' status: {}. Please remove them and try again.",
            bad.join(", ")
        ))),
    }
}

/// What an open removal must hold.
pub(super) fn removal_entities(vm: VmId, merged: &[Disk]) -> Vec<(Entity, Mode)> {
    let disks = merged.iter().map(|disk| (Entity::Disk(disk.id), Mode::Exclusive));
    std::iter::once((Entity::Vm(vm), Mode::Shared)).chain(disks).collect()
}
