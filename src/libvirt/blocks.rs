//! Snapshots of running domains and the jobs on their disks.

use super::domain::{found, responsive};
use super::raw;
use super::session::Session;
use crate::engine::ports::BlockJob;
use crate::error::{Error, Result};
use crate::model::VmId;
use crate::xml::{self, Element};
use std::path::Path;
use virt::domain::Domain;
use virt::sys;

pub fn snapshot(session: &Session, id: VmId, document: &str, memory: bool) -> Result<()> {
    let domain = responsive(session, id)?;
    // libvirt would let the call wait for the job, and puts a disk over its own image when asked to.
    if is_at_work(&domain)? {
        return Err(Error::busy("a job of the host"));
    }
    check_fresh(&parsed(&domain.xml_desc(0)?)?, &parsed(document)?)?;
    // The images are there already, and libvirt keeps no metadata: the engine does.
    let flags = sys::VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
        | sys::VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
        | sys::VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT;
    let kind = match memory {
        true => sys::VIR_DOMAIN_SNAPSHOT_CREATE_LIVE,
        false => sys::VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY,
    };
    domain.create_snapshot_xml(document, flags | kind)?;
    Ok(())
}

/// Refuses a snapshot whose images are in the chains of the domain's disks.
fn check_fresh(domain: &Element, snapshot: &Element) -> Result<()> {
    let of_disk = |disk: &Element| -> Vec<String> {
        let images = std::iter::successors(Some(disk), |image| image.first("backingStore"));
        images.filter_map(|image| image.value("source/@file")).collect()
    };
    let present: Vec<String> = domain.every("devices/disk").into_iter().flat_map(of_disk).collect();
    let new = snapshot.every("disks/disk").into_iter().filter_map(|disk| disk.value("source/@file"));
    match new.into_iter().find(|file| present.contains(file)) {
        Some(file) => Err(Error::conflict("A disk of the VM is in its new image already.").because(file)),
        None => Ok(()),
    }
}

pub fn has_job(session: &Session, id: VmId) -> Result<bool> {
    let Some(domain) = found(session.domain(id))? else { return Ok(false) };
    match is_at_work(&domain) {
        Err(_) if matches!(domain.is_active(), Ok(false)) => Ok(false),
        other => found(other).map(|at_work| at_work.unwrap_or(false)),
    }
}

/// A monitor that is held tells by itself whether it is for a job of the whole domain. Only where
/// nobody holds it, and so nobody is waited for, the job is asked after.
fn is_at_work(domain: &Domain) -> Result<bool> {
    Ok(match raw::control(domain)?.0 {
        sys::VIR_DOMAIN_CONTROL_JOB => true,
        sys::VIR_DOMAIN_CONTROL_OCCUPIED => false,
        _ => domain.job_info()?.r#type != sys::VIR_DOMAIN_JOB_NONE as i32,
    })
}

pub fn abort_job(session: &Session, id: VmId) -> Result<()> {
    match raw::abort_job(&session.domain(id)?) {
        // It may have ended by itself.
        Err(_) if !has_job(session, id)? => Ok(()),
        other => Ok(other?),
    }
}

fn parsed(document: &str) -> Result<Element> {
    xml::parse(document.as_bytes()).map_err(|why| Error::bug(format_args!("libvirt: {why}")))
}

pub fn saved_document(session: &Session, file: &Path) -> Result<String> {
    Ok(raw::saved_document(session, utf8(file)?)?)
}

pub fn restore(session: &Session, file: &Path, document: &str) -> Result<()> {
    Ok(raw::restore(session, utf8(file)?, document, sys::VIR_DOMAIN_SAVE_PAUSED)?)
}

fn utf8(file: &Path) -> Result<&str> {
    file.to_str().ok_or_else(|| Error::host("A path of the host is no UTF-8.").because(file.display()))
}

pub fn commit(session: &Session, id: VmId, target: &str, top: &str, base: &str, active: bool) -> Result<()> {
    let flags =
        sys::VIR_DOMAIN_BLOCK_COMMIT_RELATIVE | if active { sys::VIR_DOMAIN_BLOCK_COMMIT_ACTIVE } else { 0 };
    Ok(raw::block_commit(&responsive(session, id)?, target, base, top, flags)?)
}

pub fn copy(session: &Session, id: VmId, target: &str, document: &str, shallow: bool) -> Result<()> {
    // A copy is no job of the definition: a domain that stops meanwhile stays with its source.
    let flags = sys::VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | sys::VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB;
    let flags = flags | if shallow { sys::VIR_DOMAIN_BLOCK_COPY_SHALLOW } else { 0 };
    Ok(raw::block_copy(&responsive(session, id)?, target, document, flags)?)
}

pub fn job(session: &Session, id: VmId, target: &str) -> Result<Option<BlockJob>> {
    found(session.domain(id).and_then(|domain| job_of(&domain, target))).map(Option::flatten)
}

fn job_of(domain: &Domain, target: &str) -> Result<Option<BlockJob>> {
    if !domain.is_active()? {
        return Ok(None);
    }
    let Some((done, total)) = raw::block_job(domain, target)? else { return Ok(None) };
    let root = parsed(&domain.xml_desc(0)?)?;
    let ready = root.every("devices/disk").into_iter().any(|disk| {
        disk.value("target/@dev").as_deref() == Some(target)
            && disk.value("mirror/@ready").as_deref() == Some("yes")
    });
    Ok(Some(BlockJob { done, total, ready }))
}

pub fn end_job(session: &Session, id: VmId, target: &str, pivot: bool) -> Result<()> {
    let flags = if pivot { sys::VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT } else { 0 };
    Ok(raw::block_job_abort(&responsive(session, id)?, target, flags)?)
}
