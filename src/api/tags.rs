//! `/tags` as a tree, and the tags of what carries them.

use super::app::App;
use super::fault::Fault;
use super::lookup;
use super::objects;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::engine::TagChange;
use crate::error::Error;
use crate::model::{Object, ROOT_TAG, Tag, TagId};
use crate::wire::convert;
use crate::wire::require;
use crate::wire::types::{self, Action};
use std::sync::Arc;

fn find(app: &App, id: TagId) -> Result<Tag, Error> {
    match id == ROOT_TAG {
        true => Ok(convert::root_tag()),
        false => app.engine.world().tags.get(&id).cloned().ok_or_else(|| Error::not_found(id)),
    }
}

fn addressed(app: &App, request: &Request) -> Result<Tag, Fault> {
    Ok(find(app, request.id("tag")?)?)
}

/// `GET /tags`: the root comes last.
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut all: Vec<Tag> = app.engine.world().tags.values().cloned().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.push(convert::root_tag());
    let wanted = all.iter().take(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::Tags {
        tag: wanted.map(|tag| convert::tag(tag, None)).collect(),
        ..Default::default()
    }))
}

/// `GET /tags/{tag}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(convert::tag(&addressed(&app, &request)?, None)))
}

fn change(app: &App, asked: types::Tag) -> Result<TagChange, Error> {
    let parent =
        asked.parent.and_then(|parent| parent.tag).filter(|tag| lookup::is_named(&Some(tag.clone())));
    Ok(TagChange {
        name: asked.name,
        description: asked.description,
        parent: parent.map(|tag| lookup::tag(app, &tag)).transpose()?,
    })
}

/// `POST /tags`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::Tag = request.document().await?;
    require("Tag", "add", &[("name", asked.name.as_deref().is_some_and(|name| !name.is_empty()))])?;
    let id = app.engine.add_tag(change(&app, asked)?).await?;
    let document = convert::tag(&find(&app, id)?, None);
    let href = document.href.clone().unwrap_or_default();
    Ok(Reply::created(document, href))
}

/// `PUT /tags/{tag}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    let asked: types::Tag = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    app.engine.update_tag(id, change(&app, asked)?).await?;
    Ok(Reply::ok(convert::tag(&find(&app, id)?, None)))
}

/// `DELETE /tags/{tag}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_tag(id).await?;
    Ok(Reply::no_content())
}

/// The tags of an object, as the collection at that address has them.
pub fn of(app: &App, object: Object, collection: &str) -> types::Tags {
    let tag = app.engine.tags_of(object);
    types::Tags {
        tag: tag.iter().map(|tag| convert::tag(tag, Some((object, collection)))).collect(),
        ..Default::default()
    }
}

/// `GET .../tags`
pub async fn list_of(app: Arc<App>, request: Request) -> Answer {
    let object = objects::addressed(&app, &request)?;
    let mut tags = of(&app, object, &request.href);
    tags.tag.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(tags))
}

fn attached(app: &App, request: &Request) -> Result<(Object, Tag), Fault> {
    let object = objects::addressed(app, request)?;
    let id: TagId = request.id("tag")?;
    let mut tags = app.engine.tags_of(object).into_iter();
    Ok((object, tags.find(|tag| tag.id == id).ok_or_else(|| Error::not_found(id))?))
}

/// `GET .../tags/{tag}`
pub async fn show_of(app: Arc<App>, request: Request) -> Answer {
    let (object, tag) = attached(&app, &request)?;
    let collection = request.href.rsplit_once('/').map_or("", |(collection, _)| collection);
    Ok(Reply::ok(convert::tag(&tag, Some((object, collection)))))
}

/// `POST .../tags`
pub async fn attach(app: Arc<App>, request: Request) -> Answer {
    let object = objects::addressed(&app, &request)?;
    let asked: types::Tag = request.document().await?;
    let named = types::Ref { id: asked.id, name: asked.name, ..types::Ref::default() };
    require("Tag", "add", &[("id|name", lookup::is_named(&Some(named.clone())))])?;
    let id = lookup::tag(&app, &named)?;
    app.engine.attach_tag(id, object).await?;
    let document = convert::tag(&find(&app, id)?, Some((object, &request.href)));
    let href = document.href.clone().unwrap_or_default();
    Ok(Reply::created(document, href))
}

/// `DELETE .../tags/{tag}`
pub async fn detach(app: Arc<App>, request: Request) -> Answer {
    let (object, tag) = attached(&app, &request)?;
    request.optional::<Action>().await?;
    app.engine.detach_tag(tag.id, object).await?;
    Ok(Reply::no_content())
}
