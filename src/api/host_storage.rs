//! `/hosts/{host}/storage`: the units of SCSI targets that this machine has and that disks may be.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use crate::error::Error;
use crate::wire::convert;
use crate::wire::types::{HostStorage, HostStorages};
use std::sync::Arc;

async fn all(app: &App, request: &Request) -> Result<Vec<HostStorage>, Fault> {
    let host = rows::one(&app.engine.world().hosts, request, "host")?.id;
    let units = app.engine.host_luns().await?;
    let world = app.engine.world();
    Ok(units.iter().map(|unit| convert::host_lun(host, unit, world.disk_of_lun(&unit.id))).collect())
}

/// `GET /hosts/{host}/storage`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut storage = all(&app, &request).await?;
    storage.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(HostStorages { storage, ..Default::default() }))
}

/// `GET /hosts/{host}/storage/{lun}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let id = request.text("lun");
    let mut all = all(&app, &request).await?.into_iter();
    all.find(|unit| unit.id.as_deref() == Some(id)).map(Reply::ok).ok_or_else(|| Error::not_found(id).into())
}
