//! Going back to a snapshot: a preview goes on over the frozen images while the present ones wait;
//! it is committed, and they go with all later snapshots, or undone, and they are back.

use super::snapshots::{check_no_preview, check_regular, fresh_overlays, is_frozen, locked, present, saved};
use super::world::{Change, Intent, Operation, Overlay, Preview, World};
use super::{Engine, failpoint};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::*;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

const REVERT: &str = "Cannot revert to Snapshot";
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
                let mixed = mixed(world, snapshot, &others)?;
                let overlays = fresh_overlays(&chosen(&mixed, only.as_ref())?);
                check_devices(world, &mixed, &overlays)?;
                world.check_not_lent(REVERT, overlays.iter().map(|overlay| overlay.disk))?;
                self.require_active_below(REVERT, world, overlays.iter().map(|overlay| overlay.disk))?;
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
            Err(failure) => return Err(self.fail(intent, failure).await),
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
            let there = snapshot.disk(id).is_some() || self.is_active(snapshot.vm, id);
            if !there {
                let target = disk.target;
                return Err(cannot(format!("Its memory is of a guest with a disk {target}, which is gone.")));
            }
        }
        Ok(())
    }
}

/// Refuses a configuration that is not possible any more.
fn check_devices(world: &World, snapshot: &Snapshot, overlays: &[Overlay]) -> Result<()> {
    let cannot = |why: String| Error::conflict(format!("{REVERT}. {why}"));
    for (attachment, disk) in world.hung_on(snapshot.vm).into_iter().filter(|(_, it)| !has(overlays, it.id)) {
        let taken = |saved: &&SavedDisk| saved.attachment.target == attachment.target;
        let back = snapshot.disks.iter().filter(|saved| has(overlays, saved.disk.id));
        if let Some(saved) = back.into_iter().find(taken) {
            return Err(cannot(format!(
                "Disk {} is in the place of disk {}: detach it first.",
                disk.alias, saved.disk.alias
            )));
        }
    }
    for nic in &snapshot.nics {
        if world.nics.values().any(|other| other.vm != snapshot.vm && other.mac == nic.mac) {
            return Err(cannot(format!("MAC Address {} is in use by another VM.", nic.mac)));
        }
    }
    Ok(())
}

fn has(overlays: &[Overlay], disk: DiskId) -> bool {
    overlays.iter().any(|overlay| overlay.disk == disk)
}

/// The snapshot with some disks as others of the VM have them.
fn mixed(world: &World, snapshot: &Snapshot, others: &BTreeMap<DiskId, SnapshotId>) -> Result<Snapshot> {
    let mut mixed = snapshot.clone();
    for (disk, of) in others {
        let other = world.snapshots.get(of).filter(|other| other.vm == snapshot.vm);
        let other =
            other.ok_or_else(|| Error::invalid(format!("{REVERT}. VM's Snapshot does not exist.")))?;
        check_regular(REVERT, other)?;
        let saved = other.disk(*disk).filter(|_| other.status == SnapshotStatus::Ok);
        let saved = saved.ok_or_else(|| Error::conflict(format!("{REVERT}. {of} has no disk {disk}.")))?;
        mixed.disks.retain(|saved| saved.disk.id != *disk);
        mixed.disks.push(saved.clone());
    }
    Ok(mixed)
}

/// The saved disks to restore.
fn chosen(snapshot: &Snapshot, only: Option<&BTreeMap<DiskId, SnapshotId>>) -> Result<Vec<SavedDisk>> {
    let mut named = only.into_iter().flat_map(BTreeMap::keys);
    if let Some(unknown) = named.find(|id| snapshot.disk(**id).is_none()) {
        return Err(Error::invalid(format!("{REVERT}. It has no disk {unknown}.")));
    }
    let wanted = |saved: &&SavedDisk| only.is_none_or(|only| only.contains_key(&saved.disk.id));
    let chosen: Vec<SavedDisk> = snapshot.disks.iter().filter(wanted).cloned().collect();
    match chosen.iter().find(|saved| saved.disk.status != DiskStatus::Ok) {
        Some(saved) => {
            Err(Error::conflict(format!("{REVERT}. Its image of disk {} is illegal.", saved.disk.alias)))
        }
        None => Ok(chosen),
    }
}

/// The rows of the VM as it was, but for its name and for what its disks hold.
fn configured(world: &World, snapshot: &Snapshot, preview: &Preview) -> Vec<Change> {
    let Preview { vm, ref overlays, whole, memory, .. } = *preview;
    let Some(row) = world.vms.get(&vm) else { return Vec::new() };
    // What the VM may have been about to wake from is not of these disks.
    let wakes_from = memory.then_some(snapshot.id);
    let spec = VmSpec { name: row.spec.name.clone(), ..snapshot.spec.clone() };
    let row = Vm { wakes_from, spec, machine: snapshot.machine.clone(), next_run: None, ..row.clone() };
    let mut changes = vec![Change::Vm(Box::new(row))];
    changes.extend(with_nics(world, snapshot));
    let boots = snapshot.disks.iter().any(|saved| saved.disk.bootable && has(overlays, saved.disk.id));
    for (attachment, disk) in world.disks_of(vm) {
        match snapshot.disk(disk.id).filter(|_| has(overlays, disk.id)) {
            Some(saved) => changes.push(Change::Attachment(saved.attachment.clone())),
            None if is_frozen(disk) => {
                if whole {
                    changes.push(Change::Attachment(Attachment { active: false, ..attachment.clone() }));
                }
                // Of the disks of a VM one is bootable.
                if disk.bootable && boots {
                    changes.push(Change::Disk(Disk { bootable: false, ..disk.clone() }));
                }
            }
            None => {}
        }
    }
    changes
}

/// Makes a disk the device that it was, too.
fn described(row: &mut Change, snapshot: &Snapshot) {
    if let Change::Disk(disk) = row
        && let Some(saved) = snapshot.disk(disk.id)
    {
        let Disk { interface, bootable, propagate_errors, .. } = saved.disk;
        (disk.interface, disk.bootable, disk.propagate_errors) = (interface, bootable, propagate_errors);
    }
}

/// The rows of the snapshot's network interfaces instead of the present ones.
pub(super) fn with_nics(world: &World, snapshot: &Snapshot) -> Vec<Change> {
    let gone =
        world.nics_of(snapshot.vm).into_iter().filter(|nic| snapshot.nics.iter().all(|it| it.id != nic.id));
    let gone = gone.map(|nic| Change::DropNic { vm: snapshot.vm, nic: nic.id });
    let back = snapshot.nics.iter().map(|nic| {
        let there = |network: &NetworkId| world.networks.contains_key(network);
        let profile = nic.profile.filter(|profile| world.vnic_profiles.contains_key(profile));
        Change::Nic(Nic { network: nic.network.filter(there), profile, ..nic.clone() })
    });
    gone.chain(back).collect()
}

/// The rows of the VM as the preview found it.
fn put_back(world: &World, kept: &Snapshot) -> Vec<Change> {
    let mut changes = with_nics(world, kept);
    if let Some(row) = world.vms.get(&kept.vm) {
        let Snapshot { spec, machine, .. } = kept.clone();
        let row = Vm { spec, machine, wakes_from: None, ..row.clone() };
        changes.push(Change::Vm(Box::new(row)));
    }
    for SavedDisk { disk, attachment } in &kept.disks {
        changes.push(Change::Disk(disk.clone()));
        changes.push(Change::Attachment(attachment.clone()));
    }
    changes
}

/// The preview of a VM: the snapshot that it shows, and what it keeps of the present.
fn preview(world: &World, vm: VmId) -> Result<(Snapshot, Snapshot)> {
    let all = world.snapshots_of(vm);
    let shown = all.iter().find(|it| it.status == SnapshotStatus::InPreview);
    let kept = all.iter().find(|it| it.kind == SnapshotKind::Preview);
    match (shown, kept) {
        (Some(shown), Some(kept)) => Ok((Snapshot::clone(shown), Snapshot::clone(kept))),
        _ => Err(Error::conflict("The VM is not previewing a Snapshot.")),
    }
}

/// Rows without what came after the previewed snapshot, and the images that nobody needs then. Of the
/// disks, each snapshot keeps those that did not go back behind it.
fn committed(world: &World, vm: VmId) -> Result<(Operation, Vec<Change>)> {
    let (shown, kept) = preview(world, vm)?;
    let all = world.snapshots_of(vm);
    // The snapshot that a disk goes on from.
    let below = |disk: DiskId| {
        let image = world.disks.get(&disk)?.parent?;
        let mut regular = all.iter().filter(|it| it.id != kept.id);
        regular.find(|it| it.disk(disk).is_some_and(|saved| saved.disk.image == image)).map(|it| it.date)
    };
    let mut changes = Vec::new();
    let mut memories = Vec::new();
    for snapshot in &all {
        let is_later = snapshot.id == kept.id || snapshot.date > shown.date;
        let mut left = Snapshot::clone(snapshot);
        left.disks.retain(|saved| below(saved.disk.id).is_none_or(|date| snapshot.date <= date));
        let loses = left.disks.len() < snapshot.disks.len();
        if is_later || loses {
            // Its guest would wake to other disks.
            memories.extend(
                left.memory
                    .take()
                    .is_some()
                    .then(|| Snapshot { disks: Vec::new(), ..Snapshot::clone(snapshot) }),
            );
        }
        if left.id == kept.id || left.id != shown.id && left.disks.is_empty() && (is_later || loses) {
            changes.push(Change::DropSnapshot { vm, snapshot: left.id });
        } else if left.id == shown.id {
            changes.push(Change::Snapshot(Box::new(Snapshot { status: SnapshotStatus::Ok, ..left })));
        } else if is_later || loses {
            changes.push(Change::Snapshot(Box::new(left)));
        }
    }
    Ok((Operation::EndPreview { vm, doomed: unneeded(world, vm, &changes), memories }, changes))
}

fn undone(world: &World, vm: VmId) -> Result<(Operation, Vec<Change>)> {
    let (shown, kept) = preview(world, vm)?;
    let mut changes = put_back(world, &kept);
    changes.push(Change::Snapshot(Box::new(Snapshot { status: SnapshotStatus::Ok, ..shown })));
    changes.push(Change::DropSnapshot { vm: kept.vm, snapshot: kept.id });
    Ok((Operation::EndPreview { vm, doomed: unneeded(world, vm, &changes), memories: vec![] }, changes))
}

/// The images of the VM's disks that no row names after these changes.
pub(super) fn unneeded(world: &World, vm: VmId, changes: &[Change]) -> Vec<Disk> {
    let mut after = world.clone();
    changes.iter().for_each(|change| after.apply(change));
    let mut doomed = Vec::new();
    for (_, disk) in world.disks_of(vm) {
        let stay: Vec<ImageId> = after.images_of(disk.id).iter().map(|image| image.image).collect();
        let gone = world.images_of(disk.id).into_iter().filter(|image| !stay.contains(&image.image));
        doomed.extend(gone.cloned());
    }
    doomed
}
