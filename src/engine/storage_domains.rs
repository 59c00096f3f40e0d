//! Storage domains: made, attached, taken into maintenance, removed; and the files of ISO domains.

use super::first_world::DATA;
use super::lane::{UPLOADS, blocking, lasting};
use super::locks::{Entity, Guard, Mode};
use super::places::find_domain;
use super::world::{Change, Operation, World};
use super::{Engine, Space, failpoint, telling};
use crate::error::{Error, Kind, Result};
use crate::model::cdrom::{check_floppy, check_medium};
use crate::model::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// What a client gives for a new storage domain.
#[derive(Clone, Debug)]
pub struct NewStorageDomain {
    pub name: String,
    pub kind: StorageKind,
    pub folder: String,
    /// The folder is a storage domain's already, with all that lies in it.
    pub filled: bool,
    /// What else is said of it.
    pub rest: StorageDomainChange,
}

const FILES: &[&str] = &["iso", "vfd"];
/// Of a data domain, beside hints.
const CONTENTS: &[&str] = &[".qcow2", ".raw", ".memory"];

impl Engine {
    pub fn storage_domain(&self, id: StorageDomainId) -> Result<StorageDomain> {
        find_domain(&self.world(), id).cloned()
    }

    /// The data domain that a data center cannot be without.
    pub fn is_master(&self, domain: &StorageDomain) -> bool {
        let world = self.world();
        let of_center = world
            .storage_domains
            .values()
            .filter(|it| it.kind == StorageKind::Data && it.data_center == domain.data_center);
        let first = of_center.min_by_key(|it| (!it.active, it.id != DATA, it.id));
        domain.data_center.is_some() && first.is_some_and(|first| first.id == domain.id)
    }

    async fn hold_domain(
        &self,
        operation: &'static str,
        id: StorageDomainId,
    ) -> Result<(Guard, StorageDomain)> {
        self.storage_domain(id)?;
        let guard = self.take(operation, &[(Entity::StorageDomain(id), Mode::Exclusive)]).await?;
        Ok((guard, self.storage_domain(id)?))
    }

    /// A storage domain over a folder of the host that is there and empty; attached nowhere yet.
    pub async fn add_storage_domain(self: &Arc<Self>, new: NewStorageDomain) -> Result<StorageDomainId> {
        let id = match new.filled {
            true => self.filled_domain(&new).await?,
            false => StorageDomainId::random(),
        };
        let _guard = self.take("add storage domain", &[(Entity::StorageDomain(id), Mode::Exclusive)]).await?;
        let (images, folder) = (self.images.clone(), PathBuf::from(&new.folder));
        let filled = new.filled;
        let suffixes: &[&str] = match (filled, new.kind) {
            // Whatever lies in it is its own.
            (true, _) => &[""],
            (false, StorageKind::Iso) => FILES,
            (false, StorageKind::Data | StorageKind::Export) => &[],
        };
        blocking(move || {
            if !folder.is_absolute() {
                return Err(Error::invalid("The path of a storage domain must be absolute."));
            }
            images.vacant(&folder, suffixes)?;
            match images.marked(&folder)? {
                Some(_) if !filled => Err(Error::conflict(
                    "Cannot add Storage. The folder belongs to another storage domain already.",
                )),
                _ => Ok(()),
            }
        })
        .await?;
        let intent = self
            .promise(|world| {
                check_name(world, &new.name, id)?;
                self.check_folder(world, Path::new(&new.folder))?;
                let mut domain = StorageDomain::new(id, &new.name, "", new.kind, new.folder.clone());
                new.rest.clone().over(&mut domain).map_err(Error::invalid)?;
                let mut changes = vec![Change::StorageDomain(domain.clone())];
                if new.kind == StorageKind::Data {
                    let profile = DiskProfile::new(DiskProfileId::random(), &new.name, id);
                    changes.push(Change::DiskProfile(profile));
                }
                Ok((Operation::AddStorageDomain { domain: Box::new(domain), filled }, changes))
            })
            .await?;
        failpoint::hit("add_storage_domain.intended");
        let domain = self.storage_domain(id)?;
        let made = self.finish_add_storage_domain(&domain).await;
        self.conclude(intent, made.map(|()| vec![])).await.map(|()| id)
    }

    /// The id that another engine, or this one once, has written into the folder.
    async fn filled_domain(&self, new: &NewStorageDomain) -> Result<StorageDomainId> {
        let (images, folder) = (self.images.clone(), PathBuf::from(&new.folder));
        let marked = blocking(move || images.marked(&folder)).await?;
        let id = marked.and_then(|id| id.trim().parse().ok()).ok_or_else(|| {
            Error::conflict(
                "Cannot add Storage. The folder is not one of a storage domain that could be imported.",
            )
        })?;
        match self.world().storage_domains.contains_key(&id) {
            true => Err(Error::conflict("Cannot add Storage. The Storage Domain is there already.")),
            false => Ok(id),
        }
    }

    /// No two domains share a folder, nor does one have what is vireo's own.
    fn check_folder(&self, world: &World, folder: &Path) -> Result<()> {
        let folders = world.storage_domains.values().map(|domain| Path::new(&domain.folder));
        let mut taken = folders.chain([self.settings.state.as_path()]);
        match taken.any(|other| other.starts_with(folder) || folder.starts_with(other)) {
            true => Err(Error::conflict("Cannot add Storage. The path is in use already.")),
            false => Ok(()),
        }
    }

    pub(super) async fn finish_add_storage_domain(&self, domain: &StorageDomain) -> Result<()> {
        self.mark(domain).await?;
        failpoint::hit("add_storage_domain.marked");
        Ok(())
    }

    async fn mark(&self, domain: &StorageDomain) -> Result<()> {
        if self.lookout.is_own(domain) {
            return Ok(());
        }
        let (images, folder, id) =
            (self.images.clone(), PathBuf::from(&domain.folder), domain.id.to_string());
        blocking(move || images.mark(&folder, &id)).await
    }

    async fn unmark(&self, domain: &StorageDomain) -> Result<()> {
        let (images, folder) = (self.images.clone(), PathBuf::from(&domain.folder));
        blocking(move || images.unmark(&folder)).await
    }

    pub(super) async fn undo_add_storage_domain(
        &self,
        domain: &StorageDomain,
        filled: bool,
    ) -> Result<Vec<Change>> {
        if !filled {
            self.unmark(domain).await?;
        }
        Ok(without_domain(&self.world(), domain.id))
    }

    /// Changes what is said of the domain.
    pub async fn update_storage_domain(
        self: &Arc<Self>,
        id: StorageDomainId,
        change: StorageDomainChange,
    ) -> Result<()> {
        let (_guard, before) = self.hold_domain("update storage domain", id).await?;
        let mut after = before.clone();
        change.over(&mut after).map_err(Error::invalid)?;
        self.bring(before, after, |world, after| check_name(world, &after.name, id)).await
    }

    /// Attaches the domain, and activates it.
    pub async fn attach_storage_domain(
        self: &Arc<Self>,
        id: StorageDomainId,
        to: DataCenterId,
    ) -> Result<()> {
        let (_guard, before) = self.hold_domain("attach storage domain", id).await?;
        if before.data_center.is_some() {
            return Err(Error::conflict(
                "Cannot attach Storage. The storage domain is attached to a data center already.",
            ));
        }
        self.space(&before).await?;
        let after = StorageDomain { data_center: Some(to), active: true, ..before.clone() };
        self.bring(before, after, |_, _| Ok(())).await
    }

    /// Ends the maintenance of an attached domain; one that is inactive is looked at anew.
    pub async fn activate_storage_domain(self: &Arc<Self>, id: StorageDomainId) -> Result<()> {
        let (_guard, before) = self.hold_domain("activate storage domain", id).await?;
        match self.storage_status(&before).0 {
            StorageStatus::Active => {
                return Err(Error::conflict(
                    "Cannot activate Storage. The storage domain is active already.",
                ));
            }
            StorageStatus::Unattached => return Err(unattached("activate")),
            StorageStatus::Maintenance | StorageStatus::Inactive => {}
        }
        self.space(&before).await?;
        let after = StorageDomain { active: true, ..before.clone() };
        self.bring(before, after, |_, _| Ok(())).await
    }

    /// Takes the domain into maintenance: nobody uses it any more.
    pub async fn deactivate_storage_domain(self: &Arc<Self>, id: StorageDomainId) -> Result<()> {
        let (_guard, before) = self.hold_domain("deactivate storage domain", id).await?;
        if before.data_center.is_none() {
            return Err(unattached("deactivate"));
        }
        if !before.active {
            return Err(Error::conflict(
                "Cannot deactivate Storage. The storage domain is in maintenance already.",
            ));
        }
        let after = StorageDomain { active: false, ..before.clone() };
        self.bring(before, after, |world, after| self.check_unused(world, after)).await
    }

    fn check_unused(&self, world: &World, domain: &StorageDomain) -> Result<()> {
        for disk in world.disks.values().filter(|disk| disk.storage_domain == domain.id) {
            if disk.status == DiskStatus::Locked {
                return Err(Error::conflict(format!(
                    "Cannot deactivate Storage. The disk {} is locked.",
                    disk.alias
                )));
            }
            let runs = |vm| !matches!(self.status(vm), VmStatus::Down | VmStatus::Suspended);
            if world.hung_as(disk.id).any(|(on, _)| on.active && runs(on.vm)) {
                return Err(Error::conflict(
                    "Cannot deactivate Storage while there are running VMs on this Storage Domain.",
                ));
            }
        }
        let is_busy = |it: &&Snapshot| it.memory == Some(domain.id) && it.status == SnapshotStatus::Locked;
        if let Some(snapshot) = world.snapshots.values().find(is_busy) {
            return Err(Error::conflict(format!(
                "Cannot deactivate Storage. The snapshot {} is locked.",
                snapshot.description
            )));
        }
        match self.media_in_use(domain).is_empty() {
            true => Ok(()),
            false => Err(Error::conflict(
                "Cannot deactivate Storage while VMs have its ISO images in their drives.",
            )),
        }
    }

    /// The files of the domain that running VMs have in their drives.
    fn media_in_use(&self, domain: &StorageDomain) -> Vec<PathBuf> {
        let seen = self.inventory.running().into_iter().filter_map(|vm| self.inventory.seen(vm));
        let files = seen.flat_map(|seen| {
            let disks =
                seen.observed.disks.iter().filter(|disk| matches!(disk.device.as_str(), "cdrom" | "floppy"));
            disks.filter_map(|disk| disk.file.clone().map(PathBuf::from)).collect::<Vec<_>>()
        });
        files.filter(|file| file.parent() == Some(Path::new(&domain.folder))).collect()
    }

    /// Takes a domain off its data center. What lies in it is known no more, and can be registered
    /// where it is attached again.
    pub async fn detach_storage_domain(self: &Arc<Self>, id: StorageDomainId) -> Result<()> {
        let (_guard, before) = self.hold_domain("detach storage domain", id).await?;
        if before.data_center.is_none() {
            return Err(unattached("detach"));
        }
        if before.active {
            return Err(Error::conflict("Cannot detach Storage. The storage domain must be in maintenance."));
        }
        if before.kind == StorageKind::Data {
            check_not_the_last(&self.world(), id)?;
            self.unregister_all(id, false).await?;
        }
        let after = StorageDomain { data_center: None, ..before.clone() };
        self.bring(before, after, |world, after| {
            if world.disks_in(after.id).next().is_some() {
                return Err(Error::conflict("Cannot detach Storage. The storage domain contains disks."));
            }
            match after.kind {
                StorageKind::Data => check_not_the_last(world, after.id),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Lets the row become that, and libvirt follow.
    async fn bring(
        &self,
        before: StorageDomain,
        after: StorageDomain,
        check: impl FnOnce(&World, &StorageDomain) -> Result<()>,
    ) -> Result<()> {
        if before == after {
            return Ok(());
        }
        self.require_connection()?;
        let intent = self
            .promise(|world| {
                check(world, &after)?;
                let operation = Operation::UpdateStorageDomain { before: Box::new(before.clone()) };
                Ok((operation, vec![Change::StorageDomain(after)]))
            })
            .await?;
        failpoint::hit("update_storage_domain.intended");
        self.conclude(intent, self.bring_storage_domain(&before).await.map(|_| vec![])).await
    }

    /// An active domain has a pool of its name, another one none.
    pub(super) async fn bring_storage_domain(&self, before: &StorageDomain) -> Result<()> {
        let now = self.storage_domain(before.id)?;
        if !now.active || now.name != before.name {
            self.drop_pool(before).await?;
        }
        if now.active {
            self.ensure_pool(&now).await?;
        }
        failpoint::hit("update_storage_domain.pooled");
        Ok(())
    }

    pub(super) async fn undo_update_storage_domain(&self, before: &StorageDomain) -> Result<()> {
        let failed = self.storage_domain(before.id)?;
        self.note(vec![Change::StorageDomain(before.clone())]).await;
        match self.bring_storage_domain(&failed).await {
            // Its folder went meanwhile: it is inactive, as the next look tells.
            Err(why) if why.kind == Kind::Conflict => Ok(()),
            brought => brought,
        }
    }

    async fn drop_pool(&self, domain: &StorageDomain) -> Result<()> {
        let name = Self::pool_name(domain);
        self.lane.slow(move |hv| hv.drop_pool(&name)).await
    }

    /// Removes a domain that is attached nowhere. With `format` what a data domain still holds goes,
    /// too, and its folder may be another's; else it stays as it is, and marked. With `destroy` nobody
    /// asks whether the folder is there, and one in maintenance goes with the rows of all that lies in it.
    pub async fn remove_storage_domain(
        self: &Arc<Self>,
        id: StorageDomainId,
        format: bool,
        destroy: bool,
    ) -> Result<()> {
        let (_guard, before) = self.hold_domain("remove storage domain", id).await?;
        match (before.data_center.is_some(), destroy && !before.active) {
            (false, _) => {}
            (true, true) if before.kind == StorageKind::Data => self.unregister_all(id, true).await?,
            (true, true) => {}
            (true, false) => {
                return Err(Error::conflict(
                    "Cannot remove Storage. The storage domain is attached to a data center.",
                ));
            }
        }
        if !destroy {
            self.space(&before).await?;
        }
        self.require_connection()?;
        let format = format && !destroy;
        if format && before.kind == StorageKind::Export && !self.exported(id).await?.is_empty() {
            return Err(Error::conflict(
                "Cannot remove Storage. VMs or Templates lie in the Export Domain: remove them first, or it without format.",
            ));
        }
        let intent = self
            .promise(|world| {
                if world.disks_in(id).next().is_some() {
                    return Err(Error::conflict("Cannot remove Storage. The storage domain contains disks."));
                }
                let profiles = world.profiles_of(id).cloned().collect();
                let operation =
                    Operation::RemoveStorageDomain { before: Box::new(before.clone()), profiles, format };
                Ok((operation, without_domain(world, id)))
            })
            .await?;
        failpoint::hit("remove_storage_domain.intended");
        // What it held left its hints first.
        self.keep_hints().await;
        self.conclude(intent, self.finish_remove_storage_domain(&before, format).await.map(|_| vec![])).await
    }

    pub(super) async fn finish_remove_storage_domain(
        &self,
        before: &StorageDomain,
        format: bool,
    ) -> Result<()> {
        self.drop_pool(before).await?;
        failpoint::hit("remove_storage_domain.pooled");
        if format {
            self.erase(before).await?;
            self.unmark(before).await?;
        }
        Ok(())
    }

    /// Removes what a data domain holds of nobody that is known: images, memories and hints. Of an
    /// export domain nothing is left by now, and of an ISO domain the files are not the engine's.
    async fn erase(&self, domain: &StorageDomain) -> Result<()> {
        if domain.kind != StorageKind::Data {
            return Ok(());
        }
        let (images, folder) = (self.images.clone(), PathBuf::from(&domain.folder));
        blocking(move || {
            let is_ours = |name: &str| name.split('.').next().is_some_and(|id| Uuid::try_parse(id).is_ok());
            for (name, _) in images.list(&folder, CONTENTS)?.into_iter().filter(|(name, _)| is_ours(name)) {
                images.remove(&folder.join(name))?;
            }
            let hints = images.hints(&folder)?;
            hints.into_iter().try_for_each(|(name, _)| images.drop_hint(&folder.join(name)))
        })
        .await
    }

    pub(super) async fn undo_remove_storage_domain(
        &self,
        before: &StorageDomain,
        profiles: &[DiskProfile],
        format: bool,
    ) -> Result<()> {
        if format {
            self.mark(before).await?;
        }
        let mut changes = vec![Change::StorageDomain(before.clone())];
        changes.extend(profiles.iter().cloned().map(Change::DiskProfile));
        self.note(changes).await;
        Ok(())
    }

    /// The file of an ISO domain that a client may write or remove, and the domain's free bytes.
    fn own_file(&self, domain: &StorageDomain, name: &str, verb: &str) -> Result<(PathBuf, u64)> {
        check_medium(name).or_else(|why| check_floppy(name).map_err(|_| why)).map_err(Error::invalid)?;
        if name.len() > 255 || name.starts_with('.') || name.contains(char::is_control) {
            return Err(Error::invalid(format!("'{name}' is not the name of an ISO file.")));
        }
        let free = self.require_active(verb, domain)?;
        Ok((Path::new(&domain.folder).join(name), free))
    }

    /// Writes a file of an ISO domain from its parts, in the place of one of that name. Whoever
    /// has that in a drive keeps it.
    pub async fn upload_file(
        &self,
        id: StorageDomainId,
        name: &str,
        size: Option<u64>,
        mut parts: impl FnMut() -> Result<Option<Vec<u8>>> + Send + 'static,
    ) -> Result<()> {
        let wanted = [(Entity::StorageDomain(id), Mode::Shared)];
        let _guard = self.take("upload", &wanted).await?;
        let domain = self.storage_domain(id)?;
        let (file, free) = self.own_file(&domain, name, "Cannot upload the file")?;
        if size > Some(free) {
            return Err(Error::conflict(format!(
                "Cannot upload the file. Low disk space on Storage Domain {}.",
                domain.name
            )));
        }
        let images = self.images.clone();
        lasting(&UPLOADS, move || images.write(&file, &mut parts)).await
    }

    /// Removes a file of an ISO domain that no VM has in its drive, nor gets there at its start.
    pub async fn remove_file(&self, id: StorageDomainId, name: &str) -> Result<()> {
        let wanted = [(Entity::StorageDomain(id), Mode::Shared)];
        let _guard = self.take("remove file", &wanted).await?;
        let domain = self.storage_domain(id)?;
        let (file, _) = self.own_file(&domain, name, "Cannot remove the file")?;
        if self.media_in_use(&domain).contains(&file) {
            return Err(Error::conflict("Cannot remove the file. A running VM has it in its drive."));
        }
        let starts_with = |vm: &&Vm| {
            let next = vm.next_run.as_deref();
            [Some(&vm.spec), next].into_iter().flatten().any(|spec| spec.cdrom.as_deref() == Some(name))
        };
        if let Some(vm) = self.world().vms.values().find(starts_with) {
            let name = &vm.spec.name;
            return Err(Error::conflict(format!("Cannot remove the file. It is the CD that VM {name} has.")));
        }
        let images = self.images.clone();
        blocking(move || images.remove(&file)).await
    }

    /// Notices that the folder of an active domain went, or came back; libvirt then gets its pool.
    pub(super) async fn watch_storage(&self) {
        let active: Vec<StorageDomain> =
            self.world().storage_domains.values().filter(|domain| domain.active).cloned().collect();
        for domain in active {
            let space = self.space(&domain).await.ok();
            self.watch_space(&domain, space);
            let there = space.is_some();
            let was_there = !self.lost_storage.lock().expect("no panic while held").contains(&domain.id);
            if there == was_there {
                continue;
            }
            let about = telling::about_domain(&self.world(), &domain);
            let name = &domain.name;
            if there {
                if let Err(why) = self.ensure_pool(&domain).await {
                    tracing::debug!("the pool of a storage domain could not be made: {why}");
                }
                self.lost_storage.lock().expect("no panic while held").remove(&domain.id);
                self.tell(Code::STORAGE_ACTIVATED, about, format!("Storage domain {name} is there again."));
            } else {
                self.lost_storage.lock().expect("no panic while held").insert(domain.id);
                let text = format!("Storage domain {name} is inactive: its folder is not there.");
                self.tell(Code::STORAGE_LOST, about, text);
            }
        }
    }

    /// Tells once when the free space has become less than the domain is to have.
    fn watch_space(&self, domain: &StorageDomain, space: Option<Space>) {
        let Some(Space { available, used, .. }) = space else { return };
        let blocked = domain.blocker.is_some() && domain.usable(available) == 0;
        let percent = |warning: u32| (available + used) / 100 * u64::from(warning);
        let low = blocked || domain.warning.is_some_and(|warning| available < percent(warning));
        let newly = {
            let mut known = self.low_storage.lock().expect("no panic while held");
            match low {
                true => known.insert(domain.id),
                false => {
                    known.remove(&domain.id);
                    false
                }
            }
        };
        if newly {
            let code = if blocked { Code::STORAGE_SPACE_CRITICAL } else { Code::STORAGE_SPACE_LOW };
            let text = format!(
                "Low disk space. Storage domain {} has {} GB of free space.",
                domain.name,
                available / GIB
            );
            let about = telling::about_domain(&self.world(), domain);
            self.tell(code, about, text);
        }
    }

    /// Removes what uploads and media left that a former process began.
    pub(super) async fn sweep_files(&self) {
        let sweep = |folder: PathBuf| {
            let images = self.images.clone();
            move || images.sweep(&folder)
        };
        let mut swept = vec![blocking(sweep(self.media_folder())).await];
        for domain in self.iso_domains() {
            swept.push(self.ask_storage(&domain, sweep(PathBuf::from(&domain.folder))).await);
        }
        for why in swept.into_iter().filter_map(Result::err) {
            tracing::debug!("a folder could not be swept: {why}");
        }
    }
}

/// A domain goes with its profiles.
fn without_domain(world: &World, id: StorageDomainId) -> Vec<Change> {
    let profiles = world.profiles_of(id).map(|profile| Change::DropDiskProfile(profile.id));
    profiles.chain([Change::DropStorageDomain(id)]).collect()
}

/// A data center keeps an active data domain.
fn check_not_the_last(world: &World, id: StorageDomainId) -> Result<()> {
    let is_other = |it: &StorageDomain| it.id != id && it.active && it.kind == StorageKind::Data;
    match world.storage_domains.values().any(is_other) {
        true => Ok(()),
        false => Err(Error::conflict(
            "Cannot detach Storage. Cannot remove the master Storage Domain from the Data Center without \
             another active Storage Domain to take its place.",
        )),
    }
}

fn unattached(verb: &str) -> Error {
    Error::conflict(format!("Cannot {verb} Storage. The storage domain is not attached to a data center."))
}

/// A name is part of a pool's in libvirt.
pub(super) fn check_name(world: &World, name: &str, id: StorageDomainId) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.is_empty() || name.len() > 50 || !name.chars().all(plain) {
        return Err(Error::invalid(
            "The name of a storage domain has 1 to 50 letters, digits, dashes and underscores.",
        ));
    }
    match world.storage_domains.values().any(|other| other.name == name && other.id != id) {
        true => Err(Error::conflict("Cannot add Storage. The Storage Domain name is already in use.")),
        false => Ok(()),
    }
}
