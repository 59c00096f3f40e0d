//! What a template has: its VMs' disks, network interfaces and devices.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::templates::addressed;
use crate::error::Error;
use crate::model::vm::Protocol;
use crate::model::*;
use crate::wire::convert::{self, CDROM};
use crate::wire::types;
use std::sync::Arc;
use uuid::Uuid;

fn disk(app: &App, template: &Template, disk: &Disk) -> types::Disk {
    const ITEM: &str = "/templates/{template}/disks/{disk}";
    let document = convert::template_disk(template.id, disk, app.engine.actual_size(disk));
    let href = document.href.clone().unwrap_or_default();
    types::Disk { actions: links::actions(ITEM, &href), link: links::collections(ITEM, &href), ..document }
}

/// `GET /templates/{template}/disks`
pub async fn list_disks(app: Arc<App>, request: Request) -> Answer {
    let template = addressed(&app, &request)?;
    let rows = template.disks.iter().filter_map(|id| app.engine.disk(*id).ok());
    let disk = rows.take(request.max.unwrap_or(usize::MAX)).map(|row| disk(&app, &template, &row)).collect();
    Ok(Reply::ok(types::Disks { disk, ..Default::default() }))
}

/// `GET /templates/{template}/disks/{disk}`
pub async fn show_disk(app: Arc<App>, request: Request) -> Answer {
    let (template, id) = (addressed(&app, &request)?, request.id::<DiskId>("disk")?);
    let id = template.disks.iter().find(|it| **it == id).ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::ok(disk(&app, &template, &app.engine.disk(*id)?)))
}

/// `GET /templates/{template}/nics`
pub async fn list_nics(app: Arc<App>, request: Request) -> Answer {
    let template = addressed(&app, &request)?;
    let nic = template.nics.iter().map(|nic| convert::template_nic(template.id, nic)).collect();
    Ok(Reply::ok(types::Nics { nic, ..Default::default() }))
}

/// `GET /templates/{template}/nics/{nic}`
pub async fn show_nic(app: Arc<App>, request: Request) -> Answer {
    let (template, id) = (addressed(&app, &request)?, request.id::<NicId>("nic")?);
    let nic = template.nics.iter().find(|nic| nic.id == id).ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::ok(convert::template_nic(template.id, nic)))
}

/// `GET /templates/{template}/cdroms`
pub async fn list_cdroms(app: Arc<App>, request: Request) -> Answer {
    let Template { id, spec, .. } = addressed(&app, &request)?;
    let cdrom = spec.cdrom.map(|medium| convert::template_cdrom(id, Some(medium))).into_iter().collect();
    Ok(Reply::ok(types::Cdroms { cdrom, ..Default::default() }))
}

/// `GET /templates/{template}/cdroms/{cdrom}`
pub async fn show_cdrom(app: Arc<App>, request: Request) -> Answer {
    let (template, drive) = (addressed(&app, &request)?, request.id::<Uuid>("cdrom")?);
    match drive == CDROM {
        true => Ok(Reply::ok(convert::template_cdrom(template.id, template.spec.cdrom))),
        false => Err(Error::not_found(drive).into()),
    }
}

/// `GET /templates/{template}/watchdogs`
pub async fn list_watchdogs(app: Arc<App>, request: Request) -> Answer {
    let Template { id, spec, .. } = addressed(&app, &request)?;
    let watchdog = spec.watchdog.map(|it| convert::template_watchdog(id, it)).into_iter().collect();
    Ok(Reply::ok(types::Watchdogs { watchdog, ..Default::default() }))
}

/// `GET /templates/{template}/watchdogs/{watchdog}`: at most one, whatever id a client has for it.
pub async fn show_watchdog(app: Arc<App>, request: Request) -> Answer {
    let (template, id) = (addressed(&app, &request)?, request.id::<Uuid>("watchdog")?);
    let watchdog = template.spec.watchdog.ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::ok(convert::template_watchdog(template.id, watchdog)))
}

fn has_console(template: &Template, protocol: Protocol) -> bool {
    template.spec.display.as_ref().is_some_and(|display| display.has(protocol))
}

/// `GET /templates/{template}/graphicsconsoles`
pub async fn list_consoles(app: Arc<App>, request: Request) -> Answer {
    let template = addressed(&app, &request)?;
    let there = Protocol::ALL.into_iter().filter(|protocol| has_console(&template, *protocol));
    let graphics_console = there.map(|it| convert::template_console(template.id, it)).collect();
    Ok(Reply::ok(types::GraphicsConsoles { graphics_console, ..Default::default() }))
}

/// `GET /templates/{template}/graphicsconsoles/{console}`
pub async fn show_console(app: Arc<App>, request: Request) -> Answer {
    let template = addressed(&app, &request)?;
    let protocol = convert::console_protocol(request.text("console"))?;
    let there = has_console(&template, protocol).then(|| convert::template_console(template.id, protocol));
    let missing = || Fault::from(Error::not_found(request.text("console")));
    Ok(Reply::ok(there.ok_or_else(missing)?))
}
