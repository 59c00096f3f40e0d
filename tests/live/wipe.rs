//! What a wiped disk held is not on the storage any more: read below the file system.

use super::harness::{Boots, Disk, Lab, MIB, run, until};
use std::path::{Path, PathBuf};

/// The images' folder becomes a file system in a file, among the host's mounts.
fn mount(lab: &Lab) -> PathBuf {
    let device = lab.host.root.join("storage");
    std::fs::File::create(&device).unwrap().set_len(96 * MIB).unwrap();
    run(std::process::Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&device));
    let images = lab.daemon.state.join("images");
    run(lab.host.among_mounts("mount").args(["-o", "loop"]).args([&device, &images]));
    run(lab.host.among_mounts("chmod").arg("711").arg(&images));
    device
}

/// What lies below the images' folder.
struct Storage<'l> {
    lab: &'l Lab,
    device: &'l Path,
}

impl Storage<'_> {
    /// Writes so many MiB of a byte that nothing else is full of.
    fn fill(&self, disk: &Disk, count: u64) {
        let format = if disk.field("format").as_deref() == Some("raw") { "raw" } else { "qcow2" };
        let write = format!("write -P 0xd7 1M {count}M");
        run(self
            .lab
            .host
            .among_mounts("qemu-io")
            .args(["-f", format, "-c", &write, "-c", "flush"])
            .arg(disk.file()));
        assert!(self.holds_it(), "what was written is on the storage");
    }

    /// Writes over what is free.
    fn cover(&self) {
        let file = self.lab.daemon.state.join("images/cover");
        let file = file.to_str().unwrap();
        let mut dd = self.lab.host.among_mounts("dd");
        // It ends where the storage is full.
        let _ = dd.args(["if=/dev/zero", &format!("of={file}"), "bs=1M", "conv=fsync"]).output();
        run(self.lab.host.among_mounts("rm").arg(file));
        assert!(!self.holds_it(), "nothing is left of what was there");
    }

    fn holds_it(&self) -> bool {
        run(self.lab.host.among_mounts("sync").arg("-f").arg(self.lab.daemon.state.join("images")));
        let content = std::fs::read(self.device).unwrap();
        content.chunks_exact(4096).any(|block| block.iter().all(|byte| *byte == 0xd7))
    }
}

const WIPED: &str = "<wipe_after_delete>true</wipe_after_delete>";

#[test]
fn what_wiped_disks_held_is_gone() {
    let Some(mut lab) = Lab::own() else { return };
    let device = mount(&lab);
    let (vm, disk) = {
        let storage = Storage { lab: &lab, device: &device };
        let vm = lab.vm("wipe", Boots::Halt, "");
        let kept = vm.add_disk(&Disk::document(16, "virtio", "raw", ""));
        storage.fill(&kept, 1);
        kept.delete();
        assert!(storage.holds_it(), "what is not wiped can be read below the file system");
        storage.cover();
        for (interface, format) in [("virtio", "cow"), ("virtio_scsi", "raw")] {
            let disk = vm.add_disk(&Disk::document(16, interface, format, WIPED));
            storage.fill(&disk, 8);
            disk.delete();
            assert!(!storage.holds_it(), "{format}");
        }
        // Two images, one over the other, and a daemon that dies between them.
        let disk = vm.add_disk(&Disk::document(16, "virtio", "cow", WIPED));
        storage.fill(&disk, 8);
        let body = "<snapshot><description>s</description></snapshot>";
        let path = format!("{}/snapshots", vm.path());
        lab.client().send("POST", &path, &["Expect: 201-created"], body).is(201);
        storage.fill(&disk, 8);
        let ids = (vm.id.clone(), disk.id.clone());
        // It goes with the daemon.
        std::mem::forget(vm);
        ids
    };
    if cfg!(feature = "failpoints") {
        lab.daemon.kill();
        let mut command = lab.daemon.command();
        command.env("VIREO_FAILPOINT", "remove_disk.wiped");
        let mut doomed = lab.daemon.run(command, &lab.host.root.join("doomed.log"));
        let gone = lab.client().attempt("DELETE", &format!("/vms/{vm}/disks/{disk}"), &[], "");
        assert!(gone.is_err(), "it died: {gone:?}");
        assert!(!doomed.wait().unwrap().success());
        assert!(Storage { lab: &lab, device: &device }.holds_it(), "it died half way");
        lab.daemon.restart();
    } else {
        lab.client().delete(&format!("/vms/{vm}/disks/{disk}")).is(204);
    }
    until(30, "the removal is finished", || lab.client().get(&format!("/disks/{disk}")).status == 404);
    assert!(!Storage { lab: &lab, device: &device }.holds_it());
}
