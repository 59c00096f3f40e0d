//! Disks of VMs, and floating ones.

use super::*;

/// Whoever mentions it wants to keep the disk.
#[tokio::test]
async fn a_disk_that_is_to_be_detached_is_kept() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}/disks");
    let json = [("content-type", "application/json")];
    let disk = sim.disk(&at, "d").await;
    for (headers, body) in [
        (&[("content-type", "application/xml")], "<action><detach/></action>"),
        (&[("content-type", "application/xml")], "<action><detach>1</detach></action>"),
        (&[("content-type", "application/xml")], "<action><detach> TRUE </detach></action>"),
        (&json, r#"{"detach":""}"#),
        (&json, r#"{"detach":true}"#),
    ] {
        sim.send("DELETE", &format!("{at}/{disk}"), headers, body).await.is(204);
        sim.get(&format!("/disks/{disk}")).await.is(200);
        sim.post(&at, &format!("<disk id='{disk}'/>")).await.is(200);
    }
    sim.with_body("DELETE", &format!("{at}/{disk}"), "<action><detach>yes</detach></action>").await.is(400);
    sim.with_body("DELETE", &format!("{at}/{disk}"), "<action><detach>false</detach></action>").await.is(204);
    sim.get(&format!("/disks/{disk}")).await.is(404);
    // Clients without integers.
    let float = format!(
        r#"{{"alias":"f","provisioned_size":1.073741824e9,"interface":"virtio","format":"cow","storage_domains":{{"storage_domain":[{{"id":"{DATA}"}}]}}}}"#
    );
    let made = sim.send("POST", "/disks", &json, float.clone()).await.is(202);
    assert_eq!(made.at("provisioned_size"), "1073741824");
    sim.send("POST", "/disks", &json, float.replace("1.073741824e9", "1073741824.5")).await.is(400);
}

#[tokio::test]
async fn a_disk_in_full() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let path = format!("/vms/{vm}/disks");
    let made = sim.post(&path, &disk_body("system")).await.is(202);
    let id = made.at("@id");
    assert_eq!(
        (made.at("status/state"), made.at("creation_status/state")),
        ("locked".into(), "pending".into())
    );
    let link = made.xml().all("link").find(|it| it.get("rel") == Some("creation_status")).cloned().unwrap();
    sim.complete(link.get("href").unwrap()).await;
    let shown = sim.get(&format!("{path}/{id}")).await.is(200);
    let ids = [("DISK", id.clone()), ("VM", vm.to_string()), ("IMAGE", shown.at("image_id"))];
    golden("vm_disk.xml", &masked(&shown.body, &ids));
    assert_eq!(sim.get(&path).await.xml().first("disk"), Some(&shown.xml()));
    let full = [("all-content", "true")];
    let floating = sim.send("GET", &format!("/disks/{id}"), &full, "").await.is(200);
    golden("disk.xml", &masked(&floating.body, &ids));
    let json = sim.send("GET", &format!("{path}/{id}"), &[("accept", "application/json")], "").await.json();
    assert_eq!((&json["provisioned_size"], &json["sparse"]), (&GIB.into(), &"true".into()));
    assert_eq!(json["storage_domains"]["storage_domain"][0]["id"], DATA);
}

#[tokio::test]
async fn a_disk_is_renamed_and_grows_by_the_document_that_was_read() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    let path = format!("/vms/{vm}/disks/{disk}");
    let read = sim.get(&path).await.body;
    // Clients that follow the schema send the old size beside the new one.
    let grown =
        read.replace(&format!("<provisioned_size>{GIB}<"), &format!("<provisioned_size>{}<", 2 * GIB));
    assert!(grown.contains(&format!("<size>{GIB}<")));
    sim.put(&path, &grown).await.is(200);
    let mut size = String::new();
    for _ in 0..1000 {
        let shown = sim.get(&path).await;
        size = shown.at("provisioned_size");
        if shown.at("status/state") == "ok" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(size, (2 * GIB).to_string());
    let renamed = sim.put(&path, "<disk><alias>e</alias></disk>").await.is(200);
    assert_eq!((renamed.at("name"), renamed.at("alias")), ("e".into(), "e".into()));
    let smaller = format!("<disk><provisioned_size>{GIB}</provisioned_size></disk>");
    let got = sim.put(&path, &smaller).await.is(400);
    assert!(
        got.at("detail").contains("New disk size must be larger than current disk size."),
        "{}",
        got.body
    );
    sim.put(&format!("/disks/{disk}"), "<disk/>").await.is(405);
}

#[tokio::test]
async fn a_running_guest_takes_and_gives_disks() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "more").await;
    sim.start_vm(vm).await;
    let path = format!("/vms/{vm}/disks/{disk}");
    let act = async |action: &str| sim.post(&format!("{path}/{action}"), "<action/>").await;
    assert_eq!(sim.get(&path).await.at("active"), "true");
    act("activate").await.refused(
        409,
        "Operation Failed",
        "[Cannot hot plug Virtual Machine Disk. Disk is already activated.]",
    );
    let got = act("deactivate").await.is(200);
    assert_eq!((got.at("status/state"), got.at("disk/@id")), ("complete".into(), disk.to_string()));
    assert_eq!(sim.get(&path).await.at("active"), "false");
    act("deactivate").await.refused(
        409,
        "Operation Failed",
        "[Cannot hot unplug Virtual Machine Disk. Disk is already deactivated.]",
    );
    act("activate").await.is(200);
    // A guest that does not let go: the disk stays.
    sim.hypervisor.ignore_requests(vm);
    assert_eq!(act("deactivate").await.is(409).at("status/state"), "failed");
    assert_eq!(sim.get(&path).await.at("active"), "true");
    sim.hypervisor.heed_requests(vm);
    let detach = "<action><detach>true</detach></action>";
    act("deactivate").await;
    sim.with_body("DELETE", &path, detach).await.is(204);
    sim.get(&path).await.is(404);
    sim.get(&format!("/disks/{disk}")).await.is(200);
    let back = sim
        .post(&format!("/vms/{vm}/disks"), &format!("<disk id='{disk}'><active>true</active></disk>"))
        .await;
    assert_eq!(back.is(200).at("active"), "true");
    let again = sim.post(&format!("/vms/{vm}/disks"), &format!("<disk id='{disk}'/>")).await.is(409);
    assert!(again.at("detail").contains("already attached"), "{}", again.body);
}

#[tokio::test]
async fn a_floating_disk_comes_and_goes() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk("/disks", "floating").await;
    assert_eq!(sim.get("/disks?search=alias%3Dfloating").await.each("disk", "@id"), [disk.to_string()]);
    assert_eq!(sim.get("/disks?search=name%3Dfloat*").await.each("disk", "name"), ["floating"]);
    let attached = sim.post(&format!("/vms/{vm}/disks"), &format!("<disk id='{disk}'/>")).await.is(200);
    assert_eq!(attached.at("active"), "false");
    let found = sim.get("/disks?search=vm_names%3Da").await;
    assert_eq!(found.each("disk", "@id"), [disk.to_string()]);
    sim.delete(&format!("/vms/{vm}/disks/{disk}")).await.is(204);
    sim.get(&format!("/disks/{disk}")).await.is(404);
    assert!(!sim.images.files().iter().any(|file| file.starts_with("/sim/images")));
}

#[tokio::test]
async fn refusals_in_the_words_that_clients_know() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let path = format!("/vms/{vm}/disks");
    let incomplete = "Disk [provisionedSize|size, format, interface] required for add";
    sim.post(&path, "<disk/>").await.refused(400, "Incomplete parameters", incomplete);
    let with = |more: &str| disk_body("x").replace("<format>cow</format>", more);
    for (body, status, detail) in [
        (
            with("<format>vmdk</format>"),
            400,
            "vmdk is not a member of DiskFormat. Possible values for DiskFormat are: cow, raw",
        ),
        (
            disk_body("x").replace(DATA, UNKNOWN),
            404,
            &*format!("Entity not found: StorageDomain: id={UNKNOWN}"),
        ),
        (
            format!("<disk id='{UNKNOWN}'/>"),
            400,
            "[Cannot attach Virtual Machine Disk. The VM's Image doesn't exist.]",
        ),
    ] {
        let got = sim.post(&path, &body).await.is(status);
        assert_eq!(got.at("detail"), detail);
    }
    let shareable = with("<format>cow</format><shareable>true</shareable>");
    sim.post(&path, &shareable).await.is(409);
    sim.post(&path, &with("<format>cow</format><sparse>false</sparse>")).await.is(400);
    let bootable = with("<format>cow</format><bootable>true</bootable>");
    sim.post(&path, &bootable).await.is(202);
    let got = sim.post(&path, &bootable).await.is(409);
    assert!(got.at("detail").contains("already marked as boot"), "{}", got.body);
    sim.post("/disks", &with("<format>cow</format><active>true</active>")).await.is(409);
}

/// A disk that is there when its answer comes.
pub async fn created(sim: &Sim, at: &str, body: String) -> Got {
    sim.send("POST", at, &[("content-type", "application/xml"), CREATED], body).await.is(201)
}

#[tokio::test]
async fn disks_are_made_of_whole_blocks() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let body = disk_body("a").replace(&GIB.to_string(), "10000000");
    let made = created(&sim, &format!("/vms/{vm}/disks"), body).await;
    assert_eq!(made.at("provisioned_size"), "10002432");
    let at = format!("/vms/{vm}/disks/{}", made.at("@id"));
    let grown = sim.put(&at, "<disk><provisioned_size>10002433</provisioned_size></disk>").await.is(200);
    assert_eq!(grown.at("provisioned_size"), "10006528");
}

#[tokio::test]
async fn a_preallocated_disk_grows_into_room_that_is_there() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disks = format!("/vms/{vm}/disks");
    let body = disk_body("a").replace("<format>cow", "<sparse>false</sparse><format>raw");
    let disk = created(&sim, &disks, body).await.at("@id");
    let at = format!("{disks}/{disk}");
    sim.post(&format!("/vms/{vm}/start"), "<action/>").await.is(200);
    let size = |gib: u64| format!("<disk><provisioned_size>{}</provisioned_size></disk>", gib * GIB);
    sim.put(&at, &size(3)).await.is(200);
    assert_eq!(sim.get(&at).await.at("actual_size"), (3 * GIB).to_string());
    let refused = sim.put(&at, &size(10_000)).await.is(409);
    assert!(refused.at("detail").contains("Low disk space"), "{}", refused.body);
    assert_eq!(sim.get(&at).await.at("provisioned_size"), (3 * GIB).to_string());
    // One that takes its storage as it is written needs none ahead.
    let thin = created(&sim, &disks, disk_body("b").replace("cow", "raw")).await.at("@id");
    sim.put(&format!("{disks}/{thin}"), &size(7_000)).await.is(200);
}

#[tokio::test]
async fn what_a_disk_cannot_become() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "d").await;
    let path = format!("/vms/{vm}/disks/{disk}");
    sim.put(&format!("/vms/{vm}"), "<vm><virtio_scsi enabled='false'/></vm>").await.is(200);
    sim.put(&path, "<disk><interface>virtio_scsi</interface></disk>").await.is(409);
    let other = sim.domain("second", "data").await;
    let profile = sim.get(&format!("/storagedomains/{other}/diskprofiles")).await.at("disk_profile/@id");
    let slower = format!("<disk><disk_profile id='{profile}'/></disk>");
    let refused = sim.put(&path, &slower).await.is(400);
    assert!(refused.at("detail").contains("not one of the storage domain"), "{}", refused.body);
    sim.start_vm(vm).await;
    vireo::engine::ports::Hypervisor::pause(&sim.hypervisor, vm).unwrap();
    sim.is_in(vm, "paused").await;
    let grown = format!("<disk><provisioned_size>{}</provisioned_size></disk>", 2 * GIB);
    sim.put(&path, &grown).await.is(409);
}

/// Example 15.13 as it is printed.
#[tokio::test]
async fn a_lun_is_a_disk_without_an_image() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let body = "<disk>\n    <interface>virtio</interface>\n    <lun_storage>\n        <type>iscsi</type>\n        \
                <logical_unit id=\"lun1\">\n            <address>iscsi.example.com</address>\n            \
                <port>3260</port>\n            <target>iqn.2010.05.com.example:iscsi.targetX</target>\n        \
                </logical_unit>\n    </lun_storage>\n</disk>";
    let path = format!("/vms/{vm}/disks");
    let made = sim.post(&path, body).await.is(201);
    let told = sim.get(&format!("{path}/{}/statistics", made.at("@id"))).await.is(200);
    assert_eq!(told.each("statistic", "name"), ["data.current.read", "data.current.write"]);
    let unit = |name: &str| made.at(&format!("lun_storage/logical_unit/{name}"));
    let said = ["@id", "address", "port", "target", "lun_mapping", "disk_id"].map(unit);
    let id = made.at("@id");
    let target = "iqn.2010.05.com.example:iscsi.targetX";
    assert_eq!(said, ["lun1", "iscsi.example.com", "3260", target, "1", &id]);
    assert_eq!((made.at("lun_storage/type"), made.at("storage_type")), ("iscsi".into(), "lun".into()));
    for absent in ["<image_id", "<storage_domains", "<format", "<state", "<actual_size", "<size"] {
        assert!(!made.body.contains(absent), "{absent}: {}", made.body);
    }
    let used = sim.post("/disks", body).await;
    assert!(used.status == 409 && used.body.contains("already used by disk a_Disk1"), "{}", used.body);
    let credentials = "</target><username>me</username><password>canary</password>";
    let asks = body.replace("lun1", "lun5").replace("</target>", credentials);
    let told = sim.post(&path, &asks).await.is(201);
    assert_eq!(told.at("lun_storage/logical_unit/username"), "me");
    assert!(!told.body.contains("canary") && !told.body.contains("password"), "{}", told.body);
    let known: Vec<String> = sim.hypervisor.secrets().into_values().collect();
    assert_eq!(known, ["canary"]);
    assert!(!format!("{:?}", *sim.engine.world()).contains("canary"));
    let at = format!("{path}/{}", told.at("@id"));
    sim.put(&at, &told.body).await.is(200);
    let other = "<disk><lun_storage><logical_unit id='lun5'><password>x</password></logical_unit></lun_storage></disk>";
    sim.put(&at, other).await.is(409);
    sim.delete(&at).await.is(204);
    assert!(sim.hypervisor.secrets().is_empty());
    let passed = body
        .replace(">virtio<", ">virtio_scsi<")
        .replace("lun1", "lun2")
        .replace("</disk>", "<wipe_after_delete>true</wipe_after_delete><sgio>filtered</sgio></disk>");
    let passed = sim.post(&path, &passed).await.is(201);
    assert_eq!([passed.at("sgio"), passed.at("wipe_after_delete")], ["filtered", "true"]);
    for (from, to, status) in [
        ("<logical_unit id=\"lun1\">", "<logical_unit>", 400),
        ("<logical_unit id=\"lun1\">", "<logical_unit id=\"lun99999999999999\">", 400),
        ("</logical_unit>", "</logical_unit><logical_unit id=\"lun6\"/>", 400),
        ("<type>iscsi</type>", "", 400),
        ("<type>iscsi</type>", "<type>nfs</type>", 400),
        ("<port>3260</port>", "", 400),
        ("<port>3260</port>", "<port>99999</port>", 400),
        ("iscsi.example.com", "127.0.0.1", 409),
        ("iscsi.example.com", "localhost", 409),
        ("iscsi.example.com", "a'/><x", 400),
        ("iscsi.targetX", "x/../y", 400),
        ("</disk>", "<sgio>filtered</sgio></disk>", 400),
        ("</target>", "</target><lun_mapping>-1</lun_mapping>", 400),
        ("</target>", "</target><username>me</username>", 400),
        ("</target>", "</target><username>a b</username><password>x</password>", 400),
        ("</disk>", "<uses_scsi_reservation>true</uses_scsi_reservation></disk>", 400),
        ("<type>iscsi</type>", "<type>fcp</type>", 409),
    ] {
        let got =
            sim.post(&path, &body.replace("lun1", "lun3").replace(&from.replace("lun1", "lun3"), to)).await;
        assert_eq!(got.status, status, "{from} {to}: {}", got.body);
    }
    assert_eq!(sim.get("/disks?search=disk_type%3Dlun").await.is(200).each("disk", "@id").len(), 2);
    let larger = "<disk><provisioned_size>1073741824</provisioned_size></disk>";
    assert_eq!(sim.put(&format!("{path}/{id}"), larger).await.status, 409);
    sim.put(&format!("{path}/{id}"), "<disk><alias>lun</alias></disk>").await.is(200);
    let away = "<action><storage_domain><name>data</name></storage_domain></action>";
    for verb in ["move", "copy"] {
        assert_eq!(sim.post(&format!("/disks/{id}/{verb}"), away).await.status, 409);
    }
    sim.with_body("DELETE", &format!("{path}/{id}"), "<action><detach>true</detach></action>").await.is(204);
    sim.delete(&format!("/disks/{id}")).await.is(204);
}

#[tokio::test]
async fn a_lun_of_the_host_is_one_that_the_host_lists() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let path = format!("/vms/{vm}/disks");
    let listed = HostLun {
        id: "3600144f".into(),
        device: "/dev/disk/by-id/dm-uuid-mpath-3600144f".into(),
        size: 1 << 30,
        ..HostLun::default()
    };
    let body = |id: &str, more: &str| {
        format!(
            "<disk><interface>virtio_scsi</interface>{more}<lun_storage><type>fcp</type>\
             <logical_unit id='{id}'/></lun_storage></disk>"
        )
    };
    sim.images.set_luns(vec![listed.clone()]);
    for bad in ["3600144e", "/dev/vda", "../../../dev/vda", "dm-uuid-mpath-3600144f"] {
        assert!(matches!(sim.post(&path, &body(bad, "")).await.status, 400 | 409), "{bad}");
    }
    let reserved = "<sgio>filtered</sgio><uses_scsi_reservation>true</uses_scsi_reservation>";
    sim.post(&path, &body(&listed.id, reserved)).await.is(409);
    let made = sim.post(&path, &body(&listed.id, &reserved.replace("filtered", "unfiltered"))).await.is(201);
    assert_eq!(
        (made.at("uses_scsi_reservation"), made.at("lun_storage/type")),
        ("true".into(), "fcp".into())
    );
    assert_eq!(made.at("provisioned_size"), (1u64 << 30).to_string());
    sim.post("/disks", &body(&listed.id, "")).await.is(409);
    let host = sim.get("/hosts").await.at("host/@id");
    let storage = sim.get(&format!("/hosts/{host}/storage")).await.is(200);
    assert_eq!(storage.xml().every("storage").len(), 1);
    let unit = sim.get(&format!("/hosts/{host}/storage/{}", listed.id)).await.is(200);
    let field = |name: &str| unit.at(&format!("logical_unit/{name}"));
    assert_eq!(unit.at("type"), "fcp");
    assert_eq!((field("status"), field("disk_id")), ("used".into(), made.at("@id")));
    assert_eq!(sim.get(&format!("/hosts/{host}/storage/3600144e")).await.status, 404);
    let document = vireo::engine::ports::Hypervisor::document(&sim.hypervisor, vm, true).unwrap().unwrap();
    for part in [
        "type=\"block\" device=\"lun\" sgio=\"unfiltered\"",
        &listed.device,
        "<reservations managed=\"yes\"/>",
    ] {
        assert!(document.contains(part), "{part}: {document}");
    }
    let on = format!("{path}/{}", made.at("@id"));
    sim.put(&on, "<disk><interface>virtio</interface></disk>").await.is(400);
    let plain = "<disk><sgio>filtered</sgio><uses_scsi_reservation>false</uses_scsi_reservation></disk>";
    let changed = sim.put(&on, plain).await.is(200);
    assert_eq!(
        (changed.at("sgio"), changed.at("uses_scsi_reservation")),
        ("filtered".into(), "false".into())
    );
}
