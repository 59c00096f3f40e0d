//! Pools of VMs.

use super::*;

/// A pool's document over the template `t`.
fn body(name: &str, more: &str) -> String {
    format!(
        "<vmpool><name>{name}</name><cluster><name>Default</name></cluster><template><name>t</name></template>\
         {more}</vmpool>"
    )
}

impl Sim {
    /// Makes the template `t`, with a disk.
    async fn template_for_pools(&self) {
        let original = self.vm("original").await;
        self.disk(&format!("/vms/{original}/disks"), "system").await;
        let template = format!("<template><name>t</name><vm id='{original}'/></template>");
        self.send("POST", "/templates", &[("content-type", "application/xml"), CREATED], template)
            .await
            .is(201);
    }
}

#[tokio::test]
async fn pools_give_vms_to_who_asks() {
    const USER_ROLE: &str = "00000000-0000-0000-0001-000000000001";
    let sim = Sim::start().await;
    sim.template_for_pools().await;
    let made =
        sim.post("/vmpools", &body("lab-??", "<size>2</size><max_user_vms>1</max_user_vms>")).await.is(201);
    assert_eq!([made.at("size"), made.at("type"), made.at("max_user_vms")], ["2", "automatic", "1"]);
    let path = format!("/vmpools/{}", made.at("@id"));
    sim.post("/vmpools", &body("lab-??", "")).await.is(400);
    sim.post("/vmpools", &body("a b", "")).await.is(400);
    sim.post("/vmpools", &body("x", "<size>-1</size>")).await.is(400);
    sim.post("/vmpools", &body("x", "<size>5000</size>")).await.is(400);
    assert_eq!(sim.get("/vmpools?search=name%3Dx").await.is(200).each("vmpool", "@id"), [] as [String; 0]);
    sim.post("/vmpools", "<vmpool><name>x</name></vmpool>").await.is(400);
    let vms = sim.get("/vms?search=name%3Dlab-*").await.is(200);
    assert_eq!(vms.each("vm", "name"), ["lab-01", "lab-02"]);
    assert_eq!(vms.at("vm/vmpool/@id"), made.at("@id"));
    assert_eq!(sim.get("/vms?search=pool%3Dlab-??").await.is(200).each("vm", "name").len(), 2);
    let first: VmId = vms.at("vm/@id").parse().unwrap();
    assert_eq!(sim.get(&format!("/vms/{first}/disks")).await.is(200).each("disk", "@id").len(), 1);

    // It grows, and does not shrink.
    assert_eq!(
        sim.put(&path, "<vmpool><size>3</size><comment>c</comment></vmpool>").await.is(200).at("size"),
        "3"
    );
    sim.put(&path, "<vmpool><size>2</size></vmpool>").await.is(400);
    sim.put(&path, "<vmpool><template><name>Blank</name></template></vmpool>").await.is(409);
    assert_eq!(
        sim.get("/vmpools?search=assigned_vm_count%3D3").await.is(200).each("vmpool", "comment"),
        ["c"]
    );
    sim.delete(&format!("/vms/{first}")).await.is(409);

    // A user takes one, which runs, and no second; it goes back when its run is over.
    let user = "<user><user_name>anna@internal</user_name><password>secret</password></user>";
    let anna = sim.post("/users", user).await.is(201).at("@id");
    let credentials = format!("Basic {}", BASE64_STANDARD.encode("anna@internal:secret"));
    let headers = [("content-type", "application/xml"), ("filter", "true")];
    let take = async || {
        sim.send_as(&credentials, "POST", &format!("{path}/allocatevm"), &headers, "<action/>").await
    };
    take().await.is(404);
    let given = format!("<permission><role id='{USER_ROLE}'/><user id='{anna}'/></permission>");
    let permission = sim.post(&format!("{path}/permissions"), &given).await.is(201);
    assert_eq!(permission.at("vmpool/@id"), made.at("@id"));
    let taken = take().await.is(200);
    assert_eq!(taken.at("vm/@id"), first.to_string());
    sim.is_in(first, "up").await;
    // Whom a VM of a pool is for is the pool's to say.
    let foreign = format!("<permission><role id='{USER_ROLE}'/><user id='{anna}'/></permission>");
    sim.post(&format!("/vms/{first}/permissions"), &foreign).await.is(409);
    let seen = sim.send_as(&credentials, "GET", "/vms", &headers, "").await.is(200);
    assert_eq!(seen.each("vm", "name"), ["lab-01"]);
    take().await.is(409);
    sim.delete(&path).await.is(409);
    sim.post(&format!("/vms/{first}/detach"), "<action/>").await.is(409);
    sim.post(&format!("/vms/{first}/stop"), "<action/>").await.is(200);
    let seen = sim.send_as(&credentials, "GET", "/vms", &headers, "").await.is(200);
    assert_eq!(seen.each("vm", "name"), [] as [String; 0]);
    // Of a manual pool it stays who took it.
    sim.put(&path, "<vmpool><type>manual</type></vmpool>").await.is(200);
    take().await.is(200);
    sim.post(&format!("/vms/{first}/stop"), "<action/>").await.is(200);
    let seen = sim.send_as(&credentials, "GET", "/vms", &headers, "").await.is(200);
    assert_eq!(seen.each("vm", "name"), ["lab-01"]);

    sim.post(&format!("/vms/{first}/detach"), "<action/>").await.is(200);
    sim.post(&format!("/vms/{first}/detach"), "<action/>").await.is(409);
    assert_eq!(sim.get(&path).await.at("size"), "2");
    sim.delete(&path).await.is(204);
    sim.get(&path).await.is(404);
    assert_eq!(sim.get("/vms").await.is(200).each("vm", "name"), ["lab-01", "original"]);
    let told = sim.get("/events").await.is(200).each("event", "description").join("\n");
    for sentence in
        ["VM pool lab-?? was added", "VM lab-01 was given to anna@internal", "VM pool lab-?? was removed"]
    {
        assert!(told.contains(sentence), "{sentence}: {told}");
    }
}

#[tokio::test]
async fn a_pool_has_vms_running_before_somebody_comes() {
    let sim = Sim::start().await;
    sim.template_for_pools().await;
    let said = "The number of prestarted VMs cannot exceed the number of VMs in the VM-Pool.";
    let refused = |got: Got| got.is(400).body.contains(said);
    let more = "<size>1</size><prestarted_vms>2</prestarted_vms>";
    assert!(refused(sim.post("/vmpools", &body("lab", more)).await));
    sim.post("/vmpools", &body("lab", "<size>1</size><prestarted_vms>-1</prestarted_vms>")).await.is(400);
    let made = sim.post("/vmpools", &body("lab", &more.replace("<size>1", "<size>4"))).await.is(201);
    assert_eq!([made.at("size"), made.at("prestarted_vms")], ["4", "2"]);
    let path = format!("/vmpools/{}", made.at("@id"));
    let running = || {
        let world = sim.engine.world();
        let vms = world.vms.values().filter(|vm| sim.engine.status(vm.id).runs());
        let mut names: Vec<String> = vms.map(|vm| vm.spec.name.clone()).collect();
        names.sort();
        names
    };
    sim.until("two run ahead", || running() == ["lab-1", "lab-2"]).await;

    // Who comes gets one of them, and another takes its place.
    let taken = sim.post(&format!("{path}/allocatevm"), "<action/>").await.is(200).at("vm/@id");
    assert_eq!(sim.get(&format!("/vms/{taken}")).await.at("name"), "lab-1");
    sim.until("two run ahead again", || running() == ["lab-1", "lab-2", "lab-3"]).await;
    let types = sim.get(&format!("/vms/{taken}/snapshots")).await.each("snapshot", "snapshot_status");
    assert_eq!(types.len(), 2, "what it writes goes with its run");
    sim.post(&format!("/vms/{taken}/suspend"), "<action/>").await.is(409);
    sim.put(&path, "<vmpool><prestarted_vms>3</prestarted_vms></vmpool>").await.is(200);
    sim.until("all run", || running().len() == 4).await;
    assert!(refused(sim.put(&path, "<vmpool><prestarted_vms>5</prestarted_vms></vmpool>").await));

    // What was somebody's in this run is nobody else's, whoever took it away.
    let given: Vec<_> = {
        let world = sim.engine.world();
        world.permissions.values().filter(|it| it.object.to_string() == taken).map(|it| it.id).collect()
    };
    for permission in given {
        sim.delete(&format!("/vms/{taken}/permissions/{permission}")).await.is(204);
    }
    let next = sim.post(&format!("{path}/allocatevm"), "<action/>").await.is(200).at("vm/@id");
    assert_ne!(next, taken);
    // Its template stays.
    let template = sim.get("/templates?search=name%3Dt").await.at("template/@id");
    for vm in sim.get("/vms?search=name%3Dlab-*").await.each("vm", "@id") {
        sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    }
    assert!(sim.delete(&format!("/templates/{template}")).await.is(409).body.contains("VM pool lab"));

    // What somebody starts otherwise is nobody's, and forgets, too.
    sim.put(&path, "<vmpool><prestarted_vms>0</prestarted_vms></vmpool>").await.is(200);
    for vm in sim.get("/vms?search=name%3Dlab-*").await.each("vm", "@id") {
        sim.is_in(vm.parse().unwrap(), "down").await;
        sim.post(&format!("/vms/{vm}/start"), "<action/>").await.is(200);
        let kept = sim.get(&format!("/vms/{vm}/snapshots")).await.each("snapshot", "snapshot_status");
        assert_eq!(kept.len(), 2, "its run is stateless");
    }
    sim.post(&format!("{path}/allocatevm"), "<action/>").await.is(409);
}

#[tokio::test]
async fn the_vms_of_a_pool_have_its_hardware() {
    let sim = Sim::start().await;
    sim.template_for_pools().await;
    let more = "<size>1</size><soundcard_enabled>true</soundcard_enabled>\
                <rng_device><source>HWRNG</source></rng_device><display><type>spice</type></display>";
    let made = sim.post("/vmpools", &body("lab", more)).await.is(201);
    let told = ["soundcard_enabled", "rng_device/source", "display/type", "display/monitors"];
    assert_eq!(told.map(|path| made.at(path)), ["true", "HWRNG", "spice", "1"]);
    let path = format!("/vmpools/{}", made.at("@id"));
    let full = async |name: &str| {
        let id = sim.get(&format!("/vms?search=name%3D{name}")).await.is(200).at("vm/@id");
        sim.send("GET", &format!("/vms/{id}"), &[("all-content", "true")], "").await.is(200)
    };
    let vm = full("lab-1").await;
    assert_eq!(told.map(|path| vm.at(path)), ["true", "HWRNG", "spice", "1"]);

    // Who sends back what it read changes nothing, of a pool that says nothing of it either.
    for path in [&path, &format!("/vmpools/{}", sim.post("/vmpools", &body("plain", "")).await.at("@id"))] {
        let read = sim.get(path).await.is(200).body;
        assert_eq!(sim.put(path, &read).await.is(200).body, read);
    }

    // A change reaches those that are there, and those that come.
    let running: VmId = vm.at("@id").parse().unwrap();
    sim.start_vm(running).await;
    let changed =
        "<size>2</size><soundcard_enabled>false</soundcard_enabled><display><monitors>2</monitors></display>";
    sim.put(&path, &format!("<vmpool>{changed}</vmpool>")).await.is(200);
    let new = ["false", "HWRNG", "spice", "2"];
    let vm = full("lab-2").await;
    assert_eq!(told.map(|path| vm.at(path)), new);
    let vm = full("lab-1").await;
    assert_eq!([told[0], "next_run_configuration_exists"].map(|path| vm.at(path)), ["true", "true"]);
    sim.post(&format!("/vms/{running}/stop"), "<action/>").await.is(200);
    sim.start_vm(running).await;
    let vm = full("lab-1").await;
    assert_eq!(told.map(|path| vm.at(path)), new);

    // One that fails is had by who asks again.
    let changed = "<vmpool><soundcard_enabled>true</soundcard_enabled></vmpool>";
    sim.post(&format!("/vms/{running}/stop"), "<action/>").await.is(200);
    sim.hypervisor.fail_at(1);
    assert_ne!(sim.put(&path, changed).await.status, 200);
    assert_eq!(sim.get(&path).await.at(told[0]), "false");
    sim.put(&path, changed).await.is(200);
    for name in ["lab-1", "lab-2"] {
        assert_eq!(full(name).await.at(told[0]), "true");
    }

    let read = sim.get(&path).await.body;
    for bad in [
        "<display><monitors>3</monitors></display>",
        "<display><keyboard_layout>klingon</keyboard_layout></display>",
        "<display><type>cga</type></display>",
        "<rng_device><source>DICE</source></rng_device>",
    ] {
        sim.put(&path, &format!("<vmpool>{bad}</vmpool>")).await.is(400);
        sim.post("/vmpools", &body("x", bad)).await.is(400);
    }
    assert_eq!(sim.get(&path).await.body, read);
    assert_eq!(sim.get("/vmpools").await.each("vmpool", "name"), ["lab", "plain"]);
}

/// Who makes a pool larger at the same time as somebody else makes no VM too many, nor one of the same name.
#[tokio::test]
async fn pools_grow_once() {
    let sim = Sim::start().await;
    sim.template_for_pools().await;
    let path = format!("/vmpools/{}", sim.post("/vmpools", &body("lab", "")).await.is(201).at("@id"));
    let grow = || sim.put(&path, "<vmpool><size>3</size></vmpool>");
    let (one, other) = tokio::join!(grow(), grow());
    let mut answers = [one.status, other.status];
    answers.sort_unstable();
    assert!(answers == [200, 200] || answers == [200, 409], "{answers:?}");
    assert_eq!(sim.get(&path).await.is(200).at("size"), "3");
}
