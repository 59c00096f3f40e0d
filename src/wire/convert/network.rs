//! Networks and vNIC profiles.

use super::{API, custom_properties, reference, unless_empty};
use crate::error::{Error, Kind, Result};
use crate::model::*;
use crate::wire::types;

/// A network of its data center; a cluster says more about it.
pub fn network(it: &Network) -> types::Network {
    types::Network {
        href: reference("networks", it.id).href,
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        comment: unless_empty(&it.comment),
        data_center: Some(reference("datacenters", it.data_center)),
        vlan: it.vlan.map(|id| types::Vlan { id: Some(id) }),
        stp: Some(it.stp),
        mtu: i32::try_from(it.mtu).ok(),
        usages: Some(it.for_vms.then_some("vm").into_iter().collect()),
        ..Default::default()
    }
}

/// The same in a cluster. `management` is the one that cannot be without.
pub fn cluster_network(it: &Network, there: &ClusterNetwork, management: bool) -> types::Network {
    let usages = [
        (there.display, "display"),
        (it.for_vms, "vm"),
        (there.migration, "migration"),
        (management, "management"),
    ];
    types::Network {
        href: Some(format!("{API}/clusters/{}/networks/{}", there.cluster, it.id)),
        cluster: Some(reference("clusters", there.cluster)),
        display: Some(there.display),
        usages: Some(usages.into_iter().filter_map(|(is, usage)| is.then_some(usage)).collect()),
        required: Some(there.required),
        ..network(it)
    }
}

/// What a network is used for.
#[derive(Default)]
struct Usages {
    vm: bool,
    display: bool,
    migration: bool,
}

/// What a document says of a network, and of it in a cluster.
pub fn network_change(document: &types::Network) -> Result<(NetworkChange, ClusterNetworkChange)> {
    if document.qos.as_ref().is_some_and(|qos| *qos != types::Qos::default()) {
        return Err(Error::unsupported(
            "Cannot configure the network. A QoS of the type network is not enforced on this host.",
        ));
    }
    if document.ip.as_ref().is_some_and(|ip| *ip != types::Ip::default()) {
        return Err(Error::unsupported("Cannot configure the network. It gives its host no address."));
    }
    let mtu = |given: i32| {
        u32::try_from(given).map_err(|_| Error::new(Kind::Value, format!("mtu: {given} is negative.")))
    };
    let usages = match (&document.usages, document.display) {
        (Some(given), _) => Some(usages(given)?),
        // The older way to say it.
        (None, Some(display)) => Some(Usages { vm: true, display, migration: false }),
        (None, None) => None,
    };
    let usages = usages.as_ref();
    let network = NetworkChange {
        name: document.name.clone(),
        description: document.description.clone(),
        comment: document.comment.clone(),
        vlan: document.vlan.as_ref().map(|vlan| vlan.id),
        mtu: document.mtu.map(mtu).transpose()?,
        stp: document.stp,
        for_vms: usages.map(|usages| usages.vm),
        profile_required: document.profile_required,
    };
    let there = ClusterNetworkChange {
        required: document.required,
        display: usages.map(|usages| usages.display),
        migration: usages.map(|usages| usages.migration),
    };
    Ok((network, there))
}

fn usages(given: &types::Usages) -> Result<Usages> {
    let mut usages = Usages::default();
    for usage in &given.usage {
        match usage.to_lowercase().as_str() {
            "vm" => usages.vm = true,
            "display" => usages.display = true,
            "migration" => usages.migration = true,
            // Which network manages is not for a document to say.
            "management" | "" => {}
            other => {
                return Err(Error::new(
                    Kind::Value,
                    format!(
                        "{other} is not a member of NetworkUsage. Possible values for NetworkUsage are: \
                         display, vm, migration, management"
                    ),
                ));
            }
        }
    }
    Ok(usages)
}

pub fn vnic_profile(it: &VnicProfile) -> types::VnicProfile {
    let property = |(name, value): &(String, String)| types::CustomProperty {
        name: Some(name.clone()),
        value: Some(value.clone()),
        regexp: None,
    };
    types::VnicProfile {
        href: reference("vnicprofiles", it.id).href,
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        comment: unless_empty(&it.comment),
        network: Some(reference("networks", it.network)),
        port_mirroring: Some(it.port_mirroring),
        custom_properties: (!it.custom_properties.is_empty()).then(|| types::CustomProperties {
            custom_property: it.custom_properties.iter().map(property).collect(),
        }),
        pass_through: Some(types::VnicPassThrough { mode: Some("disabled".into()) }),
        ..Default::default()
    }
}

/// What a document says of a profile; a host's own device is handed to nobody here.
pub fn profile_change(document: &types::VnicProfile) -> Result<ProfileChange> {
    if document.qos.as_ref().is_some_and(super::is_named) {
        return Err(Error::unsupported(
            "Cannot configure the vNIC profile. A QoS of the type network is not enforced on this host.",
        ));
    }
    let mode = document.pass_through.as_ref().and_then(|pass| pass.mode.as_deref()).unwrap_or("disabled");
    match mode.to_lowercase().as_str() {
        "disabled" | "" => Ok(ProfileChange {
            name: document.name.clone(),
            description: document.description.clone(),
            comment: document.comment.clone(),
            port_mirroring: document.port_mirroring,
            custom_properties: document.custom_properties.as_ref().map(custom_properties),
        }),
        "enabled" => Err(Error::unsupported(
            "Cannot configure the vNIC profile. The host has no network device that can be passed through.",
        )),
        other => Err(Error::new(
            Kind::Value,
            format!(
                "{other} is not a member of VnicPassThroughMode. Possible values for VnicPassThroughMode are: enabled, disabled"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Format, Version, read};

    #[test]
    fn what_a_network_is_used_for() {
        let asked = |body: &str| {
            let document: types::Network = read(body.as_bytes(), Format::Xml, Version::V3).unwrap();
            network_change(&document)
        };
        let usages = |body: &str| {
            let (network, there) = asked(body).unwrap();
            network.for_vms.zip(there.display).zip(there.migration)
        };
        assert_eq!(usages("<network/>"), None);
        assert_eq!(usages("<network><usages/></network>"), Some(((false, false), false)));
        let vm = "<network><usages><usage>VM</usage></usages></network>";
        assert_eq!(usages(vm), Some(((true, false), false)));
        assert_eq!(usages("<network><display>true</display></network>"), Some(((true, true), false)));
        assert!(asked("<network><usages><usage>x</usage></usages></network>").is_err());
        assert!(asked("<network><mtu>-1</mtu></network>").is_err());
        for fixed in ["qos id='x'", "qos type='network'", "ip address='10.0.0.1'"] {
            let refused = asked(&format!("<network><{fixed}/></network>")).unwrap_err();
            assert_eq!(refused.kind, Kind::Unsupported, "{fixed}");
        }
        assert!(asked("<network><qos/><ip/><profile_required>true</profile_required></network>").is_ok());
        let vlan = |body: &str| asked(body).unwrap().0.vlan;
        assert_eq!(vlan("<network><vlan id='7'/></network>"), Some(Some(7)));
        assert_eq!(vlan("<network><vlan/></network>"), Some(None));
    }
}
