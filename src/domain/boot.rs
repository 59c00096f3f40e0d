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
    let all: Vec<&Element> = devices.elements().collect();
    let mut places: Vec<Option<u32>> = vec![None; all.len()];
    let mut last = 0;
    let mut next = |place: &mut Option<u32>| {
        last += 1;
        *place = Some(last);
    };
    let named = |name: &str| all.iter().position(|device| alias(device) == Some(name));
    for kind in &plan.spec.os.boot {
        match kind {
            BootDevice::Hd => {
                disks.iter().filter_map(|disk| named(disk)).for_each(|it| next(&mut places[it]));
            }
            BootDevice::Cdrom => named(cdrom::ALIAS).into_iter().for_each(|it| next(&mut places[it])),
            BootDevice::Network => {
                nics.iter().filter_map(|nic| named(nic)).for_each(|it| next(&mut places[it]));
                // What somebody else plugged in comes behind.
                let others = places.iter_mut().zip(&all);
                others
                    .filter(|(place, device)| place.is_none() && device.name == "interface")
                    .for_each(|(place, _)| next(place));
            }
        }
    }
    for (device, place) in devices.elements_mut().zip(places) {
        match place {
            // Where libvirt wrote it: a definition that says it already is not another one.
            Some(order) => device.ensure("boot").set("order", order),
            None if matches!(device.name.as_str(), "disk" | "interface") => device.remove("boot"),
            None => {}
        }
    }
    Ok(())
}
