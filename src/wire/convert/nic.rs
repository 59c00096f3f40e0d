//! Network interfaces.

use super::{API, Named, named, reference};
use crate::error::{Error, Kind, Result};
use crate::model::*;
use crate::wire::filled;
use crate::wire::types::{self, Ref};

/// What a document says of an interface beside where it leads, in the model's values; `None` is not
/// mentioned.
#[derive(Clone, Debug, Default)]
pub struct NicRequest {
    pub name: Option<String>,
    pub interface: Option<NicInterface>,
    pub mac: Option<Mac>,
    pub plugged: Option<bool>,
    pub linked: Option<bool>,
    pub boot_protocol: Option<BootProtocol>,
    pub on_boot: Option<bool>,
}

impl TryFrom<&types::Nic> for NicRequest {
    type Error = Error;

    fn try_from(document: &types::Nic) -> Result<Self> {
        let mac = document.mac.as_ref().and_then(|mac| filled(&mac.address));
        Ok(Self {
            name: document.name.clone(),
            interface: filled(&document.interface).map(interface).transpose()?,
            mac: mac.map(|mac| mac.trim().parse().map_err(Error::invalid)).transpose()?,
            plugged: document.plugged,
            linked: document.linked,
            boot_protocol: filled(&document.boot_protocol).map(named).transpose()?,
            on_boot: document.on_boot,
        })
    }
}

/// The interfaces of other architectures and of passed-through devices exist; VMs here cannot have them.
fn interface(text: &str) -> Result<NicInterface> {
    match text.to_lowercase().as_str() {
        "spapr_vlan" => {
            Err(Error::new(Kind::Value, "The interface spapr_vlan needs another architecture than X86_64."))
        }
        "pci_passthrough" => Err(Error::new(
            Kind::Value,
            "The interface pci_passthrough needs a host's network device that can be passed through.",
        )),
        _ => named(text),
    }
}

/// The interface, which sees the traffic of those networks, as a document; links, actions and
/// statistics are the caller's.
pub fn nic(nic: &Nic, mirrored: &[NetworkId]) -> types::Nic {
    types::Nic {
        href: Some(format!("{API}/vms/{}/nics/{}", nic.vm, nic.id)),
        id: Some(nic.id.to_string()),
        name: Some(nic.name.clone()),
        vm: Some(reference("vms", nic.vm)),
        network: nic.network.map(|network| reference("networks", network)),
        linked: Some(nic.linked),
        interface: Some(nic.interface.name().into()),
        mac: Some(types::Mac { address: Some(nic.mac.to_string()) }),
        plugged: Some(nic.plugged),
        port_mirroring: (!mirrored.is_empty()).then(|| types::PortMirroring {
            networks: Some(mirrored.iter().map(|network| reference("networks", network)).collect()),
        }),
        vnic_profile: nic.profile.map(|profile| reference("vnicprofiles", profile)),
        boot_protocol: nic.boot_protocol.map(|protocol| protocol.name().into()),
        on_boot: nic.on_boot,
        ..types::Nic::default()
    }
}

/// Whether a reference names something, or says that there is nothing.
pub fn is_named(reference: &Ref) -> bool {
    filled(&reference.id).is_some() || filled(&reference.name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Format, Version, read};

    fn document(body: &str) -> types::Nic {
        read(body.as_bytes(), Format::Xml, Version::V3).unwrap()
    }

    #[test]
    fn synonyms_of_the_specification_are_understood() {
        let asked = NicRequest::try_from(&document(
            "<nic><name>nic2</name><network id='00000000-0000-0000-0000-000000000010'/><type>e1000</type>\
             <active>false</active></nic>",
        ))
        .unwrap();
        assert_eq!(asked.interface, Some(NicInterface::E1000));
        assert_eq!(asked.plugged, Some(false));
        let empty = document("<nic><network id=''/><vnic_profile/><mac address=''/><interface/></nic>");
        assert!(
            !is_named(&empty.network.clone().unwrap()) && !is_named(&empty.vnic_profile.clone().unwrap())
        );
        let empty = NicRequest::try_from(&empty).unwrap();
        assert_eq!((empty.mac, empty.interface), (None, None));
    }

    #[test]
    fn refusals() {
        for (bad, kind) in [
            ("<nic><interface>spapr_vlan</interface></nic>", Kind::Value),
            ("<nic><interface>pci_passthrough</interface></nic>", Kind::Value),
            ("<nic><interface>ne2000</interface></nic>", Kind::Value),
            ("<nic><boot_protocol>bootp</boot_protocol></nic>", Kind::Value),
            ("<nic><mac address='00:11'/></nic>", Kind::Invalid),
        ] {
            assert_eq!(NicRequest::try_from(&document(bad)).unwrap_err().kind, kind, "{bad}");
        }
    }
}
