//! Snapshots: what was written before is read after, in the guest and in the image files.

use super::disks::address;
use super::harness::{Boots, Disk, Guest, Lab, Vm, until};
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
fn kept(disk: &Disk) -> String {
    let content = disk.content();
    let sector = &content[3 * 512..4 * 512];
    String::from_utf8_lossy(sector).trim_end_matches('\0').trim().to_owned()
}

fn take(vm: &Vm, description: &str, more: &str) -> String {
    let path = format!("{}/snapshots", vm.path());
    let body = format!("<snapshot><description>{description}</description>{more}</snapshot>");
    let made = vm.lab.client().send("POST", &path, &["Expect: 201-created"], &body).is(201);
    assert_eq!(made.value("snapshot_status").as_deref(), Some("ok"));
    made.value("@id").unwrap()
}

fn list(vm: &Vm) -> Vec<Element> {
    let all = vm.lab.client().get(&format!("{}/snapshots", vm.path())).is(200);
    all.all("snapshot").cloned().collect()
}

fn restore(vm: &Vm, id: &str) {
    vm.act(&format!("snapshots/{id}/restore"));
}

/// Removes it and waits until it is gone.
fn remove(vm: &Vm, id: &str) {
    let path = format!("{}/snapshots/{id}", vm.path());
    vm.lab.client().delete(&path).is(202);
    until(30, "the snapshot is gone", || vm.lab.client().get(&path).status == 404);
    until(5, "the disks are free", || {
        let disks = vm.lab.client().get(&format!("{}/disks", vm.path())).is(200);
        disks.every("disk/status/state").iter().all(|state| state.content() == "ok")
    });
}

/// The names of the disk's image files, from the one that is written down, as qemu-img sees them.
fn chain(disk: &Disk) -> Vec<String> {
    let told = Command::new("qemu-img")
        .args(["info", "-U", "--backing-chain", "--output=json"])
        .arg(disk.file())
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let name = |image: &serde_json::Value| {
        image["filename"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    told.as_array().unwrap().iter().map(name).collect()
}

fn files(vm: &Vm) -> usize {
    std::fs::read_dir(vm.lab.daemon.state.join("images")).unwrap().count()
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
fn memory_is_saved_in_a_file() {
    let Some(lab) = Lab::own() else { return };
    let vm = lab.vm("remembers", Boots::Mini, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let mut guest = vm.boot();
    let at = address(&mut guest);
    write(&mut guest, &at, "pattern-A");
    let id = take(&vm, "with memory", "<persist_memorystate>true</persist_memorystate>");
    let shown = list(&vm).into_iter().find(|it| it.value("@id").as_deref() == Some(&id)).unwrap();
    assert_eq!(shown.value("persist_memorystate").as_deref(), Some("true"));
    let file = vm.lab.daemon.state.join("images").join(format!("{id}.memory"));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
    assert!(file.metadata().unwrap().len() > 1 << 20);
    write(&mut guest, &at, "pattern-B");
    assert_eq!(chain(&disk).len(), 2);
    remove(&vm, &id);
    assert!(!file.exists());
    assert!(read(&mut guest, &at).contains("pattern-B"));
}
