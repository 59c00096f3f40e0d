//! `/networks`, and the networks of data centers and clusters.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use super::{access, links, lookup, profiles, rows};
use crate::engine::MANAGEMENT;
use crate::error::Error;
use crate::model::{Cluster, ClusterId, DataCenterId, Network, NetworkId, Object};
use crate::wire::convert;
use crate::wire::types::{self, Action, Ref};
use crate::wire::{filled, require};
use std::sync::Arc;

const ITEM: &str = "/networks/{network}";

/// A network; seen from a cluster, also what it does there.
fn document(app: &App, row: &Network, cluster: Option<&Cluster>) -> types::Network {
    let world = app.engine.world();
    let there = cluster.and_then(|cluster| world.cluster_networks.get(&(cluster.id, row.id)));
    let Some(there) = there else {
        let document = convert::network(row);
        let href = document.href.clone().unwrap_or_default();
        return types::Network {
            actions: links::actions(ITEM, &href),
            link: links::collections(ITEM, &href),
            ..document
        };
    };
    types::Network {
        status: Some(if app.engine.connected() { "operational" } else { "non_operational" }.into()),
        ..convert::cluster_network(row, there, row.id == MANAGEMENT)
    }
}

impl Searched for Network {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "id",
        "description",
        "comment",
        "stp",
        "mtu",
        "vmnetwork",
        "datacenter",
        "vlanid",
        "label",
        "provider_name",
        "provider.name",
        "qos_name",
        "datacenter.name",
        "cluster_network",
        "cluster_network.name",
        "cluster_network.cluster_name",
        "host_network",
        "host_network.name",
        "host_network.host_name",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[
        ("stp", Holds::Flag),
        ("vmnetwork", Holds::Flag),
        ("mtu", Holds::Number),
        ("vlanid", Holds::Number),
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
            "stp" => self.stp.to_string(),
            "mtu" => self.mtu.to_string(),
            "vmnetwork" => self.for_vms.to_string(),
            "vlanid" => self.vlan?.to_string(),
            "datacenter" | "datacenter.name" => {
                app.engine.world().data_centers.get(&self.data_center)?.name.clone()
            }
            _ => return None,
        })
    }

    /// Of the clusters that have the network, and of the host, which is in one of them.
    fn several(&self, app: &App, name: &str) -> Option<Vec<String>> {
        let world = app.engine.world();
        let has = |cluster: &ClusterId| world.cluster_networks.contains_key(&(*cluster, self.id));
        Some(match name {
            "cluster_network" | "cluster_network.name" | "cluster_network.cluster_name" => {
                world.clusters.values().filter(|it| has(&it.id)).map(|it| it.name.clone()).collect()
            }
            "host_network" | "host_network.name" | "host_network.host_name" => {
                world.hosts.values().filter(|it| has(&it.cluster)).map(|it| it.name.clone()).collect()
            }
            _ => return None,
        })
    }
}

/// Those networks that the request asks for.
pub fn some(
    app: &App,
    request: &Request,
    cluster: Option<&Cluster>,
    wanted: impl Fn(&Network) -> bool,
) -> Answer {
    let all = rows::by_name(&app.engine.world().networks, |row| &row.name, wanted);
    let found = search::select(app, request, all)?;
    let network = found.iter().map(|row| document(app, row, cluster)).collect();
    Ok(Reply::ok(types::Networks { network, ..Default::default() }))
}

/// The network of the path, if it is one of those.
pub fn one(
    app: &App,
    request: &Request,
    cluster: Option<&Cluster>,
    wanted: impl Fn(&Network) -> bool,
) -> Answer {
    let row = rows::one(&app.engine.world().networks, request, "network")?;
    match wanted(&row) {
        true => Ok(Reply::ok(document(app, &row, cluster))),
        false => Err(Error::not_found(row.id).into()),
    }
}

/// `GET /networks`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    some(&app, &request, None, |_| true)
}

/// `GET /networks/{network}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    one(&app, &request, None, |_| true)
}

fn created(app: &App, id: NetworkId, cluster: Option<&Cluster>) -> Answer {
    Ok(Reply::created(document(app, &app.engine.network(id)?, cluster)))
}

/// `POST /networks`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::Network = request.document().await?;
    let home = lookup::is_named(&asked.data_center);
    require("Network", "add", &[("dataCenter.name|id", home), ("name", filled(&asked.name).is_some())])?;
    let home = lookup::data_center(&app, &asked.data_center.clone().unwrap_or_default())?;
    access::require(&app, &request, 704, home)?;
    add_to(&app, home, &asked).await
}

/// Makes a network of the data center.
pub async fn add_to(app: &Arc<App>, home: DataCenterId, asked: &types::Network) -> Answer {
    let id = app.engine.add_network(home, convert::network_change(asked)?.0).await?;
    created(app, id, None)
}

/// The network of the path; below a data center, one of its own.
fn addressed(app: &App, request: &Request) -> Result<NetworkId, Fault> {
    let row = rows::one(&app.engine.world().networks, request, "network")?;
    let home = request.text("data_center");
    match home.is_empty() || home.eq_ignore_ascii_case(&row.data_center.to_string()) {
        true => Ok(row.id),
        false => Err(Error::not_found(row.id).into()),
    }
}

/// `PUT /networks/{network}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?;
    let asked: types::Network = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    app.engine.update_network(id, convert::network_change(&asked)?.0).await?;
    Ok(Reply::ok(document(&app, &app.engine.network(id)?, None)))
}

/// `DELETE /networks/{network}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?;
    request.optional::<Action>().await?;
    app.engine.remove_network(id).await?;
    Ok(Reply::no_content())
}

/// `POST /clusters/{cluster}/networks`
pub async fn attach(app: Arc<App>, request: Request) -> Answer {
    let cluster = rows::one(&app.engine.world().clusters, &request, "cluster")?;
    let asked: types::Network = request.document().await?;
    let reference = Ref { id: asked.id.clone(), name: asked.name.clone(), href: None };
    require("Network", "add", &[("id|name", convert::is_named(&reference))])?;
    let id = lookup::network_of(&app, &cluster, &reference)?;
    access::require(&app, &request, 404, id)?;
    app.engine.attach_network(cluster.id, id, convert::network_change(&asked)?.1).await?;
    created(&app, id, Some(&cluster))
}

/// The network of the path, which the path's cluster has.
fn attached(app: &App, request: &Request) -> Result<(Cluster, NetworkId), Fault> {
    let world = app.engine.world();
    let cluster = rows::one(&world.clusters, request, "cluster")?;
    let id: NetworkId = request.id("network")?;
    match world.cluster_networks.contains_key(&(cluster.id, id)) {
        true => Ok((cluster, id)),
        false => Err(Error::not_found(id).into()),
    }
}

/// `PUT /clusters/{cluster}/networks/{network}`
pub async fn update_attached(app: Arc<App>, request: Request) -> Answer {
    let (cluster, id) = attached(&app, &request)?;
    let asked: types::Network = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    let mut change = convert::network_change(&asked)?.1;
    let there = app.engine.world().cluster_networks.get(&(cluster.id, id)).map(|it| it.display);
    // It is said twice, and who sends back what it read changes one of them.
    if asked.display.is_some() && asked.display != there {
        change.display = asked.display;
    }
    app.engine.update_cluster_network(cluster.id, id, change).await?;
    Ok(Reply::ok(document(&app, &app.engine.network(id)?, Some(&cluster))))
}

/// `DELETE /clusters/{cluster}/networks/{network}`
pub async fn detach(app: Arc<App>, request: Request) -> Answer {
    let (cluster, id) = attached(&app, &request)?;
    request.optional::<Action>().await?;
    app.engine.detach_network(cluster.id, id).await?;
    Ok(Reply::no_content())
}

/// `GET /networks/{network}/vnicprofiles`
pub async fn list_profiles(app: Arc<App>, request: Request) -> Answer {
    let id = rows::one(&app.engine.world().networks, &request, "network")?.id;
    profiles::some_vnic(&app, &request, |row| row.network == id)
}

/// `GET /networks/{network}/vnicprofiles/{profile}`
pub async fn show_profile(app: Arc<App>, request: Request) -> Answer {
    let id = rows::one(&app.engine.world().networks, &request, "network")?.id;
    profiles::one_vnic(&app, &request, |row| row.network == id)
}

/// `POST /networks/{network}/vnicprofiles`
pub async fn add_profile(app: Arc<App>, request: Request) -> Answer {
    let id = rows::one(&app.engine.world().networks, &request, "network")?.id;
    let asked: types::VnicProfile = request.document().await?;
    profiles::add_vnic_to(&app, id, &asked).await
}

/// `DELETE /networks/{network}/vnicprofiles/{profile}`
pub async fn remove_profile(app: Arc<App>, request: Request) -> Answer {
    let id = rows::one(&app.engine.world().networks, &request, "network")?.id;
    profiles::remove_vnic_of(&app, &request, |row| row.network == id).await
}
