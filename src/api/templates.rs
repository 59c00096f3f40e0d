//! `/templates`: Blank, which every VM can be made of, and those that users made of VMs.

use super::app::App;
use super::fault::Fault;
use super::related::Related;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use super::vm_actions::made;
use super::{access, disks, links, lookup, machine};
use crate::engine::NewTemplate;
use crate::error::Error;
use crate::model::*;
use crate::wire::convert::{self, Named};
use crate::wire::types::{self, Action};
use crate::wire::{filled, require};
use std::sync::Arc;

const ITEM: &str = "/templates/{template}";

pub fn document(app: &App, template: &Template) -> types::Template {
    let document = convert::template(template);
    let href = document.href.clone().unwrap_or_default();
    types::Template {
        status: Some(shown_status(app, template).name().into()),
        actions: links::actions(ITEM, &href),
        link: links::collections(ITEM, &href),
        ..document
    }
}

fn shown_status(app: &App, template: &Template) -> TemplateStatus {
    if app.engine.is_template_copied(template.id) { TemplateStatus::Locked } else { template.status }
}

/// The template of the path.
pub fn addressed(app: &App, request: &Request) -> Result<Template, Fault> {
    Ok(app.engine.template(request.id("template")?)?)
}

impl Searched for Template {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "id",
        "description",
        "comment",
        "os",
        "status",
        "cluster",
        "datacenter",
        "version_name",
        "creationdate",
        "childcount",
        "mem",
        "quota",
        "architecture",
        "cluster.name",
        "datacenter.name",
        "vm",
        "vm.name",
        "host",
        "host.name",
        "storage",
        "storage.name",
        "vnic",
        "vnic.name",
        "vnic.network_name",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[
        ("status", Holds::Words(&["ok", "locked", "illegal"])),
        ("creationdate", Holds::Time),
        ("childcount", Holds::Number),
        ("mem", Holds::Number),
    ];
    const RELATED: &'static [Related] = &[Related::Users, Related::Events];

    fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn concerns(&self, event: &Event) -> bool {
        event.about.template.as_ref().is_some_and(|it| it.id == self.id)
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        let world = app.engine.world();
        // Blank belongs to none and serves all.
        let cluster = self.cluster.or(world.clusters.keys().next().copied());
        let cluster = || world.clusters.get(&cluster?);
        Some(match name {
            "name" => self.spec.name.clone(),
            "id" => self.id.to_string(),
            "description" => self.spec.description.clone(),
            "comment" => self.spec.comment.clone(),
            "os" => self.spec.os.kind.clone(),
            "status" => shown_status(app, self).name().into(),
            "creationdate" => self.created.to_string(),
            "childcount" => world.vms.values().filter(|vm| vm.template == self.id).count().to_string(),
            "mem" => (self.spec.memory / MIB).to_string(),
            "architecture" => "x86_64".into(),
            "cluster" | "cluster.name" => cluster()?.name.clone(),
            "datacenter" | "datacenter.name" => world.data_centers.get(&cluster()?.data_center)?.name.clone(),
            "version_name" => self.version_name.clone(),
            "quota" => world.quotas.get(&self.spec.quota?)?.name.clone(),
            _ => return None,
        })
    }

    fn several(&self, app: &App, name: &str) -> Option<Vec<String>> {
        let id = self.id;
        let world = app.engine.world();
        Some(match name {
            "vm" | "vm.name" => {
                world.vms.values().filter(|vm| vm.template == id).map(|vm| vm.spec.name.clone()).collect()
            }
            "storage" | "storage.name" => {
                let disks = self.disks.iter().filter_map(|disk| world.disks.get(disk));
                let domains = disks.filter_map(|disk| world.storage_domains.get(&disk.storage_domain));
                domains.map(|it| it.name.clone()).collect()
            }
            "vnic" | "vnic.name" => self.nics.iter().map(|nic| nic.name.clone()).collect(),
            "vnic.network_name" => {
                let networks = self.nics.iter().filter_map(|nic| world.networks.get(&nic.network?));
                networks.map(|network| network.name.clone()).collect()
            }
            _ => return None,
        })
    }
}

/// `GET /templates`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let found = search::select(&app, &request, app.engine.templates())?;
    let template = found.iter().map(|it| document(&app, it)).collect();
    Ok(Reply::ok(types::Templates { template, ..Default::default() }))
}

/// `GET /templates/{template}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&app, &addressed(&app, &request)?)))
}

/// `POST /templates`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::Template = request.document().await?;
    let original = asked.vm.as_deref().cloned().unwrap_or_default();
    let original = types::Ref { id: original.id, name: original.name, ..Default::default() };
    require(
        "Template",
        "add",
        &[("name", filled(&asked.name).is_some()), ("vm.id|name", convert::is_named(&original))],
    )?;
    let vm = lookup::vm(&app, &original)?;
    if !access::shows(&app, &request, vm) {
        return Err(Error::not_found(vm).into());
    }
    access::require(&app, &request, 200, vm)?;
    let row = app.engine.own_vm(vm)?;
    let cluster = match lookup::is_named(&asked.cluster) {
        true => lookup::cluster(&app, asked.cluster.as_ref())?,
        false => row.cluster,
    };
    let base = asked.version.as_ref().and_then(|version| version.base_template.as_ref());
    let base = base.filter(|it| convert::is_named(it)).map(|it| lookup::template(&app, Some(it)));
    let of = asked.vm.as_ref().and_then(|vm| vm.disks.as_ref());
    let disks = disks::copies(&app, of, asked.storage_domain.as_ref())?;
    for place in app.engine.places_of(crate::engine::Source::Vm(vm), &disks)? {
        access::require(&app, &request, 1100, place)?;
    }
    let version_name = asked.version.as_ref().and_then(|version| filled(&version.version_name));
    let new = NewTemplate {
        vm,
        cluster,
        base: base.transpose()?,
        version_name: version_name.map(str::to_owned),
        disks,
        grants: asked.permissions.as_ref().and_then(|permissions| permissions.clone).unwrap_or(false),
        spec: {
            let mut spec = VmSpec { comment: String::new(), description: String::new(), ..row.spec };
            let of_vm = spec.clone();
            machine::change(&app, &convert::template_as_vm(asked), &mut spec)?;
            access::may_shape(&app, &request, vm, (&of_vm, &spec))?;
            spec
        },
    };
    let started = app.engine.create_template(new).await?;
    let id = started.value;
    made(started, request.expect_created, || Ok(document(&app, &app.engine.template(id)?))).await
}

/// `PUT /templates/{template}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let before = addressed(&app, &request)?;
    let id = before.id;
    let asked = request.change_of(&document(&app, &before)).await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    let version_name = asked.version.as_ref().and_then(|version| version.version_name.clone());
    let asked = convert::template_as_vm(asked);
    let change = |spec: &mut VmSpec| {
        let before = spec.clone();
        machine::change(&app, &asked, spec)?;
        access::may_shape(&app, &request, id, (&before, spec))
    };
    app.engine.update_template(id, version_name, change).await?;
    Ok(Reply::ok(document(&app, &app.engine.template(id)?)))
}

/// `DELETE /templates/{template}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    let asked = request.optional::<Action>().await?.unwrap_or_default();
    match asked.force {
        Some(true) => app.engine.remove_template_by_force(id).await?,
        _ => app.engine.remove_template(id).await?,
    }
    Ok(Reply::no_content())
}
