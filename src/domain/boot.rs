//! Which devices the firmware tries, in which order.
//!
//! Each device carries its own number, since a general `hd` would be the first disk, not the
//! bootable one. A disk that is plugged into a running VM carries none: numbers must be unique.

use super::cdrom;
use super::device::alias;
use super::{Invalid, Plan};
use crate::model::vm::BootDevice;
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let mut disks: Vec<_> = plan.disks.iter().map(|device| device.disk).collect();
    disks.sort_by_key(|disk| !disk.bootable);
    let disks: Vec<String> = disks.into_iter().map(|disk| disk.id.alias()).collect();
    let nics: Vec<String> = plan.nics.iter().map(|device| device.nic.id.alias()).collect();

    let devices = domain.ensure("devices");
    for device in devices.elements_mut() {
        if matches!(device.name.as_str(), "disk" | "interface") {
            device.remove("boot");
        }
    }
    let mut order = 0;
    for kind in &plan.spec.os.boot {
        match kind {
            BootDevice::Hd => disks.iter().for_each(|disk| number(named(devices, disk), &mut order)),
            BootDevice::Cdrom => number(named(devices, cdrom::ALIAS), &mut order),
            BootDevice::Network => {
                nics.iter().for_each(|nic| number(named(devices, nic), &mut order));
                // What somebody else plugged in comes behind.
                let others = devices
                    .elements_mut()
                    .filter(|device| device.name == "interface" && device.first("boot").is_none());
                number(others, &mut order);
            }
        }
    }
    Ok(())
}

fn number<'a>(devices: impl IntoIterator<Item = &'a mut Element>, order: &mut u32) {
    for device in devices {
        *order += 1;
        device.push(Element::new("boot").with("order", *order));
    }
}

fn named<'a>(devices: &'a mut Element, name: &str) -> Option<&'a mut Element> {
    devices.elements_mut().find(|device| alias(device) == Some(name))
}
