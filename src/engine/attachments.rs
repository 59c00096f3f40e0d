//! Which disks hang on which VMs, found from either side.

use crate::model::{Attachment, DiskId, VmId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use uuid::Uuid;

/// Read as a map by VM and disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attachments {
    all: BTreeMap<(VmId, DiskId), Attachment>,
    by_disk: BTreeSet<(DiskId, VmId)>,
}

impl Deref for Attachments {
    type Target = BTreeMap<(VmId, DiskId), Attachment>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl Attachments {
    pub fn insert(&mut self, it: Attachment) {
        self.by_disk.insert((it.disk, it.vm));
        self.all.insert((it.vm, it.disk), it);
    }

    pub fn remove(&mut self, vm: VmId, disk: DiskId) {
        self.by_disk.remove(&(disk, vm));
        self.all.remove(&(vm, disk));
    }

    pub fn drop_vm(&mut self, vm: VmId) {
        let disks: Vec<DiskId> = self.of_vm(vm).map(|it| it.disk).collect();
        disks.into_iter().for_each(|disk| self.remove(vm, disk));
    }

    pub fn drop_disk(&mut self, disk: DiskId) {
        let vms: Vec<VmId> = self.of_disk(disk).map(|it| it.vm).collect();
        vms.into_iter().for_each(|vm| self.remove(vm, disk));
    }

    pub fn of_vm(&self, vm: VmId) -> impl Iterator<Item = &Attachment> {
        self.all.range((vm, DiskId(Uuid::nil()))..=(vm, DiskId(Uuid::max()))).map(|(_, it)| it)
    }

    pub fn of_disk(&self, disk: DiskId) -> impl Iterator<Item = &Attachment> {
        let on = self.by_disk.range((disk, VmId(Uuid::nil()))..=(disk, VmId(Uuid::max())));
        on.filter_map(|(disk, vm)| self.all.get(&(*vm, *disk)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_tell_the_same() {
        let (vms, disks) = ([VmId::random(), VmId::random()], [DiskId::random(), DiskId::random()]);
        let on = |vm, disk| Attachment { vm, disk, active: true, read_only: false, target: "vda".into() };
        let mut all = Attachments::default();
        for (vm, disk) in [(0, 0), (0, 1), (1, 0)] {
            all.insert(on(vms[vm], disks[disk]));
        }
        let of_disk = |all: &Attachments, disk| all.of_disk(disk).count();
        assert_eq!((all.of_vm(vms[0]).count(), of_disk(&all, disks[0]), of_disk(&all, disks[1])), (2, 2, 1));
        all.drop_vm(vms[0]);
        assert_eq!((all.len(), of_disk(&all, disks[0]), of_disk(&all, disks[1])), (1, 1, 0));
        all.drop_disk(disks[0]);
        assert_eq!(all, Attachments::default());
    }
}
