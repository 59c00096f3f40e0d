//! Following the hypervisor: every event means "look again"; a bounded resync heals what events missed.

use super::inventory::{Phase, Seen};
use super::ports::{Control, DomainSeen, Hypervisor, HypervisorEvent, StopDetail};
use super::{Engine, documents};
use crate::domain;
use crate::error::{Error, Kind, Result};
use crate::model::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

const RESYNC: Duration = Duration::from_secs(10);
const WATCH: Duration = Duration::from_secs(2);
/// Documents that are read side by side.
const AT_ONCE: usize = 4;
const BURST: Duration = Duration::from_millis(3);
/// How long a look waits for another at the same domain.
const TURN: Duration = Duration::from_secs(1);
/// How often a VM that died is started anew while other operations hold it.
const RESTARTS: u32 = 60;
/// A monitor that has been busy for so long counts as not responding.
const PATIENCE: Duration = Duration::from_secs(10);

impl Engine {
    pub(super) async fn follow(self: Arc<Self>, mut events: UnboundedReceiver<HypervisorEvent>) {
        while let Some(event) = events.recv().await {
            self.note_event(&event).await;
            let _ = self.happened.send(event);
        }
    }

    async fn note_event(self: &Arc<Self>, event: &HypervisorEvent) {
        match event {
            HypervisorEvent::Connected => {
                let connection = self.connection.fetch_add(1, Ordering::AcqRel) + 1;
                let engine = self.clone();
                tokio::spawn(async move { engine.connect_until_done(connection).await });
            }
            HypervisorEvent::Disconnected => {
                if self.connected() {
                    let host = self.world().about_host();
                    self.tell(Code::HOST_LOST, host, "The connection to libvirt is lost.");
                }
                self.connection.fetch_add(1, Ordering::AcqRel);
                tracing::warn!("the connection to libvirt is lost");
            }
            HypervisorEvent::Domain(id) => self.look_again(*id),
            HypervisorEvent::Stopped { id, detail } => {
                self.inventory.set_stop(*id, *detail);
                let (engine, id, detail) = (self.clone(), *id, *detail);
                tokio::spawn(async move { engine.after_stop(id, detail).await });
            }
            HypervisorEvent::Rebooted(id) => {
                self.inventory.end_phase(*id, Phase::Rebooting);
                let (engine, id) = (self.clone(), *id);
                tokio::spawn(async move { engine.reinsert_medium(id).await });
            }
            HypervisorEvent::DeviceAdded { id, .. } | HypervisorEvent::BalloonChanged(id) => {
                self.look_again(*id)
            }
            HypervisorEvent::DeviceRemoved { id, alias } => {
                self.look_again(*id);
                if let (Some(disk), Some(nic)) = (DiskId::from_alias(alias), NicId::from_alias(alias)) {
                    let (engine, id) = (self.clone(), *id);
                    tokio::spawn(async move {
                        engine.follow_unplugged(id, disk).await;
                        engine.follow_unplugged_nic(id, nic).await;
                    });
                }
            }
            HypervisorEvent::DeviceRemovalFailed { .. } => {}
            HypervisorEvent::DiskError { id, reason, paused, .. } => {
                if *paused {
                    self.inventory.set_disk_error(*id, *reason);
                    let (code, what) = match reason {
                        PauseReason::Enospc => (Code::VM_PAUSED_NO_SPACE, "its storage is full"),
                        PauseReason::Eio => (Code::VM_PAUSED_IO, "a disk has an input/output error"),
                        PauseReason::Eperm => (Code::VM_PAUSED_PERMISSION, "a disk may not be written"),
                        PauseReason::None | PauseReason::Eother => {
                            (Code::VM_PAUSED_ERROR, "a disk has an error")
                        }
                    };
                    self.tell_of_vm(code, *id, &format!("is paused: {what}"));
                }
                self.look_again(*id);
            }
            HypervisorEvent::Agent { id, connected } => self.inventory.set_agent(*id, *connected),
            HypervisorEvent::Console { id, served, address, port, connected } => {
                self.note_client(*id, *served, address.clone(), port.clone(), *connected);
            }
        }
    }

    /// Looks at a domain in a task of its own, so that one slow look holds no event up, and a
    /// moment later, so that a burst of events is one look: often that of whoever caused them.
    fn look_again(self: &Arc<Self>, id: VmId) {
        let engine = self.clone();
        let since = self.inventory.look();
        tokio::spawn(async move {
            tokio::time::sleep(BURST).await;
            if let Err(why) = engine.look_since(id, since).await {
                tracing::debug!(vm = %id, "a look at the domain failed: {why}");
            }
        });
    }

    /// Reads the domain as libvirt has it now into the inventory.
    pub(super) async fn look_at(&self, id: VmId) -> Result<()> {
        self.look_since(id, self.inventory.look()).await
    }

    /// The same for who is content with a look that began after that ticket was given out.
    async fn look_since(&self, id: VmId, since: u64) -> Result<()> {
        // Who is held up too long by another's look goes ahead.
        let _turn = tokio::time::timeout(TURN, self.looks.take(id)).await;
        if self.inventory.looked(id) > since {
            return Ok(());
        }
        let look = self.inventory.look();
        let found = self.lane.call(move |hv| hv.look(id, false)).await?;
        self.saw(id, look, found)
    }

    /// What a look that began with that ticket saw.
    pub(super) fn saw(&self, id: VmId, look: u64, found: Option<(DomainSeen, String)>) -> Result<()> {
        let own = self.world().vms.contains_key(&id);
        let seen = found.map(|(domain, document)| observed(domain, &document, own)).transpose()?;
        self.take_in(id, look, seen, own);
        Ok(())
    }

    fn take_in(&self, id: VmId, look: u64, seen: Option<Seen>, own: bool) {
        let gone = seen.is_none();
        if self.inventory.saw(id, look, seen) {
            self.taps_changed.notify_one();
        }
        if gone && !own {
            self.inventory.forget(id);
        }
    }

    /// A VM went down: its next configuration takes its place, and a highly available one comes back.
    async fn after_stop(self: &Arc<Self>, id: VmId, detail: StopDetail) {
        // Most operations are over in a moment; after a longer one `tidy` finds the row astray.
        for _ in 0..20 {
            if self.follow_run(id).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.inventory.end_phase(id, Phase::Ending);
        if detail.is_death() {
            self.restart(id).await;
        }
    }

    pub(super) fn begin_restart(self: &Arc<Self>, id: VmId) {
        let engine = self.clone();
        tokio::spawn(async move { engine.restart(id).await });
    }

    /// A highly available VM that died runs again.
    async fn restart(self: &Arc<Self>, id: VmId) {
        if !self.world().vms.get(&id).is_some_and(|vm| vm.spec.high_availability.enabled) {
            return;
        }
        for _ in 0..RESTARTS {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if !matches!(self.status(id), VmStatus::Down | VmStatus::PoweringDown) {
                // Somebody was quicker.
                return;
            }
            match self.start_vm(id, super::StartOptions::default()).await {
                Err(why) if why.kind == Kind::Busy => {}
                Ok(()) => return tracing::info!(vm = %id, "a highly available VM that died runs again"),
                Err(why) => {
                    self.tell_of_vm(Code::VM_RESTART_FAILED, id, "died and could not be started again");
                    return tracing::error!(vm = %id, "a highly available VM that died could not be started: {why}");
                }
            }
        }
    }

    /// Tries until everything has been looked at, or there is another connection.
    async fn connect_until_done(self: Arc<Self>, connection: u64) {
        let mut pause = Duration::from_millis(200);
        loop {
            match self.connect(connection).await {
                Ok(()) => return,
                // A call's own connection may fail while the one that is watched stands.
                Err(why) => tracing::error!("looking at the hypervisor failed: {why}"),
            }
            tokio::time::sleep(pause).await;
            if self.connection.load(Ordering::Acquire) != connection {
                return;
            }
            pause = (pause * 2).min(Duration::from_secs(30));
        }
    }

    /// A connection is there: facts, pools, every domain, then what was left undone. The documents of
    /// VMs at rest say little that their rows do not: nobody waits for them, and they are read one by one.
    async fn connect(self: &Arc<Self>, connection: u64) -> Result<()> {
        let (facts, uuid, version) =
            self.lane.slow(|hv| Ok((hv.facts()?, hv.host_uuid()?, hv.version()?))).await?;
        *self.facts.write().expect("no panic while held") = Some(Arc::new((facts, uuid)));
        self.ensure_pools().await?;
        self.ensure_networks().await;
        self.ensure_secrets().await?;
        let at_rest = self.look_at_all().await?;
        let guards = self.hold_open_intents();
        // Of two that look side by side the later one's connection counts.
        self.looked_at.fetch_max(connection, Ordering::AcqRel);
        tracing::info!("connected to {version}");
        let host = self.world().about_host();
        self.tell(Code::HOST_DETECTED, host, format!("The host is up with {version}."));
        let rest = async {
            self.reconcile(guards).await;
            self.drop_half_saves().await;
            self.pools_taken_from.notify_one();
        };
        let ((), read) = tokio::join!(rest, at_rest.read(self, 1));
        if let Err(why) = read {
            // A resync reads what is left.
            tracing::warn!("not all domains could be read: {why}");
        }
        Ok(())
    }

    pub(super) async fn resync_for_ever(self: Arc<Self>) {
        let mut since = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(WATCH).await;
            self.inventory.expire_phases();
            if !self.connected() {
                continue;
            }
            self.tidy();
            self.watch_monitors().await;
            if since.elapsed() >= RESYNC {
                since = tokio::time::Instant::now();
                self.watch_storage().await;
                if let Err(why) = self.resync().await {
                    tracing::debug!("a resync failed: {why}");
                }
            }
        }
    }

    /// Ends what an operation had to leave open, and follows what found a VM held.
    fn tidy(self: &Arc<Self>) {
        let engine = self.clone();
        tokio::spawn(async move { engine.reconcile(engine.hold_open_intents()).await });
    }

    async fn watch_monitors(&self) {
        for id in self.inventory.running() {
            let control = self.lane.call(move |hv| hv.control(id)).await;
            let hung = matches!(control, Ok(Control::Occupied(since)) if since >= PATIENCE);
            // A save or a start holds the monitor for good reasons.
            let at_work = matches!(
                self.inventory.status(id).0,
                VmStatus::SavingState | VmStatus::RestoringState | VmStatus::WaitForLaunch
            );
            let silent = hung && !at_work;
            if silent && self.inventory.status(id).0 != VmStatus::NotResponding {
                self.tell_of_vm(Code::VM_NOT_RESPONDING, id, "does not respond");
            }
            self.inventory.set_not_responding(id, silent);
        }
    }

    /// Looks at every domain, but for the documents of those that the rows tell of.
    async fn look_at_all(self: &Arc<Self>) -> Result<Look> {
        let ticket = self.inventory.look();
        let domains = self.lane.slow(|hv| hv.domains()).await?;
        let present: BTreeSet<VmId> = domains.iter().map(|domain| domain.id).collect();
        let (at_rest, others): (Vec<_>, Vec<_>) = {
            let world = self.world();
            let is_known = |it: &DomainSeen| it.power == Power::Off && world.vms.contains_key(&it.id);
            domains.into_iter().partition(is_known)
        };
        for domain in &at_rest {
            if self.inventory.saw_at_rest(ticket, domain.clone()) {
                self.taps_changed.notify_one();
            }
        }
        Look { ticket, domains: others }.read(self, AT_ONCE).await?;
        self.look_at_missing(&present).await?;
        Ok(Look { ticket, domains: at_rest })
    }

    /// Compares the list of domains with the inventory and looks at what differs.
    async fn resync(self: &Arc<Self>) -> Result<()> {
        let look = self.inventory.look();
        let domains = self.lane.call(|hv| hv.domains()).await?;
        let present: BTreeSet<VmId> = domains.iter().map(|domain| domain.id).collect();
        let differs = |domain: &DomainSeen| {
            let seen = self.inventory.seen(domain.id);
            seen.is_none_or(|seen| seen.domain != *domain || seen.is_unread())
        };
        let (new, same): (Vec<_>, Vec<_>) = domains.into_iter().partition(differs);
        let mut looks = tokio::task::JoinSet::new();
        for domain in new {
            let (engine, id) = (self.clone(), domain.id);
            looks.spawn(async move {
                // The list told all but the document.
                let read = async {
                    let document = engine.lane.call(move |hv| hv.document(id, false)).await?;
                    engine.saw(id, look, document.map(|document| (domain, document)))
                };
                (id, read.await)
            });
        }
        all_of(looks).await?;
        self.look_at_missing(&present).await?;
        self.read_again(look, same).await
    }

    /// libvirt tells of no medium or link that somebody else changes in a running domain. One after the
    /// other, so that nobody's call waits for them all.
    async fn read_again(self: &Arc<Self>, look: u64, domains: Vec<DomainSeen>) -> Result<()> {
        for domain in domains.into_iter().filter(|domain| domain.power.runs()) {
            let id = domain.id;
            if self.inventory.status(id).0 == VmStatus::NotResponding {
                continue;
            }
            let Ok(document) = self.lane.call(move |hv| hv.document(id, false)).await else { continue };
            let own = self.world().vms.contains_key(&id);
            let seen = document.map(|document| observed(domain, &document, own)).transpose()?;
            // What is as it was needs no new documents.
            if seen.is_none() || seen != self.inventory.seen(id) {
                self.take_in(id, look, seen, own);
            }
        }
        Ok(())
    }

    /// Looks at what the inventory has beside these domains.
    async fn look_at_missing(self: &Arc<Self>, present: &BTreeSet<VmId>) -> Result<()> {
        let mut looks = tokio::task::JoinSet::new();
        for id in self.inventory.ids().into_iter().filter(|id| !present.contains(id)) {
            let engine = self.clone();
            looks.spawn(async move { (id, engine.look_at(id).await) });
        }
        all_of(looks).await
    }
}

/// A look at domains of which all but the documents is known.
struct Look {
    ticket: u64,
    domains: Vec<DomainSeen>,
}

impl Look {
    async fn read(self, engine: &Arc<Engine>, at_once: usize) -> Result<()> {
        let reader = engine.clone();
        let read = move |hv: &dyn Hypervisor| {
            hv.documents(self.domains, at_once, &|domain, document| {
                let id = domain.id;
                let document = document.map(|found| found.map(|document| (domain, document)));
                if let Err(why) = document.and_then(|found| reader.saw(id, self.ticket, found)) {
                    unread(id, &why);
                }
            })
        };
        engine.lane.slow(read).await
    }
}

/// Waits for looks; only the loss of libvirt ends them.
async fn all_of(mut looks: tokio::task::JoinSet<(VmId, Result<()>)>) -> Result<()> {
    while let Some(looked) = looks.join_next().await {
        if let Ok((id, Err(why))) = looked {
            if why.kind == Kind::Unavailable {
                return Err(why);
            }
            unread(id, &why);
        }
    }
    Ok(())
}

/// One odd domain must not hide the others.
fn unread(id: VmId, why: &Error) {
    tracing::warn!(vm = %id, "a domain could not be read: {why}");
}

fn observed(domain: DomainSeen, document: &str, own: bool) -> Result<Seen> {
    let document = documents::parse(document)?;
    Ok(Seen {
        observed: Arc::new(domain::observe(&document)),
        foreign: (!own).then(|| Arc::new(domain::observe_spec(&document))),
        domain,
    })
}
