//! The rows of a way back to a snapshot: shown, committed or undone.

use super::restore::REVERT;
use super::snapshots::{check_regular, is_frozen};
use super::world::{Change, Operation, Overlay, Preview, World};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::*;
use std::collections::BTreeMap;

/// Refuses a configuration that is not possible any more.
pub(super) fn check_devices(
    world: &World,
    snapshot: &Snapshot,
    overlays: &[Overlay],
    whole: bool,
) -> Result<()> {
    let cannot = |why: String| Error::conflict(format!("{REVERT}. {why}"));
    let elsewhere = if whole { elsewhere(world, snapshot, overlays) } else { BTreeMap::new() };
    for (attachment, disk) in world.hung_on(snapshot.vm).into_iter().filter(|(_, it)| !has(overlays, it.id)) {
        let mut back = back(snapshot, overlays);
        let taken = back.find(|saved| saved.attachment.target == attachment.target);
        if let Some(saved) = taken.filter(|_| !elsewhere.contains_key(&disk.id)) {
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

/// The disks that come back.
fn back<'a>(snapshot: &'a Snapshot, overlays: &'a [Overlay]) -> impl Iterator<Item = &'a SavedDisk> {
    snapshot.disks.iter().filter(|saved| has(overlays, saved.disk.id))
}

/// Targets for later disks in whose places others come back; unplugged, they can have any.
fn elsewhere(world: &World, snapshot: &Snapshot, overlays: &[Overlay]) -> BTreeMap<DiskId, String> {
    let chipset = domain::chipset(snapshot.machine.as_deref(), &snapshot.spec);
    let returning: Vec<&str> =
        back(snapshot, overlays).map(|saved| saved.attachment.target.as_str()).collect();
    let hung = world.hung_on(snapshot.vm);
    let mut used: Vec<String> = hung.iter().map(|(on, _)| on.target.clone()).collect();
    used.extend(returning.iter().map(|target| (*target).to_owned()));
    let mut moved = BTreeMap::new();
    for (on, disk) in world.disks_of(snapshot.vm) {
        if !has(overlays, disk.id) && is_frozen(disk) && returning.contains(&on.target.as_str()) {
            let taken: Vec<&str> = used.iter().map(String::as_str).collect();
            if let Ok(target) = domain::target(disk.interface, chipset, &taken) {
                used.push(target.clone());
                moved.insert(disk.id, target);
            }
        }
    }
    moved
}

pub(super) fn has(overlays: &[Overlay], disk: DiskId) -> bool {
    overlays.iter().any(|overlay| overlay.disk == disk)
}

/// The snapshot with some disks as others of the VM have them.
pub(super) fn mixed(
    world: &World,
    snapshot: &Snapshot,
    others: &BTreeMap<DiskId, SnapshotId>,
) -> Result<Snapshot> {
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
pub(super) fn chosen(
    snapshot: &Snapshot,
    only: Option<&BTreeMap<DiskId, SnapshotId>>,
) -> Result<Vec<SavedDisk>> {
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
pub(super) fn configured(world: &World, snapshot: &Snapshot, preview: &Preview) -> Vec<Change> {
    let Preview { vm, ref overlays, whole, memory, .. } = *preview;
    let Some(row) = world.vms.get(&vm) else { return Vec::new() };
    // What the VM may have been about to wake from is not of these disks.
    let wakes_from = memory.then_some(snapshot.id);
    let spec = VmSpec { name: row.spec.name.clone(), ..snapshot.spec.clone() };
    let row = Vm { wakes_from, spec, machine: snapshot.machine.clone(), next_run: None, ..row.clone() };
    let mut changes = vec![Change::Vm(Box::new(row))];
    changes.extend(with_nics(world, snapshot));
    let boots = back(snapshot, overlays).any(|saved| saved.disk.bootable);
    let mut elsewhere = elsewhere(world, snapshot, overlays);
    for (attachment, disk) in world.disks_of(vm) {
        match snapshot.disk(disk.id).filter(|_| has(overlays, disk.id)) {
            Some(saved) => changes.push(Change::Attachment(saved.attachment.clone())),
            None if is_frozen(disk) => {
                if whole {
                    let target = elsewhere.remove(&disk.id).unwrap_or_else(|| attachment.target.clone());
                    let idle = Attachment { active: false, target, ..attachment.clone() };
                    changes.push(Change::Attachment(idle));
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
pub(super) fn described(row: &mut Change, snapshot: &Snapshot) {
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

/// The rows of the VM as the preview found it, but for its name.
pub(super) fn put_back(world: &World, kept: &Snapshot) -> Vec<Change> {
    let mut changes = with_nics(world, kept);
    if let Some(row) = world.vms.get(&kept.vm) {
        let Snapshot { spec, machine, .. } = kept.clone();
        // The former one may be another VM's by now.
        let spec = VmSpec { name: row.spec.name.clone(), ..spec };
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
pub(super) fn committed(world: &World, vm: VmId) -> Result<(Operation, Vec<Change>)> {
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
        let is_shown = snapshot.id == shown.id;
        let mut left = Snapshot::clone(snapshot);
        let stays = |saved: &SavedDisk| below(saved.disk.id).is_none_or(|date| snapshot.date <= date);
        let (stay, gone): (Vec<_>, Vec<_>) = left.disks.into_iter().partition(stays);
        left.disks = stay;
        left.lost.extend(gone.iter().map(|saved| saved.disk.id));
        let is_cut = snapshot.id == kept.id || snapshot.date > shown.date || !gone.is_empty();
        if is_cut && left.memory.take().is_some() {
            // Its guest would wake to other disks.
            memories.push(Snapshot { disks: Vec::new(), ..Snapshot::clone(snapshot) });
        }
        if left.id == kept.id || is_cut && !is_shown && left.disks.is_empty() {
            changes.push(Change::DropSnapshot { vm, snapshot: left.id });
        } else if is_cut || is_shown {
            let status = if is_shown { SnapshotStatus::Ok } else { left.status };
            changes.push(Change::Snapshot(Box::new(Snapshot { status, ..left })));
        }
    }
    Ok((Operation::EndPreview { vm, doomed: unneeded(world, vm, &changes), memories }, changes))
}

pub(super) fn undone(world: &World, vm: VmId) -> Result<(Operation, Vec<Change>)> {
    let (shown, kept) = preview(world, vm)?;
    let mut changes = put_back(world, &kept);
    changes.push(Change::Snapshot(Box::new(Snapshot { status: SnapshotStatus::Ok, ..shown })));
    changes.push(Change::DropSnapshot { vm: kept.vm, snapshot: kept.id });
    Ok((Operation::EndPreview { vm, doomed: unneeded(world, vm, &changes), memories: vec![] }, changes))
}

/// The images of the VM's disks that no row names after these changes, and that none of those named lies
/// over.
pub(super) fn unneeded(world: &World, vm: VmId, changes: &[Change]) -> Vec<Disk> {
    let disks: Vec<&Disk> = world.disks_of(vm).into_iter().map(|(_, disk)| disk).collect();
    // All else says nothing of images, and may be a lot.
    let keeps = |snapshot: &Snapshot| disks.iter().any(|disk| snapshot.disk(disk.id).is_some());
    let snapshots = world.snapshots.iter().filter(|(_, snapshot)| keeps(snapshot));
    let mut after = World {
        disks: disks.iter().map(|disk| (disk.id, Disk::clone(disk))).collect(),
        snapshots: snapshots.map(|(id, snapshot)| (*id, snapshot.clone())).collect(),
        ..World::default()
    };
    changes.iter().for_each(|change| after.apply(change));
    let mut doomed = Vec::new();
    for disk in disks {
        let images = world.images_of(disk.id);
        let below = |id: &ImageId| images.iter().find(|image| image.image == *id)?.parent;
        let stay: Vec<ImageId> = after
            .images_of(disk.id)
            .into_iter()
            .flat_map(|named| {
                let chain = std::iter::successors(named.parent, below);
                std::iter::once(named.image).chain(chain.take(images.len()))
            })
            .collect();
        let gone = images.into_iter().filter(|image| !stay.contains(&image.image));
        doomed.extend(gone.cloned());
    }
    doomed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::carry::tests::disk;
    use crate::engine::snapshots::{present, saved};
    use jiff::Timestamp;

    /// A VM whose disk has an image over an image over an image, and snapshots of the lower two.
    fn chain() -> (World, VmId, [Disk; 3], [SnapshotId; 2]) {
        let spec = VmSpec { name: "a".into(), ..VmSpec::default() };
        let vm = Vm::new(VmId::random(), ClusterId::random(), BLANK, Timestamp::UNIX_EPOCH, spec);
        let disks = [disk(1, None), disk(2, Some(1)), disk(3, Some(2))];
        let (id, disk) = (vm.id, disks[0].id);
        let attachment = Attachment { vm: id, disk, active: true, read_only: false, target: "vda".into() };
        let mut world = World::default();
        world.apply(&Change::Vm(Box::new(vm)));
        world.apply(&Change::Disk(disks[2].clone()));
        world.apply(&Change::Attachment(attachment.clone()));
        let snapshots = [&disks[0], &disks[1]].map(|disk| {
            let mut snapshot = present(&world, id, SnapshotId::random(), "").unwrap();
            snapshot.disks.push(saved((&attachment, disk)));
            world.apply(&Change::Snapshot(Box::new(snapshot.clone())));
            snapshot.id
        });
        (world, id, disks, snapshots)
    }

    #[test]
    fn what_others_lie_over_stays_when_no_row_names_it() {
        let (world, vm, [_, middle, top], [first, second]) = chain();
        let dropped = |ids: &[SnapshotId]| -> Vec<ImageId> {
            let drop = |snapshot: &SnapshotId| Change::DropSnapshot { vm, snapshot: *snapshot };
            let changes: Vec<Change> = ids.iter().map(drop).collect();
            unneeded(&world, vm, &changes).into_iter().map(|disk| disk.image).collect()
        };
        assert_eq!(dropped(&[first]), [], "the second one lies over it");
        assert_eq!(dropped(&[first, second]), [], "the disk lies over both");
        let back = [Change::Disk(middle.clone()), Change::DropSnapshot { vm, snapshot: second }];
        let doomed: Vec<ImageId> = unneeded(&world, vm, &back).into_iter().map(|disk| disk.image).collect();
        assert_eq!(doomed, [top.image]);
    }

    #[test]
    fn a_later_snapshot_has_a_later_date_whatever_the_clock_says() {
        let (mut world, vm, _, [first, _]) = chain();
        let ahead = Timestamp::now() + jiff::Span::new().hours(1);
        let early = Snapshot { date: ahead, ..world.snapshots[&first].clone() };
        world.apply(&Change::Snapshot(Box::new(early)));
        assert!(present(&world, vm, SnapshotId::random(), "").unwrap().date > ahead);
    }
}
