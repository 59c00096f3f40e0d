//! Instance types, icons and affinity groups.

use super::*;

#[tokio::test]
async fn vms_come_in_sizes() {
    let sim = Sim::start().await;
    let all = sim.get("/instancetypes").await.is(200);
    assert_eq!(all.each("instance_type", "name"), ["Large", "Medium", "Small", "Tiny", "XLarge"]);
    let memory: Vec<String> = [8, 4, 2].map(|gib| (gib * GIB).to_string()).to_vec();
    assert_eq!(all.each("instance_type", "memory")[..3], memory);
    let found = sim.get("/instancetypes?search=name%3DTiny").await.is(200);
    assert_eq!(found.each("instance_type", "@id"), ["00000003-0003-0003-0003-0000000000be"]);

    // One of one's own, with what its VMs have.
    let body = "<instance_type><name>Db</name><memory>3221225472</memory><cpu><topology sockets='2' cores='2'/></cpu>\
                <high_availability><enabled>true</enabled><priority>50</priority></high_availability></instance_type>";
    let made = sim.post("/instancetypes", body).await.is(201);
    let path = format!("/instancetypes/{}", made.at("@id"));
    sim.post("/instancetypes", body).await.is(400);
    sim.post("/instancetypes", "<instance_type/>").await.is(400);
    sim.post("/instancetypes", "<instance_type><name>x</name><memory>1</memory></instance_type>")
        .await
        .is(400);
    let links: Vec<String> = made.each("link", "@rel");
    assert_eq!(links, ["graphicsconsoles", "nics", "watchdogs"]);
    let nics = format!("{path}/nics");
    let nic = sim
        .post(&nics, "<nic><name>nic1</name><network><name>ovirtmgmt</name></network></nic>")
        .await
        .is(201);
    assert_eq!((nic.at("mac/@address"), nic.at("instance_type/@id")), (String::new(), made.at("@id")));
    sim.post(&nics, "<nic><name>nic1</name></nic>").await.is(409);
    sim.post(&nics, "<nic><name>nic2</name><network><name>none</name></network></nic>").await.is(404);
    let item = format!("{nics}/{}", nic.at("@id"));
    assert_eq!(
        sim.put(&item, "<nic><interface>e1000</interface></nic>").await.is(200).at("interface"),
        "e1000"
    );
    assert_eq!(sim.get(&item).await.is(200).at("name"), "nic1");
    let watchdogs = format!("{path}/watchdogs");
    let watchdog = "<watchdog><model>i6300esb</model><action>reset</action></watchdog>";
    let watchdog_id = sim.post(&watchdogs, watchdog).await.is(201).at("@id");
    sim.post(&watchdogs, watchdog).await.is(409);
    let changed =
        sim.put(&format!("{watchdogs}/{watchdog_id}"), "<watchdog><action>dump</action></watchdog>").await;
    assert_eq!(changed.is(200).at("action"), "dump");
    let consoles = format!("{path}/graphicsconsoles");
    sim.post(&consoles, "<graphics_console><protocol>SPICE</protocol></graphics_console>").await.is(201);
    sim.post(&consoles, "<graphics_console><protocol>SPICE</protocol></graphics_console>").await.is(409);
    sim.delete(&format!("{consoles}/564e43")).await.is(204);
    assert_eq!(sim.get(&consoles).await.is(200).each("graphics_console", "protocol"), ["SPICE"]);

    let of = |name: &str, more: &str| {
        format!(
            "<vm><name>{name}</name><cluster><name>Default</name></cluster><template><name>Blank</name></template>\
             <instance_type><name>Db</name></instance_type>{more}</vm>"
        )
    };
    let vm = sim.post("/vms", &of("a", "")).await.is(201);
    let (sockets, cores) = (vm.at("cpu/topology/@sockets"), vm.at("cpu/topology/@cores"));
    assert_eq!((vm.at("memory"), sockets, cores), ((3 * GIB).to_string(), "2".into(), "2".into()));
    assert_eq!((vm.at("instance_type/@id"), vm.at("display/type")), (made.at("@id"), "spice".into()));
    assert_eq!(vm.at("high_availability/priority"), "50");
    let vm_path = format!("/vms/{}", vm.at("@id"));
    let nic = sim.get(&format!("{vm_path}/nics")).await.is(200);
    assert_eq!((nic.at("nic/name"), nic.at("nic/interface")), ("nic1".into(), "e1000".into()));
    assert!(!nic.at("nic/mac/@address").is_empty());
    assert_eq!(sim.get(&format!("{vm_path}/watchdogs")).await.is(200).at("watchdog/action"), "dump");
    // What the body says itself counts.
    let other = sim.post("/vms", &of("b", "<memory>1073741824</memory>")).await.is(201);
    assert_eq!((other.at("memory"), other.at("cpu/topology/@cores")), (GIB.to_string(), "2".into()));

    // A VM changes its size, and is of none.
    let tiny = sim.put(&vm_path, "<vm><instance_type><name>Tiny</name></instance_type></vm>").await.is(200);
    assert_eq!(tiny.at("memory"), (GIB / 2).to_string());
    let again = "<vm><instance_type><name>Tiny</name></instance_type><memory>1073741824</memory></vm>";
    assert_eq!(sim.put(&vm_path, again).await.is(200).at("memory"), GIB.to_string());
    let kept = sim.put(&vm_path, "<vm><description>d</description></vm>").await.is(200);
    assert_eq!(kept.at("instance_type/@id"), "00000003-0003-0003-0003-0000000000be");
    assert_eq!(sim.put(&vm_path, "<vm><instance_type/></vm>").await.is(200).at("instance_type/@id"), "");
    sim.put(&vm_path, "<vm><instance_type><name>none</name></instance_type></vm>").await.is(404);

    // VMs follow their type, in all that they have not otherwise; those that run with their next run.
    let larger =
        "<instance_type><memory>4294967296</memory><cpu><topology sockets='4'/></cpu></instance_type>";
    let [third, runs] = ["c", "d"].map(|name| of(name, ""));
    let third = format!("/vms/{}", sim.post("/vms", &third).await.is(201).at("@id"));
    let runs = sim.post("/vms", &runs).await.is(201).at("@id");
    sim.disk(&format!("/vms/{runs}/disks"), "d").await;
    sim.start_vm(runs.parse().unwrap()).await;
    sim.put(&path, larger).await.is(200);
    let size = async |path: &str| {
        let vm = sim.get(path).await.is(200);
        (vm.at("memory"), vm.at("cpu/topology/@sockets"), vm.at("next_run_configuration_exists"))
    };
    let told = |gib: u64, sockets: &str, next: &str| ((gib * GIB).to_string(), sockets.into(), next.into());
    assert_eq!(size(&third).await, told(4, "4", "false"));
    assert_eq!(size(&format!("/vms/{}", other.at("@id"))).await, told(1, "4", "false"));
    assert_eq!(size(&vm_path).await.0, GIB.to_string());
    let runs = format!("/vms/{runs}");
    assert_eq!(size(&runs).await, told(3, "2", "true"));
    sim.post(&format!("{runs}/stop"), "<action/>").await.is(200);
    assert_eq!(size(&runs).await, told(4, "4", "false"));
    for vm in [&third, &runs] {
        sim.delete(vm).await.is(204);
    }
    sim.delete(&item).await.is(204);
    sim.delete(&format!("{watchdogs}/{watchdog_id}")).await.is(204);
    sim.delete(&path).await.is(204);
    sim.get(&path).await.is(404);
    assert_eq!(sim.get(&format!("/vms/{}", other.at("@id"))).await.is(200).at("instance_type/@id"), "");
}

#[tokio::test]
async fn sizes_name_what_is_there() {
    let sim = Sim::start().await;
    let body = "<instance_type><name>Db</name></instance_type>";
    let path = format!("/instancetypes/{}", sim.post("/instancetypes", body).await.is(201).at("@id"));
    let profile = sim.get("/cpuprofiles").await.at("cpu_profile/@id");
    let named = |id: &str| format!("<instance_type><cpu_profile id='{id}'/></instance_type>");
    assert_eq!(sim.put(&path, &named(&profile)).await.is(200).at("cpu_profile/@id"), profile);
    sim.put(&path, &named(UNKNOWN)).await.is(404);
    let shown = sim.get(&path).await.is(200).body;
    sim.put(&path, &shown).await.is(200);
    assert_eq!(sim.get(&path).await.body, shown);
    sim.put(&format!("/instancetypes/{UNKNOWN}"), &named(&profile)).await.is(404);
}

#[tokio::test]
async fn sizes_that_no_vm_can_have() {
    let sim = Sim::start().await;
    let path = format!("/instancetypes/{}", sim.get("/instancetypes").await.at("instance_type/@id"));
    let shown = sim.get(&path).await.body;
    for bad in templates::NO_MACHINE {
        let body = format!("<instance_type><name>x</name>{bad}</instance_type>");
        sim.post("/instancetypes", &body).await.is(400);
        sim.put(&path, &format!("<instance_type>{bad}</instance_type>")).await.is(400);
    }
    assert_eq!(sim.get(&path).await.body, shown);
    assert_eq!(sim.get("/instancetypes").await.each("instance_type", "@id").len(), 5);
}

/// One pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

#[tokio::test]
async fn machines_show_pictures() {
    let sim = Sim::start().await;
    let icons = sim.get("/icons").await.is(200).each("icon", "@id");
    assert_eq!(icons.len(), 6);
    for id in &icons {
        let icon = sim.get(&format!("/icons/{id}")).await.is(200);
        assert_eq!(icon.at("media_type"), "image/png");
        assert!(BASE64_STANDARD.decode(icon.at("data")).unwrap().starts_with(b"\x89PNG"));
    }
    let id = sim.vm("a").await;
    let path = format!("/vms/{id}");
    let (large, small) = {
        let vm = sim.get(&path).await.is(200);
        (vm.at("large_icon/@id"), vm.at("small_icon/@id"))
    };
    assert!(icons.contains(&large) && icons.contains(&small) && large != small);
    let linux = sim.put(&path, "<vm><os type='rhel_7x64'/></vm>").await.is(200);
    assert_ne!(linux.at("large_icon/@id"), large, "each family of systems has its own");
    assert_eq!(sim.get("/operatingsystems/24").await.at("large_icon/@id"), linux.at("large_icon/@id"));

    // A picture of one's own, which a template of the VM has, too.
    let upload =
        format!("<vm><large_icon><media_type>image/png</media_type><data>{PNG}</data></large_icon></vm>");
    let own = sim.put(&path, &upload).await.is(200).at("large_icon/@id");
    assert_eq!(sim.get(&path).await.at("small_icon/@id"), own);
    assert_eq!(sim.get(&format!("/icons/{own}")).await.is(200).at("data"), PNG);
    let back = format!("<vm><small_icon id='{own}'/><large_icon id='{own}'/><comment>c</comment></vm>");
    assert_eq!(
        sim.put(&path, &back).await.is(200).at("large_icon/@id"),
        own,
        "clients send back what they read"
    );
    let other = sim.vm("b").await;
    assert_eq!(sim.put(&format!("/vms/{other}"), &back).await.is(200).at("small_icon/@id"), own);
    let template = sim
        .send(
            "POST",
            "/templates",
            &[("content-type", "application/xml"), CREATED],
            format!("<template><name>t</name><vm id='{id}'/></template>"),
        )
        .await
        .is(201);
    assert_eq!(template.at("large_icon/@id"), own);
    let system = format!("<vm><small_icon id='{small}'/><large_icon id='{large}'/></vm>");
    assert_eq!(sim.put(&path, &system).await.is(200).at("large_icon/@id"), large);
    for bad in [
        format!("<vm><large_icon id='{large}'/></vm>"),
        format!("<vm><small_icon id='{small}'/></vm>"),
        format!("<vm><large_icon><data>{PNG}</data></large_icon></vm>"),
        "<vm><large_icon><media_type>image/svg+xml</media_type><data>PHN2Zy8+</data></large_icon></vm>"
            .into(),
        "<vm><large_icon><media_type>image/png</media_type><data>PHN2Zy8+</data></large_icon></vm>".into(),
        "<vm><large_icon><media_type>image/png</media_type><data>%</data></large_icon></vm>".into(),
    ] {
        sim.put(&path, &bad).await.is(400);
    }
    sim.put(&path, &format!("<vm><small_icon id='{UNKNOWN}'/><large_icon id='{UNKNOWN}'/></vm>"))
        .await
        .is(404);
}

#[tokio::test]
async fn what_is_to_keep_apart_runs_one_at_a_time() {
    let sim = Sim::start().await;
    let (a, b) = (sim.vm("a").await, sim.vm("b").await);
    for vm in [a, b] {
        sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    }
    let groups = format!("/clusters/{CLUSTER}/affinitygroups");
    let group = |name: &str, positive: bool, enforcing: bool| {
        format!(
            "<affinity_group><name>{name}</name><positive>{positive}</positive><enforcing>{enforcing}</enforcing>\
             </affinity_group>"
        )
    };
    let made = sim.post(&groups, &group("apart", false, false)).await.is(201);
    assert_eq!(
        [made.at("positive"), made.at("enforcing"), made.at("cluster/@id")],
        ["false", "false", CLUSTER]
    );
    sim.post(&groups, &group("apart", true, false)).await.is(409);
    sim.post(&groups, "<affinity_group><name>x</name></affinity_group>").await.is(400);
    sim.post(&groups, &group("a b", true, true)).await.is(400);
    let path = format!("{groups}/{}", made.at("@id"));
    let vms = format!("{path}/vms");
    sim.post(&vms, "<vm><name>a</name></vm>").await.is(201);
    sim.post(&vms, &format!("<vm id='{b}'/>")).await.is(201);
    sim.post(&vms, &format!("<vm id='{b}'/>")).await.is(409);
    sim.post(&vms, &format!("<vm id='{UNKNOWN}'/>")).await.is(404);
    assert_eq!(sim.get(&vms).await.is(200).each("vm", "name"), ["a", "b"]);
    assert_eq!(sim.get(&format!("{vms}/{b}")).await.is(200).at("name"), "b");
    sim.get(&format!("{vms}/{UNKNOWN}")).await.is(404);

    // A wish is no rule.
    sim.start_vm(a).await;
    sim.start_vm(b).await;
    sim.post(&format!("/vms/{b}/stop"), "<action/>").await.is(200);
    sim.put(&path, "<affinity_group><enforcing>true</enforcing></affinity_group>").await.is(200);
    let refused = sim.post(&format!("/vms/{b}/start"), "<action/>").await.is(409);
    assert!(
        refused.at("fault/detail").contains("affinity group apart keeps the VM apart from VM a"),
        "{}",
        refused.body
    );
    // Nor does one go on from its memory then.
    sim.post(&format!("/vms/{a}/suspend"), "<action/>").await.is(202);
    sim.is_in(a, "suspended").await;
    sim.start_vm(b).await;
    sim.post(&format!("/vms/{a}/start"), "<action/>").await.is(409);
    sim.is_in(a, "suspended").await;
    sim.post(&format!("/vms/{b}/stop"), "<action/>").await.is(200);
    sim.start_vm(a).await;
    // What keeps together does, on the only host.
    sim.put(&path, "<affinity_group><positive>true</positive></affinity_group>").await.is(200);
    sim.start_vm(b).await;
    sim.post(&format!("/vms/{b}/stop"), "<action/>").await.is(200);
    sim.put(&path, "<affinity_group><positive>false</positive></affinity_group>").await.is(200);
    sim.delete(&format!("{vms}/{a}")).await.is(204);
    sim.start_vm(b).await;
    sim.post(&format!("/vms/{b}/stop"), "<action/>").await.is(200);
    sim.delete(&format!("/vms/{b}")).await.is(204);
    assert_eq!(sim.get(&vms).await.is(200).each("vm", "@id"), [] as [String; 0], "a VM goes from its groups");
    sim.delete(&path).await.is(204);
    sim.get(&vms).await.is(404);
    let told = sim.get("/events").await.is(200).each("event", "description").join("\n");
    for sentence in [
        "Affinity group apart was added",
        "Affinity group apart has VM a now",
        "Affinity group apart was removed",
    ] {
        assert!(told.contains(sentence), "{sentence}: {told}");
    }
}
