//! `/users/{user}/sshpublickeys`

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use crate::error::Error;
use crate::model::{SshKey, UserId};
use crate::wire::types::{self, Action};
use crate::wire::{convert, filled, require};
use std::sync::Arc;

fn user(app: &App, request: &Request) -> Result<UserId, Fault> {
    rows::one(&app.engine.world().users, request, "user").map(|row| row.id)
}

fn addressed(app: &App, request: &Request) -> Result<SshKey, Fault> {
    let user = user(app, request)?;
    let key = rows::one(&app.engine.world().ssh_keys, request, "key")?;
    if key.user == user { Ok(key) } else { Err(Error::not_found(key.id).into()) }
}

/// `GET /users/{user}/sshpublickeys`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let user = user(&app, &request)?;
    let world = app.engine.world();
    let mine = world.ssh_keys.values().filter(|key| key.user == user);
    let ssh_public_key = mine.take(request.max.unwrap_or(usize::MAX)).map(convert::ssh_key).collect();
    Ok(Reply::ok(types::SshPublicKeys { ssh_public_key, ..Default::default() }))
}

/// `GET /users/{user}/sshpublickeys/{key}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(convert::ssh_key(&addressed(&app, &request)?)))
}

/// `POST /users/{user}/sshpublickeys`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let user = user(&app, &request)?;
    let asked: types::SshPublicKey = request.document().await?;
    let content = filled(&asked.content);
    require("SSHPublicKey", "add", &[("content", content.is_some())])?;
    let id = app.engine.add_ssh_key(user, content.unwrap_or_default()).await?;
    let row = app.engine.world().ssh_keys.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::created(convert::ssh_key(&row)))
}

/// `DELETE /users/{user}/sshpublickeys/{key}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_ssh_key(id).await?;
    Ok(Reply::no_content())
}
