//! Disks move to other storage domains, their guests writing on, and are copied.
//!
//! Until the row says otherwise the source is the disk, and what lies at the destination is
//! nobody's. A running guest goes on at the destination from a moment on that only libvirt knows:
//! its documents tell (`has_arrived`).

use super::jobs::Started;
use super::lane::{COPIES, lasting};
use super::locks::{Entity, Guard, Mode};
use super::places::find_domain;
use super::snapshots::check_no_preview;
use super::stateless::check_not_stateless;
use super::world::{Change, Filling, Operation, Passage, World};
use super::{Engine, documents, failpoint};
use crate::domain;
use crate::error::{Error, Kind, Result};
use crate::model::vm::check_text;
use crate::model::vm_state::may;
use crate::model::*;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MOVE: &str = "Cannot move Virtual Machine Disk";
const COPY: &str = "Cannot copy Virtual Machine Disk";

impl Engine {
    /// Moves a disk with all of its images. Its VM may run on.
    pub async fn move_disk(self: &Arc<Self>, id: DiskId, to: StorageDomainId) -> Result<Started<DiskId>> {
        let (guards, passage) = self.ready_to_move(id, to).await?;
        self.begin_move(guards, passage).await
    }

    /// Moves all disks of a VM that is down; each of them wholly or not.
    pub async fn move_vm(self: &Arc<Self>, id: VmId, to: StorageDomainId) -> Result<Started<()>> {
        self.own_vm(id)?;
        if self.status(id) != VmStatus::Down {
            return Err(Error::conflict("Cannot move VM. VM is running."));
        }
        let disks: Vec<Disk> = {
            let world = self.world();
            let elsewhere = |disk: &&Disk| disk.lun.is_none() && disk.storage_domain != to;
            world.disks_of(id).into_iter().map(|(_, disk)| disk).filter(elsewhere).cloned().collect()
        };
        if disks.is_empty() {
            return Err(Error::conflict("Cannot move VM. The VM has no disk in another storage domain."));
        }
        let needed = disks.iter().map(|disk| self.actual_size(disk)).sum();
        {
            let world = self.world();
            self.check_room(&world, "Cannot move VM", to, needed)?;
            let all: Vec<Change> = disks.iter().flat_map(|disk| moved(&world, disk.id, to)).collect();
            world.consumed(&all)?;
        }
        // None of them begins before all of them may.
        let mut ready = Vec::new();
        for disk in disks {
            ready.push(self.ready_to_move(disk.id, to).await?);
        }
        let mut moves = Vec::new();
        for (guards, passage) in ready {
            moves.push(self.begin_move(guards, passage).await?);
        }
        Ok(self.jobs.start((), async move {
            for one in moves {
                one.finished().await?;
            }
            Ok(())
        }))
    }

    /// Holds a disk that may be moved, and where it is to go.
    async fn ready_to_move(&self, id: DiskId, to: StorageDomainId) -> Result<([Guard; 2], Passage)> {
        let (guard, disk, attachments) = self.hold_disk("move disk", id).await?;
        let target = self.take("move disk", &[(Entity::StorageDomain(to), Mode::Shared)]).await?;
        if disk.status != DiskStatus::Ok {
            return Err(Error::conflict(format!("{MOVE}. The disk is locked or illegal.")));
        }
        let passage = Passage { disk: id, from: disk.storage_domain, to };
        if disk.lun.is_some() {
            return Err(Error::conflict(format!("{MOVE}. The disk is a LUN.")));
        }
        if passage.from == to {
            return Err(Error::conflict(format!(
                "{MOVE}. The source and the target storage domain are the same."
            )));
        }
        if !attachments.is_empty() {
            self.require_connection()?;
        }
        for attachment in attachments.iter().filter(|attachment| attachment.active) {
            if let Verdict::Refused(why) = may(self.status(attachment.vm), Move::ChangeDisks) {
                return Err(Error::conflict(why));
            }
        }
        if disk.shareable && attachments.iter().any(|it| it.active && self.runs(it.vm)) {
            return Err(Error::conflict(format!(
                "{MOVE}. A shareable disk of a running VM cannot be moved."
            )));
        }
        for attachment in attachments.iter().filter(|it| it.active && self.runs(it.vm)) {
            // It would be taken for the copy of the move.
            if self.block_job(attachment.vm, &attachment.target).await?.is_some() {
                return Err(Error::conflict(format!("{MOVE}. The host is copying the disk already.")));
            }
        }
        self.check_passage(&self.world(), passage)?;
        Ok(([guard, target], passage))
    }

    /// Promises the move of a disk that is held, and begins it.
    async fn begin_move(self: &Arc<Self>, guards: [Guard; 2], passage: Passage) -> Result<Started<DiskId>> {
        let mut told = Vec::new();
        let intent = self
            .promise(|world| {
                self.check_passage(world, passage)?;
                told = world.consumed(&moved(world, passage.disk, passage.to))?;
                let disk = world.disks.get(&passage.disk).ok_or_else(|| Error::not_found(passage.disk))?;
                let locked = Disk { status: DiskStatus::Locked, ..disk.clone() };
                Ok((Operation::MoveDisk(passage), vec![Change::Disk(locked)]))
            })
            .await?;
        failpoint::hit("move_disk.intended");
        self.tell_of_quotas(told);
        let engine = self.clone();
        Ok(self.jobs.start(passage.disk, async move {
            let _guards = guards;
            match engine.insist_on_move(passage).await {
                // It is finished when the connection is there again.
                Err(away) if away.kind == Kind::Unavailable => Err(away),
                ended => engine.conclude(intent, ended).await,
            }
        }))
    }

    /// Is there a way for the disk, as the rows are?
    fn check_passage(&self, world: &World, Passage { disk: id, to, .. }: Passage) -> Result<()> {
        let disk = world.disks.get(&id).ok_or_else(|| Error::not_found(id))?;
        let images = world.images_of(id).into_iter().map(|image| self.size_of_image(world, image));
        self.check_target(world, MOVE, disk, to, images.sum())?;
        world.check_no_template(MOVE, id)?;
        world.check_not_lent(MOVE, [id])?;
        for attachment in world.attachments_of(id) {
            check_not_stateless(world, MOVE, attachment.vm)?;
            check_no_preview(world, MOVE, attachment.vm)?;
        }
        let mut below = world.template_images_below(id);
        match below.find(|below| world.template_image(below.image, to).is_none()) {
            Some(below) => Err(Error::conflict(format!(
                "{MOVE}. The template's disk {} that it is based on is not in the target storage domain.",
                below.alias
            ))),
            None => Ok(()),
        }
    }

    pub(super) fn check_target(
        &self,
        world: &World,
        verb: &str,
        disk: &Disk,
        to: StorageDomainId,
        needed: u64,
    ) -> Result<()> {
        self.require_active(verb, find_domain(world, disk.storage_domain)?)?;
        self.check_room(world, verb, to, needed)
    }

    /// Refuses a storage domain that cannot take that many bytes of images.
    pub(super) fn check_room(
        &self,
        world: &World,
        verb: &str,
        to: StorageDomainId,
        needed: u64,
    ) -> Result<()> {
        let target = find_domain(world, to)?;
        if target.kind != StorageKind::Data {
            return Err(Error::invalid(format!("{verb}. The storage domain is not a data domain.")));
        }
        self.require_room(verb, target, needed)
    }

    /// The copy of a running guest's disk goes on without libvirtd: nobody gives it up for that.
    async fn insist_on_move(&self, passage: Passage) -> Result<Vec<Change>> {
        loop {
            match self.finish_move_disk(passage).await {
                Err(away) if away.kind == Kind::Unavailable && self.reconnects().await => {}
                ended => return ended,
            }
        }
    }

    pub(super) async fn finish_move_disk(&self, passage: Passage) -> Result<Vec<Change>> {
        let Passage { disk: id, from, to } = passage;
        let disk = self.disk(id)?;
        if disk.storage_domain != to {
            self.bring_images(&disk, passage).await?;
            failpoint::hit("move_disk.copied");
            // On the disk before the source goes.
            self.keep(|world| moved(world, id, to)).await?;
        }
        failpoint::hit("move_disk.switched");
        // Another domain has other profiles.
        self.bring_tune(id).await?;
        failpoint::hit("move_disk.defined");
        self.remove_files(self.files_in(id, from)?, disk.wipe_after_delete).await?;
        self.refresh_pools();
        Ok(self.unlocked(id))
    }

    pub(super) async fn undo_move_disk(&self, passage: Passage) -> Result<Vec<Change>> {
        let Passage { disk: id, to, .. } = passage;
        let disk = self.disk(id)?;
        if disk.storage_domain == to || self.has_arrived(&disk, to).await? {
            // Guests may have written there: what is left is the way forward.
            return self.finish_move_disk(passage).await;
        }
        if let Some(attachment) = self.guest_of(id).await? {
            self.drop_block_job(attachment.vm, &attachment.target).await?;
        }
        self.remove_files(self.files_in(id, to)?, disk.wipe_after_delete).await?;
        self.refresh_pools();
        Ok(self.unlocked(id))
    }

    /// The files of the disk's images, as they are called in that domain.
    fn files_in(&self, id: DiskId, domain: StorageDomainId) -> Result<Vec<PathBuf>> {
        let folder = PathBuf::from(self.storage_domain(domain)?.folder);
        let world = self.world();
        Ok(world.images_of(id).into_iter().map(|image| folder.join(image.file_name())).collect())
    }

    /// The attachment to the VM that runs with the disk plugged.
    async fn guest_of(&self, id: DiskId) -> Result<Option<Attachment>> {
        let active: Vec<Attachment> =
            self.world().attachments_of(id).filter(|it| it.active).cloned().collect();
        for attachment in active {
            if self.has_live(attachment.vm, id).await? {
                return Ok(Some(attachment));
            }
        }
        Ok(None)
    }

    async fn bring_images(&self, disk: &Disk, passage: Passage) -> Result<()> {
        if self.has_arrived(disk, passage.to).await? {
            return Ok(());
        }
        if let Some(attachment) = self.guest_of(disk.id).await? {
            return self.move_live(&attachment, disk, passage).await;
        }
        for place in [passage.from, passage.to] {
            self.require_there(place).await?;
        }
        let (from, to) = (self.files_in(disk.id, passage.from)?, self.files_in(disk.id, passage.to)?);
        let work = self.copy_files(from.clone(), to.clone());
        self.watched(Entity::Disk(disk.id), &from, &to, work).await?;
        // Somebody else may have started its VM, which wrote meanwhile.
        match self.guest_of(disk.id).await? {
            Some(_) => Err(Error::conflict(format!("{MOVE}. Its VM was started meanwhile."))),
            None => Ok(()),
        }
    }

    async fn copy_files(&self, from: Vec<PathBuf>, to: Vec<PathBuf>) -> Result<()> {
        let images = self.images.clone();
        lasting(&COPIES, move || from.iter().zip(&to).try_for_each(|(from, to)| images.copy(from, to))).await
    }

    /// Does a VM have the disk at its destination, running or the next time it does?
    async fn has_arrived(&self, disk: &Disk, to: StorageDomainId) -> Result<bool> {
        let file = Path::new(&self.storage_domain(to)?.folder).join(disk.file_name());
        let active: Vec<VmId> =
            self.world().attachments_of(disk.id).filter(|it| it.active).map(|it| it.vm).collect();
        for vm in active {
            let document = self.lane.call(move |hv| hv.document(vm, false)).await?;
            if let Some(document) = document
                && domain::observe(&documents::parse(&document)?).file_of(disk.id).map(Path::new)
                    == Some(&file)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// QEMU copies while its guest writes; what is frozen below, nobody writes.
    async fn move_live(&self, attachment: &Attachment, disk: &Disk, passage: Passage) -> Result<()> {
        let (vm, target) = (attachment.vm, attachment.target.as_str());
        if self.block_job(vm, target).await?.is_none() {
            self.begin_copy(attachment, disk, passage).await?;
        }
        failpoint::hit("move_disk.live");
        let most = self.actual_size(disk);
        let left = self.follow_block_job(vm, target, disk.id, most).await?;
        failpoint::hit("move_disk.pivoted");
        self.look_at(vm).await?;
        match self.has_arrived(disk, passage.to).await? {
            true => Ok(()),
            false => Err(self.interrupted(&format!("{MOVE}. The copy"), passage.to, left).await),
        }
    }

    async fn begin_copy(&self, attachment: &Attachment, disk: &Disk, passage: Passage) -> Result<()> {
        self.require_there(passage.to).await?;
        let name = disk.file_name();
        let (sources, targets) = (self.files_in(disk.id, passage.from)?, self.files_in(disk.id, passage.to)?);
        let frozen = |files: Vec<PathBuf>| -> Vec<PathBuf> {
            files.into_iter().filter(|file| !file.ends_with(&name)).collect()
        };
        self.copy_files(frozen(sources), frozen(targets)).await?;
        let file = Path::new(&self.storage_domain(passage.to)?.folder).join(&name);
        let below = self.world().chain(disk).get(1).map(|below| (below.file_name(), below.format));
        let (images, made, layered) = (self.images.clone(), file.clone(), below.is_some());
        let Disk { format, size, sparse, .. } = *disk;
        super::lane::blocking(move || {
            // What an interrupted copy left there would show through.
            images.remove(&made)?;
            match below {
                Some((below, its)) => images.overlay(&made, size, &below, its),
                None => images.create(&made, format, size, sparse),
            }
        })
        .await?;
        let (vm, target) = (attachment.vm, attachment.target.clone());
        let document = domain::copy_target(format, &file)?.to_string();
        self.lane.call(move |hv| hv.copy_block(vm, &target, &document, layered)).await
    }

    /// Where libvirt may have brought a disk that is on the move.
    pub(super) fn destination(&self, world: &World, disk: &Disk) -> Option<PathBuf> {
        let to = world.destination(disk.id)?;
        Some(Path::new(&world.storage_domains.get(&to)?.folder).join(disk.file_name()))
    }

    /// A floating disk with what this one holds. No running VM may write it.
    pub async fn copy_disk(
        self: &Arc<Self>,
        source: DiskId,
        to: StorageDomainId,
        alias: Option<String>,
    ) -> Result<Started<DiskId>> {
        if let Some(alias) = &alias {
            check_text("disk alias", alias, 255).map_err(Error::invalid)?;
        }
        let (guard, original, attachments) = self.hold_disk("copy disk", source).await?;
        if original.status != DiskStatus::Ok {
            return Err(Error::conflict(format!("{COPY}. The disk is locked or illegal.")));
        }
        if original.lun.is_some() {
            return Err(Error::conflict(format!("{COPY}. The disk is a LUN.")));
        }
        let down = |it: &Attachment| matches!(self.status(it.vm), VmStatus::Down);
        if attachments.iter().any(|it| it.active && !down(it)) {
            return Err(Error::conflict(format!("{COPY}. At least one of the VMs is not down.")));
        }
        let id = DiskId::random();
        let fresh = self.take("copy disk", &[(Entity::Disk(id), Mode::Exclusive)]).await?;
        let intent = self
            .promise(|world| {
                self.check_target(world, COPY, &original, to, self.shown(world, &original))?;
                let copy = Disk {
                    id,
                    alias: alias.filter(|alias| !alias.trim().is_empty()).unwrap_or(original.alias.clone()),
                    storage_domain: to,
                    image: ImageId::random(),
                    parent: None,
                    profile: world.profiles_of(to).next().map(|profile| profile.id),
                    status: DiskStatus::Locked,
                    created: Timestamp::now(),
                    ..original.clone()
                };
                let vms = attachments.iter().map(|it| it.vm).collect();
                Ok((Operation::CopyDisk { source, disk: id, vms }, vec![Change::Disk(copy)]))
            })
            .await?;
        failpoint::hit("copy_disk.intended");
        let engine = self.clone();
        Ok(self.jobs.start(id, async move {
            let _guards = (guard, fresh);
            let copied = engine.finish_copy_disk(source, id).await;
            engine.conclude(intent, copied.map(|()| engine.unlocked(id))).await
        }))
    }

    pub(super) async fn finish_copy_disk(&self, source: DiskId, id: DiskId) -> Result<()> {
        let filling = Filling { disk: id, source: self.disk(source)?, thin: false };
        self.fill(&[filling]).await?;
        failpoint::hit("copy_disk.copied");
        Ok(())
    }

    pub(super) async fn undo_copy_disk(&self, id: DiskId) -> Result<Vec<Change>> {
        self.remove_image(id).await?;
        Ok(vec![Change::DropDisk(id)])
    }
}

/// The rows of a disk, and of its images in snapshots, that lies in another domain.
fn moved(world: &World, id: DiskId, to: StorageDomainId) -> Vec<Change> {
    let profile = world.profiles_of(to).next().map(|profile| profile.id);
    let there = |disk: &Disk| Disk { storage_domain: to, profile, ..disk.clone() };
    let disk = world.disks.get(&id).map(|disk| Change::Disk(there(disk)));
    let snapshots = world.snapshots_with(id).map(|snapshot| {
        let mut snapshot = snapshot.clone();
        for saved in snapshot.disks.iter_mut().filter(|saved| saved.disk.id == id) {
            saved.disk = there(&saved.disk);
        }
        Change::Snapshot(Box::new(snapshot))
    });
    disk.into_iter().chain(snapshots).collect()
}
