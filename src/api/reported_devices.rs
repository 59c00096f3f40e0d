//! `.../reporteddevices`: what guests, or the DHCP servers of their networks, say of their interfaces.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::{NicId, VmId};
use crate::wire::convert;
use crate::wire::types::ReportedDevices;
use std::sync::Arc;

/// Those of the VM, or of the one interface that the path names.
async fn reported(app: &App, request: &Request) -> Result<ReportedDevices, Fault> {
    let vm: VmId = request.id("vm")?;
    let mac = match request.text("nic") {
        "" => None,
        _ => Some(app.engine.nic(vm, request.id::<NicId>("nic")?)?.mac.to_string()),
    };
    let told = app.engine.guest_interfaces(vm).await?;
    let asked = told.iter().filter(|one| mac.as_ref().is_none_or(|mac| *mac == one.mac));
    let mut found = ReportedDevices::default();
    for one in asked {
        let mut device = convert::reported_device(vm, one);
        let id = device.id.as_deref().unwrap_or_default();
        // One of the list, or the one itself.
        let list = request.href.strip_suffix(&format!("/{id}")).unwrap_or(&request.href);
        device.href = Some(format!("{list}/{id}"));
        found.reported_device.push(device);
    }
    Ok(found)
}

/// `GET /vms/{vm}/reporteddevices`, `GET /vms/{vm}/nics/{nic}/reporteddevices`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut found = reported(&app, &request).await?;
    found.reported_device.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(found))
}

/// The one of them that the path names.
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let wanted = request.text("device");
    let found = reported(&app, &request).await?.reported_device.into_iter();
    let mut found = found.filter(|device| device.id.as_deref() == Some(wanted));
    found.next().map(Reply::ok).ok_or_else(|| Error::not_found(wanted).into())
}
