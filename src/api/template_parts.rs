//! What a template has: its VMs' disks, network interfaces and devices.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::templates::addressed;
use super::{disk_moves, disks, links, lookup, nics, vm_actions};
use crate::error::Error;
use crate::model::vm::Protocol;
use crate::model::*;
use crate::wire::convert::{self, CDROM};
use crate::wire::types::{self, Action};
use crate::wire::{filled, require};
use std::sync::Arc;
use uuid::Uuid;

pub fn disk(app: &App, template: &Template, disk: &Disk) -> types::Disk {
    const ITEM: &str = "/templates/{template}/disks/{disk}";
    let world = app.engine.world();
    let places = world.template_disks(template).filter(|it| it.id == disk.id).map(|it| it.storage_domain);
    let places: Vec<StorageDomainId> = places.collect();
    drop(world);
    let document = convert::template_disk(template.id, disk, app.engine.actual_size(disk), &places);
    let href = document.href.clone().unwrap_or_default();
    types::Disk {
        actions: links::actions(ITEM, &href),
        link: links::collections(ITEM, &href),
        status: disks::while_copied(app, disk.id).or(document.status),
        ..document
    }
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

/// `POST /templates/{template}/disks/{disk}/copy`: into another storage domain, beside the ones that have it.
pub async fn copy_disk(app: Arc<App>, request: Request) -> Answer {
    let (template, id) = (addressed(&app, &request)?, request.id::<DiskId>("disk")?);
    let (action, to) = disk_moves::begin(&app, &request, "copy").await?;
    let started = app.engine.copy_template_disk(template.id, id, to).await?;
    const ITEM: &str = "/templates/{template}/disks/{disk}";
    let parent = links::href(ITEM, &[&template.id, &id]);
    vm_actions::runs_on(started, action, format!("{parent}/copy"), parent).await
}

/// `DELETE /templates/{template}/disks/{disk}`: out of the storage domain that the action names.
pub async fn remove_disk(app: Arc<App>, request: Request) -> Answer {
    let (template, id) = (addressed(&app, &request)?, request.id::<DiskId>("disk")?);
    let action = request.optional::<Action>().await?.unwrap_or_default();
    require("Action", "remove", &[("storageDomain.id|name", lookup::is_named(&action.storage_domain))])?;
    let from = lookup::storage_domain(&app, &action.storage_domain.unwrap_or_default())?;
    app.engine.remove_template_copy(template.id, id, from).await?;
    Ok(Reply::no_content())
}

/// `GET /templates/{template}/nics`
pub async fn list_nics(app: Arc<App>, request: Request) -> Answer {
    let template = addressed(&app, &request)?;
    let nic = template.nics.iter().map(|nic| convert::template_nic(template.id, nic)).collect();
    Ok(Reply::ok(types::Nics { nic, ..Default::default() }))
}

/// `GET /templates/{template}/nics/{nic}`
pub async fn show_nic(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(nic(&app, request.id("template")?, request.id("nic")?)?))
}

fn nic(app: &App, template: TemplateId, id: NicId) -> Result<types::Nic, Fault> {
    let template = app.engine.template(template)?;
    let nic = template.nics.iter().find(|nic| nic.id == id).ok_or_else(|| Error::not_found(id))?;
    Ok(convert::template_nic(template.id, nic))
}

/// `POST /templates/{template}/nics`
pub async fn add_nic(app: Arc<App>, request: Request) -> Answer {
    let template = addressed(&app, &request)?;
    let asked: types::Nic = request.document().await?;
    require("NIC", "add", &[("name", filled(&asked.name).is_some())])?;
    let change = nics::permitted(&app, &request, None, nics::change(&app, template.cluster, &asked)?)?;
    let id = app.engine.add_template_nic(template.id, change).await?;
    Ok(Reply::created(nic(&app, template.id, id)?))
}

/// `PUT /templates/{template}/nics/{nic}`
pub async fn update_nic(app: Arc<App>, request: Request) -> Answer {
    let (template, id) = (addressed(&app, &request)?, request.id::<NicId>("nic")?);
    let before = template.nics.iter().find(|nic| nic.id == id).ok_or_else(|| Error::not_found(id))?;
    let asked: types::Nic = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    let change = nics::change(&app, template.cluster, &asked)?;
    let change = nics::permitted(&app, &request, Some(before), change)?;
    app.engine.update_template_nic(template.id, id, change).await?;
    Ok(Reply::ok(nic(&app, template.id, id)?))
}

/// `DELETE /templates/{template}/nics/{nic}`
pub async fn remove_nic(app: Arc<App>, request: Request) -> Answer {
    let (template, id) = (addressed(&app, &request)?, request.id::<NicId>("nic")?);
    request.optional::<Action>().await?;
    app.engine.remove_template_nic(template.id, id).await?;
    Ok(Reply::no_content())
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

/// `POST /templates/{template}/watchdogs`
pub async fn add_watchdog(app: Arc<App>, request: Request) -> Answer {
    let template = addressed(&app, &request)?;
    let asked: types::Watchdog = request.document().await?;
    let made = convert::change_watchdog(&asked, None, "add")?;
    let change = |spec: &mut VmSpec| match spec.watchdog.replace(made) {
        None => Ok(()),
        Some(_) => Err(Error::conflict("Cannot add a watchdog. The template has one already.")),
    };
    app.engine.update_template(template.id, None, change).await?;
    Ok(Reply::created(convert::template_watchdog(template.id, made)))
}

/// `PUT /templates/{template}/watchdogs/{watchdog}`
pub async fn update_watchdog(app: Arc<App>, request: Request) -> Answer {
    let (template, id) = (addressed(&app, &request)?, request.id::<Uuid>("watchdog")?);
    let before = template.spec.watchdog.ok_or_else(|| Error::not_found(id))?;
    let asked: types::Watchdog = request.document().await?;
    let after = convert::change_watchdog(&asked, Some(before), "update")?;
    let change = |spec: &mut VmSpec| {
        spec.watchdog = Some(after);
        Ok(())
    };
    app.engine.update_template(template.id, None, change).await?;
    Ok(Reply::ok(convert::template_watchdog(template.id, after)))
}

/// `DELETE /templates/{template}/watchdogs/{watchdog}`
pub async fn remove_watchdog(app: Arc<App>, request: Request) -> Answer {
    let (template, id) = (addressed(&app, &request)?, request.id::<Uuid>("watchdog")?);
    request.optional::<Action>().await?;
    let change = |spec: &mut VmSpec| spec.watchdog.take().map(drop).ok_or_else(|| Error::not_found(id));
    app.engine.update_template(template.id, None, change).await?;
    Ok(Reply::no_content())
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

/// `POST /templates/{template}/graphicsconsoles`
pub async fn add_console(app: Arc<App>, request: Request) -> Answer {
    let template = addressed(&app, &request)?;
    let asked: types::GraphicsConsole = request.document().await?;
    require("GraphicsConsole", "add", &[("protocol", filled(&asked.protocol).is_some())])?;
    let protocol = convert::named(asked.protocol.as_deref().unwrap_or_default())?;
    let change = |spec: &mut VmSpec| match spec.add_console(protocol) {
        true => Ok(()),
        false => Err(Error::conflict("The template has a graphics console of this protocol already.")),
    };
    app.engine.update_template(template.id, None, change).await?;
    Ok(Reply::created(convert::template_console(template.id, protocol)))
}

/// `DELETE /templates/{template}/graphicsconsoles/{console}`
pub async fn remove_console(app: Arc<App>, request: Request) -> Answer {
    let template = addressed(&app, &request)?;
    let protocol = convert::console_protocol(request.text("console"))?;
    request.optional::<Action>().await?;
    let change = |spec: &mut VmSpec| match spec.remove_console(protocol) {
        true => Ok(()),
        false => Err(Error::not_found(convert::console_id(protocol))),
    };
    app.engine.update_template(template.id, None, change).await?;
    Ok(Reply::no_content())
}
