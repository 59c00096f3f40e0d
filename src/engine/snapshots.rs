//! Snapshots: each freezes the images of the VM's disks, which go on in new ones over them.

use super::disks::LEAST_IMAGE;
use super::locks::{Entity, Mode};
use super::ports::AgentCall;
use super::stateless::check_not_stateless;
use super::world::{Change, Operation, Overlay, World};
use super::{Engine, failpoint, jobs::Started};
use crate::domain;
use crate::error::{Error, Kind, NOT_RESPONDING, Result};
use crate::model::vm::check_text;
use crate::model::*;
use jiff::{Span, Timestamp};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a client gives for a new snapshot.
#[derive(Clone, Debug)]
pub struct NewSnapshot {
    pub description: String,
    /// With the memory of a guest that runs.
    pub memory: bool,
    /// `None`: all of them.
    pub disks: Option<Vec<DiskId>>,
}

impl Engine {
    /// A snapshot of the VM.
    pub fn snapshot(&self, vm: VmId, id: SnapshotId) -> Result<Snapshot> {
        self.vm(vm)?;
        self.any_snapshot(id).ok().filter(|it| it.vm == vm).ok_or_else(|| Error::not_found(id))
    }

    /// The VM's snapshots, the oldest first.
    pub fn snapshots(&self, vm: VmId) -> Result<Vec<Snapshot>> {
        self.vm(vm)?;
        Ok(self.world().snapshots_of(vm).into_iter().cloned().collect())
    }

    pub(super) fn any_snapshot(&self, id: SnapshotId) -> Result<Snapshot> {
        self.world().snapshots.get(&id).cloned().ok_or_else(|| Error::not_found(id))
    }

    /// Promises the snapshot, locked, and makes it.
    pub async fn create_snapshot(
        self: &Arc<Self>,
        vm: VmId,
        new: NewSnapshot,
    ) -> Result<Started<SnapshotId>> {
        check_text("description", &new.description, 4000).map_err(Error::invalid)?;
        self.own_vm(vm)?;
        let (guard, _) = self.hold_with_disks("create snapshot", vm).await?;
        self.may(vm, Move::Snapshot)?;
        self.require_connection()?;
        let memory = new.memory && self.runs(vm);
        let id = SnapshotId::random();
        let mut overlays = Vec::new();
        let intent = self
            .promise(|world| {
                check_no_preview(world, "Cannot create Snapshot", vm)?;
                check_not_stateless(world, "Cannot create Snapshot", vm)?;
                let disks = to_freeze(world, vm, new.disks.as_deref())?;
                let frozen = disks.iter().map(|saved| saved.disk.id);
                self.require_room_below("Cannot create Snapshot", world, frozen, LEAST_IMAGE)?;
                if memory {
                    world.check_none_borrowed("Cannot create Snapshot", vm)?;
                }
                if memory && !disks.iter().any(|saved| saved.attachment.active) {
                    return Err(Error::conflict(
                        "Cannot create Snapshot. Memory is saved together with an active disk, and there is none.",
                    ));
                }
                let snapshot = Snapshot {
                    memory: disks.first().filter(|_| memory).map(|saved| saved.disk.storage_domain),
                    disks,
                    ..present(world, vm, id, &new.description)?
                };
                overlays = fresh_overlays(&snapshot.disks);
                let operation = Operation::CreateSnapshot { vm, snapshot: id, overlays: overlays.clone() };
                Ok((operation, locked(snapshot, world)))
            })
            .await?;
        failpoint::hit("create_snapshot.intended");
        if new.disks.is_none() {
            self.tell_of_disks_left_out(vm);
        }
        let engine = self.clone();
        Ok(self.jobs.start(id, async move {
            let _guard = guard;
            let mut made = engine.finish_create_snapshot(vm, id, &overlays).await;
            // libvirt's answer may be all that was lost: what came of it is seen when it is back.
            while matches!(&made, Err(away) if away.kind == Kind::Unavailable) && engine.reconnects().await {
                made = engine.resume_create_snapshot(vm, id, &overlays).await;
            }
            engine.conclude(intent, made).await
        }))
    }

    fn tell_of_disks_left_out(&self, vm: VmId) {
        let world = self.world();
        let left = world.disks_of(vm).into_iter().filter(|(_, disk)| !is_frozen(disk));
        let names: Vec<String> = left.map(|(_, disk)| disk.alias.clone()).collect();
        drop(world);
        if !names.is_empty() {
            let what =
                format!("gets a snapshot without disks that are shareable or LUNs: {}", names.join(", "));
            self.tell_of_vm(Code::SNAPSHOT_WITHOUT_DISKS, vm, &what);
        }
    }

    /// Takes up what a daemon that is gone has begun. A moment of the guest's memory that was missed
    /// does not come back, and what libvirt may still have been told of it finds no images.
    pub(super) async fn resume_create_snapshot(
        &self,
        vm: VmId,
        id: SnapshotId,
        overlays: &[Overlay],
    ) -> Result<Vec<Change>> {
        self.outlast_job(vm).await?;
        if self.runs(vm) {
            // Who froze the guest may have died before it thawed it.
            self.thaw(vm).await;
        }
        self.look_at(vm).await?;
        if self.any_snapshot(id)?.memory.is_some() && !self.is_switched(vm, overlays)? {
            return Err(Error::conflict("Cannot create Snapshot. Saving the memory was interrupted."));
        }
        self.finish_create_snapshot(vm, id, overlays).await
    }

    /// New images, a running guest switched to them, rows, definition: each may be asked again.
    pub(super) async fn finish_create_snapshot(
        &self,
        vm: VmId,
        id: SnapshotId,
        overlays: &[Overlay],
    ) -> Result<Vec<Change>> {
        let mut snapshot = self.any_snapshot(id)?;
        self.make_overlays(&snapshot, overlays).await?;
        failpoint::hit("create_snapshot.overlaid");
        // A disk that was plugged just now is frozen, too.
        self.look_at(vm).await?;
        match (self.is_switched(vm, overlays)?, self.runs(vm)) {
            (true, _) => self.keep_whole_memory(&mut snapshot).await?,
            (false, true) => self.switch(&snapshot, overlays).await?,
            (false, false) if snapshot.memory.is_some() => {
                return Err(Error::conflict("Cannot create Snapshot. The VM went down meanwhile."));
            }
            (false, false) => {}
        }
        failpoint::hit("create_snapshot.switched");
        let rows = self.overlaid(&snapshot, overlays);
        self.note(rows).await;
        if !self.sync_definition(vm).await? {
            // Nobody has looked at the guest in its new images yet.
            self.look_at(vm).await?;
        }
        failpoint::hit("create_snapshot.defined");
        self.refresh_pools();
        Ok(self.released(Snapshot { status: SnapshotStatus::Ok, ..snapshot }))
    }

    /// A guest that has gone on in the new images cannot go back: then the snapshot is.
    pub(super) async fn undo_create_snapshot(
        &self,
        vm: VmId,
        id: SnapshotId,
        overlays: &[Overlay],
    ) -> Result<Vec<Change>> {
        let Ok(snapshot) = self.any_snapshot(id) else { return Ok(vec![]) };
        // The images are libvirt's as long as it works on them, whoever waits for that.
        self.end_job_of(vm).await?;
        self.look_at(vm).await?;
        if self.is_switched(vm, overlays)? {
            return self.finish_create_snapshot(vm, id, overlays).await;
        }
        let back = snapshot.disks.iter().map(|saved| Change::Disk(saved.disk.clone()));
        self.note(back.collect()).await;
        self.sync_definition(vm).await?;
        let mut files = self.overlay_files(&snapshot, overlays)?;
        files.extend(self.memory_file(&snapshot)?);
        self.remove_files(files, false).await?;
        Ok(vec![Change::DropSnapshot { vm: snapshot.vm, snapshot: id }])
    }

    /// Of a snapshot that somebody else took: without its memory when the file of that is not whole.
    async fn keep_whole_memory(&self, snapshot: &mut Snapshot) -> Result<()> {
        let Some(file) = self.memory_file(snapshot)? else { return Ok(()) };
        match self.saved_document(file.clone()).await {
            Ok(_) => {
                let images = self.images.clone();
                super::lane::blocking(move || images.sync(&file)).await
            }
            Err(why) if why.kind == Kind::Unavailable || why.said == NOT_RESPONDING => Err(why),
            Err(why) => {
                tracing::warn!(snapshot = %snapshot.id, "a snapshot is kept without its memory: {why}");
                self.remove_files(vec![file], false).await?;
                snapshot.memory = None;
                Ok(())
            }
        }
    }

    pub(super) async fn make_overlays(&self, snapshot: &Snapshot, overlays: &[Overlay]) -> Result<()> {
        let files = self.overlay_files(snapshot, overlays)?;
        for (overlay, file) in overlays.iter().zip(files) {
            let Some(saved) = snapshot.disk(overlay.disk) else { continue };
            let (disk, images) = (saved.disk.clone(), self.images.clone());
            self.require_there(disk.storage_domain).await?;
            let below = disk.file_name();
            super::lane::blocking(move || images.overlay(&file, disk.size, &below, disk.format)).await?;
        }
        Ok(())
    }

    /// The files of new images over those of a snapshot, in their order.
    pub(super) fn overlay_files(&self, snapshot: &Snapshot, overlays: &[Overlay]) -> Result<Vec<PathBuf>> {
        let world = self.world();
        let over = |overlay: &Overlay| Some(over(&snapshot.disk(overlay.disk)?.disk, overlay.image));
        overlays.iter().filter_map(over).map(|disk| self.image_file(&world, &disk)).collect()
    }

    pub(super) fn memory_file(&self, snapshot: &Snapshot) -> Result<Option<PathBuf>> {
        let world = self.world();
        let Some(domain) = snapshot.memory else { return Ok(None) };
        let domain = world.storage_domains.get(&domain).ok_or_else(|| Error::not_found(domain))?;
        Ok(Some(Path::new(&domain.folder).join(Snapshot::memory_file(snapshot.id))))
    }

    /// Do the VM's devices, those of its run or else those of its definition, have the new images?
    fn is_switched(&self, vm: VmId, overlays: &[Overlay]) -> Result<bool> {
        let Some(seen) = self.inventory.seen(vm) else { return Ok(false) };
        let named = |overlay: &Overlay| {
            let file = seen.observed.file_of(overlay.disk);
            file.is_some_and(|file| Path::new(file).file_stem() == Some(overlay.image.to_string().as_ref()))
        };
        Ok(overlays.iter().any(named))
    }

    /// Lets the running guest go on in the new images, its file systems at rest if its agent can.
    async fn switch(&self, snapshot: &Snapshot, overlays: &[Overlay]) -> Result<()> {
        let vm = snapshot.vm;
        let Some(seen) = self.inventory.seen(vm) else { return Ok(()) };
        let files = self.overlay_files(snapshot, overlays)?;
        let plugged = overlays.iter().zip(&files).filter_map(|(overlay, file)| {
            let target = snapshot.disk(overlay.disk)?.attachment.target.clone();
            seen.observed.has_disk(overlay.disk).then_some((target, file.as_path()))
        });
        let plugged: Vec<(String, &Path)> = plugged.collect();
        if plugged.is_empty() {
            return Ok(());
        }
        let memory = self.memory_file(snapshot)?;
        let targets: Vec<String> = seen.observed.disks.iter().map(|disk| disk.target.clone()).collect();
        let document = domain::snapshot(&targets, &plugged, memory.as_deref())?.to_string();
        if let Some(memory) = memory {
            self.lane.slow(move |hv| hv.snapshot(vm, &document, true)).await?;
            let images = self.images.clone();
            return super::lane::blocking(move || images.sync(&memory)).await;
        }
        let frozen = self.freeze(vm).await;
        let switched = self.lane.call(move |hv| hv.snapshot(vm, &document, false)).await;
        if frozen {
            self.thaw(vm).await;
        }
        switched
    }

    async fn freeze(&self, vm: VmId) -> bool {
        if !self.inventory.agent(vm) {
            return false;
        }
        match self.lane.slow(move |hv| hv.agent(vm, AgentCall::Freeze)).await {
            Ok(()) => true,
            Err(why) => {
                tracing::warn!(%vm, "the guest's agent did not freeze: {why}");
                let what = "did not come to rest: its snapshot is as after a power cut";
                self.tell_of_vm(Code::SNAPSHOT_NOT_QUIESCED, vm, what);
                // It may have, and lost its answer.
                self.thaw(vm).await;
                false
            }
        }
    }

    /// A guest must not stay frozen.
    pub(super) async fn thaw(&self, vm: VmId) {
        if let Err(why) = self.lane.slow(move |hv| hv.agent(vm, AgentCall::Thaw)).await {
            tracing::debug!(%vm, "the guest was not thawed: {why}");
        }
    }

    /// The rows of the disks in their new images; locked until the operation's end.
    pub(super) fn overlaid(&self, snapshot: &Snapshot, overlays: &[Overlay]) -> Vec<Change> {
        let world = self.world();
        let row = |overlay: &Overlay| {
            let below = &snapshot.disk(overlay.disk)?.disk;
            let present = world.disks.get(&overlay.disk)?.clone();
            let Disk { image, parent, format, sparse, size, .. } = over(below, overlay.image);
            // What it goes on over is whole, also where the present one is illegal.
            let status = DiskStatus::Locked;
            Some(Change::Disk(Disk { image, parent, format, sparse, size, status, ..present }))
        };
        overlays.iter().filter_map(row).collect()
    }

    /// The row of a snapshot whose operation has ended, and those of its disks, unlocked.
    pub(super) fn released(&self, snapshot: Snapshot) -> Vec<Change> {
        let disks: Vec<Change> =
            snapshot.disks.iter().flat_map(|saved| self.unlocked(saved.disk.id)).collect();
        std::iter::once(Change::Snapshot(Box::new(snapshot))).chain(disks).collect()
    }

    /// What the removal of a snapshot holds: a disk of it that is about to go has gone first.
    pub(super) fn snapshot_entities(&self, vm: VmId, id: SnapshotId) -> Vec<(Entity, Mode)> {
        let world = self.world();
        let saved = world.snapshots.get(&id).into_iter().flat_map(|it| &it.disks).map(|it| it.disk.id);
        let disks: BTreeSet<DiskId> =
            world.disks_of(vm).into_iter().map(|(_, disk)| disk.id).chain(saved).collect();
        let disks = disks.into_iter().map(|disk| (Entity::Disk(disk), Mode::Exclusive));
        std::iter::once((Entity::Vm(vm), Mode::Shared)).chain(disks).collect()
    }
}

/// A disk as it goes on in a new, empty image over its present one.
pub(super) fn over(below: &Disk, image: ImageId) -> Disk {
    Disk { image, parent: Some(below.image), format: DiskFormat::Cow, sparse: true, ..below.clone() }
}

pub(super) fn fresh_overlays(disks: &[SavedDisk]) -> Vec<Overlay> {
    disks.iter().map(|saved| Overlay { disk: saved.disk.id, image: ImageId::random() }).collect()
}

/// The VM as it is, without its disks.
pub(super) fn present(world: &World, vm: VmId, id: SnapshotId, description: &str) -> Result<Snapshot> {
    let row = world.vms.get(&vm).ok_or_else(|| Error::not_found(vm))?;
    // Which came first is told by their dates: a clock that was put back does not change it.
    let newest = world.snapshots_of(vm).into_iter().map(|snapshot| snapshot.date).max();
    let after = newest.and_then(|date| date.checked_add(Span::new().microseconds(1)).ok());
    Ok(Snapshot {
        id,
        vm,
        description: description.to_owned(),
        kind: SnapshotKind::Regular,
        status: SnapshotStatus::Locked,
        date: after.map_or_else(Timestamp::now, |after| after.max(Timestamp::now())),
        spec: row.spec.clone(),
        machine: row.machine.clone(),
        nics: world.nics_of(vm).into_iter().cloned().collect(),
        disks: Vec::new(),
        lost: BTreeSet::new(),
        memory: None,
    })
}

/// Disks that others write, too, or that lie elsewhere have no moment of their own.
pub(super) fn is_frozen(disk: &Disk) -> bool {
    !disk.shareable && disk.lun.is_none()
}

pub(super) fn saved((attachment, disk): (&Attachment, &Disk)) -> SavedDisk {
    SavedDisk { disk: disk.clone(), attachment: attachment.clone() }
}

/// The disks that a snapshot takes: the named ones, or all that can be.
pub(super) fn to_freeze(world: &World, vm: VmId, named: Option<&[DiskId]>) -> Result<Vec<SavedDisk>> {
    let all = world.disks_of(vm);
    for id in named.unwrap_or_default() {
        let Some((_, disk)) = all.iter().find(|(_, disk)| disk.id == *id) else {
            return Err(Error::invalid(format!("Cannot create Snapshot. The VM has no disk {id}.")));
        };
        if !is_frozen(disk) {
            return Err(Error::conflict(format!(
                "Cannot create Snapshot. Disk {} is shareable or a LUN, which snapshots leave out.",
                disk.alias
            )));
        }
    }
    let wanted = |disk: &Disk| named.is_none_or(|named| named.contains(&disk.id));
    let taken: Vec<_> = all.into_iter().filter(|(_, disk)| is_frozen(disk) && wanted(disk)).collect();
    if let Some((_, disk)) = taken.iter().find(|(_, disk)| disk.status != DiskStatus::Ok) {
        return Err(Error::conflict(format!(
            "Cannot create Snapshot. Disk {} is locked or illegal.",
            disk.alias
        )));
    }
    Ok(taken.into_iter().map(saved).collect())
}

/// What the engine keeps for itself is not a client's.
pub(super) fn check_regular(cannot: &str, snapshot: &Snapshot) -> Result<()> {
    let kind = match snapshot.kind {
        SnapshotKind::Regular => return Ok(()),
        SnapshotKind::Preview => "PREVIEW",
        SnapshotKind::Stateless => "STATELESS",
    };
    Err(Error::conflict(not_regular(cannot, kind)))
}

/// The refusal of what is for regular snapshots only.
pub(super) fn not_regular(cannot: &str, kind: &str) -> String {
    format!(
        "{cannot}. Snapshot type is {kind} while the operation is supported for the following snapshot type(s): REGULAR."
    )
}

/// Refuses a snapshot that is not all that it was: a VM of it would lack disks that it had then.
pub(super) fn check_whole(cannot: &str, world: &World, snapshot: &Snapshot) -> Result<()> {
    let lost = snapshot.lost.iter().filter_map(|id| world.disks.get(id));
    let names: Vec<&str> = lost.map(|disk| disk.alias.as_str()).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "{cannot}. The Snapshot has lost {} when an earlier one was restored: name the disks that are to be restored.",
            names.join(", ")
        ))),
    }
}

/// Refuses what an undo could not take back, or would lose.
pub(super) fn check_no_preview(world: &World, cannot: &str, vm: VmId) -> Result<()> {
    match world.snapshots_of(vm).iter().any(|snapshot| snapshot.kind == SnapshotKind::Preview) {
        true => Err(Error::conflict(format!(
            "{cannot}. The VM is previewing a Snapshot: commit or undo it first."
        ))),
        false => Ok(()),
    }
}

/// The rows of a snapshot and its disks while an operation is under way.
pub(super) fn locked(snapshot: Snapshot, world: &World) -> Vec<Change> {
    let disks = snapshot.disks.iter().filter_map(|saved| world.disks.get(&saved.disk.id));
    let disks: Vec<Change> = disks.map(|disk| Change::Disk(disk.locked())).collect();
    std::iter::once(Change::Snapshot(Box::new(snapshot))).chain(disks).collect()
}
