//! Power: start, stop, shutdown, reboot; the guest's file systems and log-on.

use super::inventory::Phase;
use super::journal::changed_vm;
use super::locks::{Entity, Guard, Mode};
use super::ports::{AgentCall, Ask, DomainSeen, StopDetail};
use super::stateless::stateless_run;
use super::world::World;
use super::{Engine, documents, failpoint, locks};
use crate::domain::{self, Medium};
use crate::error::{Error, Kind, Result};
use crate::model::vm::{BootDevice, Protocol, RngSource};
use crate::model::*;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How long a request to stop waits for an operation that has the VM for itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a start waits for what still makes the VM or its disks.
const DISKS_MADE: Duration = Duration::from_secs(1);

const RUN: &str = "Cannot run VM";

/// Overrides of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOnce {
    pub stateless: Option<bool>,
    pub boot: Option<Vec<BootDevice>>,
    pub kernel: Option<String>,
    pub initrd: Option<String>,
    pub cmdline: Option<String>,
    pub display: Option<Protocol>,
    pub keyboard_layout: Option<String>,
    /// File in an ISO domain; empty is no medium.
    pub cdrom: Option<String>,
    /// The same for a floppy drive, which the VM has in that run alone.
    pub floppy: Option<String>,
    pub boot_menu: Option<bool>,
    pub custom_properties: Option<Vec<(String, String)>>,
    pub cpu_model: Option<String>,
    pub machine: Option<String>,
    pub cpu_shares: Option<u32>,
}

#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    pub pause: bool,
    pub once: Option<RunOnce>,
    /// The guest gets what sets it up in its system's way, or not; `None` is at its first run only.
    pub sysprep: Option<bool>,
    pub cloud_init: Option<bool>,
    /// Takes the place of the VM's own for this run.
    pub initialization: Option<Initialization>,
    /// The pool of the VM starts it, for who may come.
    pub by_pool: bool,
}

impl StartOptions {
    /// How pools start their VMs.
    pub(super) fn of_pool() -> Self {
        Self { by_pool: true, ..Self::default() }
    }

    /// It is not just a start, which also resumes.
    fn asks_for_more(&self) -> bool {
        self.once.is_some()
            || [self.sysprep, self.cloud_init].contains(&Some(true))
            || self.initialization.is_some()
    }
}

impl RunOnce {
    fn over(&self, spec: &VmSpec) -> Result<VmSpec> {
        let mut run = spec.clone();
        if let Some(boot) = &self.boot {
            run.os.boot.clone_from(boot);
        }
        for (asked, field) in [
            (&self.kernel, &mut run.os.kernel),
            (&self.initrd, &mut run.os.initrd),
            (&self.cmdline, &mut run.os.cmdline),
            (&self.cdrom, &mut run.cdrom),
            (&self.cpu_model, &mut run.cpu_model),
            (&self.machine, &mut run.machine),
        ] {
            if let Some(text) = asked {
                *field = Some(text.clone()).filter(|text| !text.is_empty());
            }
        }
        if let Some(protocol) = self.display {
            run.display.get_or_insert_default().protocol = protocol;
        }
        if let Some(layout) = &self.keyboard_layout {
            run.display.get_or_insert_default().keyboard_layout = Some(layout.clone());
        }
        run.stateless = self.stateless.unwrap_or(run.stateless);
        run.boot_menu = self.boot_menu.unwrap_or(run.boot_menu);
        run.cpu_shares = self.cpu_shares.unwrap_or(run.cpu_shares);
        if let Some(properties) = &self.custom_properties {
            run.custom_properties.clone_from(properties);
        }
        run.check().map_err(Error::invalid)?;
        Ok(run)
    }
}

/// Whether the domain still has a name that the VM had before.
fn is_misnamed(domain: &DomainSeen, vm: &Vm) -> bool {
    domain.name != domain::domain_name(&vm.spec.name, vm.id)
}

impl Engine {
    pub(super) async fn hold_vm(&self, operation: &'static str, id: VmId) -> Result<Guard> {
        self.vm(id)?;
        self.take(operation, &[(Entity::Vm(id), Mode::Exclusive)]).await
    }

    /// Holds the VM so that its power can go: beside operations on its devices, which come to their
    /// end without a guest, too, and after one that has the VM for itself. Tells whether all others
    /// are kept out.
    async fn hold_to_end(&self, operation: &'static str, id: VmId) -> Result<(Guard, bool)> {
        match self.hold_vm(operation, id).await {
            Err(why) if why.kind == Kind::Busy => {}
            held => return held.map(|guard| (guard, true)),
        }
        let beside = [(Entity::Vm(id), Mode::Shared)];
        self.take_after(operation, &beside, PATIENCE).await.map(|guard| (guard, false))
    }

    /// Lets the row follow a run that began or ended by somebody else's doing, or while nobody
    /// listened. False while somebody holds the VM.
    pub(super) async fn follow_run(self: &Arc<Self>, id: VmId) -> bool {
        if let Err(why) = self.look_at(id).await {
            tracing::debug!(vm = %id, "a look at the domain failed: {why}");
        }
        // A lock that is not needed would only be in a client's way.
        let row = self.world().vms.get(&id).cloned();
        if !row.is_some_and(|vm| self.is_astray(&vm)) {
            return true;
        }
        let held = self.hold(locks::END_OF_RUN, &[(Entity::Vm(id), Mode::Exclusive)]);
        if held.is_ok() {
            // It may have gone on before it was held.
            let looked = self.look_at(id).await;
            self.follow_held_run(id, looked).await;
        }
        held.is_ok()
    }

    async fn follow_held_run(self: &Arc<Self>, id: VmId, looked: Result<()>) {
        let settled = match looked {
            Ok(()) => self.settle_run(id).await,
            failed => failed,
        };
        if let Err(why) = settled {
            tracing::warn!(vm = %id, "the row of a VM could not follow its run: {why}");
        }
    }

    /// The same for every VM whose row tells of another run than the inventory.
    pub(super) async fn follow_runs(self: &Arc<Self>) {
        let astray: Vec<VmId> = {
            let world = self.world();
            world.vms.values().filter(|vm| self.is_astray(vm)).map(|vm| vm.id).collect()
        };
        for id in astray {
            self.follow_run(id).await;
        }
    }

    fn is_astray(&self, vm: &Vm) -> bool {
        match self.inventory.seen(vm.id) {
            Some(seen) if seen.domain.power == Power::Off => {
                let adoptable = vm.next_run.is_some() && !self.was_refused(vm);
                vm.run_once || vm.is_started() || adoptable || is_misnamed(&seen.domain, vm)
            }
            Some(seen) => seen.domain.power != Power::Saved && !vm.is_started(),
            None => false,
        }
    }

    /// A VM that is down has no run, and its next configuration has taken the present one's place;
    /// one that runs has begun to. The VM is held, and was looked at since.
    async fn settle_run(self: &Arc<Self>, id: VmId) -> Result<()> {
        let Ok(vm) = self.own_vm(id) else { return Ok(()) };
        if !self.is_astray(&vm) {
            return Ok(());
        }
        let now = Some(Timestamp::now());
        if self.runs(id) {
            self.inventory.forget_stop(id);
            self.note_vm(id, Vm::begin_run).await;
            self.tell_of_vm(Code::VM_STARTED, id, "was started by somebody else");
            return Ok(());
        }
        let ends = vm.run_once || vm.is_started();
        if ends {
            // First: a VM of a pool whose run is over is there for the next user.
            self.return_to_pool(id).await;
            // A start whose answer was lost may have come to nothing.
            let ran = self.inventory.last_stop(id).is_some_and(|stop| stop != StopDetail::Failed);
            let over = |vm: &mut Vm| {
                (vm.run_once, vm.stopped, vm.setting_up) = (false, now, vm.setting_up && !ran);
            };
            self.note_vm(id, over).await;
            let (code, how) = match self.how_it_ended(&vm).await {
                Some(how) if how.is_death() => (Code::VM_DOWN_ERROR, "is down with an error"),
                Some(StopDetail::Shutdown) => (Code::VM_DOWN, "is down: its guest shut down"),
                _ => (Code::VM_DOWN, "is down"),
            };
            self.tell_of_vm(code, id, how);
            self.drop_media(id).await;
            // The next start does it, too.
            if let Err(why) = self.renew_all_borrowed(id).await {
                tracing::warn!(vm = %id, "what the VM wrote over disks' snapshots is left for now: {why}");
            }
        }
        // Also where the last daemon came no further: before the next configuration takes its place.
        self.end_stateless(id).await?;
        let named = self.inventory.seen(id).is_some_and(|seen| !is_misnamed(&seen.domain, &vm));
        match vm.next_run {
            Some(_) if ends || !self.was_refused(&vm) => self.adopt_next_run(id).await,
            _ if named => Ok(()),
            _ => self.sync_definition(id).await.map(|_| ()),
        }
    }

    /// How the run ended whose row says that it goes on. One whose end nobody heard of may have died: a
    /// highly available VM comes back then, also where its host took with it what libvirt knew.
    async fn how_it_ended(self: &Arc<Self>, vm: &Vm) -> Option<StopDetail> {
        let id = vm.id;
        if let Some(heard) = self.inventory.last_stop(id) {
            return Some(heard);
        }
        let available = vm.spec.high_availability.enabled;
        let known = self.lane.call(move |hv| hv.last_stop(id)).await.unwrap_or(None);
        let missed = known.or(available.then_some(StopDetail::Failed))?;
        if missed.is_death() && available && vm.is_started() {
            self.begin_restart(id);
        }
        Some(missed)
    }

    /// Starts, resumes a paused or suspended VM, or runs it once with overrides.
    pub async fn start_vm(self: &Arc<Self>, id: VmId, options: StartOptions) -> Result<()> {
        self.vm(id)?;
        // Right behind the request that made its last disk.
        let _guard = self.take_after("start", &[(Entity::Vm(id), Mode::Exclusive)], DISKS_MADE).await?;
        self.require_connection()?;
        let wanted = if options.asks_for_more() { Move::RunOnce } else { Move::Start };
        self.may(id, wanted)?;
        match self.status(id) {
            VmStatus::Paused => {
                let (done, failed) = (Code::VM_RESUMED, Code::VM_RESUME_FAILED);
                let telling = self.telling_vm(id, "Resuming", "was resumed", done, failed);
                self.told(telling, self.lane.call(move |hv| hv.resume(id))).await?;
                return self.look_at(id).await;
            }
            VmStatus::Suspended => self.start_from_saved(id, options.pause).await?,
            _ => self.start_from_down(id, options).await?,
        }
        failpoint::hit("start.called");
        Ok(())
    }

    async fn start_from_saved(self: &Arc<Self>, id: VmId, pause: bool) -> Result<()> {
        self.check_affinity(&self.world(), id)?;
        self.check_images(RUN, &self.active_disks(id)).await?;
        self.revive_networks(id).await?;
        self.claim(id, Phase::Restoring, |_| ()).await?;
        self.launch(id, Phase::Restoring, pause, None).await
    }

    async fn start_from_down(self: &Arc<Self>, id: VmId, options: StartOptions) -> Result<()> {
        if !self.world().vms.contains_key(&id) {
            if options.asks_for_more() {
                self.own_vm(id)?;
            }
            return self.launch(id, Phase::Launching, options.pause, None).await;
        }
        if self.own_vm(id)?.is_started() || stateless_run(&self.world(), id).is_some() {
            // The end of its last run could not be followed while others held it, or the run never began.
            self.look_at(id).await?;
            self.settle_run(id).await?;
            // From images that a guest may have open nothing is taken away.
            self.may(id, Move::RunOnce)?;
            self.end_stateless(id).await?;
        }
        if options.asks_for_more() {
            self.check_not_to_wake(id, Move::RunOnce)?;
        }
        self.adopt_next_run_or_none(id).await?;
        let forgets = options.once.as_ref().and_then(|once| once.stateless);
        // So does every run of a pool's VM that does not say otherwise, whoever starts it.
        let pooled = self.world().pool_of(id).is_some();
        let forgets = forgets.unwrap_or(pooled || self.own_vm(id)?.spec.stateless);
        if forgets {
            self.follow_version_or_not(id).await?;
        }
        let vm = self.own_vm(id)?;
        let mut spec = match &options.once {
            Some(once) => once.over(&vm.spec)?,
            None => vm.spec.clone(),
        };
        spec.stateless = forgets;
        self.check_startable(id, &spec)?;
        self.renew_all_borrowed(id).await?;
        self.check_images(RUN, &self.active_disks(id)).await?;
        // A kernel or CD that has gone since it was configured is said in the client's words.
        self.boot_files(&spec)?;
        spec.cdrom.as_deref().map(|name| self.iso_file(name)).transpose()?;
        let floppy = options.once.as_ref().and_then(|once| once.floppy.as_deref());
        let floppy = floppy.filter(|name| !name.is_empty()).map(|name| self.floppy_file(name)).transpose()?;
        // Somebody else may have changed it.
        self.sync_definition(id).await?;
        self.revive_networks(id).await?;
        let payloads = self.payloads_of(&vm, &spec, &options)?;
        if spec.stateless {
            self.begin_stateless(id).await?;
        }
        let started = async {
            if vm.wakes_from.is_some() {
                self.claim(id, Phase::Restoring, |_| ()).await?;
                let woken = self.wake(id, options.pause).await;
                self.inventory.end_phase(id, Phase::Restoring);
                return woken;
            }
            let mut media = self.make_media(id, payloads).await?;
            media.extend(floppy.map(|file| Medium { kind: PayloadKind::Floppy, file, made: false }));
            failpoint::hit("start.media");
            self.run_from_down(vm, &spec, &media, &options).await
        };
        let started = started.await;
        if started.is_err() && self.never_ran(id).await {
            self.drop_media(id).await;
            self.end_stateless(id).await?;
        }
        started
    }

    async fn run_from_down(
        &self,
        vm: Vm,
        spec: &VmSpec,
        media: &[Medium],
        options: &StartOptions,
    ) -> Result<()> {
        let id = vm.id;
        let document = match options.once.is_some() || !media.is_empty() {
            true => {
                let present = self.lane.call(move |hv| hv.document(id, true)).await?;
                let present = present.map(|text| documents::parse(&text)).transpose()?;
                Some(self.document_with(&vm, spec, present, media)?.to_string())
            }
            false => None,
        };
        let pause = options.pause || spec.start_paused;
        // Ahead of the run: a row that tells of one that never was is seen and put right.
        let once = options.once.is_some() || options.initialization.is_some();
        let run = |row: &mut Vm| {
            row.setting_up = row.is_fresh();
            row.begin_run();
            (row.run_once, row.taken) = (once, !options.by_pool);
        };
        self.claim(id, Phase::Launching, run).await?;
        let launched = self.launch(id, Phase::Launching, pause, document).await;
        if launched.is_err() && self.never_ran(id).await {
            let Vm { run_once, started, stopped, wakes_from, stop_reason, setting_up, taken, .. } = vm;
            let as_before = |row: &mut Vm| {
                (row.run_once, row.started, row.stopped) = (run_once, started, stopped);
                (row.wakes_from, row.stop_reason) = (wakes_from, stop_reason);
                (row.setting_up, row.taken) = (setting_up, taken);
            };
            self.note_vm(id, as_before).await;
        } else if launched.is_ok() && vm.is_fresh() {
            self.note_vm(id, |row| row.setting_up = false).await;
        }
        launched
    }

    /// Whether a start that failed did nothing for sure. Where its answer alone was lost, the guest runs
    /// or is about to.
    async fn never_ran(&self, id: VmId) -> bool {
        self.outlast_job(id).await.is_ok() && self.look_at(id).await.is_ok() && !self.runs(id)
    }

    /// From here on nobody takes away what the VM is to run on, nor starts one beside which it may not
    /// run: the phase tells that it is in use.
    async fn claim(&self, id: VmId, phase: Phase, run: impl FnOnce(&mut Vm)) -> Result<()> {
        let claimed = self.record(|world| {
            self.check_disks(world, id)?;
            self.check_affinity(world, id)?;
            self.inventory.set_phase(id, Some(phase));
            let taken = world.given(id).next().is_some();
            Ok(changed_vm(world, id, |vm| {
                run(vm);
                vm.taken |= taken;
            }))
        });
        let claimed = claimed.await;
        if claimed.is_err() {
            self.inventory.end_phase(id, phase);
        }
        claimed
    }

    fn active_disks(&self, id: VmId) -> Vec<Disk> {
        active_disks(&self.world(), id)
    }

    async fn launch(&self, id: VmId, phase: Phase, pause: bool, document: Option<String>) -> Result<()> {
        self.inventory.set_phase(id, Some(phase));
        self.inventory.forget_stop(id);
        self.inventory.set_booted(id, (phase == Phase::Launching).then(Timestamp::now));
        let telling = self.telling_vm(id, "Starting", "was started", Code::VM_STARTED, Code::VM_START_FAILED);
        let start = self.lane.slow(move |hv| match &document {
            Some(document) => hv.start_with(document, pause),
            None => hv.start(id, pause),
        });
        let started = self.told(telling, start).await;
        let looked = self.look_at(id).await;
        self.inventory.end_phase(id, phase);
        started.and(looked)
    }

    fn check_startable(&self, id: VmId, spec: &VmSpec) -> Result<()> {
        self.check_affinity(&self.world(), id)?;
        let facts = self.facts()?;
        spec.check_cells_on(&facts.0.nodes).map_err(|why| Error::conflict(format!("{RUN}. {why}")))?;
        if spec.rng.as_ref().is_some_and(|rng| rng.source == RngSource::Hwrng) && !facts.0.hwrng {
            return Err(Error::conflict(format!(
                "{RUN}. The host has no random number generator of its own."
            )));
        }
        let world = self.world();
        self.check_disks(&world, id)?;
        let own = world.attachments.of_vm(id).any(|attachment| attachment.active);
        if spec.os.boot == [BootDevice::Hd] && !own && spec.os.kernel.is_none() {
            return Err(Error::conflict("Cannot run VM without at least one bootable disk."));
        }
        let wired = world.nics_of(id).iter().any(|nic| nic.plugged);
        if spec.os.boot == [BootDevice::Network] && spec.os.kernel.is_none() && !wired {
            return Err(Error::conflict(
                "Cannot run VM. The VM boots from the network and has no network interface.",
            ));
        }
        Ok(())
    }

    /// The VM's active disks can be used, and so can the storage that they lie on.
    fn check_disks(&self, world: &World, id: VmId) -> Result<()> {
        let disks = active_disks(world, id);
        if let Some(disk) = disks.iter().find(|disk| disk.status == DiskStatus::Locked) {
            return Err(Error::conflict(format!(
                "{RUN}. The disk {} is locked. Please try again in a few minutes.",
                disk.alias
            )));
        }
        if let Some(disk) = disks.iter().find(|disk| disk.status == DiskStatus::Illegal) {
            return Err(Error::conflict(format!("{RUN}. The disk {} is illegal.", disk.alias)));
        }
        self.require_active_below(RUN, world, disks.iter().map(|disk| disk.id))
    }

    /// Cuts the power. A suspended VM loses its saved memory.
    pub async fn stop_vm(self: &Arc<Self>, id: VmId) -> Result<()> {
        let (_guard, alone) = match self.hold_to_end("stop", id).await {
            // Whoever has it for itself for so long waits for its guest, and comes to an end without it.
            Err(why) if why.kind == Kind::Busy && self.runs(id) => (None, false),
            held => held.map(|(guard, alone)| (Some(guard), alone))?,
        };
        if self.may(id, Move::Stop)? {
            return Ok(());
        }
        self.require_connection()?;
        let telling = self.telling_vm(id, "Stopping", "was stopped", Code::VM_STOPPED, Code::VM_STOP_FAILED);
        let stopped = async {
            match self.status(id) {
                VmStatus::Suspended => self.lane.call(move |hv| hv.drop_save(id)).await,
                _ => self.lane.slow(move |hv| hv.destroy(id)).await,
            }
        };
        self.told(telling, stopped).await?;
        failpoint::hit("stop.called");
        self.look_at(id).await?;
        if alone {
            if self.inventory.last_stop(id).is_none() {
                // Nobody needs to be asked how it ended.
                self.inventory.set_stop(id, StopDetail::Destroyed);
            }
            self.follow_held_run(id, Ok(())).await;
            // The event of this stop need not be waited for: its rows have followed.
            self.inventory.end_phase(id, Phase::Ending);
        }
        Ok(())
    }

    /// Asks the guest to power off: by its agent when there is one, else by the power button.
    pub async fn shutdown_vm(self: &Arc<Self>, id: VmId) -> Result<()> {
        let (guard, _) = self.hold_to_end("shutdown", id).await?;
        if self.may(id, Move::Shutdown)? {
            return Ok(());
        }
        // Neither hears anybody who asks.
        if matches!(self.status(id), VmStatus::Suspended | VmStatus::Paused) {
            drop(guard);
            return self.stop_vm(id).await;
        }
        let (done, failed) = (Code::VM_SHUTDOWN_BEGUN, Code::VM_SHUTDOWN_FAILED);
        let telling = self.telling_vm(id, "Shutting down", "was asked to shut down", done, failed);
        self.told(telling, self.ask_guest(id, Phase::PoweringDown, move |hv, ask| hv.shutdown(id, ask))).await
    }

    /// Keeps why somebody stops the VM, until it starts again.
    pub async fn note_stop_reason(&self, id: VmId, reason: String) -> Result<()> {
        self.record(|world| Ok(changed_vm(world, id, |vm| vm.stop_reason = Some(reason)))).await
    }

    pub async fn reboot_vm(self: &Arc<Self>, id: VmId) -> Result<()> {
        let _guard = self.hold_to_end("reboot", id).await?;
        self.may(id, Move::Reboot)?;
        let (done, failed) = (Code::VM_REBOOTED, Code::VM_REBOOT_FAILED);
        let telling = self.telling_vm(id, "Rebooting", "was asked to reboot", done, failed);
        self.told(telling, self.ask_guest(id, Phase::Rebooting, move |hv, ask| hv.reboot(id, ask))).await
    }

    async fn ask_guest(
        &self,
        id: VmId,
        phase: Phase,
        call: impl Fn(&dyn super::ports::Hypervisor, Ask) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        self.require_connection()?;
        let agent = self.inventory.agent(id);
        self.inventory.set_phase(id, Some(phase));
        let asked = self
            .lane
            .call(move |hv| match agent {
                // An agent that hangs must not keep the guest up: the button is the second way.
                true => call(hv, Ask::Agent).or_else(|_| call(hv, Ask::Acpi)),
                false => call(hv, Ask::Acpi),
            })
            .await;
        if asked.is_err() {
            self.inventory.set_phase(id, None);
        }
        asked
    }

    /// Freezes or thaws the guest's file systems through its agent.
    pub async fn freeze_or_thaw(&self, id: VmId, call: AgentCall) -> Result<()> {
        self.vm(id)?;
        let _guard = self.take("freeze", &[(Entity::Vm(id), Mode::Exclusive)]).await?;
        self.may(id, Move::Freeze)?;
        self.lane.call(move |hv| hv.agent(id, call)).await
    }

    /// Single sign-on needs a credential that version 3 keeps for users of a directory.
    pub fn logon(&self, id: VmId) -> Result<()> {
        self.vm(id)?;
        self.may(id, Move::Logon)?;
        Err(Error::conflict("Cannot log on to VM. The user's session has no password to log on with."))
    }
}

fn active_disks(world: &World, id: VmId) -> Vec<Disk> {
    let hung = world.hung_on(id).into_iter().filter(|(attachment, _)| attachment.active);
    hung.map(|(_, disk)| disk).collect()
}
