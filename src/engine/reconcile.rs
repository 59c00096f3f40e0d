//! After a crash or a lost connection: every open intent is finished, or undone, by asking the
//! world first. What the client heard decides nothing here: an operation ends wholly or not at all.

use super::carry::ends;
use super::exports::subject;
use super::locks::{Entity, Guard, Mode};
use super::world::{Change, DiskLimits, Filling, Intent, Operation, Preview, World};
use super::{Engine, failpoint, locks, merge};
use crate::error::{Error, Kind, NOT_RESPONDING, Result};
use crate::model::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a client waits for what the engine does by itself, and for what takes a moment only.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long for what is as good as over: who saw the rows of its end need not have seen the last of it.
const TAIL: Duration = Duration::from_millis(250);

/// An undo that a guest does not answer is tried again so often, after such a pause.
const RETRIES: u32 = 5;
const RETRY: Duration = Duration::from_millis(500);

impl Engine {
    /// Takes all of the entities or none. An operation whose end is still to come comes first.
    pub(super) fn hold(&self, operation: &'static str, wanted: &[(Entity, Mode)]) -> Result<Guard> {
        let guard = self.locks.hold(operation, wanted)?;
        // What is at work holds its locks: this one's intent waits for `reconcile`.
        match self.is_promised(wanted) {
            true => Err(Error::busy(locks::RECOVERY)),
            false => Ok(guard),
        }
    }

    /// Whether the end of an operation on them is still to come.
    pub(super) fn is_promised(&self, wanted: &[(Entity, Mode)]) -> bool {
        self.world().intents.values().any(|intent| locks::clash(&entities(&intent.operation), wanted))
    }

    /// The same for a client. What is short is no reason to send somebody away.
    pub(super) async fn take(&self, operation: &'static str, wanted: &[(Entity, Mode)]) -> Result<Guard> {
        let begun = Instant::now();
        loop {
            match self.hold(operation, wanted) {
                Err(_) if self.is_short(wanted, begun.elapsed()) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                held => return held,
            }
        }
    }

    /// The same for one who comes after others: waits for whatever stands in the way, for so long.
    pub(super) async fn take_after(
        &self,
        operation: &'static str,
        wanted: &[(Entity, Mode)],
        at_most: Duration,
    ) -> Result<Guard> {
        let begun = Instant::now();
        loop {
            match self.take(operation, wanted).await {
                Err(why) if why.kind == Kind::Busy && begun.elapsed() < at_most => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                held => return held,
            }
        }
    }

    fn is_short(&self, wanted: &[(Entity, Mode)], waited: Duration) -> bool {
        match self.locks.are_brief(wanted) {
            Some(true) => waited < PATIENCE,
            Some(false) => waited < TAIL && !self.is_promised(wanted),
            // Who stood in the way has just left.
            None => waited < PATIENCE && !self.is_promised(wanted),
        }
    }

    /// Locks what open intents are about, before anybody else can; those that are being worked
    /// on hold their locks themselves and are left alone.
    pub(super) fn hold_open_intents(&self) -> Vec<(Intent, Guard)> {
        let intents: Vec<Intent> = self.world().intents.values().cloned().collect();
        intents
            .into_iter()
            .filter_map(|intent| {
                let guard = self.locks.hold(locks::RECOVERY, &entities(&intent.operation)).ok()?;
                // It may have been worked on, and come to an end, until just now.
                let intent = self.world().intents.get(&intent.id).cloned()?;
                Some((intent, guard))
            })
            .collect()
    }

    /// Ends what was left undone, side by side: one guest that takes its time holds nobody up.
    pub(super) async fn reconcile(self: &Arc<Self>, mut open: Vec<(Intent, Guard)>) {
        let mut met = BTreeSet::new();
        while !open.is_empty() {
            met.extend(open.iter().map(|(intent, _)| intent.id));
            let mut ends = tokio::task::JoinSet::new();
            for (intent, guard) in open {
                let engine = self.clone();
                ends.spawn(async move {
                    let _guard = guard;
                    tracing::info!(operation = ?intent.operation, "finishing what was left undone");
                    if let Err(why) = engine.finish_or_undo(&intent).await {
                        tracing::error!(operation = ?intent.operation, "reconcile failed: {why}");
                    }
                });
            }
            ends.join_all().await;
            // One's end may be another's beginning: a restore ends the preview that it is.
            open = self.hold_open_intents();
            open.retain(|(intent, _)| !met.contains(&intent.id));
        }
        self.follow_the_world().await;
    }

    /// Brings the rows to what happened to domains while nobody listened, or while the one who
    /// heard of it found the VM held.
    pub(super) async fn follow_the_world(self: &Arc<Self>) {
        self.follow_running_disks().await;
        self.follow_running_nics().await;
        self.follow_runs().await;
        self.end_stateless_runs().await;
        self.return_those_down().await;
        self.sweep_media().await;
        self.define_missing().await;
    }

    async fn finish_or_undo(&self, intent: &Intent) -> Result<()> {
        let telling = self.telling_of(intent.id);
        self.look_around(&intent.operation).await;
        let forward = match intent.undoing {
            true => Err(Error::conflict("The operation failed, and could not be undone at once.")),
            false => self.finish(&intent.operation).await,
        };
        let mut failure = None;
        let ended = match forward {
            Ok(changes) => Ok(changes),
            Err(why) if why.kind == Kind::Unavailable => return Err(why),
            Err(why) => {
                tracing::warn!("an operation could not be finished and is undone: {why}");
                failpoint::hit("undo.begun");
                failure = Some(why);
                self.insist_on_undo(&intent.operation).await
            }
        };
        match ended {
            Ok(changes) => {
                let failure = failure.filter(|_| !is_done(&self.world(), &intent.operation, &changes));
                self.close(intent.id, telling, changes, failure.as_ref()).await;
                Ok(())
            }
            Err(why) if why.kind == Kind::Unavailable => Err(why),
            Err(why) => {
                // Neither end can be reached: the object stays, marked, for somebody to look at.
                let mut rows = self.judged(&self.changed_by(&intent.operation));
                if let Operation::PreviewSnapshot(preview) = &intent.operation {
                    rows.extend(self.left_in_preview(preview));
                }
                if let Operation::RemoveTemplate { template, .. }
                | Operation::ImportTemplate { template, .. } = &intent.operation
                {
                    // Its removal can be asked for, again.
                    let left = self.template(*template);
                    rows.extend(left.map(|left| {
                        Change::Template(Box::new(Template { status: TemplateStatus::Ok, ..left }))
                    }));
                }
                if let Operation::CreateSnapshot { snapshot, .. }
                | Operation::RemoveSnapshot { snapshot, .. } = &intent.operation
                {
                    let left = self.world().snapshots.get(snapshot).cloned();
                    rows.extend(left.map(|left| {
                        Change::Snapshot(Box::new(Snapshot { status: SnapshotStatus::Ok, ..left }))
                    }));
                }
                self.close(intent.id, telling, rows, Some(&why)).await;
                Err(why)
            }
        }
    }

    /// The disks that an operation is about, but those of which it has a snapshot alone.
    fn changed_by(&self, operation: &Operation) -> Vec<DiskId> {
        let world = self.world();
        match operation {
            Operation::BorrowDisk { .. } | Operation::ReturnDisk { .. } => vec![],
            Operation::PlugDisk { vm, disk, .. } if world.borrowed.contains_key(&(*vm, *disk)) => vec![],
            _ => disks_of(operation),
        }
    }

    /// A guest that just came back from a pause may need a moment before it answers.
    async fn insist_on_undo(&self, operation: &Operation) -> Result<Vec<Change>> {
        for _ in 0..RETRIES {
            match self.undo(operation).await {
                Err(why) if why.said == NOT_RESPONDING => tokio::time::sleep(RETRY).await,
                ended => return ended,
            }
        }
        self.undo(operation).await
    }

    /// Asks for every step again; gives the rows of the end.
    async fn finish(&self, operation: &Operation) -> Result<Vec<Change>> {
        match operation {
            Operation::CreateVm { vm, images, .. } => self.finish_create_vm(*vm, images).await,
            Operation::RegisterVm { vm, .. } => self.finish_create_vm(*vm, &[]).await,
            Operation::UnregisterVm { vm, disks } => self.finish_unregister_vm(*vm, disks).await,
            Operation::Export(export) => self.finish_export(export).await,
            Operation::RemoveExport { from, hint } => self.finish_remove_export(*from, hint).await,
            Operation::ImportVm { vm, disks, carried } => self.finish_import_vm(*vm, disks, carried).await,
            Operation::ImportTemplate { template, disks, carried } => {
                self.finish_import_template(*template, disks, carried).await
            }
            Operation::CreateTemplate { template, images, .. } => {
                self.finish_create_template(*template, images).await
            }
            Operation::RemoveTemplate { template, disks } => {
                self.finish_remove_template(*template, disks).await
            }
            Operation::UpdateVm { before } => {
                self.finish_update_vm(before.id, &before.spec).await.map(|()| vec![])
            }
            Operation::RemoveVm { vm, disks } => self.finish_remove_vm(*vm, disks).await,
            Operation::AddDisk { disk, vm } => {
                let active = vm.is_some_and(|vm| self.is_active(vm, *disk));
                self.finish_add_disk(*disk, *vm, active).await?;
                Ok(self.unlocked(*disk))
            }
            Operation::RemoveDisk { disk, attachments } => self.finish_remove_disk(*disk, attachments).await,
            Operation::AttachDisk { vm, disk } => {
                self.finish_attach(*vm, *disk, self.is_active(*vm, *disk)).await.map(|()| vec![])
            }
            Operation::BorrowDisk { borrowed } => self.finish_borrow(borrowed).await.map(|()| vec![]),
            Operation::ReturnDisk { before } => self.finish_return(before).await.map(|()| vec![]),
            Operation::PlugDisk { vm, disk, active: true } => {
                self.finish_attach(*vm, *disk, true).await.map(|()| vec![])
            }
            Operation::DetachDisk { before } => {
                self.require_out(before.vm, before.disk).await?;
                self.note(vec![Change::DropAttachment { vm: before.vm, disk: before.disk }]).await;
                self.sync_definition(before.vm).await.map(|_| vec![])
            }
            Operation::PlugDisk { vm, disk, active: false } => {
                self.require_out(*vm, *disk).await?;
                self.note(self.with_plug(*vm, *disk, false)).await;
                self.sync_definition(*vm).await?;
                self.try_renew_borrowed(*vm, *disk).await;
                Ok(vec![])
            }
            Operation::UpdateDisk { before, attachments } => {
                self.finish_update_disk(before, attachments).await?;
                Ok(self.unlocked(before.id))
            }
            Operation::AddNic { vm, nic } => self.bring_nic(*vm, *nic).await.map(|()| vec![]),
            Operation::UpdateNic { before, after } => {
                self.finish_update_nic(before, after).await.map(|()| vec![])
            }
            Operation::RemoveNic { before } => self.sync_definition(before.vm).await.map(|_| vec![]),
            Operation::ReorderMacs { vm, .. } => self.sync_definition(*vm).await.map(|_| vec![]),
            Operation::MoveDisk(passage) => self.finish_move_disk(*passage).await,
            Operation::CopyTemplateDisk { template, copy } => {
                self.finish_copy_template_disk(*template, copy).await
            }
            Operation::RemoveTemplateCopy { copy, .. } => self.remove_copy(copy).await.map(|()| vec![]),
            Operation::CopyDisk { source, disk, .. } => {
                self.finish_copy_disk(*source, *disk).await?;
                Ok(self.unlocked(*disk))
            }
            Operation::AddStorageDomain { domain, .. } => {
                self.finish_add_storage_domain(domain).await.map(|()| vec![])
            }
            Operation::UpdateStorageDomain { before } => {
                self.bring_storage_domain(before).await.map(|()| vec![])
            }
            Operation::RemoveStorageDomain { before, format, .. } => {
                self.finish_remove_storage_domain(before, *format).await.map(|()| vec![])
            }
            Operation::AddNetwork { network } => self.bring_network(*network).await.map(|()| vec![]),
            Operation::UpdateNetwork { before } => self.bring_network(before.id).await.map(|()| vec![]),
            Operation::RemoveNetwork { before, .. } => {
                self.finish_remove_network(before).await.map(|()| vec![])
            }
            Operation::UpdateVnicProfile { before } => self.bring_profile(before.id).await.map(|()| vec![]),
            Operation::LimitDisks { before } => self.bring_limits(before).await.map(|()| vec![]),
            Operation::WakeVm { vm, pause } => self.finish_wake(*vm, *pause).await,
            Operation::CreateSnapshot { vm, snapshot, overlays } => {
                self.resume_create_snapshot(*vm, *snapshot, overlays).await
            }
            Operation::RemoveSnapshot { vm, snapshot, merged, whole } => {
                self.finish_remove_snapshot(*vm, *snapshot, merged, *whole).await
            }
            Operation::PreviewSnapshot(preview) => self.finish_preview(preview).await,
            Operation::EndPreview { vm, doomed, memories } => {
                self.finish_end_preview(*vm, doomed, memories).await
            }
            Operation::EndStateless { vm, doomed } => self.finish_end_preview(*vm, doomed, &[]).await,
            Operation::FollowVersion { before, images, old } => {
                self.finish_follow_version(before, images, old).await
            }
        }
    }

    /// An operation has come to that end: it is settled, or undone.
    pub(super) async fn conclude(&self, intent: IntentId, end: Result<Vec<Change>>) -> Result<()> {
        match end {
            Ok(changes) => self.settle(intent, changes).await,
            Err(failure) => self.fail(intent, failure).await,
        }
    }

    /// An operation failed: undoes it by the way that a reconcile would. What cannot go back any more is
    /// finished instead, and has not failed then.
    pub(super) async fn fail(&self, intent: IntentId, failure: Error) -> Result<()> {
        failpoint::hit("undo.begun");
        let operation = self.world().intents.get(&intent).map(|intent| intent.operation.clone());
        let Some(operation) = operation else { return Err(failure) };
        let telling = self.telling_of(intent);
        self.look_around(&operation).await;
        match self.undo(&operation).await {
            Ok(changes) if is_done(&self.world(), &operation, &changes) => self.settle(intent, changes).await,
            undone => Err(self.give_up(intent, telling, failure, undone).await),
        }
    }

    /// What runs is what runs now: the event of a guest that just ended may still be on its way.
    async fn look_around(&self, operation: &Operation) {
        for (entity, _) in entities(operation) {
            if let Entity::Vm(id) = entity
                && let Err(why) = self.look_at(id).await
            {
                tracing::debug!(vm = %id, "a look at the domain failed: {why}");
            }
        }
    }

    async fn undo(&self, operation: &Operation) -> Result<Vec<Change>> {
        match operation {
            Operation::CreateVm { vm, images, .. } => self.undo_create_vm(*vm, images).await,
            Operation::CreateTemplate { template, images, .. } => {
                self.undo_create_template(*template, images).await
            }
            Operation::RemoveTemplate { template, disks } => {
                self.undo_remove_template(*template, disks).await
            }
            Operation::UnregisterVm { vm, .. } => self.sync_definition(*vm).await.map(|_| vec![]),
            Operation::Export(export) => self.undo_export(export).await,
            Operation::RemoveExport { .. } => self.finish(operation).await,
            Operation::ImportVm { vm, disks, carried } => self.undo_import_vm(*vm, disks, carried).await,
            Operation::ImportTemplate { template, disks, carried } => {
                self.undo_import_template(*template, disks, carried).await
            }
            Operation::UpdateVm { before } => self.undo_update_vm(before).await.map(|()| vec![]),
            Operation::RemoveVm { vm, disks } => match self.all_intact(disks) {
                true => {
                    self.renew_all_borrowed(*vm).await?;
                    self.sync_definition(*vm).await?;
                    Ok(self.judged(disks))
                }
                // What is gone is gone: the rest follows.
                false => self.finish(operation).await,
            },
            Operation::AddDisk { disk, vm } => {
                self.undo_add_disk(*disk, *vm).await?;
                Ok(vec![Change::DropDisk(*disk)])
            }
            Operation::RemoveDisk { disk, attachments } => match self.all_intact(&[*disk]) {
                true => {
                    self.note(attachments.iter().cloned().map(Change::Attachment).collect()).await;
                    self.sync_definitions(attachments).await?;
                    Ok(self.judged(&[*disk]))
                }
                false => self.finish(operation).await,
            },
            Operation::AttachDisk { vm, disk } => self.undo_attach(*vm, *disk).await.map(|()| vec![]),
            Operation::DetachDisk { before } => self.put_back(before).await.map(|()| vec![]),
            Operation::BorrowDisk { borrowed } => self.undo_borrow(borrowed).await.map(|()| vec![]),
            Operation::ReturnDisk { before } => self.undo_return(before).await.map(|()| vec![]),
            Operation::PlugDisk { vm, disk, active: true } => {
                if self.runs(*vm) {
                    self.unplug(*vm, *disk).await?;
                }
                self.note(self.with_plug(*vm, *disk, false)).await;
                self.sync_definition(*vm).await.map(|_| vec![])
            }
            Operation::PlugDisk { vm, disk, active: false } => {
                self.note(self.with_plug(*vm, *disk, true)).await;
                self.plug(*vm, *disk).await.map(|()| vec![])
            }
            Operation::UpdateDisk { before, attachments } => self.undo_update_disk(before, attachments).await,
            Operation::AddNic { vm, nic } => self.undo_add_nic(*vm, *nic).await.map(|()| vec![]),
            Operation::UpdateNic { before, .. } => self.undo_update_nic(before).await.map(|()| vec![]),
            Operation::RemoveNic { before } => {
                self.note(vec![Change::Nic(Nic::clone(before))]).await;
                self.sync_definition(before.vm).await.map(|_| vec![])
            }
            Operation::ReorderMacs { vm, before } => {
                self.note(before.iter().cloned().map(Change::Nic).collect()).await;
                self.sync_definition(*vm).await.map(|_| vec![])
            }
            Operation::MoveDisk(passage) => self.undo_move_disk(*passage).await,
            Operation::CopyTemplateDisk { copy, .. } => self.remove_copy(copy).await.map(|()| vec![]),
            Operation::RemoveTemplateCopy { .. } => self.finish(operation).await,
            Operation::CopyDisk { disk, .. } => self.undo_copy_disk(*disk).await,
            Operation::AddStorageDomain { domain, filled } => {
                self.undo_add_storage_domain(domain, *filled).await
            }
            Operation::RegisterVm { vm, disks } => self.undo_register_vm(*vm, disks).await,
            Operation::UpdateStorageDomain { before } => {
                self.undo_update_storage_domain(before).await.map(|()| vec![])
            }
            Operation::RemoveStorageDomain { before, profiles, format } => {
                self.undo_remove_storage_domain(before, profiles, *format).await.map(|()| vec![])
            }
            Operation::AddNetwork { network } => self.undo_add_network(*network).await,
            Operation::UpdateNetwork { before } => self.undo_update_network(before).await.map(|()| vec![]),
            Operation::RemoveNetwork { before, profiles, clusters } => {
                self.undo_remove_network(before, profiles, clusters).await.map(|()| vec![])
            }
            Operation::UpdateVnicProfile { before } => {
                self.undo_update_profile(before).await.map(|()| vec![])
            }
            Operation::LimitDisks { before } => self.undo_limit_disks(before).await.map(|()| vec![]),
            Operation::WakeVm { vm, pause } => self.undo_wake(*vm, *pause).await,
            Operation::CreateSnapshot { vm, snapshot, overlays } => {
                self.undo_create_snapshot(*vm, *snapshot, overlays).await
            }
            Operation::RemoveSnapshot { vm, snapshot, merged, .. } => {
                self.undo_remove_snapshot(*vm, *snapshot, merged).await
            }
            Operation::PreviewSnapshot(preview) => self.undo_preview(preview).await,
            Operation::EndPreview { .. } | Operation::EndStateless { .. } => self.finish(operation).await,
            Operation::FollowVersion { before, images, old } => {
                self.undo_follow_version(before, images, old).await
            }
        }
    }

    /// Disks that a guest let go, or that were unplugged by hand.
    async fn follow_running_disks(&self) {
        for vm in self.inventory.running() {
            let Some(seen) = self.inventory.seen(vm) else { continue };
            let lost: Vec<DiskId> = {
                let world = self.world();
                let active = world.hung_on(vm).into_iter().filter(|(attachment, _)| attachment.active);
                active.map(|(_, disk)| disk.id).filter(|disk| !seen.observed.has_disk(*disk)).collect()
            };
            for disk in lost {
                self.follow_unplugged(vm, disk).await;
            }
        }
    }

    /// VMs whose definition somebody took away get it back.
    async fn define_missing(&self) {
        let missing: Vec<VmId> =
            self.world().vms.keys().copied().filter(|id| self.inventory.seen(*id).is_none()).collect();
        for id in missing {
            let Ok(_guard) = self.hold(locks::RECOVERY, &[(Entity::Vm(id), Mode::Exclusive)]) else {
                continue;
            };
            let defined = async {
                // It may be there, and could not be read before.
                self.look_at(id).await?;
                self.sync_definition(id).await
            };
            if let Err(why) = defined.await {
                tracing::error!(vm = %id, "defining the VM again failed: {why}");
            }
        }
    }
}

pub(super) fn entities(operation: &Operation) -> Vec<(Entity, Mode)> {
    let vm = |id: &VmId| (Entity::Vm(*id), Mode::Exclusive);
    let shared = |id: &VmId| (Entity::Vm(*id), Mode::Shared);
    let config = |id: &VmId| (Entity::Config(*id), Mode::Exclusive);
    let disk = |id: &DiskId| (Entity::Disk(*id), Mode::Exclusive);
    let nic = |id: &NicId| (Entity::Nic(*id), Mode::Exclusive);
    let network = |id: &NetworkId| (Entity::Network(*id), Mode::Exclusive);
    let domain = |id: &StorageDomainId| (Entity::StorageDomain(*id), Mode::Exclusive);
    let template = |id: &TemplateId| (Entity::Template(*id), Mode::Exclusive);
    let filling = |images: &[Filling]| -> Vec<(Entity, Mode)> {
        let ends = |it: &Filling| {
            [(Entity::Disk(it.disk), Mode::Exclusive), (Entity::Disk(it.source.id), Mode::Shared)]
        };
        images.iter().flat_map(ends).collect()
    };
    let shared_place = |id: &StorageDomainId| (Entity::StorageDomain(*id), Mode::Shared);
    let places = |carried| ends(carried).into_iter().map(|place| shared_place(&place));
    match operation {
        Operation::CreateVm { vm: id, images, original } => {
            let new = [shared(id), config(id)];
            new.into_iter().chain(original.iter().map(shared)).chain(filling(images)).collect()
        }
        Operation::FollowVersion { before, images, old } => {
            let old = old.iter().map(|it| disk(&it.disk.id));
            let held = [vm(&before.id), (Entity::Template(before.template), Mode::Shared)];
            held.into_iter().chain(old).chain(filling(images)).collect()
        }
        Operation::CreateTemplate { template: id, images, original } => {
            [template(id), shared(original)].into_iter().chain(filling(images)).collect()
        }
        Operation::RemoveTemplate { template: id, disks } => {
            std::iter::once(template(id)).chain(disks.iter().map(disk)).collect()
        }
        Operation::Export(export) => {
            let machine = subject(&export.hint).map(|machine| (machine, Mode::Exclusive));
            let disks = export.hint.disks.iter().map(|disk| (Entity::Disk(disk.id), Mode::Shared));
            machine.into_iter().chain(disks).chain([shared_place(&export.to)]).collect()
        }
        Operation::RemoveExport { from, hint } => {
            let machine = subject(hint).map(|machine| (machine, Mode::Exclusive));
            machine.into_iter().chain([shared_place(from)]).collect()
        }
        Operation::ImportTemplate { template: id, disks, carried } => {
            std::iter::once(template(id)).chain(disks.iter().map(disk)).chain(places(carried)).collect()
        }
        Operation::UpdateVm { before } => vec![shared(&before.id), config(&before.id)],
        Operation::ImportVm { vm: id, disks, carried } => {
            std::iter::once(vm(id)).chain(disks.iter().map(disk)).chain(places(carried)).collect()
        }
        Operation::RemoveVm { vm: id, disks }
        | Operation::RegisterVm { vm: id, disks }
        | Operation::UnregisterVm { vm: id, disks } => {
            std::iter::once(vm(id)).chain(disks.iter().map(disk)).collect()
        }
        Operation::AddDisk { disk: id, vm } => {
            std::iter::once(disk(id)).chain(vm.iter().map(shared)).collect()
        }
        Operation::RemoveDisk { disk: id, attachments } => {
            std::iter::once(disk(id)).chain(attachments.iter().map(|it| shared(&it.vm))).collect()
        }
        Operation::AttachDisk { vm, disk: id } | Operation::PlugDisk { vm, disk: id, .. } => {
            vec![disk(id), shared(vm)]
        }
        Operation::BorrowDisk { borrowed: it } | Operation::ReturnDisk { before: it } => {
            vec![disk(&it.disk), shared(&it.vm)]
        }
        Operation::DetachDisk { before } => vec![disk(&before.disk), shared(&before.vm)],
        Operation::UpdateDisk { before, attachments } => {
            std::iter::once(disk(&before.id)).chain(attachments.iter().map(|it| shared(&it.vm))).collect()
        }
        Operation::AddNic { vm, nic: id } => vec![nic(id), shared(vm)],
        Operation::UpdateNic { before, .. } | Operation::RemoveNic { before } => {
            vec![nic(&before.id), shared(&before.vm)]
        }
        Operation::ReorderMacs { vm: id, .. } => vec![vm(id)],
        Operation::MoveDisk(passage) => vec![disk(&passage.disk), shared_place(&passage.to)],
        Operation::CopyTemplateDisk { template: id, copy } => {
            vec![template(id), (Entity::Disk(copy.id), Mode::Shared), shared_place(&copy.storage_domain)]
        }
        Operation::RemoveTemplateCopy { template: id, copy } => vec![template(id), disk(&copy.id)],
        Operation::CopyDisk { source, disk: id, vms } => {
            [disk(source), disk(id)].into_iter().chain(vms.iter().map(shared)).collect()
        }
        Operation::AddStorageDomain { domain: new, .. } => vec![domain(&new.id)],
        Operation::UpdateStorageDomain { before } | Operation::RemoveStorageDomain { before, .. } => {
            vec![domain(&before.id)]
        }
        Operation::AddNetwork { network: id } => vec![network(id)],
        Operation::UpdateNetwork { before } | Operation::RemoveNetwork { before, .. } => {
            vec![network(&before.id)]
        }
        Operation::UpdateVnicProfile { before } => vec![network(&before.network)],
        Operation::LimitDisks { before } => match &**before {
            DiskLimits::Profile(it) => vec![(Entity::DiskProfile(it.id), Mode::Exclusive)],
            DiskLimits::Qos(it) => vec![(Entity::Qos(it.id), Mode::Exclusive)],
        },
        Operation::CreateSnapshot { vm: id, overlays, .. }
        | Operation::PreviewSnapshot(Preview { vm: id, overlays, .. }) => {
            std::iter::once(vm(id)).chain(overlays.iter().map(|overlay| disk(&overlay.disk))).collect()
        }
        Operation::RemoveSnapshot { vm, merged, .. } => merge::removal_entities(*vm, merged),
        Operation::WakeVm { vm: id, .. }
        | Operation::EndPreview { vm: id, .. }
        | Operation::EndStateless { vm: id, .. } => vec![vm(id)],
    }
}

/// Whether the undo that these rows are of ended as the operation was to end.
fn is_done(world: &World, operation: &Operation, changes: &[Change]) -> bool {
    match operation {
        Operation::RemoveVm { vm, .. } => changes.contains(&Change::DropVm(*vm)),
        Operation::RemoveDisk { disk, .. } => changes.contains(&Change::DropDisk(*disk)),
        Operation::MoveDisk(passage) => {
            world.disks.get(&passage.disk).is_some_and(|disk| disk.storage_domain == passage.to)
        }
        Operation::CreateSnapshot { snapshot, .. } => {
            changes.iter().any(|change| matches!(change, Change::Snapshot(it) if it.id == *snapshot))
        }
        Operation::WakeVm { vm, .. } => world.vms.get(vm).is_some_and(|vm| vm.wakes_from.is_none()),
        Operation::FollowVersion { before, .. } => {
            world.vms.get(&before.id).is_some_and(|vm| vm.template != before.template)
        }
        // There is no way back from them.
        Operation::RemoveExport { .. }
        | Operation::RemoveTemplateCopy { .. }
        | Operation::EndPreview { .. }
        | Operation::EndStateless { .. } => true,
        _ => false,
    }
}

fn disks_of(operation: &Operation) -> Vec<DiskId> {
    entities(operation)
        .into_iter()
        .filter_map(|(entity, _)| match entity {
            Entity::Disk(id) => Some(id),
            _ => None,
        })
        .collect()
}
