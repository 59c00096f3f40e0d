//! Where VMs live, and who and what there is beside them.

use super::*;

/// Ids that are drawn at the first start.
async fn drawn(sim: &Sim) -> Vec<(&'static str, String)> {
    let mut ids = Vec::new();
    for (word, collection, item) in [
        ("HOST", "hosts", "host"),
        ("VNIC", "vnicprofiles", "vnic_profile"),
        ("CPU", "cpuprofiles", "cpu_profile"),
    ] {
        ids.push((word, sim.get(&format!("/{collection}")).await.at(&format!("{item}/@id"))));
    }
    let domains = sim.get("/storagedomains").await.is(200);
    assert_eq!(domains.each("storage_domain", "name"), ["data", "iso"]);
    ids.push(("ISO", domains.each("storage_domain", "@id")[1].clone()));
    ids
}

#[tokio::test]
async fn the_first_world_in_full() {
    let sim = Sim::start().await;
    let ids = drawn(&sim).await;
    for collection in [
        "datacenters",
        "clusters",
        "hosts",
        "storagedomains",
        "networks",
        "vnicprofiles",
        "diskprofiles",
        "cpuprofiles",
        "templates",
        "users",
    ] {
        for (format, suffix) in [("application/xml", "xml"), ("application/json", "json")] {
            let got = sim.send("GET", &format!("/{collection}"), &[("accept", format)], "").await.is(200);
            let mut body = masked(&got.body, &ids);
            body.push_str(if body.ends_with('\n') { "" } else { "\n" });
            golden(&format!("{collection}.{suffix}"), &body);
        }
    }
}

#[tokio::test]
async fn items_are_as_in_their_lists_and_unknown_ones_are_not_there() {
    let sim = Sim::start().await;
    for (collection, item) in [
        ("datacenters", "data_center"),
        ("clusters", "cluster"),
        ("hosts", "host"),
        ("storagedomains", "storage_domain"),
        ("networks", "network"),
        ("vnicprofiles", "vnic_profile"),
        ("diskprofiles", "disk_profile"),
        ("cpuprofiles", "cpu_profile"),
        ("templates", "template"),
        ("operatingsystems", "operating_system"),
        ("users", "user"),
    ] {
        let list = sim.get(&format!("/{collection}")).await.is(200).xml();
        assert!(list.all(item).next().is_some(), "{collection}");
        for listed in list.all(item) {
            let href = listed.get("href").unwrap().strip_prefix("/ovirt-engine/api").unwrap();
            assert_eq!(&sim.get(href).await.is(200).xml(), listed, "{href}");
        }
        for id in [UNKNOWN, "1x", "Default", "a,b", "..%2Fvms", "-1"] {
            let got = sim.get(&format!("/{collection}/{id}")).await;
            assert_eq!(got.status, 404, "{collection}/{id}");
            assert!(got.body.starts_with(PROLOG) && got.body.contains("<fault>"), "{}", got.body);
        }
        // Every collection can be searched by the names and ids of its items.
        let name = list.value(&format!("{item}/name")).unwrap();
        let found = sim.get(&format!("/{collection}?search=name%3D%22{name}%22")).await.is(200);
        assert_eq!(found.each(item, "name"), [name], "{collection}");
        assert!(
            sim.get(&format!("/{collection}?search=name%3Dnone")).await.is(200).each(item, "@id").is_empty()
        );
        assert!(sim.get(&format!("/{collection};max=0")).await.is(200).each(item, "@id").is_empty());
        assert_eq!(sim.get(&format!("/{collection};max=1")).await.is(200).each(item, "@id").len(), 1);
        // Where no client is told that it can, it may search for anything.
        let told = !["vnicprofiles", "diskprofiles", "cpuprofiles", "operatingsystems"].contains(&collection);
        let nonsense = sim.get(&format!("/{collection}?search=nonsense%3D1")).await.status;
        assert_eq!(nonsense, if told { 400 } else { 200 }, "{collection}");
    }
}

/// Who sends it back as it was read changes nothing; what its host decides is refused.
async fn stays(sim: &Sim, path: &str, root: &str, others: &[&str]) {
    let read = sim.get(path).await.is(200).body;
    assert_eq!(sim.put(path, &read).await.is(200).body, read);
    for other in others {
        let body = format!("<{root}><description>changed</description>{other}</{root}>");
        sim.put(path, &body).await.is(409);
    }
    assert_eq!(sim.get(path).await.is(200).body, read);
}

#[tokio::test]
async fn a_cluster_is_what_its_host_makes_it() {
    let sim = Sim::start().await;
    let cluster = sim.get("/clusters").await.is(200);
    let path = format!("/clusters/{}", cluster.at("cluster/@id"));
    let others = [
        "<cpu id='Intel Conroe Family'/>",
        "<memory_policy><overcommit percent='150'/></memory_policy>",
        "<memory_policy><transparent_hugepages><enabled>false</enabled></transparent_hugepages></memory_policy>",
        "<scheduling_policy><name>evenly_distributed</name></scheduling_policy>",
        "<version major='3' minor='5'/>",
        "<error_handling><on_error>migrate</on_error></error_handling>",
        "<threads_as_cores>true</threads_as_cores>",
        "<ballooning_enabled>false</ballooning_enabled>",
        "<ksm><enabled>true</enabled></ksm>",
        "<ksm><merge_across_nodes>true</merge_across_nodes></ksm>",
        "<display><proxy>http://proxy:3128</proxy></display>",
        "<serial_number><policy>vm</policy></serial_number>",
        "<optional_reason>true</optional_reason>",
        "<maintenance_reason_required>true</maintenance_reason_required>",
        "<fencing_policy><enabled>true</enabled></fencing_policy>",
        "<required_rng_sources><source>RANDOM</source></required_rng_sources>",
        "<migration><auto_converge>true</auto_converge></migration>",
    ];
    stays(&sim, &path, "cluster", &others).await;
    sim.put(&path, "<cluster><comment>rack 2</comment></cluster>").await.is(200);
    assert_eq!(sim.get(&path).await.at("comment"), "rack 2");
    let same = "<ksm><enabled>false</enabled></ksm><optional_reason>false</optional_reason><display/>\
                <required_rng_sources/><migration><compressed>inherit</compressed></migration>";
    sim.put(&path, &format!("<cluster>{same}</cluster>")).await.is(200);
}

#[tokio::test]
async fn a_data_center_is_what_its_host_makes_it() {
    let sim = Sim::start().await;
    let path = format!("/datacenters/{}", sim.get("/datacenters").await.at("data_center/@id"));
    let others = [
        "<local>false</local>",
        "<storage_type>nfs</storage_type>",
        "<storage_format>v1</storage_format>",
        "<version major='3' minor='5'/>",
        "<mac_pool id='deadbeef-dead-4ead-8ead-deadbeefdead'/>",
    ];
    stays(&sim, &path, "data_center", &others).await;
    let same = "<data_center><local>true</local><storage_type>localfs</storage_type></data_center>";
    sim.put(&path, same).await.is(200);
}

#[tokio::test]
async fn what_clients_ask_for_by_name_is_found() {
    let sim = Sim::start().await;
    for (search, item) in [
        ("/templates?search=name%3DBlank+and+datacenter%3DDefault", "template"),
        ("/datacenters?search=Clusters.name%3DDefault", "data_center"),
        ("/clusters;case_sensitive=True;max=5?search=name%3DDef*+sortby+name+asc+page+1", "cluster"),
        ("/hosts?search=status%3Dup+and+cluster%3DDefault", "host"),
        ("/storagedomains?search=type%3Diso", "storage_domain"),
        ("/storagedomains?search=name%3Ddata+and+size%3E1000", "storage_domain"),
        ("/networks?search=name%3Dovirtmgmt+and+datacenter%3DDefault", "network"),
        ("/users?search=usrname%3Dadmin%40internal", "user"),
    ] {
        assert_eq!(sim.get(search).await.is(200).each(item, "@id").len(), 1, "{search}");
    }
}

#[tokio::test]
async fn a_domain_is_active_where_it_is_attached() {
    let sim = Sim::start().await;
    let center = "/datacenters/00000002-0002-0002-0002-000000000255";
    let attached = sim.get(&format!("{center}/storagedomains")).await.is(200);
    assert_eq!(attached.each("storage_domain", "status/state"), ["active", "active"]);
    assert_eq!(sim.get("/storagedomains").await.each("storage_domain", "status/state"), ["", ""]);
    let href = format!("/ovirt-engine/api{center}/storagedomains/{DATA}");
    assert_eq!(attached.at("storage_domain/@href"), href);
    sim.get(&format!("/datacenters/{UNKNOWN}/storagedomains")).await.is(404);
    sim.get(&format!("/datacenters/{UNKNOWN}/clusters/{CLUSTER}")).await.is(404);
}

#[tokio::test]
async fn a_domain_counts_its_disks() {
    let sim = Sim::start().await;
    let path = format!("/storagedomains/{DATA}");
    assert_eq!(sim.get(&path).await.at("committed"), "0");
    let disk = sim.disk("/disks", "one").await;
    let domain = sim.get(&path).await.is(200);
    assert_eq!(domain.at("committed"), GIB.to_string());
    assert!(domain.at("used").parse::<u64>().unwrap() > 0);
    let listed = sim.get(&format!("{path}/disks")).await.is(200).xml();
    assert_eq!(listed.first("disk"), sim.get("/disks").await.xml().first("disk"));
    assert_eq!(sim.get(&format!("{path}/disks/{disk}")).await.xml(), *listed.first("disk").unwrap());
    sim.get(&format!("{path}/disks/{UNKNOWN}")).await.is(404);
    sim.get(&format!("{path}/files")).await.is(404);
}

#[tokio::test]
async fn an_iso_domain_has_files_and_no_disks() {
    let sim = Sim::start().await;
    let ids = drawn(&sim).await;
    let iso = format!("/storagedomains/{}", ids.last().unwrap().1);
    let files = sim.get(&format!("{iso}/files")).await.is(200);
    assert_eq!(files.each("file", "@id"), ["a b;c?.iso", "debian-12.iso"]);
    assert_eq!(files.each("file", "name"), files.each("file", "@id"));
    for href in files.each("file", "@href") {
        sim.get(href.strip_prefix("/ovirt-engine/api").unwrap()).await.is(200);
    }
    assert_eq!(sim.get(&format!("{iso}/files;max=1")).await.each("file", "@id").len(), 1);
    for file in ["nope.iso", "..%2F..%2Fetc%2Fpasswd", "-x", "a%0Ab", "%00", "json:%7B%7D"] {
        sim.get(&format!("{iso}/files/{file}")).await.is(404);
    }
    sim.get(&format!("{iso}/disks")).await.is(404);
    let document = sim.get(&iso).await.is(200);
    let links = document.xml().all("link").filter_map(|link| link.value("@rel")).collect::<Vec<_>>();
    assert_eq!(links, ["diskprofiles", "files", "permissions", "storageconnections"]);
}

#[tokio::test]
async fn a_host_tells_what_runs_and_whether_libvirt_is_there() {
    let sim = Sim::start().await;
    let (up, paused) = (sim.vm("up").await, sim.vm("paused").await);
    sim.disk(&format!("/vms/{up}/disks"), "a").await;
    sim.disk(&format!("/vms/{paused}/disks"), "b").await;
    sim.start_vm(up).await;
    sim.post(&format!("/vms/{paused}/start"), "<action><pause>true</pause></action>").await.is(200);
    sim.is_in(paused, "paused").await;
    let host = sim.get("/hosts").await.is(200);
    assert_eq!((host.at("host/summary/active"), host.at("host/summary/total")), ("1".into(), "2".into()));
    assert_eq!(host.at("host/max_scheduling_memory"), (62 * GIB).to_string());
    let api = sim.get("").await.is(200);
    assert_eq!((api.at("summary/vms/total"), api.at("summary/vms/active")), ("2".into(), "2".into()));
    assert_eq!(api.at("summary/hosts/active"), "1");
    sim.hypervisor.disconnect();
    sim.until("disconnected", || !sim.engine.connected()).await;
    let host = sim.get("/hosts").await.is(200);
    assert_eq!(host.at("host/status/state"), "non_responsive");
    assert_eq!(host.at("host/libvirt_version/@major"), "");
    assert_eq!(sim.get("").await.at("summary/hosts/active"), "0");
    assert_eq!(sim.get("/datacenters").await.at("data_center/status/state"), "not_operational");
}

#[tokio::test]
async fn nobody_is_told_a_password() {
    let sim = Sim::start().await;
    for path in ["/users".to_owned(), format!("/users/{ADMIN}")] {
        let got = sim.send("GET", &path, &[("all-content", "true")], "").await.is(200);
        assert!(!got.body.contains("password") && !got.body.contains("argon"), "{}", got.body);
    }
}

#[tokio::test]
async fn what_there_is_one_of_is_told_and_changed() {
    let sim = Sim::start().await;
    let data_center = sim.get("/datacenters").await.at("data_center/@id");
    for (path, root) in [
        (format!("/datacenters/{data_center}"), "data_center"),
        (format!("/clusters/{CLUSTER}"), "cluster"),
        (format!("/datacenters/{data_center}/clusters/{CLUSTER}"), "cluster"),
    ] {
        let body =
            format!("<{root}><name>other</name><description>d</description><comment>c</comment></{root}>");
        let got = sim.put(&path, &body).await.is(200);
        assert_eq!([got.at("name"), got.at("description"), got.at("comment")], ["other", "d", "c"]);
        sim.put(&path, &format!("<{root}><name>a b</name></{root}>")).await.is(400);
        sim.put(&path, &format!("<{root} id='{UNKNOWN}'/>")).await.is(409);
        assert_eq!(sim.get(&path).await.at("name"), "other");
        sim.put(&path, &format!("<{root}><name>Default</name></{root}>")).await.is(200);
    }
    let pool = sim.get("/macpools").await.is(200);
    let path = format!("/macpools/{}", pool.at("mac_pool/@id"));
    let range = |from: &str, to: &str| {
        format!("<mac_pool><ranges><range><from>{from}</from><to>{to}</to></range></ranges></mac_pool>")
    };
    for fixed in ["<name>x</name>", "<description>x</description>", "<default_pool>false</default_pool>"] {
        sim.put(&path, &format!("<mac_pool>{fixed}</mac_pool>")).await.is(400);
    }
    sim.put(&path, &range("02:00:00:00:00:05", "02:00:00:00:00:06")).await.is(200);
    assert_eq!(sim.get(&path).await.at("ranges/range/from"), "02:00:00:00:00:05");
    let vm = sim.vm("a").await;
    let nic = sim.post(&format!("/vms/{vm}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
    assert_eq!(nic.at("mac/@address"), "02:00:00:00:00:05");
    for (from, to) in
        [("02:00:00:00:00:06", "02:00:00:00:00:05"), ("x", "y"), ("01:00:00:00:00:00", "03:00:00:00:00:00")]
    {
        sim.put(&path, &range(from, to)).await.is(400);
    }
    let domain = sim.get(&format!("/storageconnections/{DATA}")).await.is(200);
    assert_eq!([domain.at("type"), domain.at("path")], ["localfs", "/sim/images"]);
    assert_eq!(
        sim.get(&format!("/storagedomains/{DATA}/storageconnections"))
            .await
            .is(200)
            .each("storage_connection", "@id"),
        [DATA]
    );
    let roles = sim.get(&format!("/users/{ADMIN}/roles")).await.is(200);
    assert_eq!(roles.each("role", "name"), ["SuperUser"]);
    let host = sim.get("/hosts").await.at("host/@id");
    for (collection, root) in [
        ("vmpools", "vmpools"),
        ("externalhostproviders", "external_host_providers"),
        ("katelloerrata", "katello_errata"),
        (&format!("vms/{vm}/katelloerrata"), "katello_errata"),
        (&format!("clusters/{CLUSTER}/affinitygroups"), "affinity_groups"),
        (&format!("hosts/{host}/networkattachments"), "network_attachments"),
        (&format!("hosts/{host}/unmanagednetworks"), "unmanaged_networks"),
        (&format!("hosts/{host}/storageconnectionextensions"), "storage_connection_extensions"),
    ] {
        let got = sim.get(&format!("/{collection}")).await.is(200).xml();
        assert_eq!((got.name.as_str(), got.elements().count()), (root, 0));
    }
    sim.get(&format!("/vms/{UNKNOWN}/katelloerrata")).await.is(404);
    sim.get("/vmpools?search=nonsense%3Dx").await.is(400);
    for nic in sim.get(&format!("/hosts/{host}/nics")).await.is(200).each("host_nic", "@id") {
        let path = format!("/hosts/{host}/nics/{nic}");
        assert_eq!(sim.get(&path).await.is(200).at("@id"), nic);
        let figures = sim.get(&format!("{path}/statistics")).await.is(200);
        let names = figures.each("statistic", "name");
        assert_eq!(names[4..], ["data.total.rx", "data.total.tx"]);
        let first = format!("{path}/statistics/{}", figures.at("statistic/@id"));
        assert_eq!(sim.get(&first).await.is(200).at("host_nic/@id"), nic);
    }
}
