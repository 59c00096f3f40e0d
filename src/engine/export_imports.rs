//! VMs and templates that come back out of an export domain, whatever engine wrote them: all that their
//! hints say and their images are is checked as what a client says, before anything is copied.

use super::carry::{Carried, Relocated, relocated};
use super::disk_move::find_domain;
use super::fillings::DiskCopies;
use super::hints::{Kept, hint_of};
use super::inventory::Phase;
use super::jobs::Started;
use super::locks::{Entity, Mode};
use super::recover::Recovery;
use super::world::{Change, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::*;
use crate::ovf::{Hint, Lead};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// What a client says of a machine that comes back.
#[derive(Clone, Debug)]
pub struct Comeback {
    pub from: StorageDomainId,
    pub id: Uuid,
    pub cluster: ClusterId,
    pub name: Option<String>,
    /// It becomes another machine, with ids and addresses of its own.
    pub renewed: bool,
    /// Without its snapshots.
    pub collapse: bool,
    /// Where its disks go that `disks` says nothing of.
    pub home: StorageDomainId,
    pub disks: DiskCopies,
}

impl Comeback {
    fn place_of(&self, disk: &Disk) -> StorageDomainId {
        self.disks.of(disk).storage_domain.unwrap_or(self.home)
    }

    /// What is held while the machine comes.
    fn entities(&self, machine: Entity, source: Entity, hint: &Hint) -> Vec<(Entity, Mode)> {
        let places = hint.disks.iter().map(|disk| self.place_of(disk));
        let mut places: Vec<StorageDomainId> = places.chain([self.from, self.home]).collect();
        places.sort();
        places.dedup();
        let mut wanted = vec![(machine, Mode::Exclusive)];
        wanted.extend((source != machine).then_some((source, Mode::Shared)));
        wanted.extend(hint.disks.iter().map(|disk| (Entity::Disk(disk.id), Mode::Exclusive)));
        wanted.extend(places.into_iter().map(|place| (Entity::StorageDomain(place), Mode::Shared)));
        wanted
    }
}

impl Engine {
    /// Promises the VM with its disks, locked, and brings them.
    pub async fn import_exported_vm(self: &Arc<Self>, wanted: Comeback) -> Result<Started<VmId>> {
        const VERB: &str = "Cannot import VM";
        self.require_connection()?;
        let hint = self.exported_one(wanted.from, wanted.id).await?;
        let mut hint = hint.filter(|it| it.vm.is_some()).ok_or_else(|| Error::not_found(wanted.id))?;
        if wanted.renewed {
            hint = renewed(hint);
        }
        let vm = hint.vm.as_mut().ok_or_else(|| Error::not_found(wanted.id))?;
        let id = vm.id;
        // Its disks are whole, and the devices of that host are not those of this one.
        (vm.cluster, vm.template, vm.next_run) = (wanted.cluster, BLANK, None);
        vm.spec.host_devices = Vec::new();
        if let Some(name) = &wanted.name {
            vm.spec.name.clone_from(name);
        }
        if vm.is_started() {
            // Wherever it ran, it does not run here.
            vm.stopped = Some(Timestamp::now());
        }
        let vm = vm.clone();
        let entities = wanted.entities(Entity::Vm(id), Entity::Vm(VmId(wanted.id)), &hint);
        let guard = self.take("import VM", &entities).await?;
        if self.knows(id).is_ok() {
            return Err(Error::conflict(format!(
                "{VERB}. A VM with the same identifier exists already: clone makes another one."
            )));
        }
        // Whatever a document of this VM would be refused for is refused before anything is promised.
        self.document(&vm, &vm.spec, None)?;
        let (mut coming, mut disks) = (Vec::new(), Vec::new());
        let intent = self
            .promise(|world| {
                self.check_name_free(world, id, &vm.spec.name)?;
                check_place(world, VERB, &wanted, &hint)?;
                let mut hint = hint.clone();
                if wanted.renewed {
                    let nics = self.copied_nics(world, &vm, &hint.nics)?;
                    hint.leads = hint.nics.iter().zip(&nics).filter_map(|it| lead_of(&hint, it)).collect();
                    hint.nics = nics;
                }
                let collapse = wanted.collapse || wanted.renewed;
                let Relocated { hint, carried } =
                    self.checked(world, hint, Kept::Vm(id), &wanted, collapse)?;
                self.check_targets(world, VERB, &wanted, &hint, &carried)?;
                (coming, disks) = (carried.clone(), hint.disks.iter().map(|disk| disk.id).collect());
                let mut changes = rows(world, hint);
                changes.extend(self.ownership(world, roles::VM_OWNER, id.into()));
                Ok((Operation::ImportVm { vm: id, disks: disks.clone(), carried }, changes))
            })
            .await?;
        failpoint::hit("import.intended");
        self.inventory.set_phase(id, Some(Phase::Making));
        let engine = self.clone();
        Ok(self.jobs.start(id, async move {
            let made = match engine.finish_import_vm(id, &disks, &coming).await {
                Ok(changes) => engine.settle(intent, changes).await,
                Err(failure) => Err(engine.fail(intent, failure).await),
            };
            drop(guard);
            engine.inventory.end_phase(id, Phase::Making);
            made
        }))
    }

    pub(super) async fn finish_import_vm(
        &self,
        id: VmId,
        disks: &[DiskId],
        carried: &[Carried],
    ) -> Result<Vec<Change>> {
        self.carry(Entity::Vm(id), carried).await?;
        failpoint::hit("import.carried");
        let mut changes = self.finish_create_vm(id, &[]).await?;
        changes.extend(disks.iter().flat_map(|disk| self.unlocked(*disk)));
        Ok(changes)
    }

    pub(super) async fn undo_import_vm(
        &self,
        id: VmId,
        disks: &[DiskId],
        carried: &[Carried],
    ) -> Result<Vec<Change>> {
        let changes = self.undo_register_vm(id, disks).await?;
        self.uncarry(carried).await?;
        Ok(changes)
    }

    /// Promises the template with its disks, locked, and brings them.
    pub async fn import_exported_template(self: &Arc<Self>, wanted: Comeback) -> Result<Started<TemplateId>> {
        const VERB: &str = "Cannot import Template";
        let hint = self.exported_one(wanted.from, wanted.id).await?;
        let mut hint = hint.filter(|it| it.template.is_some()).ok_or_else(|| Error::not_found(wanted.id))?;
        if wanted.renewed {
            hint = renewed(hint);
        }
        let template = hint.template.as_mut().ok_or_else(|| Error::not_found(wanted.id))?;
        let id = template.id;
        template.cluster = Some(wanted.cluster);
        (template.spec.host_devices, template.copies) = (Vec::new(), Vec::new());
        if let Some(name) = &wanted.name {
            template.spec.name.clone_from(name);
        }
        if wanted.renewed || !self.world().templates.contains_key(&template.base) {
            // The version that it was made from is not here.
            (template.base, template.version) = (id, 1);
        }
        let entities = wanted.entities(Entity::Template(id), Entity::Template(TemplateId(wanted.id)), &hint);
        let guard = self.take("import template", &entities).await?;
        if self.template(id).is_ok() {
            return Err(Error::conflict(format!(
                "{VERB}. A Template with the same identifier exists already: clone makes another one."
            )));
        }
        let (mut coming, mut disks) = (Vec::new(), Vec::new());
        let intent = self
            .promise(|world| {
                check_place(world, VERB, &wanted, &hint)?;
                let Relocated { hint, carried } =
                    self.checked(world, hint.clone(), Kept::Template(id), &wanted, false)?;
                self.check_targets(world, VERB, &wanted, &hint, &carried)?;
                (coming, disks) = (carried.clone(), hint.disks.iter().map(|disk| disk.id).collect());
                let mut changes = rows(world, hint);
                changes.extend(self.ownership(world, roles::TEMPLATE_OWNER, id.into()));
                Ok((Operation::ImportTemplate { template: id, disks: disks.clone(), carried }, changes))
            })
            .await?;
        failpoint::hit("import_template.intended");
        let engine = self.clone();
        Ok(self.jobs.start(id, async move {
            let _guard = guard;
            match engine.finish_import_template(id, &disks, &coming).await {
                Ok(changes) => engine.settle(intent, changes).await,
                Err(failure) => Err(engine.fail(intent, failure).await),
            }
        }))
    }

    pub(super) async fn finish_import_template(
        &self,
        id: TemplateId,
        disks: &[DiskId],
        carried: &[Carried],
    ) -> Result<Vec<Change>> {
        self.carry(Entity::Template(id), carried).await?;
        failpoint::hit("import_template.carried");
        let mut changes: Vec<Change> = disks.iter().flat_map(|disk| self.unlocked(*disk)).collect();
        let template = Template { status: TemplateStatus::Ok, ..self.template(id)? };
        changes.push(Change::Template(Box::new(template)));
        Ok(changes)
    }

    pub(super) async fn undo_import_template(
        &self,
        id: TemplateId,
        disks: &[DiskId],
        carried: &[Carried],
    ) -> Result<Vec<Change>> {
        self.uncarry(carried).await?;
        let disks = disks.iter().copied().map(Change::DropDisk);
        Ok(disks.chain([Change::DropTemplate(id)]).collect())
    }

    /// The machine as it will be here, after a look at all that the hint says of it.
    fn checked(
        &self,
        world: &World,
        hint: Hint,
        kept: Kept,
        wanted: &Comeback,
        collapse: bool,
    ) -> Result<Relocated> {
        let there = Recovery::into(world, self.images.as_ref()).world_with(hint)?;
        let hint = hint_of(&there, kept).ok_or_else(|| Error::not_found(kept.id()))?;
        Ok(relocated(hint, collapse, wanted.home, |disk| wanted.place_of(disk)))
    }

    /// Refuses places where disks cannot lie.
    fn check_targets(
        &self,
        world: &World,
        verb: &str,
        wanted: &Comeback,
        hint: &Hint,
        carried: &[Carried],
    ) -> Result<()> {
        for place in hint.disks.iter().map(|disk| disk.storage_domain).chain([wanted.home]) {
            self.check_room(world, verb, place, 0)?;
        }
        self.require_room_for(world, verb, carried)
    }
}

fn check_place(world: &World, verb: &str, wanted: &Comeback, hint: &Hint) -> Result<()> {
    let from = find_domain(world, wanted.from)?;
    if !world.clusters.contains_key(&wanted.cluster) {
        return Err(Error::not_found(format!("Cluster: {}", wanted.cluster)));
    }
    if from.kind != StorageKind::Export || !from.active {
        return Err(Error::conflict(format!("{verb}. The Export Domain is not active.")));
    }
    if !lies_in(hint, from.id) {
        return Err(Error::conflict(format!("{verb}. It says that its images lie somewhere else.")));
    }
    if let Some(unknown) =
        wanted.disks.each.iter().find(|copy| !hint.disks.iter().any(|disk| copy.is_of(disk)))
    {
        return Err(Error::not_found(format!("Disk: id={}", unknown.of)));
    }
    match hint.disks.iter().find(|disk| world.disks.contains_key(&disk.id)) {
        Some(disk) => Err(Error::conflict(format!("{verb}. The disk {} is there already.", disk.alias))),
        None => Ok(()),
    }
}

/// Nothing else is read for what a hint says.
fn lies_in(hint: &Hint, from: StorageDomainId) -> bool {
    let saved = hint.snapshots.iter().flat_map(|it| &it.disks).map(|saved| &saved.disk);
    let images = hint.disks.iter().chain(saved).filter(|disk| disk.lun.is_none());
    let memories = hint.snapshots.iter().filter_map(|it| it.memory);
    images.map(|disk| disk.storage_domain).chain(memories).all(|its| its == from)
}

/// The same machine with other ids.
fn renewed(mut hint: Hint) -> Hint {
    let disks: BTreeMap<DiskId, DiskId> = hint.disks.iter().map(|disk| (disk.id, DiskId::random())).collect();
    let fresh = |id: &mut DiskId| *id = disks.get(id).copied().unwrap_or(*id);
    if let Some(vm) = &mut hint.vm {
        (vm.id, vm.created, vm.wakes_from) = (VmId::random(), Timestamp::now(), None);
        vm.spec.renew_nodes();
        for on in &mut hint.attachments {
            on.vm = vm.id;
        }
        for snapshot in &mut hint.snapshots {
            (snapshot.id, snapshot.vm, snapshot.memory) = (SnapshotId::random(), vm.id, None);
        }
    }
    if let Some(template) = &mut hint.template {
        (template.id, template.created) = (TemplateId::random(), Timestamp::now());
        template.spec.renew_nodes();
        template.disks.iter_mut().for_each(fresh);
    }
    hint.disks.iter_mut().for_each(|disk| fresh(&mut disk.id));
    hint.attachments.iter_mut().for_each(|on| fresh(&mut on.disk));
    for saved in hint.snapshots.iter_mut().flat_map(|it| &mut it.disks) {
        fresh(&mut saved.disk.id);
        fresh(&mut saved.attachment.disk);
    }
    hint
}

/// Where an interface leads that is another one's copy.
fn lead_of(hint: &Hint, (old, new): (&Nic, &Nic)) -> Option<Lead> {
    let lead = hint.leads.iter().find(|lead| lead.nic == old.id)?;
    Some(Lead { nic: new.id, ..lead.clone() })
}

/// The rows of a machine whose images are still to come.
fn rows(world: &World, hint: Hint) -> Vec<Change> {
    let home = |disk: Disk| Disk {
        profile: world.profiles_of(disk.storage_domain).next().map(|profile| profile.id),
        ..disk
    };
    let mut changes: Vec<Change> = hint.vm.map(|vm| Change::Vm(Box::new(vm))).into_iter().collect();
    changes.extend(
        hint.template.map(|template| {
            Change::Template(Box::new(Template { status: TemplateStatus::Locked, ..template }))
        }),
    );
    let locked = |disk| Change::Disk(Disk { status: DiskStatus::Locked, ..home(disk) });
    changes.extend(hint.disks.into_iter().map(locked));
    changes.extend(hint.attachments.into_iter().map(Change::Attachment));
    changes.extend(hint.nics.into_iter().map(Change::Nic));
    changes.extend(hint.snapshots.into_iter().map(|mut snapshot| {
        for saved in &mut snapshot.disks {
            saved.disk = home(saved.disk.clone());
        }
        Change::Snapshot(Box::new(snapshot))
    }));
    changes
}
