//! `/vms/{vm}/watchdogs`: at most one, whatever id a client has for it.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::VmId;
use crate::model::vm::{VmSpec, Watchdog};
use crate::wire::convert;
use crate::wire::types::{self, Action, Watchdogs};
use std::sync::Arc;
use uuid::Uuid;

/// The watchdog of the present, or of the next run.
fn configured(app: &App, vm: VmId, request: &Request) -> Result<Option<Watchdog>, Fault> {
    let row = app.engine.vm(vm)?.vm;
    Ok(row.configured(request.next_run).watchdog)
}

/// The document of the one that is there.
fn document(app: &App, vm: VmId, request: &Request) -> Result<types::Watchdog, Fault> {
    let there = configured(app, vm, request)?.ok_or_else(|| Error::not_found("watchdog"))?;
    Ok(convert::watchdog(vm, there))
}

/// The VM of a path that names its watchdog.
fn owner(app: &App, request: &Request) -> Result<VmId, Fault> {
    let (vm, _): (VmId, Uuid) = (request.id("vm")?, request.id("watchdog")?);
    document(app, vm, request)?;
    Ok(vm)
}

async fn change(
    app: &App,
    vm: VmId,
    request: &Request,
    change: impl FnOnce(Option<Watchdog>) -> crate::error::Result<Option<Watchdog>>,
) -> Result<(), Fault> {
    let changed = |spec: &mut VmSpec| {
        spec.watchdog = change(spec.watchdog)?;
        Ok(())
    };
    Ok(app.engine.update_vm(vm, request.next_run, changed).await?)
}

/// `GET /vms/{vm}/watchdogs`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let vm = request.id("vm")?;
    let watchdog = configured(&app, vm, &request)?.map(|it| convert::watchdog(vm, it));
    let watchdog = watchdog.into_iter().take(request.max.unwrap_or(1)).collect();
    Ok(Reply::ok(Watchdogs { watchdog, ..Default::default() }))
}

/// `GET /vms/{vm}/watchdogs/{watchdog}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let vm = owner(&app, &request)?;
    Ok(Reply::ok(document(&app, vm, &request)?))
}

/// `POST /vms/{vm}/watchdogs`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    let asked: types::Watchdog = request.document().await?;
    let made = convert::change_watchdog(&asked, None, "add")?;
    change(&app, vm, &request, |present| match present {
        None => Ok(Some(made)),
        Some(_) => Err(Error::conflict("Cannot add a watchdog. The VM has one already.")),
    })
    .await?;
    let document = document(&app, vm, &request)?;
    Ok(Reply::created(document))
}

/// `PUT /vms/{vm}/watchdogs/{watchdog}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let vm = owner(&app, &request)?;
    let asked: types::Watchdog = request.document().await?;
    change(&app, vm, &request, |present| convert::change_watchdog(&asked, present, "update").map(Some))
        .await?;
    Ok(Reply::ok(document(&app, vm, &request)?))
}

/// `DELETE /vms/{vm}/watchdogs/{watchdog}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let vm = owner(&app, &request)?;
    request.optional::<Action>().await?;
    change(&app, vm, &request, |_| Ok(None)).await?;
    Ok(Reply::no_content())
}
