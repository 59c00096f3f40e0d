//! `/groups`: those of the engine's own directory, and the one that everybody is in.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use super::search::{self, Searched};
use crate::error::Error;
use crate::model::{EVERYONE, Group, GroupId, Object};
use crate::wire::types::{self, Action};
use crate::wire::{convert, filled, require};
use std::sync::Arc;

const ITEM: &str = "/groups/{group}";

fn document(group: types::Group) -> types::Group {
    let href = group.href.clone().unwrap_or_default();
    types::Group { link: links::collections(ITEM, &href), ..group }
}

impl Searched for types::Group {
    const FIELDS: &'static [&'static str] = &["name", "grpname", "id"];

    fn object(&self) -> Option<Object> {
        let id = self.id.as_deref().and_then(|id| id.parse().ok()).filter(|id: &GroupId| id.0 != EVERYONE);
        id.map(Object::from)
    }

    fn field(&self, _: &App, name: &str) -> Option<String> {
        if name == "id" { self.id.clone() } else { self.name.clone() }
    }
}

/// The group of the path.
pub fn addressed(app: &App, request: &Request) -> Result<types::Group, Fault> {
    let id: GroupId = request.id("group")?;
    match id.0 == EVERYONE {
        true => Ok(document(convert::everyone())),
        false => {
            rows::one(&app.engine.world().groups, request, "group").map(|it| document(convert::group(&it)))
        }
    }
}

/// `GET /groups`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let made = rows::by_name(&app.engine.world().groups, |it| &it.name, |_| true);
    let mut all: Vec<types::Group> = made.iter().map(convert::group).chain([convert::everyone()]).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let group = search::select(&app, &request, all)?.into_iter().map(document).collect();
    Ok(Reply::ok(types::Groups { group, ..Default::default() }))
}

/// `GET /groups/{group}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(addressed(&app, &request)?))
}

/// `POST /groups`: one that is there already is given back, as users are; a new one is made.
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::Group = request.document().await?;
    let name = filled(&asked.name).unwrap_or_default().to_owned();
    require("Group", "add", &[("name", !name.is_empty())])?;
    if let Some(domain) = &asked.domain {
        super::domains::check_named(domain)?;
    }
    let there = app.engine.world().group_named(&name).cloned();
    let id = match there {
        Some(Group { id, .. }) => id,
        None => app.engine.add_group(&name).await?,
    };
    let row = app.engine.world().groups.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::created(document(convert::group(&row))))
}

/// `DELETE /groups/{group}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id: GroupId = request.id("group")?;
    request.optional::<Action>().await?;
    if id.0 == EVERYONE {
        return Err(Error::conflict("Cannot remove Group. Everybody is in it.").into());
    }
    app.engine.remove_group(id).await?;
    Ok(Reply::no_content())
}
