//! Exports: of VMs and templates to export domains, and of disks to image providers, of which there are none.

use super::app::App;
use super::fault::Fault;
use super::reply::Answer;
use super::request::Request;
use super::vm_actions::runs_on;
use super::{access, links, lookup, templates};
use crate::engine::ExportOptions;
use crate::error::Error;
use crate::model::{StorageDomainId, VmId};
use crate::wire::require;
use crate::wire::types::Action;
use std::sync::Arc;

/// The permit that both ends of a way through an export domain ask for.
pub const IMPORT_EXPORT: u16 = 8;

async fn begin(app: &App, request: &Request) -> Result<(Action, StorageDomainId), Fault> {
    let action: Action = request.document().await?;
    require("Action", "export", &[("storageDomain.id|name", lookup::is_named(&action.storage_domain))])?;
    let to = lookup::storage_domain(app, &action.storage_domain.clone().unwrap_or_default())?;
    Ok((action, to))
}

/// Whatever storage domain an export of a disk names: none is an image provider's.
async fn nowhere(app: &App, request: &Request, noun: &str) -> Answer {
    begin(app, request).await?;
    Err(Error::conflict(format!("Cannot export {noun}. The Storage Domain is not an image provider's."))
        .into())
}

/// `POST /disks/{disk}/export`
pub async fn disk(app: Arc<App>, request: Request) -> Answer {
    app.engine.disk(request.id("disk")?)?;
    nowhere(&app, &request, "Virtual Machine Disk").await
}

/// `POST /vms/{vm}/disks/{disk}/export`
pub async fn disk_of_vm(app: Arc<App>, request: Request) -> Answer {
    app.engine.attachment(request.id("vm")?, request.id("disk")?)?;
    nowhere(&app, &request, "Virtual Machine Disk").await
}

/// `POST /vms/{vm}/export`
pub async fn vm(app: Arc<App>, request: Request) -> Answer {
    let id: VmId = request.id("vm")?;
    app.engine.vm(id)?;
    let (action, to) = begin(&app, &request).await?;
    access::require(&app, &request, IMPORT_EXPORT, to)?;
    let options = ExportOptions {
        over: action.exclusive == Some(true),
        collapse: action.discard_snapshots == Some(true),
    };
    let started = app.engine.export_vm(id, to, options).await?;
    let (href, parent) = (links::href("/vms/{vm}/export", &[&id]), links::href("/vms/{vm}", &[&id]));
    runs_on(started, action, href, parent).await
}

/// `POST /templates/{template}/export`
pub async fn template(app: Arc<App>, request: Request) -> Answer {
    let id = templates::addressed(&app, &request)?.id;
    let (action, to) = begin(&app, &request).await?;
    access::require(&app, &request, IMPORT_EXPORT, to)?;
    let started = app.engine.export_template(id, to, action.exclusive == Some(true)).await?;
    let path = "/templates/{template}";
    let (href, parent) = (links::href("/templates/{template}/export", &[&id]), links::href(path, &[&id]));
    runs_on(started, action, href, parent).await
}

/// `POST /templates/{template}/disks/{disk}/export`
pub async fn disk_of_template(app: Arc<App>, request: Request) -> Answer {
    templates::addressed(&app, &request)?;
    nowhere(&app, &request, "Template Disk").await
}
