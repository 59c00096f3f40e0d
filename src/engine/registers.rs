//! VMs and templates that lie in a storage domain which another engine filled, or this one before it
//! lost its database: listed by their hints, and taken in.

use super::hints::Kept;
use super::lane::{FOLDERS, lasting};
use super::locks::{Entity, Mode};
use super::recover::Recovery;
use super::world::{Change, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::*;
use crate::ovf::Hint;
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

impl Engine {
    /// What the hints of a storage domain tell of.
    pub(super) async fn hints_in(&self, place: StorageDomainId) -> Result<Vec<Hint>> {
        let domain = self.storage_domain(place)?;
        // Where nobody answers, nobody waits.
        self.space(&domain).await?;
        let (images, folder) = (self.images.clone(), PathBuf::from(domain.folder));
        let found = lasting(&FOLDERS, move || images.hints(&folder)).await?;
        let hints = found.into_iter().filter_map(|(name, text)| {
            let hint = Hint::read(&text).ok()?;
            (hint.id().map(Hint::file_name) == Some(name)).then_some(hint)
        });
        Ok(hints.collect())
    }

    /// The same, of what nobody has taken in.
    pub async fn unregistered(&self, place: StorageDomainId) -> Result<Vec<Hint>> {
        let hints = self.hints_in(place).await?.into_iter();
        let world = self.world();
        let is_new = |hint: &Hint| match (&hint.vm, &hint.template) {
            (Some(vm), _) => !world.vms.contains_key(&vm.id),
            (None, Some(template)) => !world.templates.contains_key(&template.id),
            (None, None) => hint.disks.first().is_some_and(|disk| !world.disks.contains_key(&disk.id)),
        };
        Ok(hints.filter(is_new).collect())
    }

    async fn unregistered_one(&self, place: StorageDomainId, id: Uuid) -> Result<Hint> {
        let all = self.unregistered(place).await?;
        all.into_iter().find(|hint| hint.id() == Some(id)).ok_or_else(|| Error::not_found(id))
    }

    /// Takes in a VM with its disks and snapshots, all as they are, or refuses it.
    pub async fn register_vm(
        self: &Arc<Self>,
        place: StorageDomainId,
        id: VmId,
        cluster: ClusterId,
        name: Option<String>,
    ) -> Result<()> {
        self.require_connection()?;
        let mut hint = self.unregistered_one(place, id.0).await?;
        let vm = hint.vm.as_mut().ok_or_else(|| Error::not_found(id))?;
        (vm.cluster, vm.next_run) = (cluster, None);
        // The devices of that host are not those of this one.
        vm.spec.host_devices = Vec::new();
        if let Some(name) = name {
            vm.spec.name = name;
        }
        if vm.is_started() {
            // Wherever it ran, it does not run here.
            vm.stopped = Some(Timestamp::now());
        }
        let mut wanted = vec![(Entity::Vm(id), Mode::Exclusive)];
        wanted.extend(hint.disks.iter().map(|disk| (Entity::Disk(disk.id), Mode::Exclusive)));
        let _guard = self.take("register VM", &wanted).await?;
        // Shared disks may have come with others already; units of targets never went.
        let comes = |disk: &&Disk| {
            !(disk.shareable || disk.lun.is_some()) || !self.world().disks.contains_key(&disk.id)
        };
        let disks: Vec<DiskId> = hint.disks.iter().filter(comes).map(|disk| disk.id).collect();
        let spec = hint.vm.as_ref().map(|vm| vm.spec.name.clone()).unwrap_or_default();
        let seen = self.see_images(place, &hint).await?;
        let intent = self
            .promise(|world| {
                check_new(world, place, cluster, &disks)?;
                self.check_name_free(world, id, &spec)?;
                let changes = Recovery::of_seen(world, seen, place, &self.settings.portals).all_of(hint)?;
                Ok((Operation::RegisterVm { vm: id, disks: disks.clone() }, changes))
            })
            .await?;
        failpoint::hit("create_vm.intended");
        self.conclude(intent, self.finish_create_vm(id, &[]).await).await?;
        self.adopt_hint(place, Kept::Vm(id)).await?;
        self.ensure_secrets_of(&disks).await
    }

    /// Takes in a disk that hung on no VM.
    pub async fn register_disk(
        &self,
        place: StorageDomainId,
        id: DiskId,
        alias: Option<String>,
    ) -> Result<()> {
        let mut hint = self.unregistered_one(place, id.0).await?;
        let disk = hint.disks.first_mut().filter(|disk| disk.id == id);
        let disk = disk.ok_or_else(|| Error::not_found(id))?;
        if let Some(alias) = alias {
            disk.alias = alias;
        }
        let _guard = self.take("register disk", &[(Entity::Disk(id), Mode::Exclusive)]).await?;
        let seen = self.see_images(place, &hint).await?;
        self.record(|world| {
            check_active(world, place)?;
            Recovery::of_seen(world, seen, place, &self.settings.portals).all_of(hint)
        })
        .await?;
        self.adopt_hint(place, Kept::Disk(id)).await?;
        self.ensure_secrets_of(&[id]).await?;
        let disk = self.disk(id)?;
        self.tell(Code::DISK_ADDED, About::default(), format!("Disk {} was registered.", disk.alias));
        Ok(())
    }

    /// The rows go; nothing else had been made.
    pub(super) async fn undo_register_vm(&self, id: VmId, disks: &[DiskId]) -> Result<Vec<Change>> {
        self.lane.call(move |hv| hv.undefine(id)).await?;
        self.disown_hint(Kept::Vm(id)).await;
        let disks = disks.iter().copied().map(Change::DropDisk);
        Ok([Change::DropVm(id)].into_iter().chain(disks).collect())
    }

    /// Takes in a template with its disks.
    pub async fn register_template(
        &self,
        place: StorageDomainId,
        id: TemplateId,
        cluster: ClusterId,
    ) -> Result<()> {
        let mut hint = self.unregistered_one(place, id.0).await?;
        let disks: Vec<DiskId> = hint.disks.iter().map(|disk| disk.id).collect();
        let mut wanted = vec![(Entity::Template(id), Mode::Exclusive)];
        wanted.extend(disks.iter().map(|disk| (Entity::Disk(*disk), Mode::Exclusive)));
        let _guard = self.take("register template", &wanted).await?;
        if let Some(template) = &mut hint.template {
            template.cluster = Some(cluster);
        }
        let seen = self.see_images(place, &hint).await?;
        self.record(|world| {
            check_new(world, place, cluster, &disks)?;
            Recovery::of_seen(world, seen, place, &self.settings.portals).all_of(hint)
        })
        .await?;
        self.adopt_hint(place, Kept::Template(id)).await?;
        self.ensure_secrets_of(&disks).await?;
        let about = self.world().about_template(id);
        let name = self.template(id)?.spec.name;
        self.tell(Code::TEMPLATE_ADDED, about, format!("Template {name} was registered."));
        Ok(())
    }
}

fn check_new(world: &World, place: StorageDomainId, cluster: ClusterId, disks: &[DiskId]) -> Result<()> {
    if !world.clusters.contains_key(&cluster) {
        return Err(Error::not_found(format!("Cluster: {cluster}")));
    }
    check_active(world, place)?;
    match disks.iter().find(|disk| world.disks.contains_key(disk)) {
        Some(disk) => Err(Error::conflict(format!("The disk {disk} is there already."))),
        None => Ok(()),
    }
}

fn check_active(world: &World, place: StorageDomainId) -> Result<()> {
    match world.storage_domains.get(&place).is_some_and(|domain| domain.active) {
        true => Ok(()),
        false => Err(Error::conflict("The relevant Storage Domain is not active.")),
    }
}
