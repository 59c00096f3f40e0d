//! Snapshots and merges amid faults: whoever dies and whatever is full, the disks read as their
//! guests wrote them, and nothing is left over.

use super::harness::{Boots, Client, Daemon, Disk, Lab, Vm, run, until};
use super::moves::bounded;
use super::snapshots::{are_free, chain, files, list, take};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use vireo::xml::Element;

const MIB: usize = 1 << 20;

/// Fills a part of the image, in MiB.
fn fill(file: &Path, value: u8, from: usize, count: usize) {
    let write = format!("write -q -P {value} {from}M {count}M");
    run(Command::new("qemu-io").args(["-f", "qcow2", "-c", &write]).arg(file));
}

/// What the parts of a content hold, each from its MiB to the next one's.
fn holds(content: &[u8], parts: &[(usize, u8)]) -> bool {
    let end = |n: usize| parts.get(n + 1).map_or(content.len(), |(to, _)| to * MIB);
    let is = |(n, (from, value)): (usize, &(usize, u8))| {
        content[from * MIB..end(n)].iter().all(|byte| byte == value)
    };
    parts.iter().enumerate().all(is)
}

fn is_free(client: &Client, disk: &str) -> bool {
    client.attempt("GET", &format!("/disks/{disk}"), &[], "").is_ok_and(|reply| {
        reply.status == 200 && reply.is(200).value("status/state").as_deref() == Some("ok")
    })
}

/// Ends one of the three who make a snapshot or a merge; the two daemons come back.
fn strike(lab: &mut Lab, victim: &str, vm: &str) {
    match victim {
        "libvirtd" => {
            lab.host.command(&["kill-libvirtd", "KILL"]);
            lab.host.command(&["start-libvirtd"]);
        }
        "vireo" => {
            lab.daemon.kill();
            lab.daemon.restart();
        }
        _ => drop(run(Command::new("kill").args(["-KILL", &lab.host.qemu(vm).unwrap()]))),
    }
}

#[test]
fn a_merge_outlives_libvirtd_vireo_and_its_guest() {
    let Some(mut lab) = Lab::own() else { return };
    let (vm, disk) = {
        let vm = lab.vm("merges", Boots::Mini, "");
        let disk = vm.add_disk(&Disk::document(400, "virtio", "cow", ""));
        let ids = (vm.id.clone(), disk.id.clone());
        std::mem::forget(vm);
        ids
    };
    let mut value = 1;
    for victim in ["libvirtd", "vireo", "guest"] {
        let file = {
            let vm = Vm { lab: &lab, id: vm.clone() };
            let disk = Disk::of(&vm, &disk);
            fill(&disk.file(), value, 0, 200);
            let id = take(&vm, victim, "");
            fill(&disk.file(), value + 1, 100, 250);
            vm.boot();
            lab.client().delete(&format!("{}/snapshots/{id}", vm.path())).is(202);
            let slowed = || {
                let mut virsh = Command::new("virsh");
                virsh.args(["-q", "-c", &lab.host.uri, "blockjob", &vm.id, "vda", "--bandwidth", "1"]);
                virsh.output().unwrap().status.success()
            };
            // Without a rest in between: a merge can be over in a part of a second.
            let end = Instant::now() + Duration::from_secs(10);
            while !slowed() {
                assert!(Instant::now() < end, "the merge is never seen to run");
            }
            let file = disk.file();
            std::mem::forget(vm);
            file
        };
        strike(&mut lab, victim, &vm);
        if victim != "guest" {
            lab.host.virsh(&["blockjob", &vm, "vda", "--bandwidth", "0"]);
        }
        until(120, &format!("the merge is over without {victim}"), || is_free(&lab.client(), &disk));
        let vm = Vm { lab: &lab, id: vm.clone() };
        let disk = Disk::of(&vm, &disk);
        until(30, "nothing but the present is left", || list(&vm).len() == 1);
        if victim == "guest" {
            vm.becomes("down", 10);
        } else {
            assert_eq!(vm.state(), "up");
            vm.act("stop");
        }
        assert_ne!(disk.file(), file);
        assert_eq!((chain(&disk).len(), files(&vm)), (1, 1), "{victim}");
        let (first, second) = (value, value + 1);
        assert!(holds(&disk.content(), &[(0, first), (100, second), (350, 0)]), "{victim}");
        value += 2;
        std::mem::forget(vm);
    }
    drop(Vm { lab: &lab, id: vm });
}

#[test]
fn a_snapshot_with_memory_is_there_or_not_whoever_dies() {
    let Some(mut lab) = Lab::own() else { return };
    for victim in ["guest", "libvirtd", "vireo"] {
        let (id, disk) = {
            let vm = lab.vm(victim, Boots::Linux, "");
            let disk = vm.add_disk(&Disk::document(16, "virtio", "cow", ""));
            fill(&disk.file(), 1, 0, 16);
            vm.boot();
            let body = "<snapshot><description>d</description><persist_memorystate>true</persist_memorystate></snapshot>";
            vm.post("snapshots", body).is(202);
            std::thread::sleep(Duration::from_millis(200));
            let ids = (vm.id.clone(), disk.id.clone());
            std::mem::forget(vm);
            ids
        };
        strike(&mut lab, victim, &id);
        let client = lab.client();
        let vm = Vm { lab: &lab, id };
        let settled = || list(&vm).iter().all(|it| it.value("snapshot_status").as_deref() == Some("ok"));
        until(90, &format!("it is over without {victim}"), || is_free(&client, &disk) && settled());
        let disk = Disk::of(&vm, &disk);
        let kept = list(&vm);
        println!("without {victim} there are {} snapshots", kept.len() - 1);
        is_told(&client, kept.len() == 2);
        if victim == "guest" {
            vm.becomes("down", 30);
        } else {
            vm.guest().ask("true");
            vm.act("stop");
        }
        // An image for each state, and a file for each memory. Of a guest that died right after its disks
        // were switched libvirt keeps none.
        let is_whole = |it: &&Element| it.value("persist_memorystate").as_deref() == Some("true");
        let memories = kept.iter().filter(is_whole).count();
        assert!(victim == "guest" || memories == kept.len() - 1, "{victim}");
        assert_eq!((chain(&disk).len(), files(&vm)), (kept.len(), kept.len() + memories), "{victim}");
        assert!(holds(&disk.content(), &[(0, 1)]), "{victim}");
    }
}

/// The job of the last snapshot has finished, or failed.
fn is_told(client: &Client, made: bool) {
    let state = || {
        let jobs = client.get("/jobs").is(200);
        let is_it = |job: &&Element| job.value("description").unwrap().starts_with("Creating snapshot");
        let job = jobs.all("job").find(is_it).unwrap();
        job.value("status/state").unwrap()
    };
    until(10, "the job is over", || state() != "started");
    assert_eq!(state(), if made { "finished" } else { "failed" });
}

/// libvirtd may take its answer along: what is told of the snapshot is what came of it.
#[test]
fn a_snapshot_is_there_when_it_is_said_to_be() {
    let Some(mut lab) = Lab::own() else { return };
    let (vm, disks) = {
        let vm = lab.vm("told", Boots::Halt, "");
        let disks = [(); 2].map(|()| vm.add_disk(&Disk::document(16, "virtio", "cow", "")).id.clone());
        vm.start();
        let id = vm.id.clone();
        std::mem::forget(vm);
        (id, disks)
    };
    let (mut before, mut made) = (1, 0);
    for wait in [20, 50, 80, 110, 140] {
        let path = format!("/vms/{vm}/snapshots");
        let answer = lab.client().post(&path, "<snapshot><description>d</description></snapshot>").is(202);
        std::thread::sleep(Duration::from_millis(wait));
        strike(&mut lab, "libvirtd", &vm);
        let client = lab.client();
        until(20, "libvirtd is there again", || {
            client.get("/hosts").is(200).value("host/status/state").as_deref() == Some("up")
        });
        let it = Vm { lab: &lab, id: vm.clone() };
        let settled = || {
            disks.iter().all(|disk| is_free(&client, disk))
                && list(&it).iter().all(|it| it.value("snapshot_status").as_deref() == Some("ok"))
        };
        until(60, "it is over without libvirtd", settled);
        let kept = list(&it).len();
        is_told(&client, kept > before);
        let status = answer.all("link").find(|it| it.get("rel") == Some("creation_status")).unwrap();
        let status = status.get("href").unwrap();
        let status = client.get(status.strip_prefix("/ovirt-engine/api").unwrap()).is(200);
        let said = if kept > before { "complete" } else { "failed" };
        assert_eq!(status.value("status/state").as_deref(), Some(said), "{status}");
        assert_eq!(it.state(), "up");
        made += kept - before;
        before = kept;
        std::mem::forget(it);
    }
    println!("{made} of 5 snapshots were made");
    drop(Vm { lab: &lab, id: vm });
}

/// Waits until the memory file of the running snapshot is whole, and holds QEMU there, before its
/// disks are switched: there are some, so that this takes a moment.
fn hold_before_the_switch(lab: &Lab, vm: &str) {
    let images = lab.daemon.state.join("images");
    let is_memory = |file: &Path| file.extension().is_some_and(|it| it == "memory");
    let whole = || {
        let file = Daemon::images_in(&images).into_iter().find(|file| is_memory(file));
        let mut magic = [0; 16];
        let read = file.and_then(|file| File::open(file).ok()?.read_exact(&mut magic).ok());
        read.is_some() && &magic == b"LibvirtQemudSave"
    };
    let end = Instant::now() + Duration::from_secs(20);
    while !whole() {
        assert!(Instant::now() < end, "the memory is never saved");
    }
    signal(lab, vm, "-STOP");
}

fn signal(lab: &Lab, vm: &str, name: &str) {
    run(Command::new("kill").args([name, &lab.host.qemu(vm).unwrap()]));
}

/// The guest has so much to save that the daemon dies amid it: libvirt goes on without it.
#[test]
fn a_snapshot_with_memory_outlives_the_daemon() {
    let Some(mut lab) = Lab::own() else { return };
    let (id, disks, mut guest) = {
        let vm = lab.vm("much", Boots::Linux, "");
        let disks: Vec<String> =
            (0..6).map(|_| vm.add_disk(&Disk::document(8, "virtio", "cow", "")).id).collect();
        vm.update(&format!("<memory>{}</memory>", 1 << 30));
        let mut guest = vm.boot();
        guest.ask("mkdir /run/much && mount -t tmpfs -o size=700m much /run/much");
        // In small parts: a busy machine takes its time for each.
        for part in 0..24 {
            guest.ask(&format!("head -c 25000000 /dev/zero | tr '\\0' x >/run/much/{part}"));
        }
        guest.ask("(n=0; while sleep 0.1; do n=$((n+1)); echo $n >/run/new; mv /run/new /run/n; done) >/dev/null 2>&1 &");
        guest.until(10, "test -e /run/n && echo yes");
        let id = vm.id.clone();
        std::mem::forget(vm);
        (id, disks, guest)
    };
    let body =
        "<snapshot><description>d</description><persist_memorystate>true</persist_memorystate></snapshot>";
    for moment in [Some(100), Some(300), Some(500), None, None] {
        lab.client().post(&format!("/vms/{id}/snapshots"), body).is(202);
        match moment {
            Some(moment) => std::thread::sleep(Duration::from_millis(moment)),
            None => hold_before_the_switch(&lab, &id),
        }
        lab.daemon.kill();
        lab.daemon.restart();
        if moment.is_none() {
            std::thread::sleep(Duration::from_millis(500));
            signal(&lab, &id, "-CONT");
        }
        let client = lab.client();
        let vm = Vm { lab: &lab, id: id.clone() };
        let settled = || list(&vm).iter().all(|it| it.value("snapshot_status").as_deref() == Some("ok"));
        until(90, "it is over", || disks.iter().all(|disk| is_free(&client, disk)) && settled());
        assert_eq!(vm.state(), "up", "{moment:?}");
        let then: u64 = guest.ask("cat /run/n").trim().parse().unwrap();
        guest.until(10, &format!("test $(cat /run/n) -gt {then}"));
        guest.ask("dd if=/dev/zero of=/dev/vda bs=512 count=1 conv=fsync 2>/dev/null");
        let kept = list(&vm);
        println!("killed after {moment:?} ms: {} snapshots", kept.len() - 1);
        for disk in &disks {
            let disk = Disk::of(&vm, disk);
            assert_eq!(chain(&disk).len(), kept.len());
            let device = disk.device().unwrap();
            let used = std::iter::successors(Some(&device), |image| image.first("backingStore"));
            let used: Vec<String> = used.filter_map(|image| image.value("source/@file")).collect();
            assert_eq!(used.len(), kept.len(), "{used:?}");
        }
        // The list begins with the present.
        let Some(snapshot) = kept.get(1).map(|it| it.value("@id").unwrap()) else {
            std::mem::forget(vm);
            continue;
        };
        let path = format!("{}/snapshots/{snapshot}", vm.path());
        let remembers = client.get(&path).is(200).value("persist_memorystate").as_deref() == Some("true");
        assert!(remembers && lab.daemon.image(&format!("{snapshot}.memory")).exists(), "{moment:?}");
        assert_eq!(files(&vm), 2 * disks.len() + 1);
        vm.act("stop");
        let again = "<action><restore_memory>true</restore_memory></action>";
        vm.act_with(&format!("snapshots/{snapshot}/restore"), again);
        vm.start();
        guest = vm.guest();
        guest.until(10, "test $(cat /run/n) -gt 0 && test -e /run/much/23");
        client.delete(&path).is(202);
        until(60, "it is gone", || client.get(&path).status == 404 && are_free(&vm));
        std::mem::forget(vm);
    }
    drop(Vm { lab: &lab, id });
}

#[test]
fn a_full_storage_takes_no_snapshot_and_no_merge_and_loses_nothing() {
    let Some(lab) = Lab::own() else { return };
    let small = bounded(&lab, "small", "48m");
    let inside = |program: &str, arguments: &[&str]| run(lab.host.among_mounts(program).args(arguments));
    let there = |name: &str| small.join(name).display().to_string();
    let ballast = there("ballast");
    let free = || -> usize {
        let told = inside("df", &["--output=avail", "-B1", small.to_str().unwrap()]);
        told.lines().last().unwrap().trim().parse().unwrap()
    };
    let leave = |bytes: usize| {
        let size = (free() - bytes).to_string();
        inside("fallocate", &["-l", &size, &ballast]);
    };
    let names = || inside("ls", &["-A", small.to_str().unwrap()]);

    let vm = lab.vm("crowded", Boots::Mini, "");
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let document = Disk::document(32, "virtio", "cow", "").replace("<name>data</name>", "<name>small</name>");
    let disk = vm.add_disk(&document);
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let file = || there(disk.file().file_name().unwrap().to_str().unwrap());
    let fill = |value: u8, from: usize, count: usize| {
        inside("qemu-io", &["-f", "qcow2", "-c", &format!("write -q -P {value} {from}M {count}M"), &file()]);
    };
    let content = || {
        let raw = lab.host.root.join("content");
        inside("qemu-img", &["convert", "-U", "-O", "raw", &file(), raw.to_str().unwrap()]);
        std::fs::read(raw).unwrap()
    };
    fill(1, 0, 8);

    // The second of three disks cannot be: none is.
    let asked = "<snapshot><description>d</description></snapshot>";
    for round in 0..4 {
        // What a guest has open cannot become read-only.
        let read_only = round == 1;
        match read_only {
            false => leave(65536),
            true => drop(inside("mount", &["-o", "remount,ro", small.to_str().unwrap()])),
        }
        let before = (files(&vm), names());
        for _ in 0..25 {
            vm.lab
                .client()
                .send("POST", &format!("{}/snapshots", vm.path()), &["Expect: 201-created"], asked)
                .refused(409);
            assert_eq!((files(&vm), names(), list(&vm).len()), (before.0, before.1.clone(), 1));
        }
        match read_only {
            false => drop(inside("rm", &[&ballast])),
            true => drop(inside("mount", &["-o", "remount,rw", small.to_str().unwrap()])),
        }
        assert!(is_free(&lab.client(), &disk.id));
        if round == 1 {
            vm.boot();
        }
    }
    vm.act("stop");

    let id = take(&vm, "merged when there is room", "");
    fill(2, 4, 16);
    leave(4 * MIB);
    let path = format!("{}/snapshots/{id}", vm.path());
    for state in ["up", "down"] {
        if state == "up" {
            vm.boot();
        }
        vm.lab.client().delete(&path).is(202);
        until(60, "it was tried", || is_free(&lab.client(), &disk.id));
        let events = lab.client().get("/events?search=severity%3Derror").is(200);
        let last = events.value("event/description").unwrap();
        assert!(last.contains("Low disk space on"), "{state}: {last}");
        assert_eq!(list(&vm).len(), 2, "{state}");
        assert_eq!(vm.state(), state);
        if state == "up" {
            vm.act("stop");
        }
        assert!(holds(&content(), &[(0, 1), (4, 2), (20, 0)]), "{state}");
    }
    inside("rm", &[&ballast]);
    vm.lab.client().delete(&path).is(202);
    until(60, "it is gone", || vm.lab.client().get(&path).status == 404);
    until(5, "the disk is free", || is_free(&lab.client(), &disk.id));
    assert!(holds(&content(), &[(0, 1), (4, 2), (20, 0)]));
    assert_eq!(names().lines().filter(|name| name.ends_with(".qcow2")).count(), 1);
}
