//! The CD-ROM drive, as guests see it.

use super::harness::{Boots, Disk, Guest, Lab, Reply, Vm, lab, until};
use super::snapshots::take;
use std::process::Command;
use std::time::{Duration, Instant};
use vireo::xml::Element;

const DRIVE: &str = "cdroms/00000000-0000-0000-0000-000000000000";

/// Puts an ISO file into the daemon's folder: its label is its name, as is what its one file says.
pub fn burn(lab: &Lab, name: &str, more: &[&str]) {
    let content = lab.host.root.join(format!("content-{name}"));
    std::fs::create_dir_all(&content).unwrap();
    std::fs::write(content.join("greeting"), name).unwrap();
    std::fs::write(content.join("boot"), boot_sector("GUEST-READY from the CD\n")).unwrap();
    let file = lab.daemon.state.join("isos").join(format!("{name}.iso"));
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-as", "mkisofs", "-quiet", "-V", name, "-o"]).arg(file).args(more).arg(content);
    let made = xorriso.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Says it on the serial line at every tick of the clock.
pub fn boot_sector(text: &str) -> Vec<u8> {
    let mut sector = vec![
        0x31, 0xc0, // xor ax, ax
        0x8e, 0xd8, // mov ds, ax
        0xbe, 0x16, 0x7c, // mov si, 0x7c16: the text
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xac, // lodsb
        0x84, 0xc0, // test al, al
        0x74, 0x03, // jz: to sti
        0xee, // out dx, al
        0xeb, 0xf8, // jmp: to lodsb
        0xfb, 0xf4, // sti, hlt
        0xeb, 0xee, // jmp: to mov si
    ];
    sector.extend(text.bytes());
    sector.resize(2048, 0);
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
    sector
}

pub fn put(vm: &Vm, flags: &str, medium: &str) -> Reply {
    let path = format!("{}/{DRIVE}{flags}", vm.path());
    vm.lab.client().put(&path, &format!("<cdrom><file id='{medium}'/></cdrom>"))
}

fn change(vm: &Vm, medium: &str) {
    let answer = put(vm, ";current=true", medium).is(200);
    // The request comes back as it was sent.
    assert_eq!((answer.value("file/@id").unwrap_or_default().as_str(), answer.value("@id")), (medium, None));
}

fn configure(vm: &Vm, medium: &str) {
    let answer = put(vm, "", medium).is(200);
    assert_eq!(answer.value("file/@id").unwrap_or_default(), medium);
    assert_eq!(answer.value("vm/@id").as_deref(), Some(vm.id.as_str()));
}

fn medium(vm: &Vm, flags: &str) -> Option<String> {
    vm.lab.client().get(&format!("{}/{DRIVE}{flags}", vm.path())).is(200).value("file/@id")
}

fn current(vm: &Vm) -> Option<String> {
    medium(vm, ";current")
}

fn in_document(document: &Element) -> Option<String> {
    let disks = document.every("devices/disk");
    let drive = disks.into_iter().find(|disk| disk.get("device") == Some("cdrom")).unwrap();
    drive.value("source/@file").map(|file| file.rsplit('/').next().unwrap().to_owned())
}

fn read(guest: &mut Guest) -> String {
    guest.until(
        10,
        "mkdir -p /cd; mount -t iso9660 -o ro /dev/sr0 /cd 2>/dev/null && cat /cd/greeting && umount /cd",
    )
}

fn is_empty(guest: &mut Guest) {
    guest.until(10, "! dd if=/dev/sr0 of=/dev/null count=4 2>/dev/null");
}

fn restart(vm: &Vm) -> Guest {
    vm.act("stop");
    vm.boot()
}

#[test]
fn a_cd_is_changed_ejected_and_comes_back() {
    let Some(lab) = lab() else { return };
    burn(&lab, "one", &[]);
    burn(&lab, "two", &[]);
    let vm = lab.vm("cdrom", Boots::Linux, "");
    configure(&vm, "one.iso");
    assert_eq!((medium(&vm, "").as_deref(), current(&vm)), (Some("one.iso"), None));
    put(&vm, ";current=true", "two.iso").refused(409);
    let mut guest = vm.boot();
    assert_eq!(read(&mut guest), "one");

    for _ in 0..2 {
        change(&vm, "two.iso");
    }
    assert_eq!(read(&mut guest), "two");
    assert_eq!((medium(&vm, "").as_deref(), current(&vm).as_deref()), (Some("one.iso"), Some("two.iso")));
    assert_eq!(in_document(&lab.host.persistent_document(&vm.id)).as_deref(), Some("one.iso"));
    held(&vm, &mut guest);

    change(&vm, "");
    is_empty(&mut guest);
    assert_eq!((medium(&vm, "").as_deref(), medium(&vm, "?current")), (Some("one.iso"), None));
    lab.host.virsh(&["reset", &vm.id]);
    guest.boots_again();
    assert_eq!(read(&mut guest), "one", "a reboot brings it back");

    change(&vm, "");
    configure(&vm, "two.iso");
    assert_eq!(current(&vm), None, "the session is its own");
    let mut guest = restart(&vm);
    assert_eq!(read(&mut guest), "two");

    lab.client().delete(&format!("{}/{DRIVE}", vm.path())).is(204);
    assert_eq!((medium(&vm, ""), current(&vm).as_deref()), (None, Some("two.iso")));
    assert_eq!(in_document(&lab.host.persistent_document(&vm.id)), None);
    let mut guest = restart(&vm);
    is_empty(&mut guest);
    assert_eq!(in_document(&vm.document()), None);
    shut(&vm, &mut guest);
}

/// A guest that has the medium mounted keeps it, unless it is taken by force.
fn held(vm: &Vm, guest: &mut Guest) {
    guest.ask("mount -t iso9660 -o ro /dev/sr0 /cd");
    let asked = Instant::now();
    let refusal = put(vm, ";current=true", "one.iso").refused(409);
    assert!(refusal.contains("tray"), "{refusal}");
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(current(vm).as_deref(), Some("two.iso"));
    assert_eq!(guest.ask("cat /cd/greeting"), "two");
    put(vm, ";current=true;force=true", "one.iso").is(200);
    assert_eq!(current(vm).as_deref(), Some("one.iso"));
    guest.ask("umount /cd");
    assert_eq!(read(guest), "one");
}

/// A bus that is reset shuts the tray, and libvirt is not told: it would not open it before it changes
/// the medium.
fn shut(vm: &Vm, guest: &mut Guest) {
    let virsh = |arguments: &[&str]| vm.lab.host.virsh(arguments);
    let qemu = |command: &str| virsh(&["qemu-monitor-command", &vm.id, command]);
    let is_open = || qemu(r#"{"execute": "query-block"}"#).contains(r#""tray_open":true"#);
    qemu(r#"{"execute": "blockdev-open-tray", "arguments": {"id": "ua-cdrom"}}"#);
    assert!(is_open());
    guest.ask("cd /sys/bus/virtio/drivers/virtio_scsi && for it in virtio*; do echo $it > unbind; echo $it > bind; done");
    assert!(!is_open());
    let is_said_open = || virsh(&["dumpxml", &vm.id]).contains("tray='open'");
    assert!(is_said_open(), "libvirt believes that it is open");
    change(vm, "one.iso");
    assert!(!is_open() && !is_said_open());
    assert_eq!(read(guest), "one");
}

#[test]
fn iso_files_are_found_by_name_only() {
    let Some(lab) = lab() else { return };
    burn(&lab, "named", &[]);
    let isos = lab.daemon.state.join("isos");
    let domains = lab.client().get("/storagedomains").is(200);
    let iso = domains.all("storage_domain").find(|it| it.value("type").as_deref() == Some("iso")).unwrap();
    let files = lab.client().get(&format!("/storagedomains/{}/files", iso.get("id").unwrap())).is(200);
    assert!(files.all("file").any(|file| file.get("id") == Some("named.iso")), "{files}");

    let vm = lab.vm("cdrom-names", Boots::Halt, "");
    std::os::unix::fs::symlink("/etc/passwd", isos.join("link.iso")).unwrap();
    std::fs::write(isos.join("named.img"), "").unwrap();
    vm.start();
    let absolute = isos.join("named.iso").display().to_string();
    for bad in [&absolute, "/etc/passwd", "../isos/named.iso", "./named.iso", "named.img"] {
        put(&vm, "", bad).refused(400);
        put(&vm, ";current", bad).refused(400);
    }
    assert_eq!((medium(&vm, ""), current(&vm)), (None, None));

    // What is configured is looked for at the start.
    for absent in ["link.iso", "gone.iso"] {
        put(&vm, ";current", absent).refused(400);
        configure(&vm, absent);
        vm.act("stop");
        vm.post("start", "<action/>").refused(400);
        configure(&vm, "");
        vm.start();
        assert_eq!(current(&vm), None);
    }

    // A medium that went away is told when the VM is to start, and keeps nothing else from working.
    configure(&vm, "named.iso");
    vm.act("stop");
    std::fs::remove_file(isos.join("named.iso")).unwrap();
    vm.update("<description>without its CD</description>");
    vm.post("start", "<action/>").refused(400);
    burn(&lab, "named", &[]);
    vm.start();
    assert_eq!(current(&vm).as_deref(), Some("named.iso"));
}

#[test]
fn a_vm_boots_from_its_cd() {
    let Some(lab) = lab() else { return };
    burn(&lab, "boots", &["-b", "boot", "-no-emul-boot", "-boot-load-size", "4"]);
    let vm = lab.vm("cdrom-boots", Boots::Halt, "");
    vm.update("<os><boot dev='cdrom'/><kernel></kernel></os>");
    configure(&vm, "boots.iso");
    vm.boot();
}

/// The label of the medium, read by SCSI commands: sector 16 has it from byte 40 on.
fn label(guest: &mut Guest) -> Option<String> {
    let functions = guest.ask("pci");
    let bus = functions.lines().find(|line| line.contains("1af4:1048"))?.split(' ').next()?;
    let (said, _) = guest.run(&format!("scsi {bus} 0 0 28000000001000000100"));
    ["first", "second"].into_iter().find(|label| said.contains(label)).map(str::to_owned)
}

#[test]
fn a_cd_is_changed_under_kvm() {
    let Some(lab) = lab() else { return };
    burn(&lab, "first", &[]);
    burn(&lab, "second", &[]);
    let vm = lab.vm("cdrom-kvm", Boots::MiniKvm, "");
    configure(&vm, "first.iso");
    let mut guest = vm.boot();
    until(10, "the first CD is read", || label(&mut guest).as_deref() == Some("first"));
    change(&vm, "second.iso");
    until(10, "the second CD is read", || label(&mut guest).as_deref() == Some("second"));
    change(&vm, "");
    until(10, "no CD is read", || label(&mut guest).is_none());
}

/// A run has a floppy of the ISO domain, and the next one has none.
#[test]
fn a_run_has_a_floppy() {
    let Some(lab) = lab() else { return };
    std::fs::write(lab.daemon.state.join("isos/once.vfd"), vec![0; 1_474_560]).unwrap();
    let vm = lab.vm("floppy", Boots::Halt, "");
    vm.add_disk(&Disk::document(8, "virtio", "cow", ""));
    let with = |file: &str| {
        format!("<action><vm><floppies><floppy><file id='{file}'/></floppy></floppies></vm></action>")
    };
    for bad in ["gone.vfd", "../once.vfd", "once.iso"] {
        vm.post("start", &with(bad)).refused(400);
    }
    let floppy = || {
        let document = vm.document();
        let disks = document.every("devices/disk");
        disks.iter().find(|disk| disk.get("device") == Some("floppy")).and_then(|it| it.value("source/@file"))
    };
    vm.act_with("start", &with("once.vfd"));
    assert!(floppy().is_some_and(|file| file.ends_with("/isos/once.vfd")));
    let drives = lab.host.virsh(&["qemu-monitor-command", &vm.id, r#"{"execute": "query-block"}"#]);
    assert!(drives.contains("once.vfd"), "{drives}");
    // Its memory knows the drive.
    let id = take(&vm, "with a floppy", "<persist_memorystate>true</persist_memorystate>");
    vm.act("stop");
    vm.start();
    assert_eq!(floppy(), None);
    assert!(lab.daemon.state.join("isos/once.vfd").exists());
    vm.act("stop");
    let again = "<action><restore_memory>true</restore_memory></action>";
    vm.act_with(&format!("snapshots/{id}/restore"), again);
    vm.start();
    assert!(floppy().is_some_and(|file| file.ends_with("/isos/once.vfd")));
}
