//! Where things are, derived from the routes: whatever a client is sent to is there.

use super::routes::ROUTES;
use crate::wire::types::{Actions, Link};
use axum::http::Method;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::LazyLock;

/// The API's root; every `href` begins with it, whichever way the request came in.
pub const ROOT: &str = "/ovirt-engine/api";

/// The address of a route's path, its placeholders filled in their order.
pub fn href(path: &'static str, ids: &[&dyn Display]) -> String {
    debug_assert_eq!(path.matches('{').count(), ids.len(), "{path}");
    let mut ids = ids.iter();
    let mut href = String::from(ROOT);
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        href.push('/');
        match ids.as_slice().first().filter(|_| segment.starts_with('{')) {
            Some(id) => {
                href.push_str(&id.to_string());
                ids.next();
            }
            None => href.push_str(segment),
        }
    }
    href
}

/// What stands one segment below a path.
#[derive(Debug, Default)]
struct Below {
    actions: BTreeSet<&'static str>,
    collections: BTreeSet<&'static str>,
}

/// The actions of what the route's path names and `href` is the address of.
pub fn actions(path: &'static str, href: &str) -> Option<Actions> {
    let link: Vec<_> = below(path)?.actions.iter().map(|name| to(href, name)).collect();
    (!link.is_empty()).then_some(Actions { link })
}

/// The collections below what the route's path names and `href` is the address of.
pub fn collections(path: &'static str, href: &str) -> Vec<Link> {
    below(path).map(|below| below.collections.iter().map(|name| to(href, name)).collect()).unwrap_or_default()
}

/// Whether something can be read at a route's path.
pub fn is_there(path: &str) -> bool {
    ROUTES.iter().any(|route| route.path == path && route.method == Method::GET)
}

fn to(href: &str, name: &str) -> Link {
    Link::new(name, format!("{href}/{name}"))
}

fn below(path: &str) -> Option<&'static Below> {
    static BELOW: LazyLock<BTreeMap<&'static str, Below>> = LazyLock::new(|| {
        let mut all: BTreeMap<&str, Below> = BTreeMap::new();
        for route in ROUTES.iter() {
            let Some((parent, name)) = route.path.rsplit_once('/') else { continue };
            if name.is_empty() || name.starts_with('{') {
                continue;
            }
            let below = all.entry(parent).or_default();
            match route.method {
                Method::GET => below.collections.insert(name),
                Method::POST => below.actions.insert(name),
                _ => false,
            };
        }
        for below in all.values_mut() {
            // What is posted where something is read, is added.
            below.actions.retain(|name| !below.collections.contains(name));
        }
        all
    });
    BELOW.get(path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_order() {
        assert_eq!(href("/vms/{vm}/disks/{disk}", &[&1, &"b"]), "/ovirt-engine/api/vms/1/disks/b");
        assert_eq!(href("/", &[]), "/ovirt-engine/api");
    }

    #[test]
    fn every_link_leads_to_a_route() {
        for route in ROUTES.iter().filter(|route| route.path != "/") {
            let linked = actions(route.path, "").into_iter().flat_map(|actions| actions.link);
            for link in linked.chain(collections(route.path, "")) {
                let path = format!("{}{}", route.path, link.href.unwrap());
                assert!(ROUTES.iter().any(|route| route.path == path), "{path}");
            }
        }
    }
}
