//! Disks on VMs: attach, detach, plug and unplug.

use super::locks::{Entity, Guard, Mode};
use super::snapshots::check_no_preview;
use super::turns::Ended;
use super::unplug::DISK;
use super::world::{Change, Operation, World};
use super::{Engine, disks, failpoint, locks};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::*;
use std::sync::Arc;

/// How a disk is to hang on a VM.
#[derive(Clone, Debug)]
pub struct NewAttachment {
    pub vm: VmId,
    /// `None`: plugged when the VM is down.
    pub active: Option<bool>,
    pub read_only: bool,
}

impl Engine {
    /// The attachment of a disk, which is the VM's, to it.
    pub fn attachment(&self, vm: VmId, disk: DiskId) -> Result<(Attachment, Disk)> {
        self.vm(vm)?;
        let world = self.world();
        if world.borrowed.contains_key(&(vm, disk)) {
            return Err(Error::conflict(
                "The disk is a snapshot of another VM's: it can be activated, deactivated and detached.",
            ));
        }
        let attachment = world.attachments.get(&(vm, disk)).ok_or_else(|| Error::not_found(disk))?;
        let disk = world.disks.get(&disk).ok_or_else(|| Error::not_found(disk))?;
        Ok((attachment.clone(), disk.clone()))
    }

    pub(super) fn plan_attachment(
        &self,
        world: &World,
        onto: &NewAttachment,
        disk: &Disk,
    ) -> Result<Attachment> {
        let vm = world.vms.get(&onto.vm).ok_or_else(|| Error::not_found(onto.vm))?;
        check_no_preview(world, "Cannot attach Virtual Machine Disk", onto.vm)?;
        if onto.read_only && disk.interface == DiskInterface::Ide {
            return Err(Error::invalid("Cannot attach Virtual Machine Disk. IDE disks can't be read-only."));
        }
        disks::check_controller("Cannot attach Virtual Machine Disk", vm, disk)?;
        if disk.bootable {
            disks::check_boot_disk(world, "Cannot add Virtual Machine Disk", onto.vm, disk.id)?;
        }
        let down = self.status(onto.vm) == VmStatus::Down;
        let active = onto.active.unwrap_or(down);
        if active && !down {
            self.require_active_below("Cannot attach Virtual Machine Disk", world, [disk.id])?;
        }
        if active && !down && disk.interface == DiskInterface::Ide {
            return Err(Error::invalid("Hot plugging a disk to an IDE interface is not supported."));
        }
        let target = self.free_target(world, onto.vm, disk.interface, None)?;
        Ok(Attachment { vm: onto.vm, disk: disk.id, active, read_only: onto.read_only, target })
    }

    /// A target name that no disk of the VM has, nor its CD-ROM drive.
    pub(super) fn free_target(
        &self,
        world: &World,
        vm: VmId,
        interface: DiskInterface,
        but: Option<DiskId>,
    ) -> Result<String> {
        let row = world.vms.get(&vm).ok_or_else(|| Error::not_found(vm))?;
        let pinned = row.machine.as_deref();
        let chipset = domain::chipset(pinned, &row.spec);
        let others = world.hung_on(vm).into_iter().filter(|(_, disk)| Some(disk.id) != but);
        let mut used: Vec<String> = others.map(|(attachment, _)| attachment.target).collect();
        if let Some(seen) = self.inventory.seen(vm) {
            let foreign = seen
                .observed
                .disks
                .iter()
                .filter(|disk| disk.alias.as_deref().and_then(DiskId::from_alias).is_none());
            used.extend(foreign.map(|disk| disk.target.clone()));
        }
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        let cannot = |why: String| Error::conflict(format!("Cannot attach Virtual Machine Disk. {why}"));
        if let Some(next) = &row.next_run {
            let mut hung = hung_on_machine(world, row, next)?;
            hung.retain(|(_, disk)| Some(disk.id) != but);
            let used: Vec<&str> = hung.iter().map(|(on, _)| on.target.as_str()).collect();
            let place = domain::target(interface, domain::chipset(pinned, next), &used);
            if place.is_err() || interface == DiskInterface::VirtioScsi && !next.virtio_scsi {
                return Err(cannot("The configuration of the VM's next run has no place for it.".into()));
            }
        }
        domain::target(interface, chipset, &used).map_err(|why| cannot(why.to_string()))
    }

    async fn hold_attachment(&self, operation: &'static str, vm: VmId, disk: DiskId) -> Result<Guard> {
        self.own_vm(vm)?;
        self.take(operation, &[(Entity::Disk(disk), Mode::Exclusive), (Entity::Vm(vm), Mode::Shared)]).await
    }

    /// Attaches a disk that exists.
    pub async fn attach_disk(self: &Arc<Self>, id: DiskId, onto: NewAttachment) -> Result<()> {
        let vm = onto.vm;
        let _guard = self.hold_attachment(locks::ATTACH_DISK, vm, id).await?;
        self.may(vm, Move::ChangeDisks)?;
        self.require_connection()?;
        let mut active = false;
        let intent = self
            .promise(|world| {
                let disk = world.disks.get(&id).ok_or_else(|| {
                    Error::invalid("Cannot attach Virtual Machine Disk. The VM's Image doesn't exist.")
                })?;
                if disk.status != DiskStatus::Ok {
                    return Err(Error::conflict("Cannot attach Virtual Machine Disk. The disk is locked or illegal."));
                }
                world.check_no_template("Cannot attach Virtual Machine Disk", id)?;
                if world.attachments.contains_key(&(vm, id)) {
                    return Err(Error::conflict("Cannot attach Virtual Machine Disk. The disk is already attached to the VM."));
                }
                if !disk.shareable && world.attachments_of(id).next().is_some() {
                    return Err(Error::conflict(format!(
                        "Cannot attach Virtual Machine Disk. Disk {} is not shareable and is already attached to a VM.",
                        disk.alias
                    )));
                }
                let attachment = self.plan_attachment(world, &onto, disk)?;
                active = attachment.active;
                Ok((Operation::AttachDisk { vm, disk: id }, vec![Change::Attachment(attachment)]))
            })
            .await?;
        failpoint::hit("attach_disk.intended");
        let acted = self.finish_attach(vm, id, active).await;
        if let Err(failure) = acted {
            return self.fail(intent, failure).await;
        }
        self.settle(intent, vec![]).await
    }

    pub(super) async fn finish_attach(&self, vm: VmId, disk: DiskId, active: bool) -> Result<()> {
        if !active {
            return Ok(());
        }
        self.plug(vm, disk).await?;
        failpoint::hit("attach_disk.plugged");
        Ok(())
    }

    pub(super) async fn undo_attach(&self, vm: VmId, disk: DiskId) -> Result<()> {
        if self.runs(vm) {
            self.unplug(vm, disk).await?;
        }
        self.note(vec![Change::DropAttachment { vm, disk }]).await;
        self.sync_definition(vm).await.map(|_| ())
    }

    /// Takes the disk off the VM and keeps it; a plugged one is unplugged first.
    pub async fn detach_disk(self: &Arc<Self>, vm: VmId, id: DiskId) -> Result<()> {
        let _guard = self.hold_attachment("detach disk", vm, id).await?;
        let (attachment, disk) = self.hung(vm, id)?;
        self.may(vm, Move::ChangeDisks)?;
        let borrowed = self.world().borrowed.get(&(vm, id)).cloned();
        if let Some(before) = borrowed {
            // What the VM wrote goes, and must be found for that.
            let place = self.storage_domain(disk.storage_domain)?;
            self.require_reachable("Cannot detach Virtual Machine Disk", &place, false)?;
            let out = vec![Change::DropBorrowed { vm, disk: id }];
            return self.take_out(Operation::ReturnDisk { before }, attachment, &disk, out).await;
        }
        if disk.status == DiskStatus::Locked {
            return Err(Error::conflict("Cannot detach Virtual Machine Disk. The disk is locked."));
        }
        check_no_preview(&self.world(), "Cannot detach Virtual Machine Disk", vm)?;
        if self.world().snapshots_with(id).next().is_some() {
            return Err(Error::conflict(format!(
                "Cannot detach Virtual Machine Disk. Disk {} is part of the VM's Snapshots: remove them first.",
                disk.alias
            )));
        }
        let operation = Operation::DetachDisk { before: attachment.clone() };
        let out = vec![Change::DropAttachment { vm, disk: id }];
        self.take_out(operation, attachment, &disk, out).await
    }

    /// Unplugs where the VM runs, then lets row and definition follow.
    async fn take_out(
        &self,
        operation: Operation,
        attachment: Attachment,
        disk: &Disk,
        out: Vec<Change>,
    ) -> Result<()> {
        let (vm, id) = (attachment.vm, disk.id);
        self.require_connection()?;
        let plugged = attachment.active && self.runs(vm);
        if plugged && disk.interface == DiskInterface::Ide {
            return Err(Error::invalid("Hot plugging a disk to an IDE interface is not supported."));
        }
        // As long as a guest has the disk, the row says so.
        let promised = if plugged { vec![] } else { out.clone() };
        let intent = self.promise(|_| Ok((operation.clone(), promised))).await?;
        failpoint::hit("unplug_disk.intended");
        let acted = async {
            let mut followed = None;
            if plugged {
                followed = self.unplug(vm, id).await?;
                failpoint::hit("unplug_disk.gone");
                self.note(out).await;
            }
            self.define_without(vm, followed).await?;
            failpoint::hit("unplug_disk.defined");
            match &operation {
                Operation::ReturnDisk { before } => self.remove_borrowed(before).await?,
                _ => self.try_renew_borrowed(vm, id).await,
            }
            Ok(())
        };
        self.conclude(intent, acted.await.map(|_| vec![])).await
    }

    /// The disk hangs on the VM again as it did, plugged if the VM runs.
    pub(super) async fn put_back(&self, before: &Attachment) -> Result<()> {
        self.note(vec![Change::Attachment(before.clone())]).await;
        match before.active {
            true => self.plug(before.vm, before.disk).await,
            false => self.sync_definition(before.vm).await.map(drop),
        }
    }

    /// An attachment that a change of its activity finds as it needs it.
    fn attachment_that_is(&self, vm: VmId, disk: DiskId, active: bool) -> Result<(Attachment, Disk)> {
        let found = self.hung(vm, disk)?;
        match (found.0.active == active, active) {
            (true, _) => Ok(found),
            (false, false) => {
                Err(Error::conflict("Cannot hot plug Virtual Machine Disk. Disk is already activated."))
            }
            (false, true) => {
                Err(Error::conflict("Cannot hot unplug Virtual Machine Disk. Disk is already deactivated."))
            }
        }
    }

    pub async fn activate_disk(self: &Arc<Self>, vm: VmId, id: DiskId) -> Result<()> {
        // What there is nothing to do for holds nobody else up.
        self.attachment_that_is(vm, id, false)?;
        let _guard = self.hold_attachment(locks::ACTIVATE_DISK, vm, id).await?;
        let (_, disk) = self.attachment_that_is(vm, id, false)?;
        self.may(vm, Move::ChangeDisks)?;
        self.require_connection()?;
        if disk.status != DiskStatus::Ok {
            return Err(Error::conflict(
                "Cannot hot plug Virtual Machine Disk. The disk is locked or illegal.",
            ));
        }
        if self.runs(vm) {
            if disk.interface == DiskInterface::Ide {
                return Err(Error::invalid("Hot plugging a disk to an IDE interface is not supported."));
            }
            self.require_active_below("Cannot hot plug Virtual Machine Disk", &self.world(), [id])?;
        }
        let plugged = self.with_plug(vm, id, true);
        let operation = Operation::PlugDisk { vm, disk: id, active: true };
        let intent = self.promise(|_| Ok((operation, plugged))).await?;
        failpoint::hit("plug_disk.intended");
        let acted = async {
            self.plug(vm, id).await?;
            failpoint::hit("plug_disk.plugged");
            Ok(())
        };
        if let Err(failure) = acted.await {
            return self.fail(intent, failure).await;
        }
        self.settle(intent, vec![]).await
    }

    pub async fn deactivate_disk(self: &Arc<Self>, vm: VmId, id: DiskId) -> Result<()> {
        self.attachment_that_is(vm, id, true)?;
        let _guard = self.hold_attachment("deactivate disk", vm, id).await?;
        let (attachment, disk) = self.attachment_that_is(vm, id, true)?;
        self.may(vm, Move::ChangeDisks)?;
        let operation = Operation::PlugDisk { vm, disk: id, active: false };
        let idle = self.with_plug(vm, id, false);
        self.take_out(operation, attachment, &disk, idle).await
    }

    /// A disk that a running VM has lost, by its guest's doing or by hand: row and definition
    /// follow, unless an operation has the disk or the VM for itself and sees to it.
    pub(super) async fn follow_unplugged(&self, vm: VmId, disk: DiskId) {
        let wanted = [(Entity::Disk(disk), Mode::Exclusive), (Entity::Vm(vm), Mode::Shared)];
        let Ok(_guard) = self.hold(locks::LET_GO, &wanted) else { return };
        let followed = async {
            self.look_at(vm).await?;
            let lost = self.inventory.seen(vm).is_some_and(|seen| !seen.observed.has_disk(disk));
            if !lost || !self.runs(vm) || !self.is_active(vm, disk) {
                return Ok(());
            }
            let idle = self.with_plug(vm, disk, false);
            let intent =
                self.promise(|_| Ok((Operation::PlugDisk { vm, disk, active: false }, idle))).await?;
            self.sync_definition(vm).await?;
            self.settle(intent, vec![]).await
        };
        if let Err(why) = followed.await {
            tracing::warn!(%vm, %disk, "following an unplugged disk failed: {why}");
        }
    }

    pub(super) fn is_active(&self, vm: VmId, disk: DiskId) -> bool {
        self.world().hung(vm, disk).is_some_and(|(attachment, _)| attachment.active)
    }

    /// The attachment's row with the disk plugged or unplugged.
    pub(super) fn with_plug(&self, vm: VmId, disk: DiskId, active: bool) -> Vec<Change> {
        let world = self.world();
        let own = world.attachments.get(&(vm, disk)).cloned();
        let own = own.map(|it| Change::Attachment(Attachment { active, ..it }));
        let borrowed = world.borrowed.get(&(vm, disk)).cloned();
        let borrowed = borrowed.map(|it| Change::Borrowed(Borrowed { active, ..it }));
        own.into_iter().chain(borrowed).collect()
    }

    /// Does the VM run with the disk's device?
    pub(super) async fn has_live(&self, vm: VmId, disk: DiskId) -> Result<bool> {
        self.look_at(vm).await?;
        let seen = self.inventory.seen(vm).filter(|_| self.runs(vm));
        Ok(seen.is_some_and(|seen| seen.observed.has_disk(disk)))
    }

    /// The guest has the last word: what it still has is not out.
    pub(super) async fn require_out(&self, vm: VmId, disk: DiskId) -> Result<()> {
        match self.has_live(vm, disk).await? {
            true => Err(Error::conflict("The guest has not let the disk go.")),
            false => Ok(()),
        }
    }

    /// Asks the guest to let the disk go and waits until it did. Nothing to do when it is not there.
    pub(super) async fn unplug(&self, vm: VmId, disk: DiskId) -> Result<Option<Ended>> {
        self.take_device(vm, disk.alias(), &DISK).await
    }
}

/// The VM's disks as they hang on the machine of that configuration: another chipset has its CD-ROM drive
/// elsewhere, and fewer ports, so that some get other targets.
pub(super) fn hung_on_machine(world: &World, vm: &Vm, spec: &VmSpec) -> Result<Vec<(Attachment, Disk)>> {
    let chipset = domain::chipset(vm.machine.as_deref(), spec);
    let mut hung = world.hung_on(vm.id);
    let fits = |(on, disk): &(Attachment, Disk)| domain::fits_target(disk.interface, chipset, &on.target);
    let mut misfits: Vec<usize> = (0..hung.len()).filter(|at| !fits(&hung[*at])).collect();
    misfits.sort_by_key(|at| !hung[*at].0.active);
    for at in misfits {
        let used: Vec<&str> = hung.iter().map(|(on, _)| on.target.as_str()).collect();
        match domain::target(hung[at].1.interface, chipset, &used) {
            Ok(target) => hung[at].0.target = target,
            // It needs none for now.
            Err(_) if !hung[at].0.active => {}
            Err(why) => return Err(Error::conflict(format!("Cannot update VM. {why}"))),
        }
    }
    Ok(hung)
}

/// The rows of those that get others.
pub(super) fn on_machine(world: &World, vm: &Vm, spec: &VmSpec) -> Result<Vec<Change>> {
    let hung = hung_on_machine(world, vm, spec)?;
    let targets = hung.into_iter().map(|(on, _)| ((on.vm, on.disk), on.target));
    let row = |(id, target): ((VmId, DiskId), String)| match (
        world.attachments.get(&id),
        world.borrowed.get(&id),
    ) {
        (Some(own), _) if own.target != target => {
            Some(Change::Attachment(Attachment { target, ..own.clone() }))
        }
        (_, Some(it)) if it.target != target => Some(Change::Borrowed(Borrowed { target, ..it.clone() })),
        _ => None,
    };
    Ok(targets.filter_map(row).collect())
}
