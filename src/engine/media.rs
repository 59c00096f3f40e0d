//! Media that are made for one run of a VM: what cloud-init reads, and payloads.
//!
//! They are made before the run and removed after it. A crash in between leaves files of a VM that
//! does not run: the next look at the world removes them.

use super::Engine;
use super::lane::blocking;
use super::locks::{self, Entity, Mode};
use super::vm_power::StartOptions;
use crate::domain::{self, Medium};
use crate::error::{Error, Result};
use crate::model::initialization::Initialization;
use crate::model::*;
use std::collections::BTreeSet;
use std::path::PathBuf;
use uuid::Uuid;

const SUFFIXES: &[&str] = &[".iso", ".img"];

impl Engine {
    pub(super) fn media_folder(&self) -> PathBuf {
        self.settings.state.join("payloads")
    }

    /// What the run is given: what sets the guest up when that is asked for, else at the first one.
    pub(super) fn payloads_of(&self, vm: &Vm, spec: &VmSpec, options: &StartOptions) -> Result<Vec<Payload>> {
        let wanted = options.initialization.as_ref().or(spec.initialization.as_deref());
        let first = wanted.is_some() && vm.is_fresh();
        let now = first || options.initialization.is_some();
        let is_floppy = |payload: &&Payload| payload.kind == PayloadKind::Floppy;
        let inserted = options.once.as_ref().and_then(|once| once.floppy.as_deref());
        let inserted = usize::from(inserted.is_some_and(|name| !name.is_empty()));
        let free = inserted + spec.payloads.iter().filter(is_floppy).count() == 0;
        let wanted = wanted.cloned().unwrap_or_default();
        let answers = match (options.sysprep, options.cloud_init) {
            (Some(true), _) => Some(true),
            (_, Some(true)) => Some(false),
            // What a flag says of another system's way says nothing. Nor is a floppy in the way that was
            // given for something else.
            (asked, _) if is_windows(&spec.os.kind) => asked.unwrap_or(now && free).then_some(true),
            (_, asked) => asked.unwrap_or(now).then_some(false),
        };
        let medium = answers.map(|answers| match answers {
            true => {
                let time_zone = wanted.time_zone.clone().or_else(|| spec.time_zone.clone());
                let wanted = Initialization { time_zone, ..wanted.clone() };
                domain::answers(&spec.os.kind, &spec.name, &wanted)
            }
            // An instance that cloud-init has not met is what makes it act.
            false => domain::seed(&Uuid::new_v4().to_string(), &spec.name, &wanted),
        });
        if medium.is_some() {
            wanted.check().map_err(Error::invalid)?;
        }
        let all: Vec<Payload> = medium.into_iter().chain(spec.payloads.iter().cloned()).collect();
        match inserted + all.iter().filter(is_floppy).count() > 1 {
            true => Err(Error::conflict("Cannot run VM. The VM's payload has its floppy drive.")),
            false => Ok(all),
        }
    }

    /// Makes the files of a run's media. The VM is held.
    pub(super) async fn make_media(&self, id: VmId, payloads: Vec<Payload>) -> Result<Vec<Medium>> {
        if payloads.is_empty() {
            return Ok(Vec::new());
        }
        let (folder, images) = (self.media_folder(), self.images.clone());
        blocking(move || {
            let mut media = Vec::new();
            for (index, payload) in payloads.iter().enumerate() {
                let suffix = match payload.kind {
                    PayloadKind::Cdrom => "iso",
                    PayloadKind::Floppy => "img",
                };
                let file = folder.join(format!("{id}-{index}.{suffix}"));
                images.compose(&file, payload)?;
                media.push(Medium { kind: payload.kind, file, made: true });
            }
            Ok(media)
        })
        .await
    }

    /// Removes what was made for a run of the VM that is over. The VM is held.
    pub(super) async fn drop_media(&self, id: VmId) {
        let (folder, images) = (self.media_folder(), self.images.clone());
        let dropped = blocking(move || {
            let of_vm = format!("{id}-");
            let files = images.list(&folder, SUFFIXES)?.into_iter().map(|(name, _)| name);
            let mut files = files.filter(|name| name.starts_with(&of_vm));
            files.try_for_each(|name| images.remove(&folder.join(name)))
        });
        if let Err(why) = dropped.await {
            tracing::warn!(vm = %id, "media of a run that is over are left for now: {why}");
        }
    }

    /// Removes the media of all VMs that do not run.
    pub(super) async fn sweep_media(&self) {
        let (folder, images) = (self.media_folder(), self.images.clone());
        let files = blocking(move || images.list(&folder, SUFFIXES)).await.unwrap_or_default();
        let ids = files.iter().filter_map(|(name, _)| name.get(..36)?.parse::<VmId>().ok());
        for id in ids.collect::<BTreeSet<VmId>>() {
            // Whoever holds the VM may be about to start it; one that runs is not held up.
            if self.is_off(id)
                && let Ok(_guard) = self.hold(locks::RECOVERY, &[(Entity::Vm(id), Mode::Exclusive)])
                && self.look_at(id).await.is_ok()
                && self.is_off(id)
            {
                self.drop_media(id).await;
            }
        }
    }
}
