//! Network interfaces of VMs.

use super::ids::*;
use super::mac::Mac;
use serde::{Deserialize, Serialize};

/// The device that the guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NicInterface {
    Virtio,
    E1000,
    Rtl8139,
    /// For guests that may lack a driver for virtio: they get an rtl8139, which all of them know.
    Rtl8139Virtio,
}

impl NicInterface {
    /// QEMU's name of the device.
    pub fn model(self) -> &'static str {
        match self {
            Self::Virtio => "virtio",
            Self::E1000 => "e1000",
            Self::Rtl8139 | Self::Rtl8139Virtio => "rtl8139",
        }
    }
}

/// How the guest is told to get its address; kept for those who configure guests by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootProtocol {
    Dhcp,
    None,
    Static,
}

/// A network interface of a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    pub id: NicId,
    pub vm: VmId,
    /// Unique within the VM.
    pub name: String,
    /// `None`: the device is there and leads nowhere.
    pub network: Option<NetworkId>,
    pub profile: Option<VnicProfileId>,
    pub interface: NicInterface,
    pub mac: Mac,
    /// The device is in the domain.
    pub plugged: bool,
    /// The device has a carrier.
    pub linked: bool,
    /// Networks whose traffic the interface receives as well.
    pub port_mirroring: Vec<NetworkId>,
    pub boot_protocol: Option<BootProtocol>,
    pub on_boot: Option<bool>,
}

impl Nic {
    /// What an interface is of which a client says nothing.
    pub fn blank(id: NicId, vm: VmId, mac: Mac) -> Self {
        Self {
            id,
            vm,
            name: String::new(),
            network: None,
            profile: None,
            interface: NicInterface::Virtio,
            mac,
            plugged: true,
            linked: true,
            port_mirroring: Vec::new(),
            boot_protocol: None,
            on_boot: None,
        }
    }

    /// What is wrong with the interface by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        self.check_name()?;
        match self.mac.is_unicast() {
            true => Ok(()),
            false => Err(format!("The MAC address {} is not a unicast address.", self.mac)),
        }
    }

    /// The same for one that has no address yet.
    pub fn check_name(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("The name of a network interface may not be empty.".into());
        }
        let plain = self.name.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c));
        if !plain || self.name.chars().count() > 50 || self.name.trim() != self.name {
            return Err(
                "The name of a network interface has at most 50 letters, digits, '_', '-', '.' or blanks."
                    .into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        let nic = |name: &str, first: u8| Nic {
            id: NicId::random(),
            vm: VmId::random(),
            name: name.into(),
            network: None,
            profile: None,
            interface: NicInterface::Virtio,
            mac: Mac([first, 0x1a, 0x4a, 0, 0, 0]),
            plugged: true,
            linked: true,
            port_mirroring: Vec::new(),
            boot_protocol: None,
            on_boot: None,
        };
        for good in ["nic1", "Lokales Netz", "büro_2.x-y", &"x".repeat(50)] {
            assert_eq!(nic(good, 0).check(), Ok(()), "{good}");
        }
        for bad in ["", " nic", "a/b", "a\n", "<x>", &"x".repeat(51)] {
            assert!(nic(bad, 0).check().is_err(), "{bad:?}");
        }
        assert!(nic("nic1", 1).check().is_err());
    }
}
