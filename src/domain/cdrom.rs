//! The one permanent CD-ROM drive, with or without a medium.

use super::device::{alias, devices, put};
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
    put(domain, is_drive, &writes, Some(drive));
    Ok(())
}

fn is_drive(device: &Element) -> bool {
    device.name == "disk" && alias(device) == Some(ALIAS)
}

/// The drive of a domain.
pub fn drive(domain: &Element) -> Option<&Element> {
    devices(domain).find(|device| is_drive(device))
}

/// A running domain's drive with another medium: what libvirt shows of the rest stays as it is.
pub fn with_medium(drive: &Element, medium: Option<&Path>) -> Result<Element, Invalid> {
    let mut drive = drive.clone();
    drive.remove("source");
    drive.remove("backingStore");
    if let Some(target) = drive.first_mut("target") {
        // The state of the tray is the guest's.
        target.unset("tray");
    }
    if let Some(medium) = medium {
        drive.push(source(medium)?);
    }
    Ok(drive)
}

fn source(medium: &Path) -> Result<Element, Invalid> {
    // A medium that has gone must not keep the VM from starting.
    Ok(Element::new("source").with("file", utf8(medium)?).with("startupPolicy", "optional"))
}

fn device(chipset: Chipset, medium: Option<&Path>) -> Result<Element, Invalid> {
    let (target, bus) = target::cdrom(chipset);
    let mut drive = Element::new("disk")
        .with("type", "file")
        .with("device", "cdrom")
        .child(Element::new("driver").with("name", "qemu").with("type", "raw"));
    if let Some(medium) = medium {
        drive.push(source(medium)?);
    }
    let drive = drive
        .child(Element::new("target").with("dev", target).with("bus", bus))
        .child(Element::new("readonly"))
        .child(Element::new("alias").with("name", ALIAS));
    Ok(match chipset {
        Chipset::Q35 => drive.child(scsi_address(0, 0)),
        Chipset::I440fx => drive,
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::Sample;
    use super::*;

    #[test]
    fn another_medium_changes_the_medium_only() {
        let mut sample = Sample::fullest();
        let mut live = sample.build().unwrap();
        let shown =
            live.first_mut("devices").unwrap().elements_mut().find(|device| is_drive(device)).unwrap();
        shown.first_mut("target").unwrap().set("tray", "open");
        shown.push(Element::new("backingStore"));
        let shown = drive(&live).unwrap();
        let ejected = with_medium(shown, None).unwrap();
        assert!(ejected.first("source").is_none() && ejected.first("backingStore").is_none());
        sample.cdrom = Some("/isos/other.iso".into());
        let wanted = sample.build().unwrap();
        let mut changed = with_medium(shown, sample.cdrom.as_deref()).unwrap();
        assert_eq!(changed.value("source/@file").as_deref(), Some("/isos/other.iso"));
        let mut wanted = drive(&wanted).unwrap().clone();
        for device in [&mut changed, &mut wanted] {
            device.children.sort_by_key(|child| format!("{child:?}"));
        }
        assert_eq!(changed, wanted);
    }
}
