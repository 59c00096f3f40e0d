//! `/hosts/{host}/devices` and `/vms/{vm}/hostdevices`.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use crate::error::Error;
use crate::model::{HostDevice, HostId, VmId};
use crate::wire::types::{self, Action, HostDevices};
use crate::wire::{convert, filled, require};
use std::sync::Arc;

async fn of_host(app: &App, request: &Request) -> Result<Vec<types::HostDevice>, Fault> {
    let host = rows::one(&app.engine.world().hosts, request, "host")?.id;
    let devices = app.engine.host_devices().await?;
    Ok(devices.iter().map(|device| convert::host_device(host, device)).collect())
}

/// `GET /hosts/{host}/devices`
pub async fn list_of_host(app: Arc<App>, request: Request) -> Answer {
    Ok(some(of_host(&app, &request).await?, &request))
}

/// `GET /hosts/{host}/devices/{device}`
pub async fn show_of_host(app: Arc<App>, request: Request) -> Answer {
    one(of_host(&app, &request).await?, request.text("device"))
}

fn some(mut host_device: Vec<types::HostDevice>, request: &Request) -> Reply {
    host_device.truncate(request.max.unwrap_or(usize::MAX));
    Reply::ok(HostDevices { host_device, ..Default::default() })
}

fn one(all: Vec<types::HostDevice>, id: &str) -> Answer {
    let mut found = all.into_iter().filter(|device| device.id.as_deref() == Some(id));
    found.next().map(Reply::ok).ok_or_else(|| Error::not_found(id).into())
}

async fn of_vm(app: &App, request: &Request) -> Result<Vec<types::HostDevice>, Fault> {
    let vm: VmId = request.id("vm")?;
    let row = app.engine.vm(vm)?.vm;
    let names = row.configured(request.next_run).host_devices;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let host: HostId =
        app.engine.world().hosts.keys().next().copied().ok_or_else(|| Error::bug("no host"))?;
    // What the VM gets is known without the host's help.
    let devices = app.engine.host_devices().await.unwrap_or_default();
    let known = |name: &String| -> Option<&HostDevice> { devices.iter().find(|device| device.name == *name) };
    Ok(names.iter().map(|name| convert::vm_host_device(vm, host, name, known(name))).collect())
}

/// `GET /vms/{vm}/hostdevices`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    Ok(some(of_vm(&app, &request).await?, &request))
}

/// `GET /vms/{vm}/hostdevices/{device}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    one(of_vm(&app, &request).await?, request.text("device"))
}

/// `POST /vms/{vm}/hostdevices`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    let asked: types::HostDevice = request.document().await?;
    let (id, name) = (filled(&asked.id), filled(&asked.name));
    require("HostDevice", "add", &[("id|name", id.is_some() || name.is_some())])?;
    let name = match id {
        Some(id) => convert::host_device_name(id)?,
        None => name.unwrap_or_default().to_owned(),
    };
    app.engine.add_host_device(vm, request.next_run, &name).await?;
    let id = convert::host_device_id(&name);
    let mut made = of_vm(&app, &request).await?.into_iter().filter(|device| device.id.as_ref() == Some(&id));
    let document = made.next().ok_or_else(|| Error::not_found(&id))?;
    Ok(Reply::created(document))
}

/// `DELETE /vms/{vm}/hostdevices/{device}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    let name = convert::host_device_name(request.text("device"))?;
    request.optional::<Action>().await?;
    app.engine.remove_host_device(vm, request.next_run, &name).await?;
    Ok(Reply::no_content())
}
