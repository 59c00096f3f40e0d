//! Exports: to export domains and image providers, of which there are none.

use super::app::App;
use super::reply::Answer;
use super::request::Request;
use super::{lookup, templates};
use crate::error::Error;
use crate::wire::require;
use crate::wire::types::Action;
use std::sync::Arc;

/// Whatever storage domain an export names: none is one for exports.
async fn nowhere(app: &App, request: &Request, noun: &str) -> Answer {
    let action: Action = request.document().await?;
    require("Action", "export", &[("storageDomain.id|name", lookup::is_named(&action.storage_domain))])?;
    lookup::storage_domain(app, &action.storage_domain.unwrap_or_default())?;
    Err(Error::conflict(format!("Cannot export {noun}. The Storage Domain is not one for exports.")).into())
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
    app.engine.vm(request.id("vm")?)?;
    nowhere(&app, &request, "VM").await
}

/// `POST /templates/{template}/export`
pub async fn template(app: Arc<App>, request: Request) -> Answer {
    templates::addressed(&app, &request)?;
    nowhere(&app, &request, "Template").await
}

/// `POST /templates/{template}/disks/{disk}/export`
pub async fn disk_of_template(app: Arc<App>, request: Request) -> Answer {
    templates::addressed(&app, &request)?;
    nowhere(&app, &request, "Template Disk").await
}
