//! The one permanent CD-ROM drive, with or without a medium.

use super::device::{alias, put};
use super::disk::scsi_address;
use super::os::utf8;
use super::target;
use super::{Chipset, Invalid, Plan, SeenDisk};
use crate::xml::Element;
use std::path::Path;

/// The alias of the drive.
pub const ALIAS: &str = "ua-cdrom";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let (target, bus) = target::cdrom(plan.chipset());
    let drive = device(target, bus, plan.cdrom)?;
    let drive = match plan.chipset() {
        Chipset::Q35 => drive.child(scsi_address(0, 0)),
        Chipset::I440fx => drive,
    };
    let writes = ["driver", "source", "backingStore", "target", "readonly", "boot", "alias"];
    put(domain, is_drive, &writes, Some(drive));
    Ok(())
}

fn is_drive(device: &Element) -> bool {
    device.name == "disk" && alias(device) == Some(ALIAS)
}

/// A running domain's drive with another medium, as libvirt takes a change of it.
pub fn with_medium(drive: &SeenDisk, medium: Option<&Path>) -> Result<Element, Invalid> {
    device(&drive.target, &drive.bus, medium)
}

fn source(medium: &Path) -> Result<Element, Invalid> {
    // A medium that has gone must not keep the VM from starting.
    Ok(Element::new("source").with("file", utf8(medium)?).with("startupPolicy", "optional"))
}

fn device(target: &str, bus: &str, medium: Option<&Path>) -> Result<Element, Invalid> {
    let mut drive = Element::new("disk")
        .with("type", "file")
        .with("device", "cdrom")
        .child(Element::new("driver").with("name", "qemu").with("type", "raw"));
    if let Some(medium) = medium {
        drive.push(source(medium)?);
    }
    Ok(drive
        .child(Element::new("target").with("dev", target).with("bus", bus))
        .child(Element::new("readonly"))
        .child(Element::new("alias").with("name", ALIAS)))
}

#[cfg(test)]
mod tests {
    use super::super::device::devices;
    use super::super::{observe, samples::Sample};
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_drive_with_another_medium_is_the_one_that_was_built() {
        for machine in ["q35", "pc"] {
            let mut sample = Sample::fullest();
            sample.vm.spec.machine = Some(machine.into());
            sample.vm.machine = None;
            let seen = observe(&sample.build().unwrap());
            let seen = seen.disks.iter().find(|disk| disk.alias.as_deref() == Some(ALIAS)).unwrap();
            sample.vm.spec.os.boot = vec![];
            for medium in [None, Some(PathBuf::from("/isos/other & new.iso"))] {
                let changed = with_medium(seen, medium.as_deref()).unwrap();
                sample.cdrom = medium;
                let built = sample.build().unwrap();
                let mut built = devices(&built).find(|device| is_drive(device)).unwrap().clone();
                // Where it is libvirt knows by its name.
                built.remove("address");
                assert_eq!(changed, built);
            }
        }
    }
}
