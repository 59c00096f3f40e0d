//! Searches by what others have: `Storage.name=`, `users.usrname=` and the like.

use super::*;
use vireo::engine::ports::Hypervisor;

async fn finds(sim: &Sim, collection: &str, item: &str, query: &str) -> Vec<String> {
    let query = query.replace(' ', "+").replace('=', "%3D").replace('>', "%3E").replace('"', "%22");
    sim.get(&format!("/{collection}?search={query}")).await.is(200).each(item, "name")
}

#[tokio::test]
async fn what_old_clients_search_for_is_understood() {
    let sim = Sim::start().await;
    for (search, count) in [
        ("/diskprofiles?search=datacenter%3DDefault", 1),
        ("/vnicprofiles?search=datacenter%3DDefault", 1),
        ("/storagedomains?search=type%3Dlocalfs", 2),
        ("/storagedomains?search=type%3Diso", 1),
        ("/storagedomains?search=type%3Dnfs", 0),
        ("/users?search=usrname%3Dadmin", 1),
        ("/users?search=usrname%3Dadmin%40internal", 1),
        ("/users?search=usrname%3Dadmin%40other", 0),
    ] {
        let found = sim.get(search).await.is(200);
        assert_eq!(found.xml().elements().count(), count, "{search}: {}", found.body);
    }
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    let accept = [("accept", "application/xml; detail=disks; detail=nics; detail=hosts")];
    let shown = sim.send("GET", &format!("/vms/{vm}"), &accept, "").await.is(200);
    assert_eq!(shown.at("disks/disk/alias"), "system");
}

#[tokio::test]
async fn what_others_have_is_searched() {
    let sim = Sim::start().await;
    let (web, db) = (sim.vm("web").await, sim.vm("db").await);
    sim.disk(&format!("/vms/{web}/disks"), "system").await;
    let nic = "<nic><name>nic1</name><network><name>ovirtmgmt</name></network></nic>";
    sim.post(&format!("/vms/{web}/nics"), nic).await.is(201);
    let body = "<user><user_name>anna@internal</user_name><password>secret</password></user>";
    let anna = sim.post("/users", body).await.is(201).at("@id");
    let given = format!("<permission><role><name>UserRole</name></role><user id='{anna}'/></permission>");
    sim.post(&format!("/vms/{db}/permissions"), &given).await.is(201);
    sim.post("/tags", "<tag><name>sites</name></tag>").await.is(201);
    sim.post("/tags", "<tag><name>prod</name><parent><tag><name>sites</name></tag></parent></tag>")
        .await
        .is(201);
    sim.post(&format!("/vms/{db}/tags"), "<tag><name>prod</name></tag>").await.is(201);
    sim.start_vm(web).await;

    for (query, names) in [
        ("network_usage>=0 and name=web", &["web"][..]),
        ("Storage.name=data", &["web"]),
        ("storage.type=data and name=*", &["web"]),
        ("Vnic.network_name=ovirtmgmt", &["web"]),
        ("vnic.name!=nic1", &["db"]),
        ("Hosts.name=host", &["web"]),
        ("hosts.status=up", &["web"]),
        ("host.address=host.example.com", &["web"]),
        ("Templates.name=Blank sortby name desc", &["web", "db"]),
        ("template.description=\"Blank template\"", &["db", "web"]),
        ("users.usrname=anna@internal", &["db"]),
        ("user.login=anna or status=up", &["db", "web"]),
        ("Clusters.name=Default and datacenter=Default", &["db", "web"]),
        ("Events.severity=error", &[]),
        ("Events.type=32", &["web"]),
        ("event.message=\"VM db was created*\"", &["db"]),
        ("event.time>yesterday and name=web", &["web"]),
        ("tag=prod", &["db"]),
        ("tag=sites", &["db"]),
        ("name=WEB", &[]),
        ("name=db page 2", &[]),
    ] {
        assert_eq!(finds(&sim, "vms", "vm", query).await, names, "{query}");
    }
    let found =
        sim.get("/vms;case_sensitive=false;max=1?search=name%3DWEB+or+name%3DDB+page+2").await.is(200);
    assert_eq!(found.each("vm", "name"), ["web"]);
    for (collection, item, query, names) in [
        ("hosts", "host", "vms.name=web", &["host"][..]),
        ("hosts", "host", "vm.name=db", &[]),
        ("hosts", "host", "external_status=ok and committed_mem>1000", &["host"]),
        ("hosts", "host", "storage.name=iso and event.type=13", &["host"]),
        ("hosts", "host", "nic.network_name=ovirtmgmt and network_usage>=0", &["host"]),
        ("clusters", "cluster", "storage.name=data and cluster_network.name=ovirtmgmt", &["Default"]),
        ("clusters", "cluster", "cluster_network.network_name=ovirtmgmt", &["Default"]),
        ("networks", "network", "cluster_network.cluster_name=Default", &["ovirtmgmt"]),
        ("networks", "network", "host_network.host_name=host", &["ovirtmgmt"]),
        ("datacenters", "data_center", "network.name=ovirtmgmt", &["Default"]),
        ("networks", "network", "cluster_network.name=Default", &["ovirtmgmt"]),
        ("networks", "network", "host_network.name=none", &[]),
        ("storagedomains", "storage_domain", "cluster.name=Default sortby name desc", &["iso", "data"]),
        ("storagedomains", "storage_domain", "hosts.name=host and type=iso", &["iso"]),
        ("templates", "template", "vms.name=web", &["Blank"]),
        ("templates", "template", "childcount>1", &["Blank"]),
        ("disks", "disk", "datacenter=Default and storage.type=data", &["system"]),
        ("users", "user", "vms.name=db", &["anna"]),
        ("users", "user", "events.type=32", &["admin"]),
        ("users", "user", "vm.name=web", &[]),
    ] {
        assert_eq!(finds(&sim, collection, item, query).await, names, "{collection}: {query}");
    }
    let of_web = sim.get("/events?search=vms.name%3Dweb+and+vm.status%3Dup+and+type%3D32").await.is(200);
    assert_eq!(of_web.each("event", "vm/@id"), [web.to_string()]);
    for bad in ["vms?search=hosts.nothing%3Dx", "vms?search=host.status%3Dnope", "hosts?search=load%3Dhigh"] {
        sim.get(&format!("/{bad}")).await.is(400);
    }
}

#[tokio::test]
async fn what_counts_for_a_quota_is_found_by_its_name() {
    let sim = Sim::start().await;
    let center = "/datacenters/00000002-0002-0002-0002-000000000255";
    let quota = sim.post(&format!("{center}/quotas"), "<quota><name>q1</name></quota>").await.is(201);
    let counts = format!("<quota id='{}'/>", quota.at("@id"));
    let (web, _) = (sim.vm("web").await, sim.vm("db").await);
    sim.put(&format!("/vms/{web}"), &format!("<vm>{counts}</vm>")).await.is(200);
    let disk = disk_body("system").replace("</disk>", &format!("{counts}</disk>"));
    sim.post("/disks", &disk).await.is(202);
    for (query, names) in [("quota=q1", ["web"]), ("quota=*", ["web"]), ("quota!=q1", ["db"])] {
        assert_eq!(finds(&sim, "vms", "vm", query).await, names, "{query}");
    }
    assert_eq!(finds(&sim, "disks", "disk", "quota=q1").await, ["system"]);
    assert_eq!(finds(&sim, "templates", "template", "quota=q1").await, [] as [&str; 0]);
}

#[tokio::test]
async fn domains_of_others_are_found_by_name() {
    let sim = Sim::start().await;
    sim.vm("own").await;
    let id = VmId::random();
    let document = format!(
        "<domain type='kvm'><name>strange</name><uuid>{id}</uuid><memory>65536</memory><os><type>hvm</type></os>\
         </domain>"
    );
    sim.hypervisor.define(&document).unwrap();
    sim.until("it is seen", || sim.engine.vm(id).is_ok()).await;
    assert_eq!(finds(&sim, "vms", "vm", "name=strange").await, ["strange"]);
    assert_eq!(finds(&sim, "vms", "vm", "name=*n*").await, ["own", "strange"]);
}
