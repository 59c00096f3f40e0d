//! Storage domains: made, attached, taken into maintenance, removed; and files of ISO domains.

use super::*;
use vireo::engine::ports::Images;

const CENTER: &str = "/datacenters/00000002-0002-0002-0002-000000000255";

fn body(name: &str, kind: &str, path: &str) -> String {
    format!(
        "<storage_domain><name>{name}</name><type>{kind}</type><host><name>host</name></host>\
         <storage><type>localfs</type><path>{path}</path></storage></storage_domain>"
    )
}

impl Sim {
    /// An active storage domain over a folder of its own.
    pub async fn domain(&self, name: &str, kind: &str) -> String {
        let made = self.post("/storagedomains", &body(name, kind, &format!("/more/{name}"))).await.is(201);
        let attach = format!("<storage_domain><name>{name}</name></storage_domain>");
        let attached = self.post(&format!("{CENTER}/storagedomains"), &attach).await.is(201);
        assert_eq!(attached.at("status/state"), "active");
        made.at("@id")
    }

    async fn iso(&self) -> String {
        self.get("/storagedomains?search=type%3Diso").await.at("storage_domain/@id")
    }
}

/// In maintenance, or with its folder gone: then a file that is not found is not one that was removed.
#[tokio::test]
async fn nobody_touches_a_domain_that_is_not_active() {
    let sim = Sim::start().await;
    let id = sim.domain("second", "data").await;
    let inside = format!("{CENTER}/storagedomains/{id}");
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}");
    let disk = sim.post(&format!("{at}/disks"), &disk_body("system").replace(DATA, &id)).await;
    let disk = disk.is(202).at("@id");
    sim.until("made", || sim.engine.jobs.running() == 0).await;
    let snapshot = "<snapshot><description>first</description></snapshot>";
    let headers = [("content-type", "application/xml"), CREATED];
    let first = sim.send("POST", &format!("{at}/snapshots"), &headers, snapshot).await.is(201).at("@id");
    let template = format!("<template><name>t</name><vm id='{vm}'/></template>");
    let template = sim.send("POST", "/templates", &headers, template).await.is(201).at("@id");
    let files = sim.images.files();
    let refuses = async |status: &str| {
        for (method, path, body) in [
            ("POST", format!("{at}/snapshots"), snapshot.to_owned()),
            ("POST", format!("{at}/snapshots/{first}/restore"), "<action/>".into()),
            ("POST", format!("{at}/preview_snapshot"), format!("<action><snapshot id='{first}'/></action>")),
            ("DELETE", format!("{at}/snapshots/{first}"), String::new()),
            ("PUT", format!("{at}/disks/{disk}"), format!("<disk><size>{}</size></disk>", 2 * GIB)),
            ("DELETE", format!("{at}/disks/{disk}"), String::new()),
            ("POST", format!("{at}/clone"), "<action><vm><name>b</name></vm></action>".into()),
            ("DELETE", format!("/templates/{template}"), String::new()),
            ("DELETE", at.clone(), String::new()),
        ] {
            let got = sim.with_body(method, &path, &body).await.is(409);
            let said = format!("The relevant Storage Domain&apos;s status is {status}.");
            let plain = said.replace("&apos;", "'");
            assert!(got.body.contains(&said) || got.body.contains(&plain), "{method} {path}: {}", got.body);
        }
        assert_eq!(sim.images.files(), files);
    };
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    refuses("Maintenance").await;
    sim.post(&format!("{inside}/activate"), "<action/>").await.is(200);
    sim.images.set_missing("/more/second", true);
    refuses("Inactive").await;
    // What is lost can be given up.
    let forced = "<action><force>true</force></action>";
    let lost = sim.get(&format!("/templates/{template}/disks")).await.at("disk/@id");
    sim.with_body("DELETE", &format!("/disks/{lost}"), forced).await.is(409);
    sim.images.set_missing("/more/second", false);
    let other = sim.disk_in(&id).await.is(201).at("@id");
    sim.images.set_missing("/more/second", true);
    sim.delete(&format!("/disks/{other}")).await.is(409);
    sim.with_body("DELETE", &format!("/disks/{other}"), forced).await.is(204);
    sim.with_body("DELETE", &format!("/templates/{template}"), forced).await.is(204);
    sim.images.set_missing("/more/second", false);
    sim.delete(&at).await.is(204);
}

#[tokio::test]
async fn what_is_registered_and_removed_at_once_is_gone() {
    let sim = Sim::start().await;
    let id = sim.domain("second", "data").await;
    let (top, inside) = (format!("/storagedomains/{id}"), format!("{CENTER}/storagedomains/{id}"));
    let floating = sim.disk_in(&id).await.is(201).at("@id");
    let vm = sim.vm("a").await;
    sim.post(&format!("/vms/{vm}/disks"), &disk_body("system").replace(DATA, &id)).await.is(202);
    let attach = format!("<storage_domain id='{id}'/>");
    let hints = || sim.images.hints("/more/second".as_ref()).unwrap().len();
    // What a start heals is healed by then.
    sim.until("the hints are written", || hints() == 2).await;
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    sim.delete(&inside).await.is(204);
    sim.post(&format!("{CENTER}/storagedomains"), &attach).await.is(201);
    sim.post(&format!("{top}/disks;unregistered"), &format!("<disk id='{floating}'/>")).await.is(201);
    sim.delete(&format!("/disks/{floating}")).await.is(204);
    let action = format!("<action><cluster id='{CLUSTER}'/></action>");
    sim.post(&format!("{top}/vms/{vm}/register"), &action).await.is(200);
    sim.delete(&format!("/vms/{vm}")).await.is(204);
    sim.until("their hints are gone", || hints() == 0).await;
    assert!(sim.get(&format!("{top}/disks;unregistered")).await.is(200).each("disk", "@id").is_empty());
    assert!(sim.get(&format!("{top}/vms;unregistered")).await.is(200).each("vm", "@id").is_empty());
}

/// What lies there of nobody goes only with who asks for that; what is not the engine's stays.
#[tokio::test]
async fn a_data_domain_is_formatted() {
    let sim = Sim::start().await;
    let id = sim.domain("second", "data").await;
    let (top, inside) = (format!("/storagedomains/{id}"), format!("{CENTER}/storagedomains/{id}"));
    sim.disk_in(&id).await.is(201);
    sim.images.put("/more/second/notes.raw", 1);
    sim.images.put("/images/other", 1);
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    sim.delete(&inside).await.is(204);
    let there = || {
        let mut all = sim.images.files();
        all.retain(|file| file.starts_with("/more/second"));
        (all, sim.images.hints("/more/second".as_ref()).unwrap().len())
    };
    assert_eq!((there().0.len(), there().1 > 0), (2, true));
    let remove = "<storage_domain><host><name>host</name></host><format>true</format></storage_domain>";
    sim.with_body("DELETE", &top, remove).await.is(204);
    assert_eq!(there(), (vec!["/more/second/notes.raw".into()], 0));
}

#[tokio::test]
async fn the_last_data_domain_stays() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let last = format!("{CENTER}/storagedomains/{DATA}");
    sim.post(&format!("{last}/deactivate"), "<action/>").await.is(200);
    let refused = sim.delete(&last).await.is(409);
    assert!(refused.at("detail").contains("another active Storage Domain"), "{}", refused.body);
    sim.get(&format!("/vms/{vm}")).await.is(200);
    sim.post(&format!("{last}/activate"), "<action/>").await.is(200);
}

#[tokio::test]
async fn a_domain_comes_and_goes() {
    let sim = Sim::start().await;
    let made = sim.post("/storagedomains", &body("second", "data", "/more/second")).await.is(201);
    let id = made.at("@id");
    golden("storage_domain_unattached.xml", &masked(&made.body, &[("DOMAIN", id.clone())]));
    assert_eq!(made.header("location"), format!("https://vireo:8443/ovirt-engine/api/storagedomains/{id}"));
    let (top, inside) = (format!("/storagedomains/{id}"), format!("{CENTER}/storagedomains/{id}"));
    assert_eq!(sim.post(&format!("{top}/isattached"), "<action/>").await.is(200).at("is_attached"), "false");
    sim.get(&inside).await.is(404);
    sim.disk_in(&id).await.refused(
        409,
        "Operation Failed",
        "[Cannot add Virtual Machine Disk. The relevant Storage Domain's status is Unattached.]",
    );

    let attach = format!("<storage_domain id='{id}'/>");
    let attached = sim.post(&format!("{CENTER}/storagedomains"), &attach).await.is(201);
    assert_eq!((attached.at("status/state"), attached.at("master")), ("active".into(), "false".into()));
    assert!(sim.hypervisor.pools().contains_key("vireo-second"));
    sim.post(&format!("{CENTER}/storagedomains"), &attach).await.is(409);
    assert_eq!(sim.post(&format!("{top}/isattached"), "<action/>").await.is(200).at("is_attached"), "true");
    assert_eq!(sim.get(&format!("{top}/diskprofiles")).await.each("disk_profile", "name"), ["second"]);
    let disk = sim.disk_in(&id).await.is(201).at("@id");
    assert_eq!(sim.get(&format!("{top}/disks")).await.at("disk/@id"), disk);

    let told = "<storage_domain><comment>c</comment></storage_domain>";
    assert_eq!(sim.put(&top, told).await.is(200).at("comment"), "c");
    assert_eq!(sim.get("/storagedomains?search=comment%3Dc").await.at("storage_domain/@id"), id);
    sim.post(&format!("{inside}/activate"), "<action/>").await.is(409);
    sim.delete(&inside).await.is(409);
    let ended = sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    assert_eq!(ended.at("status/state"), "complete");
    assert_eq!(sim.get(&inside).await.at("status/state"), "maintenance");
    assert!(!sim.hypervisor.pools().contains_key("vireo-second"));
    sim.disk_in(&id).await.is(409);
    let remove = "<storage_domain><host><name>host</name></host><format>true</format></storage_domain>";
    sim.with_body("DELETE", &top, remove).await.is(409);
    sim.delete(&inside).await.is(204);
    sim.delete(&inside).await.is(404);
    sim.get(&format!("/disks/{disk}")).await.is(404);
    assert_eq!(sim.get(&top).await.at("status/state"), "unattached");
    sim.delete(&top).await.is(400);
    sim.with_body("DELETE", &top, "<storage_domain/>").await.is(400);
    sim.with_body("DELETE", &top, remove).await.is(204);
    sim.get(&top).await.is(404);
    assert!(sim.images.marks().is_empty());
}

#[tokio::test]
async fn a_domain_that_is_used_stays_and_its_vm_needs_it() {
    let sim = Sim::start().await;
    let id = sim.domain("second", "data").await;
    let inside = format!("{CENTER}/storagedomains/{id}");
    let vm = sim.vm("a").await;
    for (domain, alias) in [(DATA, "system"), (&id, "data")] {
        let body = disk_body(alias).replace(DATA, domain);
        sim.post(&format!("/vms/{vm}/disks"), &body).await.is(202);
    }
    sim.until("made", || sim.engine.jobs.running() == 0).await;
    sim.start_vm(vm).await;
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(409);
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    sim.post(&format!("/vms/{vm}/start"), "<action/>").await.refused(
        409,
        "Operation Failed",
        "[Cannot run VM. The relevant Storage Domain's status is Maintenance.]",
    );
    sim.post(&format!("{inside}/activate"), "<action/>").await.is(200);
    sim.start_vm(vm).await;
    let named = "<storage_domain><name>third</name></storage_domain>";
    let renamed = sim.put(&format!("/storagedomains/{id}"), named).await.is(200);
    assert_eq!(renamed.at("name"), "third");
    assert!(sim.hypervisor.pools().contains_key("vireo-third"));
}

#[tokio::test]
async fn a_folder_that_vanishes_shows_and_comes_back() {
    let sim = Sim::start().await;
    let id = sim.domain("second", "data").await;
    let inside = format!("{CENTER}/storagedomains/{id}");
    sim.images.set_missing("/more/second", true);
    assert_eq!(sim.get(&inside).await.at("status/state"), "inactive");
    sim.disk_in(&id).await.is(409);
    sim.hypervisor.disconnect();
    sim.hypervisor.connect();
    sim.until("connected", || sim.engine.connected()).await;
    sim.post(&format!("{inside}/activate"), "<action/>").await.is(409);
    sim.images.set_missing("/more/second", false);
    // Something else is mounted there.
    sim.images.unmark("/more/second".as_ref()).unwrap();
    assert_eq!(sim.get(&inside).await.at("status/state"), "inactive");
    sim.images.mark("/more/second".as_ref(), &id).unwrap();
    assert_eq!(sim.get(&inside).await.at("status/state"), "active");
    sim.disk_in(&id).await.is(201);
}

#[tokio::test]
async fn a_domain_says_what_its_disks_are_and_what_stays_free() {
    let sim = Sim::start().await;
    let at = format!("/storagedomains/{DATA}");
    let before = sim.get(&at).await.is(200);
    assert_eq!(before.at("wipe_after_delete"), "false");
    assert_eq!(before.at("warning_low_space_indicator"), "");
    let ask = |rest: &str| format!("<storage_domain>{rest}</storage_domain>");
    for bad in [
        "<warning_low_space_indicator>101</warning_low_space_indicator>",
        "<warning_low_space_indicator>-1</warning_low_space_indicator>",
        "<critical_space_action_blocker>-1</critical_space_action_blocker>",
    ] {
        sim.put(&at, &ask(bad)).await.is(400);
    }
    let limits = "<wipe_after_delete>true</wipe_after_delete><warning_low_space_indicator>20</warning_low_space_indicator>\
                  <critical_space_action_blocker>5</critical_space_action_blocker>";
    let after = sim.put(&at, &ask(limits)).await.is(200);
    let said = ["wipe_after_delete", "warning_low_space_indicator", "critical_space_action_blocker"];
    assert_eq!(said.map(|name| after.at(name)), ["true", "20", "5"]);
    assert_eq!(sim.post("/disks", &disk_body("a")).await.is(202).at("wipe_after_delete"), "true");
    let own = disk_body("b").replace("</disk>", "<wipe_after_delete>false</wipe_after_delete></disk>");
    assert_eq!(sim.post("/disks", &own).await.is(202).at("wipe_after_delete"), "false");
    let found = sim.get("/storagedomains?search=wipe_after_delete%3Dtrue").await.is(200);
    assert_eq!(found.each("storage_domain", "@id"), [DATA]);
    let made = body("wiped", "data", "/more/wiped")
        .replace("</storage_domain>", &format!("{limits}</storage_domain>"));
    assert_eq!(sim.post("/storagedomains", &made).await.is(201).at("wipe_after_delete"), "true");
    // Nothing is made in what is to stay free, nor is a snapshot.
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    let all = "<critical_space_action_blocker>2147483647</critical_space_action_blocker>";
    sim.put(&at, &ask(all)).await.is(200);
    let snapshots = format!("/vms/{vm}/snapshots");
    let full = sim.post(&snapshots, "<snapshot><description>s</description></snapshot>").await.is(409);
    assert!(full.body.contains("Low disk space on Storage Domain data"), "{}", full.body);
}

#[tokio::test]
async fn what_is_no_domain_is_refused() {
    let sim = Sim::start().await;
    for (document, status) in [
        (body("x", "data", "relative"), 400),
        (body("", "data", "/more/x"), 400),
        (body("a b", "data", "/more/x"), 400),
        (body("../x", "data", "/more/x"), 400),
        (body("data", "data", "/more/x"), 409),
        (body("x", "nonsense", "/more/x"), 400),
        (body("x", "data", ""), 400),
        (body("x", "data", "/sim/images"), 409),
        (body("x", "data", "/sim/images/below"), 409),
        (body("x", "data", "/"), 409),
        (body("x", "image", "/more/x"), 409),
        (body("x", "data", "/more/x").replace("localfs", "nfs"), 409),
        (body("x", "data", "/more/x").replace("localfs", "nonsense"), 400),
        (body("x", "data", "/more/x").replace("<name>host", "<name>other"), 404),
        (body("x", "data", "/more/x").replace("<host><name>host</name></host>", ""), 400),
    ] {
        let got = sim.post("/storagedomains", &document).await;
        assert_eq!(got.status, status, "{document}: {}", got.body);
        assert!(got.body.contains("<fault>"));
    }
    sim.domain("second", "data").await;
    sim.post("/storagedomains", &body("other", "data", "/more/second")).await.is(409);
}

#[tokio::test]
async fn iso_files_come_and_go() {
    let sim = Sim::start().await;
    let iso = format!("/storagedomains/{}", sim.iso().await);
    let path = format!("{iso}/files/new.iso");
    let made = sim.send("PUT", &path, &[], vec![7; 3 << 20]).await.is(201);
    assert_eq!(made.at("@id"), "new.iso");
    sim.send("PUT", &path, &[], "shorter").await.is(200);
    sim.get(&path).await.is(200);
    let capital = format!("{iso}/files/UP.ISO");
    sim.send("PUT", &capital, &[], "iso").await.is(201);
    sim.get(&capital).await.is(200);
    sim.delete(&capital).await.is(204);
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.start_vm(vm).await;
    let cdrom = format!("/vms/{vm}/cdroms/{BLANK};current");
    sim.put(&cdrom, "<cdrom><file id='new.iso'/></cdrom>").await.is(200);
    sim.delete(&path).await.is(409);
    let inside = format!("{CENTER}{iso}");
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(409);
    sim.put(&cdrom, "<cdrom><file id=''/></cdrom>").await.is(200);
    sim.delete(&path).await.is(204);
    sim.delete(&path).await.is(404);
    for bad in ["x.img", ".iso", ".hidden.iso", "..%2Fx.iso", "a%2Fb.iso", "x.iso%00", "a%0Ab.iso"] {
        let got = sim.send("PUT", &format!("{iso}/files/{bad}"), &[], "x").await;
        assert!(matches!(got.status, 400 | 404), "{bad}: {}", got.status);
    }
    sim.send("PUT", &format!("/storagedomains/{DATA}/files/x.iso"), &[], "x").await.is(404);
    sim.send("PUT", &format!("{iso}/files/packed.iso"), &[("content-encoding", "gzip")], "x").await.is(415);
    sim.images.set_capacity(0);
    sim.send("PUT", &path, &[("content-length", "5")], "12345").await.is(409);
    sim.images.set_capacity(1024 * GIB);
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    sim.send("PUT", &path, &[], "x").await.is(409);
}

impl Sim {
    async fn disk_in(&self, domain: &str) -> Got {
        let headers = [("content-type", "application/xml"), CREATED];
        self.send("POST", &format!("/storagedomains/{domain}/disks"), &headers, disk_body("d")).await
    }
}

#[tokio::test]
async fn a_suspended_vm_wakes_when_its_storage_is_there() {
    let sim = Sim::start().await;
    let other = sim.domain("other", "data").await;
    let vm = sim.vm("a").await;
    let disk = disk_body("d").replace(DATA, &other);
    let on = format!("/vms/{vm}/disks");
    sim.send("POST", &on, &[("content-type", "application/xml"), CREATED], disk).await.is(201);
    sim.start_vm(vm).await;
    let place = format!("/datacenters/00000002-0002-0002-0002-000000000255/storagedomains/{other}");
    sim.post(&format!("{place}/deactivate"), "<action/>").await.is(409);
    sim.post(&format!("/vms/{vm}/suspend"), "<action/>").await.is(202);
    sim.is_in(vm, "suspended").await;
    sim.post(&format!("{place}/deactivate"), "<action/>").await.is(200);
    let refused = sim.post(&format!("/vms/{vm}/start"), "<action/>").await.is(409);
    assert!(refused.at("fault/detail").contains("Maintenance"), "{}", refused.body);
    sim.is_in(vm, "suspended").await;
    sim.post(&format!("{place}/activate"), "<action/>").await.is(200);
    sim.start_vm(vm).await;
}
