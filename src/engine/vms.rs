//! Virtual machines: read, update, remove.

use super::inventory::{Phase, Seen};
use super::journal::changed_vm;
use super::locks::{Entity, Guard, Mode};
use super::places::find_domain;
use super::ports::Scope;
use super::vm_disks::on_machine;
use super::wake::TO_WAKE;
use super::world::{Change, Operation, World};
use super::{Engine, failpoint, locks, snapshots};
use crate::domain::{self, Observed};
use crate::error::{Error, Kind, NOT_RESPONDING, Result};
use crate::model::vm::{Display, UsbType};
use crate::model::vm_state::may;
use crate::model::*;
use jiff::Timestamp;
use std::sync::Arc;

/// How often a VM that is down is brought to the configuration of its next run before its next start.
const ATTEMPTS: u32 = 5;

/// A VM as readers see it: vireo's own, or a foreign domain in the same shape.
#[derive(Clone, Debug)]
pub struct VmView {
    pub vm: Vm,
    /// Made by somebody else: read-only but for power.
    pub foreign: bool,
    pub status: VmStatus,
    pub pause: PauseReason,
    pub seen: Option<Seen>,
    pub host: Option<HostId>,
}

impl Engine {
    /// The VM's state as the API tells it.
    pub fn status(&self, id: VmId) -> VmStatus {
        if !self.connected() && self.inventory.seen(id).is_none() {
            return VmStatus::Unknown;
        }
        self.inventory.status(id).0
    }

    /// Ids of all VMs, foreign ones included, in the order of their names.
    pub fn vm_ids(&self) -> Vec<VmId> {
        let world = self.world();
        let foreign = self.inventory.names().into_iter().filter(|(_, id)| !world.vms.contains_key(id));
        let mut named: Vec<(String, VmId)> =
            world.vms.values().map(|vm| (vm.spec.name.clone(), vm.id)).chain(foreign).collect();
        named.sort();
        named.into_iter().map(|(_, id)| id).collect()
    }

    /// Names and ids of the domains that somebody else made.
    pub fn foreign_ids(&self) -> Vec<(String, VmId)> {
        let foreign = self.inventory.foreign();
        let world = self.world();
        foreign.into_iter().filter(|(_, id)| !world.vms.contains_key(id)).collect()
    }

    /// Refuses an id that no VM has.
    pub fn knows(&self, id: VmId) -> Result<()> {
        match self.world().vms.contains_key(&id) || self.inventory.power(id).is_some() {
            true => Ok(()),
            false => Err(Error::not_found(id)),
        }
    }

    pub fn vm(&self, id: VmId) -> Result<VmView> {
        let own = self.world().vms.get(&id).cloned();
        let seen = self.inventory.seen(id);
        let (vm, foreign) = match (own, &seen) {
            (Some(vm), _) => (vm, false),
            (None, Some(seen)) => (self.foreign(seen), true),
            (None, None) => return Err(Error::not_found(id)),
        };
        let (_, pause) = self.inventory.status(id);
        let status = self.status(id);
        let host = self.world().hosts.keys().next().copied().filter(|_| status.runs());
        Ok(VmView { vm, foreign, status, pause, seen, host })
    }

    fn foreign(&self, seen: &Seen) -> Vm {
        let spec = match &seen.foreign {
            Some(spec) => VmSpec::clone(spec),
            None => VmSpec { name: seen.domain.name.clone(), ..VmSpec::default() },
        };
        let cluster = self.world().clusters.keys().next().copied().unwrap_or(ClusterId(uuid::Uuid::nil()));
        let spec = VmSpec { origin: "external".into(), ..spec };
        Vm::new(seen.domain.id, cluster, BLANK, Timestamp::UNIX_EPOCH, spec)
    }

    /// One of vireo's own VMs; a foreign domain is refused with the reason.
    pub fn own_vm(&self, id: VmId) -> Result<Vm> {
        if let Some(vm) = self.world().vms.get(&id) {
            return Ok(vm.clone());
        }
        match self.inventory.seen(id) {
            Some(_) => Err(Error::conflict(
                "The VM is not managed by this engine: it can only be started and stopped.",
            )),
            None => Err(Error::not_found(id)),
        }
    }

    /// The table's verdict as a result: true when there is nothing to do.
    pub fn may(&self, id: VmId, wanted: Move) -> Result<bool> {
        match may(self.status(id), wanted) {
            Verdict::Go if wanted.changes_devices() => self.check_not_to_wake(id, wanted).map(|()| false),
            Verdict::Go => Ok(false),
            Verdict::Already => Ok(true),
            Verdict::Refused(why) => Err(Error::conflict(why)),
        }
    }

    pub(super) fn check_name_free(&self, world: &World, id: VmId, name: &str) -> Result<()> {
        let taken = world.vms.values().any(|vm| {
            vm.id != id
                && (vm.spec.name == name || vm.next_run.as_ref().is_some_and(|next| next.name == name))
        });
        // A VM that was renamed while it runs keeps the old name for its domain, which is one's own.
        let held = self.inventory.named(name).filter(|other| *other != id);
        let renamed = held.and_then(|other| world.vms.get(&other)).filter(|_| !taken);
        match (taken || held.is_some(), renamed) {
            (false, _) => Ok(()),
            (true, Some(renamed)) => Err(Error::new(
                Kind::Exists,
                format!(
                    "The VM name is already in use: VM {} was renamed while it runs, and has it on the host \
                     until it is down.",
                    renamed.spec.name
                ),
            )),
            (true, None) => Err(Error::new(
                Kind::Exists,
                "The VM name is already in use, please choose a unique name and try again.",
            )),
        }
    }

    /// Keeps the version that libvirt resolved `q35` to, for when the VM's document is ever built anew.
    pub(super) async fn pin_machine(&self, id: VmId) {
        let machine = self.inventory.seen(id).and_then(|seen| seen.observed.machine.clone());
        self.note_vm(id, |vm| vm.machine = machine).await;
    }

    /// Changes the configuration: at once, as far as the VM's state lets it, or for its next run.
    pub async fn update_vm(
        self: &Arc<Self>,
        id: VmId,
        next_run: bool,
        change: impl FnOnce(&mut VmSpec) -> Result<()>,
    ) -> Result<()> {
        // Beside operations on its devices, which may take their time.
        let wanted = [(Entity::Vm(id), Mode::Shared), (Entity::Config(id), Mode::Exclusive)];
        let _guard = self.take(locks::UPDATE_VM, &wanted).await?;
        let before = self.own_vm(id)?;
        let status = self.status(id);
        let deferred = next_run && status != VmStatus::Down;
        let mut spec = match (&before.next_run, deferred) {
            (Some(next), true) => VmSpec::clone(next),
            _ => before.spec.clone(),
        };
        let old = spec.clone();
        change(&mut spec)?;
        spec.check().map_err(Error::invalid)?;
        spec.check_placement(&old).map_err(Error::invalid)?;
        if spec == old {
            return Ok(());
        }
        // Whoever shares the VM may have written its row since.
        let row = |world: &World| world.vms.get(&id).cloned().ok_or_else(|| Error::not_found(id));
        if deferred {
            // The rest is refused at its start if it cannot be; what cannot ever be, now.
            self.check_document(&before, &spec)?;
            self.record(|world| {
                self.check_name_free(world, id, &spec.name)?;
                world.drop_what_is_gone(&mut spec);
                let present = row(world)?;
                if present.next_run != before.next_run {
                    return Err(Error::busy(locks::UPDATE_INSTANCE_TYPE));
                }
                let after = Vm { next_run: Some(Box::new(spec)), ..present };
                Ok(vec![Change::Vm(Box::new(after))])
            })
            .await?;
            self.tell_of_vm(Code::VM_UPDATED, id, "was updated for its next run");
            return Ok(());
        }
        let fixed = down_only(&old, &spec);
        if before.wakes_from.is_some() && (fixed.is_some() || counts_differ(&old, &spec)) {
            return Err(Error::conflict(format!("Cannot update VM. {TO_WAKE}")));
        }
        if status != VmStatus::Down
            && let Some(what) = fixed
        {
            return Err(Error::invalid(format!(
                "Cannot update VM. There was an attempt to change VM values while the VM is not down: {what}. \
                 Shut the VM down, or change its next run."
            )));
        }
        self.require_connection()?;
        self.check_document(&before, &spec)?;
        self.check_live(id, &old, &spec)?;
        self.check_balloon(id, &old, &spec).await?;
        let intent = self
            .promise(|world| {
                self.check_name_free(world, id, &spec.name)?;
                let before = row(world)?;
                let mut after = Vm { spec: spec.clone(), ..before.clone() };
                world.drop_what_is_gone(&mut after.spec);
                if let Some(next) = &mut after.next_run {
                    carry_over(&old, &spec, next);
                    next.check().map_err(|why| {
                        Error::invalid(format!("{why} The configuration of the next run would be that."))
                    })?;
                }
                let mut changes = on_machine(world, &after, &after.spec)?;
                changes.push(Change::Vm(Box::new(after)));
                Ok((Operation::UpdateVm { before: Box::new(before) }, changes))
            })
            .await?;
        failpoint::hit("update_vm.intended");
        if let Err(failure) = self.finish_update_vm(id, &old).await {
            return self.fail(intent, failure).await;
        }
        self.settle(intent, vec![]).await
    }

    /// Brings the definition, and the VM if it runs, from the old configuration to the row's.
    pub(super) async fn finish_update_vm(&self, id: VmId, old: &VmSpec) -> Result<()> {
        self.sync_definition(id).await?;
        failpoint::hit("update_vm.defined");
        let new = self.own_vm(id)?.spec;
        if self.runs(id) {
            self.update_live(id, old, &new).await?;
            failpoint::hit("update_vm.live");
        }
        Ok(())
    }

    /// The other way round; the row changes when the running VM has, so that this may be asked again.
    pub(super) async fn undo_update_vm(&self, before: &Vm) -> Result<()> {
        let present = self.own_vm(before.id)?;
        if self.runs(before.id) {
            self.update_live(before.id, &present.spec, &before.spec).await?;
        }
        let Vm { spec, next_run, .. } = before.clone();
        self.note_vm(before.id, |vm| (vm.spec, vm.next_run) = (spec, next_run)).await;
        self.sync_definition(before.id).await.map(|_| ())
    }

    /// Refuses what the running VM cannot become before anything is promised.
    fn check_live(&self, id: VmId, old: &VmSpec, new: &VmSpec) -> Result<()> {
        let Some(seen) = self.inventory.seen(id) else { return Ok(()) };
        match seen.domain.power {
            Power::Off => return Ok(()),
            Power::Saved if counts_differ(old, new) => {
                return Err(Error::conflict(
                    "Cannot update VM. The VM is suspended: its memory and CPUs are fixed.",
                ));
            }
            _ => {}
        }
        if new.memory != old.memory {
            check_live_memory(new.memory, &seen.observed, old.ballooning)?;
        }
        if new.topology.vcpus() > seen.observed.max_vcpus {
            return Err(Error::conflict(format!(
                "Cannot update VM. The running VM takes at most {} virtual CPUs.",
                seen.observed.max_vcpus
            )));
        }
        Ok(())
    }

    /// Refuses to take memory from a guest that gives none back: its driver would report what is free.
    async fn check_balloon(&self, id: VmId, old: &VmSpec, new: &VmSpec) -> Result<()> {
        let takes = |seen: Seen| seen.domain.power.runs() && new.memory < seen.observed.memory;
        if new.memory == old.memory || !self.inventory.seen(id).is_some_and(takes) {
            return Ok(());
        }
        let samples = self.lane.sample(move |hv| hv.sample(&[id])).await?;
        match samples.iter().any(|(_, sample)| sample.balloon_available.is_some()) {
            true => Ok(()),
            false => Err(Error::invalid(
                "Cannot update VM. There was an attempt to change VM values while the VM is not down: memory, \
                 which its guest gives back by a balloon driver that does not answer. \
                 Shut the VM down, or change its next run.",
            )),
        }
    }

    /// What its balloon holds back, and a module of what the VM lacks.
    async fn set_live_memory(&self, id: VmId, bytes: u64, ballooning: bool) -> Result<()> {
        let present = || self.inventory.seen(id).map_or(bytes, |seen| seen.observed.memory);
        if bytes > present() {
            // Another attempt may have plugged it.
            self.look_at(id).await?;
        }
        let has = present();
        let module = (bytes > has).then(|| domain::memory_module(bytes - has, bytes));
        self.lane
            .call(move |hv| {
                if let Some((module, alias)) = module {
                    hv.attach(id, &module.to_string(), &alias, Scope::Live)?;
                }
                if ballooning { hv.set_memory(id, bytes, Scope::Live) } else { Ok(()) }
            })
            .await
    }

    /// Brings what libvirt can change in a running VM to the new configuration.
    async fn update_live(&self, id: VmId, old: &VmSpec, new: &VmSpec) -> Result<()> {
        if new.topology.vcpus() != old.topology.vcpus() {
            let count = new.topology.vcpus();
            self.lane.call(move |hv| hv.set_vcpus(id, count)).await?;
        }
        if new.cpu_pins != old.cpu_pins {
            let facts = self.facts()?;
            let cpus = facts.0.cpus.clone();
            let pins = new.placed_vcpus(&facts.0);
            let freed: Vec<u32> = old
                .cpu_pins
                .iter()
                .map(|pin| pin.vcpu)
                .filter(|vcpu| pins.iter().all(|pin| pin.vcpu != *vcpu))
                .collect();
            let last = cpus.last().copied().unwrap_or(0);
            self.lane
                .call(move |hv| {
                    for pin in &pins {
                        let map: Vec<bool> = (0..=last).map(|cpu| pin.cpus.0.contains(&cpu)).collect();
                        hv.pin_vcpu(id, pin.vcpu, &map)?;
                    }
                    let all: Vec<bool> = (0..=last).map(|cpu| cpus.contains(&cpu)).collect();
                    freed.iter().try_for_each(|vcpu| hv.pin_vcpu(id, *vcpu, &all))
                })
                .await?;
        }
        // Last: no guest gives a module back.
        if new.memory != old.memory {
            self.set_live_memory(id, new.memory, old.ballooning).await?;
        }
        self.look_at(id).await
    }

    /// Removes the VM, and its disks but for those that others share, or keeps them floating.
    pub async fn remove_vm(self: &Arc<Self>, id: VmId, keep_disks: bool) -> Result<()> {
        self.remove_vm_of_no_pool(id, keep_disks, false).await
    }

    /// The same, with disks whose storage is gone, too.
    pub async fn remove_vm_by_force(self: &Arc<Self>, id: VmId, keep_disks: bool) -> Result<()> {
        self.remove_vm_of_no_pool(id, keep_disks, true).await
    }

    async fn remove_vm_of_no_pool(self: &Arc<Self>, id: VmId, keep_disks: bool, force: bool) -> Result<()> {
        if self.world().pool_of(id).is_some() {
            return Err(Error::conflict("Cannot remove VM. The VM is a member of a pool: detach it first."));
        }
        self.remove_any_vm(id, keep_disks, force).await
    }

    /// The same, of one of a pool, too.
    pub(super) async fn remove_any_vm(
        self: &Arc<Self>,
        id: VmId,
        keep_disks: bool,
        force: bool,
    ) -> Result<()> {
        let (_guard, disks) = self.hold_with_disks("remove VM", id).await?;
        let vm = self.own_vm(id)?;
        if vm.spec.delete_protected {
            return Err(Error::conflict(
                "Cannot remove VM. Delete protection is enabled. In order to delete, disable Delete protection first.",
            ));
        }
        self.may(id, Move::Remove)?;
        self.require_connection()?;
        let mut doomed = Vec::new();
        let intent = self
            .promise(|world| {
                snapshots::check_no_preview(world, "Cannot remove VM", id)?;
                if keep_disks && disks.iter().any(|disk| world.is_thin(*disk)) {
                    return Err(Error::conflict(
                        "Cannot remove VM. Its disks cannot be kept: they are based on a template.",
                    ));
                }
                if keep_disks && !world.snapshots_of(id).is_empty() {
                    return Err(Error::conflict(
                        "Cannot remove VM. Its disks cannot be kept while the VM has Snapshots: remove them first.",
                    ));
                }
                if !keep_disks {
                    // What is made to be shared stays for others, also where there are none right now.
                    let shared = |id: &DiskId| world.disks.get(id).is_some_and(|disk| disk.shareable);
                    doomed = disks
                        .iter()
                        .copied()
                        .filter(|disk| world.attachments_of(*disk).count() == 1 && !shared(disk))
                        .collect();
                }
                self.require_removable("Cannot remove VM", world, &doomed, force)?;
                let memories = world.snapshots_of(id).into_iter();
                self.require_memories("Cannot remove VM", world, memories, force)?;
                for frozen in world.borrowed_by(id).filter_map(|it| world.frozen(it)) {
                    let place = find_domain(world, frozen.storage_domain)?;
                    self.require_reachable("Cannot remove VM", place, force)?;
                }
                let locked = doomed
                    .iter()
                    .filter_map(|disk| world.disks.get(disk))
                    .map(|disk| Change::Disk(disk.locked()));
                Ok((Operation::RemoveVm { vm: id, disks: doomed.clone() }, locked.collect()))
            })
            .await?;
        failpoint::hit("remove_vm.intended");
        let removing = self.enter(id, Phase::Removing);
        let removed = self.finish_remove_vm(id, &doomed).await;
        drop(removing);
        self.conclude(intent, removed).await?;
        if !doomed.is_empty() {
            self.refresh_pools();
        }
        Ok(())
    }

    /// Holds a VM with all of its disks.
    pub(super) async fn hold_with_disks(
        &self,
        operation: &'static str,
        id: VmId,
    ) -> Result<(Guard, Vec<DiskId>)> {
        self.hold_disks_of(operation, id, &[(Entity::Vm(id), Mode::Exclusive)], Mode::Exclusive).await
    }

    /// Holds all disks of a VM, and what else an operation on them needs.
    pub(super) async fn hold_disks_of(
        &self,
        operation: &'static str,
        id: VmId,
        beside: &[(Entity, Mode)],
        mode: Mode,
    ) -> Result<(Guard, Vec<DiskId>)> {
        let disks_now =
            || -> Vec<DiskId> { self.world().disks_of(id).iter().map(|(_, disk)| disk.id).collect() };
        loop {
            let disks = disks_now();
            let mut wanted = beside.to_vec();
            wanted.extend(disks.iter().map(|disk| (Entity::Disk(*disk), mode)));
            let guard = self.take(operation, &wanted).await?;
            // One may have come or gone until just now.
            if disks_now() == disks {
                return Ok((guard, disks));
            }
        }
    }

    /// Undefines, wipes and removes; every step may be asked again. Gives the rows to drop.
    pub(super) async fn finish_remove_vm(&self, id: VmId, doomed: &[DiskId]) -> Result<Vec<Change>> {
        self.lane
            .call(move |hv| hv.undefine(id))
            .await
            // Somebody else started it: a guest never loses its disks under its feet.
            .map_err(|why| match why.kind {
                Kind::Conflict => Error::conflict("Cannot remove VM. VM is running.").because(why),
                _ => why,
            })?;
        failpoint::hit("remove_vm.undefined");
        let memories = self.world().snapshots_of(id).into_iter().cloned().collect::<Vec<_>>();
        for snapshot in memories {
            let file = self.memory_file(&snapshot)?;
            self.remove_files(file.into_iter().collect(), false).await?;
        }
        let borrowed = self.world().borrowed_by(id).cloned().collect::<Vec<_>>();
        for it in borrowed {
            self.remove_borrowed(&it).await?;
        }
        let mut changes = vec![Change::DropVm(id)];
        for disk in doomed {
            self.remove_image(*disk).await?;
            failpoint::hit("remove_vm.image_removed");
            changes.push(Change::DropDisk(*disk));
        }
        Ok(changes)
    }

    /// Puts the configuration for the next run in the place of the present one.
    pub(super) async fn adopt_next_run(&self, id: VmId) -> Result<()> {
        let vm = self.own_vm(id)?;
        // A guest that is to go on from its memory has the hardware of then.
        if vm.next_run.is_none() || vm.wakes_from.is_some() {
            return Ok(());
        }
        let adopted = self.adopt(id).await;
        let mut refused = self.refused_runs.lock().expect("no panic while held");
        match (&adopted, vm.next_run) {
            (Err(why), Some(next)) if why.kind != Kind::Unavailable => {
                let times = refused.remove(&id).filter(|(before, _)| *before == next).map_or(0, |it| it.1);
                refused.insert(id, (next, times + 1));
            }
            _ => drop(refused.remove(&id)),
        }
        drop(refused);
        adopted
    }

    async fn adopt(&self, id: VmId) -> Result<()> {
        let intent = self
            .promise(|world| {
                let before = world.vms.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
                let mut adopted = match &before.next_run {
                    Some(next) => on_machine(world, &before, next)?,
                    None => Vec::new(),
                };
                adopted.extend(changed_vm(world, id, |vm| {
                    if let Some(next) = vm.next_run.take() {
                        vm.spec = *next;
                    }
                }));
                Ok((Operation::UpdateVm { before: Box::new(before) }, adopted))
            })
            .await?;
        self.conclude(intent, self.sync_definition(id).await.map(|_| vec![])).await
    }

    /// Whether its next configuration has been tried so often that nothing but a start or a change is to try
    /// it again.
    pub(super) fn was_refused(&self, vm: &Vm) -> bool {
        let refused = self.refused_runs.lock().expect("no panic while held");
        let tried = refused.get(&vm.id).filter(|(next, _)| Some(next) == vm.next_run.as_ref());
        tried.is_some_and(|(_, times)| *times >= ATTEMPTS)
    }

    /// Whether nobody knows what the VM is after that: it did not answer, or its undo is still to come.
    pub(super) fn is_open_after(&self, id: VmId, failure: &Error) -> bool {
        let went_away = failure.kind == Kind::Unavailable || failure.said == NOT_RESPONDING;
        went_away || self.is_promised(&[(Entity::Vm(id), Mode::Exclusive)])
    }

    /// The same for a VM that is to start now: it starts as it was where it cannot become what it was
    /// to be, which the end of its last run has tried before.
    pub(super) async fn adopt_next_run_or_none(&self, id: VmId) -> Result<()> {
        let Err(failure) = self.adopt_next_run(id).await else { return Ok(()) };
        if self.is_open_after(id, &failure) {
            return Err(failure);
        }
        tracing::warn!(vm = %id, "the configuration of the next run is dropped: {failure}");
        let what = "cannot become what it was to be at its next run, and stays as it is";
        self.tell_of_vm(Code::VM_UPDATE_FAILED, id, &format!("{what}: {}", failure.said));
        self.note_vm(id, |vm| vm.next_run = None).await;
        Ok(())
    }
}

/// Refuses what a running guest's memory cannot become.
fn check_live_memory(bytes: u64, now: &Observed, ballooning: bool) -> Result<()> {
    let cannot = |why: String| Err(Error::conflict(format!("Cannot update VM. The running VM {why}")));
    if bytes > now.most_memory {
        return cannot(format!(
            "takes at most {} MiB of memory: more needs its next run. The custom property memory_growth is for VMs that are to grow.",
            now.most_memory / MIB
        ));
    }
    let block = domain::memory_block(now.memory);
    if bytes > now.memory && !(bytes - now.memory).is_multiple_of(block) {
        return cannot(format!(
            "has {} MiB of memory and takes more in blocks of {} MiB.",
            now.memory / MIB,
            block / MIB
        ));
    }
    if bytes < now.memory && !ballooning {
        return cannot("gives memory back by its balloon, which is off.".into());
    }
    Ok(())
}

/// The display without what a running VM takes with its next start.
fn lasting(spec: &VmSpec) -> Option<Display> {
    spec.display.clone().map(|display| Display { smartcard: false, ..display })
}

/// Of which kind its USB is, where it has any.
fn usb(spec: &VmSpec) -> Option<UsbType> {
    spec.usb.then_some(spec.usb_type)
}

/// The first difference that a VM takes only while it is down.
fn down_only(old: &VmSpec, new: &VmSpec) -> Option<&'static str> {
    let rules: [(&'static str, bool); 23] = [
        ("cores", old.topology.cores != new.topology.cores),
        ("threads", old.topology.threads != new.topology.threads),
        ("sockets", new.topology.sockets < old.topology.sockets),
        ("guaranteed memory", old.guaranteed_memory != new.guaranteed_memory && old.memory == new.memory),
        ("ballooning", old.ballooning != new.ballooning),
        ("cpu mode", old.cpu_mode != new.cpu_mode),
        ("custom CPU model", old.cpu_model != new.cpu_model),
        ("custom emulated machine", old.machine != new.machine),
        ("NUMA", old.numa_nodes != new.numa_nodes),
        ("CPU shares", old.cpu_shares != new.cpu_shares),
        (
            "boot",
            (&old.os.boot, &old.os.kernel, &old.os.initrd, &old.os.cmdline)
                != (&new.os.boot, &new.os.kernel, &new.os.initrd, &new.os.cmdline),
        ),
        ("boot menu", old.boot_menu != new.boot_menu),
        ("display", lasting(old) != lasting(new)),
        ("host devices", old.host_devices != new.host_devices),
        ("watchdog", old.watchdog != new.watchdog),
        ("console", old.serial_console != new.serial_console),
        ("random number generator", old.rng != new.rng),
        ("I/O threads", old.io_threads != new.io_threads),
        ("custom properties", old.custom_properties != new.custom_properties),
        ("time zone", old.time_zone != new.time_zone),
        ("serial number", old.serial_number != new.serial_number),
        ("stateless", old.stateless != new.stateless),
        (
            "devices",
            (old.soundcard, old.virtio_scsi, usb(old), old.start_paused)
                != (new.soundcard, new.virtio_scsi, usb(new), new.start_paused),
        ),
    ];
    rules.into_iter().find(|(_, differs)| *differs).map(|(what, _)| what)
}

/// What a guest that is there has counted, and a running one may learn.
fn counts_differ(old: &VmSpec, new: &VmSpec) -> bool {
    (new.memory, new.topology, &new.cpu_pins) != (old.memory, old.topology, &old.cpu_pins)
}

/// What a change of the present run says about fields that the next run had not changed itself.
fn carry_over(old: &VmSpec, new: &VmSpec, next: &mut VmSpec) {
    fn carry<T: PartialEq + Clone>(next: &mut T, old: &T, new: &T) {
        if next == old {
            next.clone_from(new);
        }
    }
    macro_rules! carry {
        ($($field:ident),+; of $($apart:ident),+) => {
            // Names all of them: none can be forgotten.
            let VmSpec { $($field: _,)+ $($apart: _),+ } = next;
            $(carry(&mut next.$field, &old.$field, &new.$field);)+
        };
    }
    carry!(
        name, description, comment, kind, memory, guaranteed_memory, ballooning, topology, cpu_mode,
        cpu_pins, cpu_shares, cpu_profile, quota, boot_menu, serial_console, watchdog, host_devices, rng,
        io_threads, machine, cpu_model, custom_properties, delete_protected, high_availability, time_zone,
        serial_number, stateless, newest_version, start_paused, soundcard, virtio_scsi, usb, usb_type,
        origin, affinity, hosts, sso, tunnel_migration, migration_downtime, auto_converge, compressed,
        numa_tune_mode, numa_nodes, cdrom, initialization, payloads, instance_type, icon;
        of os, display
    );
    // Of these, a run takes a part.
    carry(&mut next.os.kind, &old.os.kind, &new.os.kind);
    if let (Some(next), Some(old), Some(new)) = (&mut next.display, &old.display, &new.display) {
        carry(&mut next.smartcard, &old.smartcard, &new.smartcard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_changes_at_any_time_and_a_core_only_when_down() {
        let old = VmSpec::default();
        let mut new = old.clone();
        new.name = "x".into();
        new.topology.sockets = 2;
        new.memory /= 2;
        assert_eq!(down_only(&old, &new), None);
        new.topology.cores = 2;
        assert_eq!(down_only(&old, &new), Some("cores"));
    }

    #[test]
    fn what_changes_now_is_for_the_next_run_too() {
        let old = VmSpec::default();
        let mut next = old.clone();
        next.topology.cores = 2;
        next.os.cmdline = Some("quiet".into());
        next.comment = "later".into();
        let mut new = old.clone();
        new.os.kind = "rhel_6x64".into();
        new.origin = "rhev".into();
        new.comment = "now".into();
        carry_over(&old, &new, &mut next);
        assert_eq!((&*next.os.kind, &*next.origin), ("rhel_6x64", "rhev"));
        assert_eq!((next.topology.cores, next.os.cmdline.as_deref()), (2, Some("quiet")));
        assert_eq!(next.comment, "later", "the next run's own change");
    }
}
