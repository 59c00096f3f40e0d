//! Devices of the host, as the host and as VMs have them.

use super::{API, reference};
use crate::error::{Error, Result};
use crate::model::*;
use crate::wire::types::{self, Ref};

/// A device's id is the hex of its name.
pub fn host_device_id(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The name that an id stands for.
pub fn host_device_name(id: &str) -> Result<String> {
    let unknown = || Error::not_found(id);
    if !id.is_ascii() || !id.len().is_multiple_of(2) {
        return Err(unknown());
    }
    let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).map_err(|_| unknown());
    let bytes = (0..id.len()).step_by(2).map(byte).collect::<Result<Vec<u8>>>()?;
    String::from_utf8(bytes).map_err(|_| unknown())
}

/// A device of the host.
pub fn host_device(host: HostId, device: &HostDevice) -> types::HostDevice {
    let at = |name: &str| format!("{API}/hosts/{host}/devices/{}", host_device_id(name));
    let other = |name: &String| Ref { name: Some(name.clone()), ..Ref::bare(host_device_id(name)) };
    let part = |(id, name): &(Option<String>, Option<String>)| {
        id.is_some().then(|| Ref { id: id.clone(), name: name.clone(), href: None })
    };
    types::HostDevice {
        href: Some(at(&device.name)),
        id: Some(host_device_id(&device.name)),
        name: Some(device.name.clone()),
        host: Some(reference("hosts", host)),
        parent_device: device.parent.as_ref().map(other),
        capability: Some(device.capability.clone()),
        product: part(&device.product),
        vendor: part(&device.vendor),
        iommu_group: device.iommu_group,
        physical_function: device.physical_function.as_ref().map(other),
        virtual_functions: device.virtual_functions,
        ..types::HostDevice::default()
    }
}

/// The same as a VM has it; of one that the host lacks now there is only its name.
pub fn vm_host_device(vm: VmId, host: HostId, name: &str, device: Option<&HostDevice>) -> types::HostDevice {
    let lacking = HostDevice { name: name.to_owned(), capability: "pci".into(), ..HostDevice::default() };
    types::HostDevice {
        href: Some(format!("{API}/vms/{vm}/hostdevices/{}", host_device_id(name))),
        placeholder: Some(false),
        vm: Some(reference("vms", vm)),
        ..host_device(host, device.unwrap_or(&lacking))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_names_in_hex() {
        let name = "pci_0000_00_1f_2";
        assert_eq!(host_device_id(name), "7063695f303030305f30305f31665f32");
        assert_eq!(host_device_name(&host_device_id(name)).unwrap(), name);
        for bad in ["x", "7", "zz", "ff", "ü"] {
            assert!(host_device_name(bad).is_err(), "{bad}");
        }
    }
}
