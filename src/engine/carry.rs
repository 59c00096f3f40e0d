//! Machines that come to lie in other storage domains as copies: the rows that they have there, and how
//! their files come there. The copies have image ids of their own, so that neither end is mistaken for the
//! other, and what was there before stays whole until the new one is.

use super::Engine;
use super::lane::{COPIES, FOLDERS, lasting};
use super::locks::Entity;
use super::looks::changed;
use super::places::find_domain;
use super::ports::Images;
use super::world::World;
use crate::error::Result;
use crate::model::*;
use crate::ovf::Hint;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file that comes to lie in another storage domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    pub from: (StorageDomainId, String),
    pub to: (StorageDomainId, String),
    pub how: How,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    AsItIs,
    /// It lies over the image of that name there.
    Over {
        name: String,
        format: DiskFormat,
    },
    /// With all that lies below it.
    Whole {
        format: DiskFormat,
        sparse: bool,
    },
}

/// A machine as it is to be, and the way there.
pub(super) struct Relocated {
    pub hint: Hint,
    /// What others lie over comes before them.
    pub carried: Vec<Carried>,
}

/// What files take, by where they lie.
pub(super) type Sizes = BTreeMap<(StorageDomainId, String), Result<u64>>;

/// Units of targets and disks that others have, too, are no machine's own: they stay behind.
fn goes(disk: &Disk) -> bool {
    disk.lun.is_none() && !disk.shareable
}

/// The machine with its images where `to` says. Collapsed, it has no past: each disk is one image. A
/// guest's memory stays behind: what it holds is a whole libvirt document, which only its own engine may
/// trust.
pub(super) fn relocated(hint: Hint, collapse: bool, to: impl Fn(&Disk) -> StorageDomainId) -> Relocated {
    let disks: Vec<Disk> = hint.disks.iter().filter(|disk| goes(disk)).cloned().collect();
    let mut snapshots = if collapse { Vec::new() } else { hint.snapshots.clone() };
    for snapshot in &mut snapshots {
        snapshot.disks.retain(|saved| disks.iter().any(|disk| disk.id == saved.disk.id));
    }
    let saved = snapshots.iter().flat_map(|it| &it.disks).map(|saved| &saved.disk);
    let images: Vec<Disk> = saved.chain(&disks).cloned().collect();
    let names: BTreeMap<ImageId, ImageId> =
        images.iter().map(|image| (image.image, ImageId::random())).collect();
    let moved = |image: &Disk| Disk {
        image: names[&image.image],
        parent: image.parent.and_then(|parent| names.get(&parent)).copied(),
        storage_domain: to(image),
        profile: None,
        quota: None,
        status: DiskStatus::Ok,
        ..image.clone()
    };
    let mut carried = Vec::new();
    let mut seen = BTreeSet::new();
    for image in images.iter().filter(|image| seen.insert(image.image)) {
        let there = moved(image);
        let below = images.iter().find(|below| Some(below.image) == image.parent);
        let how = match (image.parent, below) {
            (None, _) => How::AsItIs,
            (_, Some(below)) => How::Over { name: moved(below).file_name(), format: below.format },
            // Over a template's, or over a past that does not come along.
            (_, None) => How::Whole { format: image.format, sparse: image.sparse },
        };
        carried.push(Carried {
            from: (image.storage_domain, image.file_name()),
            to: (there.storage_domain, there.file_name()),
            how,
        });
    }
    for snapshot in &mut snapshots {
        for saved in &mut snapshot.disks {
            saved.disk = moved(&saved.disk);
        }
        snapshot.memory = None;
    }
    let disks: Vec<Disk> = disks.iter().map(moved).collect();
    let there = |on: &Attachment| disks.iter().any(|disk| disk.id == on.disk);
    let hint = Hint {
        vm: hint.vm.map(|vm| Vm { wakes_from: None, ..vm }),
        template: hint.template.map(|template| Template { copies: Vec::new(), ..template }),
        attachments: hint.attachments.into_iter().filter(there).collect(),
        disks,
        snapshots,
        ..hint
    };
    Relocated { hint, carried }
}

/// The names of all images that a machine has in an export domain.
pub fn files_of(hint: &Hint) -> BTreeSet<String> {
    let saved = hint.snapshots.iter().flat_map(|it| &it.disks).map(|saved| &saved.disk);
    hint.disks.iter().chain(saved).filter(|disk| disk.lun.is_none()).map(Disk::file_name).collect()
}

/// The storage domains at both ends of the way.
pub(super) fn ends(carried: &[Carried]) -> BTreeSet<StorageDomainId> {
    carried.iter().flat_map(|one| [one.from.0, one.to.0]).collect()
}

fn file_in(world: &World, (domain, name): &(StorageDomainId, String)) -> Result<PathBuf> {
    Ok(Path::new(&find_domain(world, *domain)?.folder).join(name))
}

/// What it takes, with all that comes along with it.
fn size(images: &dyn Images, one: &Carried, file: &Path) -> Result<u64> {
    let files = match one.how {
        How::Whole { format, .. } => images.chain(file, format)?,
        _ => vec![(one.from.1.clone(), DiskFormat::Raw)],
    };
    let mut bytes = 0;
    for (name, _) in files {
        bytes += images.actual_size(&file.with_file_name(name))?.unwrap_or(0);
    }
    Ok(bytes)
}

impl Engine {
    /// What the files take that are to be carried, before anything is held.
    pub(super) async fn sizes_of(&self, carried: &[Carried]) -> Result<Sizes> {
        for place in carried.iter().map(|one| one.from.0).collect::<BTreeSet<_>>() {
            self.require_there(place).await?;
        }
        let files: Result<Vec<_>> = {
            let world = self.world();
            let file = |one: &Carried| Ok((one.clone(), file_in(&world, &one.from)?));
            carried.iter().map(file).collect()
        };
        let (files, images) = (files?, self.images.clone());
        lasting(&FOLDERS, move || {
            let size =
                |(one, file): (Carried, PathBuf)| (one.from.clone(), size(images.as_ref(), &one, &file));
            Ok(files.into_iter().map(size).collect())
        })
        .await
    }

    /// Refuses storage domains that have no room for what comes, by the sizes that were found.
    pub(super) fn require_room_for(
        &self,
        world: &World,
        verb: &str,
        carried: &[Carried],
        sizes: &Sizes,
    ) -> Result<()> {
        let mut needed: BTreeMap<StorageDomainId, u64> = BTreeMap::new();
        for one in carried {
            let size = sizes.get(&one.from).cloned();
            *needed.entry(one.to.0).or_default() += size.unwrap_or_else(|| Err(changed()))?;
        }
        for (domain, bytes) in needed {
            self.require_room(verb, find_domain(world, domain)?, bytes)?;
        }
        Ok(())
    }

    /// Refuses a storage domain whose folder is not there: where nothing is mounted, files would be nobody's.
    pub(super) async fn require_there(&self, place: StorageDomainId) -> Result<()> {
        self.space(&self.storage_domain(place)?).await.map(drop)
    }

    /// Brings the files where they are to be; may be asked again.
    pub(super) async fn carry(&self, of: Entity, carried: &[Carried]) -> Result<()> {
        for place in ends(carried) {
            self.require_there(place).await?;
        }
        for one in carried {
            let (from, to) = {
                let world = self.world();
                (file_in(&world, &one.from)?, file_in(&world, &one.to)?)
            };
            let (below, above) = ([from.clone()], [to.clone()]);
            let (images, how) = (self.images.clone(), one.how.clone());
            let work = lasting(&COPIES, move || match how {
                How::AsItIs => images.copy(&from, &to),
                How::Over { name, format } => {
                    images.copy(&from, &to)?;
                    images.rebase(&to, &name, format)?;
                    images.sync(&to)
                }
                How::Whole { format, sparse } => images.flatten(&from, format, &to, format, sparse),
            });
            self.watched(of, &below, &above, work).await?;
        }
        self.refresh_pools();
        Ok(())
    }

    /// Removes what was brought; fine where it never came.
    pub(super) async fn uncarry(&self, carried: &[Carried]) -> Result<()> {
        for place in carried.iter().map(|one| one.to.0).collect::<BTreeSet<_>>() {
            self.require_there(place).await?;
        }
        let files: Result<Vec<PathBuf>> = {
            let world = self.world();
            carried.iter().map(|one| file_in(&world, &one.to)).collect()
        };
        self.remove_files(files?, false).await?;
        self.refresh_pools();
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use uuid::Uuid;

    const FROM: StorageDomainId = StorageDomainId(Uuid::from_u128(1));
    const TO: StorageDomainId = StorageDomainId(Uuid::from_u128(2));
    const VM: VmId = VmId(Uuid::from_u128(3));

    pub fn disk(image: u128, parent: Option<u128>) -> Disk {
        let id = |n| ImageId(Uuid::from_u128(n));
        Disk {
            id: DiskId(Uuid::from_u128(4)),
            alias: "data".into(),
            description: String::new(),
            storage_domain: FROM,
            image: id(image),
            parent: parent.map(id),
            format: DiskFormat::Cow,
            sparse: true,
            size: GIB,
            interface: DiskInterface::Virtio,
            bootable: true,
            shareable: false,
            wipe_after_delete: false,
            propagate_errors: false,
            profile: Some(DiskProfileId::random()),
            quota: None,
            status: DiskStatus::Locked,
            created: "2026-01-01T00:00:00Z".parse().unwrap(),
            lun: None,
        }
    }

    fn snapshot(of: Disk) -> Snapshot {
        let attachment =
            Attachment { vm: VM, disk: of.id, active: true, read_only: false, target: "vda".into() };
        Snapshot {
            id: SnapshotId::random(),
            vm: VM,
            description: "s".into(),
            kind: SnapshotKind::Regular,
            status: SnapshotStatus::Ok,
            date: of.created,
            spec: Template::blank().spec,
            machine: None,
            nics: Vec::new(),
            disks: vec![SavedDisk { disk: of, attachment }],
            lost: Default::default(),
            memory: Some(FROM),
        }
    }

    /// Image 12 over image 11, which a snapshot has, over a template's image 10.
    fn layered() -> Hint {
        let snapshots = vec![snapshot(disk(11, Some(10)))];
        Hint { disks: vec![disk(12, Some(11))], snapshots, ..Hint::default() }
    }

    fn ways(carried: &[Carried]) -> Vec<(&str, &How)> {
        carried.iter().map(|one| (&one.from.1[34..36], &one.how)).collect()
    }

    #[test]
    fn the_past_comes_along_and_the_template_does_not() {
        let Relocated { hint, carried } = relocated(layered(), false, |_| TO);
        let (now, past) = (&hint.disks[0], &hint.snapshots[0].disks[0].disk);
        assert_eq!((now.parent, past.parent), (Some(past.image), None));
        assert_eq!((now.storage_domain, past.storage_domain, now.profile), (TO, TO, None));
        assert_eq!(hint.snapshots[0].memory, None);
        let whole = How::Whole { format: DiskFormat::Cow, sparse: true };
        let over = How::Over { name: past.file_name(), format: DiskFormat::Cow };
        let ways = ways(&carried);
        assert_eq!(ways, [("0b", &whole), ("0c", &over)], "what lies below comes first");
        assert_eq!(carried[1].to, (TO, now.file_name()));
        let files: BTreeSet<String> = carried.iter().map(|one| one.to.1.clone()).collect();
        assert_eq!(files_of(&hint), files);
    }

    #[test]
    fn what_is_collapsed_has_one_image_for_each_disk() {
        let Relocated { hint, carried } = relocated(layered(), true, |_| TO);
        assert!(hint.snapshots.is_empty() && hint.disks[0].parent.is_none());
        assert_eq!(ways(&carried), [("0c", &How::Whole { format: DiskFormat::Cow, sparse: true })]);
        let alone = Hint { disks: vec![disk(12, None)], ..Hint::default() };
        assert_eq!(ways(&relocated(alone, true, |_| TO).carried), [("0c", &How::AsItIs)]);
    }

    #[test]
    fn what_others_have_too_stays() {
        let hint = Hint { disks: vec![Disk { shareable: true, ..disk(12, None) }], ..Hint::default() };
        let Relocated { hint, carried } = relocated(hint, false, |_| TO);
        assert!(hint.disks.is_empty() && carried.is_empty());
    }
}
