//! `/clusters`

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Searched};
use super::{cpus, links, networks, profiles, rows};
use crate::error::Error;
use crate::model::{Cluster, Object};
use crate::wire::convert;
use crate::wire::types;
use std::sync::Arc;

const ITEM: &str = "/clusters/{cluster}";

fn document(app: &App, row: &Cluster) -> types::Cluster {
    let document = convert::cluster(row);
    let href = document.href.clone().unwrap_or_default();
    types::Cluster {
        actions: links::actions(ITEM, &href),
        link: links::collections(ITEM, &href),
        cpu: Some(cpus::best(app)),
        ..document
    }
}

impl Searched for Cluster {
    const FIELDS: &'static [&'static str] =
        &["name", "id", "description", "comment", "architecture", "datacenter", "datacenter.name"];

    fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        Some(match name {
            "name" => self.name.clone(),
            "id" => self.id.to_string(),
            "description" => self.description.clone(),
            "architecture" => "x86_64".into(),
            "datacenter" | "datacenter.name" => {
                app.engine.world().data_centers.get(&self.data_center)?.name.clone()
            }
            _ => return None,
        })
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

/// `GET /clusters/{cluster}/networks`
pub async fn list_networks(app: Arc<App>, request: Request) -> Answer {
    let cluster = named(&app, &request)?;
    networks::some(&app, &request, Some(&cluster), |row| row.data_center == cluster.data_center)
}

/// `GET /clusters/{cluster}/networks/{network}`
pub async fn show_network(app: Arc<App>, request: Request) -> Answer {
    let cluster = named(&app, &request)?;
    networks::one(&app, &request, Some(&cluster), |row| row.data_center == cluster.data_center)
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
