//! VMs from their creation to their end.

use super::disks::created;
use super::*;

#[tokio::test]
async fn a_vm_in_full() {
    let sim = Sim::start().await;
    let body = format!(
        "<vm><name>web</name><description>Front</description><cluster id='{CLUSTER}'/><template id='{BLANK}'/>\
         <memory>536870912</memory><cpu><topology sockets='2' cores='2'/></cpu><type>server</type>\
         <os type='other_linux'><boot dev='network'/><boot dev='hd'/></os>\
         <display><type>spice</type></display><high_availability><enabled>true</enabled>\
         <priority>50</priority></high_availability></vm>"
    );
    let made = sim.post("/vms", &body).await.is(201);
    let id: VmId = made.at("@id").parse().unwrap();
    assert_eq!(made.header("location"), format!("https://vireo:8443/ovirt-engine/api/vms/{id}"));
    let full = [("all-content", "true")];
    let shown = sim.send("GET", &format!("/vms/{id}"), &full, "").await.is(200);
    assert_eq!(made.body, without_ovf(&shown.body));
    let ids = [("VM", id.to_string()), ("CPU", sim.get("/cpuprofiles").await.at("cpu_profile/@id"))];
    golden("vm.xml", &masked(&without_ovf(&shown.body), &ids));
    let listed = sim.send("GET", "/vms", &full, "").await.is(200).xml();
    let [mut listed, mut shown] = [listed.first("vm").unwrap().clone(), shown.xml()];
    for vm in [&mut listed, &mut shown] {
        vm.remove("initialization");
    }
    assert_eq!(listed, shown);
    let json = sim.send("GET", &format!("/vms/{id}"), &[("accept", "application/json")], "").await.json();
    assert_eq!(json["memory"], 536_870_912);
    assert_eq!(json["cpu"]["topology"]["sockets"], "2");
    assert_eq!(json["os"]["boot"], serde_json::json!([{"dev": "network"}, {"dev": "hd"}]));
    assert_eq!(json["stateless"], "false");
    assert!(json["creation_time"].is_number());
}

#[tokio::test]
async fn a_vm_may_be_sent_in_json_with_numbers_or_texts() {
    let sim = Sim::start().await;
    let headers = [("content-type", "application/json"), ("accept", "application/json")];
    for (name, body) in [
        (
            "a",
            r#"{"name":"a","cluster":{"name":"Default"},"template":{"name":"Blank"},"memory":536870912,"stateless":true}"#,
        ),
        (
            "b",
            r#"{"vm":{"name":"b","cluster":{"name":"Default"},"template":{"name":"Blank"},"memory":"536870912","stateless":"true"}}"#,
        ),
    ] {
        let made = sim.send("POST", "/vms", &headers, body).await.is(201).json();
        assert_eq!(
            (&made["name"], &made["memory"], &made["stateless"]),
            (&name.into(), &536_870_912.into(), &"true".into())
        );
    }
}

#[tokio::test]
async fn an_update_may_send_back_the_whole_document() {
    let sim = Sim::start().await;
    let vm = sim.vm("before").await;
    let path = format!("/vms/{vm}");
    for headers in [&[][..], &[("all-content", "true")]] {
        let read = sim.send("GET", &path, headers, "").await.is(200).body;
        let same = sim.put(&path, &read).await.is(200);
        let shown = sim.send("GET", &path, &[("all-content", "true")], "").await;
        assert_eq!(same.body, without_ovf(&shown.body));
    }
    let changed = sim.get(&path).await.body.replace("<name>before<", "<name>after<");
    assert_eq!(sim.put(&path, &changed).await.is(200).at("name"), "after");
    // The same in JSON.
    let json = [("accept", "application/json"), ("content-type", "application/json")];
    let mut read = sim.send("GET", &path, &json, "").await.json();
    read["description"] = "changed".into();
    let got = sim.send("PUT", &path, &json, read.to_string()).await.is(200).json();
    assert_eq!((&got["name"], &got["description"]), (&"after".into(), &"changed".into()));
    // A running VM takes what is the same as before.
    sim.disk(&format!("{path}/disks"), "d").await;
    sim.start_vm(vm).await;
    let read = sim.get(&path).await.body.replace("<name>after<", "<name>running<");
    assert_eq!(sim.put(&path, &read).await.is(200).at("name"), "running");
}

#[tokio::test]
async fn the_life_of_a_vm() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let path = format!("/vms/{vm}");
    let act = async |action: &str| sim.post(&format!("{path}/{action}"), "<action/>").await;
    act("start").await.is(409);
    sim.disk(&format!("{path}/disks"), "d").await;
    let got = act("start").await.is(200);
    assert_eq!((got.at("status/state"), got.at("vm/@id")), ("complete".into(), vm.to_string()));
    sim.is_in(vm, "up").await;
    let shown = sim.get(&path).await;
    assert_eq!(shown.at("display/address"), "127.0.0.1");
    assert!(!shown.at("display/port").is_empty() && !shown.at("host/@id").is_empty());
    assert!(!shown.at("start_time").is_empty());
    act("start").await.refused(409, "Operation Failed", "[Cannot run VM. VM is running.]");
    sim.delete(&path).await.refused(409, "Operation Failed", "[Cannot remove VM. VM is running.]");
    let ticket = sim
        .post(&format!("{path}/ticket"), "<action><ticket><expiry>120</expiry></ticket></action>")
        .await
        .is(200);
    assert_eq!((ticket.at("ticket/value").len(), ticket.at("ticket/expiry")), (8, "120".into()));
    let suspending = act("suspend").await.is(202);
    assert_eq!(suspending.at("status/state"), "pending");
    sim.is_in(vm, "suspended").await;
    sim.complete(&suspending.at("@href")).await;
    act("reboot").await.is(409);
    act("start").await.is(200);
    sim.is_in(vm, "up").await;
    act("reboot").await.is(200);
    act("shutdown").await.is(200);
    sim.is_in(vm, "down").await;
    for action in ["stop", "shutdown"] {
        assert_eq!(act(action).await.is(200).at("status/state"), "complete", "{action}");
    }
    // Who is paused does not hear the button: he is stopped.
    sim.post(&format!("{path}/start"), "<action><pause>true</pause></action>").await.is(200);
    sim.is_in(vm, "paused").await;
    act("shutdown").await.is(200);
    sim.is_in(vm, "down").await;
    assert!(sim.get(&path).await.at("host/@id").is_empty());
    for action in ["suspend", "reboot", "ticket", "freezefilesystems"] {
        let got = act(action).await.is(409);
        assert_eq!(got.at("status/state"), "failed", "{action}");
    }
    // Who sends nothing is answered as who sends an empty action.
    assert_eq!(sim.post(&format!("{path}/suspend"), "").await.is(409).at("status/state"), "failed");
    let got = sim.delete(&path).await.is(204);
    assert_eq!(got.body, "");
    sim.get(&path).await.is(404);
    assert!(sim.get("/disks").await.is(200).each("disk", "@id").is_empty());
}

#[tokio::test]
async fn who_does_not_wait_is_answered_at_once() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let path = format!("/vms/{vm}");
    let refused = sim.post(&format!("{path}/start;async=true"), "<action/>").await.is(409);
    assert_eq!(refused.at("status/state"), "failed");
    let disk = sim.disk(&format!("{path}/disks"), "d").await;
    sim.post(&format!("{path}/start;async=true"), "<action/>").await.is(202);
    sim.is_in(vm, "up").await;
    sim.hypervisor.ignore_requests(vm);
    let at = format!("{path}/disks/{disk}");
    let pending = sim.post(&format!("{at}/deactivate;async=true"), "<action/>").await.is(202);
    assert_eq!(pending.at("status/state"), "pending");
    assert_eq!(sim.get(&at).await.at("active"), "true");
    sim.hypervisor.heed_requests(vm);
    sim.until("inactive", || !sim.engine.world().attachments_of(disk).any(|on| on.active)).await;
    assert_eq!(sim.get(&at).await.at("active"), "false");
    sim.post(&format!("{at}/activate"), "<action/>").await.is(200);
    for expects in ["expect", "x-ovirt-expect"] {
        let stop = format!("{path}/stop");
        sim.send(
            "POST",
            &stop,
            &[(expects, "202-accepted"), ("content-type", "application/xml")],
            "<action/>",
        )
        .await
        .is(202);
        sim.is_in(vm, "down").await;
        sim.post(&format!("{path}/start;async=false"), "<action/>").await.is(200);
    }
    sim.post(&format!("{path}/stop"), "<action/>").await.is(200);
    sim.delete(&format!("{path};async=true")).await.is(202);
    sim.until("gone", || sim.engine.vm(vm).is_err()).await;
    sim.get(&path).await.is(404);
}

#[tokio::test]
async fn there_is_nowhere_to_migrate_to() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let migrate = format!("/vms/{vm}/migrate");
    assert_eq!(sim.post(&migrate, "<action/>").await.is(409).at("status/state"), "failed");
    sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    sim.start_vm(vm).await;
    let host = sim.get("/hosts").await.at("host/@id");
    let to = format!("<action><host id='{host}'/></action>");
    let refused = sim.post(&migrate, &to).await.is(409);
    assert!(refused.at("fault/detail").contains("There is no host"), "{}", refused.body);
    sim.post(&format!("/vms/{UNKNOWN}/migrate"), "<action/>").await.is(404);
    let cancel = sim.post(&format!("/vms/{vm}/cancelmigration"), "<action/>").await.is(409);
    assert_eq!(cancel.at("fault/detail"), "[Cannot cancel migration for non migrating VM.]");
    let maintenance = format!("/vms/{vm}/maintenance");
    let missing = sim.post(&maintenance, "<action/>").await.is(400);
    assert!(missing.body.contains("maintenance_enabled"), "{}", missing.body);
    let enabled = "<action><maintenance_enabled>true</maintenance_enabled></action>";
    assert!(sim.post(&maintenance, enabled).await.is(400).body.contains("hosted engine"));
}

#[tokio::test]
async fn a_list_without_its_items_tells_their_number() {
    let sim = Sim::start().await;
    sim.vm("a").await;
    for (detail, size, items) in [("size", "1", 1), ("size-main", "1", 0), ("-main", "", 0)] {
        let got = sim.get(&format!("/vms;detail={detail}")).await.is(200);
        assert_eq!((got.at("size"), got.each("vm", "@id").len()), (size.into(), items), "{detail}");
    }
}

#[tokio::test]
async fn a_vm_goes_and_its_disks_stay_when_asked_to() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    let keep = "<action><vm><disks><detach_only/></disks></vm></action>";
    sim.with_body("DELETE", &format!("/vms/{vm}"), keep).await.is(204);
    sim.get(&format!("/disks/{disk}")).await.is(200);
}

#[tokio::test]
async fn refusals_in_the_words_that_clients_know() {
    let sim = Sim::start().await;
    let vm = sim.vm("taken").await;
    let new = |more: &str| {
        format!(
            "<vm><cluster><name>Default</name></cluster><template><name>Blank</name></template>{more}</vm>"
        )
    };
    let named = |name: &str| new(&format!("<name>{name}</name>"));
    for (body, status, reason, detail) in [
        ("<vm><name>a</name><template id='x'/></vm>".to_owned(), 400, "Incomplete parameters", "VM [cluster.id|name] required for add"),
        (new(""), 400, "Incomplete parameters", "VM [name] required for add"),
        ("<vm><name>a</name><cluster><name>Default</name></cluster></vm>".to_owned(), 400, "Incomplete parameters", "VM [template.id|name] required for add"),
        (named("taken"), 400, "Operation Failed", "[The VM name is already in use, please choose a unique name and try again.]"),
        (new("<name>a</name><os type='dos'/>"), 400, "Invalid value", "dos is not a member of OsType."),
        (new("<name>a</name><type>mainframe</type>"), 400, "Invalid value", "mainframe is not a member of VmType. Possible values for VmType are: desktop, server"),
        ("<vm><name>a</name><cluster><name>nope</name></cluster><template><name>Blank</name></template></vm>".to_owned(), 404, "Operation Failed", "Entity not found: Cluster: name=nope"),
        (format!("<vm><name>a</name><cluster id='{CLUSTER}'/><template id='{UNKNOWN}'/></vm>"), 404, "Operation Failed", &*format!("Entity not found: Template: id={UNKNOWN}")),
    ] {
        sim.post("/vms", &body).await.refused(status, reason, detail);
    }
    let unassigned = sim.post("/vms", &new("<name>b</name><os type='unassigned'/>")).await.is(201);
    assert_eq!(unassigned.at("os/@type"), "other");
    let path = format!("/vms/{vm}");
    sim.put(&path, &format!("<vm id='{UNKNOWN}'/>")).await.refused(
        409,
        "Broken immutability constraint",
        "Attempt to set immutable field: id",
    );
    sim.put(&path, "<vm><delete_protected>true</delete_protected></vm>").await.is(200);
    sim.delete(&path).await.refused(
        409,
        "Operation Failed",
        "[Cannot remove VM. Delete protection is enabled. In order to delete, disable Delete protection first.]",
    );
    sim.disk(&format!("{path}/disks"), "d").await;
    sim.start_vm(vm).await;
    let got = sim.put(&path, "<vm><cpu><topology cores='2'/></cpu></vm>").await.is(400);
    assert!(got.at("detail").contains("There was an attempt to change VM values while the VM is not down"));
    let next = format!("{path};next_run");
    sim.put(&next, "<vm><cpu><topology cores='2'/></cpu></vm>").await.is(200);
    assert_eq!(sim.get(&next).await.at("cpu/topology/@cores"), "2");
    let now = sim.get(&path).await;
    assert_eq!(
        (now.at("cpu/topology/@cores"), now.at("next_run_configuration_exists")),
        ("1".into(), "true".into())
    );
    // What the next run is to be stays possible.
    sim.put(&next, "<vm><stateless>true</stateless><display><type>spice</type></display></vm>").await.is(200);
    let available = "<vm><high_availability><enabled>true</enabled></high_availability></vm>";
    sim.put(&path, available).await.is(400);
    assert_eq!(sim.get(&path).await.at("high_availability/enabled"), "false");
    let shown = [sim.get(&path).await.at("display/type"), sim.get(&next).await.at("display/type")];
    assert_eq!(shown, ["vnc", "spice"]);
    sim.post(&format!("{path}/stop"), "<action/>").await.is(200);
    sim.put(&path, "<vm><description>d</description><stateless>false</stateless></vm>").await.is(200);
    sim.put(&path, available).await.is(200);
    let pinned = "<vm><placement_policy><affinity>pinned</affinity></placement_policy></vm>";
    sim.put(&path, pinned).await.refused(
        400,
        "Operation Failed",
        "[A highly available VM cannot be pinned to a host.]",
    );
}

#[tokio::test]
async fn searches_sort_and_page() {
    let sim = Sim::start().await;
    for name in ["web2", "db1", "web1", "Web3"] {
        sim.vm(name).await;
    }
    let names = async |path: &str| sim.get(path).await.is(200).each("vm", "name");
    assert_eq!(names("/vms?search=name%3Dweb*+sortby+name+desc").await, ["web2", "web1"]);
    assert_eq!(
        names("/vms;case_sensitive=False?search=name%3Dweb*+sortby+name").await,
        ["web1", "web2", "Web3"]
    );
    assert_eq!(names("/vms;max=1?search=name%3Dweb*+sortby+name+asc+page+2").await, ["web2"]);
    assert_eq!(names("/vms?search=status%3Ddown+and+name%3Ddb1").await, ["db1"]);
    assert_eq!(names("/vms?search=name%3Ddb1+or+name%3Dweb1").await.len(), 2);
    assert_eq!(names("/vms;max=2").await.len(), 2);
    assert!(names("/vms?search=name%3Dnope").await.is_empty());
    assert_eq!(names("/vms?search=web+and+status%3Ddown+sortby+name").await, ["web1", "web2"]);
    assert_eq!(names("/vms?search=creationdate%3Dtoday+and+template.name%3DBlank+name%3Ddb*").await, ["db1"]);
    assert_eq!(names("/vms?search=Clusters.name%3DDefault+name%3Dweb*+sortby+name").await, ["web1", "web2"]);
    assert!(names("/vms?search=Storage.name%3Ddata").await.is_empty());
    for bad in [
        "name%3D",
        "nope%3D1",
        "name%3D%27x%27",
        "page+x",
        "status%3Dnope",
        "memory%3Dmuch",
        "name%3Ea",
        "up+down",
    ] {
        sim.get(&format!("/vms?search={bad}")).await.is(400);
    }
    // A client looks a name up as if it were an id.
    sim.get("/vms/web1").await.is(404);
}

#[tokio::test]
async fn a_vm_is_placed_on_the_host_or_nowhere() {
    let sim = Sim::start().await;
    let host = sim.get("/hosts").await.at("host/@id");
    let path = format!("/vms/{}", sim.vm("a").await);
    let placed = |which: &str| {
        format!("<vm><placement_policy>{which}<affinity>pinned</affinity></placement_policy></vm>")
    };
    let shown = sim.put(&path, &placed(&format!("<host id='{host}'/>"))).await.is(200);
    assert_eq!(shown.at("placement_policy/host/@id"), host);
    assert_eq!(shown.at("placement_policy/hosts/host/@id"), host);
    sim.put(&path, "<vm><placement_policy><affinity>migratable</affinity></placement_policy></vm>")
        .await
        .is(200);
    assert_eq!(sim.get(&path).await.at("placement_policy/host/@id"), host, "what is not said stays");
    for unknown in ["<host><name>nope</name></host>", "<hosts><host><name>nope</name></host></hosts>"] {
        sim.put(&path, &placed(unknown)).await.is(404);
        let once = format!("<action>{}</action>", placed(unknown));
        sim.post(&format!("{path}/start"), &once).await.is(404);
    }
    sim.put(&path, &placed("<hosts/>")).await.is(200);
    assert!(sim.get(&path).await.at("placement_policy/host/@id").is_empty());
}

#[tokio::test]
async fn a_vm_stops_while_a_device_is_on_its_way() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disks = format!("/vms/{vm}/disks");
    let disk = format!("{disks}/{}", sim.disk(&disks, "d").await);
    // The other one moves up in the boot order.
    sim.disk(&disks, "e").await;
    sim.start_vm(vm).await;
    assert_eq!(sim.get(&disk).await.at("active"), "true");
    sim.hypervisor.ignore_requests(vm);
    let deactivate = format!("{disk}/deactivate");
    let (ended, stopped) = tokio::join!(sim.post(&deactivate, "<action/>"), async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        sim.post(&format!("/vms/{vm}/stop"), "<action/>").await
    });
    stopped.is(200);
    ended.is(200);
    // Its rows follow as soon as nobody holds it.
    sim.is_in(vm, "down").await;
    assert_eq!(sim.get(&disk).await.at("active"), "false");

    // What has the VM for itself is waited for.
    sim.start_vm(vm).await;
    let snapshots = format!("/vms/{vm}/snapshots");
    let body =
        "<snapshot><description>s</description><persist_memorystate>true</persist_memorystate></snapshot>";
    sim.post(&snapshots, body).await.is(202);
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.is_in(vm, "down").await;
    assert_eq!(sim.get(&snapshots).await.each("snapshot", "snapshot_status"), ["ok", "ok"]);
}

#[tokio::test]
async fn changes_at_once_wait_for_each_other() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let path = format!("/vms/{vm}");
    let nics = format!("{path}/nics");
    let nic = sim.post(&nics, "<nic><name>n</name></nic>").await.is(201).at("@id");
    let disk = sim.disk(&format!("{path}/disks"), "d").await;
    sim.start_vm(vm).await;
    for turn in 0..10 {
        let comment = format!("<vm><comment>{turn}</comment></vm>");
        let description = format!("<vm><description>{turn}</description></vm>");
        let name = format!("<nic><name>n{turn}</name></nic>");
        let alias = format!("<disk><alias>d{turn}</alias></disk>");
        let (nic, disk) = (format!("{nics}/{nic}"), format!("{path}/disks/{disk}"));
        let done = tokio::join!(
            sim.put(&path, &comment),
            sim.put(&path, &description),
            sim.put(&nic, &name),
            sim.put(&disk, &alias),
        );
        for answer in [done.0, done.1, done.2, done.3] {
            answer.is(200);
        }
        let all = sim.get(&path).await;
        assert_eq!([all.at("comment"), all.at("description")], [turn.to_string(), turn.to_string()]);
        assert_eq!(sim.get(&nic).await.at("name"), format!("n{turn}"));
        assert_eq!(sim.get(&disk).await.at("alias"), format!("d{turn}"));
    }
}

#[tokio::test]
async fn names_may_be_as_long_as_they_may() {
    let sim = Sim::start().await;
    let named = |name: &str| {
        format!(
            "<vm><name>{name}</name><cluster id='{CLUSTER}'/><template><name>Blank</name></template></vm>"
        )
    };
    let long = "n".repeat(255);
    let made = sim.post("/vms", &named(&long)).await.is(201);
    assert_eq!(made.at("name"), long);
    let vm: VmId = made.at("@id").parse().unwrap();
    let defined = || sim.defined(vm).value("name").unwrap();
    assert!(defined().len() <= 200, "libvirt names files after it");
    sim.post("/vms", &named(&long)).await.is(400);
    sim.post("/vms", &named(&"n".repeat(256))).await.is(400);
    sim.put(&format!("/vms/{vm}"), "<vm><name>short</name></vm>").await.is(200);
    assert_eq!(defined(), "short");
    let long = "ä".repeat(255);
    assert_eq!(
        sim.put(&format!("/vms/{vm}"), &format!("<vm><name>{long}</name></vm>")).await.is(200).at("name"),
        long
    );
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.start_vm(vm).await;
    assert!(sim.get("/vms?search=host%3D*+and+status%3Ddown").await.each("vm", "@id").is_empty());
    assert_eq!(sim.get("/vms?search=host%3D*").await.each("vm", "@id"), [vm.to_string()]);
}

#[tokio::test]
async fn how_a_vm_would_migrate_its_usb_and_its_domain_are_kept() {
    let sim = Sim::start().await;
    let path = format!("/vms/{}", sim.vm("a").await);
    let shown = sim.get(&path).await;
    assert_eq!([shown.at("migration/auto_converge"), shown.at("usb/type")], ["inherit", ""]);
    let body = "<vm><usb><enabled>true</enabled></usb><domain><name>ex.org</name></domain>\
                <migration><auto_converge>true</auto_converge><compressed>false</compressed></migration></vm>";
    sim.put(&path, body).await.is(200);
    let fields = [
        "usb/type",
        "domain/name",
        "initialization/domain",
        "migration/auto_converge",
        "migration/compressed",
    ];
    let shown = sim.get(&path).await;
    assert_eq!(fields.map(|field| shown.at(field)), ["native", "ex.org", "ex.org", "true", "false"]);
    let body =
        "<vm><usb><type>legacy</type></usb><migration><compressed>inherit</compressed></migration></vm>";
    let shown = sim.put(&path, body).await.is(200);
    assert_eq!([shown.at("usb/type"), shown.at("migration/compressed")], ["legacy", "inherit"]);
    // A client sends back what it was shown, with one of the two changed.
    for (domain, initialization, then) in [("b.org", "ex.org", "b.org"), ("b.org", "c.org", "c.org")] {
        let body = format!(
            "<vm><domain><name>{domain}</name></domain><initialization><domain>{initialization}</domain></initialization></vm>"
        );
        assert_eq!(sim.put(&path, &body).await.is(200).at("initialization/domain"), then);
    }
    for bad in ["<usb><type>3.0</type></usb>", "<migration><compressed>maybe</compressed></migration>"] {
        sim.put(&path, &format!("<vm>{bad}</vm>")).await.is(400);
    }
}

#[tokio::test]
async fn a_time_zone_is_told_by_the_name_that_it_was_given() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let path = format!("/vms/{vm}");
    assert_eq!(sim.get(&path).await.at("time_zone/name"), "Etc/GMT");
    for (name, clock) in [
        ("GMT Standard Time", "Europe/London"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("Etc/UTC", ""),
        ("Europe/London", "Europe/London"),
        ("Etc/GMT", ""),
    ] {
        let body = format!("<vm><time_zone><name>{name}</name></time_zone></vm>");
        let shown = sim.put(&path, &body).await.is(200);
        assert_eq!([shown.at("time_zone/name"), shown.at("timezone")], [name, name]);
        assert_eq!(sim.defined(vm).value("clock/@timezone").unwrap_or_default(), clock);
    }
    sim.put(&path, "<vm><timezone>Moon Standard Time</timezone></vm>").await.is(400);
    // Clients change one of both, and send both.
    let both = |old: &str, new: &str| {
        format!("<vm><timezone>{old}</timezone><time_zone><name>{new}</name></time_zone></vm>")
    };
    for (old, new) in [("Europe/Rome", "Etc/GMT"), ("Europe/Rome", "Europe/London")] {
        let wanted = if new == "Etc/GMT" { old } else { new };
        assert_eq!(sim.put(&path, &both(old, new)).await.is(200).at("time_zone/name"), wanted);
    }
    sim.put(&path, &both("Moon Standard Time", "Europe/London")).await.is(400);
}

#[tokio::test]
async fn a_next_run_that_cannot_be_does_not_stand_in_the_way_of_a_start() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let path = format!("/vms/{vm}");
    sim.disk(&format!("{path}/disks"), "system").await;
    sim.start_vm(vm).await;
    let next = format!("{path};next_run");
    sim.put(&next, "<vm><cpu_shares>77</cpu_shares></vm>").await.is(200);
    // The host refuses it after the stop, and at the start.
    let before = sim.hypervisor.calls();
    sim.hypervisor.fail_at(2);
    sim.post(&format!("{path}/stop"), "<action/>").await.is(200);
    sim.until("it was refused", || sim.hypervisor.calls() == before + 2).await;
    sim.is_in(vm, "down").await;
    assert_eq!(sim.get(&path).await.at("next_run_configuration_exists"), "true");
    sim.hypervisor.fail_at(1);
    sim.post(&format!("{path}/start"), "<action/>").await.is(200);
    sim.is_in(vm, "up").await;
    let shown = sim.get(&path).await;
    assert_eq!([shown.at("next_run_configuration_exists"), shown.at("cpu_shares")], ["false", "0"]);
    let told = sim.get("/events?search=severity%3Derror").await.body;
    assert!(told.contains("stays as it is"), "{told}");
}

#[tokio::test]
async fn why_somebody_stopped_it_is_told_until_it_starts_again() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}");
    sim.disk(&format!("{at}/disks"), "system").await;
    let stop = async |reason: &str| {
        sim.start_vm(vm).await;
        sim.post(&format!("{at}/stop"), &format!("<action><reason>{reason}</reason></action>")).await
    };
    assert_eq!(stop("patching &amp; more").await.is(200).at("reason"), "patching & more");
    assert_eq!(sim.get(&at).await.at("stop_reason"), "patching & more");
    assert_eq!(stop(&"x".repeat(4001)).await.status, 400);
    assert_eq!(sim.get(&at).await.at("status/state"), "up", "nor was it stopped");
    assert_eq!(sim.get(&at).await.at("stop_reason"), "");
}

#[tokio::test]
async fn a_run_may_have_another_keyboard() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    let once = "<action><vm><display><keyboard_layout>de-ch</keyboard_layout></display></vm></action>";
    sim.post(&format!("/vms/{vm}/start"), once).await.is(200);
    let document = vireo::engine::ports::Hypervisor::document(&sim.hypervisor, vm, false).unwrap();
    let live = xml::parse(document.unwrap().as_bytes()).unwrap();
    assert_eq!(live.value("devices/graphics/@keymap").as_deref(), Some("de-ch"));
    assert_eq!(sim.get(&format!("/vms/{vm}")).await.at("display/keyboard_layout"), "");
}

#[tokio::test]
async fn how_an_action_ended_is_not_the_clients_to_say() {
    let sim = Sim::start().await;
    let at = format!("/vms/{}", sim.vm("a").await);
    let said = "<status><state>failed</state></status><fault><reason>R</reason><detail>D</detail></fault>";
    let got = sim.post(&format!("{at}/stop"), &format!("<action>{said}</action>")).await.is(200);
    assert_eq!((got.at("status/state"), got.at("fault/reason")), ("complete".into(), String::new()));
    let got = sim.post(&format!("{at}/reboot"), &format!("<action>{said}</action>")).await.is(409);
    assert_eq!(
        (got.at("status/state"), got.at("fault/reason")),
        ("failed".into(), "Operation Failed".into())
    );
}

fn machine(name: &str) -> String {
    format!("<vm><custom_emulated_machine>{name}</custom_emulated_machine></vm>")
}

fn disk_on(interface: &str) -> String {
    disk_body("a").replace(">virtio<", &format!(">{interface}<"))
}

#[tokio::test]
async fn another_chipset_has_other_places_for_disks() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}");
    sim.put(&at, &machine("pc")).await.is(200);
    let disks = format!("{at}/disks");
    for interface in ["virtio_scsi", "virtio", "ide", "ide", "ide"] {
        created(&sim, &disks, disk_on(interface)).await;
    }
    let targets = || {
        let defined = sim.defined(vm);
        let disks = defined.every("devices/disk");
        let disks = disks.iter().filter(|disk| disk.get("device") == Some("disk"));
        disks.map(|disk| disk.value("target/@dev").unwrap()).collect::<Vec<_>>()
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(targets()), ["hda", "hdb", "hdd", "sda", "vda"]);
    sim.put(&at, &machine("q35")).await.is(200);
    assert_eq!(sorted(targets()), ["hda", "hdb", "hdd", "sdb", "vda"]);
    created(&sim, &disks, disk_on("ide")).await;
    sim.put(&at, &machine("pc")).await.refused(
        409,
        "Operation Failed",
        "[Cannot update VM. The VM has no free place for another disk on its ide bus.]",
    );
    assert_eq!(sorted(targets()), ["hda", "hdb", "hdc", "hdd", "sdb", "vda"]);

    // A run's own machine changes no rows.
    sim.post(&format!("{at}/start"), &format!("<action>{}</action>", machine("pc"))).await.refused(
        400,
        "Operation Failed",
        "[Maximum IDE devices exceeded: there is no place for the disk hdc.]",
    );

    // What the next run is to be, it is as a whole.
    let other = sim.vm("b").await;
    let at = format!("/vms/{other}");
    sim.put(&at, &machine("pc")).await.is(200);
    created(&sim, &format!("{at}/disks"), disk_on("virtio_scsi")).await;
    sim.start_vm(other).await;
    sim.put(&format!("{at};next_run"), &machine("q35")).await.is(200);
    sim.post(&format!("{at}/stop"), "<action/>").await.is(200);
    let is_moved = || {
        let defined = sim.defined(other);
        defined.every("devices/disk").iter().any(|disk| disk.value("target/@dev").as_deref() == Some("sdb"))
    };
    sim.until("moved for the next run", is_moved).await;
}

#[tokio::test]
async fn disks_that_came_later_are_in_no_ones_way() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}");
    let disks = format!("{at}/disks");
    sim.put(&at, &machine("pc")).await.is(200);
    let first = created(&sim, &disks, disk_on("virtio")).await.at("@id");
    created(&sim, &disks, disk_on("ide")).await;
    let snapshots = format!("{at}/snapshots");
    let taken = sim.take(vm, "").await;

    // One has the name of one that comes back, others have none on the machine of then.
    sim.put(&format!("{disks}/{first}"), "<disk><interface>virtio_scsi</interface></disk>").await.is(200);
    sim.put(&at, &machine("q35")).await.is(200);
    let later = created(&sim, &disks, disk_on("virtio")).await.at("@id");
    for _ in 0..4 {
        created(&sim, &disks, disk_on("ide")).await;
    }
    let again = "<action><async>false</async></action>";
    sim.post(&format!("{snapshots}/{taken}/restore"), again).await.is(200);
    sim.put(&at, "<vm><description>x</description></vm>").await.is(200);
    let target = |id: &str| {
        let defined = sim.defined(vm);
        let alias = format!("ua-{id}");
        let disks = defined.every("devices/disk");
        let disk = disks.into_iter().find(|disk| disk.value("alias/@name").as_deref() == Some(&alias));
        disk.and_then(|disk| disk.value("target/@dev"))
    };
    assert_eq!((target(&first).as_deref(), target(&later)), (Some("vda"), None));
    sim.post(&format!("{disks}/{later}/activate"), "<action/>").await.is(200);
    assert_eq!(target(&later).as_deref(), Some("vdb"));
}

#[tokio::test]
async fn what_the_next_run_has_no_place_for_is_refused() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    created(&sim, &format!("/vms/{vm}/disks"), disk_body("first")).await;
    sim.start_vm(vm).await;
    let next = "<vm><virtio_scsi><enabled>false</enabled></virtio_scsi></vm>";
    sim.put(&format!("/vms/{vm};next_run"), next).await.is(200);
    let detail =
        "[Cannot attach Virtual Machine Disk. The configuration of the VM's next run has no place for it.]";
    sim.post(&format!("/vms/{vm}/disks"), &disk_on("virtio_scsi")).await.refused(
        409,
        "Operation Failed",
        detail,
    );
    created(&sim, &format!("/vms/{vm}/disks"), disk_body("b")).await;
}
