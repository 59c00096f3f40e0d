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

#[test]
fn copies_that_do_not_fit_leave_nothing() {
    let Some(lab) = Lab::own() else { return };
    let images = lab.daemon.state.join("images");
    run(lab
        .host
        .among_mounts("mount")
        .args(["-t", "tmpfs", "-o", "size=12m,mode=711", "small"])
        .arg(&images));
    let vm = lab.vm("large", Boots::Halt, "");
    let disk = vm.add_disk(&Disk::document(64, "virtio", "cow", ""));
    let inside = |program: &str, arguments: &[&str]| run(lab.host.among_mounts(program).args(arguments));
    // Twenty megabytes that take little room, compressed: nobody can know before what a copy takes.
    let image = images.join(format!("{}.qcow2", disk.show().value("image_id").unwrap()));
    let (file, raw) = (image.to_str().unwrap(), lab.host.root.join("raw"));
    std::fs::write(&raw, &"all the same ".repeat(20 << 20).as_bytes()[..20 << 20]).unwrap();
    std::fs::OpenOptions::new().write(true).open(&raw).unwrap().set_len(64 * MIB).unwrap();
    inside("qemu-img", &["convert", "-c", "-f", "raw", "-O", "qcow2", raw.to_str().unwrap(), file]);
    let digest = || inside("sha256sum", &[file]);
    let files = || {
        let all = inside("ls", &["-A", images.to_str().unwrap()]);
        all.lines().filter(|name| !name.contains(".ovf")).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = (digest(), files());
    let client = lab.client();
    let clone = "<action><async>false</async><vm><name>twin</name></vm></action>";
    let template = format!("<template><name>t</name><vm id='{}'/></template>", vm.id);
    let said = [
        client.post(&format!("{}/clone", vm.path()), clone).refused(409),
        client.send("POST", "/templates", &["Expect: 201-created"], &template).refused(409),
    ];
    assert!(said.iter().all(|said| said.contains("Low disk space")), "{said:?}");
    assert_eq!((digest(), files()), before, "the source is whole, and nothing is left of a copy");
    assert_eq!(client.get("/vms").is(200).all("vm").count(), 1);
    assert_eq!(client.get("/templates").is(200).all("template").count(), 1, "Blank");
    assert_eq!((vm.state().as_str(), disk.show().value("status/state").as_deref()), ("down", Some("ok")));
}
