//! `/domains`: the directories of users. There is one, the engine's own.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::{groups, users};
use crate::engine::INTERNAL;
use crate::error::Error;
use crate::wire::convert;
use crate::wire::types;
use std::sync::Arc;

const ITEM: &str = "/domains/{directory}";

fn document() -> types::Domain {
    let id = convert::directory_id(INTERNAL);
    let href = links::href(ITEM, &[&id]);
    types::Domain {
        link: links::collections(ITEM, &href),
        href: Some(href),
        id: Some(id),
        name: Some(INTERNAL.into()),
        ..Default::default()
    }
}

/// A body names the directory that there is, by its id or its name.
pub fn check_named(named: &types::Domain) -> Result<(), Fault> {
    let id = named.id.as_deref().filter(|id| !id.eq_ignore_ascii_case(&convert::directory_id(INTERNAL)));
    let name = named.name.as_deref().filter(|name| *name != INTERNAL && *name != format!("{INTERNAL}-authz"));
    match id.or(name) {
        None => Ok(()),
        Some(other) => Err(Fault::value(format!("There is no directory {other}."))),
    }
}

/// The path means the directory that there is.
fn check(request: &Request) -> Result<(), Fault> {
    let id = request.text("directory");
    match id.eq_ignore_ascii_case(&convert::directory_id(INTERNAL)) {
        true => Ok(()),
        false => Err(Error::not_found(id).into()),
    }
}

/// `GET /domains`
pub async fn list(_: Arc<App>, _: Request) -> Answer {
    Ok(Reply::ok(types::Domains { domain: vec![document()], ..Default::default() }))
}

/// `GET /domains/{directory}`
pub async fn show(_: Arc<App>, request: Request) -> Answer {
    check(&request)?;
    Ok(Reply::ok(document()))
}

/// `GET /domains/{directory}/users`
pub async fn list_users(app: Arc<App>, request: Request) -> Answer {
    check(&request)?;
    users::list(app, request).await
}

/// `GET /domains/{directory}/users/{user}`
pub async fn show_user(app: Arc<App>, request: Request) -> Answer {
    check(&request)?;
    users::show(app, request).await
}

/// `GET /domains/{directory}/groups`
pub async fn list_groups(app: Arc<App>, request: Request) -> Answer {
    check(&request)?;
    groups::list(app, request).await
}

/// `GET /domains/{directory}/groups/{group}`
pub async fn show_group(app: Arc<App>, request: Request) -> Answer {
    check(&request)?;
    groups::show(app, request).await
}
