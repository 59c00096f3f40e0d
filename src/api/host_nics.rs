//! `/hosts/{host}/nics`: the network interfaces of this machine, as they are now.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::{links, rows};
use crate::error::Error;
use crate::host::nics::{HostInterface, interfaces};
use crate::model::{HostId, derived_id};
use crate::wire::convert;
use crate::wire::types::{HostNic, HostNics, Ip, Mac};
use std::sync::Arc;

fn document(host: HostId, it: &HostInterface) -> HostNic {
    let id = derived_id(&[host.0.as_bytes(), it.name.as_bytes()]);
    HostNic {
        href: Some(links::href("/hosts/{host}/nics/{nic}", &[&host, &id])),
        id: Some(id.to_string()),
        name: Some(it.name.clone()),
        host: Some(convert::reference("hosts", host)),
        mac: Some(Mac { address: Some(it.mac.clone()) }),
        ip: it.ip.map(|(address, netmask)| Ip {
            address: Some(address.to_string()),
            netmask: netmask.map(|netmask| netmask.to_string()),
            ..Default::default()
        }),
        speed: it.speed,
        status: Some(if it.up { "up" } else { "down" }.into()),
        mtu: Some(it.mtu),
        bridged: Some(it.bridged),
        ..Default::default()
    }
}

async fn all(app: &App, request: &Request) -> Result<Vec<HostNic>, Fault> {
    let host = rows::one(&app.engine.world().hosts, request, "host")?.id;
    let found = tokio::task::spawn_blocking(interfaces).await.map_err(Error::bug)?;
    Ok(found.iter().map(|it| document(host, it)).collect())
}

/// `GET /hosts/{host}/nics`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut host_nic = all(&app, &request).await?;
    host_nic.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(HostNics { host_nic, ..Default::default() }))
}

/// `GET /hosts/{host}/nics/{nic}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let id = request.text("nic").to_lowercase();
    let found = all(&app, &request).await?.into_iter().find(|it| it.id.as_deref() == Some(id.as_str()));
    found.map(Reply::ok).ok_or_else(|| Error::not_found(id).into())
}
