//! New VMs: of a template, of a snapshot, or of another VM.

use super::fillings::{DiskCopies, Making};
use super::inventory::Phase;
use super::jobs::Started;
use super::locks::{Entity, Mode};
use super::snapshots::{check_no_preview, check_whole, is_frozen};
use super::stateless::check_not_stateless;
use super::world::{Change, Filling, Operation, World};
use super::{Engine, failpoint};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::*;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

const VERB: &str = "Cannot add VM";

/// What a new VM is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its disks lie over the template's, or are copies of them.
    Template { id: TemplateId, clone: bool },
    /// The VM as it was; it may run meanwhile.
    Snapshot(SnapshotId),
    /// Another VM, which is down.
    Vm(VmId),
}

impl Source {
    pub const BLANK: Self = Self::Template { id: BLANK, clone: false };
}

/// What a client gives for a new VM.
#[derive(Clone, Debug)]
pub struct NewVm {
    pub cluster: ClusterId,
    pub source: Source,
    pub spec: VmSpec,
    pub disks: DiskCopies,
    /// Who may do something with that may do it with the VM, too.
    pub grants_of: Option<Object>,
    /// The pool that it is one of.
    pub pool: Option<VmPoolId>,
}

/// What a source holds.
pub(super) struct Parts {
    spec: VmSpec,
    /// Those that have a moment of their own.
    pub disks: Vec<Disk>,
    /// Those of them that the guest does not write.
    read_only: BTreeSet<DiskId>,
    pub nics: Vec<Nic>,
}

impl Parts {
    pub fn of(world: &World, source: Source) -> Result<Self> {
        match source {
            Source::Template { id, .. } => {
                let missing = || Error::not_found(format!("Template: id={id}"));
                let template = world.template(id).ok_or_else(missing)?;
                if template.status != TemplateStatus::Ok {
                    return Err(Error::invalid(format!(
                        "{VERB}. The template {} is locked or illegal.",
                        template.spec.name
                    )));
                }
                let disks = template.disks.iter().filter_map(|disk| world.disks.get(disk)).cloned().collect();
                Ok(Self { spec: template.spec, disks, read_only: BTreeSet::new(), nics: template.nics })
            }
            Source::Snapshot(id) => {
                let found = world.snapshots.get(&id).filter(|it| it.kind == SnapshotKind::Regular);
                let snapshot = found.ok_or_else(|| Error::not_found(format!("Snapshot: id={id}")))?;
                if snapshot.status != SnapshotStatus::Ok {
                    return Err(Error::conflict(format!("{VERB}. The Snapshot is locked or in preview.")));
                }
                check_whole(VERB, world, snapshot)?;
                let saved = snapshot.disks.iter().map(|saved| (&saved.attachment, &saved.disk));
                Ok(Self::hanging(snapshot.spec.clone(), saved, snapshot.nics.clone()))
            }
            Source::Vm(id) => {
                let vm = world.vms.get(&id).ok_or_else(|| Error::not_found(id))?;
                check_no_preview(world, VERB, id)?;
                check_not_stateless(world, VERB, id)?;
                let own = world.disks_of(id).into_iter().filter(|(_, disk)| is_frozen(disk));
                let nics = world.nics_of(id).into_iter().cloned().collect();
                Ok(Self::hanging(vm.spec.clone(), own, nics))
            }
        }
    }

    fn hanging<'w>(
        spec: VmSpec,
        hung: impl Iterator<Item = (&'w Attachment, &'w Disk)>,
        nics: Vec<Nic>,
    ) -> Self {
        let (mut disks, mut read_only) = (Vec::new(), BTreeSet::new());
        for (attachment, disk) in hung {
            disks.push(disk.clone());
            read_only.extend(attachment.read_only.then_some(disk.id));
        }
        Self { spec, disks, read_only, nics }
    }
}

impl Engine {
    /// The configuration that a VM of that source begins with, still without a name.
    pub fn spec_of(&self, source: Source) -> Result<VmSpec> {
        if let Source::Vm(original) = source {
            self.own_vm(original)?;
        }
        let mut spec = Parts::of(&self.world(), source)?.spec;
        spec.renew_nodes();
        // Devices of the host have one owner.
        let host_devices = Vec::new();
        Ok(match source {
            Source::Template { .. } => VmSpec {
                name: String::new(),
                description: String::new(),
                comment: String::new(),
                host_devices,
                ..spec
            },
            _ => VmSpec { name: String::new(), host_devices, ..spec },
        })
    }

    /// Where the disks of such a VM will lie.
    pub fn places_of(&self, source: Source, wanted: &DiskCopies) -> Result<Vec<StorageDomainId>> {
        let disks = Parts::of(&self.world(), source)?.disks;
        let place = |disk: &Disk| wanted.of(disk).storage_domain.unwrap_or(disk.storage_domain);
        Ok(disks.iter().map(place).collect())
    }

    /// Promises the VM with its disks, locked, and makes them.
    pub async fn create_vm(self: &Arc<Self>, new: NewVm) -> Result<Started<VmId>> {
        new.spec.check().map_err(Error::invalid)?;
        self.require_connection()?;
        let template = match new.source {
            Source::Template { id, clone: false } => id,
            _ => BLANK,
        };
        let vm = Vm::new(VmId::random(), new.cluster, template, Timestamp::now(), new.spec);
        let id = vm.id;
        let original = match new.source {
            Source::Vm(original) => {
                self.own_vm(original)?;
                Some(original)
            }
            _ => None,
        };
        let present = Parts::of(&self.world(), new.source)?;
        if let Source::Template { .. } = new.source {
            vm.spec.check_placement(&present.spec).map_err(Error::invalid)?;
        }
        let held: Vec<DiskId> = present.disks.iter().map(|disk| disk.id).collect();
        // It gets interfaces while its images are still being made.
        let mut wanted = vec![(Entity::Vm(id), Mode::Shared), (Entity::Config(id), Mode::Exclusive)];
        wanted.extend(original.map(|original| (Entity::Vm(original), Mode::Shared)));
        wanted.extend(held.iter().map(|disk| (Entity::Disk(*disk), Mode::Shared)));
        let guard = self.take("create VM", &wanted).await?;
        if let Some(original) = original {
            self.may(original, Move::Clone)?;
        }
        // Whatever a document of this VM would be refused for is refused before anything is promised.
        self.check_document(&vm, &vm.spec)?;
        let mut images = Vec::new();
        let intent = self
            .promise(|world| {
                self.check_name_free(world, id, &vm.spec.name)?;
                if !world.clusters.contains_key(&vm.cluster) {
                    return Err(Error::not_found(format!("Cluster: {}", vm.cluster)));
                }
                let parts = Parts::of(world, new.source)?;
                if parts.disks.iter().any(|disk| !held.contains(&disk.id)) {
                    return Err(Error::busy("another operation"));
                }
                let thin = matches!(new.source, Source::Template { clone: false, .. });
                let owner = Some(vm.spec.name.as_str());
                let making = Making { verb: VERB, wanted: &new.disks, thin, owner };
                let (disks, fillings) = self.plan_disks(world, &parts.disks, &making)?;
                let nics = self.copied_nics(world, &vm, &with_sized(world, &vm, new.source, parts.nics))?;
                let mut row = vm.clone();
                world.drop_what_is_gone(&mut row.spec);
                let mut changes = vec![Change::Vm(Box::new(row))];
                if let Some(pool) = new.pool {
                    world.vm_pools.get(&pool).ok_or_else(|| Error::not_found(pool))?;
                    changes.push(Change::Pooled(Pooled { vm: id, pool }));
                }
                // Each as the one that it is a copy of.
                let hung =
                    hung(VERB, &vm, &disks, Vec::new())?.into_iter().zip(&parts.disks).map(|(it, from)| {
                        Change::Attachment(Attachment { read_only: parts.read_only.contains(&from.id), ..it })
                    });
                changes.extend(hung);
                changes.extend(disks.into_iter().map(Change::Disk));
                changes.extend(nics.into_iter().map(Change::Nic));
                if new.pool.is_none() {
                    changes.extend(self.ownership(world, roles::VM_OWNER, id.into()));
                }
                changes.extend(new.grants_of.iter().flat_map(|from| world.grants(*from, id.into())));
                images.clone_from(&fillings);
                Ok((Operation::CreateVm { vm: id, images: fillings, original }, changes))
            })
            .await?;
        failpoint::hit("create_vm.intended");
        // The answer tells of it before the work begins.
        let making = self.enter(id, Phase::Making);
        let engine = self.clone();
        Ok(self.jobs.start(id, async move {
            let made = engine.conclude(intent, engine.finish_create_vm(id, &images).await).await;
            // Whoever waits for the VM to be down may use it at once.
            drop(guard);
            drop(making);
            made
        }))
    }

    /// Images, then the definition: each may be asked again.
    pub(super) async fn finish_create_vm(&self, id: VmId, images: &[Filling]) -> Result<Vec<Change>> {
        // Whose undo has begun is undone.
        self.own_vm(id)?;
        if !images.is_empty() {
            self.fill(images).await?;
            failpoint::hit("create_vm.filled");
        }
        self.sync_definition(id).await?;
        failpoint::hit("create_vm.defined");
        self.pin_machine(id).await;
        Ok(self.filled(images))
    }

    pub(super) async fn undo_create_vm(&self, id: VmId, images: &[Filling]) -> Result<Vec<Change>> {
        // Who defines it for its interfaces comes to an end first, and finds no row after.
        let turn = self.definitions.take(id).await;
        self.note(vec![Change::DropVm(id)]).await;
        drop(turn);
        self.lane.call(move |hv| hv.undefine(id)).await?;
        let mut changes = self.undo_fill(images).await?;
        changes.push(Change::DropVm(id));
        Ok(changes)
    }
}

/// The interfaces of the source, and those of the new VM's instance type that it has no others for.
fn with_sized(world: &World, vm: &Vm, source: Source, mut nics: Vec<Nic>) -> Vec<Nic> {
    let size = vm.spec.instance_type.and_then(|id| world.instance_types.get(&id));
    if let (Some(size), Source::Template { .. }) = (size, source) {
        let more = size.nics.iter().filter(|nic| nics.iter().all(|other| other.name != nic.name));
        nics.extend(more.cloned().collect::<Vec<_>>());
    }
    nics
}

/// New disks as they hang on the VM, all of them plugged, beside those that have these targets.
pub(super) fn hung(verb: &str, vm: &Vm, disks: &[Disk], beside: Vec<String>) -> Result<Vec<Attachment>> {
    let chipset = domain::chipset(vm.machine.as_deref(), &vm.spec);
    let mut targets: Vec<String> = Vec::new();
    for disk in disks {
        let used: Vec<&str> = beside.iter().chain(&targets).map(String::as_str).collect();
        let target = domain::target(disk.interface, chipset, &used)
            .map_err(|why| Error::conflict(format!("{verb}. {why}")))?;
        targets.push(target);
    }
    let hang = |(disk, target): (&Disk, String)| Attachment {
        vm: vm.id,
        disk: disk.id,
        active: true,
        read_only: false,
        target,
    };
    Ok(disks.iter().zip(targets).map(hang).collect())
}
