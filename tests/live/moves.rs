//! Disks that move between storage domains and are copied, compared byte by byte.

use super::harness::{Boots, Client, Daemon, Disk, Lab, MIB, lab, run, until, wait};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An active data domain beside the first one: its name and folder.
pub fn second(lab: &Lab, name: &str) -> PathBuf {
    let folder = lab.host.root.join(format!("more-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    over(&lab.client(), name, &folder);
    folder
}

/// The same on a file system of so much.
pub fn bounded(lab: &Lab, name: &str, size: &str) -> PathBuf {
    let folder = lab.host.root.join(format!("more-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    let size = format!("size={size}");
    run(lab.host.among_mounts("mount").args(["-t", "tmpfs", "-o", &size, name]).arg(&folder));
    over(&lab.client(), name, &folder);
    folder
}

pub fn over(client: &Client, name: &str, folder: &Path) {
    attached(client, name, "data", folder);
}

/// An active storage domain over the folder.
pub fn attached(client: &Client, name: &str, kind: &str, folder: &Path) {
    let host = client.get("/hosts").is(200).value("host/name").unwrap();
    let document = format!(
        "<storage_domain><name>{name}</name><type>{kind}</type><host><name>{host}</name></host>\
         <storage><type>localfs</type><path>{}</path></storage></storage_domain>",
        folder.display()
    );
    client.post("/storagedomains", &document).is(201);
    let center = client.get("/datacenters").is(200).value("data_center/@id").unwrap();
    let attach = format!("<storage_domain><name>{name}</name></storage_domain>");
    let attached = client.post(&format!("/datacenters/{center}/storagedomains"), &attach).is(201);
    assert_eq!(attached.value("status/state").as_deref(), Some("active"));
}

/// Of an attached storage domain.
pub fn state_of(client: &Client, name: &str) -> String {
    let all = client.get("/datacenters/00000002-0002-0002-0002-000000000255/storagedomains").is(200);
    let found = all.all("storage_domain").find(|it| it.value("name").as_deref() == Some(name));
    found.unwrap().value("status/state").unwrap()
}

pub fn to(name: &str) -> String {
    format!("<action><storage_domain><name>{name}</name></storage_domain></action>")
}

fn is_ok(disk: &Disk) -> bool {
    disk.field("status/state").as_deref() == Some("ok")
}

fn name_of(disk: &Disk) -> String {
    disk.file().file_name().unwrap().to_str().unwrap().to_owned()
}

/// What a guest would read from an image file.
fn content(file: &Path) -> Vec<u8> {
    let raw = std::env::temp_dir().join(format!("moves-{}", file.file_name().unwrap().to_str().unwrap()));
    let mut convert = Command::new("qemu-img");
    run(convert.args(["convert", "-U", "-O", "raw"]).arg(file).arg(&raw));
    let content = std::fs::read(&raw).unwrap();
    std::fs::remove_file(raw).unwrap();
    content
}

#[test]
fn a_disk_moves_while_its_guest_writes() {
    let Some(lab) = lab() else { return };
    let folder = second(&lab, "fast");
    let vm = lab.vm("moves", Boots::Linux, "");
    for format in ["cow", "raw"] {
        let disk = vm.add_disk(&Disk::document(64, "virtio", format, ""));
        let (source, name) = (disk.file(), name_of(&disk));
        let mut guest = vm.boot();
        guest.ask(
            "touch /run/busy; (n=0; while test -e /run/busy; do n=$((n+1)); yes $n | head -c 1048576 | \
             dd of=/dev/vda bs=64k seek=$((n % 60 * 16)) conv=fsync,notrunc; done; touch /run/idle) >/dev/null 2>&1 &",
        );
        let path = format!("{}/move", disk.path());
        let answer = lab.client().post(&path, &to("fast")).is(202);
        assert_eq!(answer.value("status/state").as_deref(), Some("pending"));
        lab.client().post(&path, &to("fast")).refused(409);
        until(60, "the disk has moved", || is_ok(&disk));
        let domain = disk.field("storage_domains/storage_domain/@id").unwrap();
        assert_eq!(
            lab.client().get(&format!("/storagedomains/{domain}")).is(200).value("name").unwrap(),
            "fast"
        );
        guest.ask("rm /run/busy");
        guest.until(60, "rm /run/idle 2>/dev/null");
        guest.ask("sync");
        let seen = guest.ask("md5sum </dev/vda | cut -d' ' -f1");

        let there = folder.join(&name);
        assert!(!source.exists(), "the source is left");
        for document in [lab.host.document(&vm.id), lab.host.persistent_document(&vm.id)] {
            let files: Vec<_> =
                document.every("devices/disk").iter().filter_map(|it| it.value("source/@file")).collect();
            assert_eq!(files, [there.to_str().unwrap()]);
        }
        vm.act("stop");
        let image = content(&there);
        assert_eq!(image.len() as u64, 64 * MIB);
        let file = std::env::temp_dir().join(format!("moved-{name}"));
        std::fs::write(&file, &image).unwrap();
        let sum = run(Command::new("md5sum").arg(&file));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(sum.split(' ').next(), Some(seen.as_str()));

        // Back again while the VM is down, by the specification's way.
        let back = "<disk><storage_domains><storage_domain><name>data</name></storage_domain></storage_domains></disk>";
        lab.client().post(&disk.path(), back).is(202);
        until(20, "the disk is back", || is_ok(&disk));
        assert!(!there.exists());
        assert!(content(&source) == image, "the bytes differ");
        disk.delete();
    }
}

#[test]
fn floating_disks_move_and_are_copied() {
    let Some(lab) = lab() else { return };
    let folder = second(&lab, "floats");
    let vm = lab.vm("floats", Boots::Halt, "");
    let disk =
        vm.add_disk(&Disk::document(16, "virtio", "cow", "<wipe_after_delete>true</wipe_after_delete>"));
    run(Command::new("qemu-io").args(["-f", "qcow2", "-c", "write -P 7 1M 3M"]).arg(disk.file()));
    let (source, before) = (disk.file(), content(&disk.file()));
    let client = lab.client();
    let path = format!("/disks/{}", disk.id);

    let body = to("floats").replace("</action>", "<disk><alias>twin</alias></disk></action>");
    client.post(&format!("{path}/copy"), &body).is(202);
    let twin = wait(20, "the copy", || {
        let found = client.get("/disks?search=alias%3Dtwin").is(200);
        (found.value("disk/status/state").as_deref() == Some("ok")).then(|| found.value("disk/@id"))?
    });
    let image = client.get(&format!("/disks/{twin}")).is(200).value("image_id").unwrap();
    assert!(content(&folder.join(format!("{image}.qcow2"))) == before);
    client.delete(&format!("/disks/{twin}")).is(204);

    let answer = client.post(&format!("{path}/move"), &to("floats")).is(202);
    let href = answer.value("@href").unwrap();
    let job = href.strip_prefix("/ovirt-engine/api").unwrap();
    until(20, "the move", || client.get(job).is(200).value("status/state").as_deref() == Some("complete"));
    assert!(!source.exists());
    assert!(content(&folder.join(source.file_name().unwrap())) == before);
    client.post(&format!("{path}/move"), &to("floats")).refused(409);
    client.post(&format!("{path}/move"), "<action/>").refused(400);
    client.post(&format!("{path}/move"), &to("nowhere")).refused(404);
    disk.delete();
    assert_eq!(Daemon::images_in(&folder), [folder.join(".vireo-storage-domain")]);
}

#[test]
fn a_move_outlives_libvirtd_and_vireo_and_a_full_target_changes_nothing() {
    let Some(mut lab) = Lab::own() else { return };
    let folder = second(&lab, "slow");
    bounded(&lab, "small", "8m");
    let (vm, disk, name) = {
        let vm = lab.vm("outlives", Boots::Mini, "");
        let disk = vm.add_disk(&Disk::document(1024, "virtio", "cow", ""));
        run(Command::new("qemu-io").args(["-f", "qcow2", "-c", "write -P 7 0 700M"]).arg(disk.file()));
        vm.boot();
        let refusal = lab.client().post(&format!("{}/move", disk.path()), &to("small")).refused(409);
        assert!(refusal.contains("Low disk space"), "{refusal}");
        assert!(is_ok(&disk));
        let name = name_of(&disk);
        let moved = lab.client().post(&format!("{}/move", disk.path()), &to("slow"));
        moved.is(202);
        let job = || {
            let mut virsh = Command::new("virsh");
            virsh.args(["-q", "-c", &lab.host.uri, "blockjob", &vm.id, "vda", "--bandwidth", "1"]);
            virsh.output().unwrap().status.success()
        };
        until(10, "the copy runs", job);
        // What is to hold the disk stays.
        let client = lab.client();
        let center = client.get("/datacenters").is(200).value("data_center/@id").unwrap();
        let places = client.get("/storagedomains").is(200);
        let slow =
            places.all("storage_domain").find(|it| it.value("name").as_deref() == Some("slow")).unwrap();
        let place = format!("/datacenters/{center}/storagedomains/{}", slow.value("@id").unwrap());
        client.post(&format!("{place}/deactivate"), "<action/>").refused(409);
        until(10, "its job tells how far it is", || {
            let jobs = lab.client().get("/jobs").is(200);
            let steps = lab.client().get(&format!("/jobs/{}/steps", jobs.value("job/@id").unwrap())).is(200);
            steps.all("step").any(|step| step.value("description").unwrap().ends_with(" %"))
        });
        let ids = (vm.id.clone(), disk.id.clone(), name);
        // It would be stopped at its end, under the copy.
        std::mem::forget(vm);
        ids
    };
    lab.host.command(&["kill-libvirtd", "KILL"]);
    lab.daemon.kill();
    lab.host.command(&["start-libvirtd"]);
    lab.daemon.restart();
    let client = lab.client();
    let status = || client.get(&format!("/disks/{disk}")).is(200).value("status/state");
    assert_eq!(status().as_deref(), Some("locked"));
    until(20, "libvirt is there again", || {
        client.get("/hosts").is(200).value("host/status/state").as_deref() == Some("up")
    });
    lab.host.virsh(&["blockjob", &vm, "vda", "--bandwidth", "0"]);
    until(120, "the disk has moved", || status().as_deref() == Some("ok"));
    let there = folder.join(&name);
    let document = lab.host.document(&vm);
    let files: Vec<_> =
        document.every("devices/disk").iter().filter_map(|it| it.value("source/@file")).collect();
    assert_eq!(files, [there.to_str().unwrap()]);
    assert!(!lab.daemon.image(&name).exists());
    client.post(&format!("/vms/{vm}/stop"), "<action/>").is(200);
    let image = content(&there);
    assert!(
        image[..700 << 20].iter().all(|byte| *byte == 7) && image[700 << 20..].iter().all(|byte| *byte == 0)
    );
}

#[test]
fn a_move_whose_target_fills_up_leaves_the_disk_where_it_is_and_says_why() {
    let Some(lab) = Lab::own() else { return };
    let small = bounded(&lab, "filled", "1g");
    let inside = |program: &str, arguments: &[&str]| run(lab.host.among_mounts(program).args(arguments));
    let vm = lab.vm("stays", Boots::Mini, "");
    let disk = vm.add_disk(&Disk::document(1024, "virtio", "cow", ""));
    run(Command::new("qemu-io").args(["-f", "qcow2", "-c", "write -P 7 0 700M"]).arg(disk.file()));
    let source = disk.file();
    vm.boot();
    lab.client().post(&format!("{}/move", disk.path()), &to("filled")).is(202);
    let slow = || {
        let mut virsh = Command::new("virsh");
        virsh.args(["-q", "-c", &lab.host.uri, "blockjob", &vm.id, "vda", "--bandwidth", "1"]);
        virsh.output().unwrap().status.success()
    };
    until(10, "the copy is slow", slow);
    inside("fallocate", &["-l", "600M", small.join("ballast").to_str().unwrap()]);
    lab.host.virsh(&["blockjob", &vm.id, "vda", "--bandwidth", "0"]);
    until(60, "the move is over", || is_ok(&disk));
    let events = lab.client().get("/events").is(200);
    let told = |what: &str| events.all("event").any(|it| it.value("description").unwrap().contains(what));
    assert!(told("The copy was interrupted. Low disk space on Storage Domain filled."));
    assert_eq!(inside("ls", &[small.to_str().unwrap()]).trim(), "ballast");
    assert_eq!(disk.file(), source);
    let used = disk.device().unwrap().value("source/@file");
    assert_eq!(used.as_deref(), source.to_str());
}

#[test]
fn a_domain_whose_folder_goes_is_inactive_until_it_is_back() {
    let Some(lab) = lab() else { return };
    let client = lab.client();
    let (stash, folder) = (lab.host.root.join("stash"), lab.host.root.join("more-lost"));
    [&stash, &folder].iter().for_each(|it| std::fs::create_dir_all(it).unwrap());
    let inside = |program: &str, arguments: &[&Path]| run(lab.host.among_mounts(program).args(arguments));
    let mount = || inside("mount", &[Path::new("--bind"), &stash, &folder]);
    mount();
    over(&client, "lost", &folder);
    let status = || state_of(&client, "lost");
    let disk = Disk::document(8, "virtio", "cow", "").replace("<name>data<", "<name>lost<");
    let made = client.send("POST", "/disks", &["Expect: 201-created"], &disk).is(201).value("@id").unwrap();

    inside("umount", &[&folder]);
    until(30, "the domain is inactive", || status() == "inactive");
    let refused = client.post("/disks", &disk).refused(409);
    assert!(refused.contains("Inactive"), "{refused}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is written where it was");
    let told = |what: &str| {
        until(10, what, || {
            client.get("/events").is(200).all("event").any(|event| {
                let text = event.value("description").unwrap_or_default();
                text.contains("lost") && text.contains(what)
            })
        });
    };
    told("is not there");

    mount();
    until(30, "the domain is active again", || status() == "active");
    client.delete(&format!("/disks/{made}")).is(204);
}
