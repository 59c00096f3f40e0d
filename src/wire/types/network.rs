//! Networks.

use super::*;

resource! {
    /// A network of a data center.
    Network = "network" {
        data_center: Option<Ref>,
        cluster: Option<Ref>,
        ip: Option<Ip>,
        vlan: Option<Vlan>,
        stp: Option<bool>,
        status: Option<String>,
        display: Option<bool>,
        mtu: Option<i32>,
        usages: Option<Usages>,
        required: Option<bool>,
        profile_required: Option<bool>,
        labels: Option<Labels>,
        qos: Option<Qos>,
    }
}

collection! {
    /// A list of `network`.
    Networks = "networks" {
        network: Vec<Network>,
    }
}

part! {
    /// An address.
    Ip {
        address: Option<String>,
        netmask: Option<String>,
        gateway: Option<String>,
        version: Option<String>,
    }
}

collection! {
    /// A list of `ip`.
    Ips = "ips" {
        ip: Vec<Ip>,
    }
}

part! {
    /// A hardware address.
    Mac {
        address: Option<String>,
    }
}

part! {
    /// The tag of a virtual LAN.
    Vlan {
        id: Option<u16>,
    }
}

resource! {
    /// A label by which networks come to interfaces.
    Label = "label" {
        network: Option<Ref>,
        host_nic: Option<Ref>,
    }
}

collection! {
    /// A list of `label`.
    Labels = "labels" {
        label: Vec<Label>,
    }
}

resource! {
    /// A profile of a machine's interface.
    VnicProfile = "vnic_profile" {
        network: Option<Ref>,
        port_mirroring: Option<bool>,
        custom_properties: Option<CustomProperties>,
        pass_through: Option<VnicPassThrough>,
        qos: Option<Ref>,
    }
}

collection! {
    /// A list of `vnic_profile`.
    VnicProfiles = "vnic_profiles" {
        vnic_profile: Vec<VnicProfile>,
    }
}

part! {
    /// Whether a host's device is handed to the machine.
    VnicPassThrough {
        mode: Option<String>,
    }
}

resource! {
    /// A quality of service.
    Qos = "qos" {
        r#type: Option<String>,
        data_center: Option<Ref>,
        max_throughput: Option<i32>,
        max_read_throughput: Option<i32>,
        max_write_throughput: Option<i32>,
        max_iops: Option<i32>,
        max_read_iops: Option<i32>,
        max_write_iops: Option<i32>,
        cpu_limit: Option<i32>,
        inbound_average: Option<i32>,
        inbound_peak: Option<i32>,
        inbound_burst: Option<i32>,
        outbound_average: Option<i32>,
        outbound_peak: Option<i32>,
        outbound_burst: Option<i32>,
    }
}

collection! {
    /// A list of `qos`.
    Qoss = "qoss" {
        qos: Vec<Qos>,
    }
}

words! {
    Usages: usage;
}
