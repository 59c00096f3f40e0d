//! A new database from what the storage domains remember, when the old one is lost. Nothing that is
//! there is changed: images and hints are read, rows are made of them.
//!
//! Hints and images may be anybody's: what they say is checked as what a client says, no image is read
//! as another format than its hint says, and none may lie over what is not an image of its own folder.

use super::disks::{MAX_SIZE, check_alias, check_lun};
use super::first_world::{self, DATA, DATA_CENTER};
use super::lane::{FOLDERS, blocking, lasting};
use super::looks::{Looks, Seen};
use super::ports::{Durability, Examined, Images, Store};
use super::snapshots::is_frozen;
use super::storage_domains;
use super::world::{Change, World};
use super::{Engine, Settings};
use crate::error::{Error, Result};
use crate::model::vm::{check_text, is_word};
use crate::model::*;
use crate::ovf::{DescribedNic, Hint};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What became of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub vms: usize,
    pub templates: usize,
    pub disks: usize,
    pub snapshots: usize,
    /// What is not as it was, or not there, a sentence each.
    pub notes: Vec<String>,
}

/// Fills an empty store with the first world and all that the hints in its storage domains tell of, in
/// those that the hints name, and in these.
pub async fn recover(
    settings: &Settings,
    store: Arc<dyn Store>,
    images: Arc<dyn Images>,
    more: Vec<PathBuf>,
) -> Result<Report> {
    let password = first_world::first_password(settings).await?;
    let settings = settings.clone();
    blocking(move || {
        let mut recovery = Recovery::new(&settings, Looks::at(images.as_ref()), password);
        let hints = recovery.gather(images.as_ref(), more);
        recovery.restore(images.as_ref(), hints);
        let Recovery { changes, mut report, world, .. } = recovery;
        report.vms = world.vms.len();
        report.templates = world.templates.len();
        report.disks = world.disks.len();
        report.snapshots = world.snapshots.len();
        store.commit(&changes, Durability::Synced)?;
        Ok(report)
    })
    .await
}

impl Engine {
    /// Looks at the images that a hint of that storage domain tells of, before anything is held.
    pub(super) async fn see_images(&self, place: StorageDomainId, hint: &Hint) -> Result<Seen> {
        self.space(&self.storage_domain(place)?).await?;
        let (world, images, hint) = (self.world().clone(), self.images.clone(), hint.clone());
        let portals = self.settings.portals.clone();
        lasting(&FOLDERS, move || {
            let looks = Looks::at(images.as_ref());
            Ok(Recovery::into(world, looks, place, &portals).seen(hint))
        })
        .await
    }
}

pub(super) struct Recovery<'a> {
    looks: Looks<'a>,
    /// The iSCSI portals that LUNs may have.
    portals: &'a Portals,
    /// What has been recovered.
    world: World,
    changes: Vec<Change>,
    report: Report,
    /// Nothing that lies elsewhere is read.
    only: Option<StorageDomainId>,
}

impl<'a> Recovery<'a> {
    /// Over a world that is there, for what one hint of that storage domain tells of, whoever wrote it.
    fn into(world: World, looks: Looks<'a>, place: StorageDomainId, portals: &'a Portals) -> Self {
        Self { looks, portals, world, changes: Vec::new(), report: Report::default(), only: Some(place) }
    }

    /// The same by what has been seen of its images.
    pub(super) fn of_seen(world: &World, seen: Seen, place: StorageDomainId, portals: &'a Portals) -> Self {
        Self::into(world.clone(), Looks::seen(seen), place, portals)
    }

    /// What there is to see of the hint's images. What is wrong with it is said by whoever takes it in.
    fn seen(mut self, hint: Hint) -> Seen {
        self.take(hint);
        self.looks.into_seen()
    }

    /// The rows of what the hint tells of; refused where anything is not as it was.
    pub(super) fn all_of(self, hint: Hint) -> Result<Vec<Change>> {
        self.with(hint).map(|recovery| recovery.changes)
    }

    /// The same, and the world that has them.
    pub(super) fn world_with(self, hint: Hint) -> Result<World> {
        self.with(hint).map(|recovery| recovery.world)
    }

    fn with(mut self, hint: Hint) -> Result<Self> {
        self.take(hint);
        match self.report.notes.is_empty() {
            true => Ok(self),
            false => Err(Error::conflict(self.report.notes.join(" "))),
        }
    }

    fn take(&mut self, mut hint: Hint) {
        let vm = hint.vm.as_ref().map(|vm| vm.id);
        let its = hint.attachments.iter().map(|on| on.vm).chain(hint.nics.iter().map(|nic| nic.vm));
        if !its.chain(hint.snapshots.iter().map(|it| it.vm)).all(|its| Some(its) == vm) {
            self.note("It tells of another VM, too.");
        }
        for snapshot in &mut hint.snapshots {
            // The devices of that host are not those of this one.
            snapshot.spec.host_devices = Vec::new();
            if snapshot.kind != SnapshotKind::Regular {
                self.note(format!("Snapshot {} is part of something that is not over.", snapshot.id));
            }
        }
        match hint.vm.clone() {
            Some(vm) => self.vm(vm, hint),
            None if hint.template.is_some() => self.template(hint),
            None => hint.disks.into_iter().for_each(|disk| {
                self.disk(disk, &[], "");
            }),
        }
    }

    fn new(settings: &'a Settings, looks: Looks<'a>, password: String) -> Self {
        let mut recovery = Self {
            looks,
            portals: &settings.portals,
            world: World::default(),
            changes: Vec::new(),
            report: Report::default(),
            only: None,
        };
        let first = first_world::missing(settings, &recovery.world, Some(password));
        first.into_iter().for_each(|change| recovery.add(change));
        recovery
    }

    fn add(&mut self, change: Change) {
        self.world.apply(&change);
        self.changes.push(change);
    }

    fn note(&mut self, what: impl Into<String>) {
        self.report.notes.push(what.into());
    }

    /// Finds the storage domains, each by the mark in its folder, and reads their hints.
    fn gather(&mut self, images: &dyn Images, more: Vec<PathBuf>) -> Vec<Hint> {
        let own = self.world.storage_domains.get(&DATA).map(|domain| PathBuf::from(&domain.folder));
        let mut open: Vec<(PathBuf, Option<StorageDomain>)> = own.into_iter().map(|it| (it, None)).collect();
        open.extend(more.into_iter().map(|folder| (folder, None)));
        let mut seen = BTreeSet::new();
        let mut found: BTreeMap<uuid::Uuid, Hint> = BTreeMap::new();
        while let Some((folder, row)) = open.pop() {
            if !seen.insert(folder.clone()) {
                continue;
            }
            let Some(place) = self.place(images, &folder, row) else { continue };
            let hints = match images.hints(&folder) {
                Ok(hints) => hints,
                Err(why) => {
                    self.note(format!("Storage domain {place} cannot be read: {why}"));
                    continue;
                }
            };
            for (name, text) in hints {
                let hint = match Hint::read(&text) {
                    Ok(hint) if hint.id().map(Hint::file_name).as_ref() == Some(&name) => hint,
                    Ok(_) => {
                        self.note(format!("{name} tells of something else."));
                        continue;
                    }
                    Err(why) => {
                        self.note(format!("{name}: {why}"));
                        continue;
                    }
                };
                if let Some(other) = &hint.place {
                    open.push((PathBuf::from(&other.folder), Some(other.clone())));
                    continue;
                }
                let id = hint.id().unwrap_or_default();
                // A move may have left an older one where the disks were.
                let at_home = hint.disks.first().is_none_or(|disk| disk.storage_domain == place);
                match found.contains_key(&id) {
                    true if !at_home => {
                        self.note(format!("{name} of storage domain {place} is an older one."))
                    }
                    _ => drop(found.insert(id, hint)),
                }
            }
        }
        found.into_values().collect()
    }

    /// The storage domain of a folder, with a row from now on.
    fn place(
        &mut self,
        images: &dyn Images,
        folder: &Path,
        row: Option<StorageDomain>,
    ) -> Option<StorageDomainId> {
        let known = self.world.storage_domains.values();
        if let Some(known) = known.into_iter().find(|domain| Path::new(&domain.folder) == folder) {
            return Some(known.id);
        }
        let marked = images.marked(folder).ok().flatten().and_then(|id| id.trim().parse().ok());
        let Some(id) = marked.filter(|id| row.as_ref().is_none_or(|row| row.id == *id)) else {
            self.note(format!("{} is not the folder of a storage domain.", folder.display()));
            return None;
        };
        let row = row.unwrap_or_else(|| {
            let (name, folder) = (format!("recovered-{id}"), folder.to_string_lossy().into_owned());
            StorageDomain {
                data_center: Some(DATA_CENTER),
                active: true,
                ..StorageDomain::new(id, &name, "", StorageKind::Data, folder)
            }
        });
        let fits = folder.is_absolute()
            && !self.world.storage_domains.contains_key(&id)
            && storage_domains::check_name(&self.world, &row.name, id).is_ok();
        if !fits {
            self.note(format!("{} is not a storage domain that can be taken in.", folder.display()));
            return None;
        }
        let profile = DiskProfile::new(DiskProfileId::random(), &row.name, id);
        let data_center = row.data_center.map(|_| DATA_CENTER);
        self.add(Change::StorageDomain(StorageDomain { data_center, ..row }));
        self.add(Change::DiskProfile(profile));
        Some(id)
    }

    /// Templates come before what lies over them.
    fn restore(&mut self, images: &dyn Images, hints: Vec<Hint>) {
        let (mut templates, others): (Vec<Hint>, Vec<Hint>) =
            hints.into_iter().partition(|hint| hint.template.is_some());
        // The first version of each is the base of the others.
        templates.sort_by_key(|hint| hint.template.as_ref().map(|template| (template.version, template.id)));
        templates.into_iter().for_each(|hint| self.template(hint));
        for hint in others {
            match hint.vm.clone() {
                Some(vm) => self.vm(vm, hint),
                None => {
                    for disk in hint.disks {
                        self.disk(disk, &[], "");
                    }
                }
            }
        }
        self.look_for_strangers(images);
    }

    fn template(&mut self, hint: Hint) {
        let Some(mut template) = hint.template else { return };
        let name = template.spec.name.clone();
        let others = self.world.templates.values();
        let taken = others.into_iter().any(|it| it.spec.name == name && it.base != template.base);
        let base = template.base == template.id || self.world.templates.contains_key(&template.base);
        let why = template.spec.check().err().or(taken.then(|| "its name is taken".into()));
        if let Some(why) = why.or_else(|| self.taken(template.id.0)) {
            return self.note(left_out("Template", &name, &why));
        }
        if !base {
            self.note(format!("Template {name} has lost the version that it was made from."));
            template.base = template.id;
        }
        let wanted = template.disks.clone();
        let there: Vec<DiskId> =
            hint.disks.into_iter().filter_map(|disk| self.disk(disk, &[], &name)).collect();
        template.disks = wanted.into_iter().filter(|id| there.contains(id)).collect();
        let copies = std::mem::take(&mut template.copies);
        template.copies = copies.into_iter().filter(|copy| self.has_copy(copy)).collect();
        template.cluster = template.cluster.and_then(|id| self.cluster(id));
        template.status = TemplateStatus::Ok;
        forget(&mut template.spec);
        template.nics = template.nics.iter().map(|nic| self.led(nic, &hint.leads)).collect();
        self.add(Change::Template(Box::new(template)));
    }

    fn vm(&mut self, mut vm: Vm, hint: Hint) {
        let name = vm.spec.name.clone();
        let taken = self.world.vm_named(&name).is_some();
        let why = vm.spec.check().err().or(taken.then(|| "its name is taken".into()));
        if let Some(why) = why.or_else(|| self.taken(vm.id.0)) {
            return self.note(left_out("VM", &name, &why));
        }
        let Some(cluster) = self.cluster(vm.cluster) else { return };
        vm.cluster = cluster;
        if !self.world.has_template(vm.template) {
            vm.template = BLANK;
        }
        vm.next_run = vm.next_run.filter(|next| next.check().is_ok() && next.name == name);
        forget(&mut vm.spec);
        vm.next_run.as_deref_mut().into_iter().for_each(forget);
        vm.machine = vm.machine.filter(|machine| is_word(machine, "._-"));
        let (id, wakes_from) = (vm.id, vm.wakes_from.take());
        self.add(Change::Vm(Box::new(vm.clone())));
        let mut its = BTreeSet::new();
        for disk in hint.disks {
            // Units of targets are here still when their VM comes back.
            let id = disk.id;
            let unit = self.world.disks.get(&id).is_some_and(|known| known.lun.is_some());
            its.extend((self.disk(disk, &hint.snapshots, &name).is_some() || unit).then_some(id));
        }
        for on in hint.attachments.into_iter().filter(|on| on.vm == id) {
            let shares = self.world.disks.get(&on.disk).is_some_and(|disk| disk.shareable);
            let free = shares || self.world.attachments_of(on.disk).next().is_none();
            let target = self.world.disks_of(id).iter().all(|(other, _)| other.target != on.target);
            match its.contains(&on.disk) && free && target && is_target(&on.target) {
                true => self.add(Change::Attachment(on)),
                false => self.note(format!("VM {name} is without its disk {}.", on.disk)),
            }
        }
        for nic in hint.nics.iter().filter(|nic| nic.vm == id) {
            let nic = self.led(nic, &hint.leads);
            let same = |other: &Nic| {
                other.id == nic.id || other.mac == nic.mac || (other.vm, &other.name) == (id, &nic.name)
            };
            match nic.check().is_ok() && !self.world.nics.values().any(same) {
                true => self.add(Change::Nic(nic)),
                false => self.note(format!("VM {name} is without its interface {}.", nic.name)),
            }
        }
        for snapshot in hint.snapshots.iter().filter(|snapshot| snapshot.vm == id) {
            self.snapshot(snapshot.clone(), &name, &its, &hint.snapshots, &hint.leads);
        }
        let has_memory = |id: &SnapshotId| self.world.snapshots.get(id).is_some_and(|it| it.memory.is_some());
        if let Some(moment) = wakes_from.filter(has_memory) {
            self.add(Change::Vm(Box::new(Vm { wakes_from: Some(moment), ..vm })));
        }
    }

    fn snapshot(
        &mut self,
        mut snapshot: Snapshot,
        vm: &str,
        disks: &BTreeSet<DiskId>,
        all: &[Snapshot],
        leads: &[crate::ovf::Lead],
    ) {
        let its = |saved: &SavedDisk| {
            let on = &saved.attachment;
            let fits = on.vm == snapshot.vm && on.disk == saved.disk.id && is_target(&on.target);
            fits && is_frozen(&saved.disk)
        };
        let sound = snapshot.spec.check().is_ok()
            && check_text("description", &snapshot.description, 4000).is_ok()
            && snapshot.disks.iter().all(its)
            && snapshot.disks.iter().map(|saved| saved.disk.id).collect::<BTreeSet<_>>().len()
                == snapshot.disks.len()
            && snapshot.nics.iter().all(|nic| nic.vm == snapshot.vm && nic.check().is_ok());
        if !sound || self.world.snapshots.contains_key(&snapshot.id) {
            return self.note(format!("VM {vm} is without its snapshot {}.", snapshot.description));
        }
        let before = snapshot.disks.len();
        // Nobody has looked at what it calls an image of another machine's disk, or of a LUN.
        let own = |id| disks.contains(&id) && self.world.disks.get(&id).is_some_and(is_frozen);
        snapshot.disks.retain(|saved| own(saved.disk.id));
        if snapshot.disks.len() != before {
            self.note(format!("Snapshot {} of VM {vm} is without some of its disks.", snapshot.description));
        }
        for saved in &mut snapshot.disks {
            let known = &self.world.disks[&saved.disk.id];
            (saved.disk.storage_domain, saved.disk.profile) = (known.storage_domain, known.profile);
            // A merge that had begun with one has left it illegal.
            let sound = saved.disk.status != DiskStatus::Illegal && self.is_sound(&saved.disk, all);
            saved.disk.status = if sound { DiskStatus::Ok } else { DiskStatus::Illegal };
            saved.disk.quota = None;
        }
        if snapshot.status == SnapshotStatus::Locked {
            snapshot.status = SnapshotStatus::Ok;
        }
        if self.only.is_some() {
            // It holds a whole libvirt document, which only the engine that wrote it may trust.
            snapshot.memory = None;
        }
        let (memory, had) = (Snapshot::memory_file(snapshot.id), snapshot.memory.is_some());
        snapshot.memory = snapshot.memory.filter(|place| {
            let domain = self.world.storage_domains.get(place);
            domain.is_some_and(|it| self.reads(it) && self.looks.has(Path::new(&it.folder), &memory))
        });
        if had && snapshot.memory.is_none() {
            self.note(format!("The memory of snapshot {} of VM {vm} is gone.", snapshot.description));
        }
        snapshot.machine = snapshot.machine.filter(|machine| is_word(machine, "._-"));
        forget(&mut snapshot.spec);
        snapshot.nics = snapshot.nics.iter().map(|nic| self.led(nic, leads)).collect();
        self.add(Change::Snapshot(Box::new(snapshot)));
    }

    /// Takes a disk in, with all of its images, and looks at each of them.
    fn disk(&mut self, mut disk: Disk, snapshots: &[Snapshot], owner: &str) -> Option<DiskId> {
        if let Some(known) = self.world.disks.get(&disk.id) {
            // Shared ones are told of by each of their VMs.
            return known.shareable.then_some(disk.id);
        }
        let known = self.world.snapshots.values().flat_map(|it| &it.disks).map(|saved| saved.disk.image);
        let known: BTreeSet<ImageId> = self.world.disks.values().map(|it| it.image).chain(known).collect();
        let saved = || snapshots.iter().flat_map(|it| &it.disks).map(|saved| &saved.disk);
        let of_it = saved().filter(|image| image.id == disk.id).map(|image| image.image);
        let own: BTreeSet<ImageId> = of_it.chain([disk.image]).collect();
        // Nor may another disk of the machine be what one of its images lies over.
        let twice = saved().any(|image| image.id != disk.id && own.contains(&image.image));
        let shares = twice || !own.is_disjoint(&known);
        let place = self.world.storage_domains.get(&disk.storage_domain);
        let place = place.filter(|it| self.reads(it)).map(|it| PathBuf::from(&it.folder));
        let taken = self.taken(disk.id.0);
        let refused = match (&place, check_alias(&disk.alias)) {
            _ if taken.is_some() => taken,
            (_, Err(why)) => Some(why.said),
            (None, _) if disk.lun.is_none() => Some("its storage domain is not there".into()),
            _ if shares => Some("its image is another's".into()),
            _ => self.find_lun(&mut disk).err(),
        };
        if let Some(why) = refused {
            self.note(left_out("Disk", &disk.alias, &why));
            return None;
        }
        let first = self.world.profiles_of(disk.storage_domain).next().map(|profile| profile.id);
        let known = disk.profile.filter(|id| {
            self.world.disk_profiles.get(id).is_some_and(|it| it.storage_domain == disk.storage_domain)
        });
        (disk.profile, disk.quota) = (known.or(first), None);
        if let (Some(folder), None) = (place, &disk.lun) {
            let unfinished = disk.status == DiskStatus::Locked;
            match self.look(&mut disk, &folder, snapshots) {
                Ok(()) => disk.status = DiskStatus::Ok,
                Err(_) if unfinished && self.is_missing(&folder, &disk) => {
                    self.note(format!("Disk {} had not been finished.", disk.alias));
                    return None;
                }
                Err(why) => {
                    let of = if owner.is_empty() { String::new() } else { format!(" of {owner}") };
                    self.note(format!("Disk {}{of} is illegal: {why}", disk.alias));
                    disk.status = DiskStatus::Illegal;
                }
            }
        }
        let id = disk.id;
        self.add(Change::Disk(disk));
        Some(id)
    }

    /// The disk's LUN as a client could have named it, where this host has it.
    fn find_lun(&self, disk: &mut Disk) -> Result<(), String> {
        let Some(lun) = &mut disk.lun else { return Ok(()) };
        lun.check()?;
        if matches!(lun.at, LunAt::Host { .. }) {
            lun.locate(&self.looks.luns().map_err(|why| why.said)?)?;
            disk.size = lun.size;
        }
        check_lun(self.portals, &self.world, lun)
    }

    /// Why nothing new can have that id.
    fn taken(&self, id: uuid::Uuid) -> Option<String> {
        self.world.has_object(id).then(|| "its identifier is another object's".into())
    }

    /// May images of the domain be taken in?
    fn reads(&self, place: &StorageDomain) -> bool {
        match self.only {
            Some(only) => place.id == only,
            None => place.kind == StorageKind::Data,
        }
    }

    /// The copy of a template's disk is there and is one.
    fn has_copy(&mut self, copy: &Disk) -> bool {
        let own = self.world.disks.get(&copy.id).filter(|own| own.image == copy.image);
        let place = self.world.storage_domains.get(&copy.storage_domain);
        let found = place.and_then(|place| {
            let folder = Path::new(&place.folder);
            self.looks.examine(folder, &copy.file_name(), copy.format).ok().flatten()
        });
        let whole =
            own.zip(found).is_some_and(|(own, found)| found == Examined { size: own.size, below: None });
        if !whole {
            self.note(format!("A copy of template disk {} is not there any more.", copy.alias));
        }
        whole
    }

    fn is_missing(&self, folder: &Path, disk: &Disk) -> bool {
        matches!(self.looks.examine(folder, &disk.file_name(), disk.format), Ok(None))
    }

    /// Every image of the disk lies over the one that the rows say, down to a whole one.
    fn look(&self, disk: &mut Disk, folder: &Path, snapshots: &[Snapshot]) -> Result<()> {
        let saved: Vec<&Disk> =
            snapshots.iter().filter_map(|it| it.disk(disk.id)).map(|it| &it.disk).collect();
        disk.size = self.look_at(disk, folder, &saved)?;
        saved.iter().try_for_each(|image| self.look_at(image, folder, &saved).map(drop))?;
        let mut below = disk.parent;
        for _ in 0..=saved.len() {
            let next = saved.iter().find(|image| Some(image.image) == below);
            below = next.and_then(|image| image.parent);
            if next.is_none() {
                return Ok(());
            }
        }
        Err(Error::host("its images lie over each other."))
    }

    /// Whether a frozen image, and each that it lies over, is what the rows say.
    fn is_sound(&self, image: &Disk, snapshots: &[Snapshot]) -> bool {
        let Some(place) = self.world.storage_domains.get(&image.storage_domain) else { return false };
        let saved: Vec<&Disk> =
            snapshots.iter().filter_map(|it| it.disk(image.id)).map(|it| &it.disk).collect();
        let mut next = Some(image);
        for _ in 0..=saved.len() {
            let Some(image) = next else { return true };
            if self.look_at(image, Path::new(&place.folder), &saved).is_err() {
                return false;
            }
            next = saved.iter().copied().find(|below| Some(below.image) == image.parent);
        }
        next.is_none()
    }

    fn look_at(&self, image: &Disk, folder: &Path, saved: &[&Disk]) -> Result<u64> {
        let name = image.file_name();
        let found = self.looks.examine(folder, &name, image.format)?;
        let Some(Examined { size, below }) = found else {
            return Err(Error::host(format!("its image {name} is not there.")));
        };
        let promised = match image.parent {
            None => None,
            Some(parent) => {
                let own = saved.iter().copied().find(|it| it.image == parent);
                // Other machines' images are written: only a template's may lie below.
                let mut templates =
                    self.world.templates.values().flat_map(|template| self.world.template_disks(template));
                let near = |it: &&Disk| it.image == parent && it.storage_domain == image.storage_domain;
                let lies = own.or_else(|| templates.find(near));
                let lies = lies
                    .ok_or_else(|| Error::host(format!("what its image {name} lies over is not known.")))?;
                Some((lies.file_name(), lies.format))
            }
        };
        if size > MAX_SIZE {
            return Err(Error::host(format!("its image {name} says that it has {size} bytes.")));
        }
        match below == promised {
            true => Ok(size),
            false => Err(Error::host(format!("its image {name} lies over another one than it did."))),
        }
    }

    /// Images that no hint knows. One that lies over a disk's newest image may hold what its guest wrote
    /// since the hint was written: nobody may write below it.
    fn look_for_strangers(&mut self, images: &dyn Images) {
        let saved = self.world.snapshots.values().flat_map(|it| &it.disks).map(|saved| &saved.disk);
        let known: BTreeSet<String> = self.world.disks.values().chain(saved).map(Disk::file_name).collect();
        let places: Vec<StorageDomain> = self.world.storage_domains.values().cloned().collect();
        for place in places.iter().filter(|place| place.kind == StorageKind::Data) {
            let folder = Path::new(&place.folder);
            let files = images.list(folder, &[".qcow2", ".raw"]).unwrap_or_default();
            for (name, _) in files.into_iter().filter(|(name, _)| !known.contains(name)) {
                let format = if name.ends_with(".raw") { DiskFormat::Raw } else { DiskFormat::Cow };
                let below = images.examine(folder, &name, format).ok().flatten().and_then(|it| it.below);
                let below = below.map(|(name, _)| name);
                let over = self.world.disks.values().find(|disk| Some(disk.file_name()) == below).cloned();
                match over.filter(|disk| self.world.template_with(disk.id).is_none()) {
                    Some(disk) => {
                        self.note(format!(
                            "Disk {} is illegal: {name}, which no hint knows, lies over its image.",
                            disk.alias
                        ));
                        self.add(Change::Disk(Disk { status: DiskStatus::Illegal, ..disk }));
                    }
                    None => {
                        self.note(format!("No hint knows the image {name} of storage domain {}.", place.name))
                    }
                }
            }
        }
    }

    fn cluster(&self, id: ClusterId) -> Option<ClusterId> {
        let clusters = &self.world.clusters;
        if clusters.contains_key(&id) { Some(id) } else { clusters.keys().next().copied() }
    }

    /// The interface on the networks of the same names.
    fn led(&self, nic: &Nic, leads: &[crate::ovf::Lead]) -> Nic {
        let lead = leads.iter().find(|lead| lead.nic == nic.id);
        let wanted = DescribedNic {
            id: None,
            name: nic.name.clone(),
            interface: nic.interface,
            mac: None,
            network: lead.and_then(|lead| lead.network.clone()),
            profile: lead.and_then(|lead| lead.profile.clone()),
            linked: nic.linked,
            plugged: nic.plugged,
        };
        let cluster = self.world.clusters.keys().next().copied();
        let (network, profile) = cluster.map_or((None, None), |it| self.world.named_lead(it, &wanted));
        Nic { network, profile, port_mirroring: Vec::new(), ..nic.clone() }
    }
}

fn left_out(what: &str, name: &str, why: &str) -> String {
    format!("{what} {name} is left out: {}.", why.trim_end_matches('.'))
}

/// `vda`
fn is_target(name: &str) -> bool {
    name.len() <= 8 && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// What a configuration names by ids that went with the database.
fn forget(spec: &mut VmSpec) {
    (spec.cpu_profile, spec.quota, spec.instance_type) = (None, None, None);
    spec.hosts.clear();
}
