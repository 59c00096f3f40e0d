//! `/clusters/{cluster}/affinitygroups`

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::{access, links, lookup, rows};
use crate::engine::AffinityChange;
use crate::error::Error;
use crate::model::*;
use crate::wire::types::{self, Action, Ref};
use crate::wire::{convert, filled, require};
use std::sync::Arc;

const ITEM: &str = "/clusters/{cluster}/affinitygroups/{affinity_group}";

fn document(it: &AffinityGroup) -> types::AffinityGroup {
    let document = convert::affinity_group(it);
    let href = document.href.clone().unwrap_or_default();
    types::AffinityGroup { link: links::collections(ITEM, &href), ..document }
}

fn cluster(app: &App, request: &Request) -> Result<ClusterId, Fault> {
    rows::one(&app.engine.world().clusters, request, "cluster").map(|row| row.id)
}

fn addressed(app: &App, request: &Request) -> Result<AffinityGroup, Fault> {
    let (cluster, id): (_, AffinityGroupId) = (cluster(app, request)?, request.id("affinity_group")?);
    let world = app.engine.world();
    let found = world.affinity_groups.get(&id).filter(|it| it.cluster == cluster).cloned();
    found.ok_or_else(|| Error::not_found(id).into())
}

fn change(asked: types::AffinityGroup) -> AffinityChange {
    let types::AffinityGroup { name, description, positive, enforcing, .. } = asked;
    AffinityChange { name, description, positive, enforcing }
}

/// `GET /clusters/{cluster}/affinitygroups`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let id = cluster(&app, &request)?;
    let all = rows::by_name(&app.engine.world().affinity_groups, |it| &it.name, |it| it.cluster == id);
    let wanted = all.iter().take(request.max.unwrap_or(usize::MAX));
    let affinity_group = wanted.map(document).collect();
    Ok(Reply::ok(types::AffinityGroups { affinity_group, ..Default::default() }))
}

/// `GET /clusters/{cluster}/affinitygroups/{affinity_group}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&addressed(&app, &request)?)))
}

/// `POST /clusters/{cluster}/affinitygroups`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let cluster = cluster(&app, &request)?;
    let asked: types::AffinityGroup = request.document().await?;
    require(
        "AffinityGroup",
        "add",
        &[
            ("name", filled(&asked.name).is_some()),
            ("positive", asked.positive.is_some()),
            ("enforcing", asked.enforcing.is_some()),
        ],
    )?;
    let id = app.engine.add_affinity_group(cluster, change(asked)).await?;
    let row = app.engine.world().affinity_groups.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::created(document(&row)))
}

/// `PUT /clusters/{cluster}/affinitygroups/{affinity_group}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    let asked: types::AffinityGroup = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    app.engine.update_affinity_group(id, change(asked)).await?;
    Ok(Reply::ok(document(&addressed(&app, &request)?)))
}

/// `DELETE /clusters/{cluster}/affinitygroups/{affinity_group}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_affinity_group(id).await?;
    Ok(Reply::no_content())
}

/// A VM as the group has it: its name, and where all of it is read.
fn member(id: VmId, name: String) -> types::Vm {
    let Ref { href, id, .. } = convert::reference("vms", id);
    types::Vm { href, id, name: Some(name), ..Default::default() }
}

/// The VMs of the path's group that the request sees.
fn members(app: &App, request: &Request) -> Result<Vec<(VmId, String)>, Fault> {
    let id = addressed(app, request)?.id;
    let mut found: Vec<(VmId, String)> = {
        let world = app.engine.world();
        world.affine_to(id).into_iter().map(|vm| (vm.id, vm.spec.name.clone())).collect()
    };
    found.retain(|(id, _)| access::shows(app, request, *id));
    Ok(found)
}

/// `GET /clusters/{cluster}/affinitygroups/{affinity_group}/vms`
pub async fn list_vms(app: Arc<App>, request: Request) -> Answer {
    let wanted = members(&app, &request)?.into_iter().take(request.max.unwrap_or(usize::MAX));
    let vm = wanted.map(|(id, name)| member(id, name)).collect();
    Ok(Reply::ok(types::Vms { vm, ..Default::default() }))
}

/// `GET /clusters/{cluster}/affinitygroups/{affinity_group}/vms/{vm}`: the shell looks before it removes.
pub async fn show_vm(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    let found = members(&app, &request)?.into_iter().find(|(id, _)| *id == vm);
    let (id, name) = found.ok_or_else(|| Error::not_found(vm))?;
    Ok(Reply::ok(member(id, name)))
}

/// `POST /clusters/{cluster}/affinitygroups/{affinity_group}/vms`
pub async fn add_vm(app: Arc<App>, request: Request) -> Answer {
    let group = addressed(&app, &request)?.id;
    let asked: types::Vm = request.document().await?;
    let named = Ref { id: asked.id, name: asked.name, ..Ref::default() };
    require("VM", "add", &[("id|name", convert::is_named(&named))])?;
    let vm = lookup::vm(&app, &named)?;
    if !access::shows(&app, &request, vm) {
        return Err(Error::not_found(vm).into());
    }
    app.engine.add_affine(group, vm).await?;
    let name = app.engine.vm(vm)?.vm.spec.name;
    Ok(Reply::created(member(vm, name)))
}

/// `DELETE /clusters/{cluster}/affinitygroups/{affinity_group}/vms/{vm}`
pub async fn remove_vm(app: Arc<App>, request: Request) -> Answer {
    let group = addressed(&app, &request)?.id;
    let vm = request.id("vm")?;
    request.optional::<Action>().await?;
    app.engine.remove_affine(group, vm).await?;
    Ok(Reply::no_content())
}
