//! VMs and snapshots as OVF: what the rows say, and where libvirt has put the devices.

use super::first_world::ADMIN;
use super::world::World;
use super::{Engine, VmView};
use crate::model::*;
use crate::ovf::{self, Connected, Image, Machine};
use jiff::Timestamp;

/// A machine at a moment, as rows have it.
struct Moment<'a> {
    spec: &'a VmSpec,
    snapshot: (SnapshotId, &'a str),
    disks: Vec<SavedDisk>,
    nics: &'a [Nic],
    placed: &'a [Placed],
}

impl Engine {
    /// One of vireo's own VMs as it is now.
    pub fn ovf_of_vm(&self, view: &VmView) -> String {
        let id = view.vm.id;
        let (disks, nics) = {
            let world = self.world();
            (world.saved_disks_of(id), world.nics_of(id).into_iter().cloned().collect::<Vec<_>>())
        };
        let placed = view.seen.as_ref().map(|seen| seen.observed.placed.as_slice()).unwrap_or_default();
        let snapshot = (SnapshotId::active(id), "Active VM");
        self.ovf(&view.vm, Moment { spec: &view.vm.spec, snapshot, disks, nics: &nics, placed })
    }

    /// The VM as a snapshot of it keeps it.
    pub fn ovf_of_snapshot(&self, row: &Vm, snapshot: &Snapshot) -> String {
        let (spec, disks, nics) = (&snapshot.spec, snapshot.disks.clone(), &snapshot.nics);
        let snapshot = (snapshot.id, snapshot.description.as_str());
        // Where the devices are that the VM still has: as they are plugged, so they stay.
        let seen = self.inventory.seen(row.id);
        let placed = seen.as_ref().map(|seen| seen.observed.placed.as_slice()).unwrap_or_default();
        self.ovf(row, Moment { spec, snapshot, disks, nics, placed })
    }

    fn ovf(&self, row: &Vm, moment: Moment<'_>) -> String {
        let image = |saved: SavedDisk| Image { actual_size: self.image_size(&saved.disk), saved };
        let disks: Vec<Image> = moment.disks.into_iter().map(image).collect();
        let world = self.world();
        let nics: Vec<Connected> = moment.nics.iter().map(|nic| connected(&world, nic)).collect();
        let cluster = world.clusters.get(&row.cluster);
        ovf::document(&Machine {
            vm: row.id,
            created: row.created,
            created_by: maker(&world, row.id),
            generation: self.inventory.stamp(row.id),
            template: (row.template, world.template_name(row.template).unwrap_or_default()),
            data_center: cluster.map_or(DataCenterId(uuid::Uuid::nil()), |cluster| cluster.data_center),
            spec: moment.spec,
            snapshot: moment.snapshot,
            exported: Timestamp::now(),
            disks: &disks,
            nics: &nics,
            placed: moment.placed,
        })
    }
}

pub(super) fn connected(world: &World, nic: &Nic) -> Connected {
    Connected {
        profile: nic.profile.and_then(|id| Some(world.vnic_profiles.get(&id)?.name.clone())),
        network: nic.network.and_then(|id| Some(world.networks.get(&id)?.name.clone())),
        nic: nic.clone(),
    }
}

/// Who makes a VM owns it, but for those who may do everything anyway.
fn maker(world: &World, vm: VmId) -> UserId {
    let mut owners = world.permissions.values().filter(|it| it.role == roles::VM_OWNER && it.object == vm.0);
    owners.next().map_or(ADMIN, |owner| UserId(owner.holder))
}

impl World {
    /// A VM's disks with how they hang on it, as a snapshot would keep them.
    fn saved_disks_of(&self, vm: VmId) -> Vec<SavedDisk> {
        let disks = self.disks_of(vm).into_iter();
        disks.map(|(on, disk)| SavedDisk { disk: disk.clone(), attachment: on.clone() }).collect()
    }
}
