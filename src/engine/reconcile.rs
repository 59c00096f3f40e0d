//! After a crash or a lost connection: every open intent is finished, or undone, by asking the
//! world first. What the client heard decides nothing here: an operation ends wholly or not at all.

use super::locks::{Entity, Guard, Mode};
use super::world::{Change, Intent, Operation};
use super::{Engine, failpoint};
use crate::error::{Error, Kind, Result};
use crate::model::*;
use std::sync::Arc;

impl Engine {
    /// Locks what open intents are about, before anybody else can; those that are being worked
    /// on hold their locks themselves and are left alone.
    pub(super) fn hold_open_intents(&self) -> Vec<(Intent, Guard)> {
        let intents: Vec<Intent> = self.world().intents.values().cloned().collect();
        intents
            .into_iter()
            .filter_map(|intent| {
                let guard = self.locks.hold("reconcile", &entities(&intent.operation)).ok()?;
                Some((intent, guard))
            })
            .collect()
    }

    pub(super) async fn reconcile(self: &Arc<Self>, open: Vec<(Intent, Guard)>) {
        for (intent, _guard) in open {
            tracing::info!(operation = ?intent.operation, "finishing what was left undone");
            if let Err(why) = self.finish_or_undo(&intent).await {
                tracing::error!(operation = ?intent.operation, "reconcile failed: {why}");
            }
        }
        self.follow_running_disks().await;
        self.follow_running_nics().await;
        self.define_missing().await;
    }

    async fn finish_or_undo(&self, intent: &Intent) -> Result<()> {
        let forward = match intent.undoing {
            true => Err(Error::conflict("the operation had failed")),
            false => self.finish(&intent.operation).await,
        };
        let ended = match forward {
            Ok(changes) => Ok(changes),
            Err(why) if why.kind == Kind::Unavailable => return Err(why),
            Err(why) => {
                tracing::warn!("an operation could not be finished and is undone: {why}");
                failpoint::hit("undo.begun");
                self.undo(&intent.operation).await
            }
        };
        match ended {
            Ok(changes) => self.settle(intent.id, changes).await,
            Err(why) if why.kind == Kind::Unavailable => Err(why),
            Err(why) => {
                // Neither end can be reached: the object stays, marked, for somebody to look at.
                let disks: Vec<DiskId> = disks_of(&intent.operation);
                self.settle(intent.id, self.mark_illegal(&disks)).await?;
                Err(why)
            }
        }
    }

    /// Asks for every step again; gives the rows of the end.
    async fn finish(&self, operation: &Operation) -> Result<Vec<Change>> {
        match operation {
            Operation::CreateVm { vm } => self.sync_definition(*vm).await.map(|_| vec![]),
            Operation::UpdateVm { before } => self.sync_definition(before.id).await.map(|_| vec![]),
            Operation::RemoveVm { vm, disks } => self.finish_remove_vm(*vm, disks).await,
            Operation::AddDisk { disk, vm } => {
                let active = vm.is_some_and(|vm| self.is_active(vm, *disk));
                self.finish_add_disk(*disk, *vm, active).await?;
                Ok(self.unlocked(*disk))
            }
            Operation::RemoveDisk { disk, vms } => {
                self.finish_remove_disk(*disk, vms).await?;
                Ok(vec![Change::DropDisk(*disk)])
            }
            Operation::AttachDisk { vm, disk } => {
                self.finish_attach(*vm, *disk, self.is_active(*vm, *disk)).await?;
                Ok(vec![])
            }
            Operation::DetachDisk { vm, .. } => self.sync_definition(*vm).await.map(|_| vec![]),
            Operation::PlugDisk { vm, disk, active: true } => {
                self.finish_attach(*vm, *disk, true).await?;
                Ok(vec![])
            }
            // Whether the guest let go is what the running domain shows: `follow_running_disks`.
            Operation::PlugDisk { vm, active: false, .. } => self.sync_definition(*vm).await.map(|_| vec![]),
            Operation::UpdateDisk { attachments, .. } => {
                for attachment in attachments {
                    self.sync_definition(attachment.vm).await?;
                }
                Ok(vec![])
            }
            Operation::AddNic { vm, nic } => self.bring_nic(*vm, *nic).await.map(|()| vec![]),
            Operation::UpdateNic { before } => self.bring_nic(before.vm, before.id).await.map(|()| vec![]),
            // Whether the guest let go is what the running domain shows: `follow_running_nics`.
            Operation::UnplugNic { vm, .. } | Operation::ReorderMacs { vm, .. } => {
                self.sync_definition(*vm).await.map(|_| vec![])
            }
            Operation::RemoveNic { before } => self.sync_definition(before.vm).await.map(|_| vec![]),
            Operation::ResizeDisk { disk, .. } => {
                let attachments: Vec<Attachment> = self.world().attachments_of(*disk).cloned().collect();
                self.finish_resize(*disk, &attachments).await?;
                Ok(self.unlocked(*disk))
            }
        }
    }

    /// An operation failed: undoes it by the way that a reconcile would.
    pub(super) async fn fail(&self, intent: IntentId, failure: Error) -> Error {
        failpoint::hit("undo.begun");
        let operation = self.world().intents.get(&intent).map(|intent| intent.operation.clone());
        let Some(operation) = operation else { return failure };
        let undone = self.undo(&operation).await;
        self.give_up(intent, failure, undone).await
    }

    async fn undo(&self, operation: &Operation) -> Result<Vec<Change>> {
        match operation {
            Operation::CreateVm { vm } => {
                let id = *vm;
                self.lane.call(move |hv| hv.undefine(id)).await?;
                Ok(vec![Change::DropVm(id)])
            }
            Operation::UpdateVm { before } => {
                self.note(vec![Change::Vm(before.clone())]).await?;
                self.sync_definition(before.id).await.map(|_| vec![])
            }
            Operation::AddDisk { disk, vm } => {
                self.undo_add_disk(*disk, *vm).await?;
                Ok(vec![Change::DropDisk(*disk)])
            }
            Operation::AttachDisk { vm, disk } => self.undo_attach(*vm, *disk).await.map(|()| vec![]),
            Operation::PlugDisk { vm, disk, active: true } => {
                self.note(self.idle(*vm, *disk)).await?;
                self.sync_definition(*vm).await.map(|_| vec![])
            }
            Operation::UpdateDisk { before, attachments } => {
                let mut changes = vec![Change::Disk(Disk::clone(before))];
                changes.extend(attachments.iter().cloned().map(Change::Attachment));
                self.note(changes).await?;
                for attachment in attachments {
                    self.sync_definition(attachment.vm).await?;
                }
                Ok(vec![])
            }
            Operation::ResizeDisk { disk, from } => {
                let size = self.true_size(*disk).await.unwrap_or(*from);
                let row = self.disk(*disk)?;
                Ok(vec![Change::Disk(Disk { size, status: DiskStatus::Ok, ..row })])
            }
            Operation::AddNic { vm, nic } => self.undo_add_nic(*vm, *nic).await.map(|()| vec![]),
            Operation::UpdateNic { before } => self.undo_update_nic(before).await.map(|()| vec![]),
            Operation::RemoveNic { before } => {
                self.note(vec![Change::Nic(Nic::clone(before))]).await?;
                self.sync_definition(before.vm).await.map(|_| vec![])
            }
            Operation::ReorderMacs { vm, before } => {
                self.note(before.iter().cloned().map(Change::Nic).collect()).await?;
                self.sync_definition(*vm).await.map(|_| vec![])
            }
            // A removal has no way back: asking again is all there is.
            Operation::RemoveVm { .. }
            | Operation::RemoveDisk { .. }
            | Operation::DetachDisk { .. }
            | Operation::PlugDisk { active: false, .. }
            | Operation::UnplugNic { .. } => self.finish(operation).await,
        }
    }

    fn is_active(&self, vm: VmId, disk: DiskId) -> bool {
        self.world().attachments.get(&(vm, disk)).is_some_and(|attachment| attachment.active)
    }

    /// Disks that a guest let go, or that were unplugged by hand, while nobody listened.
    async fn follow_running_disks(&self) {
        let running: Vec<VmId> = self.inventory.running();
        for vm in running {
            let Some(seen) = self.inventory.seen(vm) else { continue };
            let lost: Vec<DiskId> = {
                let world = self.world();
                let disks = world.disks_of(vm).into_iter();
                disks
                    .filter(|(attachment, _)| attachment.active)
                    .map(|(_, disk)| disk.id)
                    .filter(|disk| {
                        seen.observed
                            .disks
                            .iter()
                            .all(|it| it.alias.as_deref() != Some(disk.alias().as_str()))
                    })
                    .collect()
            };
            for disk in lost {
                let wanted = [(Entity::Disk(disk), Mode::Exclusive), (Entity::Vm(vm), Mode::Shared)];
                let Ok(_guard) = self.locks.hold("reconcile", &wanted) else { continue };
                let followed = async {
                    self.note(self.idle(vm, disk)).await?;
                    self.sync_definition(vm).await
                };
                if let Err(why) = followed.await {
                    tracing::error!(%vm, %disk, "following an unplugged disk failed: {why}");
                }
            }
        }
    }

    /// VMs whose definition somebody took away get it back.
    async fn define_missing(&self) {
        let missing: Vec<VmId> =
            self.world().vms.keys().copied().filter(|id| self.inventory.seen(*id).is_none()).collect();
        for id in missing {
            if let Ok(_guard) = self.locks.hold("reconcile", &[(Entity::Vm(id), Mode::Exclusive)])
                && let Err(why) = self.sync_definition(id).await
            {
                tracing::error!(vm = %id, "defining the VM again failed: {why}");
            }
        }
    }
}

fn entities(operation: &Operation) -> Vec<(Entity, Mode)> {
    let vm = |id: &VmId| (Entity::Vm(*id), Mode::Exclusive);
    let shared = |id: &VmId| (Entity::Vm(*id), Mode::Shared);
    let disk = |id: &DiskId| (Entity::Disk(*id), Mode::Exclusive);
    match operation {
        Operation::CreateVm { vm: id } => vec![vm(id)],
        Operation::UpdateVm { before } => vec![vm(&before.id)],
        Operation::RemoveVm { vm: id, disks } => {
            std::iter::once(vm(id)).chain(disks.iter().map(disk)).collect()
        }
        Operation::AddDisk { disk: id, vm } => {
            std::iter::once(disk(id)).chain(vm.iter().map(shared)).collect()
        }
        Operation::RemoveDisk { disk: id, vms } => {
            std::iter::once(disk(id)).chain(vms.iter().map(shared)).collect()
        }
        Operation::AttachDisk { vm, disk: id }
        | Operation::DetachDisk { vm, disk: id }
        | Operation::PlugDisk { vm, disk: id, .. } => vec![disk(id), shared(vm)],
        Operation::UpdateDisk { before, attachments } => {
            std::iter::once(disk(&before.id)).chain(attachments.iter().map(|it| shared(&it.vm))).collect()
        }
        Operation::ResizeDisk { disk: id, .. } => vec![disk(id)],
        Operation::AddNic { vm, nic } | Operation::UnplugNic { vm, nic } => {
            vec![(Entity::Nic(*nic), Mode::Exclusive), shared(vm)]
        }
        Operation::UpdateNic { before } | Operation::RemoveNic { before } => {
            vec![(Entity::Nic(before.id), Mode::Exclusive), shared(&before.vm)]
        }
        Operation::ReorderMacs { vm: id, .. } => vec![vm(id)],
    }
}

fn disks_of(operation: &Operation) -> Vec<DiskId> {
    entities(operation)
        .into_iter()
        .filter_map(|(entity, _)| match entity {
            Entity::Disk(id) => Some(id),
            Entity::Vm(_) | Entity::Nic(_) => None,
        })
        .collect()
}
