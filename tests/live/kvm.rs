//! The polling guest on the real `/dev/kvm`, whatever the machine makes of it.

use super::disks::{address, sectors};
use super::harness::{Boots, Disk, MIB, lab, skip, until};

/// Beyond what `flood` writes.
const SECTOR: usize = 9000;

#[test]
fn a_guest_on_kvm() {
    if !std::path::Path::new("/dev/kvm").exists() {
        return skip("guests on KVM: no /dev/kvm");
    }
    let Some(lab) = lab() else { return };
    let vm = lab.vm("kvm", Boots::MiniKvm, "");
    vm.start();
    assert_eq!(vm.document().get("type"), Some("kvm"));
    let mut guest = vm.guest();
    assert_eq!(guest.ask("cpu").trim_end_matches('\0'), "KVMKVMKVM");

    let disk = vm.add_disk(&Disk::document(8, "virtio", "raw", "<active>true</active>"));
    let at = address(&mut guest);
    assert_eq!(sectors(&mut guest, &at), 8 * MIB / 512);
    guest.ask(&format!("w {at} {SECTOR} kept-on-disk"));
    until(10, "the write rate", || {
        guest.ask(&format!("flood {at} 300"));
        disk.statistic("data.current.write") > 0.0
    });
    guest.until(30, &format!("r {at} {SECTOR}"));
    assert!(vm.statistic("cpu.current.total") > 0.0);
    assert!(disk.content()[SECTOR * 512..].starts_with(b"kept-on-disk"));

    guest.ask("poke 20971520 3735928559");
    lab.host.virsh(&["suspend", &vm.id]);
    vm.becomes("paused", 2);
    vm.start();
    vm.post("suspend", "<action/>").is(202);
    vm.becomes("suspended", 60);
    drop(guest);
    vm.start();
    let mut guest = vm.guest();
    assert_eq!(guest.ask("peek 20971520"), "deadbeef");
    assert!(guest.ask(&format!("r {at} {SECTOR}")).contains("kept-on-disk"));

    disk.deactivate();
    assert!(!guest.ask("pci").contains("1af4:1042"), "the guest let go of the disk");
    disk.activate();
    let at = address(&mut guest);
    assert!(guest.ask(&format!("r {at} {SECTOR}")).contains("kept-on-disk"));

    vm.act("shutdown");
    vm.becomes("down", 30);
}
