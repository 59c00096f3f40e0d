//! `/networks`, and the networks of data centers and clusters.

use super::app::App;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Searched};
use super::{links, profiles, rows};
use crate::error::Error;
use crate::model::{Cluster, Network, Object};
use crate::wire::convert;
use crate::wire::types;
use std::sync::Arc;

const ITEM: &str = "/networks/{network}";
const IN_CLUSTER: &str = "/clusters/{cluster}/networks/{network}";

/// A network; seen from a cluster, also what it does there.
fn document(app: &App, row: &Network, cluster: Option<&Cluster>) -> types::Network {
    let document = convert::network(row);
    let Some(cluster) = cluster else {
        let href = document.href.clone().unwrap_or_default();
        return types::Network {
            actions: links::actions(ITEM, &href),
            link: links::collections(ITEM, &href),
            ..document
        };
    };
    // Whatever leaves this host leaves by each of its networks.
    types::Network {
        href: Some(links::href(IN_CLUSTER, &[&cluster.id, &row.id])),
        cluster: Some(convert::reference("clusters", cluster.id)),
        status: Some(if app.engine.connected() { "operational" } else { "non_operational" }.into()),
        display: Some(true),
        usages: Some(["display", "vm", "migration", "management"].into_iter().collect()),
        required: Some(true),
        ..document
    }
}

impl Searched for Network {
    const FIELDS: &'static [&'static str] =
        &["name", "id", "description", "comment", "stp", "mtu", "vmnetwork", "datacenter", "vlanid", "label"];

    fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        Some(match name {
            "name" => self.name.clone(),
            "id" => self.id.to_string(),
            "description" => self.description.clone(),
            "stp" => false.to_string(),
            "mtu" => 0.to_string(),
            "vmnetwork" => true.to_string(),
            "datacenter" => app.engine.world().data_centers.get(&self.data_center)?.name.clone(),
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
