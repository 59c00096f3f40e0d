//! `/users`. Nothing here ever tells a password.

use super::access;
use super::app::App;
use super::fault::Fault;
use super::links;
use super::lookup;
use super::related::Related;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rows;
use super::search::{self, Holds, Searched};
use crate::engine::INTERNAL;
use crate::engine::world::User;
use crate::error::Error;
use crate::model::{Event, GroupId, HostId, Object, ObjectKind, TemplateId, VmId};
use crate::wire::convert;
use crate::wire::require;
use crate::wire::types::{self, Action};
use std::sync::Arc;

const ITEM: &str = "/users/{user}";

fn document(app: &App, row: &User) -> types::User {
    let world = app.engine.world();
    let group: Vec<types::Group> = world.groups_of(row.id).into_iter().map(convert::group).collect();
    let document = convert::user(row.id, &row.name, &row.profile);
    let href = document.href.clone().unwrap_or_default();
    types::User {
        link: links::collections(ITEM, &href),
        groups: (!group.is_empty()).then(|| types::Groups { group, ..Default::default() }),
        ..document
    }
}

impl Searched for User {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "usrname",
        "login",
        "directory",
        "id",
        "lastname",
        "department",
        "type",
        "tag",
        "group",
        "vm",
        "vm.name",
        "pool",
        "template",
        "template.name",
        "host",
        "host.name",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[("type", Holds::Words(&["user", "group"]))];
    const RELATED: &'static [Related] = &[Related::Events];

    fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn field(&self, _: &App, name: &str) -> Option<String> {
        Some(match name {
            "name" | "login" => self.name.clone(),
            "usrname" => format!("{}@{}", self.name, self.profile),
            "directory" => self.profile.clone(),
            "id" => self.id.to_string(),
            "type" => "user".into(),
            _ => return None,
        })
    }

    /// What it did.
    fn concerns(&self, event: &Event) -> bool {
        event.user.as_ref().is_some_and(|it| it.id == self.id)
    }

    /// Of what the user has permissions on.
    fn several(&self, app: &App, name: &str) -> Option<Vec<String>> {
        if name == "usrname" {
            // With the profile and without it.
            return Some(self.field(app, name).into_iter().chain([self.name.clone()]).collect());
        }
        let object = name.split('.').next().unwrap_or_default();
        if object == "tag" {
            return Some(app.engine.tag_names_over(self.id.into()));
        }
        let world = app.engine.world();
        let on = |kind: ObjectKind| {
            let its = world.permissions.values().filter(move |it| it.holder == self.id.0);
            its.map(|it| it.on()).filter(move |on| on.kind == kind).map(|on| on.id)
        };
        Some(match object {
            "group" => world.groups_of(self.id).into_iter().map(|group| group.name.clone()).collect(),
            "vm" => on(ObjectKind::Vm)
                .filter_map(|id| Some(world.vms.get(&VmId(id))?.spec.name.clone()))
                .collect(),
            "template" => on(ObjectKind::Template)
                .filter_map(|id| world.template_name(TemplateId(id)).map(str::to_owned))
                .collect(),
            "host" => on(ObjectKind::Host)
                .filter_map(|id| Some(world.hosts.get(&HostId(id))?.name.clone()))
                .collect(),
            _ => return None,
        })
    }
}

/// `GET /users`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let all = rows::by_name(&app.engine.world().users, |row| &row.name, |_| true);
    let user = search::select(&app, &request, all)?.iter().map(|row| document(&app, row)).collect();
    Ok(Reply::ok(types::Users { user, ..Default::default() }))
}

fn addressed(app: &App, request: &Request) -> Result<User, Fault> {
    rows::one(&app.engine.world().users, request, "user")
}

/// `GET /users/{user}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&app, &addressed(&app, &request)?)))
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
        Some(password) => {
            let named = asked.groups.iter().flat_map(|groups| &groups.group);
            let groups: Vec<GroupId> =
                named.map(|group| lookup::group(&app, group)).collect::<Result<_, _>>()?;
            // What its groups may do is more than who adds it may be able to give.
            if !groups.is_empty() && !request.reach.is_super_user() {
                return Err(access::denied());
            }
            app.engine.add_user(name.to_owned(), password, &groups).await?
        }
        None => lookup::user(&app, &format!("{name}@{INTERNAL}")).map_err(|_| unknown())?,
    };
    let row = app.engine.world().users.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
    let document = document(&app, &row);
    Ok(Reply::created(document))
}

/// `DELETE /users/{user}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    if id == request.user.id {
        return Err(Error::conflict("Cannot remove User. User is currently logged in.").into());
    }
    app.engine.remove_user(id).await?;
    Ok(Reply::no_content())
}
