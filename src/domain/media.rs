//! Media of one run: beside the VM's own drive, and gone with the run.

use super::device::{alias, devices, put};
use super::disk::scsi_address;
use super::os::utf8;
use super::target;
use super::{Chipset, Invalid, Medium, Plan};
use crate::model::{DiskInterface, PayloadKind};
use crate::xml::Element;

const ALIAS: &str = "ua-made-";
/// The floppy of an ISO domain.
const FLOPPY: &str = "ua-floppy";
const WRITES: &[&str] = &["driver", "source", "backingStore", "target", "readonly", "boot", "alias"];

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let name = |(index, medium): (usize, &Medium)| match medium.made {
        true => format!("{ALIAS}{index}"),
        false => FLOPPY.to_owned(),
    };
    let planned: Vec<String> = plan.media.iter().enumerate().map(name).collect();
    domain.ensure("devices").retain(|device| {
        alias(device).is_none_or(|name| !is_of_run(name) || planned.iter().any(|it| it == name))
    });
    let mut used: Vec<String> = plan.disks.iter().map(|disk| disk.attachment.target.clone()).collect();
    for (index, medium) in plan.media.iter().enumerate() {
        let name = planned[index].as_str();
        let device = device(plan, medium, index, name, &mut used)?;
        put(domain, |old| old.name == "disk" && alias(old) == Some(name), WRITES, Some(device));
    }
    Ok(())
}

/// How many media that were made a domain has.
pub fn count(domain: &Element) -> usize {
    devices(domain).filter_map(alias).filter(|name| is_made(name)).count()
}

/// What the first of them is.
pub fn first(domain: &Element) -> Option<PayloadKind> {
    let name = format!("{ALIAS}0");
    let device = devices(domain).find(|device| alias(device) == Some(&name))?;
    Some(if device.get("device") == Some("floppy") { PayloadKind::Floppy } else { PayloadKind::Cdrom })
}

/// The file of its floppy that was not made.
pub fn floppy(domain: &Element) -> Option<String> {
    devices(domain).find(|device| alias(device) == Some(FLOPPY))?.value("source/@file")
}

/// Whether a device of that alias is a medium of one run.
pub fn is_of_run(alias: &str) -> bool {
    is_made(alias) || alias == FLOPPY
}

fn is_made(alias: &str) -> bool {
    alias.starts_with(ALIAS)
}

fn device(
    plan: &Plan,
    medium: &Medium,
    index: usize,
    alias: &str,
    used: &mut Vec<String>,
) -> Result<Element, Invalid> {
    let kind = match medium.kind {
        PayloadKind::Cdrom => "cdrom",
        PayloadKind::Floppy => "floppy",
    };
    // A saved guest may come back when the medium has gone.
    let source = Element::new("source").with("file", utf8(&medium.file)?).with("startupPolicy", "optional");
    let device = Element::new("disk")
        .with("type", "file")
        .with("device", kind)
        .child(Element::new("driver").with("name", "qemu").with("type", "raw"))
        .child(source);
    let has_scsi = plan.spec.virtio_scsi || plan.chipset() == Chipset::Q35;
    let (name, bus, address) = match medium.kind {
        PayloadKind::Floppy => ("fda".into(), "fdc", None),
        // A target of its own, beside the one of the VM's disks.
        PayloadKind::Cdrom if has_scsi => {
            (target::beyond_disks(index), "scsi", Some(scsi_address(index + 1, 0)))
        }
        PayloadKind::Cdrom => {
            let taken: Vec<&str> = used.iter().map(String::as_str).collect();
            let name = target::target(DiskInterface::Ide, plan.chipset(), &taken)?;
            used.push(name.clone());
            (name, target::bus(DiskInterface::Ide, plan.chipset()), None)
        }
    };
    let mut device = device
        .child(Element::new("target").with("dev", name).with("bus", bus))
        .child(Element::new("readonly"))
        .child(Element::new("alias").with("name", alias));
    address.into_iter().for_each(|address| device.push(address));
    Ok(device)
}
