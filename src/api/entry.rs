//! The entry point: what this is and where everything is.

use super::app::App;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::rsdl;
use crate::model::BLANK;
use crate::wire::types::{
    Api, ApiSummary, ApiSummaryItem, Link, ProductInfo, Ref, SpecialObjects, VersionNumber,
};
use axum::http::{HeaderValue, header};
use std::sync::Arc;

/// The collections in the order in which clients know them, and whether they can be searched.
const COLLECTIONS: &[(&str, bool)] = &[
    ("capabilities", false),
    ("clusters", true),
    ("datacenters", true),
    ("events", true),
    ("hosts", true),
    ("networks", true),
    ("roles", false),
    ("storagedomains", true),
    ("tags", false),
    ("bookmarks", false),
    ("icons", false),
    ("templates", true),
    ("instancetypes", true),
    ("users", true),
    ("groups", true),
    ("domains", false),
    ("vmpools", true),
    ("vms", true),
    ("disks", true),
    ("jobs", false),
    ("storageconnections", false),
    ("vnicprofiles", false),
    ("diskprofiles", false),
    ("cpuprofiles", false),
    ("schedulingpolicyunits", false),
    ("schedulingpolicies", false),
    ("permissions", false),
    ("macpools", false),
    ("operatingsystems", false),
    ("externalhostproviders", false),
    ("openstackimageproviders", false),
    ("openstackvolumeproviders", false),
    ("openstacknetworkproviders", false),
    ("katelloerrata", false),
];

/// The documents of version 3, as its reference describes them.
const SCHEMA: &str = include_str!("schema/ovirt-engine-api-3.6.xsd");
const SCHEMA_FILE: HeaderValue =
    HeaderValue::from_static("attachment; filename = ovirt-engine-api-schema.xsd");

/// `GET /`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    if request.query.get("schema").is_some() {
        return Ok(
            Reply::text("application/octet-stream", SCHEMA).with(header::CONTENT_DISPOSITION, SCHEMA_FILE)
        );
    }
    if request.query.get("rsdl").is_some() {
        return Ok(Reply::ok(rsdl::describe()));
    }
    let links = collections();
    let origin = request.origin.as_deref().unwrap_or_default();
    let header_entries: Vec<_> = links
        .iter()
        .filter_map(|link| Some(format!("<{origin}{}>; rel={}", link.href.as_deref()?, link.rel.as_deref()?)))
        .collect();
    let document = Api {
        link: links,
        special_objects: Some(special_objects()),
        product_info: Some(product_info()),
        summary: (!request.filter && request.reach.is_administrator()).then(|| summary(&app)),
        time: Some(jiff::Timestamp::now().into()),
        ..Api::default()
    };
    let reply = Reply::ok(document);
    Ok(match HeaderValue::try_from(header_entries.join(",")) {
        Ok(value) => reply.with(header::LINK, value),
        Err(_) => reply,
    })
}

/// Whether a top-level collection can be searched.
pub fn is_searched(path: &str) -> bool {
    COLLECTIONS.iter().any(|(name, searched)| *searched && path.strip_prefix('/') == Some(*name))
}

/// A link to each collection that there is, followed by one to its search.
fn collections() -> Vec<Link> {
    let mut all = Vec::new();
    for (name, searched) in COLLECTIONS {
        if !links::is_there(&format!("/{name}")) {
            continue;
        }
        let href = format!("{}/{name}", links::ROOT);
        if *searched {
            let from = if *name == "events" { ";from={event_id}" } else { "" };
            let search = format!("{href}{from}?search={{query}}");
            all.extend([Link::new(*name, href), Link::new(format!("{name}/search"), search)]);
        } else {
            all.push(Link::new(*name, href));
        }
    }
    all
}

fn special_objects() -> SpecialObjects {
    let nil = BLANK.0;
    let at = |path| links::is_there(path).then(|| Ref::at(links::href(path, &[&nil]), nil));
    SpecialObjects { blank_template: at("/templates/{template}"), root_tag: at("/tags/{tag}") }
}

/// How much there is, and how much of it works.
fn summary(app: &App) -> ApiSummary {
    let item = |total: usize, active: usize| {
        Some(ApiSummaryItem { total: u32::try_from(total).ok(), active: u32::try_from(active).ok() })
    };
    let ids = app.engine.vm_ids();
    let running = ids.iter().filter(|id| app.engine.vm(**id).is_ok_and(|view| view.status.runs())).count();
    let connected = app.engine.connected();
    let world = app.engine.world();
    let (hosts, users, domains) = (world.hosts.len(), world.users.len(), world.storage_domains.len());
    ApiSummary {
        vms: item(ids.len(), running),
        hosts: item(hosts, if connected { hosts } else { 0 }),
        users: item(users, users),
        storage_domains: item(domains, domains),
    }
}

fn product_info() -> ProductInfo {
    ProductInfo {
        name: Some("vireo".to_owned()),
        vendor: Some("vireo".to_owned()),
        // The version of the API that clients adapt to.
        version: Some(VersionNumber {
            major: Some(3),
            minor: Some(6),
            build: Some(0),
            revision: Some(0),
            full_version: Some(format!("3.6.0.0-vireo{}", env!("CARGO_PKG_VERSION"))),
        }),
        ..ProductInfo::default()
    }
}
