//! Stateless runs: the guest writes into images over those of its disks, which go when its run is
//! over, however it ends. So do changes of its network interfaces and of its configured medium.
//!
//! A snapshot of its own kind keeps these as they were. Who finds one of a VM that is down drops
//! what was written since.

use super::locks::{self, Entity, Mode};
use super::snapshots::{check_no_preview, fresh_overlays, locked, present, to_freeze};
use super::world::{Change, Operation, World};
use super::{Engine, failpoint, restore_rows};
use crate::error::{Error, Result};
use crate::model::*;

/// What the snapshot is called.
const KEPT: &str = "Before the stateless run";

impl Engine {
    /// The VM, which is down and held, goes on in images that a stateless run may write.
    pub(super) async fn begin_stateless(&self, vm: VmId) -> Result<()> {
        let id = SnapshotId::random();
        let mut overlays = Vec::new();
        let intent = self
            .promise(|world| {
                check_no_preview(world, "Cannot run VM", vm)?;
                check_not_stateless(world, "Cannot run VM", vm)?;
                let disks = to_freeze(world, vm, None)?;
                overlays = fresh_overlays(&disks);
                let kept = Snapshot { kind: SnapshotKind::Stateless, disks, ..present(world, vm, id, KEPT)? };
                let operation = Operation::CreateSnapshot { vm, snapshot: id, overlays: overlays.clone() };
                Ok((operation, locked(kept, world)))
            })
            .await?;
        failpoint::hit("begin_stateless.intended");
        self.conclude(intent, self.finish_create_snapshot(vm, id, &overlays).await).await
    }

    /// Disks, network interfaces and medium of the VM, which is down and held, are what they were
    /// before its stateless run, if it had one.
    pub(super) async fn end_stateless(&self, vm: VmId) -> Result<()> {
        if stateless_run(&self.world(), vm).is_none() {
            return Ok(());
        }
        let mut doomed = Vec::new();
        let intent = self
            .promise(|world| {
                let kept = stateless_run(world, vm).ok_or_else(|| Error::not_found(vm))?;
                let mut changes = back(world, kept);
                changes.push(Change::DropSnapshot { vm, snapshot: kept.id });
                doomed = restore_rows::unneeded(world, vm, &changes);
                Ok((Operation::EndStateless { vm, doomed: doomed.clone() }, changes))
            })
            .await?;
        failpoint::hit("end_stateless.intended");
        // There is no way back: what fails is tried again by the next reconcile.
        let changes = self.finish_end_preview(vm, &doomed, &[]).await?;
        self.settle(intent, changes).await
    }

    /// The same for all VMs that are down: their runs never began, or nobody saw their ends.
    pub(super) async fn end_stateless_runs(&self) {
        let of_run = |snapshot: &&Snapshot| snapshot.kind == SnapshotKind::Stateless;
        let vms: Vec<VmId> = self.world().snapshots.values().filter(of_run).map(|it| it.vm).collect();
        for id in vms {
            // Whoever holds the VM may be about to start it; one that runs is not held up.
            if self.is_off(id)
                && let Ok(_guard) = self.hold(locks::END_OF_RUN, &[(Entity::Vm(id), Mode::Exclusive)])
                && self.look_at(id).await.is_ok()
                && self.is_off(id)
                && let Err(why) = self.end_stateless(id).await
            {
                tracing::warn!(vm = %id, "what a stateless run has left is left for now: {why}");
            }
        }
    }
}

/// What the VM's stateless run is going to leave as it was.
pub(super) fn stateless_run(world: &World, vm: VmId) -> Option<&Snapshot> {
    world.snapshots.values().find(|it| it.vm == vm && it.kind == SnapshotKind::Stateless)
}

/// Refuses what would outlive a stateless run, or be lost with it.
pub(super) fn check_not_stateless(world: &World, cannot: &str, vm: VmId) -> Result<()> {
    match stateless_run(world, vm) {
        Some(_) => Err(Error::conflict(format!("{cannot}. The VM is running as Stateless."))),
        None => Ok(()),
    }
}

/// The rows of the network interfaces, of the configured medium and of the disks as they were, plugged
/// or not, but for what was said of the disks meanwhile.
fn back(world: &World, kept: &Snapshot) -> Vec<Change> {
    let mut changes = restore_rows::with_nics(world, kept);
    if let Some(row) = world.vms.get(&kept.vm) {
        let mut row = row.clone();
        // The next run has the medium of this one, or one of its own.
        for next in row.next_run.iter_mut().filter(|next| next.cdrom == row.spec.cdrom) {
            next.cdrom.clone_from(&kept.spec.cdrom);
        }
        row.spec.cdrom.clone_from(&kept.spec.cdrom);
        changes.push(Change::Vm(Box::new(row)));
    }
    let row = |saved: &SavedDisk| {
        let present = world.disks.get(&saved.disk.id)?.clone();
        let Disk { image, parent, format, sparse, size, .. } = saved.disk;
        Some(Change::Disk(Disk { image, parent, format, sparse, size, ..present }))
    };
    changes.extend(kept.disks.iter().filter_map(row));
    let hung = |saved: &SavedDisk| {
        let present = world.attachments.get(&(kept.vm, saved.disk.id))?.clone();
        Some(Change::Attachment(Attachment { active: saved.attachment.active, ..present }))
    };
    changes.extend(kept.disks.iter().filter_map(hung));
    changes
}
