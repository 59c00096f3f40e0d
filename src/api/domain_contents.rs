//! `/storagedomains/{domain}/vms` and `/templates`: what has disks in a storage domain, and with
//! `;unregistered` what lies in it and is not known here; such a thing can be registered. In an export
//! domain, the copies that lie there.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::storage_domains::of_path;
use super::{access, disks, links, lookup, templates, vm_actions, vms};
use crate::error::Error;
use crate::model::*;
use crate::ovf::Hint;
use crate::wire::convert::{self, DiskPlace, RunState};
use crate::wire::types::{self, Action};
use crate::wire::{filled, require};
use std::sync::Arc;

pub const VM: &str = "/storagedomains/{domain}/vms/{vm}";
pub const TEMPLATE: &str = "/storagedomains/{domain}/templates/{template}";

/// The storage domain of the path, where machines can lie.
fn place(app: &App, request: &Request) -> Result<StorageDomain, Fault> {
    let row = of_path(app, request)?;
    if row.kind.holds_images() { Ok(row) } else { Err(Error::not_found(&request.href).into()) }
}

/// The same, refused where it is of another kind.
pub fn place_of(
    app: &App,
    request: &Request,
    kind: StorageKind,
    refusal: &str,
) -> Result<StorageDomainId, Fault> {
    let place = place(app, request)?;
    if place.kind == kind { Ok(place.id) } else { Err(Error::conflict(refusal).into()) }
}

/// What lies there and is nothing of this engine's: copies, or what can be registered. Nobody has
/// permissions on it: it is for administrators, and for who may take it in.
async fn strangers(app: &App, request: &Request, place: &StorageDomain) -> Result<Vec<Hint>, Error> {
    let may = |permit| access::may(app, request, permit, place.id.into());
    if !request.sees_everything() && !may(8) && !may(601) {
        return Ok(Vec::new());
    }
    match place.kind {
        StorageKind::Export => app.engine.exported(place.id).await,
        _ => app.engine.unregistered(place.id).await,
    }
}

fn stored_vm(place: StorageDomainId, vm: &Vm) -> types::Vm {
    let href = links::href(VM, &[&place, &vm.id]);
    let down = RunState { status: Some(VmStatus::Down), ..RunState::default() };
    let document = convert::vm(vm, &vm.spec, &down, false);
    types::Vm {
        actions: links::actions(VM, &href),
        link: links::collections(VM, &href),
        href: Some(href),
        cluster: None,
        cpu_profile: None,
        ..document
    }
}

fn stored_template(place: StorageDomainId, template: &Template) -> types::Template {
    let href = links::href(TEMPLATE, &[&place, &template.id]);
    types::Template {
        actions: links::actions(TEMPLATE, &href),
        link: links::collections(TEMPLATE, &href),
        href: Some(href),
        cluster: None,
        cpu_profile: None,
        ..convert::template(template)
    }
}

/// VMs that have disks there, and that the user sees.
fn vms_in(app: &App, request: &Request, place: StorageDomainId) -> Vec<VmId> {
    let mut found: Vec<VmId> = {
        let world = app.engine.world();
        let disks: Vec<DiskId> = world.disks_in(place).map(|disk| disk.id).collect();
        let on = disks.iter().flat_map(|disk| world.attachments_of(*disk)).map(|on| on.vm);
        on.collect()
    };
    found.sort();
    found.dedup();
    found.retain(|vm| access::shows(app, request, *vm));
    found
}

fn templates_in(app: &App, request: &Request, place: StorageDomainId) -> Vec<Template> {
    let found: Vec<Template> = {
        let world = app.engine.world();
        let there = |it: &&Template| world.template_disks(it).any(|disk| disk.storage_domain == place);
        world.templates.values().filter(there).cloned().collect()
    };
    found.into_iter().filter(|it| access::shows(app, request, it.id)).collect()
}

/// `GET /storagedomains/{domain}/vms`
pub async fn list_vms(app: Arc<App>, request: Request) -> Answer {
    let place = place(&app, &request)?;
    let vm: Vec<types::Vm> = match request.unregistered || place.kind == StorageKind::Export {
        true => {
            let hints = strangers(&app, &request, &place).await?;
            hints.iter().filter_map(|hint| hint.vm.as_ref()).map(|vm| stored_vm(place.id, vm)).collect()
        }
        false => {
            let views = vms_in(&app, &request, place.id).into_iter().filter_map(|id| app.engine.vm(id).ok());
            views.map(|view| vms::document(&app, &view, &request, false)).collect()
        }
    };
    Ok(Reply::ok(types::Vms { vm, ..Default::default() }))
}

async fn hint(app: &App, request: &Request, place: &StorageDomain, id: uuid::Uuid) -> Result<Hint, Fault> {
    let all = strangers(app, request, place).await?;
    Ok(all.into_iter().find(|hint| hint.id() == Some(id)).ok_or_else(|| Error::not_found(id))?)
}

/// `GET /storagedomains/{domain}/vms/{vm}`
pub async fn show_vm(app: Arc<App>, request: Request) -> Answer {
    let (place, id) = (place(&app, &request)?, request.id::<VmId>("vm")?);
    if vms_in(&app, &request, place.id).contains(&id) {
        return Ok(Reply::ok(vms::document(&app, &app.engine.vm(id)?, &request, false)));
    }
    let hint = hint(&app, &request, &place, id.0).await?;
    let vm = hint.vm.as_ref().ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::ok(stored_vm(place.id, vm)))
}

/// `GET /storagedomains/{domain}/disks;unregistered`: those that hung on no VM.
pub async fn list_disks(app: &App, request: &Request, place: StorageDomainId) -> Answer {
    const DISK: &str = "/storagedomains/{domain}/disks/{disk}";
    let hints = strangers(app, request, &app.engine.storage_domain(place)?).await?;
    let floating = hints.iter().filter(|hint| hint.vm.is_none() && hint.template.is_none());
    let disks = floating.flat_map(|hint| &hint.disks);
    let disk = disks.map(|disk| stored_disk(DISK, &[&place], disk)).collect();
    Ok(Reply::ok(types::Disks { disk, ..Default::default() }))
}

/// `POST /storagedomains/{domain}/disks;unregistered`
pub async fn register_disk(app: &App, request: &Request, place: StorageDomainId) -> Answer {
    let asked: types::Disk = request.document().await?;
    require("Disk", "add", &[("id", filled(&asked.id).is_some())])?;
    access::require(app, request, 1100, place)?;
    let id: DiskId = convert::parse_id(asked.id.as_deref().unwrap_or_default(), "Disk")?;
    let alias = filled(&asked.alias).or_else(|| filled(&asked.name)).map(str::to_owned);
    app.engine.register_disk(place, id, alias).await?;
    Ok(Reply::created(disks::document(app, &app.engine.disk(id)?, DiskPlace::Floating, request)))
}

/// The disks of something unregistered, below it.
fn stored_disk(path: &'static str, ids: &[&dyn std::fmt::Display], disk: &Disk) -> types::Disk {
    let document = convert::disk(disk, DiskPlace::Floating, 0, &[]);
    let all: Vec<&dyn std::fmt::Display> = ids.iter().copied().chain([&disk.id as _]).collect();
    types::Disk { href: Some(links::href(path, &all)), actual_size: None, ..document }
}

/// `GET /storagedomains/{domain}/vms/{vm}/disks`
pub async fn list_vm_disks(app: Arc<App>, request: Request) -> Answer {
    let disk = vm_disks(&app, &request).await?;
    Ok(Reply::ok(types::Disks { disk, ..Default::default() }))
}

/// `GET /storagedomains/{domain}/vms/{vm}/disks/{disk}`
pub async fn show_vm_disk(app: Arc<App>, request: Request) -> Answer {
    one_of(vm_disks(&app, &request).await?, &request)
}

async fn vm_disks(app: &App, request: &Request) -> Result<Vec<types::Disk>, Fault> {
    const DISK: &str = "/storagedomains/{domain}/vms/{vm}/disks/{disk}";
    let (place, id) = (place(app, request)?, request.id::<VmId>("vm")?);
    if vms_in(app, request, place.id).contains(&id) {
        return Ok(disks::of_vm(app, id, request).disk);
    }
    let hint = hint(app, request, &place, id.0).await?;
    Ok(hint.disks.iter().map(|disk| stored_disk(DISK, &[&place.id, &id], disk)).collect())
}

fn one_of(all: Vec<types::Disk>, request: &Request) -> Answer {
    let id = request.id::<DiskId>("disk")?.to_string();
    let found = all.into_iter().find(|disk| disk.id.as_ref() == Some(&id));
    Ok(Reply::ok(found.ok_or_else(|| Error::not_found(id))?))
}

/// `POST /storagedomains/{domain}/vms/{vm}/register`
pub async fn register_vm(app: Arc<App>, request: Request) -> Answer {
    let (place, id) = (registers(&app, &request)?, request.id::<VmId>("vm")?);
    let (action, cluster) = begin(&app, &request).await?;
    let name = action.vm.as_ref().and_then(|vm| filled(&vm.name)).map(str::to_owned);
    app.engine.register_vm(place, id, cluster, name).await?;
    vm_actions::done(id, action)
}

/// Copies in export domains are imported.
fn registers(app: &App, request: &Request) -> Result<StorageDomainId, Fault> {
    let refusal = "The Storage Domain is an export domain: what lies in it is imported.";
    place_of(app, request, StorageKind::Data, refusal)
}

/// What a registration says: its cluster; that it becomes another one is not served.
async fn begin(app: &App, request: &Request) -> Result<(Action, ClusterId), Fault> {
    let action: Action = request.document().await?;
    require("Action", "register", &[("cluster.id|name", lookup::is_named(&action.cluster))])?;
    let cluster = lookup::cluster(app, action.cluster.as_ref())?;
    access::require(app, request, 1, cluster)?;
    match action.clone == Some(true) {
        true => {
            Err(Error::unsupported("What lies in a data domain is registered as what it is: clone it then.")
                .into())
        }
        false => Ok((action, cluster)),
    }
}

/// `GET /storagedomains/{domain}/templates`
pub async fn list_templates(app: Arc<App>, request: Request) -> Answer {
    let place = place(&app, &request)?;
    let template: Vec<types::Template> = match request.unregistered || place.kind == StorageKind::Export {
        true => {
            let hints = strangers(&app, &request, &place).await?;
            let those = hints.iter().filter_map(|hint| hint.template.as_ref());
            those.map(|it| stored_template(place.id, it)).collect()
        }
        false => {
            templates_in(&app, &request, place.id).iter().map(|it| templates::document(&app, it)).collect()
        }
    };
    Ok(Reply::ok(types::Templates { template, ..Default::default() }))
}

/// `GET /storagedomains/{domain}/templates/{template}`
pub async fn show_template(app: Arc<App>, request: Request) -> Answer {
    let (place, id) = (place(&app, &request)?, request.id::<TemplateId>("template")?);
    if let Some(known) = templates_in(&app, &request, place.id).iter().find(|it| it.id == id) {
        return Ok(Reply::ok(templates::document(&app, known)));
    }
    let hint = hint(&app, &request, &place, id.0).await?;
    let template = hint.template.as_ref().ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::ok(stored_template(place.id, template)))
}

/// `GET /storagedomains/{domain}/templates/{template}/disks`
pub async fn list_template_disks(app: Arc<App>, request: Request) -> Answer {
    let disk = template_disks(&app, &request).await?;
    Ok(Reply::ok(types::Disks { disk, ..Default::default() }))
}

/// `GET /storagedomains/{domain}/templates/{template}/disks/{disk}`
pub async fn show_template_disk(app: Arc<App>, request: Request) -> Answer {
    one_of(template_disks(&app, &request).await?, &request)
}

async fn template_disks(app: &App, request: &Request) -> Result<Vec<types::Disk>, Fault> {
    const DISK: &str = "/storagedomains/{domain}/templates/{template}/disks/{disk}";
    let (place, id) = (place(app, request)?, request.id::<TemplateId>("template")?);
    if let Some(known) = templates_in(app, request, place.id).iter().find(|it| it.id == id) {
        let rows = known.disks.iter().filter_map(|id| app.engine.disk(*id).ok());
        return Ok(rows.map(|row| super::template_parts::disk(app, known, &row)).collect());
    }
    let hint = hint(app, request, &place, id.0).await?;
    Ok(hint.disks.iter().map(|disk| stored_disk(DISK, &[&place.id, &id], disk)).collect())
}

/// `POST /storagedomains/{domain}/templates/{template}/register`
pub async fn register_template(app: Arc<App>, request: Request) -> Answer {
    let (place, id) = (registers(&app, &request)?, request.id::<TemplateId>("template")?);
    let (action, cluster) = begin(&app, &request).await?;
    app.engine.register_template(place, id, cluster).await?;
    Ok(Reply::complete(action))
}
