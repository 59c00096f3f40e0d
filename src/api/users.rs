//! `/users`. Nothing here ever tells a password.

use super::app::App;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use super::search::{self, Searched};
use crate::engine::world::User;
use crate::wire::convert;
use crate::wire::types;
use std::sync::Arc;

fn document(row: &User) -> types::User {
    convert::user(row.id, &row.name, &row.profile)
}

impl Searched for User {
    const FIELDS: &'static [&'static str] = &["name", "usrname", "login", "directory", "id"];

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

/// `GET /users/{user}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&rows::one(&app.engine.world().users, &request, "user")?)))
}
