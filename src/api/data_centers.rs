//! `/datacenters`

use super::app::App;
use super::lookup::{differs, differs_in_version};
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use super::{clusters, links, lookup, mac_pools, networks, rows, storage_domains};
use crate::engine::PlaceChange;
use crate::error::Error;
use crate::model::{DataCenter, DataCenterId, Object};
use crate::wire::{convert, filled, require, types};
use std::sync::Arc;

const ITEM: &str = "/datacenters/{data_center}";

fn document(app: &App, row: &DataCenter) -> types::DataCenter {
    let document = convert::data_center(row);
    let href = document.href.clone().unwrap_or_default();
    types::DataCenter {
        actions: links::actions(ITEM, &href),
        link: links::collections(ITEM, &href),
        status: Some(status(app).into()),
        mac_pool: Some(convert::reference("macpools", mac_pools::POOL)),
        ..document
    }
}

/// What follows from the host, and stays: a document that says otherwise is refused.
fn check_fixed(now: &types::DataCenter, asked: &types::DataCenter) -> Result<(), Error> {
    fn pool(it: &types::DataCenter) -> [Option<&str>; 1] {
        [it.mac_pool.as_ref().and_then(|it| filled(&it.id))]
    }
    // The older way to say that it is local.
    let local = |it: &types::DataCenter| [it.local, filled(&it.storage_type).map(|kind| kind == "localfs")];
    let rules = [
        ("local", differs([now.local; 2], local(asked))),
        ("storage_format", differs([filled(&now.storage_format)], [filled(&asked.storage_format)])),
        ("version", differs_in_version(&now.version, &asked.version)),
        ("mac_pool", differs(pool(now), pool(asked))),
    ];
    lookup::check_fixed("Data Center", &rules)
}

/// A data center is what its host can do.
fn status(app: &App) -> &'static str {
    if app.engine.connected() { "up" } else { "not_operational" }
}

impl Searched for DataCenter {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "id",
        "description",
        "comment",
        "local",
        "status",
        "compatibility_version",
        "clusters.name",
        "storage.name",
        "network.name",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[
        ("local", Holds::Flag),
        (
            "status",
            Holds::Words(&[
                "uninitialized",
                "up",
                "maintenance",
                "not_operational",
                "problematic",
                "contend",
            ]),
        ),
    ];

    fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        Some(match name {
            "name" => self.name.clone(),
            "id" => self.id.to_string(),
            "description" => self.description.clone(),
            "comment" => self.comment.clone(),
            "local" => true.to_string(),
            "status" => status(app).into(),
            "compatibility_version" => "3.6".into(),
            "clusters.name" => {
                let world = app.engine.world();
                world.clusters.values().find(|cluster| cluster.data_center == self.id)?.name.clone()
            }
            _ => return None,
        })
    }

    fn several(&self, app: &App, name: &str) -> Option<Vec<String>> {
        let world = app.engine.world();
        Some(match name {
            "storage.name" => {
                let here = world.storage_domains.values().filter(|it| it.data_center == Some(self.id));
                here.map(|it| it.name.clone()).collect()
            }
            "network.name" => {
                let here = world.networks.values().filter(|it| it.data_center == self.id);
                here.map(|it| it.name.clone()).collect()
            }
            _ => return None,
        })
    }
}

/// The data center of the path.
fn named(app: &App, request: &Request) -> Result<DataCenterId, super::fault::Fault> {
    row(app, request).map(|row| row.id)
}

fn row(app: &App, request: &Request) -> Result<DataCenter, super::fault::Fault> {
    rows::one(&app.engine.world().data_centers, request, "data_center")
}

/// `GET /datacenters`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let all = rows::by_name(&app.engine.world().data_centers, |row| &row.name, |_| true);
    let found = search::select(&app, &request, all)?;
    let data_center = found.iter().map(|row| document(&app, row)).collect();
    Ok(Reply::ok(types::DataCenters { data_center, ..Default::default() }))
}

/// `GET /datacenters/{data_center}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&app, &row(&app, &request)?)))
}

/// `PUT /datacenters/{data_center}`: its name, description and what comes of quotas; what else there is, its host decides.
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let before = row(&app, &request)?;
    let id = before.id;
    let asked: types::DataCenter = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    check_fixed(&document(&app, &before), &asked)?;
    let quota_mode = filled(&asked.quota_mode).map(convert::named).transpose()?;
    app.engine
        .update_data_center(
            id,
            PlaceChange { name: asked.name, description: asked.description, comment: asked.comment },
            quota_mode,
        )
        .await?;
    Ok(Reply::ok(document(&app, &row(&app, &request)?)))
}

/// `GET /datacenters/{data_center}/clusters`
pub async fn list_clusters(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?;
    clusters::some(&app, &request, |row| row.data_center == id)
}

/// `GET /datacenters/{data_center}/clusters/{cluster}`
pub async fn show_cluster(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?;
    clusters::one(&app, &request, |row| row.data_center == id)
}

/// `GET /datacenters/{data_center}/networks`
pub async fn list_networks(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?;
    networks::some(&app, &request, None, |row| row.data_center == id)
}

/// `GET /datacenters/{data_center}/networks/{network}`
pub async fn show_network(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?;
    networks::one(&app, &request, None, |row| row.data_center == id)
}

/// `POST /datacenters/{data_center}/networks`
pub async fn add_network(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?;
    let asked: types::Network = request.document().await?;
    require("Network", "add", &[("id|name", filled(&asked.name).is_some())])?;
    networks::add_to(&app, id, &asked).await
}

/// `GET /datacenters/{data_center}/storagedomains`
pub async fn list_storage_domains(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?;
    storage_domains::some(&app, &request, Some(id)).await
}

/// `GET /datacenters/{data_center}/storagedomains/{domain}`
pub async fn show_storage_domain(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?;
    storage_domains::one(&app, &request, Some(id)).await
}
