//! Devices of the host that may be handed to VMs.

/// A device of the host, by libvirt's name of it: `pci_0000_00_1f_2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostDevice {
    pub name: String,
    pub parent: Option<String>,
    /// `pci`, `usb_device`, ...
    pub capability: String,
    /// Id and name.
    pub product: (Option<String>, Option<String>),
    pub vendor: (Option<String>, Option<String>),
    pub iommu_group: Option<i32>,
    /// The device whose virtual function this is.
    pub physical_function: Option<String>,
    pub virtual_functions: Option<i32>,
}

/// Where a PCI device is: domain, bus, slot, function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciAddress(pub [u16; 4]);

/// A PCI device's address, which its name holds.
pub fn pci_address(name: &str) -> Option<PciAddress> {
    let mut parts = name.strip_prefix("pci_")?.split('_');
    let mut next = |digits: usize| -> Option<u16> {
        let part = parts.next().filter(|part| part.len() == digits)?;
        part.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(part, 16).ok()).flatten()
    };
    let address = PciAddress([next(4)?, next(2)?, next(2)?, next(1)?]);
    parts.next().is_none().then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(pci_address("pci_0000_00_1f_2"), Some(PciAddress([0, 0, 0x1f, 2])));
        for bad in [
            "",
            "pci_",
            "usb_1_1",
            "pci_0000_00_1f",
            "pci_0000_00_1f_2_3",
            "pci_0000_00_1f_x",
            "pci_+000_00_1f_2",
        ] {
            assert_eq!(pci_address(bad), None, "{bad}");
        }
    }
}
