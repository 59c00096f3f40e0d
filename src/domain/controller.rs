//! Controllers that come and go with the configuration. PCI and virtio-serial are the template's.

use super::device::{alias, devices, put};
use super::{Chipset, Invalid, Plan};
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let scsi = Element::new("controller").with("type", "scsi").with("index", 0).with("model", "virtio-scsi");
    // On q35 the CD-ROM drive hangs on it as well.
    let wanted = plan.spec.virtio_scsi || plan.chipset() == Chipset::Q35;
    let present = devices(domain).find(|device| is_first(device, "scsi")).cloned();
    put(domain, |device| is_first(device, "scsi"), &[], wanted.then(|| present.unwrap_or(scsi)));

    let usb = Element::new("controller").with("type", "usb").with("index", 0);
    // A smartcard's reader hangs on it as well.
    let (usb, writes): (_, &[&str]) = match plan.spec.usb || plan.spec.reads_smartcard() {
        true => (usb.with("model", "qemu-xhci").with("ports", 8), &[]),
        false => (usb.with("model", "none"), &["address", "alias"]),
    };
    put(domain, |device| is_first(device, "usb"), writes, Some(usb));
    let tablet = Element::new("input").with("type", "tablet").with("bus", "usb").child(
        // Named, so that a tablet of somebody else's stays.
        Element::new("alias").with("name", TABLET),
    );
    put(domain, |device| alias(device) == Some(TABLET), &[], plan.spec.usb.then_some(tablet));
    Ok(())
}

/// A pointer whose position a graphics console can set.
const TABLET: &str = "ua-tablet";

fn is_first(device: &Element, kind: &str) -> bool {
    device.name == "controller"
        && device.get("type") == Some(kind)
        && device.get("index").is_none_or(|index| index == "0")
}
