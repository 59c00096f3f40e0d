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

/// What the guest says of all of its interfaces, or of the one with that address.
pub fn of(app: &App, vm: VmId, mac: Option<&str>, list: &str) -> Result<ReportedDevices, Fault> {
    let told = app.engine.guest_interfaces(vm)?;
    let asked = told.iter().filter(|one| mac.is_none_or(|mac| *mac == one.mac));
    let reported_device = asked.map(|one| {
        let mut device = convert::reported_device(vm, one);
        device.href = device.id.as_ref().map(|id| format!("{list}/{id}"));
        device
    });
    Ok(ReportedDevices { reported_device: reported_device.collect(), ..Default::default() })
}

/// Those of the VM, or of the one interface that the path names.
fn reported(app: &App, request: &Request) -> Result<ReportedDevices, Fault> {
    let vm: VmId = request.id("vm")?;
    let mac = match request.text("nic") {
        "" => None,
        _ => Some(app.engine.nic(vm, request.id::<NicId>("nic")?)?.mac.to_string()),
    };
    // One of the list, or the list itself.
    let list = request.href.strip_suffix(&format!("/{}", request.text("device"))).unwrap_or(&request.href);
    of(app, vm, mac.as_deref(), list)
}

/// `GET /vms/{vm}/reporteddevices`, `GET /vms/{vm}/nics/{nic}/reporteddevices`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut found = reported(&app, &request)?;
    found.reported_device.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(found))
}

/// The one of them that the path names.
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let wanted = request.text("device");
    let found = reported(&app, &request)?.reported_device.into_iter();
    let mut found = found.filter(|device| device.id.as_deref() == Some(wanted));
    found.next().map(Reply::ok).ok_or_else(|| Error::not_found(wanted).into())
}
