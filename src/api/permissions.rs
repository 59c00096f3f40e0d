//! The permissions of the system, of everything that may have some, and of a user.

use super::access;
use super::app::App;
use super::fault::Fault;
use super::lookup;
use super::objects;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::*;
use crate::wire::convert;
use crate::wire::missing;
use crate::wire::require;
use crate::wire::types::{self, Action};
use std::sync::Arc;
use uuid::Uuid;

const MANIPULATE_PERMISSIONS: u16 = 502;

/// What holds for the object of the path, with what it inherits, by id; a user's own of a user.
fn those(app: &App, request: &Request) -> Result<(Object, Vec<Permission>), Fault> {
    let object = objects::addressed(app, request)?;
    let world = app.engine.world();
    let above = world.above(object);
    let of_user = is_holder(object);
    let arranges = !of_user && request.reach.permits(&world, MANIPULATE_PERMISSIONS, object);
    let holds = |it: &&Permission| match of_user {
        true => it.holder == object.id,
        false => it.on() == object || above.contains(&it.on()),
    };
    let own = |it: &&Permission| {
        // Who sees only its own objects learns nothing of others that see them as well, unless it is to
        // say who does.
        !request.filter
            || it.holder == request.user.id.0
            || (arranges && it.on() == object)
            || request.reach.is_super_user()
    };
    Ok((object, world.permissions.values().filter(holds).filter(own).cloned().collect()))
}

/// The path names who has permissions, not what they are on.
fn is_holder(object: Object) -> bool {
    matches!(object.kind, ObjectKind::User | ObjectKind::Group)
}

fn document(app: &App, it: &Permission, object: Object, collection: &str) -> types::Permission {
    let on = if is_holder(object) { it.on() } else { object };
    let is_group = !app.engine.world().users.contains_key(&UserId(it.holder));
    convert::permission(it, is_group, on, collection)
}

/// `GET .../permissions`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let (object, found) = those(&app, &request)?;
    let wanted = found.iter().take(request.max.unwrap_or(usize::MAX));
    let permission = wanted.map(|it| document(&app, it, object, &request.href)).collect();
    Ok(Reply::ok(types::Permissions { permission, ..Default::default() }))
}

fn addressed(app: &App, request: &Request) -> Result<(Object, Permission), Fault> {
    let id: PermissionId = request.id("permission")?;
    let (object, found) = those(app, request)?;
    let found = found.into_iter().find(|it| it.id == id).ok_or_else(|| Error::not_found(id))?;
    Ok((object, found))
}

/// `GET .../permissions/{permission}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let (object, it) = addressed(&app, &request)?;
    Ok(Reply::ok(document(&app, &it, object, request.collection())))
}

/// `POST .../permissions`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let object = objects::addressed(&app, &request)?;
    let asked: types::Permission = request.document().await?;
    require("Permission", "add", &[("role.id|name", lookup::is_named(&asked.role))])?;
    let role = lookup::role(&app, asked.role.as_ref().unwrap_or(&types::Ref::default()))?;
    let (holder, on) = match object.kind {
        // Of a user or a group: the body says on what.
        ObjectKind::User | ObjectKind::Group => {
            let on = on(&app, &asked)?;
            access::require(&app, &request, MANIPULATE_PERMISSIONS, on)?;
            (object.id, on)
        }
        _ => (holder(&app, &asked)?, object),
    };
    let id = app.engine.add_permission(role, holder, on).await?;
    let it = app.engine.world().permissions.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
    let document = document(&app, &it, object, &request.href);
    Ok(Reply::created(document))
}

/// Who is to have the role.
fn holder(app: &App, asked: &types::Permission) -> Result<Uuid, Fault> {
    let user = asked.user.as_ref().and_then(|user| user.id.as_deref());
    let group = asked.group.as_ref().and_then(|group| group.id.as_deref());
    match (user, group) {
        (Some(id), _) => Ok(convert::parse_id::<UserId>(id, "User")?.0),
        (None, Some(id)) => Ok(convert::parse_id(id, "Group")?),
        (None, None) => match asked.user.as_ref().and_then(|user| user.user_name.as_deref()) {
            Some(name) => Ok(lookup::user(app, name)?.0),
            None => Err(missing("Permission", &["user|group.id"], "add").into()),
        },
    }
}

/// The object that a body names.
fn on(app: &App, asked: &types::Permission) -> Result<Object, Fault> {
    let named = |reference: &'_ Option<types::Ref>| reference.clone().filter(|_| lookup::is_named(reference));
    Ok(if let Some(it) = named(&asked.vm) {
        lookup::vm(app, &it)?.into()
    } else if let Some(it) = named(&asked.disk) {
        lookup::disk(app, &it)?.into()
    } else if let Some(it) = named(&asked.cluster) {
        lookup::cluster(app, Some(&it))?.into()
    } else if let Some(it) = named(&asked.data_center) {
        lookup::data_center(app, &it)?.into()
    } else if let Some(it) = named(&asked.storage_domain) {
        lookup::storage_domain(app, &it)?.into()
    } else if let Some(it) = named(&asked.host) {
        lookup::host(app, &it)?.into()
    } else if let Some(it) = named(&asked.vm_pool) {
        lookup::vm_pool(app, &it)?.into()
    } else if let Some(it) = named(&asked.template) {
        lookup::template(app, Some(&it))?.into()
    } else {
        let parts = ["dataCenter|cluster|host|storageDomain|vm|vmpool|template|disk.id"];
        return Err(missing("Permission", &parts, "add").into());
    })
}

/// `DELETE .../permissions/{permission}`: where it was given.
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let (object, it) = addressed(&app, &request)?;
    request.optional::<Action>().await?;
    match object.kind {
        ObjectKind::User | ObjectKind::Group => {
            access::require(&app, &request, MANIPULATE_PERMISSIONS, it.on())?
        }
        _ if it.on() != object => {
            return Err(
                Error::conflict("Cannot remove Permission. It is inherited from above the object.").into()
            );
        }
        _ => {}
    }
    app.engine.remove_permission(it.id).await?;
    Ok(Reply::no_content())
}
