//! `/vms/{vm}/cdroms`: the one drive of a VM. With `;current` what is in it now, else what is configured.

use super::access;
use super::app::App;
use super::fault::Fault;
use super::lookup;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::VmId;
use crate::wire::convert::{self, CDROM};
use crate::wire::types::{Action, Cdrom, Cdroms};
use crate::wire::{missing, require};
use std::sync::Arc;
use uuid::Uuid;

/// The VM of the path, whose drive is the one that the path names.
fn owner(request: &Request) -> Result<VmId, Fault> {
    let drive: Uuid = request.id("cdrom")?;
    if drive == CDROM { request.id("vm") } else { Err(Error::not_found(drive).into()) }
}

/// The drive with what is configured: for the present, or for the next run.
fn configured(app: &App, vm: VmId, request: &Request) -> Result<Cdrom, Fault> {
    let row = app.engine.vm(vm)?.vm;
    let spec = row.configured(request.next_run);
    Ok(convert::cdrom(vm, spec.cdrom))
}

fn document(app: &App, vm: VmId, request: &Request) -> Result<Cdrom, Fault> {
    match request.current {
        true => Ok(convert::cdrom(vm, app.engine.medium(vm)?)),
        false => configured(app, vm, request),
    }
}

/// What is in the drive is changed by whoever may use the VM; what is configured is a property of it.
async fn configure(app: &Arc<App>, vm: VmId, request: &Request, medium: Option<String>) -> Result<(), Fault> {
    access::require(app, request, access::EDIT, vm)?;
    Ok(app.engine.configure_medium(vm, request.next_run, medium).await?)
}

/// `GET /vms/{vm}/cdroms`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let drive = document(&app, request.id("vm")?, &request)?;
    let cdrom = std::iter::once(drive).take(request.max.unwrap_or(1)).collect();
    Ok(Reply::ok(Cdroms { cdrom, ..Default::default() }))
}

/// `GET /vms/{vm}/cdroms/{cdrom}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&app, owner(&request)?, &request)?))
}

/// `POST /vms/{vm}/cdroms`: the drive is there already; what is added is its medium.
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    let asked: Cdrom = request.document().await?;
    let medium = asked.file.as_ref().and_then(convert::medium);
    require("CdRom", "add", &[("file.id", medium.is_some())])?;
    configure(&app, vm, &request, medium).await?;
    let document = configured(&app, vm, &request)?;
    Ok(Reply::created(document))
}

/// `PUT /vms/{vm}/cdroms/{cdrom}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let vm = owner(&request)?;
    app.engine.vm(vm)?;
    let asked: Cdrom = request.document().await?;
    lookup::same_id(asked.id.as_deref(), CDROM)?;
    let medium = match &asked.file {
        Some(file) => convert::medium(file),
        // Who sends an empty drive back as it was read.
        None if asked.id.is_some() && configured(&app, vm, &request)?.file.is_none() => None,
        None => return Err(missing("CdRom", &["file"], "update").into()),
    };
    if request.current {
        app.engine.change_medium(vm, medium, request.flag("force")?).await?;
        // Clients expect their own words back.
        return Ok(Reply::ok(asked));
    }
    configure(&app, vm, &request, medium).await?;
    Ok(Reply::ok(configured(&app, vm, &request)?))
}

/// `DELETE /vms/{vm}/cdroms/{cdrom}`: the drive stays, and is empty from the next start on.
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let vm = owner(&request)?;
    app.engine.vm(vm)?;
    request.optional::<Action>().await?;
    configure(&app, vm, &request, None).await?;
    Ok(Reply::no_content())
}
