//! Moving and copying disks.

use super::app::App;
use super::disks::{self, ATTACHED, FLOATING};
use super::reply::Answer;
use super::request::Request;
use super::{access, links, lookup};
use crate::error::Error;
use crate::model::{DiskId, StorageDomainId, VmId};
use crate::wire::convert::DiskRequest;
use crate::wire::require;
use crate::wire::types::{self, Action};
use std::sync::Arc;

/// The permit that the destination asks for.
const CREATE_DISK: u16 = 1100;

/// The action, and the storage domain that it names.
pub async fn begin(
    app: &App,
    request: &Request,
    verb: &str,
) -> Result<(Action, StorageDomainId), super::fault::Fault> {
    let action: Action = request.document().await?;
    require("Action", verb, &[("storageDomain.id|name", lookup::is_named(&action.storage_domain))])?;
    let to = lookup::storage_domain(app, &action.storage_domain.clone().unwrap_or_default())?;
    access::require(app, request, CREATE_DISK, to)?;
    Ok((action, to))
}

/// `POST /disks/{disk}/move`
pub async fn move_floating(app: Arc<App>, request: Request) -> Answer {
    let id: DiskId = request.id("disk")?;
    app.engine.disk(id)?;
    let (action, to) = begin(&app, &request, "move").await?;
    let started = app.engine.move_disk(id, to).await?;
    let (href, parent) = (links::href("/disks/{disk}/move", &[&id]), links::href(FLOATING, &[&id]));
    super::vm_actions::runs_on(started, action, href, parent).await
}

/// `POST /vms/{vm}/disks/{disk}/move`
pub async fn move_of_vm(app: Arc<App>, request: Request) -> Answer {
    let (vm, id): (VmId, DiskId) = (request.id("vm")?, request.id("disk")?);
    app.engine.attachment(vm, id)?;
    let (action, to) = begin(&app, &request, "move").await?;
    let started = app.engine.move_disk(id, to).await?;
    let (href, parent) =
        (links::href("/vms/{vm}/disks/{disk}/move", &[&vm, &id]), links::href(ATTACHED, &[&vm, &id]));
    super::vm_actions::runs_on(started, action, href, parent).await
}

/// `POST /vms/{vm}/move`: all of its disks.
pub async fn move_vm(app: Arc<App>, request: Request) -> Answer {
    let id: VmId = request.id("vm")?;
    app.engine.vm(id)?;
    let (action, to) = begin(&app, &request, "move").await?;
    let started = app.engine.move_vm(id, to).await?;
    let (href, parent) = (links::href("/vms/{vm}/move", &[&id]), links::href("/vms/{vm}", &[&id]));
    super::vm_actions::runs_on(started, action, href, parent).await
}

/// `POST /disks/{disk}/copy`: the action may name the new disk.
pub async fn copy(app: Arc<App>, request: Request) -> Answer {
    let id: DiskId = request.id("disk")?;
    app.engine.disk(id)?;
    let (action, to) = begin(&app, &request, "copy").await?;
    let alias = action.disk.as_ref().and_then(|disk| disk.alias.clone().or_else(|| disk.name.clone()));
    let started = app.engine.copy_disk(id, to, alias).await?;
    let (href, parent) = (links::href("/disks/{disk}/copy", &[&id]), links::href(FLOATING, &[&id]));
    super::vm_actions::runs_on(started, action, href, parent).await
}

/// `POST` to a disk with another storage domain moves it, as the specification has it.
async fn update_storage(app: &App, request: &Request, id: DiskId, on: Option<VmId>) -> Answer {
    let asked = DiskRequest::try_from(&request.document::<types::Disk>().await?)?;
    let named = asked.storage_domain.as_ref();
    let named = named.ok_or_else(|| Error::invalid("The disk's storage_domains name no storage domain."))?;
    let to = lookup::storage_domain(app, named)?;
    access::require(app, request, CREATE_DISK, to)?;
    let started = app.engine.move_disk(id, to).await?;
    disks::made(app, request, started, on).await
}

/// `POST /disks/{disk}`
pub async fn post_floating(app: Arc<App>, request: Request) -> Answer {
    let id: DiskId = request.id("disk")?;
    app.engine.disk(id)?;
    update_storage(&app, &request, id, None).await
}

/// `POST /vms/{vm}/disks/{disk}`
pub async fn post_of_vm(app: Arc<App>, request: Request) -> Answer {
    let (vm, id): (VmId, DiskId) = (request.id("vm")?, request.id("disk")?);
    app.engine.attachment(vm, id)?;
    update_storage(&app, &request, id, Some(vm)).await
}
