//! A disk whose storage is full.

use super::harness::{Boots, Disk, Lab, MIB, run, until};

#[test]
fn a_vm_waits_while_its_storage_is_full() {
    let Some(lab) = Lab::own() else { return };
    // Among the host's mounts, where QEMU and the daemon see it, and nobody else.
    let images = lab.daemon.state.join("images");
    run(lab.host.among_mounts("mount").args(["-t", "tmpfs", "-o", "size=8m,mode=711", "small"]).arg(&images));
    let vm = lab.vm("full", Boots::Linux, "");
    let disk = vm.add_disk(&Disk::document(64, "virtio", "raw", ""));
    let ballast = images.join("ballast");
    let inside = |program: &str, arguments: &[&str]| run(lab.host.among_mounts(program).args(arguments));
    inside("fallocate", &["-l", "4m", ballast.to_str().unwrap()]);

    let mut guest = vm.boot();
    guest.ask(
        "(dd if=/dev/zero of=/dev/vda bs=1M count=6 conv=fsync && touch /run/written) >/dev/null 2>&1 &",
    );
    vm.becomes("paused", 20);
    assert_eq!(vm.field("status/detail").as_deref(), Some("enospc"));
    assert!(lab.host.virsh(&["domstate", "--reason", &vm.id]).contains("I/O error"));

    // No space yet: it stops again.
    vm.act("start");
    until(10, "it waits again", || vm.state() == "paused");
    assert_eq!(vm.field("status/detail").as_deref(), Some("enospc"));

    inside("rm", &[ballast.to_str().unwrap()]);
    vm.act("start");
    guest.until(20, "test -e /run/written");
    assert_eq!((vm.state().as_str(), vm.field("status/detail")), ("up", None));
    assert!(disk.show().number("actual_size") >= Some(6 * MIB));
}
