//! `/clusters`

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Searched};
use super::{cpus, links, lookup, networks, profiles, rows, scheduling_policies};
use crate::engine::PlaceChange;
use crate::error::Error;
use crate::model::{Cluster, NetworkId, Object};
use crate::wire::convert;
use crate::wire::types;
use std::collections::BTreeSet;
use std::sync::Arc;

const ITEM: &str = "/clusters/{cluster}";

fn document(app: &App, row: &Cluster) -> types::Cluster {
    let document = convert::cluster(row);
    let href = document.href.clone().unwrap_or_default();
    types::Cluster {
        actions: links::actions(ITEM, &href),
        link: links::collections(ITEM, &href),
        cpu: Some(cpus::best(app)),
        scheduling_policy: Some(types::SchedulingPolicy {
            href: Some(links::href("/schedulingpolicies/{policy}", &[&scheduling_policies::NONE])),
            id: Some(scheduling_policies::NONE.to_string()),
            policy: Some("none".into()),
            ..Default::default()
        }),
        ..document
    }
}

impl Searched for Cluster {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "id",
        "description",
        "comment",
        "architecture",
        "datacenter",
        "datacenter.name",
        "storage",
        "storage.name",
        "cluster_network",
        "cluster_network.name",
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
            "architecture" => "x86_64".into(),
            "datacenter" | "datacenter.name" => {
                app.engine.world().data_centers.get(&self.data_center)?.name.clone()
            }
            _ => return None,
        })
    }

    fn values(&self, app: &App, name: &str) -> Vec<String> {
        let world = app.engine.world();
        match name {
            "storage" | "storage.name" => {
                let here = world.storage_domains.values();
                here.filter(|it| it.data_center == Some(self.data_center)).map(|it| it.name.clone()).collect()
            }
            "cluster_network" | "cluster_network.name" => {
                let here = world.cluster_networks.values().filter(|it| it.cluster == self.id);
                here.filter_map(|it| Some(world.networks.get(&it.network)?.name.clone())).collect()
            }
            _ => {
                drop(world);
                self.field(app, name).into_iter().collect()
            }
        }
    }
}

/// Those clusters that the request asks for.
pub fn some(app: &App, request: &Request, wanted: impl Fn(&Cluster) -> bool) -> Answer {
    let all = rows::by_name(&app.engine.world().clusters, |row| &row.name, wanted);
    let found = search::select(app, request, all)?;
    let cluster = found.iter().map(|row| document(app, row)).collect();
    Ok(Reply::ok(types::Clusters { cluster, ..Default::default() }))
}

/// The cluster of the path, if it is one of those.
pub fn one(app: &App, request: &Request, wanted: impl Fn(&Cluster) -> bool) -> Answer {
    let row = named(app, request)?;
    if wanted(&row) { Ok(Reply::ok(document(app, &row))) } else { Err(Error::not_found(row.id).into()) }
}

/// The cluster of the path.
fn named(app: &App, request: &Request) -> Result<Cluster, Fault> {
    rows::one(&app.engine.world().clusters, request, "cluster")
}

/// `GET /clusters`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    some(&app, &request, |_| true)
}

/// `GET /clusters/{cluster}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    one(&app, &request, |_| true)
}

/// `PUT /clusters/{cluster}`: its name and description; what else there is, its host decides.
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    let asked: types::Cluster = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    app.engine
        .update_cluster(
            id,
            PlaceChange { name: asked.name, description: asked.description, comment: asked.comment },
        )
        .await?;
    Ok(Reply::ok(document(&app, &named(&app, &request)?)))
}

fn networks_of(app: &App, cluster: &Cluster) -> BTreeSet<NetworkId> {
    let world = app.engine.world();
    let here = world.cluster_networks.values().filter(|row| row.cluster == cluster.id);
    here.map(|row| row.network).collect()
}

/// `GET /clusters/{cluster}/networks`
pub async fn list_networks(app: Arc<App>, request: Request) -> Answer {
    let cluster = named(&app, &request)?;
    let here = networks_of(&app, &cluster);
    networks::some(&app, &request, Some(&cluster), |row| here.contains(&row.id))
}

/// `GET /clusters/{cluster}/networks/{network}`
pub async fn show_network(app: Arc<App>, request: Request) -> Answer {
    let cluster = named(&app, &request)?;
    let here = networks_of(&app, &cluster);
    networks::one(&app, &request, Some(&cluster), |row| here.contains(&row.id))
}

/// `GET /clusters/{cluster}/cpuprofiles`
pub async fn list_cpu_profiles(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    profiles::some_cpu(&app, &request, |row| row.cluster == id)
}

/// `GET /clusters/{cluster}/cpuprofiles/{profile}`
pub async fn show_cpu_profile(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    profiles::one_cpu(&app, &request, |row| row.cluster == id)
}
