//! Definition and power of one domain.

use super::errors::NOT_RESPONDING;
use super::raw;
use super::session::Session;
use crate::engine::ports::{AgentCall, Ask, Control};
use crate::error::{Error, Kind, Result};
use crate::model::VmId;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use virt::domain::Domain;
use virt::sys;

/// A monitor that is held longer than this belongs to a QEMU that hangs.
const HUNG: Duration = Duration::from_secs(10);

/// `None` for what does not exist.
pub fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(why) if why.kind == Kind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// A domain for a call that needs its monitor: refused at once where the call would hang.
pub fn responsive(session: &Session, id: VmId) -> Result<Domain> {
    let domain = session.domain(id)?;
    if session.monitors.was_free_within(id, HUNG) {
        return Ok(domain);
    }
    // A domain that is off has no monitor, and libvirt says so here.
    match watch(session, id) {
        Ok(Control::Occupied(since)) if since > HUNG => Err(Error::conflict(NOT_RESPONDING)
            .because(format_args!("its monitor is occupied for {} s", since.as_secs()))),
        _ => Ok(domain),
    }
}

pub fn open_console(session: &Session, id: VmId, place: u32) -> Result<OwnedFd> {
    Ok(raw::open_graphics(&responsive(session, id)?, place)?)
}

pub fn control(domain: &Domain) -> Result<Control> {
    let (state, milliseconds) = raw::control(domain)?;
    Ok(match state {
        sys::VIR_DOMAIN_CONTROL_OCCUPIED => Control::Occupied(Duration::from_millis(milliseconds)),
        sys::VIR_DOMAIN_CONTROL_ERROR => Control::Broken,
        _ => Control::Free,
    })
}

/// The same, and keeps when a monitor was free.
pub fn watch(session: &Session, id: VmId) -> Result<Control> {
    let asked = Instant::now();
    let control = control(&session.domain(id)?)?;
    if control == Control::Free {
        session.monitors.found_free(id, asked);
    }
    Ok(control)
}

pub fn document(session: &Session, id: VmId, persistent: bool) -> Result<Option<String>> {
    found(session.domain(id).and_then(|domain| text(&domain, persistent)))
}

pub fn text(domain: &Domain, persistent: bool) -> Result<String> {
    Ok(domain.xml_desc(if persistent { sys::VIR_DOMAIN_XML_INACTIVE } else { 0 })?)
}

pub fn define(session: &Session, document: &str, validate: bool) -> Result<()> {
    let flags = if validate { sys::VIR_DOMAIN_DEFINE_VALIDATE } else { 0 };
    let domain = session.define_domain_xml_flags(document, flags)?;
    session.keep(VmId(domain.uuid()?), domain);
    Ok(())
}

pub fn rename(session: &Session, id: VmId, name: &str) -> Result<()> {
    Ok(session.domain(id)?.rename(name, 0)?)
}

pub fn undefine(session: &Session, id: VmId) -> Result<()> {
    let flags = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | sys::VIR_DOMAIN_UNDEFINE_NVRAM
        | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
    // Looked up anew, it knows whether it runs: libvirt would keep it for as long.
    let gone = session.look_up(id).and_then(|domain| match domain.id() {
        Some(_) => Err(Error::conflict("The domain runs.")),
        None => Ok(domain.undefine_flags(flags)?),
    });
    found(gone).map(drop)
}

pub fn start(session: &Session, id: VmId, paused: bool) -> Result<()> {
    let flags = if paused { sys::VIR_DOMAIN_START_PAUSED } else { 0 };
    Ok(session.domain(id)?.create_with_flags(flags)?)
}

/// The persistent definition of the same uuid stays what it is.
pub fn start_with(session: &Session, document: &str, paused: bool) -> Result<()> {
    let flags = if paused { sys::VIR_DOMAIN_START_PAUSED } else { 0 };
    session.create_domain_xml(document, flags | sys::VIR_DOMAIN_START_VALIDATE)?;
    Ok(())
}

pub fn shutdown(session: &Session, id: VmId, ask: Ask) -> Result<()> {
    let flags = match ask {
        Ask::Agent => sys::VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,
        Ask::Acpi => sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN,
    };
    Ok(responsive(session, id)?.shutdown_flags(flags)?)
}

pub fn reboot(session: &Session, id: VmId, ask: Ask) -> Result<()> {
    let flags = match ask {
        Ask::Agent => sys::VIR_DOMAIN_REBOOT_GUEST_AGENT,
        Ask::Acpi => sys::VIR_DOMAIN_REBOOT_ACPI_POWER_BTN,
    };
    Ok(responsive(session, id)?.reboot(flags)?)
}

/// Kills a QEMU that hangs, too; libvirt then waits some ten seconds for it.
pub fn destroy(session: &Session, id: VmId) -> Result<()> {
    let Some(domain) = found(session.domain(id))? else { return Ok(()) };
    match domain.destroy() {
        Err(_) if matches!(domain.is_active(), Ok(false)) => Ok(()),
        // A transient domain ends with its run.
        other => found(other.map_err(Error::from)).map(drop),
    }
}

pub fn drop_save(session: &Session, id: VmId) -> Result<()> {
    let domain = session.domain(id)?;
    if domain.has_managed_save(0)? { Ok(domain.managed_save_remove(0)?) } else { Ok(()) }
}

pub fn pin_vcpu(session: &Session, id: VmId, vcpu: u32, cpus: &[bool]) -> Result<()> {
    Ok(responsive(session, id)?.pin_vcpu_flags(vcpu, &bitmap(cpus), sys::VIR_DOMAIN_AFFECT_LIVE)?)
}

/// libvirt's spelling of a set of CPUs: the lowest bit of the first byte is CPU 0.
fn bitmap(cpus: &[bool]) -> Vec<u8> {
    cpus.chunks(8)
        .map(|eight| eight.iter().enumerate().fold(0, |byte, (bit, on)| byte | (u8::from(*on) << bit)))
        .collect()
}

pub fn agent(session: &Session, id: VmId, call: AgentCall) -> Result<()> {
    let domain = responsive(session, id)?;
    match call {
        AgentCall::Freeze => raw::freeze(&domain)?,
        AgentCall::Thaw => raw::thaw(&domain)?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::bitmap;

    #[test]
    fn sets_of_cpus_begin_at_the_lowest_bit() {
        assert_eq!(bitmap(&[true, false, true]), [0b101]);
        let mut cpus = [false; 10];
        cpus[9] = true;
        assert_eq!(bitmap(&cpus), [0, 0b10]);
        assert!(bitmap(&[]).is_empty());
    }
}
