//! Export domains: copies of VMs and templates are written there, listed and removed. A copy is what it
//! is by its hint: files of which no hint tells are nobody's.

use super::carry::{Relocated, files_of, relocated};
use super::hints::{Kept, hint_of, kept};
use super::inventory::Phase;
use super::jobs::Started;
use super::lane::blocking;
use super::locks::{Entity, Guard, Mode};
use super::places::find_domain;
use super::snapshots::check_no_preview;
use super::stateless::check_not_stateless;
use super::world::{Change, Export, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::*;
use crate::ovf::Hint;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// How a machine is exported.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportOptions {
    /// In the place of what was exported of it before.
    pub over: bool,
    /// Without its snapshots.
    pub collapse: bool,
}

/// The machine that a hint is about, to lock it.
pub(super) fn subject(hint: &Hint) -> Option<Entity> {
    match kept(hint)? {
        Kept::Vm(id) => Some(Entity::Vm(id)),
        Kept::Template(id) => Some(Entity::Template(id)),
        Kept::Disk(_) | Kept::Place(_) => None,
    }
}

/// Files that other machines of an export domain have: nobody removes them, whatever a hint says.
fn files_of_others(hints: &[Hint], id: Uuid) -> BTreeSet<String> {
    hints.iter().filter(|hint| hint.id() != Some(id)).flat_map(files_of).collect()
}

/// The operation, by which the template's lock knows it.
pub(super) const EXPORTING: &str = "export template";

impl Engine {
    /// The VMs and templates that lie in an export domain.
    pub async fn exported(&self, place: StorageDomainId) -> Result<Vec<Hint>> {
        let mut hints = self.hints_in(place).await?;
        hints.retain(|hint| subject(hint).is_some());
        Ok(hints)
    }

    pub async fn exported_one(&self, place: StorageDomainId, id: Uuid) -> Result<Option<Hint>> {
        Ok(self.exported(place).await?.into_iter().find(|hint| hint.id() == Some(id)))
    }

    async fn remove_exported_files(
        &self,
        place: StorageDomainId,
        names: impl IntoIterator<Item = &String>,
        wipe: bool,
    ) -> Result<()> {
        let folder = PathBuf::from(self.storage_domain(place)?.folder);
        self.remove_files(names.into_iter().map(|name| folder.join(name)).collect(), wipe).await
    }

    /// Copies a VM that is down into an export domain, with all of its own disks.
    pub async fn export_vm(
        self: &Arc<Self>,
        id: VmId,
        to: StorageDomainId,
        options: ExportOptions,
    ) -> Result<Started<()>> {
        self.own_vm(id)?;
        let wanted = [(Entity::Vm(id), Mode::Exclusive), (Entity::StorageDomain(to), Mode::Shared)];
        let (guard, _) = self.hold_disks_of("export VM", id, &wanted, Mode::Shared).await?;
        self.may(id, Move::Export)?;
        self.export(guard, Kept::Vm(id), to, options).await
    }

    /// Copies a template into an export domain.
    pub async fn export_template(
        self: &Arc<Self>,
        id: TemplateId,
        to: StorageDomainId,
        over: bool,
    ) -> Result<Started<()>> {
        if id == BLANK {
            return Err(Error::conflict("Cannot export Template. The Blank template is everywhere."));
        }
        let disks = self.template(id)?.disks;
        let mut wanted =
            vec![(Entity::Template(id), Mode::Exclusive), (Entity::StorageDomain(to), Mode::Shared)];
        wanted.extend(disks.iter().map(|disk| (Entity::Disk(*disk), Mode::Shared)));
        let guard = self.take(EXPORTING, &wanted).await?;
        self.export(guard, Kept::Template(id), to, ExportOptions { over, collapse: false }).await
    }

    /// Promises the copy of what is held, and makes it.
    async fn export(
        self: &Arc<Self>,
        guard: Guard,
        kept: Kept,
        to: StorageDomainId,
        options: ExportOptions,
    ) -> Result<Started<()>> {
        let verb = match kept {
            Kept::Vm(_) => "Cannot export VM",
            _ => "Cannot export Template",
        };
        if self.storage_domain(to)?.kind != StorageKind::Export {
            return Err(Error::invalid(format!("{verb}. The Storage Domain is not one for exports.")));
        }
        let there = self.hints_in(to).await?;
        let others = files_of_others(&there, kept.id());
        let before = there.into_iter().find(|hint| subject(hint).is_some() && hint.id() == Some(kept.id()));
        if before.is_some() && !options.over {
            return Err(Error::conflict(format!(
                "{verb}. The Export Domain has it already: exclusive writes over that."
            )));
        }
        let plan = |world: &World| -> Result<Relocated> {
            let hint = ready(world, verb, kept)?;
            self.require_active_below(verb, world, hint.disks.iter().map(|disk| disk.id))?;
            Ok(relocated(hint, options.collapse, |_| to))
        };
        let carried = plan(&self.world())?.carried;
        let sizes = self.sizes_of(&carried).await?;
        let mut export = None;
        let intent = self
            .promise(|world| {
                let Relocated { hint, carried } = plan(world)?;
                self.require_room(verb, find_domain(world, to)?, 0)?;
                self.require_room_for(world, verb, &carried, &sizes)?;
                let promised = Export {
                    to,
                    doomed: before.iter().flat_map(files_of).filter(|name| !others.contains(name)).collect(),
                    wipe: before.iter().flat_map(|it| &it.disks).any(|disk| disk.wipe_after_delete),
                    hint,
                    carried,
                };
                export = Some(promised.clone());
                Ok((Operation::Export(Box::new(promised)), vec![]))
            })
            .await?;
        failpoint::hit("export.intended");
        let export = export.ok_or_else(|| Error::bug("an export was promised and is not there"))?;
        let vm = match kept {
            Kept::Vm(id) => Some(id),
            _ => None,
        };
        let making = vm.map(|id| self.enter(id, Phase::Making));
        let engine = self.clone();
        Ok(self.jobs.start((), async move {
            let exported = engine.conclude(intent, engine.finish_export(&export).await).await;
            drop(guard);
            drop(making);
            exported
        }))
    }

    fn hint_file(&self, place: StorageDomainId, hint: &Hint) -> Result<PathBuf> {
        let id = hint.id().ok_or_else(|| Error::bug("a hint of nothing"))?;
        Ok(Path::new(&self.storage_domain(place)?.folder).join(Hint::file_name(id)))
    }

    pub(super) async fn finish_export(&self, export: &Export) -> Result<Vec<Change>> {
        let Export { to, hint, carried, doomed, wipe } = export;
        self.require_there(*to).await?;
        if !self.is_exported(export).await? {
            let of = subject(hint).ok_or_else(|| Error::bug("an export of nothing"))?;
            self.carry(of, carried).await?;
            failpoint::hit("export.carried");
            let (images, file, text) =
                (self.images.clone(), self.hint_file(*to, hint)?, self.hint_text(hint));
            blocking(move || images.keep_hint(&file, &text)).await?;
        }
        failpoint::hit("export.written");
        self.remove_exported_files(*to, doomed, *wipe).await?;
        Ok(Vec::new())
    }

    /// Does the hint that is there tell of this copy, which is whole then?
    async fn is_exported(&self, export: &Export) -> Result<bool> {
        let id = export.hint.id().unwrap_or_default();
        Ok(self.exported_one(export.to, id).await?.as_ref() == Some(&export.hint))
    }

    pub(super) async fn undo_export(&self, export: &Export) -> Result<Vec<Change>> {
        if self.is_exported(export).await? {
            // What was there before may have begun to go.
            return self.finish_export(export).await;
        }
        self.uncarry(&export.carried).await?;
        Ok(Vec::new())
    }

    /// Removes what an export domain has of a VM.
    pub async fn remove_exported_vm(self: &Arc<Self>, from: StorageDomainId, id: VmId) -> Result<()> {
        self.remove_export(from, id.0, Entity::Vm(id)).await
    }

    /// The same of a template.
    pub async fn remove_exported_template(
        self: &Arc<Self>,
        from: StorageDomainId,
        id: TemplateId,
    ) -> Result<()> {
        self.remove_export(from, id.0, Entity::Template(id)).await
    }

    async fn remove_export(self: &Arc<Self>, from: StorageDomainId, id: Uuid, of: Entity) -> Result<()> {
        let wanted = [(of, Mode::Exclusive), (Entity::StorageDomain(from), Mode::Shared)];
        let _guard = self.take("remove export", &wanted).await?;
        let hint = self.exported_one(from, id).await?.filter(|hint| subject(hint) == Some(of));
        let hint = hint.ok_or_else(|| Error::not_found(id))?;
        let intent = self
            .promise(|world| {
                self.require_active("Cannot remove what was exported", find_domain(world, from)?)?;
                Ok((Operation::RemoveExport { from, hint: Box::new(hint.clone()) }, vec![]))
            })
            .await?;
        failpoint::hit("remove_export.intended");
        self.conclude(intent, self.finish_remove_export(from, &hint).await).await
    }

    /// The hint goes first: without it, what is left is nobody's.
    pub(super) async fn finish_remove_export(
        &self,
        from: StorageDomainId,
        hint: &Hint,
    ) -> Result<Vec<Change>> {
        self.require_there(from).await?;
        let (images, file) = (self.images.clone(), self.hint_file(from, hint)?);
        blocking(move || images.drop_hint(&file)).await?;
        failpoint::hit("remove_export.forgotten");
        let wipe = hint.disks.iter().any(|disk| disk.wipe_after_delete);
        let others = files_of_others(&self.hints_in(from).await?, hint.id().unwrap_or_default());
        self.remove_exported_files(from, files_of(hint).difference(&others), wipe).await?;
        Ok(Vec::new())
    }
}

/// The rows of what may be copied as it is.
fn ready(world: &World, verb: &'static str, kept: Kept) -> Result<Hint> {
    let hint = hint_of(world, kept).ok_or_else(|| Error::not_found(kept.id()))?;
    if let Kept::Vm(id) = kept {
        check_no_preview(world, verb, id)?;
        check_not_stateless(world, verb, id)?;
    }
    if hint.template.as_ref().is_some_and(|template| template.status != TemplateStatus::Ok) {
        return Err(Error::conflict(format!("{verb}. The template is locked or illegal.")));
    }
    match hint.disks.iter().find(|disk| disk.status != DiskStatus::Ok) {
        Some(disk) => Err(Error::conflict(format!("{verb}. Disk {} is locked or illegal.", disk.alias))),
        None => Ok(hint),
    }
}
