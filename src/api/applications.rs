//! `/vms/{vm}/applications`: what the guest's agent tells of what is installed.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::VmId;
use crate::wire::convert;
use crate::wire::types::{Application, Applications};
use std::sync::Arc;

fn installed(app: &App, request: &Request) -> Result<Vec<Application>, Fault> {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    let told = app.engine.inventory.guest(vm);
    Ok(told.map_or(Vec::new(), |told| convert::applications(vm, &told)))
}

/// `GET /vms/{vm}/applications`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut application = installed(&app, &request)?;
    application.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(Applications { application, ..Default::default() }))
}

/// `GET /vms/{vm}/applications/{application}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let wanted = request.text("application");
    let mut found = installed(&app, &request)?.into_iter().filter(|one| one.id.as_deref() == Some(wanted));
    found.next().map(Reply::ok).ok_or_else(|| Error::not_found(wanted).into())
}
