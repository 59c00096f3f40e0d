//! Who may do what: settled for every request before its handler has the word.
//!
//! Who may do everything is let through. Administrators of something read everything; other users
//! read what they have permissions on, and say so with `Filter`. What is not seen is not there;
//! what is seen and not permitted is refused.

use super::app::App;
use super::fault::Fault;
use super::objects;
use super::request::Request;
use super::routes::Route;
use crate::error::Error;
use crate::model::{Object, ObjectKind, QuotaId, QuotaMode, VmSpec};
use axum::http::{Method, StatusCode};

/// The permit to edit the properties of a VM.
pub const EDIT: u16 = 3;

/// What a user needs for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A permit on the innermost object of that kind in the path.
    On(ObjectKind, u16),
    /// A permit on whatever the path names last.
    Here(u16),
    /// A permit on the whole system.
    System(u16),
    /// The same, but of users with what is theirs.
    Own(u16),
    /// The object stands in the body: the handler asks.
    InBody,
}

/// Needs nobody has but who may do everything.
const EVERYTHING: u16 = 800;

/// What a change needs, by its route. What is not listed is for those who may do everything.
pub fn need(method: &Method, path: &str) -> Need {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        [.., "permissions"] | [.., "permissions", _] => Need::Here(502),
        ["users", _, "sshpublickeys", ..] => Need::Own(500),
        ["users" | "groups", ..] if segments.len() < 3 => Need::System(500),
        ["users" | "groups", _, "roles", _] if method == Method::DELETE => Need::System(502),
        ["users" | "groups", _, "roles", ..] => Need::System(501),
        [_, _, "tags", ..] => Need::Here(1301),
        ["vms"] | ["disks"] | ["templates"] | ["networks"] | ["vnicprofiles"] | ["diskprofiles"] => {
            Need::InBody
        }
        // The specification's creation at the address of a VM.
        ["vms", _] if method == Method::POST => Need::InBody,
        ["vms", _] if method == Method::DELETE => Need::On(ObjectKind::Vm, 2),
        ["vms", _, action] => Need::On(
            ObjectKind::Vm,
            match *action {
                "start" => 22,
                "stop" => 18,
                "shutdown" => 19,
                "reboot" => 17,
                "suspend" => 21,
                "ticket" | "logon" => 7,
                "freezefilesystems" | "thawfilesystems" | "snapshots" | "preview_snapshot"
                | "commit_snapshot" | "undo_snapshot" => 12,
                "clone" => 1,
                "migrate" | "cancelmigration" => 6,
                "move" => 11,
                "export" => 8,
                "disks" => 10,
                "nics" | "reordermacaddresses" => 9,
                "cdroms" => 5,
                "hostdevices" => 15,
                _ => 3,
            },
        ),
        ["vms", _, "disks", _] if method == Method::PUT => Need::On(ObjectKind::Disk, 1102),
        ["vms", _, "disks", _] if method == Method::POST => Need::On(ObjectKind::Disk, 1103),
        // For good, or only off the VM.
        ["vms", _, "disks", _] if method == Method::DELETE => Need::InBody,
        ["vms", _, "disks", _, "move"] => Need::On(ObjectKind::Disk, 1103),
        ["vms", _, "disks", ..] => Need::On(ObjectKind::Vm, 10),
        ["vms", _, "graphicsconsoles", _, "proxyticket" | "remoteviewerconnectionfile"] => {
            Need::On(ObjectKind::Vm, 7)
        }
        ["vms", _, "nics", ..] => Need::On(ObjectKind::Vm, 9),
        ["vms", _, "hostdevices", ..] => Need::On(ObjectKind::Vm, 15),
        ["vms", _, "cdroms", ..] => Need::On(ObjectKind::Vm, 5),
        ["vms", _, "snapshots", ..] => Need::On(ObjectKind::Vm, 12),
        ["vms", ..] => Need::On(ObjectKind::Vm, 3),
        ["disks", _] if method == Method::DELETE => Need::On(ObjectKind::Disk, 1104),
        ["disks", _] if method == Method::POST => Need::On(ObjectKind::Disk, 1103),
        ["disks", _, "move" | "copy"] | ["storagedomains", _, "disks", _, "move" | "copy"] => {
            Need::On(ObjectKind::Disk, 1103)
        }
        ["disks", ..] => Need::On(ObjectKind::Disk, 1102),
        ["templates", _] if method == Method::DELETE => Need::On(ObjectKind::Template, 202),
        ["templates", _, "export"] => Need::On(ObjectKind::Template, 8),
        ["templates", _, ..] => Need::On(ObjectKind::Template, 201),
        ["storagedomains"] => Need::System(600),
        ["storagedomains", _] if method == Method::DELETE => Need::On(ObjectKind::StorageDomain, 602),
        ["storagedomains", _, "diskprofiles"] => Need::On(ObjectKind::StorageDomain, 1561),
        ["storagedomains", _, "diskprofiles", _] => Need::On(ObjectKind::DiskProfile, 1562),
        ["storagedomains", _, "disksnapshots", _] | ["storagedomains", _, "disks"] => Need::InBody,
        ["storagedomains", _, "disks", _] => Need::On(ObjectKind::Disk, 1104),
        ["storagedomains", _, "vms" | "templates", _]
        | ["storagedomains", _, "vms" | "templates", _, "import"] => Need::On(ObjectKind::StorageDomain, 8),
        ["storagedomains", _, ..] => Need::On(ObjectKind::StorageDomain, 601),
        ["clusters", _, "networks"] => Need::On(ObjectKind::Cluster, 404),
        ["clusters", _, "networks", _] if method == Method::DELETE => Need::On(ObjectKind::Cluster, 404),
        ["clusters", _, "networks", _] => Need::On(ObjectKind::Cluster, 403),
        ["clusters", _, ..] => Need::On(ObjectKind::Cluster, 401),
        ["datacenters", _, "clusters", _, "networks"] => Need::On(ObjectKind::Cluster, 404),
        ["datacenters", _, "clusters", _, "networks", _] if method == Method::DELETE => {
            Need::On(ObjectKind::Cluster, 404)
        }
        ["datacenters", _, "clusters", _, "networks", _] => Need::On(ObjectKind::Cluster, 403),
        ["datacenters", _, "clusters", ..] => Need::On(ObjectKind::Cluster, 401),
        ["datacenters", _, "storagedomains", _, "disks"] => Need::InBody,
        ["datacenters", _, "storagedomains", _, "disks", _] => Need::On(ObjectKind::Disk, 1104),
        ["datacenters", _, "networks"] => Need::On(ObjectKind::DataCenter, 704),
        ["datacenters", _, "networks", _] if method == Method::DELETE => Need::On(ObjectKind::Network, 705),
        ["datacenters", _, "networks", _] => Need::On(ObjectKind::Network, 703),
        ["datacenters", _, "quotas", ..] => Need::On(ObjectKind::DataCenter, 900),
        ["datacenters", _, ..] => Need::On(ObjectKind::DataCenter, 702),
        ["hosts", _, ..] => Need::On(ObjectKind::Host, 101),
        ["networks", _, "vnicprofiles"] => Need::On(ObjectKind::Network, 1204),
        ["networks", _, "vnicprofiles", _] => Need::On(ObjectKind::VnicProfile, 1205),
        ["networks", _] if method == Method::DELETE => Need::On(ObjectKind::Network, 705),
        ["networks", _, ..] => Need::On(ObjectKind::Network, 703),
        ["vnicprofiles", _] if method == Method::DELETE => Need::On(ObjectKind::VnicProfile, 1205),
        ["vnicprofiles", _] => Need::On(ObjectKind::VnicProfile, 1203),
        ["diskprofiles", _] if method == Method::DELETE => Need::On(ObjectKind::DiskProfile, 1562),
        ["diskprofiles", _] => Need::On(ObjectKind::DiskProfile, 1560),
        ["instancetypes"] => Need::System(200),
        ["instancetypes", _] if method == Method::DELETE => Need::System(202),
        ["instancetypes", ..] => Need::System(201),
        ["vmpools"] => Need::InBody,
        ["vmpools", _] if method == Method::DELETE => Need::On(ObjectKind::VmPool, 302),
        ["vmpools", _] => Need::On(ObjectKind::VmPool, 301),
        ["vmpools", ..] => Need::On(ObjectKind::VmPool, 303),
        ["tags", ..] => Need::System(1301),
        ["bookmarks", ..] => Need::System(1302),
        ["roles", ..] => Need::System(501),
        ["events"] => Need::System(1400),
        ["events", ..] => Need::System(1304),
        ["jobs", ..] => Need::System(1500),
        _ => Need::System(EVERYTHING),
    }
}

/// What everybody who can log in may read, with or without a view of its own.
fn is_open(path: &str) -> bool {
    path == "/"
        || ["/capabilities", "/operatingsystems", "/instancetypes", "/icons"]
            .iter()
            .any(|open| path.starts_with(open))
}

/// What only administrators read, because it tells of everybody, or of where things lie.
fn is_closed(path: &str) -> bool {
    path == "/permissions" || path.starts_with("/permissions/") || path.contains("/storageconnections")
}

pub fn denied() -> Fault {
    Error::denied().into()
}

/// The request's user may make the request; what it sees of the answer is the handler's to know.
pub fn check(app: &App, route: &Route, request: &Request) -> Result<(), Fault> {
    let world = app.engine.world();
    if !world.users.contains_key(&request.user.id) {
        return Err(Fault::unauthenticated());
    }
    let reach = &request.reach;
    if reach.is_super_user() {
        return Ok(());
    }
    let unfiltered = request.sees_everything();
    if route.method == Method::GET {
        if unfiltered || is_open(route.path) {
            return Ok(());
        }
        if !request.filter || is_closed(route.path) {
            return Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "Operation Failed",
                "Query execution failed due to insufficient permissions.",
            ));
        }
    }
    let named = match (&route.method, route.path) {
        // Its id says nothing (decision 7).
        (&Method::POST, "/vms/{vm}") => Vec::new(),
        _ => objects::named(request),
    };
    // A foreign VM's or a gone one's id leads nowhere either.
    if !unfiltered && let Some(hidden) = named.iter().find(|object| !reach.sees(&world, **object)) {
        return Err(Error::not_found(hidden.id).into());
    }
    if route.method == Method::GET {
        return Ok(());
    }
    let (permit, object) = match need(&route.method, route.path) {
        Need::InBody => return Ok(()),
        Need::Own(_) if named.first() == Some(&request.user.id.into()) => return Ok(()),
        Need::System(permit) | Need::Own(permit) => (permit, Object::SYSTEM),
        Need::Here(permit) => (permit, named.first().copied().unwrap_or(Object::SYSTEM)),
        Need::On(kind, permit) => match named.iter().find(|object| object.kind == kind) {
            Some(object) => (permit, *object),
            None => (permit, Object::SYSTEM),
        },
    };
    if reach.permits(&world, permit, object) { Ok(()) } else { Err(denied()) }
}

/// The same for an object that stands in the body.
pub fn require(app: &App, request: &Request, permit: u16, object: impl Into<Object>) -> Result<(), Fault> {
    if may(app, request, permit, object.into()) { Ok(()) } else { Err(denied()) }
}

/// The same as an answer.
pub fn may(app: &App, request: &Request, permit: u16, object: Object) -> bool {
    request.reach.is_super_user() || request.reach.permits(&app.engine.world(), permit, object)
}

/// The quota that something new is of. Users need the permit to consume it where quotas are looked at;
/// where they are kept to, what names none is of the default one.
pub fn quota(app: &App, request: &Request, asked: Option<QuotaId>) -> Result<Option<QuotaId>, Error> {
    let (quota, mode) = {
        let world = app.engine.world();
        let center = asked.and_then(|id| world.quotas.get(&id)).map(|quota| quota.data_center);
        let center = center.or_else(|| world.data_centers.keys().next().copied());
        let mode = center.and_then(|id| world.data_centers.get(&id)).map(|it| it.quota_mode);
        let default = center.and_then(|id| world.default_quota(id));
        (asked.or(default), mode.unwrap_or(QuotaMode::Disabled))
    };
    match (asked, mode) {
        (_, QuotaMode::Disabled) | (None, QuotaMode::Audit) => Ok(asked),
        _ => match quota {
            Some(quota) if may(app, request, 901, quota.into()) => Ok(Some(quota)),
            Some(_) => Err(Error::denied()),
            None => Err(Error::invalid("Cannot consume the Quota. Quota is not valid.")),
        },
    }
}

/// Refuses a user what only administrators say of a VM: its custom properties, on which hosts it runs,
/// and on which of their CPUs.
pub fn may_shape(
    app: &App,
    request: &Request,
    object: impl Into<Object>,
    (before, after): (&VmSpec, &VmSpec),
) -> Result<(), Error> {
    let object = object.into();
    let needs = [
        (14, before.custom_properties != after.custom_properties),
        (15, before.hosts != after.hosts || before.cpu_pins != after.cpu_pins),
    ];
    match needs.into_iter().all(|(permit, changes)| !changes || may(app, request, permit, object)) {
        true => Ok(()),
        false => Err(Error::denied()),
    }
}

/// Whether an answer may tell of an object.
pub fn shows(app: &App, request: &Request, object: impl Into<Object>) -> bool {
    request.sees_everything() || request.reach.sees(&app.engine.world(), object.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes::ROUTES;

    #[test]
    fn what_a_change_needs_is_in_its_path() {
        for route in ROUTES.iter().filter(|route| route.method != Method::GET) {
            if let Need::On(kind, _) = need(&route.method, route.path) {
                let placeholder = match kind {
                    ObjectKind::Vm => "{vm}",
                    ObjectKind::Disk => "{disk}",
                    ObjectKind::Template => "{template}",
                    ObjectKind::StorageDomain => "{domain}",
                    ObjectKind::Cluster => "{cluster}",
                    ObjectKind::DataCenter => "{data_center}",
                    ObjectKind::Host => "{host}",
                    ObjectKind::Network => "{network}",
                    ObjectKind::VnicProfile | ObjectKind::DiskProfile => "{profile}",
                    ObjectKind::VmPool => "{pool}",
                    _ => panic!("{route:?}"),
                };
                assert!(route.path.contains(placeholder), "{} {}", route.method, route.path);
            }
        }
    }
}
