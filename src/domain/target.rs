//! Target names: a disk's place on its bus. `vdb` is the second place of the virtio disks.
//!
//! Each interface has letters of its own, so that a name says bus and place, whatever else the VM
//! has: `vd` virtio, `sd` virtio-scsi, `hd` IDE on i440fx and SATA on q35. The CD-ROM drive has
//! `sda` on q35 and `hdc`, where PCs have it, on i440fx.

use super::{Chipset, Invalid};
use crate::model::DiskInterface;

/// The target of the permanent CD-ROM drive.
pub fn cdrom(chipset: Chipset) -> (&'static str, &'static str) {
    match chipset {
        Chipset::Q35 => ("sda", "scsi"),
        Chipset::I440fx => ("hdc", "ide"),
    }
}

/// libvirt's name of the bus of an interface.
pub fn bus(interface: DiskInterface, chipset: Chipset) -> &'static str {
    match (interface, chipset) {
        (DiskInterface::Virtio, _) => "virtio",
        (DiskInterface::VirtioScsi, _) => "scsi",
        (DiskInterface::Ide, Chipset::I440fx) => "ide",
        (DiskInterface::Ide, Chipset::Q35) => "sata",
    }
}

fn prefix(interface: DiskInterface) -> &'static str {
    match interface {
        DiskInterface::Virtio => "vd",
        DiskInterface::VirtioScsi => "sd",
        DiskInterface::Ide => "hd",
    }
}

/// Places for disks: the slots that the templates keep for hotplug, units of one SCSI target
/// within reason, ports of the controllers.
fn places(interface: DiskInterface, chipset: Chipset) -> usize {
    match (interface, chipset) {
        (DiskInterface::Virtio, _) => 16,
        (DiskInterface::VirtioScsi, _) => 1024,
        (DiskInterface::Ide, Chipset::I440fx) => 4,
        (DiskInterface::Ide, Chipset::Q35) => 6,
    }
}

/// The next free target name of an interface in a VM.
pub fn target(interface: DiskInterface, chipset: Chipset, used: &[&str]) -> Result<String, Invalid> {
    let reserved = cdrom(chipset).0;
    (0..places(interface, chipset))
        .map(|place| name(interface, place))
        .find(|name| name != reserved && !used.contains(&name.as_str()))
        .ok_or_else(|| {
            let bus = bus(interface, chipset);
            Invalid(format!("The VM has no free place for another disk on its {bus} bus."))
        })
}

/// Whether the machine has a disk's place.
pub fn fits(interface: DiskInterface, chipset: Chipset, target: &str) -> bool {
    index(interface, target).is_some_and(|index| check(interface, chipset, target, index).is_ok())
}

/// The same, with why not.
pub fn check(interface: DiskInterface, chipset: Chipset, target: &str, index: usize) -> Result<(), Invalid> {
    match index < places(interface, chipset) && target != cdrom(chipset).0 {
        true => Ok(()),
        false => {
            let bus = bus(interface, chipset).to_uppercase();
            Err(Invalid(format!("Maximum {bus} devices exceeded: there is no place for the disk {target}.")))
        }
    }
}

/// The name of a device on the virtio-scsi bus that no disk can have.
pub fn beyond_disks(index: usize) -> String {
    name(DiskInterface::VirtioScsi, places(DiskInterface::VirtioScsi, Chipset::Q35) + index)
}

fn name(interface: DiskInterface, place: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = place + 1;
    while rest > 0 {
        rest -= 1;
        letters.push((b'a' + (rest % 26) as u8) as char);
        rest /= 26;
    }
    prefix(interface).chars().chain(letters.into_iter().rev()).collect()
}

/// The place that a name stands for, if it is one of that interface.
pub fn index(interface: DiskInterface, target: &str) -> Option<usize> {
    let letters = target.strip_prefix(prefix(interface))?;
    let plain = (1..=3).contains(&letters.len()) && letters.bytes().all(|b| b.is_ascii_lowercase());
    plain.then(|| letters.bytes().fold(0, |place, b| place * 26 + usize::from(b - b'a') + 1) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(interface: DiskInterface, chipset: Chipset) -> Vec<String> {
        let mut used: Vec<String> = Vec::new();
        while let Ok(next) = target(interface, chipset, &used.iter().map(String::as_str).collect::<Vec<_>>())
        {
            assert_eq!(index(interface, &next), (0..2000).find(|i| name(interface, *i) == next));
            used.push(next);
        }
        used
    }

    #[test]
    fn each_bus_has_its_places() {
        assert_eq!(all(DiskInterface::Ide, Chipset::I440fx), ["hda", "hdb", "hdd"]);
        assert_eq!(all(DiskInterface::Ide, Chipset::Q35), ["hda", "hdb", "hdc", "hdd", "hde", "hdf"]);
        let virtio = all(DiskInterface::Virtio, Chipset::Q35);
        assert_eq!((virtio.len(), virtio[0].as_str()), (16, "vda"));
        let scsi = all(DiskInterface::VirtioScsi, Chipset::Q35);
        assert_eq!((scsi.len(), scsi[0].as_str(), scsi[26].as_str()), (1023, "sdb", "sdab"));
    }

    #[test]
    fn a_freed_place_is_taken_again_and_foreign_names_are_none() {
        assert_eq!(target(DiskInterface::Virtio, Chipset::Q35, &["vda", "vdc", "sdb"]).unwrap(), "vdb");
        for other in ["", "vd", "vdA", "sda", "vda1", "vdaaaa"] {
            assert_eq!(index(DiskInterface::Virtio, other), None, "{other}");
        }
    }
}
