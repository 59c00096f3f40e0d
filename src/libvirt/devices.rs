//! Devices of a domain, each known by its alias.
//!
//! When a change is refused, both documents are looked at: what was made before (by a call whose
//! answer was lost) is fine, and what was half made is finished.

use super::domain::{found, responsive};
use super::errors::TRAY_SHUT;
use super::raw;
use super::session::Session;
use crate::domain::limits;
use crate::engine::ports::Scope;
use crate::error::{Error, Result};
use crate::model::{Tune, VmId};
use crate::xml::{self, Element};
use serde_json::json;
use virt::domain::Domain;
use virt::sys::{self, VIR_DOMAIN_AFFECT_CONFIG as CONFIG, VIR_DOMAIN_AFFECT_LIVE as LIVE};

/// So many resets may come between an opened tray and its medium.
const RESETS: u32 = 5;

/// libvirt's flags for a scope.
pub fn flags(scope: Scope) -> u32 {
    match scope {
        Scope::Live => LIVE,
        Scope::Config => CONFIG,
        Scope::Both => LIVE | CONFIG,
    }
}

pub fn attach(session: &Session, id: VmId, device: &str, alias: &str, scope: Scope) -> Result<()> {
    let domain = responsive(session, id)?;
    let wanted = flags(scope);
    let Err(refused) = domain.attach_device_flags(device, wanted) else { return Ok(()) };
    match wanted & !holding(&domain, alias)? {
        0 => Ok(()),
        missing if missing == wanted => Err(refused.into()),
        missing => Ok(domain.attach_device_flags(device, missing)?),
    }
}

/// Tells whether there is a guest to wait for.
pub fn detach(session: &Session, id: VmId, alias: &str, scope: Scope) -> Result<bool> {
    let domain = responsive(session, id)?;
    // The guest may have been asked before and not have let go yet.
    let is_asked = |why: &virt::error::Error| why.message().contains("already in the process of unplug");
    let asked = flags(scope) & LIVE != 0;
    match raw::detach_by_alias(&domain, alias, flags(scope)) {
        Ok(()) => return Ok(asked),
        Err(why) if is_asked(&why) => return Ok(asked),
        Err(_) => {}
    }
    match flags(scope) & holding(&domain, alias)? {
        0 => Ok(false),
        present => match raw::detach_by_alias(&domain, alias, present) {
            Err(why) if is_asked(&why) => Ok(true),
            other => found(other.map_err(Error::from)).map(|_| present & LIVE != 0),
        },
    }
}

pub fn update(session: &Session, id: VmId, device: &str, scope: Scope) -> Result<()> {
    Ok(responsive(session, id)?.update_device_flags(device, flags(scope))?)
}

/// A bus that is reset, as a firmware does to the drives that it finds, shuts a tray without a word.
/// libvirt then takes it for open and never opens it again, so that it is opened for it.
pub fn change_medium(session: &Session, id: VmId, drive: &str, force: bool) -> Result<()> {
    let domain = responsive(session, id)?;
    let flags = LIVE | if force { sys::VIR_DOMAIN_DEVICE_MODIFY_FORCE } else { 0 };
    let mut resets = 0;
    loop {
        match domain.update_device_flags(drive, flags) {
            Err(why) if why.message().contains(TRAY_SHUT) && resets < RESETS => {
                open_tray(&domain, drive, force)?;
                resets += 1;
            }
            other => return Ok(other.map(drop)?),
        }
    }
}

/// libvirt hears of it as of the guest's own doing. A tray that the guest holds stays shut, which the
/// next change is told.
fn open_tray(domain: &Domain, drive: &str, force: bool) -> Result<()> {
    let alias = parse(drive)?.value("alias/@name");
    let command = json!({"execute": "blockdev-open-tray", "arguments": {"id": alias, "force": force}});
    Ok(domain.qemu_monitor_command(&command.to_string(), 0).map(drop)?)
}

/// All limits at once: those that are not set are taken away.
pub fn tune_block(session: &Session, id: VmId, target: &str, tune: Tune) -> Result<()> {
    Ok(raw::tune_block(&responsive(session, id)?, target, &limits(tune), LIVE)?)
}

pub fn resize_block(session: &Session, id: VmId, target: &str, bytes: u64) -> Result<()> {
    Ok(responsive(session, id)?.block_resize(target, bytes, sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES)?)
}

/// Looks a device's alias up in one document.
pub fn has_alias(document: &str, alias: &str) -> Result<bool> {
    let root = parse(document)?;
    let devices = root.first("devices").into_iter().flat_map(|devices| devices.elements());
    Ok(devices.into_iter().any(|device| device.value("alias/@name").as_deref() == Some(alias)))
}

fn parse(document: &str) -> Result<Element> {
    xml::parse(document.as_bytes()).map_err(|why| Error::bug(format_args!("libvirt: {why}")))
}

/// The flags of those of the domain's documents that have a device of that alias.
fn holding(domain: &Domain, alias: &str) -> Result<u32> {
    let mut holding = 0;
    if has_alias(&domain.xml_desc(sys::VIR_DOMAIN_XML_INACTIVE)?, alias)? {
        holding |= CONFIG;
    }
    if domain.is_active()? && has_alias(&domain.xml_desc(0)?, alias)? {
        holding |= LIVE;
    }
    Ok(holding)
}

/// The guest's memory now, or from its next start on.
pub fn set_memory(session: &Session, id: VmId, bytes: u64, scope: Scope) -> Result<()> {
    let domain = if scope == Scope::Config { session.domain(id)? } else { responsive(session, id)? };
    Ok(domain.set_memory_flags(bytes / crate::model::KIB, flags(scope))?)
}

#[cfg(test)]
mod tests {
    use super::has_alias;

    #[test]
    fn aliases_are_looked_up_among_the_devices() {
        let document = "<domain><devices><disk><target dev='vda'/><alias name='ua-1'/></disk>
            <interface/></devices><alias name='ua-2'/></domain>";
        assert!(has_alias(document, "ua-1").unwrap());
        assert!(!has_alias(document, "ua-2").unwrap());
        assert!(has_alias("<domain", "ua-1").is_err());
    }
}
