//! `/users`. Nothing here ever tells a password.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::lookup;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use super::search::{self, Searched};
use crate::engine::INTERNAL;
use crate::engine::world::User;
use crate::error::Error;
use crate::model::Object;
use crate::wire::convert;
use crate::wire::require;
use crate::wire::types::{self, Action};
use std::sync::Arc;

const ITEM: &str = "/users/{user}";

fn document(row: &User) -> types::User {
    let document = convert::user(row.id, &row.name, &row.profile);
    let href = document.href.clone().unwrap_or_default();
    types::User { link: links::collections(ITEM, &href), ..document }
}

impl Searched for User {
    const FIELDS: &'static [&'static str] = &["name", "usrname", "login", "directory", "id"];

    fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn field(&self, _: &App, name: &str) -> Option<String> {
        Some(match name {
            "name" | "login" => self.name.clone(),
            "usrname" => format!("{}@{}", self.name, self.profile),
            "directory" => self.profile.clone(),
            "id" => self.id.to_string(),
            _ => return None,
        })
    }
}

/// `GET /users`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let all = rows::by_name(&app.engine.world().users, |row| &row.name, |_| true);
    let user = search::select(&app, &request, all)?.iter().map(document).collect();
    Ok(Reply::ok(types::Users { user, ..Default::default() }))
}

fn addressed(app: &App, request: &Request) -> Result<User, Fault> {
    rows::one(&app.engine.world().users, request, "user")
}

/// `GET /users/{user}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&addressed(&app, &request)?)))
}

/// `POST /users`: with a password a new one, without one who is there already.
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::User = request.document().await?;
    let given = asked.user_name.unwrap_or_default();
    require("User", "add", &[("userName", !given.is_empty())])?;
    let directory = asked.domain.and_then(|domain| domain.name);
    let (name, profile) = match given.rsplit_once('@') {
        Some((name, profile)) => (name, profile),
        None => (given.as_str(), directory.as_deref().unwrap_or(INTERNAL)),
    };
    let unknown = || Fault::value(format!("No such user: {name} in directory {profile}."));
    if profile != INTERNAL && profile != format!("{INTERNAL}-authz") {
        return Err(unknown());
    }
    let id = match asked.password.filter(|password| !password.is_empty()) {
        Some(password) => app.engine.add_user(name.to_owned(), password).await?,
        None => lookup::user(&app, &format!("{name}@{INTERNAL}")).map_err(|_| unknown())?,
    };
    let row = app.engine.world().users.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
    let document = document(&row);
    let href = document.href.clone().unwrap_or_default();
    Ok(Reply::created(document, href))
}

/// `DELETE /users/{user}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_user(id).await?;
    Ok(Reply::no_content())
}
