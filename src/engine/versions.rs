//! VMs that are of the latest version of their template. Those without a state of their own, stateless ones
//! and members of pools, get the disks of a later version before their next run.

use super::fillings::{DiskCopies, Making};
use super::locks::{Entity, Mode};
use super::new_vms::hung;
use super::world::{Change, Filling, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Kind, NOT_RESPONDING, Result};
use crate::model::*;

const VERB: &str = "Cannot update VM to the latest version of its template";

/// A VM that is not of the latest version.
#[derive(PartialEq)]
struct Behind {
    /// The latest one.
    latest: Template,
    /// What lies over the one that it is of.
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
        old.iter()
            .all(alone)
            .then(|| world.templates.get(&latest).cloned())
            .flatten()
            .map(|latest| Self { latest, old })
    }
}

impl Engine {
    /// A VM that is down, held and about to run gets the latest version's disks. One that cannot runs with
    /// those that it has.
    pub(super) async fn follow_version_or_not(&self, id: VmId) -> Result<()> {
        let Err(failure) = self.follow_version(id).await else { return Ok(()) };
        let went_away = failure.kind == Kind::Unavailable || failure.said == NOT_RESPONDING;
        if went_away || self.is_promised(&[(Entity::Vm(id), Mode::Exclusive)]) {
            return Err(failure);
        }
        tracing::warn!(vm = %id, "the VM stays at its template's version: {failure}");
        Ok(())
    }

    async fn follow_version(&self, id: VmId) -> Result<()> {
        let Some(behind) = Behind::of(&self.world(), id) else { return Ok(()) };
        let doomed = behind.old.iter().map(|it| (Entity::Disk(it.disk.id), Mode::Exclusive));
        let sources = behind.latest.disks.iter().map(|disk| (Entity::Disk(*disk), Mode::Shared));
        let _guard = self.take("follow version", &doomed.chain(sources).collect::<Vec<_>>()).await?;
        let (mut images, old) = (Vec::new(), behind.old.clone());
        let intent = self
            .promise(|world| {
                if Behind::of(world, id).as_ref() != Some(&behind) {
                    return Err(Error::busy("another operation"));
                }
                let vm = world.vms.get(&id).ok_or_else(|| Error::not_found(id))?;
                let originals: Vec<Disk> =
                    behind.latest.disks.iter().filter_map(|disk| world.disks.get(disk)).cloned().collect();
                let (verb, wanted, owner) = (VERB, &DiskCopies::default(), Some(vm.spec.name.as_str()));
                let making = Making { verb, wanted, thin: true, owner };
                let (disks, fillings) = self.plan_disks(world, &originals, &making)?;
                let stays = |on: &Attachment| old.iter().all(|it| it.disk.id != on.disk);
                let others = world.disks_of(id).into_iter().map(|(on, _)| on).filter(|on| stays(on));
                let hung = hung(vm, &disks, others.map(|on| on.target.clone()).collect())?;
                let mut changes: Vec<Change> = old.iter().map(|it| Change::DropDisk(it.disk.id)).collect();
                changes.push(Change::Vm(Box::new(Vm { template: behind.latest.id, ..vm.clone() })));
                changes.extend(disks.into_iter().map(Change::Disk));
                changes.extend(hung.into_iter().map(Change::Attachment));
                images.clone_from(&fillings);
                let (from, old) = (vm.template, old.clone());
                Ok((Operation::FollowVersion { vm: id, from, images: fillings, old }, changes))
            })
            .await?;
        failpoint::hit("follow_version.intended");
        self.conclude(intent, self.finish_follow_version(id, &images, &old).await).await
    }

    /// Images, the definition, and what it had before goes.
    pub(super) async fn finish_follow_version(
        &self,
        id: VmId,
        images: &[Filling],
        old: &[SavedDisk],
    ) -> Result<Vec<Change>> {
        self.fill(images).await?;
        failpoint::hit("follow_version.filled");
        let doomed: Vec<Disk> = old.iter().map(|it| it.disk.clone()).collect();
        self.finish_end_preview(id, &doomed, &[]).await?;
        Ok(self.filled(images))
    }

    /// Back to what it had, as long as that is there.
    pub(super) async fn undo_follow_version(
        &self,
        id: VmId,
        from: TemplateId,
        images: &[Filling],
        old: &[SavedDisk],
    ) -> Result<Vec<Change>> {
        let there = |it: &SavedDisk| {
            let file = self.image_file(&self.world(), &it.disk);
            file.is_ok_and(|file| matches!(self.images.actual_size(&file), Ok(Some(_))))
        };
        if !old.iter().all(there) {
            return self.finish_follow_version(id, images, old).await;
        }
        let mut back = self.undo_fill(images).await?;
        back.extend(old.iter().map(|it| Change::Disk(it.disk.clone())));
        back.extend(old.iter().map(|it| Change::Attachment(it.attachment.clone())));
        let vm = Vm { template: from, ..self.own_vm(id)? };
        back.push(Change::Vm(Box::new(vm)));
        self.note(back).await;
        self.sync_definition(id).await.map(|_| vec![])
    }
}
