//! `/groups`: there is one, of everybody.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Searched};
use crate::error::Error;
use crate::model::EVERYONE;
use crate::wire::convert;
use crate::wire::types::{self, Group};
use std::sync::Arc;
use uuid::Uuid;

impl Searched for Group {
    const FIELDS: &'static [&'static str] = &["name", "grpname", "id"];

    fn field(&self, _: &App, name: &str) -> Option<String> {
        if name == "id" { self.id.clone() } else { self.name.clone() }
    }
}

/// The only group, when the path means it.
pub fn addressed(request: &Request) -> Result<Group, Fault> {
    let id: Uuid = request.id("group")?;
    if id == EVERYONE { Ok(convert::everyone()) } else { Err(Error::not_found(id).into()) }
}

/// `GET /groups`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let group = search::select(&app, &request, vec![convert::everyone()])?;
    Ok(Reply::ok(types::Groups { group, ..Default::default() }))
}

/// `GET /groups/{group}`
pub async fn show(_: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(addressed(&request)?))
}
