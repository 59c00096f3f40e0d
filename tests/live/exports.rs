//! VMs that go through an export domain: what their guests wrote comes back, their past included.

use super::harness::{Boots, Disk, Lab, Vm, lab, run};
use super::moves::attached;
use super::templates::{made, read, write};
use std::path::Path;
use std::process::Command;

fn export(vm: &Vm, more: &str) {
    let body = format!(
        "<action><async>false</async><storage_domain><name>exports</name></storage_domain>{more}</action>"
    );
    vm.lab.client().post(&format!("{}/export", vm.path()), &body).is(200);
}

fn import(lab: &Lab, path: &str, more: &str) {
    let body = format!(
        "<action><async>false</async><cluster><name>Default</name></cluster>\
         <storage_domain><name>data</name></storage_domain>{more}</action>"
    );
    lab.client().post(&format!("{path}/import"), &body).is(200);
}

fn check(folder: &Path) {
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|it| it == "qcow2") {
            run(Command::new("qemu-img").args(["check", "-q"]).arg(file));
        }
    }
}

#[test]
fn what_guests_wrote_comes_back_from_an_export_domain() {
    let Some(shared) = lab() else { return };
    let lab = &*shared;
    let folder = lab.host.root.join("exports");
    std::fs::create_dir_all(&folder).unwrap();
    attached(&lab.client(), "exports", "export", &folder);
    let place = lab.client().get("/storagedomains?search=name%3Dexports").is(200);
    let inside = format!("/storagedomains/{}/vms", place.value("storage_domain/@id").unwrap());

    // A thin VM of a template, with a snapshot in between.
    let mother = lab.vm("mother", Boots::Mini, "");
    mother.add_disk(&Disk::document(8, "virtio", "cow", ""));
    write(&mut mother.boot(), "pattern-A");
    mother.act("stop");
    let template = format!("<template><name>t</name><vm id='{}'/></template>", mother.id);
    let template = made(lab, "/templates", &template).value("@id").unwrap();
    let thin = "<vm><name>thin</name><cluster><name>Default</name></cluster>\
                <template><name>t</name></template></vm>";
    let vm = Vm { lab, id: made(lab, "/vms", thin).value("@id").unwrap() };
    let snapshots = format!("{}/snapshots", vm.path());
    let taken = made(lab, &snapshots, "<snapshot><description>s</description></snapshot>");
    let mut guest = vm.boot();
    assert!(read(&mut guest).contains("pattern-A"));
    write(&mut guest, "pattern-B");
    vm.act("stop");

    export(&vm, "");
    check(&folder);
    lab.client().delete(&vm.path()).is(204);
    lab.client().delete(&format!("/templates/{template}")).is(204);
    import(lab, &format!("{inside}/{}", vm.id), "");
    let mut guest = vm.boot();
    assert!(read(&mut guest).contains("pattern-B"), "what it wrote last");
    vm.act("stop");
    let taken = format!("{snapshots}/{}/restore", taken.value("@id").unwrap());
    lab.client().post(&taken, "<action><async>false</async></action>").is(200);
    let mut guest = vm.boot();
    assert!(read(&mut guest).contains("pattern-A"), "what the snapshot kept, without the template");
    write(&mut guest, "pattern-C");
    vm.act("stop");

    // Written over, collapsed, and another VM of it beside the first.
    export(&vm, "<exclusive>true</exclusive><discard_snapshots>true</discard_snapshots>");
    check(&folder);
    import(lab, &format!("{inside}/{}", vm.id), "<clone>true</clone><vm><name>other</name></vm>");
    let other = lab.client().get("/vms?search=name%3Dother").is(200).value("vm/@id").unwrap();
    let other = Vm { lab, id: other };
    let (mut first, mut second) = (vm.boot(), other.boot());
    assert!(read(&mut second).contains("pattern-C"));
    write(&mut second, "pattern-D");
    assert!(read(&mut first).contains("pattern-C"), "they are two");
    other.act("stop");
    vm.act("stop");

    lab.client().delete(&format!("{inside}/{}", vm.id)).is(204);
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".vireo-storage-domain"], "nothing of it is left");
}
