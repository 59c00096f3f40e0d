//! Networks, their profiles, and which clusters have them.

use super::change::put_over;
use super::ids::*;
use serde::{Deserialize, Serialize};

/// Names of libvirt networks that begin so are the engine's own.
const OWN: &str = "vireo-";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub id: NetworkId,
    /// Unique within the data center.
    pub name: String,
    pub description: String,
    pub comment: String,
    pub data_center: DataCenterId,
    /// `network:NAME` or `bridge:NAME` on the host.
    pub binding: String,
    pub vlan: Option<u16>,
    /// Bytes; 0 is what the host has by itself.
    pub mtu: u32,
    pub stp: bool,
    /// VMs may be on it.
    pub for_vms: bool,
}

impl Network {
    /// What a network is of which a client says nothing: one that the engine makes.
    pub fn blank(id: NetworkId, data_center: DataCenterId) -> Self {
        Self {
            id,
            name: String::new(),
            description: String::new(),
            comment: String::new(),
            data_center,
            binding: format!("network:{}", Self::own_name(id)),
            vlan: None,
            mtu: 0,
            stp: false,
            for_vms: true,
        }
    }

    /// libvirt's network that the engine makes for a network of the API.
    pub fn own_name(id: NetworkId) -> String {
        format!("{OWN}{id}")
    }

    /// The host had nothing of its name: its libvirt network is the engine's.
    pub fn is_own(&self) -> bool {
        self.binding == format!("network:{}", Self::own_name(self.id))
    }

    /// What is wrong with the network by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        let plain = (1..=15).contains(&self.name.len())
            && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !plain || self.name.starts_with(OWN) {
            return Err(
                "The name of a network has 1 to 15 letters, digits, '_' or '-', and does not begin with 'vireo-'."
                    .into(),
            );
        }
        if self.vlan.is_some_and(|vlan| !(1..=4094).contains(&vlan)) {
            return Err("A VLAN id is a number from 1 to 4094.".into());
        }
        if self.mtu != 0 && !(68..=65521).contains(&self.mtu) {
            return Err("The MTU of a network is 0 (the default) or a number from 68 to 65521.".into());
        }
        if self.is_own() {
            return Ok(());
        }
        let (_, place) = self.binding.split_once(':').unwrap_or_default();
        if let Some(vlan) = self.vlan {
            return Err(format!(
                "The host's '{place}' does not keep VLANs apart: the network cannot have the VLAN id {vlan}."
            ));
        }
        match self.mtu != 0 || self.stp {
            true => Err(format!("The host's '{place}' is not the engine's: its MTU and STP cannot be set.")),
            false => Ok(()),
        }
    }
}

/// A network that a cluster has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterNetwork {
    pub cluster: ClusterId,
    pub network: NetworkId,
    /// A host without it is of no use to the cluster.
    pub required: bool,
    /// Consoles are reached over it.
    pub display: bool,
    pub migration: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VnicProfile {
    pub id: VnicProfileId,
    /// Unique within the network.
    pub name: String,
    pub description: String,
    pub comment: String,
    pub network: NetworkId,
    /// Interfaces of the profile receive the traffic of its network.
    pub port_mirroring: bool,
    pub custom_properties: Vec<(String, String)>,
}

/// Custom properties of profiles: name and the pattern their value follows.
pub const NIC_PROPERTIES: &[(&str, &str)] = &[(
    FILTER,
    "^(clean-traffic|no-mac-spoofing|no-ip-spoofing|no-arp-spoofing|no-arp-mac-spoofing|no-ip-multicast)$",
)];

/// The property that names a filter of libvirt.
const FILTER: &str = "network_filter";

impl VnicProfile {
    /// What a profile is of which a client says nothing.
    pub fn blank(id: VnicProfileId, network: NetworkId) -> Self {
        Self {
            id,
            name: String::new(),
            description: String::new(),
            comment: String::new(),
            network,
            port_mirroring: false,
            custom_properties: Vec::new(),
        }
    }

    /// The filter that guests' frames pass: what it knows to be forged goes nowhere.
    pub fn filter(&self) -> Option<&str> {
        self.custom_properties.iter().find(|(name, _)| name == FILTER).map(|(_, value)| value.as_str())
    }

    /// What is wrong with the profile by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        let plain = (1..=50).contains(&self.name.chars().count())
            && self.name.trim() == self.name
            && self.name.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c));
        if !plain {
            return Err(
                "The name of a vNIC profile has 1 to 50 letters, digits, '_', '-', '.' or blanks.".into()
            );
        }
        super::vm::check_properties(&self.custom_properties, NIC_PROPERTIES)
    }
}

/// What a client says of a network; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct NetworkChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub comment: Option<String>,
    pub vlan: Option<Option<u16>>,
    pub mtu: Option<u32>,
    pub stp: Option<bool>,
    pub for_vms: Option<bool>,
    /// Whether a new one for VMs gets a profile at once.
    pub profile_required: Option<bool>,
}

/// What a client says of a network in a cluster.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClusterNetworkChange {
    pub required: Option<bool>,
    pub display: Option<bool>,
    pub migration: Option<bool>,
}

impl NetworkChange {
    pub fn over(&self, before: &Network) -> Network {
        let mut network = before.clone();
        put_over!(network, self, name, description, comment, vlan, mtu, stp, for_vms);
        network
    }
}

impl ClusterNetworkChange {
    pub fn over(self, before: &ClusterNetwork) -> ClusterNetwork {
        ClusterNetwork {
            required: self.required.unwrap_or(before.required),
            display: self.display.unwrap_or(before.display),
            migration: self.migration.unwrap_or(before.migration),
            ..before.clone()
        }
    }
}

/// What a client says of a profile; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub comment: Option<String>,
    pub port_mirroring: Option<bool>,
    pub custom_properties: Option<Vec<(String, String)>>,
}

impl ProfileChange {
    pub fn over(&self, before: &VnicProfile) -> VnicProfile {
        let mut profile = before.clone();
        put_over!(profile, self, name, description, comment, port_mirroring, custom_properties);
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str) -> Network {
        Network { name: name.into(), ..Network::blank(NetworkId::random(), DataCenterId::random()) }
    }

    #[test]
    fn names_and_numbers_of_networks() {
        for good in ["red", "a-b_C9", "x234567890123_5"] {
            assert_eq!(network(good).check(), Ok(()), "{good}");
        }
        for bad in ["", "x2345678901234_6", "a b", "a/b", "../x", "ü", "vireo-nowhere"] {
            assert!(network(bad).check().is_err(), "{bad}");
        }
        let own = network("red");
        assert_eq!(Network { vlan: Some(4094), mtu: 9000, stp: true, ..own.clone() }.check(), Ok(()));
        assert!(Network { vlan: Some(0), ..own.clone() }.check().is_err());
        assert!(Network { mtu: 1, ..own.clone() }.check().is_err());
        let foreign = Network { binding: "bridge:br0".into(), ..own };
        assert_eq!(foreign.check(), Ok(()));
        assert!(Network { vlan: Some(7), ..foreign.clone() }.check().unwrap_err().contains("br0"));
        assert!(Network { stp: true, ..foreign }.check().is_err());
    }

    #[test]
    fn a_profile_knows_its_filter() {
        let profile = |properties: &[(&str, &str)]| VnicProfile {
            name: "p".into(),
            custom_properties: properties.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            ..VnicProfile::blank(VnicProfileId::random(), NetworkId::random())
        };
        assert_eq!(profile(&[]).filter(), None);
        let filtered = profile(&[("network_filter", "no-mac-spoofing")]);
        assert_eq!((filtered.check(), filtered.filter()), (Ok(()), Some("no-mac-spoofing")));
        assert!(profile(&[("network_filter", "'/><x")]).check().is_err());
        assert!(profile(&[("queues", "4")]).check().is_err());
    }
}
