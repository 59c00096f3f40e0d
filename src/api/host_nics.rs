//! `/hosts/{host}/nics`: the network interfaces of this machine, as they are now.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::{links, rows, statistics};
use crate::error::Error;
use crate::host::nics::{self, HostInterface};
use crate::model::{HostId, derived_id};
use crate::wire::convert;
use crate::wire::types::{HostNic, HostNics, Ip, Labels, Mac, NetworkAttachments, Statistics};
use std::sync::Arc;

const ITEM: &str = "/hosts/{host}/nics/{nic}";

fn document(host: HostId, it: &HostInterface) -> HostNic {
    let id = derived_id(&[host.0.as_bytes(), it.name.as_bytes()]);
    let href = links::href(ITEM, &[&host, &id]);
    HostNic {
        link: links::collections(ITEM, &href),
        href: Some(href),
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

/// Those that are there now. Files are read for it, which no thread that serves requests is to wait for.
pub async fn interfaces() -> Result<Vec<HostInterface>, Error> {
    tokio::task::spawn_blocking(nics::interfaces).await.map_err(Error::bug)
}

async fn all(app: &App, request: &Request) -> Result<Vec<(HostInterface, HostNic)>, Fault> {
    let host = rows::one(&app.engine.world().hosts, request, "host")?.id;
    let documents = interfaces().await?.into_iter().map(|it| {
        let document = document(host, &it);
        (it, document)
    });
    Ok(documents.collect())
}

/// The interface of the path.
async fn addressed(app: &App, request: &Request) -> Result<(HostInterface, HostNic), Fault> {
    let id = request.text("nic").to_lowercase();
    let mut all = all(app, request).await?.into_iter();
    let found = all.find(|(_, document)| document.id.as_deref() == Some(id.as_str()));
    found.ok_or_else(|| Error::not_found(id).into())
}

/// `GET /hosts/{host}/nics`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let all = all(&app, &request).await?.into_iter().map(|(_, document)| document);
    let host_nic = all.take(request.max.unwrap_or(usize::MAX)).collect();
    Ok(Reply::ok(HostNics { host_nic, ..Default::default() }))
}

/// `GET /hosts/{host}/nics/{nic}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(addressed(&app, &request).await?.1))
}

async fn figures(app: &App, request: &Request) -> Result<Statistics, Fault> {
    let (interface, document) = addressed(app, request).await?;
    let flow = app.meters.flow(&interface, app.engine.settings.stats_interval);
    let (href, id) = (document.href.unwrap_or_default(), document.id.unwrap_or_default());
    Ok(statistics::of_host_nic(&flow, &href, &id))
}

/// `GET /hosts/{host}/nics/{nic}/statistics`
pub async fn list_statistics(app: Arc<App>, request: Request) -> Answer {
    statistics::all(figures(&app, &request).await?, &request)
}

/// `GET /hosts/{host}/nics/{nic}/statistics/{statistic}`
pub async fn show_statistic(app: Arc<App>, request: Request) -> Answer {
    statistics::one(figures(&app, &request).await?, &request)
}

/// `GET /hosts/{host}/nics/{nic}/labels`: networks come to this host by no labels.
pub async fn list_labels(app: Arc<App>, request: Request) -> Answer {
    addressed(&app, &request).await?;
    Ok(Reply::ok(Labels::default()))
}

/// `GET /hosts/{host}/nics/{nic}/networkattachments`: the networks of this host are bridges or
/// libvirt's, which its administrator leads where they go.
pub async fn list_attachments(app: Arc<App>, request: Request) -> Answer {
    addressed(&app, &request).await?;
    Ok(Reply::ok(NetworkAttachments::default()))
}
