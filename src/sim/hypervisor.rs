//! The simulated hypervisor.

use super::domain::{self, Domain, Lasting, Run, not_allowed};
use super::images::SimImages;
use super::steps::{Steps, steered};
use crate::engine::ports::{
    AgentCall, Ask, BlockJob, Control, DomainSample, DomainSeen, Hypervisor, HypervisorEvent as Event, Lease,
    Scope, StopDetail, Telling,
};
use crate::error::{Error, Kind, Result};
use crate::model::{
    Accelerator, CpuChoice, DiskId, GIB, GuestInterface, GuestReport, GuestSystem, HostFacts, HostNode,
    PauseReason, Power, Tune, VmId, VmSpec,
};
use crate::xml::Element;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::UnboundedSender;

/// A handle of the simulated hypervisor.
#[derive(Clone, Default)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
    steps: Arc<Steps>,
}

struct State {
    domains: BTreeMap<VmId, Domain>,
    pools: BTreeMap<String, PathBuf>,
    networks: BTreeSet<String>,
    secrets: BTreeMap<DiskId, String>,
    /// The documents in files of memory.
    memories: BTreeMap<PathBuf, Element>,
    /// Where disks lie, when their files are to matter.
    images: Option<SimImages>,
    events: Option<UnboundedSender<Event>>,
    connected: bool,
    /// The next snapshot with memory loses its caller, and is found at work so often.
    lasts: Option<u32>,
    /// How many devices met a running domain.
    plugged: u32,
}

impl Default for State {
    fn default() -> Self {
        Self {
            domains: BTreeMap::new(),
            pools: BTreeMap::new(),
            networks: ["default".to_owned()].into(),
            secrets: BTreeMap::new(),
            memories: BTreeMap::new(),
            images: None,
            events: None,
            connected: true,
            lasts: None,
            plugged: 0,
        }
    }
}

steered!(Simulated);

/// What a test does to the host and its guests.
impl Simulated {
    /// A hypervisor whose guests need the files of their disks and grow them.
    pub fn with_images(images: SimImages) -> Self {
        let simulated = Self::default();
        simulated.state().images = Some(images);
        simulated
    }

    /// The monitor of a running domain stops to answer, until [`Self::wake`].
    pub fn hang(&self, id: VmId) {
        self.run(id, |_, run| run.hung = Some(Instant::now()));
    }

    pub fn wake(&self, id: VmId) {
        self.run(id, |_, run| run.hung = None);
    }

    /// The guest ignores what it is asked: to let devices go, to shut down, to reboot.
    pub fn ignore_requests(&self, id: VmId) {
        self.run(id, |_, run| run.deaf = true);
    }

    /// The guest listens again, and lets go of the devices that it was asked for meanwhile.
    pub fn heed_requests(&self, id: VmId) {
        self.run(id, |events, run| {
            run.deaf = false;
            for alias in std::mem::take(&mut run.leaving) {
                domain::remove(&mut run.document, &alias);
                events.push(Event::DeviceRemoved { id, alias });
            }
        });
    }

    /// The agent in the guest comes or goes.
    pub fn set_agent(&self, id: VmId, connected: bool) {
        self.run(id, |events, run| {
            run.agent = connected;
            events.push(Event::Agent { id, connected });
        });
    }

    /// The next snapshot with memory is still being taken when its caller is told that it failed,
    /// until somebody has found it at work so often.
    pub fn let_snapshot_last(&self, looks: u32) {
        self.state().lasts = Some(looks);
    }

    /// Somebody logs in to the guest.
    pub fn log_in(&self, id: VmId, user: &str) {
        self.run(id, |_, run| run.users.push(user.to_owned()));
    }

    /// A client of the first graphics console shows its ticket, or goes.
    pub fn view(&self, id: VmId, address: &str, port: u16, connected: bool) {
        self.run(id, |events, run| {
            let served = run.document.number("devices/graphics/@port").unwrap_or_default();
            let (address, port) = (address.to_owned(), port.to_string());
            events.push(Event::Console { id, served, address, port, connected });
        });
    }

    /// The guest pauses at an error of one of its disks.
    pub fn fail_disk(&self, id: VmId, alias: &str, reason: PauseReason) {
        self.run(id, |events, run| {
            run.power = Power::Paused(reason);
            events.push(Event::DiskError { id, alias: alias.to_owned(), reason, paused: true });
            events.push(Event::Domain(id));
        });
    }

    /// The domain stops by itself: powered off from inside, crashed, killed.
    pub fn stop(&self, id: VmId, detail: StopDetail) {
        self.state().stop(id, detail);
    }

    /// The connection goes; calls fail until [`Self::connect`]. Guests run on.
    pub fn disconnect(&self) {
        let mut state = self.state();
        state.connected = false;
        state.send(Event::Disconnected);
    }

    pub fn connect(&self) {
        let mut state = self.state();
        state.connected = true;
        state.send(Event::Connected);
    }

    /// The networks that libvirt has.
    pub fn networks(&self) -> BTreeSet<String> {
        self.state().networks.clone()
    }

    /// A network of libvirt starts to exist.
    pub fn add_network(&self, name: &str) {
        self.state().networks.insert(name.to_owned());
    }

    /// The secrets that domains may use.
    pub fn secrets(&self) -> BTreeMap<DiskId, String> {
        self.state().secrets.clone()
    }

    /// libvirt ended and begins anew: it has forgotten its secrets.
    pub fn restart(&self) {
        self.disconnect();
        self.state().secrets.clear();
        self.connect();
    }

    /// The names and folders of the pools.
    pub fn pools(&self) -> BTreeMap<String, PathBuf> {
        self.state().pools.clone()
    }

    /// The live document with the passwords of its consoles.
    pub fn secure_document(&self, id: VmId) -> Option<String> {
        let state = self.state();
        state.domains.get(&id)?.run.as_ref().map(|run| run.document.to_string())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to a domain that runs, and sends what follows from it.
    fn run(&self, id: VmId, act: impl FnOnce(&mut Vec<Event>, &mut Run)) {
        let mut state = self.state();
        let mut events = Vec::new();
        if let Some(run) = state.domains.get_mut(&id).and_then(|domain| domain.run.as_mut()) {
            act(&mut events, run);
        }
        events.into_iter().for_each(|event| state.send(event));
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        let state = self.state();
        state.require_connection()?;
        read(&state)
    }

    fn change<T>(&self, what: &str, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.steps.step(what, || {
            let mut state = self.state();
            state.require_connection()?;
            change(&mut state)
        })
    }

    /// A change of one domain, seen by an event.
    fn change_domain<T>(
        &self,
        what: &str,
        id: VmId,
        change: impl FnOnce(&mut Domain) -> Result<T>,
    ) -> Result<T> {
        self.change(what, |state| {
            let done = change(state.domain(id)?)?;
            state.send(Event::Domain(id));
            Ok(done)
        })
    }
}

impl State {
    fn require_connection(&self) -> Result<()> {
        match self.connected {
            true => Ok(()),
            false => Err(Error::unavailable("simulated: disconnected")),
        }
    }

    fn send(&self, event: Event) {
        if let Some(events) = &self.events {
            // An engine that ended listens no more.
            let _ = events.send(event);
        }
    }

    fn domain(&mut self, id: VmId) -> Result<&mut Domain> {
        self.domains.get_mut(&id).ok_or_else(|| Error::not_found("VM"))
    }

    fn plug(&mut self, device: &mut Element) {
        self.plugged += 1;
        domain::plug(device, self.plugged);
    }

    /// What its target asks for must be known.
    fn require_secret(&self, device: &Element) -> Result<()> {
        let named = device.value("source/auth/secret/@uuid");
        match named.is_none_or(|id| id.parse().is_ok_and(|id| self.secrets.contains_key(&id))) {
            true => Ok(()),
            false => Err(Error::host("The host refused the operation.").because("Secret not found")),
        }
    }

    fn check_name(&self, id: VmId, name: &str) -> Result<()> {
        match self.domains.values().any(|other| other.name == name && other.id != id) {
            true => Err(Error::new(Kind::Exists, "A VM of that name or id exists on the host already.")),
            false => Ok(()),
        }
    }

    /// Runs the domain with this document.
    fn launch(&mut self, id: VmId, mut document: Element, paused: bool) -> Result<()> {
        if let Some(images) = &self.images {
            let files = images.files();
            if let Some(missing) =
                domain::images(&document).into_iter().find(|file| !files.contains(&file.into()))
            {
                return Err(Error::host("The host refused the operation.")
                    .because(format!("Cannot access storage file '{missing}': No such file or directory")));
            }
        }
        for device in document.ensure("devices").elements_mut() {
            self.require_secret(device)?;
            self.plug(device);
        }
        document.set("id", self.plugged);
        self.domain(id)?.run = Some(Run::of(document, paused));
        self.send(Event::Domain(id));
        Ok(())
    }

    fn stop(&mut self, id: VmId, detail: StopDetail) {
        let Some(domain) = self.domains.get_mut(&id) else { return };
        if domain.run.take().is_some() {
            domain.last_stop = Some(detail);
            if domain.persistent.is_none() {
                self.domains.remove(&id);
            }
            self.send(Event::Stopped { id, detail });
        }
    }

    fn take_snapshot(&mut self, id: VmId, document: &str, memory: bool) -> Result<()> {
        let told = domain::read_device(document, None)?;
        let disks = told.every("disks/disk").into_iter();
        let external = disks.filter(|disk| disk.get("snapshot") == Some("external"));
        let onto: Vec<(String, String)> =
            external.filter_map(|disk| Some((disk.value("@name")?, disk.value("source/@file")?))).collect();
        let saved = self.domain(id)?.answering()?.document.clone();
        let is_there =
            |(target, file): &(String, String)| domain::disk_source(&saved, target).as_ref() == Some(file);
        if onto.iter().any(is_there) {
            return Err(Error::conflict("A disk of the VM is in its new image already."));
        }
        for document in self.domain(id)?.documents(Scope::Both)? {
            onto.iter().for_each(|(target, file)| domain::switch_disk(document, target, file));
        }
        if let (true, Some(images), Some(file)) = (memory, &self.images, told.value("memory/@file")) {
            images.put(&file, 1);
            self.memories.insert(file.into(), saved);
        }
        self.send(Event::Domain(id));
        Ok(())
    }

    /// Begins a snapshot with memory that nobody hears the end of.
    fn begin_snapshot(&mut self, id: VmId, document: &str, looks: u32) -> Result<()> {
        let file = domain::read_device(document, None)?.value("memory/@file");
        if let (Some(images), Some(file)) = (&self.images, file) {
            images.put(file, 1);
        }
        let lasting = Lasting { document: document.to_owned(), looks };
        self.domain(id)?.answering()?.lasting = Some(lasting);
        Err(Error::conflict("The operation was interrupted."))
    }

    /// A guest hears a request, by its agent or by ACPI. Does it heed it?
    fn ask(&mut self, id: VmId, ask: Ask) -> Result<bool> {
        let run = self.domain(id)?.answering()?;
        match ask {
            Ask::Agent if !run.agent => Err(no_agent()),
            _ => Ok(!run.deaf && run.power == Power::Running),
        }
    }
}

fn no_agent() -> Error {
    Error::conflict("The guest agent of the VM does not respond.")
}

fn seen(domain: &Domain) -> DomainSeen {
    DomainSeen {
        id: domain.id,
        name: domain.name.clone(),
        power: domain.power(),
        persistent: domain.persistent.is_some(),
    }
}

impl Hypervisor for Simulated {
    fn subscribe(&self, events: UnboundedSender<Event>) {
        let mut state = self.state();
        state.events = Some(events);
        if state.connected {
            state.send(Event::Connected);
        }
    }

    fn version(&self) -> Result<String> {
        self.read(|_| Ok("libvirt 9.0.0, QEMU 7.2.22 (simulated)".into()))
    }

    fn facts(&self) -> Result<HostFacts> {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        self.read(|_| {
            Ok(HostFacts {
                accelerator: Accelerator::Kvm,
                kvm: true,
                cpu_kvm: CpuChoice::HostPassthrough { disable: Vec::new() },
                cpu_tcg: CpuChoice::Named("qemu64".into()),
                models_kvm: names(&["qemu64", "Nehalem", "Westmere", "SandyBridge", "Haswell", "EPYC"]),
                models_tcg: names(&["qemu64", "Nehalem", "Westmere"]),
                machines: [
                    ("q35", "pc-q35-7.2"),
                    ("pc", "pc-i440fx-7.2"),
                    ("pc-q35-7.2", "pc-q35-7.2"),
                    ("pc-i440fx-7.2", "pc-i440fx-7.2"),
                ]
                .map(|(name, version)| (name.to_owned(), version.to_owned()))
                .into(),
                cpus: (0..16).collect(),
                memory: 64 * GIB,
                nodes: [(0, 0..8), (1, 8..16)]
                    .map(|(index, cpus)| HostNode {
                        index,
                        memory: 32 * GIB,
                        cpus: cpus.collect(),
                        distances: [(index, 10), (1 - index, 20)].into(),
                    })
                    .into(),
                spice: true,
                most_shares: VmSpec::MAX_SHARES,
                hwrng: true,
            })
        })
    }

    fn host_uuid(&self) -> Result<String> {
        self.read(|_| Ok("5e5e5e5e-0000-4000-8000-000000000001".into()))
    }

    fn domains(&self) -> Result<Vec<DomainSeen>> {
        self.read(|state| Ok(state.domains.values().map(seen).collect()))
    }

    fn documents(&self, of: Vec<DomainSeen>, _: usize, tell: Telling<'_>) -> Result<()> {
        of.into_iter().for_each(|seen| {
            let document = self.document(seen.id, false);
            tell(seen, document);
        });
        Ok(())
    }

    fn document(&self, id: VmId, persistent: bool) -> Result<Option<String>> {
        self.read(|state| {
            let Some(found) = state.domains.get(&id) else { return Ok(None) };
            let live = found.run.as_ref().map(|run| &run.document).filter(|_| !persistent);
            Ok(live.or(found.persistent.as_ref()).map(domain::told))
        })
    }

    fn look(&self, id: VmId, persistent: bool) -> Result<Option<(DomainSeen, String)>> {
        let seen = self.read(|state| Ok(state.domains.get(&id).map(seen)))?;
        Ok(seen.zip(self.document(id, persistent)?))
    }

    fn define(&self, document: &str) -> Result<()> {
        self.change("define", |state| {
            let (id, name, document) = domain::read(document)?;
            state.check_name(id, &name)?;
            let new =
                Domain { id, name: name.clone(), persistent: None, run: None, saved: None, last_stop: None };
            let domain = state.domains.entry(id).or_insert(new);
            if domain.name != name {
                return Err(Error::host("The host refused the operation.")
                    .because(format!("domain '{}' is already defined with uuid {id}", domain.name)));
            }
            domain.persistent = Some(document);
            state.send(Event::Domain(id));
            Ok(())
        })
    }

    fn define_validated(&self, document: &str) -> Result<()> {
        self.define(document)
    }

    fn undefine(&self, id: VmId) -> Result<()> {
        self.change("undefine", |state| {
            match state.domains.get(&id) {
                None => return Ok(()),
                Some(domain) if domain.run.is_some() => return Err(Error::conflict("The domain runs.")),
                Some(_) => state.domains.remove(&id),
            };
            state.send(Event::Domain(id));
            Ok(())
        })
    }

    fn rename(&self, id: VmId, name: &str) -> Result<()> {
        self.change("rename", |state| {
            state.check_name(id, name)?;
            let domain = state.domain(id)?;
            match &mut domain.persistent {
                Some(document) if domain.run.is_none() && domain.saved.is_none() => {
                    document.ensure("name").set_content(name);
                }
                _ => return Err(not_allowed("domain is active or has a managed save image")),
            }
            domain.name = name.to_owned();
            state.send(Event::Domain(id));
            Ok(())
        })
    }

    fn start(&self, id: VmId, paused: bool) -> Result<()> {
        self.change("start", |state| {
            let domain = state.domain(id)?;
            if domain.run.is_some() {
                return Err(not_allowed("domain is already running"));
            }
            let document = domain.saved.clone().or_else(|| domain.persistent.clone());
            let document = document.ok_or_else(|| Error::not_found("VM"))?;
            state.launch(id, document, paused)?;
            state.domain(id)?.saved = None;
            Ok(())
        })
    }

    fn start_with(&self, document: &str, paused: bool) -> Result<()> {
        self.change("start with", |state| {
            let (id, name, document) = domain::read(document)?;
            state.check_name(id, &name)?;
            let new = Domain { id, name, persistent: None, run: None, saved: None, last_stop: None };
            let domain = state.domains.entry(id).or_insert(new);
            if domain.run.is_some() {
                return Err(not_allowed("domain is already active"));
            }
            let transient = domain.persistent.is_none();
            let launched = state.launch(id, document, paused);
            if launched.is_err() && transient {
                state.domains.remove(&id);
            }
            launched
        })
    }

    fn saved_document(&self, file: &Path) -> Result<String> {
        self.read(|state| {
            let there = state.images.as_ref().is_none_or(|images| images.files().contains(&file.into()));
            let saved = state.memories.get(file).filter(|_| there);
            saved.map(domain::told).ok_or_else(|| not_allowed("cannot read the save image"))
        })
    }

    fn restore(&self, file: &Path, document: &str) -> Result<()> {
        let saved = self.saved_document(file)?;
        self.change("restore", |state| {
            let (id, name, document) = domain::read(document)?;
            let (_, saved_name, saved) = domain::read(&saved)?;
            if name != saved_name || state.domain(id)?.name != name {
                return Err(not_allowed("the target domain's name does not match that of the source"));
            }
            if domain::named_devices(&saved) != domain::named_devices(&document) {
                return Err(not_allowed("the target domain's devices do not match those of the source"));
            }
            if state.domain(id)?.run.is_some() {
                return Err(not_allowed("domain is already running"));
            }
            state.launch(id, document, true)
        })
    }

    fn shutdown(&self, id: VmId, ask: Ask) -> Result<()> {
        self.change("shutdown", |state| {
            if state.ask(id, ask)? {
                state.stop(id, StopDetail::Shutdown);
            }
            Ok(())
        })
    }

    fn reboot(&self, id: VmId, ask: Ask) -> Result<()> {
        self.change("reboot", |state| {
            if state.ask(id, ask)? {
                state.send(Event::Rebooted(id));
            }
            Ok(())
        })
    }

    fn destroy(&self, id: VmId) -> Result<()> {
        self.change("destroy", |state| {
            state.stop(id, StopDetail::Destroyed);
            Ok(())
        })
    }

    fn pause(&self, id: VmId) -> Result<()> {
        self.change_domain("pause", id, |domain| {
            domain.answering()?.power = Power::Paused(PauseReason::None);
            Ok(())
        })
    }

    fn resume(&self, id: VmId) -> Result<()> {
        self.change_domain("resume", id, |domain| {
            domain.answering()?.power = Power::Running;
            Ok(())
        })
    }

    fn save(&self, id: VmId) -> Result<()> {
        self.change("save", |state| {
            let domain = state.domain(id)?;
            let document = domain.answering()?.document.clone();
            if domain.persistent.is_none() {
                return Err(not_allowed("cannot do managed save for transient domain"));
            }
            domain.saved = Some(document);
            state.stop(id, StopDetail::Saved);
            Ok(())
        })
    }

    fn drop_save(&self, id: VmId) -> Result<()> {
        self.change_domain("drop save", id, |domain| {
            domain.saved = None;
            Ok(())
        })
    }

    fn attach(&self, id: VmId, device: &str, alias: &str, scope: Scope) -> Result<()> {
        self.change("attach", |state| {
            let device = domain::read_device(device, Some(alias))?;
            state.require_secret(&device)?;
            for document in state.domain(id)?.documents(scope)? {
                domain::check_target(document, &device, alias)?;
            }
            if scope != Scope::Live {
                let config = state.domain(id)?.documents(Scope::Config)?;
                config.into_iter().for_each(|document| domain::add(document, &device, alias));
            }
            if scope != Scope::Config && !domain::has(&state.domain(id)?.answering()?.document, alias) {
                let mut device = device;
                state.plug(&mut device);
                domain::add(&mut state.domain(id)?.answering()?.document, &device, alias);
                state.send(Event::DeviceAdded { id, alias: alias.to_owned() });
            }
            state.send(Event::Domain(id));
            Ok(())
        })
    }

    fn detach(&self, id: VmId, alias: &str, scope: Scope) -> Result<bool> {
        self.change("detach", |state| {
            let domain = state.domain(id)?;
            // What does not apply to this domain is refused before anything happens.
            domain.documents(scope)?;
            if scope != Scope::Live {
                let config = domain.documents(Scope::Config)?;
                config.into_iter().for_each(|document| domain::remove(document, alias));
            }
            let mut asked = false;
            if scope != Scope::Config {
                let run = domain.answering()?;
                asked = domain::has(&run.document, alias);
                if asked {
                    run.leaving.insert(alias.to_owned());
                    if !run.deaf {
                        run.leaving.remove(alias);
                        domain::remove(&mut run.document, alias);
                        state.send(Event::DeviceRemoved { id, alias: alias.to_owned() });
                    }
                }
            }
            state.send(Event::Domain(id));
            Ok(asked)
        })
    }

    fn update_device(&self, id: VmId, device: &str, scope: Scope) -> Result<()> {
        self.change_domain("update device", id, |domain| {
            let device = domain::read_device(device, None)?;
            domain.documents(scope)?.into_iter().try_for_each(|document| domain::replace(document, &device))
        })
    }

    fn change_medium(&self, id: VmId, drive: &str, force: bool) -> Result<()> {
        self.change_domain("change medium", id, |domain| {
            let run = domain.answering()?;
            if run.deaf && !force {
                return Err(Error::conflict("The guest holds the CD-ROM's tray locked."));
            }
            domain::replace(&mut run.document, &domain::read_device(drive, None)?)
        })
    }

    fn resize_block(&self, id: VmId, target: &str, bytes: u64) -> Result<()> {
        self.change("resize block", |state| {
            let document = &state.domain(id)?.answering()?.document;
            let file = domain::disk_source(document, target).ok_or_else(|| {
                Error::invalid("The hypervisor does not accept this value.")
                    .because(format!("disk {target} was not found"))
            })?;
            if let Some(images) = &state.images {
                images.grow(Path::new(&file), bytes);
            }
            Ok(())
        })
    }

    fn tune_block(&self, id: VmId, target: &str, tune: Tune) -> Result<()> {
        self.change_domain("tune block", id, |domain| {
            domain::tune(&mut domain.answering()?.document, target, tune)
        })
    }

    fn snapshot(&self, id: VmId, document: &str, memory: bool) -> Result<()> {
        self.change("snapshot", |state| {
            if state.domain(id)?.answering()?.lasting.is_some() {
                return Err(Error::busy("a job of the host"));
            }
            match state.lasts.take_if(|_| memory) {
                Some(looks) => state.begin_snapshot(id, document, looks),
                None => state.take_snapshot(id, document, memory),
            }
        })
    }

    fn has_job(&self, id: VmId) -> Result<bool> {
        let mut state = self.state();
        state.require_connection()?;
        let run = state.domains.get_mut(&id).and_then(|domain| domain.run.as_mut());
        let Some((run, mut lasting)) = run.and_then(|run| run.lasting.take().map(|it| (run, it))) else {
            return Ok(false);
        };
        match lasting.looks {
            0 => state.take_snapshot(id, &lasting.document, true).map(|()| false),
            left => {
                lasting.looks = left - 1;
                run.lasting = Some(lasting);
                Ok(true)
            }
        }
    }

    fn abort_job(&self, id: VmId) -> Result<()> {
        self.change("abort job", |state| {
            state.domain(id)?.answering()?.lasting = None;
            Ok(())
        })
    }

    fn commit_block(&self, id: VmId, target: &str, top: &str, base: &str, active: bool) -> Result<()> {
        self.change("commit block", |state| {
            let images = state.images.clone();
            let run = state.domain(id)?.answering()?;
            if run.jobs.contains_key(target) {
                return Err(Error::new(Kind::Busy, "disk already in active block job"));
            }
            if let Some(images) = images {
                images.merge(Path::new(top), Path::new(base));
            }
            if active {
                run.jobs.insert(target.to_owned(), base.to_owned());
            }
            Ok(())
        })
    }

    fn copy_block(&self, id: VmId, target: &str, document: &str, _shallow: bool) -> Result<()> {
        self.change("copy block", |state| {
            let file = domain::read_device(document, None)?.value("source/@file").unwrap_or_default();
            let run = state.domain(id)?.answering()?;
            if run.jobs.contains_key(target) {
                return Err(Error::new(Kind::Busy, "disk already in active block job"));
            }
            run.jobs.insert(target.to_owned(), file);
            Ok(())
        })
    }

    fn block_job(&self, id: VmId, target: &str) -> Result<Option<BlockJob>> {
        self.read(|state| {
            let run = state.domains.get(&id).and_then(|domain| domain.run.as_ref());
            let job = run.and_then(|run| run.jobs.get(target));
            Ok(job.map(|_| BlockJob { done: 1, total: 1, ready: true }))
        })
    }

    fn end_block_job(&self, id: VmId, target: &str, pivot: bool) -> Result<()> {
        self.change("end block job", |state| {
            let base = state.domain(id)?.answering()?.jobs.remove(target);
            if let (Some(base), true) = (base, pivot) {
                for document in state.domain(id)?.documents(Scope::Both)? {
                    domain::switch_disk(document, target, &base);
                }
            }
            state.send(Event::Domain(id));
            Ok(())
        })
    }

    fn set_memory(&self, id: VmId, bytes: u64, scope: Scope) -> Result<()> {
        self.change("set memory", |state| {
            let documents = state.domain(id)?.documents(scope)?;
            documents.into_iter().try_for_each(|document| domain::set_memory(document, bytes))?;
            if scope != Scope::Config {
                state.send(Event::BalloonChanged(id));
            }
            Ok(())
        })
    }

    fn set_vcpus(&self, id: VmId, count: u32) -> Result<()> {
        self.change_domain("set vcpus", id, |domain| {
            domain::set_vcpus(&mut domain.answering()?.document, count)
        })
    }

    fn pin_vcpu(&self, id: VmId, vcpu: u32, cpus: &[bool]) -> Result<()> {
        self.change_domain("pin vcpu", id, |domain| {
            domain::pin_vcpu(&mut domain.answering()?.document, vcpu, cpus)
        })
    }

    fn agent(&self, id: VmId, _call: AgentCall) -> Result<()> {
        self.change("agent", |state| match state.domain(id)?.answering()?.agent {
            true => Ok(()),
            false => Err(no_agent()),
        })
    }

    fn guest(&self, id: VmId) -> Result<GuestReport> {
        self.read(|state| {
            let domain = state.domains.get(&id).ok_or_else(|| Error::not_found("VM"))?;
            let run = domain.run.as_ref().ok_or_else(|| not_allowed("domain is not running"))?;
            let text = |text: &str| Some(text.to_owned());
            match run.agent {
                false => Err(no_agent()),
                true => Ok(GuestReport {
                    interfaces: domain::guest_interfaces(&run.document),
                    host_name: Some(format!("{}.example.com", domain.name)),
                    users: run.users.clone(),
                    system: GuestSystem {
                        name: text("Debian GNU/Linux"),
                        version: text("12"),
                        machine: text("x86_64"),
                        kernel: text("6.1.0-28-amd64"),
                    },
                    disks: domain::guest_disks(&run.document),
                    time_zone: Some(("CET".into(), 3600)),
                }),
            }
        })
    }

    fn leases(&self) -> Result<Vec<Lease>> {
        self.read(|state| {
            let runs = state.domains.values().filter_map(|domain| domain.run.as_ref());
            let all = runs.flat_map(|run| domain::guest_interfaces(&run.document));
            let lease = |it| Lease { interface: GuestInterface { name: String::new(), ..it }, taken: None };
            Ok(all.map(lease).collect())
        })
    }

    /// It greets as a VNC server does, and takes what it is told.
    fn open_console(&self, id: VmId, _place: u32) -> Result<OwnedFd> {
        self.read(|state| {
            let running = state.domains.get(&id).is_some_and(|domain| domain.run.is_some());
            running.then_some(()).ok_or_else(|| not_allowed("domain is not running"))
        })?;
        let refused = |why| Error::host("There is no console.").because(why);
        let (ours, theirs) = UnixStream::pair().map_err(refused)?;
        std::thread::spawn(move || {
            let mut console = ours;
            let greeted = console.write_all(b"RFB 003.008\n");
            greeted.and_then(|()| std::io::copy(&mut console, &mut std::io::sink()))
        });
        Ok(theirs.into())
    }

    fn last_stop(&self, id: VmId) -> Result<Option<StopDetail>> {
        self.read(|state| {
            let off = state.domains.get(&id).filter(|domain| domain.run.is_none());
            Ok(off.and_then(|domain| domain.last_stop))
        })
    }

    fn control(&self, id: VmId) -> Result<Control> {
        self.read(|state| {
            let domain = state.domains.get(&id).ok_or_else(|| Error::not_found("VM"))?;
            let run = domain.run.as_ref().ok_or_else(|| not_allowed("domain is not running"))?;
            Ok(run.hung.map_or(Control::Free, |since| Control::Occupied(since.elapsed())))
        })
    }

    fn sample(&self, ids: &[VmId]) -> Result<Vec<(VmId, DomainSample)>> {
        self.read(|state| {
            let sample = |id: &VmId| Some((*id, state.domains.get(id)?.sample()?));
            Ok(ids.iter().filter_map(sample).collect())
        })
    }

    fn host_devices(&self) -> Result<Vec<String>> {
        let device = |name: &str, group: &str| {
            format!(
                "<device><name>{name}</name><parent>computer</parent><capability type='pci'>\
                 <product id='0x10ca'>82576 Virtual Function</product><vendor id='0x8086'>Intel</vendor>{group}\
                 </capability></device>"
            )
        };
        let usb = "<device><name>usb_1_1</name><parent>usb_usb1</parent><capability type='usb_device'>\
                   <product id='0x0001'/><vendor id='0x0627'/></capability></device>";
        self.read(|_| {
            Ok(vec![
                device("pci_0000_02_10_7", "<iommuGroup number='31'/>"),
                device("pci_0000_00_1f_2", ""),
                usb.to_owned(),
            ])
        })
    }

    fn ensure_pool(&self, name: &str, folder: &Path) -> Result<()> {
        self.change("ensure pool", |state| {
            state.pools.insert(name.to_owned(), folder.to_owned());
            Ok(())
        })
    }

    fn drop_pool(&self, name: &str) -> Result<()> {
        self.change("drop pool", |state| {
            state.pools.remove(name);
            Ok(())
        })
    }

    fn refresh_pool(&self, name: &str) -> Result<()> {
        self.read(|state| match state.pools.contains_key(name) {
            true => Ok(()),
            false => Err(Error::not_found("storage pool")),
        })
    }

    fn ensure_network(&self, document: &str) -> Result<()> {
        self.change("ensure network", |state| {
            let document = domain::read_device(document, None)?;
            state.networks.insert(document.value("name").unwrap_or_default());
            Ok(())
        })
    }

    fn drop_network(&self, name: &str) -> Result<()> {
        self.change("drop network", |state| {
            state.networks.remove(name);
            Ok(())
        })
    }

    fn network_active(&self, name: &str) -> Result<bool> {
        self.read(|state| Ok(state.networks.contains(name)))
    }

    fn ensure_secret(&self, id: DiskId, secret: &str) -> Result<()> {
        self.change("ensure secret", |state| {
            state.secrets.insert(id, secret.to_owned());
            Ok(())
        })
    }

    fn drop_secret(&self, id: DiskId) -> Result<()> {
        self.change("drop secret", |state| {
            state.secrets.remove(&id);
            Ok(())
        })
    }
}
