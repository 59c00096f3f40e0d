//! Snapshots: what was written before is read after, in the guest and in the image files.

use super::disks::address;
use super::harness::{Boots, Disk, Guest, Lab, Vm, run, until};
use super::moves::{second, to};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use vireo::xml::Element;

/// A sector of the disk at that address in a mini guest.
fn write(guest: &mut Guest, at: &str, text: &str) {
    guest.ask(&format!("w {at} 3 {text}"));
}

fn read(guest: &mut Guest, at: &str) -> String {
    guest.ask(&format!("r {at} 3"))
}

/// The same sector in the image file.
pub fn kept(disk: &Disk) -> String {
    let content = disk.content();
    let sector = &content[3 * 512..4 * 512];
    String::from_utf8_lossy(sector).trim_end_matches('\0').trim().to_owned()
}

pub fn take(vm: &Vm, description: &str, more: &str) -> String {
    let path = format!("{}/snapshots", vm.path());
    let body = format!("<snapshot><description>{description}</description>{more}</snapshot>");
    let made = vm.lab.client().send("POST", &path, &["Expect: 201-created"], &body).is(201);
    assert_eq!(made.value("snapshot_status").as_deref(), Some("ok"));
    made.value("@id").unwrap()
}

pub fn list(vm: &Vm) -> Vec<Element> {
    let all = vm.lab.client().get(&format!("{}/snapshots", vm.path())).is(200);
    all.all("snapshot").cloned().collect()
}

pub fn restore(vm: &Vm, id: &str) {
    vm.act(&format!("snapshots/{id}/restore"));
}

/// Removes it and waits until it is gone.
pub fn remove(vm: &Vm, id: &str) {
    let path = format!("{}/snapshots/{id}", vm.path());
    vm.lab.client().delete(&path).is(202);
    until(30, "the snapshot is gone", || vm.lab.client().get(&path).status == 404);
    until(5, "the disks are free", || are_free(vm));
}

pub fn are_free(vm: &Vm) -> bool {
    let disks = vm.lab.client().get(&format!("{}/disks", vm.path())).is(200);
    disks.all("disk").all(|disk| disk.value("status/state").as_deref() == Some("ok"))
}

/// The names of the disk's image files, from the one that is written down, as qemu-img sees them.
pub fn chain(disk: &Disk) -> Vec<String> {
    chain_of(&disk.file())
}

fn chain_of(file: &Path) -> Vec<String> {
    let told = Command::new("qemu-img")
        .args(["info", "-U", "--backing-chain", "--output=json"])
        .arg(file)
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let name = |image: &serde_json::Value| {
        image["filename"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    told.as_array().unwrap().iter().map(name).collect()
}

pub fn files(vm: &Vm) -> usize {
    vm.lab.daemon.images()
}

#[test]
fn a_vm_that_is_down_goes_back() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("goes-back", Boots::Mini, "");
    let cow = vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let mut guest = vm.boot();
    let at = address(&mut guest);
    write(&mut guest, &at, "pattern-A");
    vm.act("stop");
    let raw = vm.add_disk(&Disk::document(8, "virtio_scsi", "raw", ""));
    std::fs::write(raw.file(), vec![b'A'; 8 << 20]).unwrap();
    assert_eq!((list(&vm).len(), files(&vm)), (1, 2));

    let first = take(&vm, "first", "");
    assert_eq!((list(&vm).len(), files(&vm)), (2, 4));
    let shown = &list(&vm)[1];
    assert_eq!(shown.value("type").as_deref(), Some("regular"));
    assert_eq!(shown.value("vm/name").as_deref(), Some("goes-back"));
    assert_eq!((chain(&cow).len(), chain(&raw).len()), (2, 2));
    assert!(chain(&raw)[1].ends_with(".raw"));

    let mut guest = vm.boot();
    assert!(read(&mut guest, &at).contains("pattern-A"), "the overlay reads through");
    write(&mut guest, &at, "pattern-B");
    vm.act("stop");
    assert_eq!(kept(&cow), "pattern-B");
    vm.update("<description>changed</description>");
    raw.resize(16).is(200);
    let second = take(&vm, "second", "");
    vm.boot();
    vm.post(&format!("snapshots/{first}/restore"), "<action/>").refused(409);
    vm.act("stop");

    // A look, and back.
    vm.act_with("preview_snapshot", &format!("<action><snapshot id='{first}'/></action>"));
    assert_eq!(kept(&cow), "pattern-A");
    assert_eq!(raw.show().number::<u64>("provisioned_size"), Some(8 << 20));
    vm.lab.client().delete(&format!("{}/snapshots/{second}", vm.path())).refused(409);
    vm.act("undo_snapshot");
    assert_eq!(kept(&cow), "pattern-B");
    assert_eq!(raw.show().number::<u64>("provisioned_size"), Some(16 << 20));

    restore(&vm, &first);
    assert_eq!(kept(&cow), "pattern-A");
    assert!(raw.content().iter().all(|byte| *byte == b'A'));
    assert_eq!((raw.content().len(), vm.field("description")), (8 << 20, None));
    assert_eq!((list(&vm).len(), files(&vm)), (2, 4), "later snapshots are gone with their images");
    let mut guest = vm.boot();
    assert!(read(&mut guest, &at).contains("pattern-A"));
    write(&mut guest, &at, "pattern-C");
    vm.act("stop");

    remove(&vm, &first);
    assert_eq!((kept(&cow), chain(&cow).len(), chain(&raw).len(), files(&vm)), ("pattern-C".into(), 1, 1, 2));
    assert_eq!(raw.field("format").as_deref(), Some("raw"));
    assert!(raw.content().iter().all(|byte| *byte == b'A'));
}

#[test]
fn a_vm_that_runs_is_kept_and_merged() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("runs-on", Boots::Mini, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "raw", ""));
    let other = vm.add_disk(&Disk::document(8, "virtio_scsi", "cow", ""));
    let mut guest = vm.boot();
    let at = address(&mut guest);
    let mut ids = Vec::new();
    for n in 0..4 {
        write(&mut guest, &at, &format!("pattern-{n}"));
        let begun = Instant::now();
        ids.push(take(&vm, &format!("s{n}"), ""));
        println!("live snapshot of two disks: {:?}", begun.elapsed());
    }
    write(&mut guest, &at, "pattern-now");
    assert_eq!((chain(&disk).len(), chain(&other).len(), files(&vm)), (5, 5, 10));
    assert_eq!(disk.device().unwrap().value("source/@file").unwrap(), disk.file().to_str().unwrap());

    // In the chain, under the guest's writes, and the newest.
    for (which, left) in [(1, 4), (3, 3), (0, 2)] {
        remove(&vm, &ids[which]);
        write(&mut guest, &at, &format!("pattern-after-{which}"));
        assert!(read(&mut guest, &at).contains(&format!("pattern-after-{which}")));
        assert_eq!((chain(&disk).len(), chain(&other).len(), files(&vm)), (left, left, 2 * left), "{which}");
        let device = disk.device().unwrap();
        assert_eq!(device.value("source/@file").unwrap(), disk.file().to_str().unwrap());
    }
    assert!(disk.resize(16).is(200).number::<u64>("provisioned_size") == Some(16 << 20));
    vm.act("stop");
    assert_eq!(kept(&disk), "pattern-after-0");
    restore(&vm, &ids[2]);
    assert_eq!(kept(&disk), "pattern-2");
    remove(&vm, &ids[2]);
    assert_eq!((kept(&disk), disk.field("format"), files(&vm)), ("pattern-2".into(), Some("raw".into()), 2));
}

#[test]
fn what_a_guest_only_reads_is_kept_merged_and_copied() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("reads", Boots::Mini, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let mut guest = vm.boot();
    let at = address(&mut guest);
    write(&mut guest, &at, "pattern-A");
    vm.act("stop");
    disk.update("<read_only>true</read_only>").is(200);
    let mut guest = vm.boot();
    let ids = ["one", "two"].map(|name| take(&vm, name, ""));
    for (id, left) in ids.iter().zip([2, 1]) {
        assert!(disk.device().unwrap().first("readonly").is_some());
        assert_eq!(chain(&disk).len(), left + 1);
        remove(&vm, id);
        assert_eq!(chain(&disk).len(), left);
        assert!(read(&mut guest, &at).contains("pattern-A"));
    }
    vm.act("stop");
    vm.act_with("clone", "<action><async>false</async><vm><name>copy</name></vm></action>");
    let found = lab.client().get("/vms?search=name%3Dcopy").is(200);
    let copy = Vm { lab: vm.lab, id: found.value("vm/@id").unwrap() };
    let disks = lab.client().get(&format!("{}/disks", copy.path())).is(200);
    let disk = Disk::of(&copy, &disks.value("disk/@id").unwrap());
    assert_eq!((kept(&disk), disk.field("read_only")), ("pattern-A".into(), Some("true".into())));
}

#[test]
fn a_chain_moves_as_a_whole() {
    let Some(lab) = Lab::own() else { return };
    let folder = second(&lab, "other");
    let vm = lab.vm("wanders", Boots::Mini, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "raw", ""));
    vm.add_disk(&Disk::document(8, "virtio_scsi", "cow", ""));
    let mut guest = vm.boot();
    let at = address(&mut guest);
    let mut ids = Vec::new();
    for n in 0..2 {
        write(&mut guest, &at, &format!("pattern-{n}"));
        ids.push(take(&vm, &format!("s{n}"), ""));
    }
    write(&mut guest, &at, "pattern-2");
    lab.client().post(&format!("{}/move", disk.path()), &to("other")).is(202);
    let free = |what: &str| until(30, what, || are_free(&vm));
    free("the disk has moved");
    assert!(read(&mut guest, &at).contains("pattern-2"));
    write(&mut guest, &at, "pattern-3");
    let file = folder.join(disk.file().file_name().unwrap());
    assert_eq!((chain_of(&file).len(), files(&vm)), (3, 3), "three are there, and the other disk's here");
    let domains = lab.client().get("/storagedomains?search=name%3Dother").is(200);
    let kept_there =
        format!("/storagedomains/{}/disksnapshots", domains.value("storage_domain/@id").unwrap());
    let listed = || lab.client().get(&kept_there).is(200);
    assert_eq!(listed().all("disk_snapshot").count(), 2);

    // One of them goes by itself, the guest writing on.
    let image = |n: usize| {
        let disks = lab.client().get(&format!("{}/snapshots/{}/disks", vm.path(), ids[n])).is(200);
        let of_disk = disks.all("disk").find(|it| it.value("@id").as_deref() == Some(&disk.id)).cloned();
        of_disk.and_then(|it| it.value("image_id"))
    };
    lab.client().delete(&format!("{kept_there}/{}", image(1).unwrap())).is(202);
    until(30, "it is merged", || listed().all("disk_snapshot").count() == 1);
    free("the merge is over");
    assert_eq!(image(1), None);
    assert!(read(&mut guest, &at).contains("pattern-3"));
    vm.act("stop");

    vm.post("move", &to("data")).is(202);
    free("the VM has moved");
    assert_eq!((chain(&disk).len(), kept(&disk)), (2, "pattern-3".into()));
    assert_eq!(std::fs::read_dir(&folder).unwrap().filter(|it| is_image(it.as_ref().unwrap())).count(), 0);
    disk.resize(16).is(200);
    restore(&vm, &ids[0]);
    assert_eq!((kept(&disk), disk.content().len()), ("pattern-0".into(), 8 << 20));
}

fn is_image(file: &std::fs::DirEntry) -> bool {
    matches!(file.path().extension().and_then(|it| it.to_str()), Some("qcow2" | "raw"))
}

/// While Linux writes all the time, and its agent freezes its file systems.
#[test]
fn a_guest_under_load_keeps_what_it_wrote() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("loaded", Boots::Linux, "");
    let disk = vm.add_disk(&Disk::document(64, "virtio", "cow", "<bootable>true</bootable>"));
    let mut guest = vm.boot();
    guest.until(20, "test -b /dev/vda && echo yes");
    guest.ask(
        "(n=0; while test ! -e /run/stop; do n=$((n+1)); printf '%511d\\n' $n | dd of=/dev/vda seek=$n bs=512 \
         conv=notrunc,fsync 2>/dev/null; echo $n >/run/n; done; touch /run/stopped) >/dev/null 2>&1 &",
    );
    std::thread::sleep(Duration::from_secs(1));
    let first = take(&vm, "first", "");
    let second = take(&vm, "second", "");
    std::thread::sleep(Duration::from_secs(1));
    remove(&vm, &first);
    remove(&vm, &second);
    guest.ask("touch /run/stop");
    guest.until(10, "test -e /run/stopped && echo yes");
    let count: usize = guest.ask("cat /run/n").trim().parse().unwrap();
    assert!(count > 10, "{count}");
    vm.act("stop");
    let content = disk.content();
    for n in 1..=count {
        let sector = String::from_utf8_lossy(&content[n * 512..(n + 1) * 512]).trim().to_owned();
        assert_eq!(sector, n.to_string(), "of {count}");
    }
    assert_eq!((chain(&disk).len(), files(&vm)), (1, 1));
}

#[test]
fn a_guest_goes_on_from_its_memory() {
    let Some(lab) = Lab::own() else { return };
    let grows = "<custom_properties><custom_property name='memory_growth' value='2'/></custom_properties>";
    let vm = lab.vm("remembers", Boots::Linux, grows);
    let disk = vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    vm.post("nics", "<nic><name>eth</name></nic>").is(201);
    let mut guest = vm.boot();
    guest.until(20, "test -b /dev/vda && echo yes");
    let put = |guest: &mut Guest, text: &str| {
        guest.ask(&format!(
            "printf '%-512s' {text} | dd of=/dev/vda seek=3 bs=512 conv=notrunc,fsync 2>/dev/null"
        ));
    };
    let counted = |guest: &mut Guest| guest.ask("cat /run/n").trim().parse::<u64>().unwrap();
    guest.ask("(n=0; while sleep 0.1; do n=$((n+1)); echo $n >/run/new; mv /run/new /run/n; done) >/dev/null 2>&1 &");
    guest.until(10, "test -e /run/n && echo yes");
    put(&mut guest, "pattern-A");
    // A module that was plugged into it is of its memory, too.
    vm.update(&format!("<memory>{}</memory>", 384 << 20));
    let then = counted(&mut guest);
    let id = take(&vm, "with memory", "<persist_memorystate>true</persist_memorystate>");
    let shown = list(&vm).into_iter().find(|it| it.value("@id").as_deref() == Some(&id)).unwrap();
    assert_eq!(shown.value("persist_memorystate").as_deref(), Some("true"));
    let file = vm.lab.daemon.state.join("images").join(format!("{id}.memory"));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
    assert!(file.metadata().unwrap().len() > 1 << 20);
    guest.ask("touch /run/later");
    put(&mut guest, "pattern-B");
    vm.act("stop");

    let again = "<action><restore_memory>true</restore_memory></action>";
    let keeps_memory = || list(&vm)[0].value("persist_memorystate").unwrap() == "true";
    for round in 0..2 {
        vm.act_with(&format!("snapshots/{id}/restore"), again);
        assert_eq!((vm.state(), kept(&disk)), ("down".to_owned(), "pattern-A".to_owned()), "{round}");
        assert!(keeps_memory());
        vm.start();
        assert!(!keeps_memory(), "it is used up");
        let mut guest = vm.guest();
        assert_eq!(vm.lab.host.document(&vm.id).every("devices/memory").len(), 1);
        guest.ask("test ! -e /run/later && grep -q pattern-A /dev/vda");
        let now = counted(&mut guest);
        assert!(now >= then, "{now} after {then}");
        guest.until(10, &format!("test $(cat /run/n) -gt {now}"));
        put(&mut guest, "pattern-C");
        vm.act("stop");
        assert_eq!(kept(&disk), "pattern-C");
    }

    // The memory knows the VM by the name of then.
    vm.act_with(&format!("snapshots/{id}/restore"), again);
    vm.update("<name>renamed</name>");
    let (nics, domain) =
        (format!("{}/nics", vm.path()), || lab.host.virsh(&["domname", &vm.id]).trim().to_owned());
    let said = lab.client().post(&nics, "<nic><name>more</name></nic>").refused(409);
    assert!(said.contains("to go on from the memory"), "{said}");
    disk.resize(16).refused(409);
    assert_eq!(domain(), "renamed");
    vm.start();
    assert_eq!((vm.field("name").unwrap(), domain()), ("renamed".into(), "remembers".into()));
    vm.guest().ask("test ! -e /run/later && grep -q pattern-A /dev/vda");
    let taken = Boots::Mini.document("remembers", "");
    lab.client().post("/vms", &taken).refused(400);
    put(&mut vm.guest(), "pattern-C");
    vm.act("stop");
    until(10, "its domain is renamed", || domain() == "renamed");

    // A look, and back: what woke is not what was.
    let look = format!("<action><snapshot id='{id}'/><restore_memory>true</restore_memory></action>");
    vm.act_with("preview_snapshot", &look);
    assert!(keeps_memory());
    vm.act("undo_snapshot");
    assert!(!keeps_memory());
    assert_eq!(kept(&disk), "pattern-C");
    remove(&vm, &id);
    assert!(!file.exists());
    assert_eq!(kept(&disk), "pattern-C");
}

#[test]
fn a_stateless_run_leaves_nothing_behind() {
    let Some(mut lab) = Lab::own() else { return };
    let vm = lab.vm("forgets", Boots::Mini, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let mut guest = vm.boot();
    let at = address(&mut guest);
    write(&mut guest, &at, "pattern-A");
    vm.act("stop");
    vm.update("<stateless>true</stateless>");
    let types = |vm: &Vm| list(vm).iter().map(|it| it.value("type").unwrap()).collect::<Vec<_>>();
    for end in ["stop", "off", "kill"] {
        let mut guest = vm.boot();
        assert_eq!(types(&vm), ["active", "stateless"]);
        assert!(read(&mut guest, &at).contains("pattern-A"), "{end}");
        write(&mut guest, &at, "pattern-B");
        vm.post("snapshots", "<snapshot><description>no</description></snapshot>").refused(409);
        vm.post("suspend", "<action/>").refused(409);
        disk.resize(16).refused(409);
        match end {
            "stop" => drop(vm.act("stop")),
            "off" => guest.say("x off"),
            _ => drop(run(Command::new("kill").args(["-KILL", &vm.lab.host.qemu(&vm.id).unwrap()]))),
        }
        vm.becomes("down", 30);
        until(10, end, || types(&vm) == ["active"] && files(&vm) == 1);
        assert_eq!(kept(&disk), "pattern-A", "{end}");
    }

    // For one run only; and nobody is there to see its end.
    vm.update("<stateless>false</stateless>");
    vm.act_with("start", "<action><vm><stateless>true</stateless></vm></action>");
    let mut guest = vm.guest();
    write(&mut guest, &at, "pattern-B");
    assert_eq!(kept(&disk), "pattern-B");
    let (id, disk) = (vm.id.clone(), disk.id.clone());
    std::mem::forget(vm);
    lab.daemon.kill();
    lab.host.virsh(&["destroy", &id]);
    lab.daemon.restart();
    let vm = Vm { lab: &lab, id };
    let disk = Disk::of(&vm, &disk);
    vm.becomes("down", 30);
    until(10, "what the run wrote is dropped", || types(&vm) == ["active"] && files(&vm) == 1);
    assert_eq!(kept(&disk), "pattern-A");
}

#[test]
fn a_kernel_that_is_gone_is_missed_by_the_next_start_alone() {
    let Some(lab) = Lab::own() else { return };
    let kernel = lab.daemon.state.join("isos/gone.elf");
    let vm = lab.vm("gone", Boots::Halt, "");
    let its = vm.field("os/kernel").unwrap();
    let put = || {
        std::fs::copy(&its, &kernel).unwrap();
    };
    put();
    let disk = vm.add_disk(&Disk::document(1, "virtio", "cow", ""));
    vm.update("<os><kernel>iso://gone.elf</kernel></os>");
    vm.start();
    std::fs::remove_file(&kernel).unwrap();
    let before = disk.file();
    let snapshot = take(&vm, "s", "");
    until(20, "the snapshot is there", || are_free(&vm));
    assert_ne!(disk.file(), before, "the guest writes into a layer of its own");
    remove(&vm, &snapshot);
    assert_eq!(disk.file(), before);
    vm.act("stop");
    let refused = lab.client().post(&format!("{}/start", vm.path()), "<action/>").refused(400);
    assert!(refused.contains("gone.elf"), "{refused}");
    put();
    vm.start();
}
