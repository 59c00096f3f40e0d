//! The CD-ROM drive of a VM: the medium that is configured, and the one of the present run.

use super::locks::{Entity, Mode};
use super::{Engine, locks};
use crate::domain::{self, SeenDisk};
use crate::error::{Error, Kind, Result};
use crate::model::cdrom::{check_floppy, check_medium};
use crate::model::vm_state::Move;
use crate::model::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often, and how soon again, a medium is put back that another operation stands in the way of.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl Engine {
    /// The medium that is in the drive of the running VM.
    pub fn medium(&self, id: VmId) -> Result<Option<String>> {
        let view = self.vm(id)?;
        let Some(seen) = view.seen.filter(|_| view.status.runs()) else { return Ok(None) };
        // Whoever made the domain gave its drive a name of his own.
        let is_ours = |alias: &Option<String>| alias.as_deref() == Some(domain::CDROM_ALIAS);
        let drives = seen.observed.disks.iter().filter(|disk| disk.device == "cdrom");
        let drive = drives.min_by_key(|disk| !is_ours(&disk.alias));
        let file = drive.and_then(|drive| drive.file.as_deref());
        Ok(file.and_then(|file| self.iso_name(Path::new(file))))
    }

    /// Gives the VM another medium from its next start on, which looks for it; `None` leaves the drive
    /// empty.
    pub async fn configure_medium(
        self: &Arc<Self>,
        id: VmId,
        next_run: bool,
        medium: Option<String>,
    ) -> Result<()> {
        self.update_vm(id, next_run, |spec| {
            spec.cdrom = medium;
            Ok(())
        })
        .await
    }

    /// Puts another medium into the drive of the running VM, or takes it out. What is configured
    /// stays, and is there again after the next start. `force` opens a tray that the guest locked.
    /// One call and no row: a crash leaves nothing to finish.
    pub async fn change_medium(&self, id: VmId, medium: Option<String>, force: bool) -> Result<()> {
        self.own_vm(id)?;
        let _guard = self.take(locks::CHANGE_MEDIUM, &[(Entity::Vm(id), Mode::Shared)]).await?;
        self.may(id, Move::ChangeMedium)?;
        self.require_connection()?;
        let file = match &medium {
            None => None,
            Some(_) if self.iso_folders().is_empty() => {
                return Err(Error::conflict("Cannot Change CD without active ISO domain."));
            }
            Some(name) => Some(self.iso_file(name)?),
        };
        // One after the other, so that the last one is what is known of the drive.
        let _turn = self.definitions.take(id).await;
        let holds_it = |drive: &SeenDisk| drive.file.as_deref().map(Path::new) == file.as_deref();
        let mut drive = self.drive(id);
        if drive.as_ref().is_none_or(holds_it) {
            // Nothing is left undone for what was known of it a moment ago.
            self.look_at(id).await?;
            drive = self.drive(id);
        }
        let drive = drive.ok_or_else(|| Error::conflict("Cannot Change CD. The VM has no CD-ROM drive."))?;
        if holds_it(&drive) {
            return Ok(());
        }
        let drive = domain::with_medium(&drive, file.as_deref())?.to_string();
        let (doing, did, done) = match &medium {
            Some(name) => {
                (format!("Inserting CD {name} into"), format!("got the CD {name}"), Code::MEDIUM_CHANGED)
            }
            None => ("Ejecting the CD of".into(), "had its CD ejected".into(), Code::MEDIUM_EJECTED),
        };
        let telling = self.telling_vm(id, &doing, &did, done, Code::MEDIUM_CHANGE_FAILED);
        let change = self.lane.call(move |hv| match hv.change_medium(id, &drive, false) {
            // The guest is asked first: it may let go by itself.
            Err(why) if force && why.kind == Kind::Conflict => hv.change_medium(id, &drive, true),
            other => other,
        });
        let changed = self.told(telling, change).await;
        if changed.is_err() {
            // It may have changed all the same, and lost its answer.
            return changed.and(self.look_at(id).await);
        }
        self.inventory.set_medium(id, file.as_deref());
        Ok(())
    }

    /// The VM's own drive, as it was last seen.
    fn drive(&self, id: VmId) -> Option<SeenDisk> {
        let seen = self.inventory.seen(id)?;
        let is_ours = |disk: &&SeenDisk| disk.alias.as_deref() == Some(domain::CDROM_ALIAS);
        seen.observed.disks.iter().find(is_ours).cloned()
    }

    /// A guest that boots again finds the configured medium where its session left the drive empty.
    /// A run with overrides keeps to them.
    pub(super) async fn reinsert_medium(&self, id: VmId) {
        let Ok(vm) = self.own_vm(id) else { return };
        let Some(name) = vm.spec.cdrom.filter(|_| !vm.run_once) else { return };
        for _ in 0..ATTEMPTS {
            if !matches!(self.medium(id), Ok(None)) {
                return;
            }
            match self.change_medium(id, Some(name.clone()), false).await {
                Ok(()) => return,
                // Whoever asked for the reboot may still hold the VM.
                Err(why) if why.kind == Kind::Busy => tokio::time::sleep(PAUSE).await,
                Err(why) => {
                    return tracing::warn!(vm = %id, "the configured CD was not put into the drive: {why}");
                }
            }
        }
    }

    /// The file of a medium, in whichever ISO domain has it.
    pub fn iso_file(&self, name: &str) -> Result<PathBuf> {
        check_medium(name).map_err(Error::invalid)?;
        self.file_of_isos("CD", name)
    }

    pub(super) fn floppy_file(&self, name: &str) -> Result<PathBuf> {
        check_floppy(name).map_err(Error::invalid)?;
        self.file_of_isos("floppy", name)
    }

    fn file_of_isos(&self, what: &str, name: &str) -> Result<PathBuf> {
        let found = self.iso_domains().into_iter().find_map(|domain| {
            let (images, folder) = (self.images.clone(), PathBuf::from(&domain.folder));
            let name = name.to_owned();
            self.lookout.ask(&domain, move || images.beneath(&folder, &name)).ok()
        });
        found.ok_or_else(|| Error::invalid(format!("The {what} image '{name}' is no file of an ISO domain.")))
    }

    /// The name of a file, if it is one of an ISO domain.
    pub(super) fn iso_name(&self, file: &Path) -> Option<String> {
        let is_iso = self.iso_folders().iter().any(|folder| file.parent() == Some(folder));
        file.file_name().filter(|_| is_iso)?.to_str().map(str::to_owned)
    }

    pub(super) fn iso_domains(&self) -> Vec<StorageDomain> {
        let world = self.world();
        let isos = world.storage_domains.values().filter(|it| it.kind == StorageKind::Iso && it.active);
        isos.cloned().collect()
    }

    pub(super) fn iso_folders(&self) -> Vec<PathBuf> {
        self.iso_domains().into_iter().map(|domain| PathBuf::from(domain.folder)).collect()
    }
}
