//! `/bookmarks`: searches with names.

use super::app::App;
use super::fault::Fault;
use super::lookup;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use crate::model::Bookmark;
use crate::wire::convert;
use crate::wire::require;
use crate::wire::types::{self, Action};
use std::sync::Arc;

fn addressed(app: &App, request: &Request) -> Result<Bookmark, Fault> {
    rows::one(&app.engine.world().bookmarks, request, "bookmark")
}

/// `GET /bookmarks`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut all = rows::by_name(&app.engine.world().bookmarks, |row| &row.name, |_| true);
    all.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::Bookmarks {
        bookmark: all.iter().map(convert::bookmark).collect(),
        ..Default::default()
    }))
}

/// `GET /bookmarks/{bookmark}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(convert::bookmark(&addressed(&app, &request)?)))
}

/// `POST /bookmarks`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::Bookmark = request.document().await?;
    let (name, value) = (asked.name.unwrap_or_default(), asked.value.unwrap_or_default());
    require("Bookmark", "add", &[("name", !name.is_empty()), ("value", !value.is_empty())])?;
    let id = app.engine.add_bookmark(name.clone(), value.clone()).await?;
    let document = convert::bookmark(&Bookmark { id, name, value });
    let href = document.href.clone().unwrap_or_default();
    Ok(Reply::created(document, href))
}

/// `PUT /bookmarks/{bookmark}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    let asked: types::Bookmark = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    app.engine.update_bookmark(id, asked.name, asked.value).await?;
    Ok(Reply::ok(convert::bookmark(&addressed(&app, &request)?)))
}

/// `DELETE /bookmarks/{bookmark}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_bookmark(id).await?;
    Ok(Reply::no_content())
}
