//! On Debian's own `qemu.conf`: QEMU is another user, and libvirt hands it the images.

use super::disks::{address, sectors};
use super::harness::{Boots, Disk, Lab, MIB, until};
use std::os::unix::fs::MetadataExt;

/// Debian's libvirt-qemu.
const QEMU: u32 = 64055;

#[test]
fn images_change_hands_where_qemu_is_another_user() {
    let Some(lab) = Lab::stock() else { return };
    // Control groups are the machine's: the name must be, too.
    let vm = lab.vm(&format!("stock-{}", std::process::id()), Boots::Mini, "");
    let first = vm.add_disk(&Disk::document(8, "virtio_scsi", "cow", "<bootable>true</bootable>"));
    let owner = |disk: &Disk| {
        let file = disk.file().metadata().unwrap();
        (file.uid(), file.mode() & 0o777)
    };
    assert_eq!(owner(&first), (0, 0o600));
    let mut guest = vm.boot();
    assert_eq!(owner(&first), (QEMU, 0o600));

    let second = vm.add_disk(&Disk::document(8, "virtio", "raw", "<active>true</active>"));
    assert_eq!(owner(&second), (QEMU, 0o600));
    let at = address(&mut guest);
    guest.ask(&format!("w {at} 1 by-another-user"));
    second.resize(16).is(200);
    assert_eq!(sectors(&mut guest, &at), 16 * MIB / 512);
    second.deactivate();
    assert_eq!(owner(&second), (0, 0o600));
    assert!(second.content()[512..].starts_with(b"by-another-user"));
    second.activate();
    until(10, "the VM's CPU", || vm.statistic("cpu.current.total") > 0.0);

    vm.post("suspend", "<action/>").is(202);
    vm.becomes("suspended", 60);
    vm.start();
    vm.act("stop");
    vm.becomes("down", 5);
    assert_eq!((owner(&first), owner(&second)), ((0, 0o600), (0, 0o600)));
    let files = [first.file(), second.file()];
    lab.client().delete(&vm.path()).is(204);
    assert!(files.iter().all(|file| !file.exists()));
}
