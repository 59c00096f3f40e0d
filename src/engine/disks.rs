//! Image disks by themselves: create, update, resize, remove; attached or floating.

use super::jobs::Started;
use super::journal::changed;
use super::lane::{COPIES, lasting};
use super::locks::{Entity, Guard, Mode};
use super::places::find_domain;
use super::snapshots::check_no_preview;
use super::stateless::check_not_stateless;
use super::vm_disks::NewAttachment;
use super::world::{Change, Operation, World};
use super::{Engine, failpoint, locks};
use crate::error::{Error, Result};
use crate::model::change::put_over;
use crate::model::vm::check_text;
use crate::model::vm_state::may;
use crate::model::*;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a client gives for a new disk.
#[derive(Clone, Debug)]
pub struct NewDisk {
    pub alias: Option<String>,
    pub description: String,
    pub storage_domain: Option<StorageDomainId>,
    pub format: DiskFormat,
    pub sparse: Option<bool>,
    pub size: u64,
    pub interface: DiskInterface,
    pub bootable: bool,
    pub shareable: bool,
    /// Else as its storage domain says.
    pub wipe_after_delete: Option<bool>,
    pub propagate_errors: bool,
    pub profile: Option<DiskProfileId>,
    pub quota: Option<QuotaId>,
    /// Then there is no image: its place, format and size are not the engine's.
    pub lun: Option<Lun>,
}

/// What a client changes of a disk; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct DiskChange {
    pub alias: Option<String>,
    pub description: Option<String>,
    pub size: Option<u64>,
    pub bootable: Option<bool>,
    pub shareable: Option<bool>,
    pub wipe_after_delete: Option<bool>,
    pub propagate_errors: Option<bool>,
    pub interface: Option<DiskInterface>,
    pub profile: Option<DiskProfileId>,
    pub quota: Option<QuotaId>,
    /// Of a LUN.
    pub passed: Option<Passed>,
    /// Of a LUN.
    pub reserved: Option<bool>,
    /// Of the attachment through which the change came.
    pub read_only: Option<bool>,
}

/// QEMU's images reach further; no host's storage does.
pub(super) const MAX_SIZE: u64 = 1 << 53;
const SECTOR: u64 = 512;
/// What an image takes before anything is written to it.
pub(super) const LEAST_IMAGE: u64 = 1 << 18;

impl Engine {
    pub fn disk(&self, id: DiskId) -> Result<Disk> {
        self.world().disks.get(&id).cloned().ok_or_else(|| Error::not_found(id))
    }

    /// Bytes that the disk's images take on their storage.
    pub fn actual_size(&self, disk: &Disk) -> u64 {
        let files = self.image_files(disk.id).unwrap_or_default();
        let place = self.world().storage_domains.get(&disk.storage_domain).cloned();
        self.bytes_of(place.as_ref(), files)
    }

    /// Bytes that the one image takes.
    pub fn image_size(&self, image: &Disk) -> u64 {
        self.size_of_image(&self.world(), image)
    }

    pub(super) fn size_of_image(&self, world: &World, image: &Disk) -> u64 {
        let place = world.storage_domains.get(&image.storage_domain);
        self.bytes_of(place, self.image_file(world, image).into_iter().collect())
    }

    /// What the files of a disk take; nothing is known of storage that is away.
    pub(super) fn bytes_of(&self, place: Option<&StorageDomain>, files: Vec<PathBuf>) -> u64 {
        let Some(place) = place else { return 0 };
        let images = self.images.clone();
        let sum = move || Ok(files.iter().filter_map(|file| images.actual_size(file).ok().flatten()).sum());
        self.lookout.ask(place, sum).unwrap_or(0)
    }

    /// The files of all images of the disk.
    pub(super) fn image_files(&self, id: DiskId) -> Result<Vec<PathBuf>> {
        let world = self.world();
        let images = world.images_of(id).into_iter().filter(|image| image.lun.is_none());
        images.map(|image| self.image_file(&world, image)).collect()
    }

    /// Promises the disk, locked, and makes it; the value is there before the image is.
    pub async fn add_disk(
        self: &Arc<Self>,
        new: NewDisk,
        onto: Option<NewAttachment>,
    ) -> Result<Started<DiskId>> {
        check_new(&new)?;
        let new = self.located(new).await?;
        let id = DiskId::random();
        let vm = onto.as_ref().map(|onto| onto.vm);
        let mut wanted = vec![(Entity::Disk(id), Mode::Exclusive)];
        if let Some(vm) = vm {
            self.own_vm(vm)?;
            wanted.push((Entity::Vm(vm), Mode::Shared));
        }
        let guard = self.take("add disk", &wanted).await?;
        if let Some(vm) = vm {
            self.may(vm, Move::ChangeDisks)?;
            self.require_connection()?;
        }
        let mut active = false;
        let intent = self
            .promise(|world| {
                let disk = self.plan_disk(world, id, &new, vm)?;
                let mut changes = vec![Change::Disk(disk.clone())];
                changes.extend(self.ownership(world, roles::DISK_OWNER, id.into()));
                if let Some(onto) = &onto {
                    let attachment = self.plan_attachment(world, onto, &disk)?;
                    active = attachment.active;
                    changes.push(Change::Attachment(attachment));
                }
                Ok((Operation::AddDisk { disk: id, vm }, changes))
            })
            .await?;
        failpoint::hit("add_disk.intended");
        let engine = self.clone();
        Ok(self.jobs.start(id, async move {
            let _guard: Guard = guard;
            let made = engine.finish_add_disk(id, vm, active).await;
            engine.conclude(intent, made.map(|()| engine.unlocked(id))).await
        }))
    }

    fn plan_disk(&self, world: &World, id: DiskId, new: &NewDisk, vm: Option<VmId>) -> Result<Disk> {
        let (storage_domain, profile) = match &new.lun {
            Some(lun) => {
                check_lun(&self.settings.portals, world, lun).map_err(no_lun)?;
                (NOWHERE, None)
            }
            None => self.plan_place(world, new, vm)?,
        };
        let wipes = world.storage_domains.get(&storage_domain).is_some_and(|it| it.wipe_after_delete);
        let alias = match (&new.alias, vm.and_then(|vm| world.vms.get(&vm))) {
            (Some(alias), _) => alias.clone(),
            (None, Some(vm)) => default_alias(world, vm),
            (None, None) => format!("Disk-{}", &id.to_string()[..8]),
        };
        Ok(Disk {
            id,
            alias,
            description: new.description.clone(),
            storage_domain,
            image: ImageId::random(),
            parent: None,
            format: new.format,
            sparse: new.lun.is_none() && new.sparse.unwrap_or(true),
            size: new.size,
            interface: new.interface,
            bootable: new.bootable,
            shareable: new.shareable,
            wipe_after_delete: new.wipe_after_delete.unwrap_or(new.lun.is_none() && wipes),
            propagate_errors: new.propagate_errors,
            profile,
            quota: new.quota,
            status: DiskStatus::Locked,
            created: Timestamp::now(),
            lun: new.lun.clone(),
        })
    }

    /// Units of SCSI targets that the host has and that nothing but VMs uses.
    pub async fn host_luns(&self) -> Result<Vec<HostLun>> {
        let images = self.images.clone();
        super::lane::blocking(move || images.luns()).await
    }

    /// A LUN that the host has, where the host has it.
    async fn located(&self, mut new: NewDisk) -> Result<NewDisk> {
        if let Some(lun @ Lun { at: LunAt::Host { .. }, .. }) = &mut new.lun {
            lun.locate(&self.host_luns().await?).map_err(no_lun)?;
            new.size = lun.size;
        }
        Ok(new)
    }

    /// Where an image is to lie: a storage domain with room for it, and a profile.
    fn plan_place(
        &self,
        world: &World,
        new: &NewDisk,
        vm: Option<VmId>,
    ) -> Result<(StorageDomainId, Option<DiskProfileId>)> {
        let storage_domain = match new.storage_domain {
            Some(domain) => domain,
            None => vm
                .and_then(|vm| world.disks_of(vm).first().map(|(_, disk)| disk.storage_domain))
                .ok_or_else(|| {
                    Error::invalid("Cannot add Virtual Machine Disk. Storage Domain hasn't been specified.")
                })?,
        };
        let domain = find_domain(world, storage_domain)?;
        if domain.kind != StorageKind::Data {
            return Err(Error::invalid(
                "Cannot add Virtual Machine Disk. The storage domain is not a data domain.",
            ));
        }
        check_profile("Cannot add Virtual Machine Disk", world, new.profile, storage_domain)?;
        let needed = if new.sparse == Some(false) { new.size } else { LEAST_IMAGE };
        self.require_room("Cannot add Virtual Machine Disk", domain, needed)?;
        let mut profiles = world.profiles_of(storage_domain);
        Ok((storage_domain, new.profile.or_else(|| profiles.next().map(|profile| profile.id))))
    }

    /// Image, definition, device: each may be asked again.
    pub(super) async fn finish_add_disk(&self, id: DiskId, vm: Option<VmId>, active: bool) -> Result<()> {
        self.create_image(id).await?;
        failpoint::hit("add_disk.created");
        if let Some(vm) = vm.filter(|_| active) {
            self.plug(vm, id).await?;
            failpoint::hit("add_disk.plugged");
        }
        self.refresh_pools();
        Ok(())
    }

    pub(super) async fn undo_add_disk(&self, id: DiskId, vm: Option<VmId>) -> Result<()> {
        if let Some(vm) = vm {
            if self.runs(vm) {
                self.unplug(vm, id).await?;
            }
            self.note(vec![Change::DropAttachment { vm, disk: id }]).await;
            self.sync_definition(vm).await?;
        }
        self.remove_image(id).await
    }

    async fn create_image(&self, id: DiskId) -> Result<()> {
        let disk = self.disk(id)?;
        if disk.lun.is_some() {
            return self.ensure_secret(&disk).await;
        }
        self.require_there(disk.storage_domain).await?;
        let file = self.image_file(&self.world(), &disk)?;
        let images = self.images.clone();
        super::lane::blocking(move || images.create(&file, disk.format, disk.size, disk.sparse)).await
    }

    /// Wipes the disk's images where asked, and removes them, those of snapshots included.
    pub(super) async fn remove_image(&self, id: DiskId) -> Result<()> {
        let Ok(disk) = self.disk(id) else { return Ok(()) };
        self.drop_secret(&disk).await?;
        let files = self.image_files(id)?;
        if disk.wipe_after_delete && self.has_image(&disk) {
            // From here on its content is going: nobody may take it for what it was.
            self.note(vec![Change::Disk(Disk { status: DiskStatus::Illegal, ..disk.clone() })]).await;
        }
        self.remove_files(files, disk.wipe_after_delete).await
    }

    /// Removes image files for good; fine where they are gone.
    pub(super) async fn remove_files(&self, files: Vec<PathBuf>, wipe: bool) -> Result<()> {
        for file in files {
            let images = self.images.clone();
            if wipe {
                let file = file.clone();
                lasting(&COPIES, move || images.wipe(&file)).await?;
                failpoint::hit("remove_disk.wiped");
            }
            let images = self.images.clone();
            super::lane::blocking(move || images.remove(&file)).await?;
        }
        Ok(())
    }

    fn has_image(&self, disk: &Disk) -> bool {
        self.image_files(disk.id).is_ok_and(|files| files.iter().all(|file| self.is_there(file)))
    }

    /// The one image is there.
    pub(super) fn has_file(&self, image: &Disk) -> bool {
        let file = self.image_file(&self.world(), image);
        file.is_ok_and(|file| self.is_there(&file))
    }

    fn is_there(&self, file: &Path) -> bool {
        self.images.actual_size(file).is_ok_and(|size| size.is_some())
    }

    fn is_intact(&self, disk: &Disk) -> bool {
        disk.status != DiskStatus::Illegal && self.has_image(disk)
    }

    /// Are the disks what they were before their removal began?
    pub(super) fn all_intact(&self, ids: &[DiskId]) -> bool {
        ids.iter().all(|id| self.disk(*id).is_ok_and(|disk| self.is_intact(&disk)))
    }

    /// The rows of disks whose removal stopped somewhere: what has lost its image is illegal.
    pub(super) fn judged(&self, ids: &[DiskId]) -> Vec<Change> {
        let disks = ids.iter().filter_map(|id| self.disk(*id).ok());
        disks
            .map(|disk| {
                let status = if self.is_intact(&disk) { DiskStatus::Ok } else { DiskStatus::Illegal };
                Change::Disk(Disk { status, ..disk })
            })
            .collect()
    }

    /// The row of a disk whose operation ended well; one that was illegal before still is.
    pub(super) fn unlocked(&self, id: DiskId) -> Vec<Change> {
        let disk = self.disk(id).ok().filter(|disk| disk.status == DiskStatus::Locked);
        disk.map(|disk| Change::Disk(Disk { status: DiskStatus::Ok, ..disk })).into_iter().collect()
    }

    /// Holds a disk with all VMs that it hangs on.
    pub(super) async fn hold_disk(
        &self,
        operation: &'static str,
        id: DiskId,
    ) -> Result<(Guard, Disk, Vec<Attachment>)> {
        let hangs_now = || -> Vec<Attachment> { self.world().attachments_of(id).cloned().collect() };
        loop {
            let attachments = hangs_now();
            let mut wanted = vec![(Entity::Disk(id), Mode::Exclusive)];
            wanted.extend(attachments.iter().map(|attachment| (Entity::Vm(attachment.vm), Mode::Shared)));
            self.disk(id)?;
            let guard = self.take(operation, &wanted).await?;
            // It may have been attached or detached until just now.
            if hangs_now() == attachments {
                return Ok((guard, self.disk(id)?, attachments));
            }
        }
    }

    fn check_none_is_to_wake(&self, attachments: &[Attachment], wanted: Move) -> Result<()> {
        attachments.iter().try_for_each(|attachment| self.check_not_to_wake(attachment.vm, wanted))
    }

    /// Removes the disk and its image from every VM.
    pub async fn remove_disk(self: &Arc<Self>, id: DiskId) -> Result<()> {
        self.remove_any_disk(id, false).await
    }

    /// The same, of one whose storage is gone, too.
    pub async fn remove_disk_by_force(self: &Arc<Self>, id: DiskId) -> Result<()> {
        self.remove_any_disk(id, true).await
    }

    async fn remove_any_disk(self: &Arc<Self>, id: DiskId, force: bool) -> Result<()> {
        let (_guard, disk, attachments) = self.hold_disk("remove disk", id).await?;
        self.world().check_no_template("Cannot remove Virtual Machine Disk", id)?;
        if attachments
            .iter()
            .any(|attachment| attachment.active && self.status(attachment.vm) != VmStatus::Down)
        {
            return Err(Error::conflict(
                "Cannot remove Virtual Machine Disk. At least one of the VMs is not down.",
            ));
        }
        {
            let (world, cannot) = (self.world(), "Cannot remove Virtual Machine Disk");
            let mut vms = attachments.iter().map(|attachment| attachment.vm);
            vms.try_for_each(|vm| check_no_preview(&world, cannot, vm))?;
            // It is to be what it was when the run is over, attached to the VM still or not.
            let mut runs = world.snapshots_with(id).filter(|it| it.kind == SnapshotKind::Stateless);
            runs.try_for_each(|run| check_not_stateless(&world, cannot, run.vm))?;
            self.require_removable(cannot, &world, &[id], force)?;
        }
        self.check_none_is_to_wake(&attachments, Move::ChangeDisks)?;
        if !attachments.is_empty() {
            self.require_connection()?;
        }
        let intent = self
            .promise(|_| {
                let mut changes: Vec<Change> = attachments
                    .iter()
                    .map(|attachment| Change::DropAttachment { vm: attachment.vm, disk: id })
                    .collect();
                changes.push(Change::Disk(disk.locked()));
                Ok((Operation::RemoveDisk { disk: id, attachments: attachments.clone() }, changes))
            })
            .await?;
        failpoint::hit("remove_disk.intended");
        self.conclude(intent, self.finish_remove_disk(id, &attachments).await).await
    }

    pub(super) async fn finish_remove_disk(
        &self,
        id: DiskId,
        attachments: &[Attachment],
    ) -> Result<Vec<Change>> {
        self.sync_definitions(attachments).await?;
        failpoint::hit("remove_disk.defined");
        self.remove_image(id).await?;
        failpoint::hit("remove_disk.removed");
        self.refresh_pools();
        // Other disks of the same snapshots may go, or move, at the same time.
        self.note_with(|world| forgotten(world, id)).await;
        Ok(vec![Change::DropDisk(id)])
    }

    /// The definitions of the VMs that these attachments are of.
    pub(super) async fn sync_definitions(&self, attachments: &[Attachment]) -> Result<()> {
        for attachment in attachments {
            self.sync_definition(attachment.vm).await?;
        }
        Ok(())
    }

    /// Changes a disk: its texts and size at any time, the rest while no running VM has it plugged.
    pub async fn update_disk(
        self: &Arc<Self>,
        id: DiskId,
        through: Option<VmId>,
        change: DiskChange,
    ) -> Result<()> {
        let (_guard, before, attachments) = self.hold_disk(locks::UPDATE_DISK, id).await?;
        if before.status == DiskStatus::Locked {
            return Err(Error::conflict(
                "Cannot edit Virtual Machine Disk. The following disks are locked: ".to_owned()
                    + &before.alias
                    + ".",
            ));
        }
        let mut after = before.clone();
        change.apply(&mut after);
        let mut hangs = attachments.clone();
        if let (Some(read_only), Some(vm)) = (change.read_only, through) {
            hangs.iter_mut().filter(|attachment| attachment.vm == vm).for_each(|it| it.read_only = read_only);
        }
        check_disk(&after)?;
        let device_changes = (after.bootable, after.interface, after.propagate_errors, after.shareable)
            != (before.bootable, before.interface, before.propagate_errors, before.shareable)
            || after.lun != before.lun
            || hangs != attachments;
        if device_changes {
            self.check_none_is_to_wake(&attachments, Move::ChangeDisks)?;
            self.check_device_change(&before, &after, &hangs)?;
        }
        self.check_growth(&before, after.size, &attachments)?;
        let grows = after.size > before.size;
        if grows {
            after.status = DiskStatus::Locked;
        }
        if after == before && hangs == attachments {
            return Ok(());
        }
        if (device_changes || grows) && !attachments.is_empty() {
            self.require_connection()?;
        }
        let intent = self
            .promise(|world| {
                if after.profile != before.profile {
                    let cannot = "Cannot edit Virtual Machine Disk";
                    check_profile(cannot, world, after.profile, after.storage_domain)?;
                }
                if after.interface != before.interface {
                    for attachment in &mut hangs {
                        attachment.target =
                            self.free_target(world, attachment.vm, after.interface, Some(id))?;
                    }
                }
                let mut changes: Vec<Change> = hangs.iter().cloned().map(Change::Attachment).collect();
                changes.push(Change::Disk(after.clone()));
                let operation = Operation::UpdateDisk {
                    before: Box::new(before.clone()),
                    attachments: attachments.clone(),
                };
                Ok((operation, changes))
            })
            .await?;
        failpoint::hit("update_disk.intended");
        let updated = self.finish_update_disk(&before, &attachments).await;
        self.conclude(intent, updated.map(|()| if grows { self.unlocked(id) } else { vec![] })).await
    }

    /// Brings definitions and image to the rows that the disk and its attachments have now.
    pub(super) async fn finish_update_disk(&self, before: &Disk, attachments: &[Attachment]) -> Result<()> {
        self.sync_definitions(attachments).await?;
        failpoint::hit("update_disk.defined");
        let disk = self.disk(before.id)?;
        if disk.profile != before.profile {
            self.bring_tune(disk.id).await?;
        }
        if disk.size > before.size {
            self.grow(&disk, attachments).await?;
            failpoint::hit("resize_disk.resized");
        }
        Ok(())
    }

    pub(super) async fn undo_update_disk(
        &self,
        before: &Disk,
        attachments: &[Attachment],
    ) -> Result<Vec<Change>> {
        let size = self.true_size(before.id).await.unwrap_or(before.size);
        if size > before.size {
            // An image never shrinks: what has grown is finished.
            self.finish_update_disk(before, attachments).await?;
            return Ok(self.unlocked(before.id));
        }
        let mut changes = vec![Change::Disk(before.clone())];
        changes.extend(attachments.iter().cloned().map(Change::Attachment));
        self.note(changes).await;
        self.bring_tune(before.id).await?;
        Ok(vec![])
    }

    fn check_device_change(&self, before: &Disk, after: &Disk, attachments: &[Attachment]) -> Result<()> {
        if attachments
            .iter()
            .any(|attachment| attachment.active && self.status(attachment.vm) != VmStatus::Down)
        {
            return Err(Error::conflict(
                "Cannot edit Virtual Machine Disk. At least one of the VMs is not down.",
            ));
        }
        if before.shareable && !after.shareable && attachments.len() > 1 {
            return Err(Error::conflict(
                "Cannot edit Virtual Machine Disk. The disk is attached to more than one VM.",
            ));
        }
        if after.interface == DiskInterface::Ide && attachments.iter().any(|attachment| attachment.read_only)
        {
            return Err(Error::invalid("IDE disks can't be read-only."));
        }
        let world = self.world();
        for attachment in attachments.iter().filter(|_| after.interface != before.interface) {
            let cannot = "Cannot edit Virtual Machine Disk";
            world.vms.get(&attachment.vm).map_or(Ok(()), |vm| check_controller(cannot, vm, after))?;
        }
        for attachment in attachments.iter().filter(|_| after.bootable && !before.bootable) {
            check_boot_disk(&world, "Cannot edit Virtual Machine Disk", attachment.vm, before.id)?;
        }
        Ok(())
    }

    fn check_growth(&self, disk: &Disk, size: u64, attachments: &[Attachment]) -> Result<()> {
        if size < disk.size {
            return Err(Error::invalid(
                "Cannot edit Virtual Machine Disk. New disk size must be larger than current disk size.",
            ));
        }
        if size == disk.size {
            return Ok(());
        }
        if disk.lun.is_some() {
            return Err(Error::conflict(
                "Cannot edit Virtual Machine Disk. The size of a LUN is its target's.",
            ));
        }
        check_size(size)?;
        if disk.status != DiskStatus::Ok {
            return Err(Error::conflict(format!(
                "Cannot edit Virtual Machine Disk. Disk {} is locked or illegal.",
                disk.alias
            )));
        }
        self.check_none_is_to_wake(attachments, Move::Resize)?;
        {
            let (world, cannot) = (self.world(), "Cannot edit Virtual Machine Disk");
            for attachment in attachments {
                check_not_stateless(&world, cannot, attachment.vm)?;
                check_no_preview(&world, cannot, attachment.vm)?;
            }
            self.require_active_below(cannot, &world, [disk.id])?;
            let ahead = disk.format == DiskFormat::Raw && !disk.sparse;
            if let Some(domain) = world.storage_domains.get(&disk.storage_domain).filter(|_| ahead) {
                self.require_room(cannot, domain, size - disk.size)?;
            }
        }
        for attachment in attachments.iter().filter(|attachment| attachment.active) {
            if attachment.read_only {
                return Err(Error::conflict(
                    "Cannot edit Virtual Machine Disk. A read-only disk cannot be extended.",
                ));
            }
            if let Verdict::Refused(why) = may(self.status(attachment.vm), Move::Resize) {
                return Err(Error::conflict(why));
            }
        }
        Ok(())
    }

    /// Grows the image: through every running VM that has it plugged, else as a file.
    async fn grow(&self, disk: &Disk, attachments: &[Attachment]) -> Result<()> {
        let (size, format, sparse) = (disk.size, disk.format, disk.sparse);
        let is_used = |on: &Attachment| on.active && self.runs(on.vm);
        if format == DiskFormat::Raw && !sparse && attachments.iter().any(is_used) {
            let file = self.image_file(&self.world(), disk)?;
            let images = self.images.clone();
            super::lane::blocking(move || images.reserve(&file, size)).await?;
        }
        let mut online = false;
        for attachment in attachments.iter().filter(|attachment| attachment.active) {
            if self.runs(attachment.vm) {
                let (vm, target) = (attachment.vm, attachment.target.clone());
                self.lane.call(move |hv| hv.resize_block(vm, &target, size)).await?;
                online = true;
            }
        }
        if !online {
            let file = self.image_file(&self.world(), disk)?;
            let images = self.images.clone();
            super::lane::blocking(move || images.resize(&file, format, size, sparse)).await?;
        }
        self.refresh_pools();
        Ok(())
    }

    pub(super) async fn true_size(&self, id: DiskId) -> Result<u64> {
        let disk = self.disk(id)?;
        let file = self.image_file(&self.world(), &disk)?;
        let images = self.images.clone();
        super::lane::blocking(move || images.virtual_size(&file, disk.format)).await
    }

    /// A QEMU has the VM's devices now.
    pub(super) fn runs(&self, vm: VmId) -> bool {
        self.inventory.power(vm).is_some_and(Power::runs)
    }

    /// It neither runs nor has a memory to go on from.
    pub(super) fn is_off(&self, vm: VmId) -> bool {
        matches!(self.inventory.power(vm), None | Some(Power::Off))
    }

    /// The disks' images refer to what the rows say and to nothing else: a guest would read whatever
    /// file of the host somebody's image names.
    pub(super) async fn check_images(&self, verb: &str, disks: &[Disk]) -> Result<()> {
        self.check_portals(verb, disks).await?;
        let promised: Vec<Promised> = {
            let world = self.world();
            let disks = disks.iter().filter(|disk| disk.lun.is_none());
            let promised = |disk: &Disk| {
                let chain = world.chain(disk).iter().map(|it| (it.file_name(), it.format)).collect();
                Ok(Promised { alias: disk.alias.clone(), file: self.image_file(&world, disk)?, chain })
            };
            disks.map(promised).collect::<Result<_>>()?
        };
        let (images, verb) = (self.images.clone(), verb.to_owned());
        super::lane::blocking(move || {
            for Promised { alias, file, chain } in promised {
                let format = chain.first().map_or(DiskFormat::Raw, |(_, format)| *format);
                let wrong = |why: String| {
                    Error::conflict(format!("{verb}. The image of disk {alias} is not what it should be."))
                        .because(why)
                };
                let real = images.chain(&file, format).map_err(|why| wrong(why.to_string()))?;
                if real != chain {
                    return Err(wrong(format!("promised {chain:?}, found {real:?}")));
                }
            }
            Ok(())
        })
        .await
    }

    /// Gives the VM the device of the disk: the definition, and the guest when it runs.
    pub(super) async fn plug(&self, vm: VmId, disk: DiskId) -> Result<()> {
        if self.runs(vm) {
            self.renew_borrowed(vm, disk).await?;
        }
        self.plug_as_it_is(vm, disk).await
    }

    /// The same with what lies over a disk's snapshot now.
    pub(super) async fn plug_as_it_is(&self, vm: VmId, disk: DiskId) -> Result<()> {
        if !self.runs(vm) {
            return self.sync_definition(vm).await.map(drop);
        }
        let (_, row) = self.world().hung(vm, disk).ok_or_else(|| Error::not_found(disk))?;
        self.check_images("Cannot hot plug Virtual Machine Disk", &[row]).await?;
        self.give_device(vm, disk.alias(), self.live_disk(vm, disk)?).await
    }
}

impl DiskChange {
    fn apply(&self, disk: &mut Disk) {
        put_over!(
            disk,
            self,
            alias,
            description,
            size,
            bootable,
            shareable,
            wipe_after_delete,
            propagate_errors,
            interface
        );
        disk.profile = self.profile.or(disk.profile);
        disk.quota = self.quota.or(disk.quota);
        if let Some(lun) = &mut disk.lun {
            put_over!(lun, self, reserved);
            lun.passed = self.passed.or(lun.passed);
        }
    }
}

/// The images of a disk as the rows have them.
struct Promised {
    alias: String,
    file: PathBuf,
    chain: Vec<(String, DiskFormat)>,
}

fn check_size(size: u64) -> Result<()> {
    match size > 0 && size <= MAX_SIZE && size.is_multiple_of(SECTOR) {
        true => Ok(()),
        false => Err(Error::invalid(format!("The disk size must be positive and at most {MAX_SIZE} bytes."))),
    }
}

fn check_new(new: &NewDisk) -> Result<()> {
    match &new.lun {
        Some(lun) => lun.check().map_err(Error::invalid)?,
        None => check_size(new.size)?,
    }
    if let Some(lun) = &new.lun {
        check_passed(lun, new.interface, "add")?;
    }
    if new.format == DiskFormat::Cow && new.sparse == Some(false) {
        return Err(Error::invalid(
            "Cannot add Virtual Machine Disk. Disk configuration (COW Preallocated) is incompatible with the storage domain type.",
        ));
    }
    if let Some(alias) = &new.alias {
        check_alias(alias)?;
    }
    check_text("description", &new.description, 4000).map_err(Error::invalid)?;
    if new.shareable && new.format == DiskFormat::Cow {
        return Err(Error::conflict(
            "Cannot add Virtual Machine Disk. The volume format of the disk is not supported for a shareable disk.",
        ));
    }
    Ok(())
}

/// Snapshots without a disk.
fn forgotten(world: &World, id: DiskId) -> Vec<Change> {
    let without = |snapshot: &Snapshot| {
        changed(Some(snapshot), |it| it.disks.retain(|saved| saved.disk.id != id), Change::Snapshot)
    };
    world.snapshots_with(id).flat_map(without).collect()
}

/// A disk is as fast as a profile of the domain that it lies in lets it be.
fn check_profile(
    cannot: &str,
    world: &World,
    profile: Option<DiskProfileId>,
    storage_domain: StorageDomainId,
) -> Result<()> {
    let of_it = |id| world.profiles_of(storage_domain).any(|profile| profile.id == id);
    match profile.is_none_or(of_it) {
        true => Ok(()),
        false => Err(Error::invalid(format!("{cannot}. The disk profile is not one of the storage domain."))),
    }
}

/// SCSI is spoken with the unit itself, or not at all.
fn check_passed(lun: &Lun, interface: DiskInterface, verb: &str) -> Result<()> {
    if lun.is_passed() && interface != DiskInterface::VirtioScsi {
        return Err(Error::invalid(format!(
            "Cannot {verb} Virtual Machine Disk. SCSI is passed through by the interface virtio_scsi only."
        )));
    }
    match lun.reserved && lun.passed == Some(Passed::Filtered) {
        false => Ok(()),
        true => Err(Error::conflict(format!(
            "Cannot {verb} Virtual Machine Disk. SCSI reservations can not be used when SGIO is filtered."
        ))),
    }
}

/// A portal that may be reached, and a unit that no other disk is.
pub(super) fn check_lun(portals: &Portals, world: &World, lun: &Lun) -> Result<(), String> {
    if let LunAt::Iscsi(unit) = &lun.at
        && !portals.allow_named(&unit.address)
    {
        return Err(format!("The engine's configuration does not allow the iSCSI portal {}.", unit.address));
    }
    let is = |disk: &&Disk| disk.lun.as_ref().is_some_and(|other| other.is(lun));
    match world.disks.values().find(is) {
        None => Ok(()),
        Some(disk) => Err(format!("The LUN is already used by disk {}.", disk.alias)),
    }
}

fn no_lun(why: String) -> Error {
    Error::conflict(format!("Cannot add Virtual Machine Disk. {why}"))
}

pub(super) fn check_alias(alias: &str) -> Result<()> {
    if alias.trim().is_empty() {
        return Err(Error::invalid("The disk alias may not be empty."));
    }
    check_text("disk alias", alias, 255).map_err(Error::invalid)
}

/// A VM may go without the controller of one of the interfaces.
pub(super) fn check_controller(cannot: &str, vm: &Vm, disk: &Disk) -> Result<()> {
    match disk.interface == DiskInterface::VirtioScsi && !vm.spec.virtio_scsi {
        true => Err(Error::conflict(format!("{cannot}. VirtIO-SCSI is disabled for the VM."))),
        false => Ok(()),
    }
}

fn check_disk(disk: &Disk) -> Result<()> {
    check_alias(&disk.alias)?;
    check_text("description", &disk.description, 4000).map_err(Error::invalid)?;
    if let Some(lun) = &disk.lun {
        check_passed(lun, disk.interface, "edit")?;
    }
    if disk.shareable && disk.format == DiskFormat::Cow {
        return Err(Error::conflict(
            "Cannot edit Virtual Machine Disk. The volume format of the disk is not supported for a shareable disk.",
        ));
    }
    Ok(())
}

/// A VM boots from one disk.
pub(super) fn check_boot_disk(world: &World, cannot: &str, vm: VmId, but: DiskId) -> Result<()> {
    let boots = world.disks_of(vm).into_iter().find(|(_, disk)| disk.bootable && disk.id != but);
    match boots {
        None => Ok(()),
        Some((_, disk)) => Err(Error::conflict(format!(
            "{cannot}. Disk {} in VM {} is already marked as boot.",
            disk.alias,
            world.vms.get(&vm).map_or("", |vm| vm.spec.name.as_str())
        ))),
    }
}

/// `<vm>_Disk<N>`, the first N that no disk of the VM has.
fn default_alias(world: &World, vm: &Vm) -> String {
    let taken: Vec<&str> = world.disks_of(vm.id).iter().map(|(_, disk)| disk.alias.as_str()).collect();
    (1..)
        .map(|n| format!("{}_Disk{n}", vm.spec.name))
        .find(|alias| !taken.contains(&alias.as_str()))
        .unwrap_or_default()
}
