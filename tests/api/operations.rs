//! The operations that version 3 documents, against the routes; and what the API tells of itself.

use super::*;
use std::collections::BTreeSet;
use vireo::api::routes::ROUTES;

/// Method and path, whatever placeholders are called.
type Operation = (String, String);

fn operation(method: &str, path: &str) -> Operation {
    let plain = |segment: &str| if segment.starts_with('{') { "{}".to_owned() } else { segment.to_owned() };
    let path = path.trim_matches('/').split('/').map(plain).collect::<Vec<_>>().join("/");
    (method.to_owned(), format!("/{path}"))
}

fn listed(text: &str) -> BTreeSet<Operation> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let lines = lines.filter(|(method, _)| ["GET", "POST", "PUT", "DELETE"].contains(method));
    lines.map(|(method, path)| operation(method, path)).collect()
}

fn documented() -> BTreeSet<Operation> {
    listed(include_str!("operations.txt"))
}

fn unserved() -> BTreeSet<Operation> {
    listed(include_str!("unserved.txt"))
}

#[test]
fn every_documented_operation_is_served_or_listed_with_its_reason() {
    let served: BTreeSet<Operation> =
        ROUTES.iter().map(|route| operation(route.method.as_str(), route.path)).collect();
    let missing: BTreeSet<Operation> = documented().difference(&served).cloned().collect();
    let unserved = unserved();
    assert_eq!(
        missing.difference(&unserved).collect::<Vec<_>>(),
        [] as [&Operation; 0],
        "not in unserved.txt"
    );
    assert_eq!(unserved.difference(&missing).collect::<Vec<_>>(), [] as [&Operation; 0], "served by now");
    let reasons = include_str!("unserved.txt").lines().filter(|line| line.starts_with('#')).count();
    println!("{} documented, {} unserved for {reasons} reasons", documented().len(), unserved.len());
}

#[tokio::test]
async fn what_is_not_served_answers_a_fault() {
    let sim = Sim::start().await;
    for (method, path) in unserved() {
        let path = path.replace("{}", UNKNOWN);
        let body = if method == "GET" { "" } else { "<action/>" };
        let got = sim.with_body(&method, &path, body).await;
        assert!([404, 405].contains(&got.status), "{method} {path}: {} {}", got.status, got.body);
        let document = got.xml();
        assert_eq!(document.name, "fault", "{method} {path}");
        assert!(!got.at("reason").is_empty() && !got.at("detail").is_empty(), "{}", got.body);
    }
}

#[tokio::test]
async fn how_far_an_action_is_can_be_read_below_it() {
    let sim = Sim::start().await;
    let is_read =
        |path: &str| ROUTES.iter().any(|route| (route.method.as_str(), route.path) == ("GET", path));
    let actions = ROUTES.iter().filter(|route| route.method == "POST" && !is_read(route.path));
    for action in actions {
        let plain = |segment| if str::starts_with(segment, '{') { UNKNOWN } else { segment };
        let path: Vec<&str> = action.path.split('/').map(plain).collect();
        // Nobody remembers it: it is over.
        let got = sim.get(&format!("{}/{UNKNOWN}", path.join("/"))).await.is(200);
        assert_eq!([got.xml().name, got.at("@id"), got.at("status/state")], ["action", UNKNOWN, "complete"]);
    }
    let vm = sim.vm("a").await;
    for action in ["start", "stop", "snapshots/{}/restore", "nics/{}/activate"] {
        sim.get(&format!("/vms/{vm}/{}/{UNKNOWN}", action.replace("{}", UNKNOWN))).await.is(200);
    }
}

#[tokio::test]
async fn the_description_tells_every_route() {
    let sim = Sim::start().await;
    let got = sim.get("?rsdl").await.is(200);
    let links: BTreeSet<Operation> = got
        .xml()
        .every("links/link")
        .iter()
        .map(|link| {
            let path = link.get("href").unwrap().strip_prefix("/ovirt-engine/api").unwrap();
            operation(&link.value("request/http_method").unwrap(), path)
        })
        .collect();
    let routes: BTreeSet<Operation> = ROUTES
        .iter()
        .filter(|route| route.path != "/")
        .map(|route| operation(route.method.as_str(), route.path))
        .collect();
    assert_eq!(links, routes);
    let start =
        got.xml().every("links/link").into_iter().find(|link| link.get("rel") == Some("start")).cloned();
    let start = start.unwrap();
    assert_eq!(start.get("href"), Some("/ovirt-engine/api/vms/{vm:id}/start"));
    assert_eq!(start.value("request/body/type").as_deref(), Some("Action"));
    let json = sim.send("GET", "?rsdl", &[("accept", "application/json")], "").await.is(200).json();
    assert_eq!(json["links"]["link"].as_array().unwrap().len(), links.len());
    crawl::validate(&[("?rsdl".into(), got)]);
}
