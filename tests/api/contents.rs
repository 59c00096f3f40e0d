//! What another engine left in a storage domain: listed, and taken in.

use super::*;
use std::path::Path;
use vireo::engine::ports::Images;
use vireo::model::*;
use vireo::ovf::Hint;

const FOLDER: &str = "/more/second";
const CENTER: &str = "/datacenters/00000002-0002-0002-0002-000000000255/storagedomains";

/// A folder with a template, a thin VM of it and a plain VM, that an engine which is gone has filled.
async fn filled(into: &Sim) -> [String; 3] {
    let other = Sim::start().await;
    let second = other.domain("second", "data").await;
    let plain = other.vm("plain").await;
    let headers = [("content-type", "application/xml"), CREATED];
    let disk = disk_body("system").replace(DATA, &second);
    other.send("POST", &format!("/vms/{plain}/disks"), &headers, disk).await.is(201);
    let made = format!("<template><name>t</name><vm id='{plain}'/></template>");
    let template = other.send("POST", "/templates", &headers, made).await.is(201).at("@id");
    let thin = format!("<vm><name>thin</name><cluster id='{CLUSTER}'/><template id='{template}'/></vm>");
    let thin = other.send("POST", "/vms", &headers, thin).await.is(201).at("@id");
    other.engine.drain().await;
    let folder = Path::new(FOLDER);
    for (name, text) in other.images.hints(folder).unwrap() {
        into.images.keep_hint(&folder.join(name), &text).unwrap();
    }
    let world = other.engine.world();
    let mut rows: Vec<_> =
        world.disks.values().filter(|disk| disk.storage_domain.to_string() == second).collect();
    rows.sort_by_key(|disk| disk.parent.is_some());
    for disk in rows {
        let file = folder.join(disk.file_name());
        match disk.parent {
            None => into.images.create(&file, disk.format, disk.size, disk.sparse).unwrap(),
            Some(parent) => {
                let below = world.disks.values().find(|it| it.image == parent).unwrap();
                into.images.overlay(&file, disk.size, &below.file_name(), below.format).unwrap();
            }
        }
    }
    into.images.mark(folder, &second).unwrap();
    [template, thin, plain.to_string()]
}

async fn taken(sim: &Sim) -> String {
    let host = sim.get("/hosts").await.at("host/name");
    let body = |import: &str| {
        format!(
            "<storage_domain>{import}<type>data</type><host><name>{host}</name></host>\
             <storage><type>localfs</type><path>{FOLDER}</path></storage></storage_domain>"
        )
    };
    assert_eq!(sim.post("/storagedomains", &body("<name>second</name>")).await.status, 409, "it is marked");
    assert_eq!(sim.post("/storagedomains", &body("")).await.status, 400);
    let made = sim.post("/storagedomains", &body("<import>true</import>")).await.is(201);
    assert_eq!(made.at("name"), "second");
    assert_eq!(sim.post("/storagedomains", &body("<import>true</import>")).await.status, 409);
    let attach = format!("<storage_domain id='{}'/>", made.at("@id"));
    sim.post(CENTER, &attach).await.is(201);
    made.at("@id")
}

#[tokio::test]
async fn what_another_engine_left_is_registered() {
    let sim = Sim::start().await;
    let [template, thin, plain] = filled(&sim).await;
    let second = taken(&sim).await;
    let (vms, templates) =
        (format!("/storagedomains/{second}/vms"), format!("/storagedomains/{second}/templates"));
    assert!(sim.get(&vms).await.is(200).each("vm", "@id").is_empty());
    let mut found = sim.get(&format!("{vms};unregistered")).await.is(200).each("vm", "name");
    found.sort();
    assert_eq!(found, ["plain", "thin"]);
    assert_eq!(sim.get(&format!("{templates};unregistered")).await.is(200).each("template", "name"), ["t"]);
    assert_eq!(sim.get(&format!("{vms}/{thin}/disks")).await.is(200).each("disk", "alias").len(), 1);
    assert_eq!(sim.get(&format!("{templates}/{template}")).await.is(200).at("name"), "t");

    let action = |more: &str| format!("<action><cluster id='{CLUSTER}'/>{more}</action>");
    assert_eq!(sim.post(&format!("{vms}/{plain}/register"), "<action/>").await.status, 400);
    assert_eq!(sim.post(&format!("{vms}/{UNKNOWN}/register"), &action("")).await.status, 404);
    assert_eq!(
        sim.post(&format!("{vms}/{thin}/register"), &action("")).await.status,
        409,
        "its template comes first"
    );
    assert_eq!(sim.post(&format!("{vms}/{plain}/import"), &action("")).await.status, 409);
    assert_eq!(sim.delete(&format!("{vms}/{plain}")).await.status, 409);
    sim.post(&format!("{templates}/{template}/register"), &action("")).await.is(200);
    sim.post(&format!("{vms}/{thin}/register"), &action("")).await.is(200);
    sim.post(&format!("{vms}/{plain}/register"), &action("<vm><name>renamed</name></vm>")).await.is(200);
    assert_eq!(sim.get(&format!("/vms/{plain}")).await.at("name"), "renamed");
    assert_eq!(sim.get(&format!("/vms/{thin}")).await.at("template/@id"), template);
    let mut there = sim.get(&vms).await.is(200).each("vm", "name");
    there.sort();
    assert_eq!(there, ["renamed", "thin"]);
    assert!(sim.get(&format!("{vms};unregistered")).await.each("vm", "@id").is_empty());
    assert_eq!(sim.get(&templates).await.each("template", "name"), ["t"]);
    assert_eq!(sim.post(&format!("{vms}/{plain}/register"), &action("")).await.status, 404);
    sim.start_vm(thin.parse().unwrap()).await;
}

#[tokio::test]
async fn what_lies_in_a_domain_that_goes_is_registered_where_it_comes_back() {
    let sim = Sim::start().await;
    let second = sim.domain("second", "data").await;
    let (inside, top) = (format!("{CENTER}/{second}"), format!("/storagedomains/{second}"));
    let headers = [("content-type", "application/xml"), CREATED];
    let there = |alias: &str| disk_body(alias).replace(DATA, &second);
    let (vm, split) = (sim.vm("plain").await, sim.vm("split").await);
    for (vm, body) in [(vm, there("system")), (split, there("one")), (split, disk_body("other"))] {
        sim.send("POST", &format!("/vms/{vm}/disks"), &headers, body).await.is(201);
    }
    let made = format!("<template><name>t</name><vm id='{vm}'/></template>");
    let template = sim.send("POST", "/templates", &headers, made).await.is(201).at("@id");
    let thin = format!("<vm><name>thin</name><cluster id='{CLUSTER}'/><template id='{template}'/></vm>");
    let thin = sim.send("POST", "/vms", &headers, thin).await.is(201).at("@id");
    let floating = sim.send("POST", "/disks", &headers, there("floating")).await.is(201).at("@id");
    sim.post(&format!("/vms/{vm}/snapshots"), "<snapshot><description>s</description></snapshot>").await;
    sim.engine.drain().await;

    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    sim.delete(&inside).await.refused(
        409,
        "Operation Failed",
        "[Cannot detach Storage. The VM split has disks in other Storage Domains, too: move them first.]",
    );
    for id in [&vm.to_string(), &thin] {
        sim.get(&format!("/vms/{id}")).await.is(200);
    }
    sim.post(&format!("{inside}/activate"), "<action/>").await.is(200);
    sim.delete(&format!("/vms/{split}")).await.is(204);
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    let before = sim.images.files();
    sim.delete(&inside).await.is(204);
    for gone in [format!("/vms/{vm}"), format!("/vms/{thin}"), format!("/templates/{template}")] {
        sim.get(&gone).await.is(404);
    }
    sim.get(&format!("/disks/{floating}")).await.is(404);
    assert!(sim.engine.inventory.seen(vm).is_none(), "nor has libvirt the domain");

    sim.post(CENTER, &format!("<storage_domain id='{second}'/>")).await.is(201);
    let listed = format!("{top}/disks;unregistered");
    assert_eq!(sim.get(&listed).await.is(200).each("disk", "alias"), ["floating"]);
    sim.post(&listed, "<disk/>").await.is(400);
    sim.post(&listed, &format!("<disk id='{UNKNOWN}'/>")).await.is(404);
    let body = format!("<disk id='{floating}'><alias>renamed</alias></disk>");
    assert_eq!(sim.post(&listed, &body).await.is(201).at("alias"), "renamed");
    sim.post(&listed, &body).await.is(404);
    let action = format!("<action><cluster id='{CLUSTER}'/></action>");
    sim.post(&format!("{top}/templates/{template}/register"), &action).await.is(200);
    for id in [&vm.to_string(), &thin] {
        sim.post(&format!("{top}/vms/{id}/register"), &action).await.is(200);
    }
    assert_eq!(sim.images.files(), before, "no image was touched");
    assert_eq!(sim.get(&format!("/vms/{vm}/snapshots")).await.each("snapshot", "@id").len(), 2);
    sim.start_vm(thin.parse().unwrap()).await;

    // One whose folder is gone goes with all that lay in it.
    sim.post(&format!("/vms/{thin}/stop"), "<action/>").await.is(200);
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    let remove = |how: &str| format!("<storage_domain><host><name>host</name></host>{how}</storage_domain>");
    assert_eq!(sim.with_body("DELETE", &top, &remove("<format>true</format>")).await.status, 409);
    sim.with_body("DELETE", &top, &remove("<destroy>true</destroy>")).await.is(204);
    sim.get(&format!("/vms/{vm}")).await.is(404);
    sim.get(&top).await.is(404);
    // The folder may be there all the same: its images keep the hints that tell of them.
    sim.engine.drain().await;
    assert_eq!(sim.images.files(), before, "no hint was touched either");
    assert_eq!(taken(&sim).await, second);
    let found = sim.get(&format!("{top}/vms;unregistered")).await.is(200).each("vm", "name");
    assert_eq!(found.into_iter().collect::<std::collections::BTreeSet<_>>().len(), 2);
}

#[tokio::test]
async fn vms_that_share_a_disk_are_registered_one_after_the_other() {
    let sim = Sim::start().await;
    let second = sim.domain("second", "data").await;
    let (inside, top) = (format!("{CENTER}/{second}"), format!("/storagedomains/{second}"));
    let (a, b) = (sim.vm("a").await, sim.vm("b").await);
    let shared =
        disk_body("shared").replace(DATA, &second).replace("<format>cow</format>", "<format>raw</format>");
    let shared = shared.replace("<interface>", "<shareable>true</shareable><interface>");
    let headers = [("content-type", "application/xml"), CREATED];
    let disk = sim.send("POST", &format!("/vms/{a}/disks"), &headers, shared).await.is(201).at("@id");
    sim.post(&format!("/vms/{b}/disks"), &format!("<disk id='{disk}'/>")).await.is(200);
    sim.engine.drain().await;
    sim.post(&format!("{inside}/deactivate"), "<action/>").await.is(200);
    // Another folder is where its own was.
    sim.images.set_missing(FOLDER, true);
    sim.delete(&inside).await.is(409);
    sim.get(&format!("/vms/{a}")).await.is(200);
    sim.images.set_missing(FOLDER, false);
    sim.delete(&inside).await.is(204);
    sim.get(&format!("/disks/{disk}")).await.is(404);
    sim.post(CENTER, &format!("<storage_domain id='{second}'/>")).await.is(201);
    let action = format!("<action><cluster id='{CLUSTER}'/></action>");
    for vm in [a, b] {
        sim.post(&format!("{top}/vms/{vm}/register"), &action).await.is(200);
        assert_eq!(
            sim.get(&format!("/vms/{vm}/disks")).await.each("disk", "@id"),
            std::slice::from_ref(&disk)
        );
    }
}

/// Hints may be anybody's.
#[tokio::test]
async fn a_hint_gives_no_more_than_a_client_could_have() {
    let sim = Sim::start().await;
    let [_, _, plain] = filled(&sim).await;
    let second = taken(&sim).await;
    let victim = sim.vm("victim").await;
    let victim = sim.disk(&format!("/vms/{victim}/disks"), "victim").await;
    let victim = sim.engine.disk(victim).unwrap();
    let file = Path::new(FOLDER).join(format!("{plain}.ovf"));
    let found = sim.images.hints(Path::new(FOLDER)).unwrap();
    let text = &found.iter().find(|(name, _)| file.ends_with(name)).unwrap().1;
    let hint = Hint::read(text).unwrap();
    let (vm, own) = (hint.vm.clone().unwrap(), hint.disks[0].clone());

    let unit = |address: &str, chap: Option<Chap>| {
        let (address, target) = (address.to_owned(), "iqn.2010-05.com.example:x".to_owned());
        LunAt::Iscsi(IscsiUnit { address, port: 3260, target, number: 1, chap })
    };
    let lun = |of: &Disk, at: LunAt| Disk {
        lun: Some(Lun { id: "lun1".into(), size: 0, passed: None, reserved: false, at }),
        ..of.clone()
    };
    let fresh = Disk { id: DiskId::random(), image: ImageId::random(), ..own.clone() };
    let device = || LunAt::Host { device: "/dev/vda".into() };
    let moment = |disks: Vec<Disk>, memory: bool| Snapshot {
        id: SnapshotId::random(),
        vm: vm.id,
        description: "s".into(),
        kind: SnapshotKind::Regular,
        status: SnapshotStatus::Ok,
        date: own.created,
        spec: vm.spec.clone(),
        machine: None,
        nics: Vec::new(),
        disks: disks
            .into_iter()
            .map(|disk| SavedDisk {
                attachment: Attachment {
                    vm: vm.id,
                    disk: disk.id,
                    active: true,
                    read_only: false,
                    target: "vda".into(),
                },
                disk,
            })
            .collect(),
        lost: Default::default(),
        memory: memory.then_some(own.storage_domain),
    };
    let with = |disk: Option<Disk>, snapshot: Option<Snapshot>| Hint {
        disks: hint.disks.iter().cloned().chain(disk).collect(),
        snapshots: snapshot.into_iter().collect(),
        ..hint.clone()
    };
    let register = async |hint: &Hint| {
        sim.images.keep_hint(&file, &hint.document(None)).unwrap();
        let action = format!("<action><cluster id='{CLUSTER}'/></action>");
        sim.post(&format!("/storagedomains/{second}/vms/{plain}/register"), &action).await
    };
    for (hostile, why) in [
        (with(Some(lun(&fresh, device())), None), "The host has no LUN lun1"),
        (with(Some(lun(&fresh, unit("127.0.0.1", None))), None), "does not allow the iSCSI portal"),
        (with(None, Some(moment(vec![lun(&own, device())], false))), "is without its snapshot"),
        (with(None, Some(moment(vec![victim], false))), "is without some of its disks"),
    ] {
        let refused = register(&hostile).await;
        assert!(refused.status == 409 && refused.body.contains(why), "{why}: {}", refused.body);
    }

    // Memory is a document of libvirt's, with whatever its writer liked.
    let remembers = moment(vec![], true);
    let memory = Path::new(FOLDER).join(Snapshot::memory_file(remembers.id));
    sim.images.create(&memory, DiskFormat::Raw, MIB, true).unwrap();
    let chap = Chap { username: "me".into(), password: sim.engine.seal("canary").unwrap() };
    let known = lun(&fresh, unit("192.0.2.9", Some(chap)));
    let mut fine = with(Some(known), Some(remembers.clone()));
    fine.vm = Some(Vm { wakes_from: Some(remembers.id), ..vm.clone() });
    register(&fine).await.is(200);
    assert_eq!(sim.engine.snapshot(vm.id, remembers.id).unwrap().memory, None);
    assert_eq!(sim.engine.vm(vm.id).unwrap().vm.wakes_from, None);
    assert_eq!(sim.hypervisor.secrets().into_values().collect::<Vec<_>>(), ["canary"]);
}
