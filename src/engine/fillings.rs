//! New disks that are made from others: a template's from a VM's, a VM's from a template's, those of
//! a clone from its original's.

use super::Engine;
use super::disks::{LEAST_IMAGE, check_alias};
use super::lane::{COPIES, blocking, lasting};
use super::locks::Entity;
use super::places::find_domain;
use super::world::{Change, Filling, World};
use crate::error::{Error, Result};
use crate::model::*;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use uuid::Uuid;

/// What a client says of a disk that is made from another one; `None`: it is as that one is.
#[derive(Clone, Debug, Default)]
pub struct DiskCopy {
    /// The other one, by its id or its image's.
    pub of: Uuid,
    pub alias: Option<String>,
    pub format: Option<DiskFormat>,
    pub sparse: Option<bool>,
    pub storage_domain: Option<StorageDomainId>,
    pub profile: Option<DiskProfileId>,
}

/// What a client says of all disks that are made from a machine's.
#[derive(Clone, Debug, Default)]
pub struct DiskCopies {
    pub each: Vec<DiskCopy>,
    /// Where those go that name no place.
    pub storage_domain: Option<StorageDomainId>,
}

impl DiskCopies {
    pub(super) fn of(&self, disk: &Disk) -> DiskCopy {
        let mut wanted = self.each.iter().find(|copy| copy.is_of(disk)).cloned().unwrap_or_default();
        wanted.storage_domain = wanted.storage_domain.or(self.storage_domain);
        wanted
    }
}

impl DiskCopy {
    pub(super) fn is_of(&self, disk: &Disk) -> bool {
        self.of == disk.id.0 || self.of == disk.image.0
    }
}

/// How new disks are made.
pub(super) struct Making<'a> {
    /// How a refusal begins.
    pub verb: &'static str,
    pub wanted: &'a DiskCopies,
    pub thin: bool,
    /// After whom disks are called that no client names; else as those that they are made from.
    pub owner: Option<&'a str>,
}

impl Engine {
    /// The new disks, locked, and what they are to hold.
    pub(super) fn plan_disks(
        &self,
        world: &World,
        originals: &[Disk],
        making: &Making<'_>,
    ) -> Result<(Vec<Disk>, Vec<Filling>)> {
        let mut each = making.wanted.each.iter();
        let unknown = each.find(|copy| !originals.iter().any(|disk| copy.is_of(disk)));
        if let Some(copy) = unknown {
            return Err(Error::not_found(format!("Disk: id={}", copy.of)));
        }
        let (mut disks, mut fillings) = (Vec::new(), Vec::new());
        let mut needed: BTreeMap<StorageDomainId, u64> = BTreeMap::new();
        for (index, original) in originals.iter().enumerate() {
            let disk = planned(world, original, making, index)?;
            let takes = match (making.thin, disk.sparse) {
                (true, _) => LEAST_IMAGE,
                (false, true) => self.shown(world, original),
                (false, false) => disk.size,
            };
            *needed.entry(disk.storage_domain).or_default() += takes;
            // A thin disk lies over what its own storage domain has.
            let near = world.template_copy(original.id, disk.storage_domain).unwrap_or(original);
            let source = if making.thin { near } else { original }.clone();
            self.require_active(making.verb, find_domain(world, source.storage_domain)?)?;
            fillings.push(Filling { disk: disk.id, source, thin: making.thin });
            disks.push(disk);
        }
        for (domain, bytes) in needed {
            self.check_room(world, making.verb, domain, bytes)?;
        }
        Ok((disks, fillings))
    }

    /// The files of all images that a disk is read from.
    fn chain_files(&self, world: &World, disk: &Disk) -> Vec<PathBuf> {
        world.chain(disk).into_iter().filter_map(|image| self.image_file(world, image).ok()).collect()
    }

    /// Bytes of all images that a disk is read from.
    pub(super) fn shown(&self, world: &World, disk: &Disk) -> u64 {
        self.bytes_of(world.storage_domains.get(&disk.storage_domain), self.chain_files(world, disk))
    }

    /// Makes the images; may be asked again.
    pub(super) async fn fill(&self, fillings: &[Filling]) -> Result<()> {
        for Filling { disk, source, thin } in fillings.iter().cloned() {
            let made = self.disk(disk)?;
            let (from, to, below) = {
                let world = self.world();
                let (from, to) = (self.image_file(&world, &source)?, self.image_file(&world, &made)?);
                (from, to, self.chain_files(&world, &source))
            };
            self.require_there(made.storage_domain).await?;
            let above = vec![to.clone()];
            let images = self.images.clone();
            if thin {
                blocking(move || images.overlay(&to, made.size, &source.file_name(), source.format)).await?;
                continue;
            }
            let work =
                lasting(&COPIES, move || images.flatten(&from, source.format, &to, made.format, made.sparse));
            self.watched(Entity::Disk(disk), &below, &above, work).await?;
        }
        self.refresh_pools();
        Ok(())
    }

    /// Removes what was made; gives the rows to drop.
    pub(super) async fn undo_fill(&self, fillings: &[Filling]) -> Result<Vec<Change>> {
        for filling in fillings {
            self.remove_image(filling.disk).await?;
        }
        self.refresh_pools();
        Ok(fillings.iter().map(|filling| Change::DropDisk(filling.disk)).collect())
    }

    /// The rows of disks that have been made.
    pub(super) fn filled(&self, fillings: &[Filling]) -> Vec<Change> {
        fillings.iter().flat_map(|filling| self.unlocked(filling.disk)).collect()
    }
}

fn planned(world: &World, original: &Disk, making: &Making<'_>, index: usize) -> Result<Disk> {
    let Making { verb, thin, owner, wanted } = *making;
    let wanted = wanted.of(original);
    if original.status != DiskStatus::Ok {
        return Err(Error::conflict(format!("{verb}. Disk {} is locked or illegal.", original.alias)));
    }
    let storage_domain = wanted.storage_domain.unwrap_or(original.storage_domain);
    let format = match thin {
        true => wanted.format.unwrap_or(DiskFormat::Cow),
        false => wanted.format.unwrap_or(original.format),
    };
    let is_near = storage_domain == original.storage_domain
        || world.template_copy(original.id, storage_domain).is_some();
    if thin && (!is_near || format == DiskFormat::Raw) {
        return Err(Error::invalid(format!(
            "{verb}. Disk {} lies over the template's, in a Storage Domain that has it and as COW; another one \
             needs disks/clone.",
            original.alias
        )));
    }
    if format == DiskFormat::Cow && wanted.sparse == Some(false) {
        return Err(Error::invalid(format!(
            "{verb}. Disk configuration (COW Preallocated) is incompatible with the storage domain type."
        )));
    }
    let mut profiles = world.profiles_of(storage_domain);
    let profile = match wanted.profile {
        Some(wanted) if !profiles.any(|profile| profile.id == wanted) => {
            return Err(Error::invalid(format!(
                "{verb}. The disk profile is not one of the storage domain."
            )));
        }
        Some(wanted) => Some(wanted),
        None if storage_domain == original.storage_domain => original.profile,
        None => profiles.next().map(|profile| profile.id),
    };
    let alias = match (wanted.alias, owner) {
        (Some(alias), _) => alias,
        (None, Some(owner)) => format!("{owner}_Disk{}", index + 1),
        (None, None) => original.alias.clone(),
    };
    check_alias(&alias)?;
    Ok(Disk {
        id: DiskId::random(),
        alias,
        storage_domain,
        image: ImageId::random(),
        parent: thin.then_some(original.image),
        format,
        sparse: format == DiskFormat::Cow || wanted.sparse.unwrap_or(original.sparse),
        shareable: false,
        profile,
        status: DiskStatus::Locked,
        created: Timestamp::now(),
        ..original.clone()
    })
}
