//! Disks' snapshots on other VMs, as backup tools read them. What such a VM writes goes into an image of
//! its own over the frozen one, made anew for each run and each plugging, so nobody else ever sees it.
//!
//! As long as a VM has it, the disk keeps all of its images, where they are.

use super::disks::LEAST_IMAGE;
use super::locks::{Entity, Mode};
use super::places::find_domain;
use super::snapshots::{check_no_preview, check_regular, over};
use super::vm_disks::NewAttachment;
use super::world::{Change, Operation, World, by_target};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::*;
use std::path::PathBuf;
use std::sync::Arc;

const CANNOT: &str = "Cannot attach Virtual Machine Disk";

impl World {
    /// The frozen images that the VM has of other VMs' disks.
    pub fn borrowed_by(&self, vm: VmId) -> impl Iterator<Item = &Borrowed> {
        self.borrowed
            .range((vm, DiskId(uuid::Uuid::nil()))..=(vm, DiskId(uuid::Uuid::max())))
            .map(|(_, it)| it)
    }

    /// The disk as it is kept.
    pub(super) fn frozen(&self, it: &Borrowed) -> Option<&Disk> {
        Some(&self.snapshots.get(&it.snapshot)?.disk(it.disk)?.disk)
    }

    /// The disk that a VM writes over a frozen image, and how it hangs there.
    pub fn written_over(&self, it: &Borrowed) -> Option<(Attachment, Disk)> {
        let Borrowed { vm, disk, image, active, ref target, .. } = *it;
        let profile = self.disks.get(&disk)?.profile;
        // A VM boots from a disk of its own.
        let disk = Disk { bootable: false, profile, ..over(self.frozen(it)?, image) };
        Some((Attachment { vm, disk: disk.id, active, read_only: false, target: target.clone() }, disk))
    }

    /// How a disk hangs on a VM, be it the VM's or another one's snapshot.
    pub fn hung(&self, vm: VmId, disk: DiskId) -> Option<(Attachment, Disk)> {
        match self.attachments.get(&(vm, disk)) {
            Some(own) => Some((own.clone(), self.disks.get(&disk)?.clone())),
            None => self.written_over(self.borrowed.get(&(vm, disk))?),
        }
    }

    /// Everything that hangs on a VM, in the order of the targets.
    pub fn hung_on(&self, vm: VmId) -> Vec<(Attachment, Disk)> {
        let own = self.disks_of(vm).into_iter().map(|(on, disk)| (on.clone(), disk.clone()));
        let mut all: Vec<_> =
            own.chain(self.borrowed_by(vm).filter_map(|it| self.written_over(it))).collect();
        all.sort_by(|(a, _), (b, _)| by_target(a, b));
        all
    }

    /// How a disk, or a snapshot of it, hangs on VMs.
    pub(super) fn hung_as(&self, disk: DiskId) -> impl Iterator<Item = (Attachment, Disk)> {
        let own = self.attachments_of(disk).map(move |on| (on.vm, disk));
        own.chain(self.lent(disk).map(|it| (it.vm, it.disk))).filter_map(|(vm, disk)| self.hung(vm, disk))
    }

    fn lent(&self, disk: DiskId) -> impl Iterator<Item = &Borrowed> {
        self.borrowed.values().filter(move |it| it.disk == disk)
    }

    /// Refuses what other VMs would lose frozen images by.
    pub(super) fn check_not_lent(&self, cannot: &str, disks: impl IntoIterator<Item = DiskId>) -> Result<()> {
        let Some(it) = disks.into_iter().find_map(|disk| self.lent(disk).next()) else { return Ok(()) };
        let alias = self.disks.get(&it.disk).map_or("", |disk| disk.alias.as_str());
        let name = self.vms.get(&it.vm).map_or("", |vm| vm.spec.name.as_str());
        Err(Error::conflict(format!("{cannot}. A snapshot of disk {alias} is attached to VM {name}.")))
    }

    /// Refuses what a guest would not find its frozen images after.
    pub(super) fn check_none_borrowed(&self, cannot: &str, vm: VmId) -> Result<()> {
        match self.borrowed_by(vm).any(|it| it.active) {
            true => Err(Error::conflict(format!("{cannot}. The VM has a plugged disk snapshot."))),
            false => Ok(()),
        }
    }
}

impl Engine {
    /// How a disk hangs on a VM, be it the VM's or another one's snapshot.
    pub fn hung(&self, vm: VmId, disk: DiskId) -> Result<(Attachment, Disk)> {
        self.vm(vm)?;
        self.world().hung(vm, disk).ok_or_else(|| Error::not_found(disk))
    }

    /// Attaches a disk as it is in a snapshot of another VM.
    pub async fn borrow_disk(
        self: &Arc<Self>,
        id: DiskId,
        snapshot: SnapshotId,
        onto: NewAttachment,
    ) -> Result<()> {
        let vm = onto.vm;
        self.own_vm(vm)?;
        // Whoever works on the snapshot has its disks.
        let wanted = [(Entity::Disk(id), Mode::Exclusive), (Entity::Vm(vm), Mode::Shared)];
        let _guard = self.take("attach disk snapshot", &wanted).await?;
        self.may(vm, Move::ChangeDisks)?;
        self.require_connection()?;
        let mut promised = None;
        let intent = self
            .promise(|world| {
                let gone = || Error::invalid(format!("{CANNOT}. The Snapshot with the disk doesn't exist."));
                let kept = world.snapshots.get(&snapshot).ok_or_else(gone)?;
                let frozen = kept.disk(id).ok_or_else(gone)?;
                check_regular(CANNOT, kept)?;
                check_no_preview(world, CANNOT, kept.vm)?;
                if frozen.disk.status != DiskStatus::Ok {
                    return Err(Error::conflict(format!("{CANNOT}. The disk is locked or illegal.")));
                }
                if kept.vm == vm || world.hung(vm, id).is_some() {
                    return Err(Error::conflict(format!(
                        "{CANNOT}. The disk is already attached to the VM."
                    )));
                }
                // Its image is made now, whether it is plugged or not.
                let place = find_domain(world, frozen.disk.storage_domain)?;
                self.require_room(CANNOT, place, LEAST_IMAGE)?;
                let row = Disk { bootable: false, ..frozen.disk.clone() };
                let Attachment { active, target, .. } = self.plan_attachment(world, &onto, &row)?;
                let borrowed = Borrowed { vm, disk: id, snapshot, image: ImageId::random(), active, target };
                promised = Some(borrowed.clone());
                let operation = Operation::BorrowDisk { borrowed: borrowed.clone() };
                Ok((operation, vec![Change::Borrowed(borrowed)]))
            })
            .await?;
        failpoint::hit("borrow_disk.intended");
        let Some(borrowed) = promised else { return Ok(()) };
        self.conclude(intent, self.finish_borrow(&borrowed).await.map(|_| vec![])).await
    }

    pub(super) async fn finish_borrow(&self, it: &Borrowed) -> Result<()> {
        self.renew_borrowed(it.vm, it.disk).await?;
        failpoint::hit("borrow_disk.overlaid");
        match it.active {
            true => self.plug_as_it_is(it.vm, it.disk).await,
            false => Ok(()),
        }
    }

    pub(super) async fn undo_borrow(&self, it: &Borrowed) -> Result<()> {
        if self.runs(it.vm) {
            self.unplug(it.vm, it.disk).await?;
        }
        self.finish_return(it).await
    }

    /// Row, definition and image go, once no guest has the device.
    pub(super) async fn finish_return(&self, before: &Borrowed) -> Result<()> {
        self.require_out(before.vm, before.disk).await?;
        self.note(vec![Change::DropBorrowed { vm: before.vm, disk: before.disk }]).await;
        self.sync_definition(before.vm).await?;
        self.remove_borrowed(before).await
    }

    pub(super) async fn undo_return(&self, before: &Borrowed) -> Result<()> {
        self.note(vec![Change::Borrowed(before.clone())]).await;
        self.finish_borrow(before).await
    }

    /// The frozen disk, and the file that is written over it.
    fn layers(&self, world: &World, it: &Borrowed) -> Result<(Disk, PathBuf)> {
        let frozen = world.frozen(it).ok_or_else(|| Error::not_found(it.snapshot))?;
        Ok((frozen.clone(), self.image_file(world, &over(frozen, it.image))?))
    }

    /// What a VM wrote over the frozen image goes.
    pub(super) async fn remove_borrowed(&self, it: &Borrowed) -> Result<()> {
        let (frozen, file) = self.layers(&self.world(), it)?;
        self.remove_files(vec![file], frozen.wipe_after_delete).await
    }

    /// The VM finds the disk as it was frozen. Nothing happens to what a guest has.
    pub(super) async fn renew_borrowed(&self, vm: VmId, disk: DiskId) -> Result<()> {
        let Some(it) = self.world().borrowed.get(&(vm, disk)).cloned() else { return Ok(()) };
        if self.has_live(vm, disk).await? {
            return Ok(());
        }
        let (frozen, file) = {
            let world = self.world();
            let found = self.layers(&world, &it)?;
            let place = find_domain(&world, found.0.storage_domain)?;
            self.require_active("Cannot renew Virtual Machine Disk", place)?;
            found
        };
        let images = self.images.clone();
        super::lane::blocking(move || {
            if frozen.wipe_after_delete {
                images.wipe(&file)?;
            }
            images.renew(&file, frozen.size, &frozen.file_name(), frozen.format)
        })
        .await
    }

    /// The same, by whoever does not depend on it: what plugs the disk next does it, too.
    pub(super) async fn try_renew_borrowed(&self, vm: VmId, disk: DiskId) {
        if let Err(why) = self.renew_borrowed(vm, disk).await {
            tracing::warn!(%vm, %disk, "what a VM wrote over a disk's snapshot is left for now: {why}");
        }
    }

    /// The same for all that the VM has plugged, but that a guest does not have now.
    pub(super) async fn renew_all_borrowed(&self, vm: VmId) -> Result<()> {
        let all: Vec<DiskId> = {
            let world = self.world();
            world.borrowed_by(vm).filter(|it| it.active).map(|it| it.disk).collect()
        };
        for disk in all {
            self.renew_borrowed(vm, disk).await?;
        }
        Ok(())
    }
}
