//! Starts from the memory of a snapshot.
//!
//! The guest is brought back paused, and does nothing before the row says that its memory is used
//! up: as long as it does not, the memory still fits the disks.

use super::failpoint;
use super::inventory::Phase;
use super::journal::changed_vm;
use super::vm_power::StartOptions;
use super::world::{Change, Operation};
use super::{Engine, documents};
use crate::domain::{self, Medium};
use crate::error::{Error, Result};
use crate::model::*;
use crate::xml::Element;
use std::path::{Path, PathBuf};

/// Why what the memory knows stays as it is.
pub(super) const TO_WAKE: &str = "The VM is to go on from the memory of a Snapshot: start it, or restore the Snapshot without memory, first.";

impl Engine {
    /// Starts the VM, which is held, from the memory that it is to wake from.
    pub(super) async fn wake(&self, id: VmId, pause: bool) -> Result<()> {
        let intent = self.promise(|_| Ok((Operation::WakeVm { vm: id, pause }, vec![]))).await?;
        failpoint::hit("wake_vm.intended");
        self.conclude(intent, self.finish_wake(id, pause).await).await
    }

    pub(super) async fn finish_wake(&self, id: VmId, pause: bool) -> Result<Vec<Change>> {
        // A daemon that is gone may have asked for it: a guest that is still being read is paused, too.
        self.outlast_job(id).await?;
        self.look_at(id).await?;
        let vm = self.own_vm(id)?;
        if let Some(from) = vm.wakes_from {
            if !self.runs(id) {
                self.bring_back(&vm, from).await?;
            }
            failpoint::hit("wake_vm.restored");
            self.inventory.forget_stop(id);
            self.inventory.set_booted(id, None);
            let run = |vm: &mut Vm| {
                vm.begin_run();
                vm.run_once = false;
            };
            self.record(|world| Ok(changed_vm(world, id, run))).await?;
        }
        failpoint::hit("wake_vm.noted");
        if !pause && matches!(self.inventory.power(id), Some(Power::Paused(_))) {
            self.lane.call(move |hv| hv.resume(id)).await?;
            self.look_at(id).await?;
        }
        Ok(vec![])
    }

    /// A guest that has not done anything yet may be given up.
    pub(super) async fn undo_wake(&self, id: VmId, pause: bool) -> Result<Vec<Change>> {
        self.outlast_job(id).await?;
        self.look_at(id).await?;
        if self.own_vm(id)?.wakes_from.is_none() {
            return self.finish_wake(id, pause).await;
        }
        if matches!(self.inventory.power(id), Some(Power::Paused(_))) {
            self.lane.slow(move |hv| hv.destroy(id)).await?;
            self.look_at(id).await?;
        }
        self.drop_media(id).await;
        // It may have got the name back that its memory knows.
        self.sync_definition(id).await?;
        Ok(vec![])
    }

    /// Refuses a change of the devices that the memory knows, which the VM is to go on from.
    pub(super) fn check_not_to_wake(&self, id: VmId, wanted: Move) -> Result<()> {
        match self.world().vms.get(&id).is_some_and(|vm| vm.wakes_from.is_some()) {
            true => Err(Error::conflict(wanted.refusal(TO_WAKE))),
            false => Ok(()),
        }
    }

    async fn bring_back(&self, vm: &Vm, from: SnapshotId) -> Result<()> {
        let (id, snapshot) = (vm.id, self.any_snapshot(from)?);
        let Some(file) = self.memory_file(&snapshot)? else {
            return Err(Error::conflict("Cannot run VM. The Snapshot's memory is gone."));
        };
        let saved = self.saved_document(file.clone()).await?;
        let spec = self.spec_of_run(snapshot.spec, &saved);
        let beside = domain::media_in(&saved) > spec.payloads.len();
        let set_up = domain::first_medium_in(&saved).filter(|_| beside);
        let options = StartOptions {
            sysprep: Some(set_up == Some(PayloadKind::Floppy)),
            cloud_init: Some(set_up == Some(PayloadKind::Cdrom)),
            ..StartOptions::default()
        };
        let mut media = self.make_media(id, self.payloads_of(vm, &spec, &options)?).await?;
        let floppy = domain::floppy_in(&saved).map(PathBuf::from);
        media.extend(floppy.map(|file| Medium { kind: PayloadKind::Floppy, file, made: false }));
        let document = self.document_with(vm, &spec, Some(saved.clone()), &media)?;
        let document = domain::as_saved(&document, saved).to_string();
        self.give_back_name(id, &spec.name).await?;
        self.inventory.set_phase(id, Some(Phase::Restoring));
        let restored = self.lane.slow(move |hv| hv.restore(&file, &document)).await;
        let looked = self.look_at(id).await;
        self.inventory.end_phase(id, Phase::Restoring);
        restored.and(looked)
    }

    /// The configuration by which its memory's guest ran: a run with overrides is none of the VM's own.
    fn spec_of_run(&self, spec: VmSpec, saved: &Element) -> VmSpec {
        let VmSpec { name, machine, display, .. } = domain::observe_spec(saved);
        let seen = domain::observe(saved);
        let drive = seen.disks.iter().find(|disk| disk.alias.as_deref() == Some(domain::CDROM_ALIAS));
        let cdrom = drive.and_then(|drive| self.iso_name(Path::new(drive.file.as_deref()?)));
        VmSpec { name, machine, display, cdrom, ..spec }
    }

    /// libvirt brings a domain back by the name alone that it was saved with. A VM that was renamed
    /// since runs by that name, and its domain is renamed when it is down.
    async fn give_back_name(&self, id: VmId, name: &str) -> Result<()> {
        if self.inventory.seen(id).is_none_or(|seen| seen.domain.name == name) {
            return Ok(());
        }
        if self.inventory.named(name).is_some() {
            return Err(Error::conflict(format!(
                "Cannot run VM. The memory that it is to go on from is of a VM named {name}, as another VM is now."
            )));
        }
        let name = name.to_owned();
        self.lane.call(move |hv| hv.rename(id, &name)).await
    }

    /// The document of the domain that a file of memory is of.
    pub(super) async fn saved_document(&self, file: PathBuf) -> Result<Element> {
        let (images, looked) = (self.images.clone(), file.clone());
        if super::lane::blocking(move || images.actual_size(&looked)).await?.is_none() {
            return Err(Error::conflict("The memory of the Snapshot is gone.").because(file.display()));
        }
        let text = self.lane.call(move |hv| hv.saved_document(&file)).await?;
        documents::parse(&text)
    }
}
