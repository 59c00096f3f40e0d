//! Devices of the host: those that VMs get, and what libvirt tells of each.

use super::device::{alias, put};
use super::{Invalid, Plan};
use crate::model::{HostDevice, pci_address};
use crate::xml::Element;

const PREFIX: &str = "ua-host-";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let names = &plan.spec.host_devices;
    let ours =
        |device: &Element| alias(device).and_then(|alias| alias.strip_prefix(PREFIX)).map(str::to_owned);
    domain.ensure("devices").retain(|device| ours(device).is_none_or(|name| names.contains(&name)));
    for name in names {
        let address = pci_address(name)
            .ok_or_else(|| Invalid(format!("The host's device '{name}' is no PCI device.")))?;
        let [domain_part, bus, slot, function] = address.0;
        let device = Element::new("hostdev")
            .with("mode", "subsystem")
            .with("type", "pci")
            .with("managed", "yes")
            .child(
                Element::new("source").child(
                    Element::new("address")
                        .with("domain", format!("0x{domain_part:04x}"))
                        .with("bus", format!("0x{bus:02x}"))
                        .with("slot", format!("0x{slot:02x}"))
                        .with("function", format!("0x{function:x}")),
                ),
            )
            .child(Element::new("alias").with("name", format!("{PREFIX}{name}")));
        put(domain, |old| ours(old).as_ref() == Some(name), &["source", "alias"], Some(device));
    }
    Ok(())
}

/// A device as libvirt lists it.
pub fn observe(document: &Element) -> Option<HostDevice> {
    let capability = document.first("capability")?;
    let named = |path: &str| {
        let part = capability.at(path);
        (
            part.and_then(|part| part.get("id")).map(str::to_owned),
            capability.value(path).filter(|name| !name.is_empty()),
        )
    };
    let functions = |kind: &str| {
        let all = capability.all("capability").filter(move |it| it.get("type") == Some(kind));
        all.flat_map(|it| it.all("address")).collect::<Vec<_>>()
    };
    let virtuals = functions("virt_functions").len();
    Some(HostDevice {
        name: document.value("name")?,
        parent: document.value("parent"),
        capability: capability.get("type")?.to_owned(),
        product: named("product"),
        vendor: named("vendor"),
        iommu_group: capability.number("iommuGroup/@number"),
        physical_function: functions("phys_function").first().and_then(|address| name_of(address)),
        virtual_functions: (virtuals > 0).then(|| i32::try_from(virtuals).ok()).flatten(),
    })
}

/// libvirt's name of the PCI device at an address.
fn name_of(address: &Element) -> Option<String> {
    let part = |name: &str| u16::from_str_radix(address.get(name)?.trim_start_matches("0x"), 16).ok();
    Some(format!(
        "pci_{:04x}_{:02x}_{:02x}_{:x}",
        part("domain")?,
        part("bus")?,
        part("slot")?,
        part("function")?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    #[test]
    fn a_device_as_libvirt_tells_of_it() {
        let document = "<device><name>pci_0000_02_10_7</name><parent>pci_0000_00_04_0</parent><capability type='pci'>\
            <product id='0x10ca'>82576 Virtual Function</product><vendor id='0x8086'>Intel</vendor>\
            <capability type='phys_function'><address domain='0x0000' bus='0x02' slot='0x00' function='0x1'/></capability>\
            <iommuGroup number='31'><address domain='0x0000' bus='0x02' slot='0x10' function='0x7'/></iommuGroup>\
            </capability></device>";
        let seen = observe(&parse(document.as_bytes()).unwrap()).unwrap();
        assert_eq!((seen.name.as_str(), seen.iommu_group), ("pci_0000_02_10_7", Some(31)));
        assert_eq!(seen.physical_function.as_deref(), Some("pci_0000_02_00_1"));
        assert_eq!(seen.product, (Some("0x10ca".into()), Some("82576 Virtual Function".into())));
        assert_eq!(observe(&Element::new("device")), None);
    }
}
