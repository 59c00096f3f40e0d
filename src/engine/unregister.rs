//! What lies in a storage domain that goes: VMs, templates and disks whose rows go with it, and whose
//! images and hints stay, so that they can be registered where the domain comes back.

use super::hints::Kept;
use super::locks::{Entity, Guard, Mode};
use super::snapshots::check_no_preview;
use super::templates::check_needless;
use super::world::{Change, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::*;
use std::collections::{BTreeSet, HashSet};

const CANNOT: &str = "Cannot detach Storage";

/// What a storage domain holds, in the order in which it goes.
#[derive(Default, PartialEq)]
struct Contents {
    vms: Vec<VmId>,
    templates: Vec<TemplateId>,
    /// On no VM.
    floating: Vec<DiskId>,
}

impl Engine {
    /// Forgets what lies there, each whole; refused before anything goes where something of it lies
    /// elsewhere, or is used. Where the folder is `lost` no hint can be written, and those that it may have
    /// stay as they are.
    pub(super) async fn unregister_all(&self, place: StorageDomainId, lost: bool) -> Result<()> {
        self.require_connection()?;
        let (_guard, contents) = self.hold_contents(place).await?;
        let vms = contents.vms.iter().copied().map(Kept::Vm);
        let templates = contents.templates.iter().copied().map(Kept::Template);
        let floating = contents.floating.iter().copied().map(Kept::Disk);
        let left = vms.chain(templates).chain(floating);
        if lost {
            for kept in left {
                self.disown_hint(kept).await;
            }
        } else if contents != Contents::default() {
            // Another folder may be where its own was.
            self.space(&self.storage_domain(place)?).await?;
            self.leave_hints(place, left).await?;
        }
        for vm in contents.vms {
            self.unregister_vm(vm).await?;
        }
        self.record(|world| {
            let templates = contents.templates.iter().filter_map(|id| world.templates.get(id));
            let disks = templates.flat_map(|it| &it.disks).chain(&contents.floating);
            let disks = disks.copied().map(Change::DropDisk);
            Ok(disks.chain(contents.templates.iter().copied().map(Change::DropTemplate)).collect())
        })
        .await
    }

    /// Holds everything that lies there.
    async fn hold_contents(&self, place: StorageDomainId) -> Result<(Guard, Contents)> {
        loop {
            let contents = self.contents(place)?;
            let wanted: HashSet<Entity> = {
                let world = self.world();
                let disks = contents.vms.iter().flat_map(|vm| world.disks_of(*vm)).map(|(_, disk)| disk.id);
                let templates = contents.templates.iter().filter_map(|id| world.templates.get(id));
                let disks = disks.chain(templates.flat_map(|it| it.disks.iter().copied()));
                let disks = disks.chain(contents.floating.iter().copied()).map(Entity::Disk);
                let machines = contents.vms.iter().copied().map(Entity::Vm);
                machines
                    .chain(contents.templates.iter().copied().map(Entity::Template))
                    .chain(disks)
                    .collect()
            };
            let wanted: Vec<_> = wanted.into_iter().map(|entity| (entity, Mode::Exclusive)).collect();
            let guard = self.take("detach storage domain", &wanted).await?;
            // Something may have come or gone until just now.
            if self.contents(place)? == contents {
                return Ok((guard, contents));
            }
        }
    }

    fn contents(&self, place: StorageDomainId) -> Result<Contents> {
        // As it is with each of them gone.
        let mut left = self.world().clone();
        let vms = vms_in(&left, place);
        for id in &vms {
            self.check_goes_whole(&left, *id, place)?;
            let disks: Vec<DiskId> = images_of(&left, *id).map(|disk| disk.id).collect();
            left.apply(&Change::DropVm(*id));
            disks.into_iter().for_each(|disk| left.apply(&Change::DropDisk(disk)));
        }
        let mut templates: Vec<&Template> = left.templates.values().collect();
        templates.retain(|it| left.template_disks(it).any(|disk| disk.storage_domain == place));
        // Later versions come before those that they were made from.
        templates.sort_by_key(|it| std::cmp::Reverse(it.version));
        let templates: Vec<TemplateId> = templates.into_iter().map(|it| it.id).collect();
        for id in &templates {
            let template = left.templates[id].clone();
            check_needless(&left, &template)?;
            if left.template_disks(&template).any(|disk| disk.lun.is_none() && disk.storage_domain != place) {
                return Err(Error::conflict(format!(
                    "{CANNOT}. The Template {} has disks in other Storage Domains, too.",
                    template.spec.name
                )));
            }
            template.disks.into_iter().for_each(|disk| left.apply(&Change::DropDisk(disk)));
            left.apply(&Change::DropTemplate(*id));
        }
        let world = self.world();
        let mut here = world.disks_in(place);
        if let Some(locked) = here.find(|disk| disk.status == DiskStatus::Locked) {
            return Err(Error::conflict(format!("{CANNOT}. The disk {} is locked.", locked.alias)));
        }
        let on_none = |disk: &&Disk| {
            world.attachments_of(disk.id).next().is_none() && world.template_with(disk.id).is_none()
        };
        let floating = world.disks_in(place).filter(on_none).map(|disk| disk.id).collect();
        Ok(Contents { vms, templates, floating })
    }

    /// Refuses a VM that is used, or of which something lies elsewhere.
    fn check_goes_whole(&self, world: &World, id: VmId, place: StorageDomainId) -> Result<()> {
        let vm = world.vms.get(&id).ok_or_else(|| Error::not_found(id))?;
        let name = &vm.spec.name;
        if self.status(id) != VmStatus::Down {
            return Err(Error::conflict(format!("{CANNOT}. The VM {name} is not down.")));
        }
        if world.pool_of(id).is_some() {
            return Err(Error::conflict(format!("{CANNOT}. The VM {name} is a member of a pool.")));
        }
        check_no_preview(world, CANNOT, id)?;
        world.check_not_lent(CANNOT, world.disks_of(id).into_iter().map(|(_, disk)| disk.id))?;
        if world.borrowed_by(id).next().is_some() {
            return Err(Error::conflict(format!("{CANNOT}. The VM {name} has disk snapshots of other VMs.")));
        }
        let saved = world.snapshots_of(id).into_iter().flat_map(|it| &it.disks).map(|saved| &saved.disk);
        let saved = saved.filter(|disk| disk.lun.is_none());
        let images = images_of(world, id).chain(saved).map(|disk| disk.storage_domain);
        let memories = world.snapshots_of(id).into_iter().filter_map(|it| it.memory);
        match images.chain(memories).all(|its| its == place) {
            true => Ok(()),
            false => Err(Error::conflict(format!(
                "{CANNOT}. The VM {name} has disks in other Storage Domains, too: move them first."
            ))),
        }
    }

    /// The VM, which is held, goes with those of its disks that no other one has.
    async fn unregister_vm(&self, id: VmId) -> Result<()> {
        let disks: Vec<DiskId> = {
            let world = self.world();
            let own = images_of(&world, id).filter(|disk| world.attachments_of(disk.id).count() == 1);
            own.map(|disk| disk.id).collect()
        };
        let operation = Operation::UnregisterVm { vm: id, disks: disks.clone() };
        let intent = self.promise(|_| Ok((operation, vec![]))).await?;
        failpoint::hit("unregister_vm.intended");
        self.conclude(intent, self.finish_unregister_vm(id, &disks).await).await
    }

    /// Undefines the domain; gives the rows to drop.
    pub(super) async fn finish_unregister_vm(&self, id: VmId, disks: &[DiskId]) -> Result<Vec<Change>> {
        self.lane.call(move |hv| hv.undefine(id)).await?;
        failpoint::hit("unregister_vm.undefined");
        Ok(std::iter::once(Change::DropVm(id)).chain(disks.iter().copied().map(Change::DropDisk)).collect())
    }
}

/// The VM's disks, but for units of targets, which lie in no storage domain.
fn images_of(world: &World, id: VmId) -> impl Iterator<Item = &Disk> {
    world.disks_of(id).into_iter().map(|(_, disk)| disk).filter(|disk| disk.lun.is_none())
}

/// VMs of which an image or a memory lies there, also one that only a snapshot has.
fn vms_in(world: &World, place: StorageDomainId) -> Vec<VmId> {
    let now = world.attachments.values().filter(|on| {
        world.disks.get(&on.disk).is_some_and(|disk| disk.lun.is_none() && disk.storage_domain == place)
    });
    let saved = world.snapshots.values().filter(|snapshot| {
        let mut images = snapshot.disks.iter().map(|saved| &saved.disk).filter(|disk| disk.lun.is_none());
        snapshot.memory == Some(place) || images.any(|disk| disk.storage_domain == place)
    });
    let all = now.map(|on| on.vm).chain(saved.map(|snapshot| snapshot.vm));
    all.collect::<BTreeSet<_>>().into_iter().collect()
}
