//! `/roles` and their permits.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::lookup;
use super::objects;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::engine::RoleChange;
use crate::error::{Error, Result};
use crate::model::permits;
use crate::model::roles::{self, SUPER_USER};
use crate::model::{Object, Permission, Role, RoleId};
use crate::wire::convert;
use crate::wire::types::{self, Action, Permit, Permits};
use crate::wire::{filled, require};
use std::sync::Arc;

const ITEM: &str = "/roles/{role}";

fn document(role: &Role) -> types::Role {
    let document = convert::role(role, roles::predefined(role.id).is_none());
    let href = document.href.clone().unwrap_or_default();
    types::Role { actions: links::actions(ITEM, &href), link: links::collections(ITEM, &href), ..document }
}

fn addressed(app: &App, request: &Request) -> Result<Role, Fault> {
    let id: RoleId = request.id("role")?;
    app.engine.world().role(id).cloned().ok_or_else(|| Error::not_found(id).into())
}

/// `GET /roles`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut all = roles::PREDEFINED.clone();
    all.extend(app.engine.world().roles.values().cloned());
    let role = all.iter().take(request.max.unwrap_or(usize::MAX)).map(document).collect();
    Ok(Reply::ok(types::Roles { role, ..Default::default() }))
}

/// `GET /roles/{role}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&addressed(&app, &request)?)))
}

fn change(asked: &types::Role) -> Result<RoleChange, Error> {
    let permits = asked.permits.as_ref().map(|asked| asked.permit.iter().map(number).collect());
    Ok(RoleChange {
        name: asked.name.clone(),
        description: asked.description.clone(),
        administrative: asked.administrative,
        permits: permits.transpose()?,
    })
}

/// The number of a permit that a body names by it or by its name.
fn number(asked: &Permit) -> Result<u16, Error> {
    permits::find(asked.id.as_deref(), asked.name.as_deref()).ok_or_else(|| {
        Error::not_found(format!("Permit: {}", asked.id.as_deref().or(asked.name.as_deref()).unwrap_or("")))
    })
}

/// `POST /roles`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::Role = request.document().await?;
    require(
        "Role",
        "add",
        &[
            ("name", filled(&asked.name).is_some()),
            ("permits.permit.id", asked.permits.as_ref().is_some_and(|permits| !permits.permit.is_empty())),
        ],
    )?;
    let id = app.engine.add_role(change(&asked)?).await?;
    let role = app.engine.world().role(id).cloned().ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::created(document(&role)))
}

/// `PUT /roles/{role}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    let asked: types::Role = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    let changed = app.engine.update_role(id, |role| {
        role.name = asked.name.unwrap_or_else(|| role.name.clone());
        role.description = asked.description.unwrap_or_else(|| role.description.clone());
        role.administrative = asked.administrative.unwrap_or(role.administrative);
    });
    changed.await?;
    Ok(Reply::ok(document(&addressed(&app, &request)?)))
}

/// `DELETE /roles/{role}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_role(id).await?;
    Ok(Reply::no_content())
}

/// The roles that the user or group of the path has on everything.
fn of_holder(app: &App, request: &Request) -> Result<Vec<Role>, Fault> {
    let holder = objects::addressed(app, request)?.id;
    let world = app.engine.world();
    let own = world.permissions.values().filter(|it| it.holder == holder && it.on() == Object::SYSTEM);
    Ok(own.filter_map(|it| world.role(it.role).cloned()).collect())
}

/// `GET /users/{user}/roles`, `GET /groups/{group}/roles`
pub async fn list_of_holder(app: Arc<App>, request: Request) -> Answer {
    let all = of_holder(&app, &request)?;
    let role = all.iter().take(request.max.unwrap_or(usize::MAX)).map(document).collect();
    Ok(Reply::ok(types::Roles { role, ..Default::default() }))
}

/// `GET /users/{user}/roles/{role}`, `GET /groups/{group}/roles/{role}`
pub async fn show_of_holder(app: Arc<App>, request: Request) -> Answer {
    let id: RoleId = request.id("role")?;
    let found = of_holder(&app, &request)?.into_iter().find(|role| role.id == id);
    Ok(Reply::ok(document(&found.ok_or_else(|| Error::not_found(id))?)))
}

/// `DELETE /users/{user}/roles/{role}`, `DELETE /groups/{group}/roles/{role}`
pub async fn remove_of_holder(app: Arc<App>, request: Request) -> Answer {
    let (holder, role): (_, RoleId) = (objects::addressed(&app, &request)?.id, request.id("role")?);
    request.optional::<Action>().await?;
    let has = |it: &&Permission| it.holder == holder && it.role == role && it.on() == Object::SYSTEM;
    let found = app.engine.world().permissions.values().find(has).map(|it| it.id);
    app.engine.remove_permission(found.ok_or_else(|| Error::not_found(role))?).await?;
    Ok(Reply::no_content())
}

/// The permits of the role of the path.
fn permits_of(role: &Role) -> Vec<Permit> {
    let collection = links::href("/roles/{role}/permits", &[&role.id]);
    let has = |permit: &Permit| {
        let number = permit.id.as_deref().and_then(|id| id.parse().ok());
        role.id == SUPER_USER || number.is_some_and(|number: u16| role.permits.contains(&number))
    };
    let own = convert::permits().permit.into_iter().filter(has);
    own.map(|permit| Permit {
        href: permit.id.as_ref().map(|id| format!("{collection}/{id}")),
        role: Some(convert::reference("roles", role.id)),
        ..permit
    })
    .collect()
}

fn one_permit(app: &App, request: &Request) -> Result<(RoleId, Permit), Fault> {
    let role = addressed(app, request)?;
    let wanted = request.text("permit");
    let mut permits = permits_of(&role).into_iter();
    let found = permits.find(|permit| permit.id.as_deref() == Some(wanted));
    Ok((role.id, found.ok_or_else(|| Error::not_found(wanted))?))
}

/// `GET /roles/{role}/permits`
pub async fn list_permits(app: Arc<App>, request: Request) -> Answer {
    let mut permit = permits_of(&addressed(&app, &request)?);
    permit.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(Permits { permit, ..Default::default() }))
}

/// `GET /roles/{role}/permits/{permit}`
pub async fn show_permit(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(one_permit(&app, &request)?.1))
}

/// `POST /roles/{role}/permits`
pub async fn add_permit(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    let asked: Permit = request.document().await?;
    require("Permit", "add", &[("id|name", asked.id.is_some() || asked.name.is_some())])?;
    let number = number(&asked)?;
    let added = app.engine.update_role(id, |role| {
        if !role.permits.contains(&number) {
            role.permits.push(number);
        }
    });
    added.await?;
    let permit =
        permits_of(&addressed(&app, &request)?).into_iter().find(|it| it.id == Some(number.to_string()));
    let permit = permit.ok_or_else(|| Error::not_found(number))?;
    Ok(Reply::created(permit))
}

/// `DELETE /roles/{role}/permits/{permit}`
pub async fn remove_permit(app: Arc<App>, request: Request) -> Answer {
    let (id, permit) = one_permit(&app, &request)?;
    request.optional::<Action>().await?;
    let number = number(&permit)?;
    app.engine.update_role(id, |role| role.permits.retain(|it| *it != number)).await?;
    Ok(Reply::no_content())
}
