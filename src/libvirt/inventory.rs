//! Which domains there are and how they are.

use super::connection::{Link, lock};
use super::domain::{self, found};
use super::facts::PROBE_ID;
use super::raw::{self, Record, Value};
use super::session::Session;
use crate::engine::ports::{Control, DomainSeen, StopDetail, Telling};
use crate::error::{Error, Result};
use crate::model::{PauseReason, Power, VmId};
use std::collections::HashSet;
use std::sync::Mutex;
use virt::domain::Domain;
use virt::sys;

/// libvirtd answers about 4096 domains at most in one call.
const AT_ONCE: usize = 1024;

/// All domains in a few calls, however many there are.
pub fn all(session: &Session) -> Result<Vec<DomainSeen>> {
    let domains = session.list_all_domains(0)?;
    let mut records = Vec::with_capacity(domains.len());
    for some in domains.chunks(AT_ONCE) {
        records.extend(raw::stats_of(some, sys::VIR_DOMAIN_STATS_STATE, 0)?);
    }
    let saved = ids(session, sys::VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)?;
    let transient = ids(session, sys::VIR_CONNECT_LIST_DOMAINS_TRANSIENT)?;
    let mut seen = Vec::with_capacity(records.len());
    for record in records.into_iter().filter(|record| record.id != PROBE_ID) {
        let state = number(&record, "state.state");
        let reason = number(&record, "state.reason");
        let power = match power(state, reason, || saved.contains(&record.id)) {
            Seen::Power(power) => power,
            Seen::DiskError => disk_pause(session, record.id),
        };
        let persistent = !transient.contains(&record.id);
        seen.push(DomainSeen { id: record.id, name: record.name, power, persistent });
    }
    Ok(seen)
}

/// Each of these domains is told with its live document, or else the persistent one, as soon as that
/// was read; over so many connections.
pub fn documents(link: &Link, of: Vec<DomainSeen>, at_once: usize, tell: Telling<'_>) -> Result<()> {
    let left = Mutex::new(of.into_iter());
    let next = || lock(&left).next();
    let read_on = |session: &Session| {
        while let Some(seen) = next() {
            match domain::document(session, seen.id, false) {
                // All the others would fail, too.
                Err(why) if !session.is_alive() => return Err(why),
                read => tell(seen, read),
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..at_once).map(|_| scope.spawn(|| link.call(read_on))).collect();
        readers
            .into_iter()
            .try_for_each(|reader| reader.join().map_err(|_| Error::bug("a reader panicked"))?)
    })
}

pub fn look(session: &Session, id: VmId, persistent: bool) -> Result<Option<(DomainSeen, String)>> {
    let Some(domain) = of_users(session, id)? else { return Ok(None) };
    let seen = state(session, id, &domain);
    // It may go while it is looked at.
    found(seen.and_then(|seen| Ok((seen, domain::text(&domain, persistent)?))))
}

/// By its present name, and not the one that facts are asked of.
fn of_users(session: &Session, id: VmId) -> Result<Option<Domain>> {
    if id == PROBE_ID { Ok(None) } else { found(session.look_up(id)) }
}

fn state(session: &Session, id: VmId, domain: &Domain) -> Result<DomainSeen> {
    let (state, reason) = raw::state(domain)?;
    let power = match power(state, reason, || domain.has_managed_save(0).unwrap_or(false)) {
        // Its process is gone already; libvirt is still clearing up behind it.
        Seen::Power(Power::ShuttingDown) if !domain.is_active()? => Power::Off,
        Seen::Power(power) => power,
        Seen::DiskError => disk_pause(session, id),
    };
    Ok(DomainSeen { id, name: domain.name()?, power, persistent: domain.is_persistent()? })
}

/// libvirt keeps the reason as long as it runs itself.
pub fn last_stop(session: &Session, id: VmId) -> Result<Option<StopDetail>> {
    let Some(domain) = of_users(session, id)? else { return Ok(None) };
    let (state, reason) = raw::state(&domain)?;
    Ok((state == sys::VIR_DOMAIN_SHUTOFF).then(|| shutoff(reason)).flatten())
}

fn shutoff(reason: u32) -> Option<StopDetail> {
    match reason {
        sys::VIR_DOMAIN_SHUTOFF_SHUTDOWN => Some(StopDetail::Shutdown),
        sys::VIR_DOMAIN_SHUTOFF_DESTROYED => Some(StopDetail::Destroyed),
        sys::VIR_DOMAIN_SHUTOFF_CRASHED => Some(StopDetail::Crashed),
        sys::VIR_DOMAIN_SHUTOFF_SAVED => Some(StopDetail::Saved),
        sys::VIR_DOMAIN_SHUTOFF_FAILED => Some(StopDetail::Failed),
        sys::VIR_DOMAIN_SHUTOFF_UNKNOWN => None,
        _ => Some(StopDetail::Other),
    }
}

fn ids(session: &Session, flags: u32) -> Result<HashSet<VmId>> {
    let domains = session.list_all_domains(flags)?;
    Ok(domains.iter().filter_map(|domain| domain.uuid().ok().map(VmId)).collect())
}

fn number(record: &Record, name: &str) -> u32 {
    let value = record.values.iter().find(|(field, _)| field == name);
    match value {
        Some((_, Value::Number(number))) => *number as u32,
        _ => 0,
    }
}

#[derive(Debug, PartialEq)]
enum Seen {
    Power(Power),
    /// Paused for an error on a disk, of which only QEMU knows more.
    DiskError,
}

fn power(state: u32, reason: u32, saved: impl FnOnce() -> bool) -> Seen {
    Seen::Power(match (state, reason) {
        (sys::VIR_DOMAIN_RUNNING | sys::VIR_DOMAIN_BLOCKED, _) => Power::Running,
        (sys::VIR_DOMAIN_PAUSED, sys::VIR_DOMAIN_PAUSED_IOERROR) => return Seen::DiskError,
        (sys::VIR_DOMAIN_PAUSED, sys::VIR_DOMAIN_PAUSED_SHUTTING_DOWN) => Power::ShuttingDown,
        (sys::VIR_DOMAIN_PAUSED, sys::VIR_DOMAIN_PAUSED_CRASHED) => Power::Crashed,
        (sys::VIR_DOMAIN_PAUSED | sys::VIR_DOMAIN_PMSUSPENDED, _) => Power::Paused(PauseReason::None),
        (sys::VIR_DOMAIN_SHUTDOWN, _) => Power::ShuttingDown,
        (sys::VIR_DOMAIN_CRASHED, _) => Power::Crashed,
        _ if saved() => Power::Saved,
        _ => Power::Off,
    })
}

/// Which error a domain is paused for. A monitor that is busy is not waited for.
fn disk_pause(session: &Session, id: VmId) -> Power {
    let errors = || -> Result<Vec<u32>> {
        let domain = session.domain(id)?;
        match domain::control(&domain)? {
            Control::Free => Ok(raw::disk_errors(&domain)?),
            _ => Ok(Vec::new()),
        }
    };
    Power::Paused(pause_reason(&errors().unwrap_or_default()))
}

fn pause_reason(errors: &[u32]) -> PauseReason {
    if errors.contains(&sys::VIR_DOMAIN_DISK_ERROR_NO_SPACE) { PauseReason::Enospc } else { PauseReason::Eio }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_become_power() {
        let seen = |state, reason| power(state, reason, || false);
        let paused = Seen::Power(Power::Paused(PauseReason::None));
        for (state, reason, expected) in [
            (1, 1, Seen::Power(Power::Running)),
            (2, 0, Seen::Power(Power::Running)),
            (3, 1, paused),
            (3, 5, Seen::DiskError),
            (3, 8, Seen::Power(Power::ShuttingDown)),
            (3, 10, Seen::Power(Power::Crashed)),
            (4, 1, Seen::Power(Power::ShuttingDown)),
            (5, 2, Seen::Power(Power::Off)),
            (6, 1, Seen::Power(Power::Crashed)),
            (0, 0, Seen::Power(Power::Off)),
        ] {
            assert_eq!(seen(state, reason), expected, "{state}, {reason}");
        }
        assert_eq!(power(5, 5, || true), Seen::Power(Power::Saved));
        // Only a domain that is off is asked for its saved memory.
        power(1, 1, || panic!("asked"));
    }

    #[test]
    fn a_full_storage_wins_over_other_disk_errors() {
        assert_eq!(pause_reason(&[1, 2]), PauseReason::Enospc);
        assert_eq!(pause_reason(&[1]), PauseReason::Eio);
        assert_eq!(pause_reason(&[]), PauseReason::Eio);
    }
}
