//! Snapshots: what lists and documents say, and what is refused.

use super::*;
use vireo::engine::ports::Images;

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";

impl Sim {
    pub async fn take(&self, vm: VmId, more: &str) -> String {
        let body = format!("<snapshot><description>first</description>{more}</snapshot>");
        let path = format!("/vms/{vm}/snapshots");
        self.send("POST", &path, &[("content-type", "application/xml"), ("expect", "201-created")], body)
            .await
            .is(201)
            .at("@id")
    }
}

#[tokio::test]
async fn the_active_one_is_always_there() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let all = sim.get(&format!("/vms/{vm}/snapshots")).await.is(200);
    assert_eq!(all.each("snapshot", "type"), ["active"]);
    assert_eq!(all.each("snapshot", "description"), ["Active VM"]);
    assert_eq!(all.each("snapshot", "vm/@id"), [vm.to_string()]);
    let active = format!("/vms/{vm}/snapshots/{}", all.at("snapshot/@id"));
    sim.get(&active).await.is(200);
    sim.get(&format!("{active}/disks")).await.is(200);
    assert_eq!(sim.delete(&active).await.status, 409);
    assert_eq!(sim.post(&format!("{active}/restore"), "<action/>").await.status, 409);
    assert_eq!(sim.put(&active, "<snapshot/>").await.status, 405);
}

#[tokio::test]
async fn a_snapshot_keeps_the_configuration() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.post(&format!("/vms/{vm}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
    let old = sim.get(&format!("/vms/{vm}/disks/{disk}")).await.at("image_id");
    let body = "<snapshot><description>first</description></snapshot>";
    let made = sim.post(&format!("/vms/{vm}/snapshots"), body).await.is(202);
    assert_eq!(["snapshot_status", "type"].map(|path| made.at(path)), ["locked", "regular"]);
    let id = made.at("@id");
    let path = format!("/vms/{vm}/snapshots/{id}");
    sim.complete(
        &made
            .xml()
            .all("link")
            .find_map(|link| {
                (link.get("rel") == Some("creation_status")).then(|| link.get("href").unwrap().to_owned())
            })
            .unwrap(),
    )
    .await;
    let shown = sim.get(&path).await.is(200);
    let said = ["snapshot_status", "persist_memorystate", "vm/name", "vm/@id"].map(|path| shown.at(path));
    assert_eq!(said, ["ok", "false", "a", &vm.to_string()]);
    assert!(shown.body.contains("rel=\"restore\""), "{}", shown.body);
    let disks = sim.get(&format!("{path}/disks")).await.is(200);
    assert_eq!(disks.each("disk", "image_id"), [&*old]);
    assert_eq!(disks.each("disk", "snapshot/@id"), [&*id]);
    assert_ne!(sim.get(&format!("/vms/{vm}/disks/{disk}")).await.at("image_id"), old);
    assert_eq!(sim.get(&format!("{path}/nics")).await.each("nic", "name"), ["nic1"]);
    assert_eq!(sim.get(&format!("{path}/cdroms")).await.each("cdrom", "vm/@id"), [vm.to_string()]);

    let second = sim.take(vm, "").await;
    let all = sim.get(&format!("/vms/{vm}/snapshots")).await.is(200);
    assert_eq!(all.each("snapshot", "@id")[1..], [id.clone(), second]);
    let newest = all.xml().all("snapshot").last().unwrap().clone();
    assert!(newest.all("link").any(|link| link.get("rel") == Some("prev")));

    sim.put(&format!("/vms/{vm}"), "<vm><description>later</description></vm>").await.is(200);
    sim.post(&format!("{path}/restore"), "<action/>").await.is(200);
    assert!(!sim.get(&format!("/vms/{vm}")).await.body.contains("later"));
    assert_eq!(
        sim.get(&format!("/vms/{vm}/snapshots")).await.each("snapshot", "type"),
        ["active", "regular"]
    );
    assert_eq!(sim.delete(&format!("{path};async=false")).await.status, 204);
    assert_eq!(sim.get(&path).await.status, 404);
    assert_eq!(sim.get(&format!("/vms/{vm}/disks/{disk}")).await.at("image_id"), old);
}

#[tokio::test]
async fn previews_are_committed_or_undone() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    let id = sim.take(vm, "").await;
    let preview = format!("<action><snapshot id='{id}'/></action>");
    let act = async |name: &str, body: &str| sim.post(&format!("/vms/{vm}/{name}"), body).await.status;
    assert_eq!(act("commit_snapshot", "<action/>").await, 409);
    assert_eq!(act("undo_snapshot", "<action/>").await, 409);
    let empty = "<snapshot><description/></snapshot>";
    assert_eq!(sim.post(&format!("/vms/{vm}/snapshots"), empty).await.status, 400);
    assert_eq!(act("preview_snapshot", "<action/>").await, 400);
    assert_eq!(act("preview_snapshot", &format!("<action><snapshot id='{NOBODY}'/></action>")).await, 400);
    for end in ["undo_snapshot", "commit_snapshot"] {
        assert_eq!(act("preview_snapshot", &preview).await, 200);
        assert_eq!(act("preview_snapshot", &preview).await, 409);
        let shown = sim.get(&format!("/vms/{vm}/snapshots/{id}")).await.is(200);
        assert_eq!(shown.at("snapshot_status"), "in_preview");
        assert_eq!(sim.delete(&format!("/vms/{vm}")).await.status, 409);
        let all = sim.get(&format!("/vms/{vm}/snapshots")).await;
        assert_eq!(all.each("snapshot", "type"), ["active", "regular", "preview"]);
        let kept = all.each("snapshot", "@id")[2].clone();
        assert_eq!(sim.delete(&format!("/vms/{vm}/snapshots/{kept}")).await.status, 409);
        assert_eq!(act(end, "<action/>").await, 200);
    }
    assert_eq!(sim.get(&format!("/vms/{vm}/snapshots/{id}")).await.at("snapshot_status"), "ok");
}

/// Later snapshots lose what went back behind them, and are no way back for the whole VM any more.
#[tokio::test]
async fn what_a_restore_took_from_later_snapshots_is_not_forgotten() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}/disks");
    let first = sim.disk(&at, "first").await;
    let s1 = sim.take(vm, "").await;
    let second = sim.disk(&at, "second").await;
    let s2 = sim.take(vm, "").await;
    let path = |id: &str| format!("/vms/{vm}/snapshots/{id}");
    let restore = async |body: &str| sim.post(&format!("{}/restore", path(&s2)), body).await;
    sim.post(&format!("{}/restore", path(&s1)), "<action/>").await.is(200);
    assert_eq!(sim.get(&format!("{}/disks", path(&s2))).await.is(200).each("disk", "alias"), ["second"]);

    let refused = restore("<action/>").await.is(409);
    assert!(
        refused.body.contains("The Snapshot has lost first when an earlier one was restored"),
        "{}",
        refused.body
    );
    let clone = format!(
        "<vm><name>b</name><cluster><name>Default</name></cluster><snapshots><snapshot id='{s2}'/></snapshots></vm>"
    );
    sim.post("/vms", &clone).await.is(409);
    let active = async |disk: DiskId| sim.get(&format!("{at}/{disk}")).await.is(200).at("active");
    assert_eq!(active(first).await, "true");
    let named = format!("<action><disks><disk id='{second}'/></disks></action>");
    restore(&named).await.is(200);
    assert_eq!(active(first).await, "true");
    // Nothing misses a disk that is gone for good.
    sim.delete(&format!("{at}/{first}")).await.is(204);
    restore("<action/>").await.is(200);
}

/// An undo takes back what was previewed, and nothing else may have been lost meanwhile.
#[tokio::test]
async fn disks_stay_what_they_are_in_a_preview() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}/disks");
    let disk = sim.disk(&at, "system").await;
    let other = sim.disk("/disks", "other").await;
    let second = sim.domain("second", "data").await;
    let id = sim.take(vm, "").await;
    let preview = format!("<action><snapshot id='{id}'/></action>");
    sim.post(&format!("/vms/{vm}/preview_snapshot"), &preview).await.is(200);
    let (before, shown) = (sim.images.files(), sim.get(&at).await.body);
    for (method, path, body) in [
        ("DELETE", format!("{at}/{disk}"), String::new()),
        ("DELETE", format!("/disks/{disk}"), String::new()),
        ("DELETE", format!("{at}/{disk}"), "<action><detach>true</detach></action>".into()),
        ("PUT", format!("{at}/{disk}"), format!("<disk><size>{}</size></disk>", 2 * GIB)),
        ("POST", at.clone(), format!("<disk id='{other}'/>")),
        ("POST", at.clone(), disk_body("new")),
        ("POST", format!("{at}/{disk}/move"), format!("<action><storage_domain id='{second}'/></action>")),
    ] {
        let got = sim.with_body(method, &path, &body).await.is(409);
        assert!(got.body.contains("The VM is previewing a Snapshot"), "{method} {path}: {}", got.body);
    }
    assert_eq!((sim.images.files(), sim.get(&at).await.body), (before, shown));
    // Its former name may be another's by now.
    let former = sim.get(&format!("/vms/{vm}")).await.at("name");
    sim.put(&format!("/vms/{vm}"), "<vm><name>renamed</name></vm>").await.is(200);
    sim.vm(&former).await;
    sim.post(&format!("/vms/{vm}/undo_snapshot"), "<action/>").await.is(200);
    assert_eq!(sim.get(&format!("/vms/{vm}")).await.at("name"), "renamed");
    sim.delete(&format!("{at}/{disk}")).await.is(204);
}

/// Whatever became of a disk's device since, the way back and the way back from there keep it.
#[tokio::test]
async fn a_way_back_knows_the_device_that_a_disk_was() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disks = format!("/vms/{vm}/disks");
    let (first, second) = (sim.disk(&disks, "first").await, sim.disk(&disks, "second").await);
    let [one, other] = [first, second].map(|disk| format!("{disks}/{disk}"));
    sim.put(&one, "<disk><bootable>true</bootable></disk>").await.is(200);
    let id = sim.take(vm, "").await;
    let last = format!("{disks}/{}", sim.disk(&disks, "third").await);
    let changed = "<disk><interface>virtio_scsi</interface><read_only>true</read_only>\
                   <bootable>false</bootable></disk>";
    sim.put(&one, changed).await.is(200);
    sim.put(&other, "<disk><bootable>true</bootable></disk>").await.is(200);
    let told = async |path: &str| {
        let disk = sim.get(path).await.is(200);
        ["interface", "read_only", "bootable", "image_id"].map(|field| disk.at(field))
    };
    let before = [told(&one).await, told(&other).await, told(&last).await];
    let images = || {
        let all = sim.images.files().into_iter();
        all.filter(|file| file.extension().is_some_and(|it| it != "ovf")).count()
    };
    let count = images();
    let act = async |name: &str, body: &str| sim.post(&format!("/vms/{vm}/{name}"), body).await.is(200);
    act("preview_snapshot", &format!("<action><snapshot id='{id}'/></action>")).await;
    assert_eq!(told(&one).await[..3], ["virtio", "false", "true"]);
    assert_eq!(told(&other).await[2], "false");
    act("undo_snapshot", "<action/>").await;
    assert_eq!([told(&one).await, told(&other).await, told(&last).await], before);
    assert_eq!(images(), count);
    sim.post(&format!("/vms/{vm}/snapshots/{id}/restore"), "<action/>").await.is(200);
    assert_eq!(told(&one).await[..3], ["virtio", "false", "true"]);
    assert_eq!(images(), count, "what was replaced is gone");
}

#[tokio::test]
async fn a_snapshots_addresses_are_not_given_away() {
    let sim = Sim::start().await;
    let (vm, other) = (sim.vm("a").await, sim.vm("b").await);
    let nics = format!("/vms/{vm}/nics");
    let nic = sim.post(&nics, "<nic><name>nic1</name></nic>").await.is(201);
    let id = sim.take(vm, "").await;
    sim.delete(&format!("{nics}/{}", nic.at("@id"))).await.is(204);
    let new = sim.post(&format!("/vms/{other}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
    assert_ne!(new.at("mac/@address"), nic.at("mac/@address"));
    sim.post(&format!("/vms/{vm}/snapshots/{id}/restore"), "<action/>").await.is(200);
    assert_eq!(sim.get(&nics).await.at("nic/mac/@address"), nic.at("mac/@address"));
}

#[tokio::test]
async fn refusals() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    let path = format!("/vms/{vm}/snapshots");
    for (body, status) in [
        ("<snapshot/>".to_owned(), 400),
        (format!("<snapshot><description>{}</description></snapshot>", "x".repeat(5000)), 400),
        (
            format!("<snapshot><description>d</description><disks><disk id='{NOBODY}'/></disks></snapshot>"),
            400,
        ),
        ("<snapshot><description>d</description><disks><disk id='../x'/></disks></snapshot>".into(), 400),
        ("<snapshot><description>d</description><disks><disk/></disks></snapshot>".into(), 400),
    ] {
        assert_eq!(sim.post(&path, &body).await.status, status, "{body}");
    }
    assert_eq!(sim.post(&format!("/vms/{NOBODY}/snapshots"), "<snapshot/>").await.status, 404);
    for missing in ["", "/disks", "/nics", "/cdroms"] {
        assert_eq!(sim.get(&format!("{path}/{NOBODY}{missing}")).await.status, 404);
    }
    assert_eq!(sim.delete(&format!("{path}/{NOBODY}")).await.status, 404);
    let id = sim.take(vm, "").await;
    let detach = "<action><detach>true</detach></action>";
    assert_eq!(sim.with_body("DELETE", &format!("/vms/{vm}/disks/{disk}"), detach).await.status, 409);
    let keep = "<action><vm><disks><detach_only/></disks></vm></action>";
    assert_eq!(sim.with_body("DELETE", &format!("/vms/{vm}"), keep).await.status, 409);
    sim.start_vm(vm).await;
    assert_eq!(sim.post(&format!("{path}/{id}/restore"), "<action/>").await.status, 409);
    assert_eq!(sim.get(&format!("{path}/{id}")).await.at("snapshot_status"), "ok");
}

#[tokio::test]
async fn who_asks_for_all_content_gets_ovf() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.post(&format!("/vms/{vm}/nics"), "<nic><name>nic1</name></nic>").await.is(201);
    let id = sim.take(vm, "").await;
    sim.put(&format!("/vms/{vm}"), "<vm><description>later</description></vm>").await.is(200);
    let (list, one) = (format!("/vms/{vm}/snapshots"), format!("/vms/{vm}/snapshots/{id}"));
    let data = "initialization/configuration/data";
    for (path, at) in [
        (list.clone(), format!("snapshot/{data}")),
        (one.clone(), data.to_owned()),
        ("/vms".to_owned(), format!("vm/{data}")),
        (format!("/vms/{vm}"), data.to_owned()),
    ] {
        assert!(!sim.get(&path).await.is(200).body.contains("ovf:Envelope"), "{path}");
        let reply = sim.send("GET", &path, &[("all-content", "True")], "").await.is(200);
        let ovf = vireo::xml::parse(reply.at(&at).as_bytes()).unwrap();
        let said = |name: &str| ovf.first("Content").unwrap().first(name).map(|it| it.content());
        assert_eq!(said("Name").as_deref(), Some("a"), "{path}");
        assert_eq!(said("Description").is_some(), path != one, "{path}");
        let references = ovf.first("References").unwrap();
        assert_eq!((references.all("File").count(), references.all("Nic").count()), (1, 1), "{path}");
    }
    let headers = [("all-content", "true"), ("accept", "application/json")];
    let json = sim.send("GET", &one, &headers, "").await.is(200);
    let json: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    let configuration = &json["initialization"]["configuration"];
    assert_eq!(configuration["type"], "ovf");
    assert!(configuration["data"].as_str().unwrap().starts_with("<?xml"));
}

/// Named disks go back with the configuration; the others, and those whose present image is named, stay.
#[tokio::test]
async fn some_disks_go_back_and_others_stay() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}");
    let disks = format!("{at}/disks");
    let [system, data] = [sim.disk(&disks, "system").await, sim.disk(&disks, "data").await];
    let first = sim.take(vm, "").await;
    let second = sim.take(vm, "").await;
    let image = async |of: String| sim.get(&of).await.is(200).at("image_id");
    let saved = async |snapshot: &str| image(format!("{at}/snapshots/{snapshot}/disks/{system}")).await;
    let (old, new) = (saved(&first).await, saved(&second).await);
    let present = image(format!("{disks}/{system}")).await;
    sim.put(&at, "<vm><description>later</description></vm>").await.is(200);
    let later = sim.disk(&disks, "later").await;

    let preview = async |named: &str| {
        let body = format!("<action><snapshot id='{first}'/><disks>{named}</disks></action>");
        sim.post(&format!("{at}/preview_snapshot"), &body).await
    };
    for other in [
        format!("<disk id='{system}'><image_id>{new}</image_id><snapshot id='{first}'/></disk>"),
        format!("<disk id='{later}'><image_id>{new}</image_id></disk>"),
        format!("<disk id='{later}'/>"),
        format!("<disk id='{system}'><snapshot id='{NOBODY}'/></disk>"),
    ] {
        preview(&other).await.is(400);
    }
    preview(&format!("<disk id='{later}'><snapshot id='{second}'/></disk>")).await.is(409);
    let stays =
        format!("<disk id='{data}'><image_id>{}</image_id></disk>", image(format!("{disks}/{data}")).await);
    let back = format!("<disk id='{system}'><image_id>{old}</image_id><snapshot id='{first}'/></disk>");
    preview(&format!("{back}{stays}")).await.is(200);
    assert_eq!(sim.get(&at).await.at("description"), "", "the configuration goes back, too");
    let shown = sim.get(&disks).await;
    assert_eq!(shown.each("disk", "active"), ["true"; 3], "nobody is unplugged who was not named");
    assert_ne!(image(format!("{disks}/{system}")).await, present);
    sim.post(&format!("{at}/undo_snapshot"), "<action/>").await.is(200);
    assert_eq!(image(format!("{disks}/{system}")).await, present);
    assert_eq!(sim.get(&at).await.at("description"), "later");
    // Each as another snapshot has it.
    let parent = |disk: DiskId| sim.engine.disk(disk).unwrap().parent.unwrap().to_string();
    let other = format!("<disk id='{data}'><snapshot id='{second}'/></disk>");
    let kept = image(format!("{at}/snapshots/{second}/disks/{data}")).await;
    preview(&format!("{back}{other}")).await.is(200);
    assert_eq!((parent(system), parent(data)), (old, kept));
    sim.post(&format!("{at}/undo_snapshot"), "<action/>").await.is(200);
    // All of them: what came later is unplugged.
    sim.post(&format!("{at}/snapshots/{first}/restore"), "<action/>").await.is(200);
    assert_eq!(sim.get(&format!("{disks}/{later}")).await.at("active"), "false");
}

#[tokio::test]
async fn a_guest_goes_on_from_its_memory() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disks = format!("/vms/{vm}/disks");
    let all = [sim.disk(&disks, "system").await, sim.disk(&disks, "data").await];
    sim.start_vm(vm).await;
    let id = sim.take(vm, "<persist_memorystate>true</persist_memorystate>").await;
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    let path = format!("/vms/{vm}/snapshots");
    let keeps = async || sim.get(&path).await.each("snapshot", "persist_memorystate");
    let restore = format!("{path}/{id}/restore");
    let with = |disks: &[DiskId]| {
        let disks: String = disks.iter().map(|id| format!("<disk id='{id}'/>")).collect();
        format!("<action><restore_memory>true</restore_memory><disks>{disks}</disks></action>")
    };
    sim.post(&restore, &with(&all[..1])).await.is(409);
    sim.post(&restore, &with(&all)).await.is(200);
    assert_eq!(keeps().await, ["true", "true"]);
    for (memory, kept) in [("false", "false"), ("true", "true")] {
        let body = format!("<action><restore_memory>{memory}</restore_memory></action>");
        sim.post(&restore, &body).await.is(200);
        assert_eq!(keeps().await, [kept, "true"]);
    }
    sim.start_vm(vm).await;
    assert_eq!(keeps().await, ["false", "true"]);
    assert_eq!(sim.get(&format!("/vms/{vm}")).await.at("status/state"), "up");
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.images.remove(format!("/sim/images/{id}.memory").as_ref()).unwrap();
    let with_memory = "<action><restore_memory>true</restore_memory></action>";
    let gone = sim.post(&restore, with_memory).await.is(409);
    assert!(gone.body.contains("The memory of the Snapshot is gone."), "{}", gone.body);
}

#[tokio::test]
async fn memory_stays_where_it_is_and_needs_its_disks() {
    let sim = Sim::start().await;
    let second = sim.domain("second", "data").await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}");
    let headers = [("content-type", "application/xml"), CREATED];
    for alias in ["system", "data"] {
        let body = disk_body(alias).replace(DATA, &second);
        sim.send("POST", &format!("{at}/disks"), &headers, body).await.is(201);
    }
    sim.start_vm(vm).await;
    let id = sim.take(vm, "<persist_memorystate>true</persist_memorystate>").await;
    sim.post(&format!("{at}/stop"), "<action/>").await.is(200);
    // The disks go elsewhere, their domain rests: nobody would find the file that is to be removed.
    let to = format!("<action><storage_domain id='{DATA}'/><async>false</async></action>");
    sim.post(&format!("{at}/move"), &to).await.is(200);
    let there = format!("/datacenters/00000002-0002-0002-0002-000000000255/storagedomains/{second}");
    sim.post(&format!("{there}/deactivate"), "<action/>").await.is(200);
    let snapshot = format!("{at}/snapshots/{id}");
    for gone in [&snapshot, &at] {
        let refused = sim.delete(gone).await.is(409);
        assert!(refused.body.contains("Storage Domain's status is Maintenance"), "{}", refused.body);
    }
    sim.post(&format!("{there}/activate"), "<action/>").await.is(200);
    // The guest had a disk that the snapshot lets go.
    let disk = sim.get(&format!("{snapshot}/disks")).await.at("disk/@id");
    sim.delete(&format!("{snapshot}/disks/{disk};async=false")).await.is(204);
    let restore = "<action><restore_memory>true</restore_memory></action>";
    let refused = sim.post(&format!("{snapshot}/restore"), restore).await.is(409);
    assert!(refused.body.contains("which is gone"), "{}", refused.body);
    let file = format!("/more/second/{id}.memory");
    assert!(sim.images.files().iter().any(|it| it.to_str() == Some(&file)));
    sim.delete(&format!("{snapshot};async=false")).await.is(204);
    assert!(sim.images.files().iter().all(|it| it.to_str() != Some(&file)));
}

/// Which a disk that is made to be shared, and that snapshots leave out, would be too many for.
#[tokio::test]
async fn a_guest_wakes_with_the_disks_that_it_had() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}");
    sim.disk(&format!("{at}/disks"), "system").await;
    sim.start_vm(vm).await;
    let id = sim.take(vm, "<persist_memorystate>true</persist_memorystate>").await;
    sim.post(&format!("{at}/stop"), "<action/>").await.is(200);
    let shared =
        disk_body("shared").replace("cow", "raw").replace("</disk>", "<shareable>true</shareable></disk>");
    let headers = [("content-type", "application/xml"), CREATED];
    let shared = sim.send("POST", &format!("{at}/disks"), &headers, shared).await.is(201).at("@id");
    let restore = async || {
        let body = "<action><restore_memory>true</restore_memory></action>";
        sim.post(&format!("{at}/snapshots/{id}/restore"), body).await
    };
    let refused = restore().await.is(409);
    assert!(refused.body.contains("without disk shared: deactivate that first"), "{}", refused.body);
    sim.post(&format!("{at}/disks/{shared}/deactivate"), "<action/>").await.is(200);
    restore().await.is(200);
    sim.start_vm(vm).await;
    // It is there for others when this VM goes, too.
    sim.post(&format!("{at}/stop"), "<action/>").await.is(200);
    sim.delete(&at).await.is(204);
    assert_eq!(sim.get("/disks").await.each("disk", "@id"), [shared]);
}

/// A memory knows its devices and its VM's name.
#[tokio::test]
async fn who_is_to_wake_stays_the_machine_that_it_was() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}");
    let disk = sim.disk(&format!("{at}/disks"), "system").await;
    let other = sim.disk("/disks", "other").await;
    let nic = sim.post(&format!("{at}/nics"), "<nic><name>n</name></nic>").await.is(201).at("@id");
    sim.start_vm(vm).await;
    let id = sim.take(vm, "<persist_memorystate>true</persist_memorystate>").await;
    sim.post(&format!("{at}/stop"), "<action/>").await.is(200);
    let restore = async |memory: bool| {
        let body = format!("<action><restore_memory>{memory}</restore_memory></action>");
        sim.post(&format!("{at}/snapshots/{id}/restore"), &body).await.is(200);
    };
    restore(true).await;
    let edits = [
        ("POST", format!("{at}/disks"), format!("<disk id='{other}'/>")),
        ("POST", format!("{at}/disks/{disk}/deactivate"), "<action/>".into()),
        ("PUT", format!("{at}/disks/{disk}"), "<disk><interface>ide</interface></disk>".into()),
        ("PUT", format!("{at}/disks/{disk}"), format!("<disk><size>{}</size></disk>", 2 * GIB)),
        ("DELETE", format!("/disks/{disk}"), String::new()),
        ("POST", format!("{at}/nics"), "<nic><name>m</name></nic>".into()),
        ("PUT", format!("{at}/nics/{nic}"), "<nic><interface>e1000</interface></nic>".into()),
        ("DELETE", format!("{at}/nics/{nic}"), String::new()),
        ("POST", format!("{at}/reordermacaddresses"), "<action/>".into()),
    ];
    for (method, path, body) in &edits {
        let got = sim.with_body(method, path, body).await.is(409);
        assert!(
            got.body.contains("is to go on from the memory of a Snapshot"),
            "{method} {path}: {}",
            got.body
        );
    }
    sim.put(&at, "<vm><name>b</name></vm>").await.is(200);
    let name = || sim.defined(vm).value("name").unwrap();
    assert_eq!(name(), "b");
    sim.start_vm(vm).await;
    assert_eq!((name(), sim.get(&at).await.at("name")), ("a".into(), "b".into()), "as it was then");
    let said = "The VM name is already in use: VM b was renamed while it runs";
    let taken = sim.post("/vms", "<vm><name>a</name><cluster><name>Default</name></cluster><template><name>Blank</name></template></vm>");
    assert!(taken.await.is(400).body.contains(said));
    sim.post(&format!("{at}/stop"), "<action/>").await.is(200);
    sim.until("its domain is renamed", || name() == "b").await;

    // Whose name it was, it may be another's by now. A change waits for the end of what the engine does.
    sim.put(&at, "<vm><description>d</description></vm>").await.is(200);
    let new = sim.vm("a").await;
    restore(true).await;
    let refused = sim.post(&format!("{at}/start"), "<action/>").await.is(409);
    assert!(refused.body.contains("is of a VM named a, as another VM is now"), "{}", refused.body);
    assert_eq!((name(), sim.get(&at).await.at("status/state")), ("b".into(), "down".into()));
    sim.delete(&format!("/vms/{new}")).await.is(204);
    sim.start_vm(vm).await;
    sim.post(&format!("{at}/stop"), "<action/>").await.is(200);
    restore(false).await;
    sim.with_body(edits[5].0, &edits[5].1, &edits[5].2).await.is(201);
}

#[tokio::test]
async fn a_stateless_run_shows_what_it_leaves_as_it_was() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    let image = async || sim.get(&format!("/vms/{vm}/disks/{disk}")).await.at("image_id");
    let before = image().await;
    let path = format!("/vms/{vm}/snapshots");
    let nics = format!("/vms/{vm}/nics");
    sim.post(&nics, "<nic><name>kept</name></nic>").await.is(201);
    let drive = format!("/vms/{vm}/cdroms/{BLANK}");
    let types = async || sim.get(&path).await.each("snapshot", "type");
    let once = "<action><vm><stateless>true</stateless></vm></action>";
    sim.post(&format!("/vms/{vm}/start"), once).await.is(200);
    assert_eq!(types().await, ["active", "stateless"]);
    assert_ne!(image().await, before);
    let kept = sim.get(&path).await.each("snapshot", "@id")[1].clone();
    for (method, at, body) in [
        ("POST", path.clone(), "<snapshot><description>d</description></snapshot>"),
        ("DELETE", format!("{path}/{kept}"), ""),
        ("POST", format!("/vms/{vm}/suspend"), "<action/>"),
        (
            "PUT",
            format!("/vms/{vm}/disks/{disk}"),
            "<disk><provisioned_size>8589934592</provisioned_size></disk>",
        ),
        ("DELETE", format!("/vms/{vm}/disks/{disk}"), "<action><detach>true</detach></action>"),
    ] {
        let refused = sim.with_body(method, &at, body).await;
        assert_eq!(refused.status, 409, "{method} {at}: {}", refused.body);
    }
    let nic = sim.get(&nics).await.at("nic/@id");
    sim.put(&format!("{nics}/{nic}"), "<nic><name>other</name><linked>false</linked></nic>").await.is(200);
    sim.post(&nics, "<nic><name>new</name></nic>").await.is(201);
    sim.post(&format!("/vms/{vm}/disks/{disk}/deactivate"), "<action/>").await.is(200);
    sim.delete(&format!("/vms/{vm}/disks/{disk}")).await.is(409);
    let next = format!("/vms/{vm};next_run");
    sim.put(&next, "<vm><cpu_shares>7</cpu_shares></vm>").await.is(200);
    sim.put(&drive, "<cdrom><file id='debian-12.iso'/></cdrom>").await.is(200);
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    assert_eq!((types().await, image().await), (vec!["active".to_owned()], before));
    let left = sim.get(&nics).await;
    assert_eq!((left.each("nic", "name"), left.at("nic/linked")), (vec!["kept".into()], "true".into()));
    assert_eq!(sim.get(&format!("/vms/{vm}/disks/{disk}")).await.at("active"), "true");
    assert_eq!(sim.defined(vm).every("devices/interface").len(), 1);
    let row = || sim.engine.vm(vm).unwrap().vm;
    sim.until("the next run is the present one", || row().next_run.is_none()).await;
    assert_eq!((row().spec.cpu_shares, row().spec.cdrom), (7, None));
    assert_eq!(sim.get(&drive).await.at("file/@id"), "");
}

#[tokio::test]
async fn a_storage_domain_lists_what_snapshots_keep_there() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disk = sim.disk(&format!("/vms/{vm}/disks"), "system").await.to_string();
    let image = sim.get(&format!("/vms/{vm}/disks/{disk}")).await.at("image_id");
    let data = sim.get("/storagedomains?search=type%3Ddata").await.at("storage_domain/@id");
    let path = format!("/storagedomains/{data}/disksnapshots");
    assert!(sim.get(&path).await.is(200).each("disk_snapshot", "@id").is_empty());
    let id = sim.take(vm, "").await;
    let listed = sim.get(&path).await.is(200);
    assert_eq!(listed.each("disk_snapshot", "@id"), [image.as_str()]);
    let one = sim.get(&format!("{path}/{image}")).await.is(200);
    let said = ["@id", "image_id", "snapshot/@id", "disk/@id", "alias"].map(|at| one.at(at));
    assert_eq!(said, [image.as_str(), &image, &id, &disk, "system"]);
    sim.get(&format!("{path}/{NOBODY}")).await.is(404);
    sim.delete(&format!("{path}/{NOBODY}")).await.is(404);
    sim.delete(&format!("{path}/{image};async=false")).await.is(204);
    assert!(sim.get(&path).await.is(200).each("disk_snapshot", "@id").is_empty());
    assert!(sim.get(&format!("/vms/{vm}/snapshots/{id}/disks")).await.each("disk", "@id").is_empty());
}

#[tokio::test]
async fn a_vm_moves_with_all_of_its_disks() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disks = format!("/vms/{vm}/disks");
    sim.disk(&disks, "system").await;
    sim.disk(&disks, "data").await;
    sim.take(vm, "").await;
    let second = sim.domain("second", "data").await;
    let to = |name: &str| {
        format!("<action><storage_domain><name>{name}</name></storage_domain><async>false</async></action>")
    };
    let act = format!("/vms/{vm}/move");
    sim.post(&act, "<action/>").await.is(400);
    sim.post(&act, &to("data")).await.is(409);
    sim.start_vm(vm).await;
    sim.post(&act, &to("second")).await.is(409);
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.post(&act, &to("second")).await.is(200);
    let places = sim.get(&disks).await.each("disk", "storage_domains/storage_domain/@id");
    assert_eq!(places, [second.as_str(), second.as_str()]);
    let kept = sim.get(&format!("/storagedomains/{second}/disksnapshots")).await;
    assert_eq!(kept.each("disk_snapshot", "@id").len(), 2);
}

#[tokio::test]
async fn what_is_only_read_is_kept_and_copied() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let at = format!("/vms/{vm}");
    sim.disk(&format!("{at}/disks"), "system").await;
    let read = disk_body("read").replace("</disk>", "<read_only>true</read_only></disk>");
    let headers = [("content-type", "application/xml"), CREATED];
    sim.send("POST", &format!("{at}/disks"), &headers, read).await.is(201);
    let id = sim.take(vm, "").await;
    assert_eq!(sim.get(&format!("{at}/snapshots/{id}/disks")).await.each("disk", "alias").len(), 2);
    let from = format!(
        "<vm><name>b</name><cluster><name>Default</name></cluster><snapshots><snapshot id='{id}'/></snapshots></vm>"
    );
    let copy = sim.send("POST", "/vms", &headers, from).await.is(201).at("@id");
    let mut copies = sim.get(&format!("/vms/{copy}/disks")).await.is(200).each("disk", "read_only");
    copies.sort();
    assert_eq!(copies, ["false", "true"]);
    let template = format!("<template><name>t</name><vm id='{vm}'/></template>");
    let template = sim.send("POST", "/templates", &headers, template).await.is(201).at("@id");
    assert_eq!(sim.get(&format!("/templates/{template}/disks")).await.each("disk", "@id").len(), 2);
}

#[tokio::test]
async fn disks_that_others_write_are_left_out_and_named() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let disks = format!("/vms/{vm}/disks");
    let own = sim.disk(&disks, "system").await.to_string();
    let shared = disk_body("shared").replace("<format>cow", "<shareable>true</shareable><format>raw");
    let headers = [("content-type", "application/xml"), CREATED];
    let shared = sim.send("POST", &disks, &headers, shared).await.is(201).at("@id");
    let id = sim.take(vm, "").await;
    let kept = sim.get(&format!("/vms/{vm}/snapshots/{id}/disks")).await.is(200);
    assert_eq!(kept.each("disk", "@id"), [own]);
    let told = sim.get("/events").await.is(200).each("event", "description");
    assert!(told.iter().any(|text| text.contains("without disks") && text.contains(": shared.")), "{told:?}");
    let named =
        format!("<snapshot><description>d</description><disks><disk id='{shared}'/></disks></snapshot>");
    sim.post(&format!("/vms/{vm}/snapshots"), &named).await.is(409);
}
