//! Network interfaces of machines.

use super::*;

resource! {
    /// A network interface of a machine.
    Nic = "nic" {
        template: Option<Ref>,
        instance_type: Option<Ref>,
        vm: Option<Ref>,
        /// An empty one in a request means no network.
        network: Option<Ref>,
        linked: Option<bool>,
        interface: Option<String>,
        mac: Option<Mac>,
        statistics: Option<Statistics>,
        active: Slot,
        plugged: Option<bool>,
        port_mirroring: Option<PortMirroring>,
        reported_devices: Option<ReportedDevices>,
        /// An empty one in a request means no profile.
        vnic_profile: Option<Ref>,
        boot_protocol: Option<String>,
        on_boot: Option<bool>,
    }
}

collection! {
    /// A list of `nic`.
    Nics = "nics" {
        nic: Vec<Nic>,
    }
}

part! {
    /// The networks whose traffic an interface sees.
    PortMirroring {
        networks: Option<NetworkRefs>,
    }
}
