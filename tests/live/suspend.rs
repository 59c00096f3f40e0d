//! Guests' memory saved amid faults: what is told is what came of it, and no VM wakes to what is not its
//! memory.

use super::harness::{Boots, Disk, Lab, Vm, run, until};
use super::snapshots::{chain, files, list};
use std::process::Command;
use std::time::Duration;

/// libvirtd dies amid a save, or when the memory is written and its answer is not.
#[test]
fn a_suspend_outlives_libvirtd() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("sleeper", Boots::Linux, "");
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let (mut saved, mut went_on) = (0, 0);
    for wait in [30, 120, 200, 300] {
        let mut guest = vm.boot();
        guest.ask("echo remembered >/run/memory");
        let answer = vm.post("suspend", "<action/>").is(202);
        std::thread::sleep(Duration::from_millis(wait));
        lab.host.command(&["kill-libvirtd", "KILL"]);
        lab.host.command(&["start-libvirtd"]);
        let progress = answer.value("@href").unwrap().replace("/ovirt-engine/api", "");
        let said = || lab.client().get(&progress).is(200).value("status/state").unwrap();
        until(90, "the suspend is over", || said() != "pending" && said() != "in_progress");
        match said().as_str() {
            "complete" => {
                vm.becomes("suspended", 10);
                vm.start();
                saved += 1;
            }
            failed => {
                assert_eq!(failed, "failed");
                vm.becomes("up", 10);
                went_on += 1;
            }
        }
        let remembers = |vm: &Vm| vm.guest().ask("cat /run/memory") == "remembered";
        assert!(remembers(&vm), "after {wait} ms");
        assert!(lab.host.virsh(&["dominfo", &vm.id]).contains("Managed save:   no"), "after {wait} ms");
        vm.act("stop");
        assert_eq!(vm.state(), "down", "after {wait} ms");
    }
    println!("{saved} were saved, {went_on} went on");
}

/// A guest whose memory nobody gets can still be stopped.
#[test]
fn a_snapshot_that_hangs_ends_with_its_guest() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("stuck", Boots::Halt, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    vm.start();
    let qemu = lab.host.qemu(&vm.id).unwrap();
    run(Command::new("kill").args(["-STOP", &qemu]));
    let body =
        "<snapshot><description>d</description><persist_memorystate>true</persist_memorystate></snapshot>";
    vm.post("snapshots", body).is(202);
    vm.act("stop");
    vm.becomes("down", 20);
    until(20, "the snapshot is gone", || list(&vm).len() == 1);
    until(5, "the disk is free", || disk.field("status/state").as_deref() == Some("ok"));
    assert_eq!((chain(&disk).len(), files(&vm)), (1, 1));
    vm.start();
}
