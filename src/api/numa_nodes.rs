//! `/vms/{vm}/numanodes`

use super::app::App;
use super::fault::Fault;
use super::lookup;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::*;
use crate::wire::convert::{self, NumaRequest};
use crate::wire::require;
use crate::wire::types::{Action, VmNumaNode, VmNumaNodes};
use std::sync::Arc;
use uuid::Uuid;

/// The one host, on whose nodes those of VMs lie.
fn host(app: &App) -> HostId {
    app.engine.world().hosts.keys().next().copied().unwrap_or(HostId(Uuid::nil()))
}

/// The nodes of the VM's present configuration, or of its next one.
fn nodes(app: &App, vm: VmId, request: &Request) -> Result<Vec<NumaNode>, Fault> {
    let row = app.engine.vm(vm)?.vm;
    Ok(row.configured(request.next_run).numa_nodes)
}

fn document(app: &App, vm: VmId, id: NumaNodeId, request: &Request) -> Result<VmNumaNode, Fault> {
    let nodes = nodes(app, vm, request)?;
    let node = nodes.iter().find(|node| node.id == id).ok_or_else(|| Error::not_found(id))?;
    Ok(convert::vm_numa_node(vm, node, host(app)))
}

fn asked(app: &App, document: &VmNumaNode) -> Result<NumaRequest, Fault> {
    let host = host(app);
    let facts = app.engine.facts()?;
    let known: Vec<_> = facts.0.nodes.iter().map(|node| (node.index, host.node(node.index))).collect();
    Ok(NumaRequest::read(document, &known)?)
}

/// `GET /vms/{vm}/numanodes`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let vm = request.id("vm")?;
    let nodes = nodes(&app, vm, &request)?;
    let shown = nodes.iter().take(request.max.unwrap_or(usize::MAX));
    let vm_numa_node = shown.map(|node| convert::vm_numa_node(vm, node, host(&app))).collect();
    Ok(Reply::ok(VmNumaNodes { vm_numa_node, ..Default::default() }))
}

/// `GET /vms/{vm}/numanodes/{node}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&app, request.id("vm")?, request.id("node")?, &request)?))
}

/// `POST /vms/{vm}/numanodes`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    let given: VmNumaNode = request.document().await?;
    let asked = asked(&app, &given)?;
    require(
        "VirtualNumaNode",
        "add",
        &[
            ("index", asked.index.is_some()),
            ("memory", asked.memory.is_some()),
            ("cpu", asked.cores.is_some()),
        ],
    )?;
    let id = NumaNodeId::random();
    let mut node = NumaNode { id, index: 0, memory: 0, cores: Default::default(), pins: Default::default() };
    asked.change(&mut node);
    app.engine.add_numa_node(vm, request.next_run, node).await?;
    let document = document(&app, vm, id, &request)?;
    Ok(Reply::created(document))
}

/// `PUT /vms/{vm}/numanodes/{node}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let (vm, id): (VmId, NumaNodeId) = (request.id("vm")?, request.id("node")?);
    document(&app, vm, id, &request)?;
    let given: VmNumaNode = request.document().await?;
    lookup::same_id(given.id.as_deref(), id)?;
    let asked = asked(&app, &given)?;
    app.engine.update_numa_node(vm, request.next_run, id, |node| asked.change(node)).await?;
    Ok(Reply::ok(document(&app, vm, id, &request)?))
}

/// `DELETE /vms/{vm}/numanodes/{node}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let (vm, id) = (request.id("vm")?, request.id("node")?);
    document(&app, vm, id, &request)?;
    request.optional::<Action>().await?;
    app.engine.remove_numa_node(vm, request.next_run, id).await?;
    Ok(Reply::no_content())
}
