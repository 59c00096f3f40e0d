//! What the memory of a snapshot is of: the run that it was taken in, whatever the VM is configured to be.

use super::harness::{Boots, Disk, Guest, Lab, Vm};
use super::snapshots::take;
use vireo::xml::Element;

const MEMORY: &str = "<persist_memorystate>true</persist_memorystate>";
const AGAIN: &str = "<action><restore_memory>true</restore_memory></action>";

fn note(guest: &mut Guest) {
    guest.ask("poke 20971520 3735928559");
}

/// Back to that moment, with what the guest noted.
fn wake(vm: &Vm, snapshot: &str) {
    vm.act_with(&format!("snapshots/{snapshot}/restore"), AGAIN);
    vm.start();
    assert_eq!(vm.guest().ask("peek 20971520"), "deadbeef");
}

/// The machine, the graphics card, and the medium in the drive, as libvirt runs it.
fn ran(vm: &Vm) -> [Option<String>; 3] {
    let document: Element = vm.lab.host.document(&vm.id);
    let disks = document.every("devices/disk");
    let medium = disks.iter().find(|disk| disk.get("device") == Some("cdrom"));
    [
        document.value("os/type/@machine"),
        document.value("devices/video/model/@type"),
        medium.and_then(|drive| drive.value("source/@file")),
    ]
}

#[test]
fn a_run_with_overrides_goes_on_as_it_was() {
    let Some(lab) = Lab::own() else { return };
    let isos = lab.daemon.state.join("isos");
    std::fs::write(isos.join("once.iso"), vec![0; 1 << 20]).unwrap();
    let vm = lab.vm("overridden", Boots::Mini, "");
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    for overrides in
        ["<display><type>spice</type></display>", "<custom_emulated_machine>pc</custom_emulated_machine>"]
    {
        vm.act_with("start", &format!("<action><vm>{overrides}</vm></action>"));
        // The firmware has its hand on the tray until there is a guest.
        note(&mut vm.guest());
        let drive = format!("{}/cdroms/00000000-0000-0000-0000-000000000000", vm.path());
        lab.client().put(&format!("{drive};current"), "<cdrom><file id='once.iso'/></cdrom>").is(200);
        let then = ran(&vm);
        assert!(then[2].as_deref().is_some_and(|file| file.ends_with("/once.iso")), "{then:?}");
        let id = take(&vm, "in a run of its own", MEMORY);
        vm.act("stop");
        wake(&vm, &id);
        assert_eq!(ran(&vm), then);

        // It is of that run still.
        let later = take(&vm, "once more", MEMORY);
        vm.act("stop");
        wake(&vm, &later);
        assert_eq!(ran(&vm), then);
        vm.act("stop");
        vm.start();
        assert_ne!(ran(&vm), then, "what is configured runs after that");
        vm.act("stop");
    }
}

#[test]
fn a_vm_that_is_to_wake_stays_what_its_memory_knows() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("to-wake", Boots::Mini, "");
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    note(&mut vm.boot());
    let id = take(&vm, "with memory", MEMORY);
    vm.act("stop");
    vm.act_with(&format!("snapshots/{id}/restore"), AGAIN);
    let client = lab.client();
    for change in [
        "<memory>134217728</memory>",
        "<cpu><topology sockets='3'/></cpu>",
        "<custom_emulated_machine>pc</custom_emulated_machine>",
        "<display><type>spice</type></display>",
    ] {
        for path in [vm.path(), format!("{};next_run", vm.path())] {
            let said = client.put(&path, &format!("<vm>{change}</vm>")).refused(409);
            assert!(said.contains("to go on from the memory"), "{said}");
        }
    }
    let watchdog = "<watchdog><model>i6300esb</model><action>reset</action></watchdog>";
    vm.post("watchdogs", watchdog).refused(409);
    let node = "<vm_numa_node><index>0</index><memory>32</memory><cpu><cores><core index='0'/></cores></cpu></vm_numa_node>";
    vm.post("numanodes", node).refused(409);
    vm.post("start", "<action><vm><os><boot dev='cdrom'/></os></vm></action>").refused(409);
    client.delete(&format!("{}/snapshots/{id}", vm.path())).refused(409);
    vm.update("<description>what no guest knows</description>");
    vm.start();
    assert_eq!(vm.guest().ask("peek 20971520"), "deadbeef");
    vm.act("stop");
    vm.update("<memory>134217728</memory>");
    super::snapshots::remove(&vm, &id);
}
