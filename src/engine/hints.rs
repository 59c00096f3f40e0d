//! Hints for who loses the database: beside the images, a file for each machine that says what it is.
//! They are written behind the operations, and healed at each start.

use super::first_world::DATA;
use super::lane::{FOLDERS, blocking, lasting};
use super::world::{Change, World};
use super::{Engine, ovf::connected};
use crate::error::Result;
use crate::model::*;
use crate::ovf::{Connected, Hint, Image, Lead, Machine};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// A burst of changes is one.
const BURST: Duration = Duration::from_millis(500);
/// How long hints wait for the engine to be up.
const PATIENCE: Duration = Duration::from_secs(10);
/// When a storage domain that was not there is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// What has a hint of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    Vm(VmId),
    Template(TemplateId),
    /// One that hangs on no VM.
    Disk(DiskId),
    /// One whose folder nobody would find else.
    Place(StorageDomainId),
}

impl Kept {
    pub(super) fn id(self) -> Uuid {
        match self {
            Self::Vm(id) => id.0,
            Self::Template(id) => id.0,
            Self::Disk(id) => id.0,
            Self::Place(id) => id.0,
        }
    }
}

/// Which hints have to be looked at, and which are written.
#[derive(Default)]
pub(super) struct Hints {
    stale: Mutex<BTreeSet<Kept>>,
    changed: tokio::sync::Notify,
    written: tokio::sync::Mutex<Written>,
}

/// Where the hints lie, and digests of what they say.
type Written = BTreeMap<Kept, (PathBuf, Uuid)>;

fn digest(hint: &Hint) -> Uuid {
    derived_id(&[&serde_json::to_vec(hint).unwrap_or_default()])
}

impl Hints {
    /// Rows are about to change: `world` is as it was.
    pub(super) fn follow(&self, changes: &[Change], world: &World) {
        let mut stale = self.stale.lock().expect("no panic while held");
        let before = stale.len();
        for change in changes {
            match change {
                Change::Vm(vm) => drop(stale.insert(Kept::Vm(vm.id))),
                Change::DropVm(vm) => {
                    stale.insert(Kept::Vm(*vm));
                    // Its disks float from now on, if they are kept.
                    stale.extend(world.disks_of(*vm).into_iter().map(|(_, disk)| Kept::Disk(disk.id)));
                }
                Change::Nic(Nic { vm, .. }) | Change::DropNic { vm, .. } => drop(stale.insert(Kept::Vm(*vm))),
                Change::Attachment(Attachment { vm, disk, .. }) | Change::DropAttachment { vm, disk } => {
                    stale.extend([Kept::Vm(*vm), Kept::Disk(*disk)]);
                }
                Change::Disk(disk) => {
                    stale.insert(Kept::Disk(disk.id));
                    stale.extend(world.attachments_of(disk.id).map(|on| Kept::Vm(on.vm)));
                    stale.extend(world.template_with(disk.id).map(|it| Kept::Template(it.id)));
                }
                Change::DropDisk(disk) => drop(stale.insert(Kept::Disk(*disk))),
                Change::Snapshot(snapshot) => drop(stale.insert(Kept::Vm(snapshot.vm))),
                Change::DropSnapshot { vm, .. } => drop(stale.insert(Kept::Vm(*vm))),
                Change::Template(template) => {
                    stale.insert(Kept::Template(template.id));
                    stale.extend(template.disks.iter().copied().map(Kept::Disk));
                }
                Change::DropTemplate(template) => drop(stale.insert(Kept::Template(*template))),
                // What it holds is where it was, or is there again.
                Change::StorageDomain(StorageDomain { id, .. }) | Change::DropStorageDomain(id) => {
                    stale.extend(all(world));
                    stale.insert(Kept::Place(*id));
                }
                _ => {}
            }
        }
        if stale.len() > before {
            self.changed.notify_one();
        }
    }
}

/// Everything that may have a hint.
fn all(world: &World) -> BTreeSet<Kept> {
    let vms = world.vms.keys().copied().map(Kept::Vm);
    let templates = world.templates.keys().copied().map(Kept::Template);
    let disks = world.disks.keys().copied().map(Kept::Disk);
    let places = world.storage_domains.keys().copied().map(Kept::Place);
    vms.chain(templates).chain(disks).chain(places).collect()
}

fn is_known(world: &World, kept: Kept) -> bool {
    match kept {
        Kept::Vm(id) => world.vms.contains_key(&id),
        Kept::Template(id) => world.templates.contains_key(&id),
        Kept::Disk(id) => world.disks.contains_key(&id),
        Kept::Place(id) => world.storage_domains.contains_key(&id),
    }
}

/// What is to become of a hint.
enum Wanted {
    Written(StorageDomainId, Box<Hint>),
    Gone,
    /// Where it belongs is not at hand.
    Later,
}

impl Engine {
    pub(super) async fn keep_hints_for_ever(self: Arc<Self>) {
        // The start comes first.
        let started = async {
            while !self.connected() {
                tokio::time::sleep(BURST).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, started).await;
        if let Err(why) = self.heal_hints().await {
            tracing::warn!("the hints of the storage domains could not be looked at: {why}");
        }
        loop {
            let whole = self.keep_hints().await;
            let pause = if whole { Duration::MAX } else { RETRY };
            let _ = tokio::time::timeout(pause, self.hints.changed.notified()).await;
            tokio::time::sleep(BURST).await;
        }
    }

    /// Learns what is written, forgets what a former process could not, and looks at everything anew.
    async fn heal_hints(&self) -> Result<()> {
        let domains: Vec<StorageDomain> = {
            let world = self.world();
            let data = world.storage_domains.values().filter(|it| it.kind == StorageKind::Data && it.active);
            data.cloned().collect()
        };
        for domain in domains {
            if self.space(&domain).await.is_err() {
                continue;
            }
            let folder = PathBuf::from(&domain.folder);
            let (images, its) = (self.images.clone(), folder.clone());
            let found = lasting(&FOLDERS, move || {
                let all = images.hints(&its).unwrap_or_default().into_iter();
                let read = all.filter_map(|(name, text)| {
                    let hint = Hint::read(&text).ok()?;
                    Some((name, digest(&hint), hint))
                });
                Ok(read.collect::<Vec<_>>())
            });
            for (name, digest, hint) in found.await? {
                let file = folder.join(&name);
                let ours = hint.owner.is_some() && hint.owner == self.world().hosts.keys().next().copied();
                let kept = kept(&hint).filter(|kept| Hint::file_name(kept.id()) == name && ours);
                let Some(kept) = kept else { continue };
                // Nobody may leave it where it lies meanwhile.
                let mut written = self.hints.written.lock().await;
                let (known, wanted) = {
                    let world = self.world();
                    (is_known(&world, kept), wanted(&world, kept))
                };
                let follows = match known {
                    true => !matches!(wanted, Wanted::Later),
                    false => self.is_needless(&hint).await,
                };
                if follows {
                    written.insert(kept, (file, digest));
                    self.hints.stale.lock().expect("no panic while held").insert(kept);
                }
            }
        }
        let everything = all(&self.world());
        self.hints.stale.lock().expect("no panic while held").extend(everything);
        Ok(())
    }

    /// The rows do not know what the hint is about: it may go when every disk of it is another's, or
    /// gone with its machine. An image that is there and that nobody else tells of keeps its hint.
    pub(super) async fn is_needless(&self, hint: &Hint) -> bool {
        let saved = hint.snapshots.iter().flat_map(|it| &it.disks).map(|saved| &saved.disk);
        let mut files: Vec<Result<PathBuf>> = {
            let world = self.world();
            // A shared one that is another's may be this machine's as well.
            let others =
                |disk: &Disk| world.disks.contains_key(&disk.id) && !(disk.shareable && hint.vm.is_some());
            let images = hint.disks.iter().chain(saved).filter(|disk| disk.lun.is_none() && !others(disk));
            images.map(|disk| self.image_file(&world, disk)).collect()
        };
        let memories = hint.snapshots.iter().filter_map(|it| self.memory_file(it).transpose());
        files.extend(memories);
        // Whoever does not know where it lies does not know that it is gone.
        let Ok(files) = files.into_iter().collect::<Result<Vec<_>>>() else { return false };
        let images = self.images.clone();
        let is_gone = move |file: &PathBuf| matches!(images.actual_size(file), Ok(None));
        lasting(&FOLDERS, move || Ok(files.iter().all(is_gone))).await.unwrap_or(false)
    }

    /// Brings the files to what the rows say; tells whether all of them are.
    pub(super) async fn keep_hints(&self) -> bool {
        let mut written = self.hints.written.lock().await;
        let stale = std::mem::take(&mut *self.hints.stale.lock().expect("no panic while held"));
        let mut whole = true;
        for kept in stale {
            if let Err(why) = self.keep_hint(kept, &mut written).await {
                tracing::warn!(id = %kept.id(), "a hint could not be written: {why}");
                self.hints.stale.lock().expect("no panic while held").insert(kept);
                whole = false;
            }
        }
        whole
    }

    async fn keep_hint(&self, kept: Kept, written: &mut Written) -> Result<()> {
        let (wanted, place) = {
            let world = self.world();
            let wanted = wanted(&world, kept);
            let place = match &wanted {
                Wanted::Written(place, _) => world.storage_domains.get(place).cloned(),
                _ => None,
            };
            (wanted, place)
        };
        let images = self.images.clone();
        match (wanted, place) {
            (Wanted::Later, _) => Ok(()),
            (Wanted::Written(_, hint), Some(place)) => {
                let file = Path::new(&place.folder).join(Hint::file_name(kept.id()));
                let digest = digest(&hint);
                if written.get(&kept).is_some_and(|(at, is)| *at == file && *is == digest) {
                    return Ok(());
                }
                // Where nobody answers, the hints of other domains would wait, too.
                self.space(&place).await?;
                let text = self.hint_text(&hint);
                let to = file.clone();
                blocking(move || images.keep_hint(&to, &text)).await?;
                let before = written.insert(kept, (file.clone(), digest));
                match before.map(|(at, _)| at).filter(|at| *at != file) {
                    Some(old) => self.drop_hint(old).await,
                    None => Ok(()),
                }
            }
            _ => {
                let Some((file, _)) = written.get(&kept).cloned() else { return Ok(()) };
                self.drop_hint(file).await?;
                written.remove(&kept);
                Ok(())
            }
        }
    }

    /// The hint of what was registered is one that is written, whatever it says: it goes with its row,
    /// however soon.
    pub(super) async fn adopt_hint(&self, place: StorageDomainId, kept: Kept) -> Result<()> {
        let file = Path::new(&self.storage_domain(place)?.folder).join(Hint::file_name(kept.id()));
        self.hints.written.lock().await.entry(kept).or_insert((file, Uuid::nil()));
        Ok(())
    }

    /// What could not be registered lies there as before.
    pub(super) async fn disown_hint(&self, kept: Kept) {
        self.hints.written.lock().await.remove(&kept);
    }

    /// Writes the hints of what is about to go without its images, and sees to them no more.
    pub(super) async fn leave_hints(
        &self,
        place: StorageDomainId,
        left: impl Iterator<Item = Kept>,
    ) -> Result<()> {
        let folder = PathBuf::from(self.storage_domain(place)?.folder);
        let mut written = self.hints.written.lock().await;
        for kept in left {
            let Some(hint) = hint_of(&self.world(), kept) else { continue };
            let (images, text) = (self.images.clone(), self.hint_text(&hint));
            let file = folder.join(Hint::file_name(kept.id()));
            let to = file.clone();
            blocking(move || images.keep_hint(&to, &text)).await?;
            if let Some((elsewhere, _)) = written.remove(&kept).filter(|(at, _)| *at != file) {
                self.drop_hint(elsewhere).await?;
            }
        }
        Ok(())
    }

    async fn drop_hint(&self, file: PathBuf) -> Result<()> {
        let images = self.images.clone();
        blocking(move || images.drop_hint(&file)).await
    }

    pub(super) fn hint_text(&self, hint: &Hint) -> String {
        let world = self.world();
        let (vm, created, cluster, template, spec) = match (&hint.vm, &hint.template) {
            (Some(vm), _) => (vm.id, vm.created, Some(vm.cluster), vm.template, &vm.spec),
            (None, Some(it)) => (VmId(it.id.0), it.created, it.cluster, it.id, &it.spec),
            _ => return hint.document(None),
        };
        let saved = |(disk, attachment): (&Disk, Attachment)| Image {
            saved: SavedDisk { disk: disk.clone(), attachment },
            // What images take changes all the time.
            actual_size: 0,
        };
        let hung = |disk: &Disk| {
            let known = hint.attachments.iter().find(|it| it.disk == disk.id).cloned();
            let target = String::new();
            known.unwrap_or(Attachment { vm, disk: disk.id, active: true, read_only: false, target })
        };
        // The rows beside it have what files hold.
        let mut spec = VmSpec { payloads: Vec::new(), ..spec.clone() };
        spec.initialization.iter_mut().for_each(|told| told.files.clear());
        let disks: Vec<Image> = hint.disks.iter().map(|disk| saved((disk, hung(disk)))).collect();
        let nics: Vec<Connected> = hint.nics.iter().map(|nic| connected(&world, nic)).collect();
        let home = cluster.and_then(|id| world.clusters.get(&id)).map(|cluster| cluster.data_center);
        hint.document(Some(&Machine {
            vm,
            created,
            created_by: super::first_world::ADMIN,
            generation: self.inventory.stamp(vm),
            template: (template, world.template_name(template).unwrap_or_default()),
            data_center: home.unwrap_or(DataCenterId(Uuid::nil())),
            spec: &spec,
            snapshot: (SnapshotId::active(vm), "Active VM"),
            exported: Timestamp::now(),
            disks: &disks,
            nics: &nics,
            placed: &[],
        }))
    }
}

pub(super) fn kept(hint: &Hint) -> Option<Kept> {
    let vm = hint.vm.as_ref().map(|it| Kept::Vm(it.id));
    let template = hint.template.as_ref().map(|it| Kept::Template(it.id));
    let place = hint.place.as_ref().map(|it| Kept::Place(it.id));
    vm.or(template).or(place).or_else(|| hint.disks.first().map(|disk| Kept::Disk(disk.id)))
}

pub(super) fn hint_of(world: &World, kept: Kept) -> Option<Hint> {
    let owner = world.hosts.keys().next().copied();
    let hint = match kept {
        Kept::Vm(id) => world.vms.get(&id).map(|vm| Hint { vm: Some(vm.clone()), ..of_vm(world, id) }),
        Kept::Template(id) => world.templates.get(&id).map(|template| Hint {
            disks: template.disks.iter().filter_map(|id| world.disks.get(id)).cloned().collect(),
            leads: template.nics.iter().map(|nic| lead(world, nic)).collect(),
            template: Some(template.clone()),
            ..Hint::default()
        }),
        Kept::Disk(id) => {
            let floats = world.attachments_of(id).next().is_none() && world.template_with(id).is_none();
            let disk = world.disks.get(&id).filter(|_| floats);
            disk.map(|disk| Hint { disks: vec![disk.clone()], ..Hint::default() })
        }
        Kept::Place(id) => {
            let elsewhere =
                world.storage_domains.get(&id).filter(|it| it.kind == StorageKind::Data && id != DATA);
            elsewhere.map(|place| Hint { place: Some(place.clone()), ..Hint::default() })
        }
    };
    hint.map(|hint| Hint { owner, ..hint })
}

fn wanted(world: &World, kept: Kept) -> Wanted {
    let Some(hint) = hint_of(world, kept) else { return Wanted::Gone };
    let first = hint.disks.iter().find(|disk| disk.lun.is_none()).map(|disk| disk.storage_domain);
    let place = first.unwrap_or(DATA);
    match world.storage_domains.get(&place) {
        Some(domain) if domain.active => Wanted::Written(place, Box::new(hint)),
        _ => Wanted::Later,
    }
}

fn of_vm(world: &World, id: VmId) -> Hint {
    let nics: Vec<Nic> = world.nics_of(id).into_iter().cloned().collect();
    Hint {
        disks: world.disks_of(id).into_iter().map(|(_, disk)| disk.clone()).collect(),
        attachments: world.disks_of(id).into_iter().map(|(on, _)| on.clone()).collect(),
        leads: nics.iter().map(|nic| lead(world, nic)).collect(),
        nics,
        snapshots: world.snapshots_of(id).into_iter().cloned().collect(),
        ..Hint::default()
    }
}

fn lead(world: &World, nic: &Nic) -> Lead {
    let Connected { nic, profile, network } = connected(world, nic);
    Lead { nic: nic.id, network, profile }
}
