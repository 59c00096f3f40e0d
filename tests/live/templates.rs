//! Templates, clones and VMs of snapshots: what was written in one guest is read in another.

use super::disks::address;
use super::harness::{Boots, Disk, Guest, Lab, Vm, run, until};
use super::moves::{second, to};
use std::process::Command;
use vireo::xml::Element;

pub fn write(guest: &mut Guest, text: &str) {
    let at = address(guest);
    guest.ask(&format!("w {at} 3 {text}"));
}

pub fn read(guest: &mut Guest) -> String {
    let at = address(guest);
    guest.ask(&format!("r {at} 3"))
}

/// Boots it, reads what the last one wrote, and turns it off.
fn seen(vm: &Vm) -> String {
    let text = read(&mut vm.boot());
    vm.act("stop");
    text
}

pub fn made(lab: &Lab, path: &str, body: &str) -> Element {
    lab.client().send("POST", path, &["Expect: 201-created"], body).is(201)
}

fn vm_of<'l>(lab: &'l Lab, name: &str, source: &str) -> Vm<'l> {
    let cluster = "<cluster><name>Default</name></cluster>";
    let vm = made(lab, "/vms", &format!("<vm><name>{name}</name>{cluster}{source}</vm>"));
    Vm { lab, id: vm.value("@id").unwrap() }
}

#[test]
fn what_a_template_holds_is_in_every_vm_of_it() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("mother", Boots::Mini, "");
    vm.add_disk(&Disk::document(8, "virtio", "raw", ""));
    let mut guest = vm.boot();
    write(&mut guest, "pattern-A");
    lab.client()
        .post("/templates", &format!("<template><name>t</name><vm id='{}'/></template>", vm.id))
        .refused(409);
    vm.act("stop");
    let template =
        made(&lab, "/templates", &format!("<template><name>t</name><vm id='{}'/></template>", vm.id));
    let template = format!("/templates/{}", template.value("@id").unwrap());
    let its = lab.client().get(&format!("{template}/disks")).is(200);
    let image = format!("images/{}.raw", its.value("disk/image_id").unwrap());
    let content = std::fs::read(lab.daemon.state.join(&image)).unwrap();
    assert!(content[3 * 512..].starts_with(b"pattern-A"), "the template has what its VM wrote");
    // The original goes on, and the template does not follow.
    write(&mut vm.boot(), "pattern-X");
    vm.act("stop");

    let of = "<template><name>t</name></template>";
    let thin = vm_of(&lab, "thin", of);
    let mut guest = thin.boot();
    assert!(read(&mut guest).contains("pattern-A"), "a thin VM begins with what the template holds");
    write(&mut guest, "pattern-B");
    thin.act("stop");
    let copy = vm_of(&lab, "copy", &format!("{of}<disks><clone>true</clone></disks>"));
    assert!(seen(&copy).contains("pattern-A"));
    assert_eq!(std::fs::read(lab.daemon.state.join(&image)).unwrap(), content, "nobody wrote the template");
    assert!(seen(&vm).contains("pattern-X"));

    // Snapshots of a thin VM merge without touching what lies below.
    let taken = made(
        &lab,
        &format!("{}/snapshots", thin.path()),
        "<snapshot><description>s</description></snapshot>",
    );
    let mut guest = thin.boot();
    write(&mut guest, "pattern-C");
    let snapshot = format!("{}/snapshots/{}", thin.path(), taken.value("@id").unwrap());
    lab.client().delete(&snapshot).is(202);
    until(30, "the snapshot is gone", || lab.client().get(&snapshot).status == 404);
    assert!(read(&mut guest).contains("pattern-C"));
    thin.act("stop");
    assert!(seen(&thin).contains("pattern-C"));
    assert_eq!(std::fs::read(lab.daemon.state.join(&image)).unwrap(), content);

    lab.client().delete(&template).refused(409);
    lab.client().delete(&thin.path()).is(204);
    lab.client().delete(&template).is(204);
    assert!(seen(&copy).contains("pattern-A"), "a copy needs no template");
    assert_eq!(lab.daemon.images(), 2, "the original's and the copy's");
}

/// Who waits for a template to be free waits for its copies and exports.
#[test]
fn a_template_is_locked_while_it_is_copied() {
    let Some(lab) = Lab::own() else { return };
    second(&lab, "near");
    let vm = lab.vm("mother", Boots::Halt, "");
    let disk = vm.add_disk(&Disk::document(256, "virtio", "raw", "<sparse>false</sparse>"));
    std::fs::write(disk.file(), vec![0x5a; 256 << 20]).unwrap();
    let template =
        made(&lab, "/templates", &format!("<template><name>t</name><vm id='{}'/></template>", vm.id));
    let template = format!("/templates/{}", template.value("@id").unwrap());
    let its = lab.client().get(&format!("{template}/disks")).is(200).value("disk/@id").unwrap();
    let base = format!("{template}/disks/{its}");
    let are = |state: &str| {
        [&template, &base]
            .iter()
            .all(|path| lab.client().get(path).is(200).value("status/state").as_deref() == Some(state))
    };
    assert!(are("ok"));
    lab.client().post(&format!("{base}/copy"), &to("near")).is(202);
    assert!(are("locked"));
    until(30, "the copy is made", || are("ok"));
    assert_eq!(lab.client().get(&base).is(200).every("storage_domains/storage_domain").len(), 2);
}

#[test]
fn a_thin_disk_moves_to_where_its_templates_disk_is() {
    let Some(lab) = Lab::own() else { return };
    let folder = second(&lab, "near");
    let vm = lab.vm("mother", Boots::Mini, "");
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    write(&mut vm.boot(), "pattern-A");
    vm.act("stop");
    let template =
        made(&lab, "/templates", &format!("<template><name>t</name><vm id='{}'/></template>", vm.id));
    let template = format!("/templates/{}", template.value("@id").unwrap());
    let thin = vm_of(&lab, "thin", "<template><name>t</name></template>");
    let disk = lab.client().get(&format!("{}/disks", thin.path())).is(200);
    let disk = Disk { vm: &thin, id: disk.value("disk/@id").unwrap() };
    let source = disk.file();
    let layer = |file: &std::path::Path| {
        let told = run(Command::new("qemu-img").args(["info", "-U", "--backing-chain"]).arg(file));
        told.matches("image: ").count()
    };
    lab.client().post(&format!("{}/move", disk.path()), &to("near")).refused(409);
    let its = lab.client().get(&format!("{template}/disks")).is(200).value("disk/@id").unwrap();
    let base = format!("{template}/disks/{its}");
    let near = to("near").replace("<action>", "<action><async>false</async>");
    lab.client().post(&format!("{base}/copy"), &near).is(200);

    // Its guest running, a snapshot between it and the template.
    made(&lab, &format!("{}/snapshots", thin.path()), "<snapshot><description>s</description></snapshot>");
    let mut guest = thin.boot();
    assert!(read(&mut guest).contains("pattern-A"));
    let there = folder.join(disk.file().file_name().unwrap());
    lab.client().post(&format!("{}/move", disk.path()), &near).is(200);
    assert!(read(&mut guest).contains("pattern-A"));
    write(&mut guest, "pattern-B");
    assert!(!source.exists() && layer(&there) == 3, "it lies over the template's disk that is there");
    let from = |name: &str| format!("<action><storage_domain><name>{name}</name></storage_domain></action>");
    lab.client().send("DELETE", &base, &[], &from("near")).refused(409);
    thin.act("stop");
    assert!(seen(&thin).contains("pattern-B"));

    // And back, down.
    let back = to("data").replace("<action>", "<action><async>false</async>");
    lab.client().post(&format!("{}/move", disk.path()), &back).is(200);
    assert!(!there.exists());
    assert_eq!(layer(&disk.file()), 3);
    lab.client().send("DELETE", &base, &[], &from("near")).is(204);
    assert!(seen(&thin).contains("pattern-B"));
    assert!(seen(&vm).contains("pattern-A"));
}

#[test]
fn a_moment_becomes_a_vm_while_its_own_goes_on() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("goes-on", Boots::Mini, "");
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let mut guest = vm.boot();
    write(&mut guest, "pattern-A");
    let path = format!("{}/snapshots", vm.path());
    let snapshot =
        made(&lab, &path, "<snapshot><description>s</description></snapshot>").value("@id").unwrap();
    write(&mut guest, "pattern-B");
    let was = vm_of(&lab, "was", &format!("<snapshots><snapshot id='{snapshot}'/></snapshots>"));
    assert!(seen(&was).contains("pattern-A"));
    assert!(read(&mut guest).contains("pattern-B"), "the source goes on");
    lab.client().get(&format!("{path}/{snapshot}")).is(200);

    let clone = "<action><async>false</async><vm><name>twin</name></vm></action>";
    vm.post("clone", clone).refused(409);
    vm.act("stop");
    vm.act_with("clone", clone);
    let twin = lab.client().get("/vms?search=name%3Dtwin").is(200).value("vm/@id").unwrap();
    let twin = Vm { lab: &lab, id: twin };
    assert!(seen(&twin).contains("pattern-B"));
    lab.client().delete(&vm.path()).is(204);
    assert!(seen(&twin).contains("pattern-B") && seen(&was).contains("pattern-A"));
    assert_eq!(lab.daemon.images(), 2);
}
