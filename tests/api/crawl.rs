//! Every link leads somewhere, and every answer is valid by the reference's schema.

use super::*;
use std::collections::BTreeSet;
use std::process::Command;

/// What a client may be sent to from here, and the actions that it may call.
fn links(element: &Element, action: bool, found: &mut Vec<(String, bool)>) {
    let action = action || element.name == "actions";
    if let Some(href) = element.get("href") {
        found.push((href.to_owned(), action));
    }
    element.elements().for_each(|child| links(child, action, found));
}

/// Reads everything that can be reached, in that mood. Gives paths and answers.
async fn crawl(sim: &Sim, headers: &[(&str, &str)]) -> Vec<(String, Got)> {
    let mut seen = BTreeSet::from([String::new()]);
    let mut todo = vec![String::new()];
    let mut pages = Vec::new();
    while let Some(path) = todo.pop() {
        let got = sim.send("GET", &path, headers, "").await;
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        let mut found = Vec::new();
        links(&got.xml(), false, &mut found);
        for (href, action) in found {
            let below = href.strip_prefix("/ovirt-engine/api").unwrap_or_else(|| panic!("{path} has {href}"));
            let below = below.replace("{query}", "").replace("{event_id}", "0");
            if !seen.insert(below.clone()) {
                continue;
            }
            if action {
                let got = sim.send("OPTIONS", &below, &[], "").await;
                assert!(got.header("allow").contains("POST"), "{below} is an action of {path}");
            } else {
                todo.push(below);
            }
        }
        pages.push((path, got));
    }
    pages
}

/// A schema's demand that the reference does not meet either: a file's content is not in its document.
fn with_content(path: &str, body: &str) -> String {
    match path {
        _ if path.contains("/files") => body.replace("<storage_domain ", "<content/><storage_domain "),
        _ if path.contains("/cdroms") => body.replace(".iso\"/>", ".iso\"><content/></file>"),
        _ => body.to_owned(),
    }
}

pub fn validate(pages: &[(String, Got)]) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (number, (path, got)) in pages.iter().enumerate() {
        let file = folder.path().join(format!("{number}{}.xml", path.replace(['/', '?', ';', '%'], "_")));
        std::fs::write(&file, with_content(path, &got.body)).unwrap();
        files.push(file);
    }
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/schema/ovirt-engine-api-3.6.xsd");
    let checked = Command::new("xmllint").args(["--noout", "--schema", schema]).args(&files).output();
    let checked = checked.expect("xmllint (package libxml2-utils)");
    let said = String::from_utf8_lossy(&checked.stderr);
    let complaints: Vec<&str> = said.lines().filter(|line| !line.ends_with(" validates")).collect();
    assert!(checked.status.success(), "{}", complaints.join("\n"));
}

/// A host with a VM in each of a few states.
async fn furnished() -> Sim {
    let sim = Sim::start().await;
    let (down, up, paused) = (sim.vm("down").await, sim.vm("up").await, sim.vm("paused").await);
    for vm in [down, up, paused] {
        sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    }
    sim.disk("/disks", "floating").await;
    sim.post(&format!("/vms/{up}/cdroms"), "<cdrom><file id='debian-12.iso'/></cdrom>").await.is(201);
    sim.post(&format!("/vms/{up}/numanodes"), &numa::node(0, 512, &[0], Some(1))).await.is(201);
    sim.post(&format!("/vms/{up}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
    let device = "<host_device><name>pci_0000_02_10_7</name></host_device>";
    sim.post(&format!("/vms/{up}/hostdevices"), device).await.is(201);
    let watchdog = "<watchdog><model>i6300esb</model><action>reset</action></watchdog>";
    sim.post(&format!("/vms/{up}/watchdogs"), watchdog).await.is(201);
    let size = sim.get("/instancetypes").await.at("instance_type/@id");
    sim.post(&format!("/instancetypes/{size}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
    sim.post(&format!("/instancetypes/{size}/watchdogs"), watchdog).await.is(201);
    let group = "<affinity_group><name>together</name><positive>true</positive><enforcing>false</enforcing>\
                 </affinity_group>";
    let groups = format!("/clusters/{CLUSTER}/affinitygroups");
    let group = sim.post(&groups, group).await.is(201).at("@id");
    sim.post(&format!("{groups}/{group}/vms"), &format!("<vm id='{up}'/>")).await.is(201);
    let pool = "<vmpool><name>lab</name><cluster><name>Default</name></cluster><template><name>Blank</name></template>\
                <size>1</size></vmpool>";
    sim.post("/vmpools", pool).await.is(201);
    let devs = sim.post("/groups", "<group><name>devs</name></group>").await.is(201).at("@id");
    let given = format!("<permission><role><name>UserRole</name></role><group id='{devs}'/></permission>");
    sim.post("/permissions", &given).await.is(201);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    let key = format!("<ssh_public_key><content>{key}</content></ssh_public_key>");
    sim.post(&format!("/users/{ADMIN}/sshpublickeys"), &key).await.is(201);
    let snapshot = "<snapshot><description>kept</description></snapshot>";
    let path = format!("/vms/{up}/snapshots");
    sim.send("POST", &path, &[("content-type", "application/xml"), ("expect", "201-created")], snapshot)
        .await
        .is(201);
    sim.start_vm(up).await;
    sim.hypervisor.set_agent(up, true);
    sim.hypervisor.log_in(up, "root");
    sim.post(&format!("/vms/{up}/ticket"), "<action/>").await.is(200);
    sim.hypervisor.view(up, "192.0.2.77", 41000, true);
    sim.until("the guest has told", || sim.engine.sessions(up).unwrap().len() == 2).await;
    sim.post(&format!("/vms/{paused}/start"), "<action><pause>true</pause></action>").await.is(200);
    sim.is_in(paused, "paused").await;
    sim
}

#[tokio::test]
async fn every_link_leads_to_a_valid_document() {
    let sim = furnished().await;
    let plain = crawl(&sim, &[]).await;
    let full = crawl(&sim, &[("all-content", "true")]).await;
    let user = crawl(&sim, &[("filter", "true")]).await;
    assert!(plain.len() > 100, "{}", plain.len());
    let paths: Vec<&str> = plain.iter().map(|(path, _)| path.as_str()).collect();
    for collection in [
        "datacenters",
        "clusters",
        "hosts",
        "storagedomains",
        "networks",
        "templates",
        "users",
        "vms",
        "disks",
    ] {
        for path in [format!("/{collection}"), format!("/{collection}?search=")] {
            assert!(paths.contains(&path.as_str()), "{path}");
        }
    }
    assert!(plain[0].1.body.contains("<summary>") && !user[0].1.body.contains("<summary>"));
    let all: Vec<_> = plain.into_iter().chain(full).chain(user).collect();
    validate(&all);
}

#[tokio::test]
async fn json_says_what_xml_says() {
    let sim = furnished().await;
    for (path, got) in crawl(&sim, &[]).await {
        let json = sim.send("GET", &path, &[("accept", "application/json")], "").await;
        assert_eq!((json.status, json.header("content-type")), (200, "application/json"), "{path}");
        let document = json.json();
        let xml = got.xml();
        for attribute in ["id", "href"] {
            assert_eq!(document[attribute].as_str(), xml.get(attribute), "{path}");
        }
        scalars(&path, &document);
    }
}

/// Whole numbers of 64 bits, decimals and times are numbers; everything else is a text.
fn scalars(path: &str, value: &serde_json::Value) {
    const NUMBERS: [&str; 19] = [
        "date",
        "memory",
        "guaranteed",
        "max_scheduling_memory",
        "datum",
        "size",
        "provisioned_size",
        "actual_size",
        "available",
        "used",
        "committed",
        "creation_time",
        "start_time",
        "stop_time",
        "end_time",
        "last_updated",
        "time",
        "speed",
        "expiry",
    ];
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                if value.is_number() {
                    assert!(NUMBERS.contains(&name.as_str()), "{path}: {name} is a number");
                }
                assert!(!value.is_boolean() && !value.is_null(), "{path}: {name} is {value}");
                // How many VMs a pool has, is a small number.
                let small = name == "size" && path.starts_with("/vmpools");
                let number = NUMBERS.contains(&name.as_str()) && !small;
                assert!(!value.is_string() || !number, "{path}: {name} is a text");
                scalars(path, value);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| scalars(path, item)),
        _ => {}
    }
}

#[tokio::test]
async fn whatever_can_be_read_has_a_head_and_options() {
    let sim = furnished().await;
    for (path, got) in crawl(&sim, &[]).await {
        let head = sim.send("HEAD", &path, &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-type"), got.header("content-type"), "{path}");
        let options = sim.send("OPTIONS", &path, &[], "").await;
        assert_eq!(options.status, 200, "{path}");
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert!(options.header("allow").contains(method), "{path}");
        }
        for method in ["PUT", "POST", "DELETE", "PATCH"] {
            if !options.header("allow").contains(method) {
                let got = sim.with_body(method, &path, "<action/>").await;
                assert_eq!(
                    (got.status, got.header("allow")),
                    (405, options.header("allow")),
                    "{method} {path}"
                );
                assert!(got.body.contains("<fault>"), "{}", got.body);
            }
        }
    }
}
