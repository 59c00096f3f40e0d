//! Snapshots: what lists and documents say, and what is refused.

use super::*;

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";

impl Sim {
    async fn take(&self, vm: VmId, more: &str) -> String {
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
    assert_eq!(all.each("snapshot", "@id")[1..], [second, id.clone()]);
    let newest = all.xml().all("snapshot").next().unwrap().clone();
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
    assert_eq!(act("preview_snapshot", "<action/>").await, 400);
    assert_eq!(act("preview_snapshot", &format!("<action><snapshot id='{NOBODY}'/></action>")).await, 400);
    for end in ["undo_snapshot", "commit_snapshot"] {
        assert_eq!(act("preview_snapshot", &preview).await, 200);
        assert_eq!(act("preview_snapshot", &preview).await, 409);
        let shown = sim.get(&format!("/vms/{vm}/snapshots/{id}")).await.is(200);
        assert_eq!(shown.at("snapshot_status"), "in_preview");
        assert_eq!(sim.delete(&format!("/vms/{vm}")).await.status, 409);
        assert_eq!(act(end, "<action/>").await, 200);
    }
    assert_eq!(sim.get(&format!("/vms/{vm}/snapshots/{id}")).await.at("snapshot_status"), "ok");
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
