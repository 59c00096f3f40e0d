//! What the hypervisor has, kept in memory: filled by one pass, kept true by events, healed by a
//! bounded resync. Reads never wait for QEMU.

use super::ports::{DomainSeen, StopDetail};
use crate::domain::{CDROM_ALIAS, Observed};
use crate::model::{ConsoleClient, GuestReport, PauseReason, Power, UserId, VmId, VmSpec, VmStatus};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// A domain as it was last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub domain: DomainSeen,
    /// The live document of a running domain, else the persistent one; nothing yet of one that is off
    /// and was not read since the start.
    pub observed: Arc<Observed>,
    /// A foreign domain's configuration, read from its document.
    pub foreign: Option<Arc<VmSpec>>,
}

impl Seen {
    /// Nobody has read its document.
    pub(super) fn is_unread(&self) -> bool {
        // Every document has a name.
        self.observed.name.is_empty()
    }
}

/// What the engine knows to be under way beside what libvirt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Launching,
    Restoring,
    Saving,
    PoweringDown,
    Rebooting,
    /// Its images are being made, or others of them: a template's, an exported VM's.
    Making,
    Removing,
    /// The guest stopped by itself, and the rows have yet to follow: who waits for `down` may
    /// start it at once.
    Ending,
}

/// A guest that ignored the request for so long is up again.
const PATIENCE: Duration = Duration::from_secs(120);
/// A reset shows its event within that time.
const REBOOT_PATIENCE: Duration = Duration::from_secs(20);

struct Medium {
    look: u64,
    file: Option<String>,
}

impl Medium {
    fn put_into(&self, seen: &mut Seen) {
        let disks = &mut Arc::make_mut(&mut seen.observed).disks;
        for drive in disks.iter_mut().filter(|disk| disk.alias.as_deref() == Some(CDROM_ALIAS)) {
            drive.file.clone_from(&self.file);
        }
    }
}

#[derive(Default)]
struct Entry {
    seen: Option<Seen>,
    phase: Option<(Phase, Instant)>,
    /// Why the last disk error paused the guest.
    disk_error: Option<PauseReason>,
    not_responding: bool,
    agent: bool,
    /// What the guest last told of itself.
    guest: Option<Arc<GuestReport>>,
    /// Who looks at the graphics consoles.
    clients: Vec<ConsoleClient>,
    /// Who asked for the last ticket of the run.
    ticket: Option<UserId>,
    last_stop: Option<StopDetail>,
    /// When this engine last booted it; not known of a guest that goes on from its memory, nor of others'.
    booted: Option<Timestamp>,
    /// The look at libvirt that `seen` comes from; an older one never overwrites it.
    looked: u64,
    /// The last medium that was put into a drive, of which looks that began before know nothing.
    medium: Option<Medium>,
    /// Grows with every change that a reader could see.
    stamp: u64,
}

impl Entry {
    fn runs(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.domain.power.runs())
    }
}

#[derive(Default)]
pub struct Inventory {
    entries: RwLock<HashMap<VmId, Entry>>,
    looks: AtomicU64,
    forgotten: Mutex<Forgotten>,
    stamps: AtomicU64,
}

/// What was forgotten lately. A look that began before and sees it nevertheless comes too late.
#[derive(Default)]
struct Forgotten {
    /// VMs, with the last look that may have been under way; the oldest first.
    lately: VecDeque<(VmId, u64)>,
    /// The look of the last one that is not remembered by its id any more.
    before: u64,
}

impl Forgotten {
    const KEPT: usize = 1024;

    fn add(&mut self, id: VmId, look: u64) {
        self.lately.push_back((id, look));
        if self.lately.len() > Self::KEPT {
            self.before = self.lately.pop_front().map_or(self.before, |(_, look)| look);
        }
    }

    fn is_later_than(&self, id: VmId, look: u64) -> bool {
        look <= self.before || self.lately.iter().any(|gone| gone.0 == id && look <= gone.1)
    }
}

impl Inventory {
    /// A ticket for a look at libvirt: take it before looking.
    pub(super) fn look(&self) -> u64 {
        self.looks.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The ticket of the look that is known of the VM.
    pub(super) fn looked(&self, id: VmId) -> u64 {
        self.read(id, |entry| entry.looked).unwrap_or(0)
    }

    fn change<T>(&self, id: VmId, change: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.entries.write().expect("no panic while held");
        self.change_in(&mut entries, id, change)
    }

    fn change_in<T>(
        &self,
        entries: &mut HashMap<VmId, Entry>,
        id: VmId,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> T {
        let entry = entries.entry(id).or_default();
        let result = change(entry);
        entry.stamp = self.stamps.fetch_add(1, Ordering::AcqRel) + 1;
        result
    }

    /// Changes what is known of a domain, if anything is: news of one that is no more come late.
    fn change_known(&self, id: VmId, is_news: impl Fn(&Entry) -> bool, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.write().expect("no panic while held");
        if entries.get(&id).is_some_and(is_news) {
            self.change_in(&mut entries, id, change);
        }
    }

    fn read<T>(&self, id: VmId, read: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.entries.read().expect("no panic while held").get(&id).map(read)
    }

    /// Keeps what a look saw, unless a later look was faster. Tells whether its interfaces are others now.
    pub(super) fn saw(&self, id: VmId, look: u64, mut seen: Option<Seen>) -> bool {
        let mut entries = self.entries.write().expect("no panic while held");
        // What was seen of a VM that has been forgotten since does not come back.
        let forgotten = || self.forgotten.lock().expect("no panic while held").is_later_than(id, look);
        if !entries.contains_key(&id) && forgotten() {
            return false;
        }
        self.change_in(&mut entries, id, |entry| {
            if entry.looked > look {
                return false;
            }
            entry.looked = look;
            entry.medium.take_if(|medium| medium.look <= look);
            entry.medium.iter().zip(&mut seen).for_each(|(medium, seen)| medium.put_into(seen));
            let power = seen.as_ref().map(|seen| seen.domain.power);
            if !matches!(power, Some(Power::Paused(_))) {
                entry.disk_error = None;
            }
            if !power.is_some_and(Power::runs) {
                entry.not_responding = false;
                entry.agent = false;
                entry.guest = None;
                entry.clients.clear();
                entry.ticket = None;
                if matches!(entry.phase, Some((Phase::PoweringDown | Phase::Rebooting, _))) {
                    entry.phase = None;
                }
            }
            if let Some(agent) = seen.as_ref().and_then(|seen| seen.observed.agent) {
                entry.agent = agent;
            }
            let taps =
                |seen: &Option<Seen>| seen.as_ref().map_or(Vec::new(), |seen| seen.observed.taps.clone());
            let moved = taps(&entry.seen) != taps(&seen);
            entry.seen = seen;
            moved
        })
    }

    /// The same of a domain that is off, and whose document nobody has read since. What the one of
    /// before said is worth more than nothing, but for that of a run.
    pub(super) fn saw_at_rest(&self, look: u64, domain: DomainSeen) -> bool {
        let before = self.seen(domain.id).filter(|seen| seen.domain.power == Power::Off);
        let observed = before.map(|seen| seen.observed).unwrap_or_default();
        self.saw(domain.id, look, Some(Seen { domain, observed, foreign: None }))
    }

    /// Forgets a VM that is no more.
    pub(super) fn forget(&self, id: VmId) {
        let mut entries = self.entries.write().expect("no panic while held");
        entries.remove(&id);
        let look = self.looks.load(Ordering::Acquire);
        self.forgotten.lock().expect("no panic while held").add(id, look);
        drop(entries);
        self.stamps.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn touch(&self, id: VmId) {
        self.change(id, |_| ());
    }

    pub(super) fn set_phase(&self, id: VmId, phase: Option<Phase>) {
        self.change(id, |entry| entry.phase = phase.map(|phase| (phase, Instant::now())));
    }

    pub(super) fn end_phase(&self, id: VmId, which: Phase) {
        let is_in = |entry: &Entry| matches!(entry.phase, Some((phase, _)) if phase == which);
        self.change_known(id, is_in, |entry| entry.phase = None);
    }

    pub(super) fn set_disk_error(&self, id: VmId, reason: PauseReason) {
        self.change(id, |entry| entry.disk_error = Some(reason));
    }

    /// The VM's own drive has another medium now.
    pub(super) fn set_medium(&self, id: VmId, file: Option<&Path>) {
        let file = file.map(|file| file.to_string_lossy().into_owned());
        let medium = Medium { look: self.look(), file };
        self.change(id, |entry| {
            entry.seen.iter_mut().for_each(|seen| medium.put_into(seen));
            entry.medium = Some(medium);
        });
    }

    pub(super) fn set_agent(&self, id: VmId, connected: bool) {
        self.change_known(id, |entry| entry.agent != connected, |entry| entry.agent = connected);
    }

    pub(super) fn set_guest(&self, id: VmId, told: GuestReport) {
        let told = Arc::new(told);
        let is_news = |entry: &Entry| entry.runs() && entry.guest.as_ref() != Some(&told);
        self.change_known(id, is_news, |entry| entry.guest = Some(told.clone()));
    }

    pub(super) fn set_booted(&self, id: VmId, at: Option<Timestamp>) {
        self.change(id, |entry| entry.booted = at);
    }

    pub(super) fn booted(&self, id: VmId) -> Option<Timestamp> {
        self.read(id, |entry| entry.booted).flatten()
    }

    pub(super) fn set_ticket(&self, id: VmId, user: UserId) {
        self.change(id, |entry| entry.ticket = Some(user));
    }

    /// A client of a graphics console came or went.
    pub(super) fn set_client(&self, id: VmId, client: ConsoleClient, connected: bool) {
        self.change(id, |entry| {
            entry.clients.retain(|other| (&other.address, &other.port) != (&client.address, &client.port));
            if connected {
                entry.clients.push(client);
            }
        });
    }

    /// The domain stopped. One that was seen off already was stopped by us, and nothing follows.
    pub(super) fn set_stop(&self, id: VmId, detail: StopDetail) {
        let stop = |entry: &mut Entry| {
            entry.last_stop = Some(detail);
            // A save is over when its job is, and tells so itself.
            if entry.runs() && detail != StopDetail::Saved {
                entry.phase = Some((Phase::Ending, Instant::now()));
            }
        };
        self.change_known(id, |_| true, stop);
    }

    pub(super) fn set_not_responding(&self, id: VmId, hung: bool) {
        self.change_known(id, |entry| entry.not_responding != hung, |entry| entry.not_responding = hung);
    }

    /// A run begins: how the one before ended says nothing of it.
    pub(super) fn forget_stop(&self, id: VmId) {
        if self.last_stop(id).is_some() {
            self.change(id, |entry| entry.last_stop = None);
        }
    }

    /// How the last run ended, as far as it was heard.
    pub fn last_stop(&self, id: VmId) -> Option<StopDetail> {
        self.read(id, |entry| entry.last_stop).flatten()
    }

    pub fn agent(&self, id: VmId) -> bool {
        self.read(id, |entry| entry.agent).unwrap_or(false)
    }

    /// What the guest last told of itself.
    pub fn guest(&self, id: VmId) -> Option<Arc<GuestReport>> {
        self.read(id, |entry| entry.guest.clone()).flatten()
    }

    /// Who looks at the VM's graphics consoles, and who asked for the last ticket.
    pub fn clients(&self, id: VmId) -> (Vec<ConsoleClient>, Option<UserId>) {
        self.read(id, |entry| (entry.clients.clone(), entry.ticket)).unwrap_or_default()
    }

    pub fn seen(&self, id: VmId) -> Option<Seen> {
        self.read(id, |entry| entry.seen.clone()).flatten()
    }

    pub fn power(&self, id: VmId) -> Option<Power> {
        self.read(id, |entry| entry.seen.as_ref().map(|seen| seen.domain.power)).flatten()
    }

    /// Grows with every change of the VM that a reader could see; with the VM's state.
    pub fn stamp(&self, id: VmId) -> u64 {
        self.read(id, |entry| entry.stamp).unwrap_or(0)
    }

    /// Ids of every domain that libvirt has.
    pub fn ids(&self) -> Vec<VmId> {
        let entries = self.entries.read().expect("no panic while held");
        entries.iter().filter(|(_, entry)| entry.seen.is_some()).map(|(id, _)| *id).collect()
    }

    /// Names and ids of every domain that libvirt has.
    pub fn names(&self) -> Vec<(String, VmId)> {
        let entries = self.entries.read().expect("no panic while held");
        let seen =
            entries.iter().filter_map(|(id, entry)| Some((entry.seen.as_ref()?.domain.name.clone(), *id)));
        seen.collect()
    }

    /// Names and ids of the domains that were somebody else's when they were looked at.
    pub fn foreign(&self) -> Vec<(String, VmId)> {
        let entries = self.entries.read().expect("no panic while held");
        let foreign = entries.iter().filter_map(|(id, entry)| {
            let seen = entry.seen.as_ref().filter(|seen| seen.foreign.is_some())?;
            Some((seen.domain.name.clone(), *id))
        });
        foreign.collect()
    }

    /// Ids of the domains with a QEMU behind them.
    pub fn running(&self) -> Vec<VmId> {
        let entries = self.entries.read().expect("no panic while held");
        entries.iter().filter(|(_, entry)| entry.runs()).map(|(id, _)| *id).collect()
    }

    /// The domain of that name.
    pub fn named(&self, name: &str) -> Option<VmId> {
        let entries = self.entries.read().expect("no panic while held");
        let is = |entry: &Entry| matches!(&entry.seen, Some(seen) if seen.domain.name == name);
        entries.iter().find(|(_, entry)| is(entry)).map(|(id, _)| *id)
    }

    /// The VM's state as the API tells it, with the detail of a pause.
    pub fn status(&self, id: VmId) -> (VmStatus, PauseReason) {
        self.read(id, status).unwrap_or((VmStatus::Down, PauseReason::None))
    }

    /// Drops phases whose patience ran out, so that stamps tell the change to readers.
    pub(super) fn expire_phases(&self) {
        let overdue: Vec<VmId> = {
            let entries = self.entries.read().expect("no panic while held");
            entries.iter().filter(|(_, entry)| expired(entry)).map(|(id, _)| *id).collect()
        };
        for id in overdue {
            self.change_known(id, expired, |entry| entry.phase = None);
        }
    }
}

fn expired(entry: &Entry) -> bool {
    match entry.phase {
        Some((Phase::PoweringDown, since)) => since.elapsed() > PATIENCE,
        Some((Phase::Rebooting, since)) => since.elapsed() > REBOOT_PATIENCE,
        _ => false,
    }
}

/// The one place where phases and power become a state.
fn status(entry: &Entry) -> (VmStatus, PauseReason) {
    let phase = entry.phase.map(|(phase, _)| phase);
    let power = entry.seen.as_ref().map_or(Power::Off, |seen| seen.domain.power);
    let status = match (phase, power) {
        (Some(Phase::Making | Phase::Removing), _) => VmStatus::ImageLocked,
        (Some(Phase::Saving), Power::Running | Power::Paused(_) | Power::Saved) => VmStatus::SavingState,
        (Some(Phase::Launching), Power::Off | Power::Running) => VmStatus::WaitForLaunch,
        (Some(Phase::Restoring), Power::Off | Power::Saved | Power::Running | Power::Paused(_)) => {
            VmStatus::RestoringState
        }
        (Some(Phase::Ending), Power::Off | Power::Running) => VmStatus::PoweringDown,
        (_, Power::Off) => VmStatus::Down,
        (_, Power::Saved) => VmStatus::Suspended,
        (_, Power::Crashed) => VmStatus::Paused,
        (_, Power::Paused(_)) => VmStatus::Paused,
        (_, Power::ShuttingDown) => VmStatus::PoweringDown,
        (_, Power::Running) if entry.not_responding => VmStatus::NotResponding,
        (Some(Phase::PoweringDown), Power::Running) => VmStatus::PoweringDown,
        (Some(Phase::Rebooting), Power::Running) => VmStatus::RebootInProgress,
        (_, Power::Running) => VmStatus::Up,
    };
    let reason = match power {
        Power::Crashed => PauseReason::Eother,
        Power::Paused(reason) => entry.disk_error.unwrap_or(reason),
        _ => PauseReason::None,
    };
    (status, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SeenDisk;

    #[test]
    fn a_medium_outlives_the_looks_that_began_before() {
        let (inventory, id) = (Inventory::default(), VmId::random());
        let seen = |file: &str, memory| {
            let drive = SeenDisk {
                alias: Some(CDROM_ALIAS.into()),
                file: Some(file.into()),
                device: "cdrom".into(),
                ..SeenDisk::default()
            };
            let observed = Observed { current_memory: memory, disks: vec![drive], ..Observed::default() };
            let domain = DomainSeen { id, name: "a".into(), power: Power::Running, persistent: true };
            Some(Seen { domain, observed: observed.into(), foreign: None })
        };
        let known = || {
            let observed = inventory.seen(id).unwrap().observed;
            (observed.disks[0].file.clone().unwrap(), observed.current_memory)
        };
        inventory.saw(id, inventory.look(), seen("a", 1));
        let early = inventory.look();
        inventory.set_medium(id, Some("b".as_ref()));
        assert_eq!(known(), ("b".into(), 1));
        inventory.saw(id, early, seen("a", 2));
        assert_eq!(known(), ("b".into(), 2));
        inventory.saw(id, inventory.look(), seen("c", 3));
        assert_eq!(known(), ("c".into(), 3));
    }

    fn at_rest(id: VmId) -> Seen {
        let domain = DomainSeen { id, name: "a".into(), power: Power::Off, persistent: true };
        Seen { domain, observed: Arc::default(), foreign: None }
    }

    #[test]
    fn a_late_look_raises_no_ghost() {
        let (inventory, id) = (Inventory::default(), VmId::random());
        let (early, late) = (inventory.look(), inventory.look());
        inventory.saw(id, late, Some(at_rest(id)));
        inventory.forget(id);
        inventory.saw(id, early, Some(at_rest(id)));
        assert!(inventory.ids().is_empty());
        inventory.saw(id, inventory.look(), Some(at_rest(id)));
        assert_eq!(inventory.ids(), [id]);
    }

    #[test]
    fn what_a_guest_told_does_not_outlive_its_run() {
        let (inventory, id) = (Inventory::default(), VmId::random());
        let told = || GuestReport { host_name: Some("late".into()), ..GuestReport::default() };
        inventory.set_guest(id, told());
        inventory.set_agent(id, true);
        assert!(inventory.ids().is_empty() && inventory.guest(id).is_none() && !inventory.agent(id));
        let running = || {
            let Seen { domain, observed, foreign } = at_rest(id);
            Seen { domain: DomainSeen { power: Power::Running, ..domain }, observed, foreign }
        };
        inventory.saw(id, inventory.look(), Some(running()));
        inventory.set_guest(id, told());
        assert!(inventory.guest(id).is_some());
        inventory.saw(id, inventory.look(), Some(at_rest(id)));
        inventory.set_guest(id, told());
        assert!(inventory.guest(id).is_none());
    }

    #[test]
    fn a_look_at_a_new_domain_outlives_the_end_of_others() {
        let (inventory, id) = (Inventory::default(), VmId::random());
        let look = inventory.look();
        inventory.forget(VmId::random());
        inventory.saw(id, look, Some(at_rest(id)));
        assert_eq!(inventory.ids(), [id]);

        // Whatever is not remembered by its id holds back what may have been it.
        inventory.forget(id);
        (0..Forgotten::KEPT).for_each(|_| inventory.forget(VmId::random()));
        inventory.saw(id, look, Some(at_rest(id)));
        assert!(inventory.ids().is_empty());
    }
}
