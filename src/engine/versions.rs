//! VMs that are of the latest version of their template: stateless ones and members of pools get the disks
//! and the hardware of a later one before a run that forgets what it writes.

use super::fillings::{DiskCopies, DiskCopy, Making};
use super::locks::{Entity, Mode};
use super::new_vms::hung;
use super::world::{Change, Filling, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::*;

const VERB: &str = "Cannot update VM to the latest version of its template";

/// A VM that is not of the latest version.
#[derive(PartialEq)]
struct Behind {
    /// The latest one.
    latest: Template,
    /// The VM, and its disks that lie over the version that it is of.
    vm: Vm,
    old: Vec<SavedDisk>,
}

impl Behind {
    /// Nothing of one whose snapshots hold what it wrote, or whose disks others have.
    fn of(world: &World, id: VmId) -> Option<Self> {
        let vm = world.vms.get(&id)?;
        let pool = world.pool_of(id).and_then(|pool| world.vm_pools.get(&pool));
        let follows = match pool {
            Some(pool) => pool.newest_version,
            None => vm.spec.newest_version && vm.spec.stateless,
        };
        let latest = world.newest_version(vm.template);
        if !follows || latest == vm.template || !world.snapshots_of(id).is_empty() {
            return None;
        }
        let present = world.templates.get(&vm.template)?;
        let below = |disk: &Disk| {
            let images: Vec<ImageId> = world.template_disks(present).map(|it| it.image).collect();
            disk.parent.is_some_and(|parent| images.contains(&parent))
        };
        let thin = world.disks_of(id).into_iter().filter(|(_, disk)| below(disk));
        let old: Vec<SavedDisk> =
            thin.map(|(on, disk)| SavedDisk { disk: disk.clone(), attachment: on.clone() }).collect();
        let alone = |it: &SavedDisk| world.attachments_of(it.disk.id).count() == 1;
        if !old.iter().all(alone) {
            return None;
        }
        Some(Self { latest: world.templates.get(&latest)?.clone(), vm: vm.clone(), old })
    }

    /// The VM as one that is made of the latest version, but for what makes it this one. Where that cannot
    /// be, it keeps its own.
    fn renewed(&self, world: &World) -> Vm {
        let own = self.vm.spec.clone();
        let mut spec = self.latest.spec.clone();
        spec.renew_nodes();
        let mut spec = VmSpec {
            name: own.name.clone(),
            description: own.description.clone(),
            comment: own.comment.clone(),
            stateless: own.stateless,
            newest_version: own.newest_version,
            delete_protected: own.delete_protected,
            quota: own.quota,
            hosts: own.hosts.clone(),
            host_devices: own.host_devices.clone(),
            initialization: own.initialization.clone().or(spec.initialization),
            payloads: if own.payloads.is_empty() { spec.payloads } else { own.payloads.clone() },
            ..spec
        };
        if let Some(pool) = world.pool_of(self.vm.id).and_then(|pool| world.vm_pools.get(&pool)) {
            pool.hardware.over(&mut spec);
        }
        world.drop_what_is_gone(&mut spec);
        let spec = if spec.check().is_ok() { spec } else { own };
        Vm { template: self.latest.id, spec, ..self.vm.clone() }
    }

    /// Each disk lies where the one of its place did, if the latest version has it there.
    fn places(&self, world: &World) -> DiskCopies {
        let near = |(of, old): (&DiskId, &SavedDisk)| {
            let place = old.disk.storage_domain;
            world.template_copy(*of, place)?;
            Some(DiskCopy { of: of.0, storage_domain: Some(place), ..DiskCopy::default() })
        };
        let each = self.latest.disks.iter().zip(&self.old).filter_map(near).collect();
        DiskCopies { each, storage_domain: None }
    }
}

impl Engine {
    /// A VM that is down, held and about to run gets the latest version's disks. One that cannot runs with
    /// those that it has.
    pub(super) async fn follow_version_or_not(&self, id: VmId) -> Result<()> {
        let Err(failure) = self.follow_version(id).await else { return Ok(()) };
        if self.is_open_after(id, &failure) {
            return Err(failure);
        }
        tracing::warn!(vm = %id, "the VM stays at its template's version: {failure}");
        Ok(())
    }

    async fn follow_version(&self, id: VmId) -> Result<()> {
        let Some(behind) = Behind::of(&self.world(), id) else { return Ok(()) };
        let doomed = behind.old.iter().map(|it| (Entity::Disk(it.disk.id), Mode::Exclusive));
        let sources = behind.latest.disks.iter().map(|disk| (Entity::Disk(*disk), Mode::Shared));
        // What it goes back to if it cannot follow.
        let back = (Entity::Template(behind.vm.template), Mode::Shared);
        let wanted: Vec<_> = doomed.chain(sources).chain([back]).collect();
        // Whatever a document of this VM would be refused for is refused before anything is promised.
        let renewed = behind.renewed(&self.world());
        self.check_document(&renewed, &renewed.spec)?;
        let _guard = self.take("follow version", &wanted).await?;
        let (mut images, old) = (Vec::new(), behind.old.clone());
        let intent = self
            .promise(|world| {
                if Behind::of(world, id).as_ref() != Some(&behind) {
                    return Err(Error::busy("another operation"));
                }
                let vm = behind.renewed(world);
                let originals: Vec<Disk> =
                    behind.latest.disks.iter().filter_map(|disk| world.disks.get(disk)).cloned().collect();
                let (verb, wanted, owner) = (VERB, behind.places(world), Some(vm.spec.name.as_str()));
                let making = Making { verb, wanted: &wanted, thin: true, owner };
                let (disks, fillings) = self.plan_disks(world, &originals, &making)?;
                let stays = |on: &Attachment| old.iter().all(|it| it.disk.id != on.disk);
                let others = world.disks_of(id).into_iter().map(|(on, _)| on).filter(|on| stays(on));
                let hung = hung(VERB, &vm, &disks, others.map(|on| on.target.clone()).collect())?;
                let mut changes: Vec<Change> = old.iter().map(|it| Change::DropDisk(it.disk.id)).collect();
                changes.push(Change::Vm(Box::new(vm)));
                changes.extend(disks.into_iter().map(Change::Disk));
                changes.extend(hung.into_iter().map(Change::Attachment));
                images.clone_from(&fillings);
                let (before, old) = (Box::new(behind.vm.clone()), old.clone());
                Ok((Operation::FollowVersion { before, images: fillings, old }, changes))
            })
            .await?;
        failpoint::hit("follow_version.intended");
        self.conclude(intent, self.finish_follow_version(&behind.vm, &images, &old).await).await
    }

    /// Images, the definition, and what it had before goes.
    pub(super) async fn finish_follow_version(
        &self,
        before: &Vm,
        images: &[Filling],
        old: &[SavedDisk],
    ) -> Result<Vec<Change>> {
        // Whose undo has begun is undone.
        if self.own_vm(before.id)?.template == before.template {
            return Err(Error::conflict(format!("{VERB}. It was interrupted.")));
        }
        self.fill(images).await?;
        failpoint::hit("follow_version.filled");
        let doomed: Vec<Disk> = old.iter().map(|it| it.disk.clone()).collect();
        self.finish_end_preview(before.id, &doomed, &[]).await?;
        Ok(self.filled(images))
    }

    /// Back to what it had, as long as that is there.
    pub(super) async fn undo_follow_version(
        &self,
        before: &Vm,
        images: &[Filling],
        old: &[SavedDisk],
    ) -> Result<Vec<Change>> {
        let made = images.iter().all(|it| self.disk(it.disk).is_ok_and(|disk| self.has_file(&disk)));
        // What is to be wiped may have begun to be.
        let wiped = made && old.iter().any(|it| it.disk.wipe_after_delete);
        if wiped || !old.iter().all(|it| self.has_file(&it.disk)) {
            return self.finish_follow_version(before, images, old).await;
        }
        let mut back = self.undo_fill(images).await?;
        back.extend(old.iter().map(|it| Change::Disk(it.disk.clone())));
        back.extend(old.iter().map(|it| Change::Attachment(it.attachment.clone())));
        let (template, spec) = (before.template, before.spec.clone());
        back.push(Change::Vm(Box::new(Vm { template, spec, ..self.own_vm(before.id)? })));
        self.note(back).await;
        self.sync_definition(before.id).await.map(|_| vec![])
    }
}
