//! Disks of running VMs, as their guests see them.

use super::harness::{Boots, Disk, Guest, MIB, Nic, Vm, lab, until, wait};

/// With its line feed it fills a MiB exactly.
const PATTERN: &str = "vireo-pattern-1";

/// The name of the disk with that serial number in a Linux guest, once it is there.
pub fn find(guest: &mut Guest, disk: &Disk) -> String {
    let files = format!("grep -l '{}' /sys/block/vd*/serial /sys/block/sd*/device/vpd_pg80", disk.serial());
    let file = guest.until(10, &format!("({files}) 2>/dev/null | grep ."));
    file.split('/').nth(3).unwrap().to_owned()
}

pub fn gone(guest: &mut Guest, name: &str) {
    guest.until(5, &format!("! test -e /sys/block/{name}"));
}

/// The size in MiB that the guest sees.
fn size(guest: &mut Guest, name: &str) -> u64 {
    let sectors: u64 = guest.ask(&format!("cat /sys/block/{name}/size")).parse().unwrap();
    sectors * 512 / MIB
}

/// One MiB of the pattern, one MiB into the disk.
fn write(guest: &mut Guest, name: &str) {
    guest.ask(&format!(
        "yes '{PATTERN}' | head -c {MIB} | dd of=/dev/{name} bs=64k seek=16 iflag=fullblock conv=fsync"
    ));
}

fn read(guest: &mut Guest, name: &str) -> String {
    guest.ask(&format!("dd if=/dev/{name} bs=64k skip=16 count=16 2>/dev/null | sort -u"))
}

/// Edited afterwards, the definition alone would have the place among what is booted from.
#[test]
fn guest_and_definition_get_a_disk_by_one_call() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("one-call", Boots::Halt, "");
    vm.add_disk(&Disk::document(8, "virtio_scsi", "cow", ""));
    vm.start();
    let disk = vm.add_disk(&Disk::document(8, "virtio_scsi", "cow", "<active>true</active>"));
    let bootable = || {
        let document = lab.host.persistent_document(&vm.id);
        document.every("devices/disk").iter().filter(|disk| disk.at("boot").is_some()).count()
    };
    for _ in 0..2 {
        assert_eq!(disk.device().unwrap().value("boot/@order").as_deref(), Some("2"));
        assert_eq!(bootable(), 2);
        disk.act("deactivate");
        assert!(disk.device().is_none());
        assert_eq!(bootable(), 1);
        disk.act("activate");
    }
}

/// The guest takes its time with the one while another's way out writes the definition.
#[test]
fn devices_go_at_once() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("at-once", Boots::Mini, "");
    let _guest = vm.boot();
    let disks =
        ["virtio", "virtio_scsi"].map(|interface| vm.add_disk(&Disk::document(8, interface, "cow", "")));
    let nic = Nic::create(&vm, "nic1", "<plugged>false</plugged>");
    let each = |action: &str| {
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(nic.act(action).status, 200));
            for disk in &disks {
                scope.spawn(move || assert_eq!(disk.act(action).status, 200));
            }
        });
    };
    for _ in 0..6 {
        each("activate");
        each("deactivate");
        for document in [lab.host.persistent_document(&vm.id), vm.document()] {
            let document = document.to_string();
            let left = disks.iter().map(|disk| &disk.id).chain([&nic.id]).find(|id| document.contains(*id));
            assert_eq!(left, None, "{document}");
        }
    }
}

#[test]
fn a_disk_comes_and_goes_while_linux_runs() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("disks", Boots::Linux, "");
    let mut guest = vm.boot();

    let disk = vm.add_disk(&Disk::document(64, "virtio", "cow", "<active>true</active>"));
    let name = find(&mut guest, &disk);
    assert!(name.starts_with("vd"), "{name}");
    assert_eq!(size(&mut guest, &name), 64);
    write(&mut guest, &name);
    figures(&vm, &disk, &mut guest, &name);

    disk.deactivate();
    gone(&mut guest, &name);
    assert!(disk.device().is_none());
    let image = disk.content();
    assert_eq!(image.len() as u64, 64 * MIB);
    assert!(image[MIB as usize..].starts_with(PATTERN.as_bytes()), "not in the image file");
    drop(image);

    disk.activate();
    let name = find(&mut guest, &disk);
    assert_eq!(read(&mut guest, &name), PATTERN);

    grow(&mut guest, &disk, &name);
    scsi(&vm, &mut guest);
    read_only(&vm, &mut guest);
    policies(&vm, &disk);

    disk.act("activate").refused(409);
    vm.lab.client().delete(&disk.path()).refused(409);
    disk.deactivate();
    let file = disk.file();
    assert!(file.exists());
    disk.delete();
    assert!(!file.exists());
    disk.act("activate").refused(404);
}

/// The statistics of VM and disk move with what the guest does.
fn figures(vm: &Vm, disk: &Disk, guest: &mut Guest, name: &str) {
    guest.ask(&format!(
        "touch /run/busy; (while test -e /run/busy; do dd if=/dev/zero of=/dev/{name} bs=1M count=2 seek=8 \
         conv=fsync; dd if=/dev/{name} of=/dev/null bs=1M count=1 iflag=direct; done; touch /run/idle) \
         >/dev/null 2>&1 &"
    ));
    until(10, "the write rate", || disk.statistic("data.current.write") > 0.0);
    until(10, "the latency of writes", || disk.statistic("disk.write.latency") > 0.0);
    until(10, "the latency of flushes", || disk.statistic("disk.flush.latency") > 0.0);
    until(10, "the read rate", || disk.statistic("data.current.read") > 0.0);
    until(10, "the VM's CPU", || vm.statistic("cpu.current.total") > 0.0);
    // Once the disk is gone, a `dd` would make a plain file of its name.
    guest.ask("rm /run/busy");
    guest.until(10, "rm /run/idle 2>/dev/null");
    assert_eq!(vm.statistic("memory.installed"), (256 * MIB) as f64);
    // The guest tells the balloon every two seconds.
    let near = |figure: f64, wanted: u64| (figure - wanted as f64).abs() < (24 * MIB) as f64;
    wait(10, "the guest's memory", || {
        let kib = |guest: &mut Guest, field: &str| -> u64 {
            guest.ask(&format!("awk '/^{field}:/ {{ print $2 }}' /proc/meminfo")).parse().unwrap()
        };
        let used = (kib(guest, "MemTotal") - kib(guest, "MemAvailable")) << 10;
        let free = kib(guest, "MemFree") << 10;
        (near(vm.statistic("memory.used"), used) && near(vm.statistic("memory.free"), free)).then_some(())
    });
    let blocks = disk.file().metadata().map(|file| std::os::unix::fs::MetadataExt::blocks(&file)).unwrap();
    until(5, "the disk's actual size", || {
        let actual: u64 = disk.show().number("actual_size").unwrap();
        actual >= blocks * 512 && actual < 64 * MIB
    });
}

fn grow(guest: &mut Guest, disk: &Disk, name: &str) {
    let answer = disk.resize(96).is(200);
    assert_eq!(answer.number("provisioned_size"), Some(96 * MIB));
    assert_eq!(size(guest, name), 96);
    disk.resize(32).refused(400);
    disk.resize(96).is(200);
    assert_eq!((size(guest, name), disk.field("status/state").as_deref()), (96, Some("ok")));
}

fn scsi(vm: &Vm, guest: &mut Guest) {
    let disk = vm.add_disk(&Disk::document(16, "virtio_scsi", "raw", ""));
    assert!(!disk.is_active(), "a running VM gets a disk only when asked to");
    disk.activate();
    let name = find(guest, &disk);
    assert!(name.starts_with("sd"), "{name}");
    assert_eq!(size(guest, &name), 16);
    write(guest, &name);
    assert_eq!(disk.resize(24).is(200).number("provisioned_size"), Some(24 * MIB));
    guest.ask(&format!("echo 1 >/sys/block/{name}/device/rescan"));
    assert_eq!(size(guest, &name), 24);
    disk.deactivate();
    gone(guest, &name);
    assert!(std::fs::read(disk.file()).unwrap()[MIB as usize..].starts_with(PATTERN.as_bytes()));
    disk.delete();
}

fn read_only(vm: &Vm, guest: &mut Guest) {
    let more = "<active>true</active><read_only>true</read_only>";
    let disk = vm.add_disk(&Disk::document(8, "virtio", "raw", more));
    let name = find(guest, &disk);
    assert_eq!(guest.ask(&format!("cat /sys/block/{name}/ro")), "1");
    let (said, code) = guest.run(&format!("dd if=/dev/zero of=/dev/{name} count=1 2>&1"));
    assert_ne!(code, 0, "{said}");
    disk.deactivate();
    gone(guest, &name);
    disk.delete();
}

/// What QEMU does at an error is the disk's property.
fn policies(vm: &Vm, stops: &Disk) {
    let more = "<active>true</active><propagate_errors>true</propagate_errors>";
    let reports = vm.add_disk(&Disk::document(8, "virtio_scsi", "raw", more));
    let policy = |disk: &Disk| disk.device().unwrap().value("driver/@error_policy").unwrap();
    assert_eq!((policy(stops), policy(&reports)), ("stop".into(), "report".into()));
    reports.deactivate();
    reports.delete();
}

/// The address of the only virtio disk of a mini guest.
pub fn address(guest: &mut Guest) -> String {
    let listed = guest.until(5, "pci");
    let disk = listed.lines().find(|line| line.contains("1af4:1042"));
    disk.and_then(|line| line.split(' ').next()).unwrap_or_else(|| panic!("no disk in {listed}")).to_owned()
}

pub fn sectors(guest: &mut Guest, address: &str) -> u64 {
    guest.ask(&format!("cap {address}")).trim_start_matches("sectors ").parse().unwrap()
}

#[test]
fn a_shared_disk_is_one_disk_for_both_guests() {
    let Some(lab) = lab() else { return };
    let (one, two) = (lab.vm("shares-1", Boots::Mini, ""), lab.vm("shares-2", Boots::Mini, ""));
    let alone = one.add_disk(&Disk::document(8, "virtio_scsi", "raw", ""));
    let refusal = Disk::attach(&two, &alone.id, "").refused(409);
    assert!(refusal.contains("not shareable"), "{refusal}");
    alone.deactivate();
    // Not plugged is attached all the same.
    Disk::attach(&two, &alone.id, "").refused(409);

    let shared = one.add_disk(&Disk::document(8, "virtio", "raw", "<shareable>true</shareable>"));
    Disk::attach(&two, &shared.id, "<active>true</active>").is(200);
    let (mut first, mut second) = (one.boot(), two.boot());
    let (at, there) = (address(&mut first), address(&mut second));
    first.ask(&format!("w {at} 3 seen-by-both"));
    assert!(second.ask(&format!("r {there} 3")).contains("seen-by-both"));

    shared.resize(12).is(200);
    let wanted = 12 * MIB / 512;
    assert_eq!((sectors(&mut first, &at), sectors(&mut second, &there)), (wanted, wanted));
    assert_eq!(Disk::of(&two, &shared.id).show().number("provisioned_size"), Some(12 * MIB));
}

#[test]
fn a_guest_that_keeps_its_disk_keeps_it() {
    let Some(lab) = lab() else { return };
    let vm = lab.vm("keeps", Boots::Mini, "");
    let disk = vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let mut guest = vm.boot();
    let at = address(&mut guest);
    guest.ask("ack 0");
    let refusal = disk.act("deactivate").refused(409);
    assert!(refusal.contains("within 3 s"), "{refusal}");
    assert!(disk.is_active() && disk.device().is_some());
    assert_eq!(sectors(&mut guest, &at), 8 * MIB / 512);

    // It lets go later, when nobody asks any more.
    guest.ask("ack 1");
    until(5, "the disk is inactive", || !disk.is_active());
    assert!(disk.device().is_none());
    // The engine may still be writing that down.
    until(5, "the disk is plugged again", || disk.act("activate").status == 200);
    assert!(disk.is_active() && disk.device().is_some());
}
