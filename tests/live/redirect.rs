//! What a guest gets of a SPICE client's machine: USB devices and a smartcard.

use super::harness::{Boots, Disk, Lab, Vm, lab};
use super::snapshots::take;
use vireo::xml::Element;

const SHARED: &str = "<display><type>spice</type><smartcard_enabled>true</smartcard_enabled></display>\
                      <usb><enabled>true</enabled><type>native</type></usb>";
const NO_SMARTCARD: &str = "<display><smartcard_enabled>false</smartcard_enabled></display>";

/// The redirected USB devices, and the smartcards.
fn shared(document: &Element) -> (usize, usize) {
    (document.every("devices/redirdev").len(), document.every("devices/smartcard").len())
}

fn stop(vm: &Vm) {
    vm.act("stop");
    vm.becomes("down", 20);
}

#[test]
fn a_guest_gets_usb_devices_and_the_smartcard_of_a_spice_client() {
    let Some(lab) = lab() else { return };
    for machine in ["", "<custom_emulated_machine>pc</custom_emulated_machine>"] {
        let vm = lab.vm(&format!("shares{}", machine.len()), Boots::Halt, machine);
        vm.start();
        assert_eq!(shared(&vm.document()), (0, 0));
        stop(&vm);
        vm.update(SHARED);
        vm.start();
        let document = vm.document();
        assert_eq!(shared(&document), (4, 1), "{document}");
        let modes = [document.value("devices/redirdev/@type"), document.value("devices/smartcard/@mode")];
        assert_eq!(modes.map(Option::unwrap), ["spicevmc", "passthrough"]);

        // One belongs to the next start, the other to a VM that is down.
        vm.update(NO_SMARTCARD);
        assert_eq!(shared(&vm.document()), (4, 1));
        for usb in ["<enabled>false</enabled>", "<type>legacy</type>"] {
            let said = lab.client().put(&vm.path(), &format!("<vm><usb>{usb}</usb></vm>")).refused(400);
            assert!(said.contains("devices"), "{said}");
        }
        stop(&vm);
        vm.start();
        assert_eq!(shared(&vm.document()), (4, 0));
        stop(&vm);
        vm.update(&SHARED.replace("<enabled>true", "<enabled>false"));
        vm.start();
        assert_eq!(shared(&vm.document()), (0, 1));
        stop(&vm);

        // Without a SPICE console there is no way for either.
        vm.update(SHARED);
        vm.act_with("start", "<action><vm><display><type>vnc</type></display></vm></action>");
        assert_eq!(shared(&vm.document()), (0, 0));
        stop(&vm);
        assert_eq!(shared(&lab.host.persistent_document(&vm.id)), (4, 1));
        vm.update("<display><type>vnc</type></display>");
        assert_eq!(shared(&lab.host.persistent_document(&vm.id)), (0, 0));
        let kept = ["display/smartcard_enabled", "usb/enabled", "usb/type"].map(|path| vm.field(path));
        assert_eq!(kept.map(Option::unwrap), ["true", "true", "native"]);
        vm.start();
        stop(&vm);
    }
}

#[test]
fn a_definition_of_before_there_were_any_is_taken() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("of-before", Boots::Halt, SHARED);
    let mut document = lab.host.persistent_document(&vm.id);
    document.first_mut("devices").unwrap().retain(|device| {
        !matches!(device.name.as_str(), "redirdev" | "smartcard") && device.get("type") != Some("ccid")
    });
    let file = lab.host.root.join("of-before.xml");
    std::fs::write(&file, document.to_string()).unwrap();
    lab.host.virsh(&["define", file.to_str().unwrap()]);
    assert_eq!(shared(&lab.host.persistent_document(&vm.id)), (0, 0));
    vm.start();
    assert_eq!(shared(&vm.document()), (4, 1), "a start brings the definition up");
    assert_eq!(shared(&lab.host.persistent_document(&vm.id)), (4, 1));
}

#[test]
fn a_guest_goes_on_with_what_its_memory_knows_of() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("wakes-shared", Boots::Mini, SHARED);
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    vm.boot().ask("poke 20971520 3735928559");
    // What is changed before it wakes is for the run after.
    let goes_on = || {
        vm.update(NO_SMARTCARD);
        vm.start();
        assert_eq!(vm.guest().ask("peek 20971520"), "deadbeef");
        assert_eq!(shared(&vm.document()), (4, 1));
        stop(&vm);
        vm.start();
        assert_eq!(shared(&vm.document()), (4, 0));
    };
    let id = take(&vm, "with memory", "<persist_memorystate>true</persist_memorystate>");
    vm.post("suspend", "<action/>").is(202);
    vm.becomes("suspended", 60);
    goes_on();
    stop(&vm);

    let again = "<action><restore_memory>true</restore_memory></action>";
    vm.act_with(&format!("snapshots/{id}/restore"), again);
    goes_on();
}
