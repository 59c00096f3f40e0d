//! `/instancetypes`: sizes that VMs are made in.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use super::{links, lookup, machine};
use crate::model::*;
use crate::wire::types::{self, Action};
use crate::wire::{convert, filled, require};
use std::sync::Arc;

const ITEM: &str = "/instancetypes/{instance_type}";

fn document(it: &InstanceType) -> types::InstanceType {
    let document = convert::instance_type(it);
    let href = document.href.clone().unwrap_or_default();
    types::InstanceType { link: links::collections(ITEM, &href), ..document }
}

/// The instance type of the path.
pub fn addressed(app: &App, request: &Request) -> Result<InstanceType, Fault> {
    Ok(app.engine.instance_type(request.id("instance_type")?)?)
}

impl Searched for InstanceType {
    const FIELDS: &'static [&'static str] = &["name", "id", "description", "comment", "memory"];
    const KINDS: &'static [(&'static str, Holds)] = &[("memory", Holds::Number)];

    fn field(&self, _: &App, name: &str) -> Option<String> {
        Some(match name {
            "name" => self.spec.name.clone(),
            "id" => self.id.to_string(),
            "description" => self.spec.description.clone(),
            "comment" => self.spec.comment.clone(),
            "memory" => (self.spec.memory / MIB).to_string(),
            _ => return None,
        })
    }
}

/// `GET /instancetypes`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let all = super::rows::by_name(&app.engine.world().instance_types, |it| &it.spec.name, |_| true);
    let instance_type = search::select(&app, &request, all)?.iter().map(document).collect();
    Ok(Reply::ok(types::InstanceTypes { instance_type, ..Default::default() }))
}

/// `GET /instancetypes/{instance_type}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&addressed(&app, &request)?)))
}

/// `POST /instancetypes`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::InstanceType = request.document().await?;
    require("InstanceType", "add", &[("name", filled(&asked.name).is_some())])?;
    let mut spec = VmSpec::default();
    machine::change(&app, &convert::instance_type_as_vm(asked), &mut spec)?;
    let id = app.engine.add_instance_type(spec).await?;
    Ok(Reply::created(document(&app.engine.instance_type(id)?)))
}

/// `PUT /instancetypes/{instance_type}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let before = addressed(&app, &request)?;
    let id = before.id;
    let asked = request.change_of(&document(&before)).await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    let asked = convert::instance_type_as_vm(asked);
    app.engine.update_instance_type(id, |it| machine::change(&app, &asked, &mut it.spec)).await?;
    Ok(Reply::ok(document(&app.engine.instance_type(id)?)))
}

/// `DELETE /instancetypes/{instance_type}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_instance_type(id).await?;
    Ok(Reply::no_content())
}
