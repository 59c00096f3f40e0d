//! Which devices the firmware tries, in which order.
//!
//! Each device carries its own number, since a general `hd` would be the first disk, not the
//! bootable one. A disk that is plugged into a running VM carries none: numbers must be unique.

use super::cdrom;
use super::device::{alias, devices};
use super::{Invalid, Plan};
use crate::model::vm::BootDevice;
use crate::xml::Element;
use std::cmp::Reverse;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    // vda, vdb, sda, hda: a disk that comes later is mostly the last one, and the others keep their places.
    let mut disks: Vec<_> = plan.disks.iter().collect();
    disks.sort_by_key(|it| {
        let target = &it.attachment.target;
        (!it.disk.bootable, Reverse(target.chars().next()), target.len(), target)
    });
    let disks: Vec<String> = disks.into_iter().map(|it| it.disk.id.alias()).collect();
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

/// Whether any device has a place of its own.
fn has_order(domain: &Element) -> bool {
    devices(domain).any(|device| device.first("boot").is_some())
}

/// Gives the one disk the first place where no device has any: that is what libvirt's general `hd`
/// comes to, which it adds to such a domain.
pub fn spell_out(domain: &mut Element) {
    if has_order(domain) {
        return;
    }
    if let Some(os) = domain.first_mut("os") {
        os.retain(|child| child.name != "boot" || child.get("dev") != Some("hd"));
        if os.first("boot").is_some() {
            return;
        }
    }
    let is_disk = |device: &Element| {
        device.name == "disk" && matches!(device.get("device"), None | Some("disk" | "lun"))
    };
    if devices(domain).filter(|device| is_disk(device)).count() == 1 {
        let all = domain.first_mut("devices").into_iter().flat_map(Element::elements_mut);
        all.filter(|device| is_disk(device)).for_each(|disk| disk.ensure("boot").set("order", 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    fn spelled_out(os: &str, devices: &str) -> Element {
        let text = format!("<domain><os>{os}</os><devices>{devices}</devices></domain>");
        let mut domain = parse(text.as_bytes()).unwrap();
        spell_out(&mut domain);
        domain
    }

    #[test]
    fn a_general_boot_device_is_the_only_disk() {
        let one = "<disk device='cdrom'/><disk device='disk'><target dev='vda'/></disk>";
        let shown = spelled_out("<boot dev='hd'/>", one);
        let said = "<disk device='cdrom'/>\
                    <disk device='disk'><target dev='vda'/><boot order='1'/></disk>";
        assert_eq!(shown, spelled_out("", said));
        assert_eq!(shown, spelled_out("", one));
        assert_eq!(spelled_out("<boot dev='hd'/>", ""), spelled_out("", ""));
    }

    #[test]
    fn what_else_boots_is_told_apart() {
        let two = "<disk device='disk'/><disk device='disk'/>";
        let ordered = "<disk device='disk'><boot order='1'/></disk><disk device='disk'/>";
        assert_ne!(spelled_out("<boot dev='hd'/>", two), spelled_out("", ordered));
        let one = "<disk device='disk'/>";
        assert_ne!(spelled_out("<boot dev='network'/>", one), spelled_out("<boot dev='hd'/>", one));
    }
}
