//! `/vmpools`: VMs that are alike, for whoever comes.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use super::{access, links, lookup, rows};
use crate::engine::PoolChange;
use crate::error::{Error, Kind};
use crate::model::*;
use crate::wire::convert::{self, named};
use crate::wire::types::{self, Action};
use crate::wire::{filled, require};
use std::sync::Arc;

const ITEM: &str = "/vmpools/{pool}";

fn document(app: &App, row: &VmPool) -> types::VmPool {
    let document = convert::vm_pool(row, app.engine.world().pool_vms(row.id).len());
    let href = document.href.clone().unwrap_or_default();
    types::VmPool { actions: links::actions(ITEM, &href), link: links::collections(ITEM, &href), ..document }
}

impl Searched for VmPool {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "id",
        "description",
        "type",
        "cluster",
        "datacenter",
        "architecture",
        "assigned_vm_count",
        "running_vm_count",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[
        ("type", Holds::Words(&["automatic", "manual"])),
        ("assigned_vm_count", Holds::Number),
        ("running_vm_count", Holds::Number),
    ];

    fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        let world = app.engine.world();
        let cluster = || world.clusters.get(&self.cluster);
        let vms = || world.pool_vms(self.id);
        Some(match name {
            "name" => self.name.clone(),
            "id" => self.id.to_string(),
            "description" => self.description.clone(),
            "type" => convert::Named::name(self.kind).into(),
            "cluster" => cluster()?.name.clone(),
            "datacenter" => world.data_centers.get(&cluster()?.data_center)?.name.clone(),
            "architecture" => "x86_64".into(),
            "assigned_vm_count" => vms().len().to_string(),
            "running_vm_count" => {
                vms().into_iter().filter(|vm| app.engine.status(vm.id).runs()).count().to_string()
            }
            _ => return None,
        })
    }
}

fn addressed(app: &App, request: &Request) -> Result<VmPool, Fault> {
    rows::one(&app.engine.world().vm_pools, request, "pool")
}

/// `GET /vmpools`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let all = rows::by_name(&app.engine.world().vm_pools, |row| &row.name, |_| true);
    let vm_pool = search::select(&app, &request, all)?.iter().map(|row| document(&app, row)).collect();
    Ok(Reply::ok(types::VmPools { vm_pool, ..Default::default() }))
}

/// `GET /vmpools/{pool}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&app, &addressed(&app, &request)?)))
}

/// What the document says of a pool over that template, which has that hardware.
fn change(
    app: &App,
    asked: types::VmPool,
    template: TemplateId,
    mut hardware: PoolHardware,
) -> Result<PoolChange, Error> {
    convert::change_pool_hardware(&asked, app.engine.template(template)?.spec, &mut hardware)?;
    let count = |what: &str, number: Option<i32>| {
        let wrong = |number: i32| Error::new(Kind::Value, format!("{what}: {number} is negative."));
        number.map(|number| u32::try_from(number).map_err(|_| wrong(number))).transpose()
    };
    Ok(PoolChange {
        kind: filled(&asked.r#type).map(named).transpose()?,
        size: count("size", asked.size)?,
        max_user_vms: count("max_user_vms", asked.max_user_vms)?,
        prestarted_vms: count("prestarted_vms", asked.prestarted_vms)?,
        newest_version: asked.use_latest_template_version,
        hardware: Some(hardware),
        name: asked.name,
        description: asked.description,
        comment: asked.comment,
    })
}

/// `POST /vmpools`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::VmPool = request.document().await?;
    require(
        "VmPool",
        "add",
        &[
            ("name", filled(&asked.name).is_some()),
            ("template.id|name", lookup::is_named(&asked.template)),
            ("cluster.id|name", lookup::is_named(&asked.cluster)),
        ],
    )?;
    let template = lookup::template(&app, asked.template.as_ref())?;
    let cluster = lookup::cluster(&app, asked.cluster.as_ref())?;
    access::require(&app, &request, 300, cluster)?;
    access::require(&app, &request, 1, template)?;
    let change = change(&app, asked, template, PoolHardware::default())?;
    let id = app.engine.add_vm_pool(cluster, template, change).await?;
    let document = document(&app, &app.engine.vm_pool(id)?);
    Ok(Reply::created(document))
}

/// `PUT /vmpools/{pool}`: its VMs get its hardware, and stay over the template that they are over.
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let VmPool { id, template, cluster, hardware, .. } = addressed(&app, &request)?;
    let asked: types::VmPool = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    let moves = lookup::is_named(&asked.template)
        && lookup::template(&app, asked.template.as_ref())? != template
        || lookup::is_named(&asked.cluster) && lookup::cluster(&app, asked.cluster.as_ref())? != cluster;
    if moves {
        return Err(Error::conflict("Cannot edit VM-Pool. A pool keeps its template and its cluster.").into());
    }
    app.engine.update_vm_pool(id, change(&app, asked, template, hardware)?).await?;
    Ok(Reply::ok(document(&app, &addressed(&app, &request)?)))
}

/// `DELETE /vmpools/{pool}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_vm_pool(id).await?;
    Ok(Reply::no_content())
}

/// `POST /vmpools/{pool}/allocatevm`: a VM for who asks.
pub async fn allocate(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    let vm = app.engine.allocate_vm(id, request.user.id).await?;
    super::vm_actions::done(vm, action)
}
