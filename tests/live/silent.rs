//! Storage that does not answer, as of a server that is away: a file system whose process says nothing.

use super::harness::{Boots, Disk, Lab, until};
use super::moves::{second, state_of};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Lies over the folder until it is dropped. Whoever touches it waits.
struct Silence {
    process: Child,
    umount: Command,
}

impl Silence {
    fn over(lab: &Lab, folder: &Path) -> Self {
        let program = "import ctypes, os, sys, time\n\
            fuse = os.open('/dev/fuse', os.O_RDWR)\n\
            told = f'fd={fuse},rootmode=40000,user_id=0,group_id=0'.encode()\n\
            libc = ctypes.CDLL(None, use_errno=True)\n\
            done = libc.mount(b'silence', sys.argv[1].encode(), b'fuse', 0, told)\n\
            assert done == 0, os.strerror(ctypes.get_errno())\n\
            time.sleep(600)\n";
        let process = lab.host.among_mounts("python3").args(["-c", program]).arg(folder).spawn().unwrap();
        let of_host =
            || std::fs::read_to_string(format!("/proc/{}/mounts", process.id())).unwrap_or_default();
        until(10, "the folder is silent", || of_host().contains("silence "));
        let mut umount = lab.host.among_mounts("umount");
        umount.arg("--lazy").arg(folder);
        Self { process, umount }
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // With its process the file system ends, and who waits for it is told.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        assert!(self.umount.status().unwrap().success());
    }
}

#[test]
fn storage_that_does_not_answer_holds_nobody_up() {
    let Some(mut lab) = Lab::own() else { return };
    if !Path::new("/dev/fuse").exists() {
        return super::harness::skip("storage that does not answer: no /dev/fuse");
    }
    let folder = second(&lab, "far");
    let (silence, vms) = {
        let [vm, near] = ["far", "near"].map(|name| lab.vm(name, Boots::Halt, ""));
        let far = Disk::document(1, "virtio", "raw", "").replace("<name>data<", "<name>far<");
        let made = vm.add_disk(&far);
        assert!(folder.join(made.file().file_name().unwrap()).exists());

        let silence = Silence::over(&lab, &folder);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| lab.client().get("/disks").is(200));
                scope.spawn(|| lab.client().post(&format!("{}/disks", near.path()), &far).refused(409));
            }
        });
        assert_eq!(state_of(&lab.client(), "far"), "inactive");
        vm.post("start", "<action/>").refused(409);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        // More of them than there are threads.
        let place = made.field("storage_domains/storage_domain/@id").unwrap();
        for _ in 0..100 {
            lab.client().get(&format!("/storagedomains/{place}/vms;unregistered")).refused(409);
        }

        // All else goes on.
        let begun = Instant::now();
        near.add_disk(&Disk::document(1, "virtio", "raw", ""));
        near.start();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let vms = [vm.id.clone(), near.id.clone()];
        // They are still there for the next process.
        std::mem::forget((vm, near));
        (silence, vms)
    };

    // Nor does a new process wait.
    lab.daemon.kill();
    lab.daemon.restart();
    let act = |vm: &str, what: &str| lab.client().post(&format!("/vms/{vm}/{what}"), "<action/>");
    act(&vms[1], "stop").is(200);
    act(&vms[1], "start").is(200);
    act(&vms[0], "start").refused(409);

    drop(silence);
    until(30, "the domain is active again", || state_of(&lab.client(), "far") == "active");
    act(&vms[0], "start").is(200);
}
