//! Disks of templates in several storage domains, so that thin disks can be made in each of them.

use super::Engine;
use super::exports::EXPORTING;
use super::jobs::Started;
use super::journal::changed;
use super::lane::{COPIES, lasting};
use super::locks::{Entity, Mode};
use super::world::{Change, Operation, World};
use crate::error::{Error, Result};
use crate::model::*;
use std::sync::Arc;

/// The operation, by which the disk's lock knows it.
const COPYING: &str = "copy template disk";
const COPY: &str = "Cannot copy Template Disk";
const REMOVE: &str = "Cannot remove Template Disk";

impl Engine {
    /// A disk of a template is being copied: it shows as locked, though VMs are made of it meanwhile.
    pub fn is_copied(&self, disk: DiskId) -> bool {
        self.locks.has(Entity::Disk(disk), COPYING)
    }

    /// The same of the template, which may also be exported.
    pub fn is_template_copied(&self, id: TemplateId) -> bool {
        [COPYING, EXPORTING].iter().any(|operation| self.locks.has(Entity::Template(id), operation))
    }

    /// Copies one of the template's disks into another storage domain. VMs are made of it meanwhile.
    pub async fn copy_template_disk(
        self: &Arc<Self>,
        id: TemplateId,
        disk: DiskId,
        to: StorageDomainId,
    ) -> Result<Started<()>> {
        let wanted = [
            (Entity::Template(id), Mode::Exclusive),
            (Entity::Disk(disk), Mode::Shared),
            (Entity::StorageDomain(to), Mode::Shared),
        ];
        let guard = self.take(COPYING, &wanted).await?;
        let original = self.disk_of(id, disk)?;
        if original.status != DiskStatus::Ok {
            return Err(Error::conflict(format!("{COPY}. The disk is locked or illegal.")));
        }
        let mut copy = original.clone();
        let intent = self
            .promise(|world| {
                if world.template_copy(disk, to).is_some() {
                    return Err(Error::conflict(format!(
                        "{COPY}. The Template's disk is in that Storage Domain already."
                    )));
                }
                self.check_target(world, COPY, &original, to, self.shown(world, &original))?;
                let profile = world.profiles_of(to).next().map(|profile| profile.id);
                copy = Disk { storage_domain: to, profile, ..original.clone() };
                Ok((Operation::CopyTemplateDisk { template: id, copy: Box::new(copy.clone()) }, vec![]))
            })
            .await?;
        let engine = self.clone();
        Ok(self.jobs.start((), async move {
            let _guard = guard;
            engine.conclude(intent, engine.finish_copy_template_disk(id, &copy).await).await
        }))
    }

    pub(super) async fn finish_copy_template_disk(&self, id: TemplateId, copy: &Disk) -> Result<Vec<Change>> {
        let (from, to) = {
            let world = self.world();
            let original = world.disks.get(&copy.id).ok_or_else(|| Error::not_found(copy.id))?;
            (self.image_file(&world, original)?, self.image_file(&world, copy)?)
        };
        self.require_there(copy.storage_domain).await?;
        let (below, above) = (vec![from.clone()], vec![to.clone()]);
        let images = self.images.clone();
        let work = lasting(&COPIES, move || images.copy(&from, &to));
        self.watched(Entity::Template(id), &below, &above, work).await?;
        self.refresh_pools();
        let is_new = |other: &Disk| (other.id, other.storage_domain) != (copy.id, copy.storage_domain);
        let with_copy = |template: &mut Template| {
            template.copies.retain(is_new);
            template.copies.push(copy.clone());
        };
        self.note_with(|world| changed(world.templates.get(&id), with_copy, Change::Template)).await;
        Ok(vec![])
    }

    /// Takes one of the template's disks out of a storage domain, if another one has it, too.
    pub async fn remove_template_copy(
        self: &Arc<Self>,
        id: TemplateId,
        disk: DiskId,
        from: StorageDomainId,
    ) -> Result<()> {
        let wanted = [(Entity::Template(id), Mode::Exclusive), (Entity::Disk(disk), Mode::Exclusive)];
        let _guard = self.take("remove template disk", &wanted).await?;
        self.disk_of(id, disk)?;
        let mut doomed = None;
        let intent = self
            .promise(|world| {
                let (copy, changes) = without_copy(world, id, disk, from)?;
                doomed = Some(copy.clone());
                Ok((Operation::RemoveTemplateCopy { template: id, copy: Box::new(copy) }, changes))
            })
            .await?;
        let Some(copy) = doomed else { return Ok(()) };
        self.conclude(intent, self.remove_copy(&copy).await.map(|_| vec![])).await
    }

    /// Removes the file of a copy; fine when it is gone.
    pub(super) async fn remove_copy(&self, copy: &Disk) -> Result<()> {
        let file = self.image_file(&self.world(), copy)?;
        self.remove_files(vec![file], copy.wipe_after_delete).await?;
        self.refresh_pools();
        Ok(())
    }

    fn disk_of(&self, template: TemplateId, disk: DiskId) -> Result<Disk> {
        let found = self.template(template)?.disks.contains(&disk);
        if found { self.disk(disk) } else { Err(Error::not_found(disk)) }
    }
}

/// The copy, and the rows without it: where it was the disk's own image, another copy is that now.
fn without_copy(
    world: &World,
    id: TemplateId,
    disk: DiskId,
    from: StorageDomainId,
) -> Result<(Disk, Vec<Change>)> {
    let refused = |why: &str| Err(Error::conflict(format!("{REMOVE}. {why}")));
    let template = world.templates.get(&id).ok_or_else(|| Error::not_found(id))?;
    let Some(copy) = world.template_copy(disk, from) else {
        return refused("The Template's disk is not in that Storage Domain.");
    };
    if template.status != TemplateStatus::Ok || copy.status != DiskStatus::Ok {
        return refused("The template or its disk is locked or illegal.");
    }
    let mut others = world.template_disks(template).filter(|it| it.id == disk && it.storage_domain != from);
    let Some(other) = others.next() else {
        return refused("It is the last copy of the Template's disk.");
    };
    if world.lies_over(copy.image, from) {
        return refused("Disks that are based on it are there.");
    }
    let is_own = world.disks.get(&disk).is_some_and(|own| own.storage_domain == from);
    let gone = if is_own { other.storage_domain } else { from };
    let mut rest = template.clone();
    rest.copies.retain(|it| it.id != disk || it.storage_domain != gone);
    let mut changes = vec![Change::Template(Box::new(rest))];
    changes.extend(is_own.then(|| Change::Disk(other.clone())));
    Ok((copy.clone(), changes))
}
