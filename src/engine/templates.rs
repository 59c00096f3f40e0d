//! Templates: made from VMs that are down, and kept as long as something is read from their disks.

use super::fillings::{DiskCopies, Making};
use super::inventory::Phase;
use super::jobs::Started;
use super::journal::changed;
use super::locks::{Entity, Mode};
use super::new_vms::{Parts, Source};
use super::nics::NicChange;
use super::places::find_domain;
use super::world::{Change, Filling, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Kind, Result};
use crate::model::vm::check_text;
use crate::model::*;
use jiff::Timestamp;
use std::sync::Arc;

const ADD: &str = "Cannot add Template";
const EDIT: &str = "Cannot edit Template";
/// The address of a template's interface, which nobody sees: each VM's get new ones.
const NO_ADDRESS: Mac = Mac([2, 0, 0, 0, 0, 0]);
const REMOVE: &str = "Cannot remove Template";

/// What a client gives for a new template.
#[derive(Clone, Debug)]
pub struct NewTemplate {
    pub vm: VmId,
    pub cluster: ClusterId,
    /// With the template's name.
    pub spec: VmSpec,
    /// The template that this is another version of.
    pub base: Option<TemplateId>,
    pub version_name: Option<String>,
    pub disks: DiskCopies,
    /// Who may do something with the VM may do it with the template, too.
    pub grants: bool,
}

impl Engine {
    /// One of those that users made, or Blank.
    pub fn template(&self, id: TemplateId) -> Result<Template> {
        self.world().template(id).ok_or_else(|| Error::not_found(id))
    }

    /// All of them, by name and version; Blank is one.
    pub fn templates(&self) -> Vec<Template> {
        let mut all: Vec<Template> = self.world().templates.values().cloned().collect();
        all.push(Template::blank());
        all.sort_by(|a, b| (&a.spec.name, a.version).cmp(&(&b.spec.name, b.version)));
        all
    }

    /// Promises the template, locked, and copies the VM's disks.
    pub async fn create_template(self: &Arc<Self>, new: NewTemplate) -> Result<Started<TemplateId>> {
        let original = new.vm;
        self.check_makeable(&self.own_vm(original)?.spec, &new.spec)?;
        let id = TemplateId::random();
        let beside = [(Entity::Template(id), Mode::Exclusive), (Entity::Vm(original), Mode::Shared)];
        let (guard, _) = self.hold_disks_of("create template", original, &beside, Mode::Shared).await?;
        let (mut images, mut making_it) = (Vec::new(), None);
        let intent = self
            .promise(|world| {
                self.may(original, Move::Template)?;
                let mut spec = VmSpec { host_devices: Vec::new(), ..new.spec.clone() };
                if let Some(base) = new.base {
                    // Versions share the name of their base.
                    let named = world.template(base).ok_or_else(|| Error::not_found(base))?;
                    spec.name.clone_from(&named.spec.name);
                }
                check(&spec, new.version_name.as_deref())?;
                let parts = Parts::of(world, Source::Vm(original))?;
                if !world.clusters.contains_key(&new.cluster) {
                    return Err(Error::not_found(format!("Cluster: {}", new.cluster)));
                }
                let (base, version) = match new.base {
                    Some(base) => (base_of(world, base)?, next_version(world, base_of(world, base)?)),
                    None => {
                        check_name_free(world, id, &spec.name)?;
                        (id, 1)
                    }
                };
                let making = Making { verb: ADD, wanted: &new.disks, thin: false, owner: None };
                let (disks, fillings) = self.plan_disks(world, &parts.disks, &making)?;
                let template = Template {
                    id,
                    cluster: Some(new.cluster),
                    created: Timestamp::now(),
                    spec,
                    status: TemplateStatus::Locked,
                    base,
                    version,
                    version_name: new.version_name.clone().unwrap_or_else(|| match version {
                        1 => Template::FIRST_VERSION.to_owned(),
                        _ => String::new(),
                    }),
                    nics: parts.nics.into_iter().map(|nic| Nic { id: NicId::random(), ..nic }).collect(),
                    disks: disks.iter().map(|disk| disk.id).collect(),
                    copies: Vec::new(),
                };
                let mut changes = vec![Change::Template(Box::new(template))];
                changes.extend(disks.into_iter().map(Change::Disk));
                changes.extend(self.ownership(world, roles::TEMPLATE_OWNER, id.into()));
                let grants = new.grants.then(|| world.grants(original.into(), id.into()));
                changes.extend(grants.into_iter().flatten());
                images.clone_from(&fillings);
                making_it = Some(self.enter(original, Phase::Making));
                Ok((Operation::CreateTemplate { template: id, images: fillings, original }, changes))
            })
            .await?;
        failpoint::hit("create_template.intended");
        let engine = self.clone();
        Ok(self.jobs.start(id, async move {
            let made = engine.conclude(intent, engine.finish_create_template(id, &images).await).await;
            // Whoever waits for the VM to be down may use both at once.
            drop(guard);
            drop(making_it);
            made
        }))
    }

    pub(super) async fn finish_create_template(
        &self,
        id: TemplateId,
        images: &[Filling],
    ) -> Result<Vec<Change>> {
        self.fill(images).await?;
        failpoint::hit("create_template.filled");
        self.open_template(id, self.filled(images)).await;
        Ok(vec![])
    }

    pub(super) async fn undo_create_template(
        &self,
        id: TemplateId,
        images: &[Filling],
    ) -> Result<Vec<Change>> {
        let mut changes = self.undo_fill(images).await?;
        changes.push(Change::DropTemplate(id));
        Ok(changes)
    }

    /// Changes the configuration. VMs that were made of it stay as they are.
    pub async fn update_template(
        &self,
        id: TemplateId,
        version_name: Option<String>,
        change: impl FnOnce(&mut VmSpec) -> Result<()>,
    ) -> Result<()> {
        self.edit_template(id, |template| {
            change(&mut template.spec)?;
            template.version_name = version_name.unwrap_or(std::mem::take(&mut template.version_name));
            Ok(())
        })
        .await
    }

    /// Gives the template an interface, which VMs that are made of it will have.
    pub async fn add_template_nic(&self, id: TemplateId, change: NicChange) -> Result<NicId> {
        let nic = NicId::random();
        self.edit_template(id, |template| {
            let world = self.world();
            let made = change.over(&world, &Nic::blank(nic, VmId(template.id.0), NO_ADDRESS))?;
            check_nic(&world, template, &made)?;
            template.nics.push(made);
            template.nics.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(())
        })
        .await?;
        Ok(nic)
    }

    pub async fn update_template_nic(&self, id: TemplateId, nic: NicId, change: NicChange) -> Result<()> {
        self.edit_template(id, |template| {
            let world = self.world();
            let place = template.nics.iter().position(|it| it.id == nic);
            let place = place.ok_or_else(|| Error::not_found(nic))?;
            let changed = change.over(&world, &template.nics[place])?;
            check_nic(&world, template, &changed)?;
            template.nics[place] = changed;
            template.nics.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(())
        })
        .await
    }

    pub async fn remove_template_nic(&self, id: TemplateId, nic: NicId) -> Result<()> {
        self.edit_template(id, |template| {
            let before = template.nics.len();
            template.nics.retain(|it| it.id != nic);
            if template.nics.len() == before { Err(Error::not_found(nic)) } else { Ok(()) }
        })
        .await
    }

    /// Whatever changes a template without touching its disks.
    async fn edit_template(
        &self,
        id: TemplateId,
        change: impl FnOnce(&mut Template) -> Result<()>,
    ) -> Result<()> {
        if id == BLANK {
            return Err(Error::conflict(format!("{EDIT}. Editing Blank Template is not allowed.")));
        }
        let _guard = self.take("update template", &[(Entity::Template(id), Mode::Exclusive)]).await?;
        let before = self.template(id)?;
        if before.status == TemplateStatus::Locked {
            return Err(Error::conflict(format!("{EDIT}. The template is locked.")));
        }
        let mut after = before.clone();
        change(&mut after)?;
        check(&after.spec, Some(&after.version_name))?;
        self.check_makeable(&before.spec, &after.spec)?;
        let renamed = after.spec.name != before.spec.name;
        self.record(|world| {
            if world.templates.get(&id) != Some(&before) {
                // Its name is its other versions', too.
                return Err(Error::busy("update template"));
            }
            let mut changes = vec![Change::Template(Box::new(after.clone()))];
            if renamed {
                check_name_free(world, before.base, &after.spec.name)?;
                // Versions share their name.
                let others = world.templates.values().filter(|it| it.base == before.base && it.id != id);
                changes.extend(others.cloned().map(|mut other| {
                    other.spec.name.clone_from(&after.spec.name);
                    Change::Template(Box::new(other))
                }));
            }
            Ok(changes)
        })
        .await?;
        let about = self.world().about_template(id);
        self.tell(Code::TEMPLATE_UPDATED, about, format!("Template {} was updated.", after.spec.name));
        Ok(())
    }

    /// Removes the template with its disks, when nothing needs it.
    pub async fn remove_template(self: &Arc<Self>, id: TemplateId) -> Result<()> {
        self.remove_any_template(id, false).await
    }

    /// The same, with disks whose storage is gone, too.
    pub async fn remove_template_by_force(self: &Arc<Self>, id: TemplateId) -> Result<()> {
        self.remove_any_template(id, true).await
    }

    async fn remove_any_template(self: &Arc<Self>, id: TemplateId, force: bool) -> Result<()> {
        if id == BLANK {
            return Err(Error::conflict("Removing Blank Template is not allowed."));
        }
        let disks = self.template(id)?.disks;
        let mut wanted = vec![(Entity::Template(id), Mode::Exclusive)];
        wanted.extend(disks.iter().map(|disk| (Entity::Disk(*disk), Mode::Exclusive)));
        let _guard = self.take("remove template", &wanted).await?;
        let intent = self
            .promise(|world| {
                let template = world.templates.get(&id).ok_or_else(|| Error::not_found(id))?;
                check_removal(world, template)?;
                self.require_removable(REMOVE, world, &template.disks, force)?;
                for copy in &template.copies {
                    self.require_reachable(REMOVE, find_domain(world, copy.storage_domain)?, force)?;
                }
                let locked = Template { status: TemplateStatus::Locked, ..template.clone() };
                let doomed = template.disks.iter().filter_map(|disk| world.disks.get(disk));
                let mut changes: Vec<Change> = doomed.map(|disk| Change::Disk(disk.locked())).collect();
                changes.push(Change::Template(Box::new(locked)));
                Ok((Operation::RemoveTemplate { template: id, disks: disks.clone() }, changes))
            })
            .await?;
        failpoint::hit("remove_template.intended");
        self.conclude(intent, self.finish_remove_template(id, &disks).await).await
    }

    pub(super) async fn finish_remove_template(
        &self,
        id: TemplateId,
        disks: &[DiskId],
    ) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for disk in disks {
            self.remove_image(*disk).await?;
            failpoint::hit("remove_template.removed");
            changes.push(Change::DropDisk(*disk));
        }
        // Once one disk is gone all of them go, and so do the copies.
        for copy in self.template(id).map(|template| template.copies).unwrap_or_default() {
            self.remove_copy(&copy).await?;
        }
        self.refresh_pools();
        changes.push(Change::DropTemplate(id));
        Ok(changes)
    }

    /// A template whose disks are all there is one again.
    pub(super) async fn undo_remove_template(&self, id: TemplateId, disks: &[DiskId]) -> Result<Vec<Change>> {
        if !self.all_intact(disks) {
            return self.finish_remove_template(id, disks).await;
        }
        self.open_template(id, self.judged(disks)).await;
        Ok(vec![])
    }

    /// The template can be used from now on, and so can its disks.
    async fn open_template(&self, id: TemplateId, disks: Vec<Change>) {
        let ok = |template: &mut Template| template.status = TemplateStatus::Ok;
        let with = |world: &World| changed(world.templates.get(&id), ok, Change::Template);
        self.note_with(|world| disks.into_iter().chain(with(world)).collect()).await;
    }
}

pub(super) fn check(spec: &VmSpec, version_name: Option<&str>) -> Result<()> {
    // The rules are those of VMs; the words say what they are about.
    spec.check().map_err(|why| Error::invalid(why.replace("The VM name", "The template name")))?;
    check_text("version name", version_name.unwrap_or_default(), 40).map_err(Error::invalid)
}

fn check_nic(world: &World, template: &Template, nic: &Nic) -> Result<()> {
    nic.check().map_err(Error::invalid)?;
    if template.nics.iter().any(|other| other.id != nic.id && other.name == nic.name) {
        return Err(Error::conflict("Network interface is already in use."));
    }
    let usable = |id: &NetworkId| {
        let there = world.networks.get(id).is_some_and(|network| network.for_vms);
        there && template.cluster.is_none_or(|cluster| world.cluster_networks.contains_key(&(cluster, *id)))
    };
    match nic.network.iter().chain(&nic.port_mirroring).all(usable) {
        true => Ok(()),
        false => Err(Error::invalid("Network not found in cluster")),
    }
}

pub(super) fn check_name_free(world: &World, base: TemplateId, name: &str) -> Result<()> {
    let taken = world.templates.values().any(|other| other.base != base && other.spec.name == name);
    match taken || name == Template::BLANK_NAME {
        true => Err(Error::new(
            Kind::Exists,
            format!("{ADD}. The Template name is already in use, please choose a unique name and try again."),
        )),
        false => Ok(()),
    }
}

/// The first of a template's versions.
fn base_of(world: &World, id: TemplateId) -> Result<TemplateId> {
    let found = world.templates.get(&id).map(|template| template.base);
    found.ok_or_else(|| Error::invalid(format!("{ADD}. The base template does not exist or is Blank.")))
}

pub(super) fn next_version(world: &World, base: TemplateId) -> u32 {
    let versions = world.templates.values().filter(|it| it.base == base).map(|it| it.version);
    versions.max().unwrap_or(0) + 1
}

fn check_removal(world: &World, template: &Template) -> Result<()> {
    match template.spec.delete_protected {
        true => Err(Error::conflict(format!(
            "{REMOVE}. Delete protection is enabled. In order to delete, disable Delete protection first."
        ))),
        false => check_needless(world, template),
    }
}

/// Refuses to let go of a template that something is based on.
pub(super) fn check_needless(world: &World, template: &Template) -> Result<()> {
    let refused = |why: String| Err(Error::conflict(format!("{REMOVE}. {why}")));
    if template.status == TemplateStatus::Locked {
        return refused("The template is locked.".into());
    }
    if world.templates.values().any(|it| it.base == template.id && it.id != template.id) {
        return refused("The template has other versions: remove them first.".into());
    }
    let mut pools = world.vm_pools.values();
    if let Some(pool) = pools.find(|pool| pool.template == template.id) {
        return refused(format!("VM pool {} is made of it.", pool.name));
    }
    let vms = world.vms.values().filter(|vm| vm.template == template.id);
    let vms: Vec<&str> = vms.map(|vm| vm.spec.name.as_str()).collect();
    if !vms.is_empty() {
        return refused(format!("The following VMs are based on it: {}.", vms.join(", ")));
    }
    let own: Vec<ImageId> =
        template.disks.iter().filter_map(|id| world.disks.get(id)).map(|disk| disk.image).collect();
    let saved = world.snapshots.values().flat_map(|snapshot| &snapshot.disks).map(|saved| &saved.disk);
    match world.disks.values().chain(saved).filter_map(|image| image.parent).any(|it| own.contains(&it)) {
        true => refused("Disks that are based on it are there.".into()),
        false => Ok(()),
    }
}

impl World {
    /// Refuses what would change a template's disk.
    pub(super) fn check_no_template(&self, verb: &str, disk: DiskId) -> Result<()> {
        match self.template_with(disk) {
            None => Ok(()),
            Some(template) => Err(Error::conflict(format!(
                "{verb}. The disk belongs to template {}, which is read-only.",
                template.spec.name
            ))),
        }
    }
}
