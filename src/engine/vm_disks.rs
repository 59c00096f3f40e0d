//! Disks on VMs: attach, detach, plug and unplug.

use super::locks::{Entity, Guard, Mode};
use super::unplug::DISK;
use super::world::{Change, Operation, World};
use super::{Engine, disks, failpoint};
use crate::domain::{self, Chipset};
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
    /// The attachment of a disk to a VM.
    pub fn attachment(&self, vm: VmId, disk: DiskId) -> Result<(Attachment, Disk)> {
        self.vm(vm)?;
        let world = self.world();
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
        if onto.read_only && disk.interface == DiskInterface::Ide {
            return Err(Error::invalid("Cannot attach Virtual Machine Disk. IDE disks can't be read-only."));
        }
        if disk.interface == DiskInterface::VirtioScsi && !vm.spec.virtio_scsi {
            return Err(Error::conflict(
                "Cannot attach Virtual Machine Disk. VirtIO-SCSI is disabled for the VM.",
            ));
        }
        if disk.bootable {
            disks::check_boot_disk(world, onto.vm, disk.id)?;
        }
        let down = self.status(onto.vm) == VmStatus::Down;
        let active = onto.active.unwrap_or(down);
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
        let machine = row.spec.machine.as_deref().or(row.machine.as_deref());
        let chipset = machine.and_then(Chipset::of).unwrap_or(Chipset::Q35);
        let mut used: Vec<String> = world
            .disks_of(vm)
            .into_iter()
            .filter(|(_, disk)| Some(disk.id) != but)
            .map(|(attachment, _)| attachment.target.clone())
            .collect();
        if let Some(seen) = self.inventory.seen(vm) {
            let foreign = seen
                .observed
                .disks
                .iter()
                .filter(|disk| disk.alias.as_deref().and_then(DiskId::from_alias).is_none());
            used.extend(foreign.map(|disk| disk.target.clone()));
        }
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        domain::target(interface, chipset, &used)
            .map_err(|why| Error::conflict(format!("Cannot attach Virtual Machine Disk. {why}")))
    }

    fn hold_attachment(&self, operation: &'static str, vm: VmId, disk: DiskId) -> Result<Guard> {
        self.own_vm(vm)?;
        self.locks.hold(operation, &[(Entity::Disk(disk), Mode::Exclusive), (Entity::Vm(vm), Mode::Shared)])
    }

    /// Attaches a disk that exists.
    pub async fn attach_disk(self: &Arc<Self>, id: DiskId, onto: NewAttachment) -> Result<()> {
        let vm = onto.vm;
        let _guard = self.hold_attachment("attach disk", vm, id)?;
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
            return Err(self.fail(intent, failure).await);
        }
        self.settle(intent, vec![]).await
    }

    pub(super) async fn finish_attach(&self, vm: VmId, disk: DiskId, active: bool) -> Result<()> {
        if !active {
            return Ok(());
        }
        if self.runs(vm) {
            self.plug(vm, disk).await?;
            failpoint::hit("attach_disk.plugged");
        }
        self.sync_definition(vm).await?;
        failpoint::hit("attach_disk.defined");
        Ok(())
    }

    pub(super) async fn undo_attach(&self, vm: VmId, disk: DiskId) -> Result<()> {
        if self.runs(vm) {
            self.unplug(vm, disk).await?;
        }
        self.note(vec![Change::DropAttachment { vm, disk }]).await?;
        self.sync_definition(vm).await.map(|_| ())
    }

    /// Takes the disk off the VM and keeps it; a plugged one is unplugged first.
    pub async fn detach_disk(self: &Arc<Self>, vm: VmId, id: DiskId) -> Result<()> {
        let _guard = self.hold_attachment("detach disk", vm, id)?;
        let (attachment, disk) = self.attachment(vm, id)?;
        self.may(vm, Move::ChangeDisks)?;
        if disk.status == DiskStatus::Locked {
            return Err(Error::conflict("Cannot detach Virtual Machine Disk. The disk is locked."));
        }
        if attachment.active && self.runs(vm) {
            self.take_out(vm, &disk).await?;
        }
        self.require_connection()?;
        let intent = self
            .promise(|_| {
                Ok((Operation::DetachDisk { vm, disk: id }, vec![Change::DropAttachment { vm, disk: id }]))
            })
            .await?;
        failpoint::hit("detach_disk.intended");
        let defined = self.sync_definition(vm).await;
        failpoint::hit("detach_disk.defined");
        match defined {
            Ok(_) => self.settle(intent, vec![]).await,
            Err(failure) => {
                self.settle(intent, vec![Change::Attachment(Attachment { active: false, ..attachment })])
                    .await?;
                Err(failure)
            }
        }
    }

    pub async fn activate_disk(self: &Arc<Self>, vm: VmId, id: DiskId) -> Result<()> {
        let _guard = self.hold_attachment("activate disk", vm, id)?;
        let (attachment, disk) = self.attachment(vm, id)?;
        if attachment.active {
            return Err(Error::conflict("Cannot hot plug Virtual Machine Disk. Disk is already activated."));
        }
        self.may(vm, Move::ChangeDisks)?;
        self.require_connection()?;
        if disk.status != DiskStatus::Ok {
            return Err(Error::conflict(
                "Cannot hot plug Virtual Machine Disk. The disk is locked or illegal.",
            ));
        }
        if self.runs(vm) && disk.interface == DiskInterface::Ide {
            return Err(Error::invalid("Hot plugging a disk to an IDE interface is not supported."));
        }
        let plugged = Attachment { active: true, ..attachment.clone() };
        let intent = self
            .promise(|_| {
                let operation = Operation::PlugDisk { vm, disk: id, active: true };
                Ok((operation, vec![Change::Attachment(plugged)]))
            })
            .await?;
        failpoint::hit("plug_disk.intended");
        let acted = async {
            if self.runs(vm) {
                self.plug(vm, id).await?;
            }
            failpoint::hit("plug_disk.plugged");
            self.sync_definition(vm).await?;
            failpoint::hit("plug_disk.defined");
            Ok(())
        };
        if let Err(failure) = acted.await {
            return Err(self.fail(intent, failure).await);
        }
        self.settle(intent, vec![]).await
    }

    pub async fn deactivate_disk(self: &Arc<Self>, vm: VmId, id: DiskId) -> Result<()> {
        let _guard = self.hold_attachment("deactivate disk", vm, id)?;
        let (attachment, disk) = self.attachment(vm, id)?;
        if !attachment.active {
            return Err(Error::conflict(
                "Cannot hot unplug Virtual Machine Disk. Disk is already deactivated.",
            ));
        }
        self.may(vm, Move::ChangeDisks)?;
        self.require_connection()?;
        if self.runs(vm) {
            return self.take_out(vm, &disk).await;
        }
        let idle = Attachment { active: false, ..attachment };
        let intent = self
            .promise(|_| {
                let operation = Operation::PlugDisk { vm, disk: id, active: false };
                Ok((operation, vec![Change::Attachment(idle)]))
            })
            .await?;
        failpoint::hit("unplug_disk.intended");
        let defined = self.sync_definition(vm).await;
        self.settle(intent, vec![]).await?;
        defined.map(|_| ())
    }

    /// Unplugs from the running guest, waits for it to let go, and lets the rows follow.
    async fn take_out(&self, vm: VmId, disk: &Disk) -> Result<()> {
        if disk.interface == DiskInterface::Ide {
            return Err(Error::invalid("Hot plugging a disk to an IDE interface is not supported."));
        }
        let id = disk.id;
        let intent =
            self.promise(|_| Ok((Operation::PlugDisk { vm, disk: id, active: false }, vec![]))).await?;
        failpoint::hit("unplug_disk.intended");
        let gone = self.unplug(vm, id).await;
        failpoint::hit("unplug_disk.gone");
        let changes = match &gone {
            Ok(()) => self.idle(vm, id),
            Err(_) => vec![],
        };
        self.settle(intent, changes).await?;
        gone?;
        self.sync_definition(vm).await?;
        Ok(())
    }

    /// The attachment's row with the disk unplugged.
    pub(super) fn idle(&self, vm: VmId, disk: DiskId) -> Vec<Change> {
        let attachment = self.world().attachments.get(&(vm, disk)).cloned();
        attachment.map(|it| Change::Attachment(Attachment { active: false, ..it })).into_iter().collect()
    }

    /// Asks the guest to let the disk go and waits until it did. Nothing to do when it is not there.
    pub(super) async fn unplug(&self, vm: VmId, disk: DiskId) -> Result<()> {
        self.take_device(vm, disk.alias(), &DISK).await
    }
}
