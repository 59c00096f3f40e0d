//! A VM leaves as OVF and comes back by it.

use super::harness::{Boots, Disk, lab};
use super::templates::{read, write};
use vireo::xml::{Element, parse};

const DATA: &str = "initialization/configuration/data";

#[test]
fn a_vm_comes_back_with_what_its_guest_wrote() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("leaves", Boots::Mini, "<cpu><topology sockets='1' cores='2'/></cpu>");
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    lab.client().post(&format!("{}/nics", vm.path()), "<nic><name>nic1</name></nic>").is(201);
    let mut guest = vm.boot();
    write(&mut guest, "pattern-A");
    let exported =
        || lab.client().send("GET", &vm.path(), &["All-Content: true"], "").is(200).value(DATA).unwrap();
    // What runs has its devices somewhere: libvirt says where.
    let running = parse(exported().as_bytes()).unwrap();
    let live = lab.host.document(&vm.id);
    let alias = live.every("devices/disk").into_iter().find(|it| it.get("device") == Some("disk")).unwrap();
    let slot = alias.value("address/@slot").unwrap();
    let hardware = running.at("Content").unwrap().all("Section").last().unwrap().clone();
    let item = |kind: &str| {
        let of_kind = |item: &&Element| item.value("rasd:ResourceType").as_deref() == Some(kind);
        hardware.all("Item").find(of_kind).unwrap().clone()
    };
    let address = item("17").value("rasd:Address").unwrap();
    assert!(address.starts_with("{type=pci") && address.contains(&format!("slot={slot}")), "{address}");
    for kind in ["10", "15", "20"] {
        assert!(item(kind).value("rasd:Address").is_some() && item(kind).value("Alias").is_some(), "{kind}");
    }
    vm.act("stop");

    let data = Element::new("data").text(exported());
    let keep = "<action><vm><disks><detach_only>true</detach_only></disks></vm></action>";
    lab.client().send("DELETE", &vm.path(), &[], keep).is(204);
    assert!(!lab.host.virsh(&["list", "--all", "--uuid"]).contains(&vm.id));
    let body = format!(
        "<vm><cluster><name>Default</name></cluster><initialization><configuration><type>ovf</type>{data}\
         </configuration></initialization></vm>"
    );
    let back = lab.client().post("/vms", &body).is(201);
    assert_eq!(back.value("@id").as_ref(), Some(&vm.id));
    let mut guest = vm.boot();
    assert!(read(&mut guest).contains("pattern-A"));
    vm.act("stop");
}
