//! The polling guest on the real `/dev/kvm`, whatever the machine makes of it.

use super::cdrom::{burn, put};
use super::disks::{address, sectors};
use super::harness::{Boots, Disk, MIB, Nic, lab, skip, until};

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

/// The address of a function in the guest by what it is, once it is there.
fn function(guest: &mut super::harness::Guest, id: &str) -> Option<String> {
    let pci = guest.ask("pci");
    pci.lines().find(|line| line.contains(id)).map(|line| line.split(' ').next().unwrap().to_owned())
}

#[test]
fn an_interface_and_a_cd_on_kvm() {
    if !std::path::Path::new("/dev/kvm").exists() {
        return skip("guests on KVM: no /dev/kvm");
    }
    let Some(lab) = lab() else { return };
    const NET: &str = "1af4:1041";
    let vm = lab.vm("kvm-nic", Boots::MiniKvm, "");
    vm.start();
    let mut guest = vm.guest();
    assert_eq!(function(&mut guest, NET), None);
    let nic = Nic::create(&vm, "nic1", "");
    let mut at = None;
    until(10, "the interface is there", || {
        at = function(&mut guest, NET);
        at.is_some()
    });
    let at = at.unwrap();
    let seen = |guest: &mut super::harness::Guest| guest.ask(&format!("mac {at}"));
    assert_eq!(seen(&mut guest), format!("{} link 1", nic.mac().replace(':', "")));
    // The bridge listens for a while before it forwards, and this guest's patience is a long time here.
    let tap = nic.device().unwrap().value("target/@dev").unwrap();
    let state = format!("/sys/class/net/{tap}/brport/state");
    until(60, "the bridge forwards", || lab.host.command(&["exec", "cat", &state]) == "3");
    guest.ask(&format!("arp {at} 192.168.122.77 192.168.122.1"));
    until(15, "the bytes are counted", || nic.statistic("data.total.tx") >= 60.0);
    nic.put("<linked>false</linked>").is(200);
    assert!(seen(&mut guest).ends_with("link 0"));
    nic.put("<linked>true</linked>").is(200);
    nic.act("deactivate").is(200);
    assert_eq!(function(&mut guest, NET), None, "the guest let go of the interface");
    nic.act("activate").is(200);
    until(10, "the interface is back", || function(&mut guest, NET).is_some());

    burn(&lab, "KVMCD", &[]);
    let scsi = function(&mut guest, "1af4:1048").unwrap();
    put(&vm, ";current=true", "KVMCD.iso").is(200);
    // The volume's label is in the sixteenth block.
    let read = format!("scsi {scsi} 0 0 28000000001000000100");
    until(10, "the label is read", || guest.ask(&read).contains("KVMCD"));
    put(&vm, ";current=true", "").is(200);
    until(5, "the drive is empty", || !guest.ask(&read).contains("KVMCD"));
}
