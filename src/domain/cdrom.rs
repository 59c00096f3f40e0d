//! The one permanent CD-ROM drive, with or without a medium.

use super::device::{alias, put};
use super::disk::scsi_address;
use super::os::utf8;
use super::target;
use super::{Chipset, Invalid, Plan};
use crate::xml::Element;
use std::path::Path;

/// The alias of the drive.
pub const ALIAS: &str = "ua-cdrom";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let drive = device(plan.chipset(), plan.cdrom)?;
    let writes = ["driver", "source", "backingStore", "target", "readonly", "boot", "alias"];
    put(domain, |device| device.name == "disk" && alias(device) == Some(ALIAS), &writes, Some(drive));
    Ok(())
}

/// The drive with this medium; for the change of a running VM's medium as well.
pub fn device(chipset: Chipset, medium: Option<&Path>) -> Result<Element, Invalid> {
    let (target, bus) = target::cdrom(chipset);
    let mut drive = Element::new("disk")
        .with("type", "file")
        .with("device", "cdrom")
        .child(Element::new("driver").with("name", "qemu").with("type", "raw"));
    if let Some(medium) = medium {
        // A medium that has gone must not keep the VM from starting.
        drive.push(Element::new("source").with("file", utf8(medium)?).with("startupPolicy", "optional"));
    }
    let drive = drive
        .child(Element::new("target").with("dev", target).with("bus", bus))
        .child(Element::new("readonly"))
        .child(Element::new("alias").with("name", ALIAS));
    Ok(match chipset {
        Chipset::Q35 => drive.child(scsi_address(0)),
        Chipset::I440fx => drive,
    })
}
