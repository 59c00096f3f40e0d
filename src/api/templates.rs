//! `/templates`: there is one so far, which every VM can be made of.

use super::app::App;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Searched};
use crate::error::Error;
use crate::model::{BLANK, TemplateId};
use crate::wire::convert;
use crate::wire::types::{Template, Templates};
use std::sync::Arc;

const ITEM: &str = "/templates/{template}";

fn blank() -> Template {
    let document = convert::blank();
    let href = document.href.clone().unwrap_or_default();
    Template { actions: links::actions(ITEM, &href), link: links::collections(ITEM, &href), ..document }
}

impl Searched for Template {
    const FIELDS: &'static [&'static str] =
        &["name", "id", "description", "comment", "os", "status", "cluster", "datacenter", "version_name"];

    fn field(&self, app: &App, name: &str) -> Option<String> {
        let world = app.engine.world();
        match name {
            "name" => self.name.clone(),
            "id" => self.id.clone(),
            "description" => self.description.clone(),
            "os" => self.os.as_ref()?.r#type.clone(),
            "status" => self.status.clone(),
            // It belongs to none and serves all.
            "cluster" => Some(world.clusters.values().next()?.name.clone()),
            "datacenter" => Some(world.data_centers.values().next()?.name.clone()),
            "version_name" => self.version.as_ref()?.version_name.clone(),
            _ => None,
        }
    }
}

/// `GET /templates`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let template = search::select(&app, &request, vec![blank()])?;
    Ok(Reply::ok(Templates { template, ..Default::default() }))
}

/// `GET /templates/{template}`
pub async fn show(_: Arc<App>, request: Request) -> Answer {
    let id: TemplateId = request.id("template")?;
    if id == BLANK { Ok(Reply::ok(blank())) } else { Err(Error::not_found(id).into()) }
}
