//! The CD-ROM drive: what is configured, and what is in it now.

use super::*;
use vireo::sim::SimImages;

const DRIVE: &str = "cdroms/00000000-0000-0000-0000-000000000000";
const DEBIAN: &str = "debian-12.iso";

fn put_iso(images: &SimImages, name: &str) {
    images.put(format!("/sim/isos/{name}"), GIB);
}

fn body(medium: &str) -> String {
    format!("<cdrom><file id=\"{medium}\"/></cdrom>")
}

impl Sim {
    async fn insert(&self, vm: VmId, flags: &str, medium: &str) -> Got {
        self.put(&format!("/vms/{vm}/{DRIVE}{flags}"), &body(medium)).await
    }

    /// The configured medium and the present one.
    async fn media(&self, vm: VmId) -> [String; 2] {
        let drive = format!("/vms/{vm}/{DRIVE}");
        let configured = self.get(&drive).await.is(200).at("file/@id");
        [configured, self.get(&format!("{drive};current=true")).await.is(200).at("file/@id")]
    }
}

/// Who sends an empty drive back as it was read means nothing by it.
#[tokio::test]
async fn an_empty_drive_is_sent_back() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let drive = format!("/vms/{vm}/cdroms/00000000-0000-0000-0000-000000000000");
    let read = sim.get(&drive).await.is(200).body;
    assert_eq!(sim.put(&drive, &read).await.is(200).body, read);
    sim.put(&drive, "<cdrom><file id='debian-12.iso'/></cdrom>").await.is(200);
    sim.put(&drive, &read).await.is(400);
}

#[tokio::test]
async fn one_drive_with_its_medium() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    let all = sim.get(&format!("/vms/{vm}/cdroms")).await.is(200);
    assert_eq!(all.each("cdrom", "@id"), ["00000000-0000-0000-0000-000000000000"]);
    assert!(!all.body.contains("<file"), "{}", all.body);
    assert!(sim.get(&format!("/vms/{vm}")).await.body.contains("rel=\"cdroms\""));

    let made = sim.post(&format!("/vms/{vm}/cdroms"), &body(DEBIAN)).await.is(201);
    let href = format!("/ovirt-engine/api/vms/{vm}/{DRIVE}");
    assert_eq!(made.header("location"), format!("https://vireo:8443{href}"));
    for got in [made, sim.get(&format!("/vms/{vm}/{DRIVE}")).await] {
        let values = ["@href", "vm/@id", "file/@id"].map(|path| got.at(path));
        assert_eq!(values, [href.clone(), vm.to_string(), DEBIAN.into()]);
    }
    assert_eq!(sim.insert(vm, "", "").await.is(200).at("file/@id"), "");
    sim.put(&format!("/vms/{vm}/{DRIVE}"), &body(DEBIAN)).await.is(200);
    sim.put(&format!("/vms/{vm}/{DRIVE}"), "<cdrom><file/></cdrom>").await.is(200);
    assert_eq!(sim.media(vm).await, ["", ""]);
    sim.insert(vm, "", DEBIAN).await.is(200);
    sim.delete(&format!("/vms/{vm}/{DRIVE}")).await.is(204);
    assert_eq!(sim.media(vm).await, ["", ""]);
}

#[tokio::test]
async fn the_session_and_the_configuration_are_two_things() {
    let sim = Sim::start().await;
    put_iso(&sim.images, "two.iso");
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.insert(vm, "", DEBIAN).await.is(200);
    assert_eq!(sim.media(vm).await, [DEBIAN, ""]);
    let down = "[Cannot change the CD of VM because the VM is in Down status.]";
    sim.insert(vm, ";current", "two.iso").await.refused(409, "Operation Failed", down);
    sim.start_vm(vm).await;
    assert_eq!(sim.media(vm).await, [DEBIAN, DEBIAN]);

    let echo = sim.insert(vm, ";current=True", "two.iso").await.is(200);
    assert_eq!([echo.at("file/@id"), echo.at("@id"), echo.at("@href")], ["two.iso", "", ""]);
    assert_eq!(sim.media(vm).await, [DEBIAN, "two.iso"]);
    let calls = sim.hypervisor.calls();
    sim.insert(vm, ";current", "two.iso").await.is(200);
    assert_eq!(sim.hypervisor.calls(), calls, "the same medium is no change");
    let echo = sim.insert(vm, "?current", "").await.is(200);
    assert!(echo.body.contains("<file id=\"\"/>"), "{}", echo.body);
    assert_eq!(sim.media(vm).await, [DEBIAN, ""]);
    let path = format!("/vms/{vm}/{DRIVE};current");
    let headers = [("content-type", "application/json"), ("accept", "application/json")];
    let echo = sim.send("PUT", &path, &headers, "{\"file\":{\"id\":\"\"}}").await.is(200);
    assert_eq!(echo.json()["file"]["id"], "", "{}", echo.body);

    // A reboot brings back what the session took out.
    sim.post(&format!("/vms/{vm}/reboot"), "<action/>").await.is(200);
    for _ in 0..1000 {
        if sim.media(vm).await == [DEBIAN, DEBIAN] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sim.media(vm).await, [DEBIAN, DEBIAN]);

    // The engine may still be writing down that it brought it back.
    let mut changed = sim.insert(vm, "", "two.iso").await;
    for _ in 0..1000 {
        if changed.status != 409 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        changed = sim.insert(vm, "", "two.iso").await;
    }
    changed.is(200);
    assert_eq!(sim.media(vm).await, ["two.iso", DEBIAN]);
    sim.post(&format!("/vms/{vm}/stop"), "<action/>").await.is(200);
    sim.is_in(vm, "down").await;
    sim.start_vm(vm).await;
    assert_eq!(sim.media(vm).await, ["two.iso", "two.iso"]);
}

#[tokio::test]
async fn a_locked_tray_opens_by_force_only() {
    let sim = Sim::start().await;
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.insert(vm, "", DEBIAN).await.is(200);
    sim.start_vm(vm).await;
    sim.hypervisor.ignore_requests(vm);
    let locked = "[The guest holds the CD-ROM's tray locked.]";
    sim.insert(vm, ";current", "").await.refused(409, "Operation Failed", locked);
    sim.insert(vm, ";current;force=false", "").await.refused(409, "Operation Failed", locked);
    assert_eq!(sim.media(vm).await, [DEBIAN, DEBIAN]);
    sim.insert(vm, ";current;force=true", "").await.is(200);
    assert_eq!(sim.media(vm).await, [DEBIAN, ""]);
    assert_eq!(sim.insert(vm, ";current;force=x", "").await.status, 400);
}

#[tokio::test]
async fn what_is_no_medium_is_refused() {
    let sim = Sim::start().await;
    sim.images.put("/sim/isos/disk.img", 1);
    sim.images.put("/sim/isos/sub/deep.iso", 1);
    sim.images.put("/sim/secret.iso", 1);
    let vm = sim.vm("a").await;
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.start_vm(vm).await;
    for flags in ["", ";current"] {
        for (bad, said) in [
            ("disk.img", "Invalid CD image format."),
            ("debian-12", "Invalid CD image format."),
            ("sub/deep.iso", "The CD image 'sub/deep.iso' is not the name of a file in an ISO domain."),
            ("../secret.iso", "The CD image '../secret.iso' is not the name of a file in an ISO domain."),
            (
                "/sim/isos/debian-12.iso",
                "The CD image '/sim/isos/debian-12.iso' is not the name of a file in an ISO domain.",
            ),
        ] {
            sim.insert(vm, flags, bad).await.refused(400, "Operation Failed", &format!("[{said}]"));
        }
        let nul = sim
            .send(
                "PUT",
                &format!("/vms/{vm}/{DRIVE}{flags}"),
                &[("content-type", "application/json")],
                "{\"file\":{\"id\":\"a\\u0000.iso\"}}",
            )
            .await;
        assert_eq!(nul.status, 400, "{}", nul.body);
        sim.put(&format!("/vms/{vm}/{DRIVE}{flags}"), "<cdrom/>").await.refused(
            400,
            "Incomplete parameters",
            "CdRom [file] required for update",
        );
    }
    for empty in ["<cdrom/>", "<cdrom><file id=''/></cdrom>"] {
        let incomplete = "CdRom [file.id] required for add";
        sim.post(&format!("/vms/{vm}/cdroms"), empty).await.refused(400, "Incomplete parameters", incomplete);
    }
    for path in [
        format!("/vms/{vm}/cdroms/{UNKNOWN}"),
        format!("/vms/{vm}/cdroms/1"),
        format!("/vms/{UNKNOWN}/cdroms"),
    ] {
        assert_eq!(sim.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(sim.put(&format!("/vms/{vm}/cdroms/{UNKNOWN}"), &body(DEBIAN)).await.status, 404);
    assert_eq!(sim.media(vm).await, ["", ""]);
    // The present run needs the file; what is configured is looked for at the start.
    let absent = "[The CD image 'gone.iso' is no file of an ISO domain.]";
    sim.insert(vm, ";current", "gone.iso").await.refused(400, "Operation Failed", absent);
    sim.insert(vm, "", "gone.iso").await.is(200);
    assert_eq!(sim.media(vm).await, ["gone.iso", ""]);
}

#[tokio::test]
async fn a_medium_that_has_gone_keeps_nothing_else_from_working() {
    let sim = Sim::start().await;
    put_iso(&sim.images, "gone.iso");
    let vm = sim.vm("a").await;
    sim.insert(vm, "", "gone.iso").await.is(200);
    vireo::engine::ports::Images::remove(&sim.images, "/sim/isos/gone.iso".as_ref()).unwrap();
    sim.disk(&format!("/vms/{vm}/disks"), "system").await;
    sim.put(&format!("/vms/{vm}"), "<vm><description>d</description></vm>").await.is(200);
    assert_eq!(sim.media(vm).await, ["gone.iso", ""]);
    let said = "[The CD image 'gone.iso' is no file of an ISO domain.]";
    sim.post(&format!("/vms/{vm}/start"), "<action/>").await.refused(400, "Operation Failed", said);
    put_iso(&sim.images, "gone.iso");
    sim.start_vm(vm).await;
    assert_eq!(sim.media(vm).await, ["gone.iso", "gone.iso"]);
}

#[tokio::test]
async fn a_new_vm_may_come_with_a_medium() {
    let sim = Sim::start().await;
    let new = |medium: &str| {
        format!(
            "<vm><name>a</name><cluster><name>Default</name></cluster><template><name>Blank</name></template>\
             <cdroms>{}</cdroms></vm>",
            body(medium)
        )
    };
    sim.post("/vms", &new("../x.iso")).await.is(400);
    let vm: VmId = sim.post("/vms", &new(DEBIAN)).await.is(201).at("@id").parse().unwrap();
    assert_eq!(sim.media(vm).await[0], DEBIAN);
}
