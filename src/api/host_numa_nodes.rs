//! `/hosts/{host}/numanodes`

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::statistics::{self, Entry, entry, statistics};
use super::{links, rows};
use crate::error::Error;
use crate::model::{HostId, HostNode};
use crate::wire::convert;
use crate::wire::types::{HostNumaNode, HostNumaNodes, Ref, Statistics};
use std::sync::Arc;
use uuid::Uuid;

const ITEM: &str = "/hosts/{host}/numanodes/{node}";

const NODE: [Entry; 6] = [
    entry("7816602b-c05c-3db7-a4da-3769f7ad8896", "memory.total", "Total memory", "bytes", false),
    entry("b7499508-c1c3-32f0-8174-c1783e57bb08", "memory.used", "Used memory", "bytes", false),
    entry("5a0fba9d-33d7-3cbf-addd-ba462040c946", "memory.free", "Free memory", "bytes", false),
    entry("a1fab379-66e2-3b1d-9914-81a9e79cb719", "cpu.current.user", "User CPU usage", "percent", true),
    entry("a98c1e11-078c-3593-a57e-4b12c1ce9815", "cpu.current.system", "System CPU usage", "percent", true),
    entry("4ae97794-f56d-3f05-a9e7-8798887cd1ac", "cpu.current.idle", "Idle CPU usage", "percent", true),
];

fn document(host: HostId, node: &HostNode) -> HostNumaNode {
    let document = convert::host_numa_node(host, node);
    let link = links::collections(ITEM, document.href.as_deref().unwrap_or_default());
    HostNumaNode { link, ..document }
}

/// The host of the path.
fn owner(app: &App, request: &Request) -> Result<HostId, Fault> {
    Ok(rows::one(&app.engine.world().hosts, request, "host")?.id)
}

/// The node of the path, and its host.
fn named(app: &App, request: &Request) -> Result<(HostId, HostNode), Fault> {
    let (host, id): (HostId, Uuid) = (owner(app, request)?, request.id("node")?);
    let facts = app.engine.facts()?;
    let node = facts.0.nodes.iter().find(|node| host.node(node.index) == id);
    Ok((host, node.cloned().ok_or_else(|| Error::not_found(id))?))
}

/// `GET /hosts/{host}/numanodes`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let host = owner(&app, &request)?;
    let facts = app.engine.facts()?;
    let shown = facts.0.nodes.iter().take(request.max.unwrap_or(usize::MAX));
    let host_numa_node = shown.map(|node| document(host, node)).collect();
    Ok(Reply::ok(HostNumaNodes { host_numa_node, ..Default::default() }))
}

/// `GET /hosts/{host}/numanodes/{node}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let (host, node) = named(&app, &request)?;
    Ok(Reply::ok(document(host, &node)))
}

fn measured(app: &App, request: &Request) -> Result<Statistics, Fault> {
    let (host, node) = named(app, request)?;
    let it = app.meters.node(&node, app.engine.settings.stats_interval);
    let values = [
        it.memory_total as f64,
        it.memory_used as f64,
        it.memory_free as f64,
        it.cpu_user,
        it.cpu_system,
        it.cpu_idle,
    ];
    let id = host.node(node.index);
    let href = links::href(ITEM, &[&host, &id]);
    let owner = Ref::at(href.clone(), id);
    Ok(statistics(&NODE, values, &href, |statistic| statistic.host_numa_node = Some(owner.clone())))
}

/// `GET /hosts/{host}/numanodes/{node}/statistics`
pub async fn list_statistics(app: Arc<App>, request: Request) -> Answer {
    statistics::all(measured(&app, &request)?, &request)
}

/// `GET /hosts/{host}/numanodes/{node}/statistics/{statistic}`
pub async fn show_statistic(app: Arc<App>, request: Request) -> Answer {
    statistics::one(measured(&app, &request)?, &request)
}
