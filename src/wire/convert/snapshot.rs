//! Snapshots, and what they keep of a VM.

use super::{API, CDROM, Named, RunState, cdrom, disk, nic, reference, vm};
use crate::model::*;
use crate::wire::convert::DiskPlace;
use crate::wire::types::{self, Link};

/// The snapshot as a document; links to collections and actions are the caller's.
pub fn snapshot(snapshot: &Snapshot, row: &Vm, previous: Option<SnapshotId>) -> types::Snapshot {
    let href = at(snapshot.vm, snapshot.id);
    let saved = Vm { machine: snapshot.machine.clone(), ..row.clone() };
    let state = RunState { status: Some(VmStatus::Down), ..RunState::default() };
    let machine =
        types::Vm { start_time: None, stop_time: None, ..vm(&saved, &snapshot.spec, &state, false) };
    types::Snapshot {
        id: Some(snapshot.id.to_string()),
        description: Some(snapshot.description.clone()),
        link: previous.map(|id| Link::new("prev", at(snapshot.vm, id))).into_iter().collect(),
        snapshot_type: Some(snapshot.kind.name().into()),
        vm: Some(Box::new(machine)),
        date: Some(snapshot.date.into()),
        snapshot_status: Some(snapshot.status.name().into()),
        persist_memorystate: Some(snapshot.memory.is_some()),
        href: Some(href),
        ..types::Snapshot::default()
    }
}

/// The snapshot that stands for the VM's present state.
pub fn active_snapshot(row: &Vm, previous: Option<SnapshotId>, busy: bool) -> types::Snapshot {
    let id = SnapshotId::active(row.id);
    types::Snapshot {
        id: Some(id.to_string()),
        href: Some(at(row.id, id)),
        description: Some("Active VM".into()),
        link: previous.map(|id| Link::new("prev", at(row.id, id))).into_iter().collect(),
        snapshot_type: Some("active".into()),
        vm: Some(Box::new(types::Vm {
            id: Some(row.id.to_string()),
            href: Some(format!("{API}/vms/{}", row.id)),
            ..types::Vm::default()
        })),
        date: Some(row.created.into()),
        snapshot_status: Some(if busy { SnapshotStatus::Locked } else { SnapshotStatus::Ok }.name().into()),
        persist_memorystate: Some(row.wakes_from.is_some()),
        ..types::Snapshot::default()
    }
}

fn at(vm: VmId, id: SnapshotId) -> String {
    format!("{API}/vms/{vm}/snapshots/{id}")
}

/// The snapshot that a disk is of.
pub fn snapshot_of_disk(vm: VmId, snapshot: SnapshotId) -> types::DiskSnapshotRef {
    types::DiskSnapshotRef {
        href: Some(at(vm, snapshot)),
        id: Some(snapshot.to_string()),
        vm: Some(reference("vms", vm)),
    }
}

/// A disk as the snapshot keeps it.
pub fn saved_disk(of: &Snapshot, saved: &SavedDisk, actual_size: u64) -> types::Disk {
    types::Disk {
        href: Some(format!("{}/disks/{}", at(of.vm, of.id), saved.disk.id)),
        snapshot: Some(snapshot_of_disk(of.vm, of.id)),
        ..disk(&saved.disk, DiskPlace::On(&saved.attachment), actual_size, &[])
    }
}

/// An image that the snapshot keeps, among those of its storage domain.
pub fn disk_snapshot(of: &Snapshot, saved: &SavedDisk, actual_size: u64) -> types::DiskSnapshot {
    let disk = saved_disk(of, saved, actual_size);
    let (id, domain) = (saved.disk.image, saved.disk.storage_domain);
    types::DiskSnapshot {
        href: Some(format!("{API}/storagedomains/{domain}/disksnapshots/{id}")),
        id: Some(id.to_string()),
        name: disk.name,
        description: disk.description,
        alias: disk.alias,
        image_id: disk.image_id,
        storage_domains: disk.storage_domains,
        provisioned_size: disk.provisioned_size,
        actual_size: disk.actual_size,
        status: disk.status,
        interface: disk.interface,
        format: disk.format,
        sparse: disk.sparse,
        bootable: disk.bootable,
        shareable: disk.shareable,
        wipe_after_delete: disk.wipe_after_delete,
        propagate_errors: disk.propagate_errors,
        snapshot: disk.snapshot,
        disk_profile: disk.disk_profile,
        storage_type: disk.storage_type,
        disk: Some(reference("disks", saved.disk.id)),
        ..types::DiskSnapshot::default()
    }
}

/// A network interface as the snapshot keeps it.
pub fn saved_nic(of: &Snapshot, saved: &Nic) -> types::Nic {
    types::Nic {
        href: Some(format!("{}/nics/{}", at(of.vm, of.id), saved.id)),
        ..nic(saved, &saved.port_mirroring)
    }
}

/// The drive as the snapshot keeps it.
pub fn saved_cdrom(of: &Snapshot) -> types::Cdrom {
    let href = format!("{}/cdroms/{CDROM}", at(of.vm, of.id));
    types::Cdrom { href: Some(href), ..cdrom(of.vm, of.spec.cdrom.clone()) }
}
