//! VMs and templates that come back out of an export domain, whatever engine wrote them: all that their
//! hints say and their images are is checked as what a client says, before anything is copied.

use super::carry::{Carried, Relocated, Sizes, relocated};
use super::fillings::DiskCopies;
use super::hints::{Kept, hint_of};
use super::inventory::Phase;
use super::jobs::Started;
use super::locks::{Entity, Mode};
use super::looks::Seen;
use super::places::find_domain;
use super::recover::Recovery;
use super::templates::{check, check_name_free, next_version};
use super::world::{Change, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::*;
use crate::ovf::{Hint, Lead};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
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

/// Where each disk is to lie, by the id that it will have.
type Places = BTreeMap<DiskId, StorageDomainId>;

/// A machine that is about to come, before anything of it has been checked.
struct Coming {
    hint: Hint,
    places: Places,
}

impl Coming {
    /// The machine of the hint, or another one like it.
    fn of(wanted: &Comeback, hint: Hint) -> Result<Self> {
        let named = |disk: &Disk| wanted.disks.of(disk).storage_domain.unwrap_or(wanted.home);
        if let Some(unknown) =
            wanted.disks.each.iter().find(|copy| !hint.disks.iter().any(|disk| copy.is_of(disk)))
        {
            return Err(Error::not_found(format!("Disk: id={}", unknown.of)));
        }
        let places: Vec<StorageDomainId> = hint.disks.iter().map(named).collect();
        let hint = if wanted.renewed { renewed(hint) } else { hint };
        let places = hint.disks.iter().map(|disk| disk.id).zip(places).collect();
        Ok(Self { hint, places })
    }

    /// What is held while the machine comes.
    fn entities(&self, wanted: &Comeback, machine: Entity, source: Entity) -> Vec<(Entity, Mode)> {
        let places: BTreeSet<StorageDomainId> =
            self.places.values().copied().chain([wanted.from, wanted.home]).collect();
        let mut entities = vec![(machine, Mode::Exclusive)];
        entities.extend((source != machine).then_some((source, Mode::Shared)));
        entities.extend(self.places.keys().map(|disk| (Entity::Disk(*disk), Mode::Exclusive)));
        entities.extend(places.into_iter().map(|place| (Entity::StorageDomain(place), Mode::Shared)));
        entities
    }
}

impl Engine {
    /// Promises the VM with its disks, locked, and brings them.
    pub async fn import_exported_vm(self: &Arc<Self>, wanted: Comeback) -> Result<Started<VmId>> {
        const VERB: &str = "Cannot import VM";
        self.require_connection()?;
        let hint = self.exported_one(wanted.from, wanted.id).await?;
        let hint = hint.filter(|it| it.vm.is_some()).ok_or_else(|| Error::not_found(wanted.id))?;
        let mut coming = Coming::of(&wanted, hint)?;
        let vm = coming.hint.vm.as_mut().ok_or_else(|| Error::not_found(wanted.id))?;
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
        vm.spec.check().map_err(Error::invalid)?;
        let vm = vm.clone();
        let entities = coming.entities(&wanted, Entity::Vm(id), Entity::Vm(VmId(wanted.id)));
        let guard = self.take("import VM", &entities).await?;
        if self.knows(id).is_ok() {
            return Err(Error::conflict(format!(
                "{VERB}. A VM with the same identifier exists already: clone makes another one."
            )));
        }
        self.require_nothing_like_it(VERB, &coming, id.0).await?;
        // Whatever a document of this VM would be refused for is refused before anything is promised.
        self.check_document(&vm, &vm.spec)?;
        let seen = self.see_images(wanted.from, &coming.hint).await?;
        let collapse = wanted.collapse || wanted.renewed;
        let sizes = self.sizes_there(wanted.from, &coming.hint, collapse).await?;
        let (mut carried, mut disks) = (Vec::new(), Vec::new());
        let intent = self
            .promise(|world| {
                self.check_name_free(world, id, &vm.spec.name)?;
                check_place(world, VERB, &wanted, &coming.hint)?;
                let mut hint = coming.hint.clone();
                if wanted.renewed {
                    let nics = self.copied_nics(world, &vm, &hint.nics)?;
                    hint.leads = hint.nics.iter().zip(&nics).filter_map(|it| lead_of(&hint, it)).collect();
                    hint.nics = nics;
                }
                let found = (hint, seen, Kept::Vm(id));
                let come = self.checked(world, VERB, &wanted, found, &sizes, (&coming.places, collapse))?;
                (carried, disks) = (come.carried, come.hint.disks.iter().map(|disk| disk.id).collect());
                let mut changes = rows(world, come.hint);
                changes.extend(self.ownership(world, roles::VM_OWNER, id.into()));
                let operation =
                    Operation::ImportVm { vm: id, disks: disks.clone(), carried: carried.clone() };
                Ok((operation, changes))
            })
            .await?;
        failpoint::hit("import.intended");
        let making = self.enter(id, Phase::Making);
        let engine = self.clone();
        Ok(self.jobs.start(id, async move {
            let made = engine.conclude(intent, engine.finish_import_vm(id, &disks, &carried).await).await;
            drop(guard);
            drop(making);
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
        let hint = hint.filter(|it| it.template.is_some()).ok_or_else(|| Error::not_found(wanted.id))?;
        let mut coming = Coming::of(&wanted, hint)?;
        let template = coming.hint.template.as_mut().ok_or_else(|| Error::not_found(wanted.id))?;
        let id = template.id;
        template.cluster = Some(wanted.cluster);
        (template.spec.host_devices, template.copies) = (Vec::new(), Vec::new());
        if let Some(name) = &wanted.name {
            template.spec.name.clone_from(name);
        }
        let base = template.base;
        let base = self.world().templates.get(&base).filter(|_| !wanted.renewed && base != id).cloned();
        match &base {
            // Versions share the name of their base.
            Some(base) => template.spec.name.clone_from(&base.spec.name),
            None => (template.base, template.version) = (id, 1),
        }
        check(&template.spec, Some(&template.version_name))?;
        let template = template.clone();
        let entities =
            coming.entities(&wanted, Entity::Template(id), Entity::Template(TemplateId(wanted.id)));
        let guard = self.take("import template", &entities).await?;
        if self.template(id).is_ok() {
            return Err(Error::conflict(format!(
                "{VERB}. A Template with the same identifier exists already: clone makes another one."
            )));
        }
        self.require_nothing_like_it(VERB, &coming, id.0).await?;
        let seen = self.see_images(wanted.from, &coming.hint).await?;
        let sizes = self.sizes_there(wanted.from, &coming.hint, false).await?;
        let (mut carried, mut disks) = (Vec::new(), Vec::new());
        let intent = self
            .promise(|world| {
                check_name_free(world, template.base, &template.spec.name)?;
                check_place(world, VERB, &wanted, &coming.hint)?;
                let mut hint = coming.hint.clone();
                let its = |it: &Template| it.base == template.base && it.version == template.version;
                if let Some(twin) = hint.template.as_mut().filter(|_| world.templates.values().any(its)) {
                    twin.version = next_version(world, template.base);
                }
                let found = (hint, seen, Kept::Template(id));
                let come = self.checked(world, VERB, &wanted, found, &sizes, (&coming.places, false))?;
                (carried, disks) = (come.carried, come.hint.disks.iter().map(|disk| disk.id).collect());
                let mut changes = rows(world, come.hint);
                changes.extend(self.ownership(world, roles::TEMPLATE_OWNER, id.into()));
                let operation = Operation::ImportTemplate {
                    template: id,
                    disks: disks.clone(),
                    carried: carried.clone(),
                };
                Ok((operation, changes))
            })
            .await?;
        failpoint::hit("import_template.intended");
        let engine = self.clone();
        Ok(self.jobs.start(id, async move {
            let _guard = guard;
            engine.conclude(intent, engine.finish_import_template(id, &disks, &carried).await).await
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

    /// Refuses what would be written over something of that id that lies there and is nobody's yet.
    async fn require_nothing_like_it(&self, verb: &str, coming: &Coming, id: Uuid) -> Result<()> {
        let places: BTreeSet<StorageDomainId> = coming.places.values().copied().collect();
        for place in places {
            if self.storage_domain(place)?.kind != StorageKind::Data {
                continue;
            }
            let hints = self.hints_in(place).await?;
            // Those of what is gone with its images are removed behind it.
            if let Some(twin) = hints.iter().find(|hint| hint.id() == Some(id))
                && !self.is_needless(twin).await
            {
                return Err(Error::conflict(format!(
                    "{verb}. One with the same identifier lies in the Storage Domain already: register that."
                )));
            }
        }
        Ok(())
    }

    /// What its files take in the export domain. Nobody has checked the hint yet: what it says of others is
    /// not looked at.
    async fn sizes_there(&self, from: StorageDomainId, hint: &Hint, collapse: bool) -> Result<Sizes> {
        let mut carried = relocated(hint.clone(), collapse, |_| from).carried;
        carried.retain(|one| one.from.0 == from);
        self.sizes_of(&carried).await
    }

    /// The machine as it will be here, after a look at all that the hint says of it and at where it goes.
    fn checked(
        &self,
        world: &World,
        verb: &str,
        wanted: &Comeback,
        (hint, seen, kept): (Hint, Seen, Kept),
        sizes: &Sizes,
        (places, collapse): (&Places, bool),
    ) -> Result<Relocated> {
        let there = Recovery::of_seen(world, seen, wanted.from, &self.settings.portals).world_with(hint)?;
        let hint = hint_of(&there, kept).ok_or_else(|| Error::not_found(kept.id()))?;
        let place_of = |disk: &Disk| places.get(&disk.id).copied().unwrap_or(wanted.home);
        let come = relocated(hint, collapse, place_of);
        for place in come.hint.disks.iter().map(|disk| disk.storage_domain).chain([wanted.home]) {
            self.check_room(world, verb, place, 0)?;
        }
        self.require_room_for(world, verb, &come.carried, sizes)?;
        Ok(come)
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
    match hint.disks.iter().find(|disk| world.disks.contains_key(&disk.id)) {
        Some(disk) => Err(Error::conflict(format!("{verb}. The disk {} is there already.", disk.alias))),
        None => Ok(()),
    }
}

/// The same machine with other ids.
fn renewed(mut hint: Hint) -> Hint {
    let disks: BTreeMap<DiskId, DiskId> = hint.disks.iter().map(|disk| (disk.id, DiskId::random())).collect();
    let fresh = |id: &mut DiskId| *id = disks.get(id).copied().unwrap_or(*id);
    if let Some(vm) = &mut hint.vm {
        (vm.id, vm.created) = (VmId::random(), Timestamp::now());
        vm.spec.renew_nodes();
        for on in &mut hint.attachments {
            on.vm = vm.id;
        }
        for snapshot in &mut hint.snapshots {
            (snapshot.id, snapshot.vm, snapshot.memory) = (SnapshotId::random(), vm.id, None);
            snapshot.disks.iter_mut().for_each(|saved| saved.attachment.vm = vm.id);
            snapshot.nics.iter_mut().for_each(|nic| nic.vm = vm.id);
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
