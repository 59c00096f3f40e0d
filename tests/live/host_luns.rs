//! Direct LUNs that are block devices of the host, known by their world-wide names.

use super::cdrom::boot_sector;
use super::disks::address;
use super::harness::{Boots, Disk, Host, Lab, Reply, run, skip, until};
use std::path::{Path, PathBuf};
use std::process::Command;
use vireo::xml::Element;

const SIZE: usize = 8 << 20;

/// A block device of the guests' host with a file behind it.
struct Unit {
    kernel: String,
    file: PathBuf,
}

impl Unit {
    /// `link` is its name as udev gives it.
    fn add(host: &Host, link: &str, content: &[u8]) -> Self {
        let file = host.root.join(link);
        let mut whole = content.to_vec();
        whole.resize(SIZE, 0);
        std::fs::write(&file, whole).unwrap();
        let kernel = host.command(&["unit", link, &file.to_string_lossy()]);
        Self { kernel, file }
    }

    fn holds(&self, text: &str) -> bool {
        run(&mut Command::new("sync"));
        std::fs::read(&self.file).unwrap()[3 * 512..].starts_with(text.as_bytes())
    }
}

fn lab() -> Option<Lab> {
    if !Path::new("/dev/loop-control").exists() {
        skip("LUNs of the host: no loop devices");
        return None;
    }
    Lab::own()
}

fn document(id: &str, more: &str) -> String {
    format!(
        "<disk><interface>virtio</interface>{more}<lun_storage><type>fcp</type><logical_unit id='{id}'/>\
         </lun_storage></disk>"
    )
}

/// `/hosts/{host}/storage`
fn listed(lab: &Lab) -> Element {
    let host = lab.client().get("/hosts").is(200).value("host/@id").unwrap();
    lab.client().get(&format!("/hosts/{host}/storage")).is(200)
}

/// World-wide names of this process: the machine may have other units.
fn id(number: u32) -> String {
    format!("36001405{:016x}{number:08x}0", std::process::id())
}

fn find<'a>(units: &'a Element, id: &str) -> Option<&'a Element> {
    units.all("storage").find(|it| field(it, "logical_unit/@id") == id)
}

fn field(unit: &Element, path: &str) -> String {
    unit.value(path).unwrap_or_default()
}

#[test]
fn a_guest_boots_from_a_unit_of_the_host_and_writes_others() {
    let Some(lab) = lab() else { return };
    let [first, joined, used, absent] = [1, 2, 3, 4].map(id);
    let booted = Unit::add(&lab.host, &format!("scsi-{first}"), &boot_sector("GUEST-READY from the unit\n"));
    let plugged = Unit::add(&lab.host, &format!("dm-uuid-mpath-{joined}"), b"");
    // One that the host itself uses, and names of other kinds.
    let mounted = Unit::add(&lab.host, &format!("scsi-{used}"), b"");
    let device = format!("/dev/{}", mounted.kernel);
    run(Command::new("mkfs.ext4").args(["-q", &device]));
    let place = lab.host.root.join("mounted");
    std::fs::create_dir(&place).unwrap();
    run(lab.host.among_mounts("mount").arg(&device).arg(&place));
    let ata = format!("ata-{}", id(5));
    Unit::add(&lab.host, &ata, b"");

    let units = listed(&lab);
    assert!([&used, &absent].iter().all(|id| find(&units, id).is_none()));
    for id in [&first, &joined] {
        let unit = find(&units, id).unwrap();
        assert_eq!(field(unit, "logical_unit/size"), SIZE.to_string());
        assert_eq!(field(unit, "logical_unit/status"), "free");
    }

    let vm = lab.vm("unit", Boots::Disk, "");
    let disks = format!("{}/disks", vm.path());
    let refused = |id: &str| -> Reply { lab.client().post(&disks, &document(id, "")) };
    for id in [&*used, &*absent, &*booted.kernel, &*ata] {
        refused(id).refused(409);
    }
    for id in [&*format!("../../{}", mounted.kernel), "x&apos;/&gt;&lt;source dev=&apos;/etc/shadow"] {
        refused(id).refused(400);
    }
    let bootable = "<bootable>true</bootable>";
    let made = lab.client().post(&disks, &document(&first, bootable)).is(201);
    assert_eq!(field(&made, "provisioned_size"), SIZE.to_string());
    vm.boot();
    let source = |disk: &Disk| field(disk.device().unwrap().first("source").unwrap(), "@dev");
    let disk = Disk::of(&vm, &field(&made, "@id"));
    assert_eq!(source(&disk), format!("/dev/disk/by-id/scsi-{first}"));
    vm.act("stop");

    // Into a guest that runs, and out of it.
    let other = lab.vm("plugs", Boots::Mini, "");
    let mut guest = other.boot();
    let disks = format!("{}/disks", other.path());
    let made = lab.client().post(&disks, &document(&joined, "<active>true</active>")).is(201);
    let disk = Disk::of(&other, &field(&made, "@id"));
    assert_eq!(source(&disk), format!("/dev/disk/by-id/dm-uuid-mpath-{joined}"));
    let at = address(&mut guest);
    guest.ask(&format!("w {at} 3 pattern-A"));
    assert!(plugged.holds("pattern-A"), "the device has what the guest wrote");
    until(10, "writes are counted", || {
        guest.ask(&format!("w {at} 3 pattern-A"));
        disk.statistic("data.current.write") > 0.0
    });
    disk.deactivate();
    assert!(disk.device().is_none());
    disk.activate();
    let at = address(&mut guest);
    assert!(guest.ask(&format!("r {at} 3")).contains("pattern-A"));

    let units = listed(&lab);
    let unit = find(&units, &joined).unwrap();
    assert_eq!(field(unit, "logical_unit/status"), "used");
    assert_eq!(field(unit, "logical_unit/disk_id"), disk.id);
    other.act("stop");
    lab.client().delete(&other.path()).is(204);
    assert!(plugged.holds("pattern-A"), "what a unit holds is not the engine's to remove");
    assert!(std::fs::read(&booted.file).unwrap()[510..].starts_with(&[0x55, 0xaa]));
    run(lab.host.among_mounts("umount").arg(&place));
    assert!(find(&listed(&lab), &used).is_some());
}
