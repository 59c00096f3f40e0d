//! Hosts.

use super::*;

resource! {
    /// A machine that runs virtual ones.
    Host = "host" {
        address: Option<String>,
        certificate: Option<Certificate>,
        status: Option<String>,
        status_detail: Option<String>,
        external_status: Option<String>,
        cluster: Option<Ref>,
        port: Option<u16>,
        r#type: Option<String>,
        storage_manager: Option<StorageManager>,
        spm: Option<Spm>,
        version: Option<VersionNumber>,
        hardware_information: Option<HardwareInformation>,
        power_management: Option<PowerManagement>,
        ksm: Option<Ksm>,
        transparent_hugepages: Option<Enabled>,
        iscsi: Option<HostIscsi>,
        root_password: Option<String>,
        ssh: Option<Ssh>,
        statistics: Option<Statistics>,
        cpu: Option<Cpu>,
        /// Bytes.
        memory: Option<u64>,
        /// Bytes.
        max_scheduling_memory: Option<u64>,
        summary: Option<VmSummary>,
        override_iptables: Option<bool>,
        protocol: Option<String>,
        reboot_after_installation: Option<bool>,
        os: Option<OperatingSystem>,
        libvirt_version: Option<VersionNumber>,
        display: Option<Display>,
        hosted_engine: Option<HostedEngine>,
        kdump_status: Option<String>,
        selinux: Option<SeLinux>,
        auto_numa_status: Option<String>,
        numa_supported: Option<bool>,
        live_snapshot_support: Option<bool>,
        update_available: Option<bool>,
        device_passthrough: Option<Enabled>,
    }
}

collection! {
    /// A list of `host`.
    Hosts = "hosts" {
        host: Vec<Host>,
    }
}

resource! {
    /// A certificate.
    Certificate = "certificate" {
        organization: Option<String>,
        subject: Option<String>,
        content: Option<String>,
    }
}

part! {
    /// Whether a host manages the storage, with which priority; version 4 knows only `Spm`.
    StorageManager {
        priority: Option<i32>,
        value: Option<bool>,
    }
}

part! {
    /// The storage pool manager.
    Spm {
        priority: Option<i32>,
        status: Option<String>,
    }
}

part! {
    /// The name of a host in iSCSI.
    HostIscsi {
        initiator: Option<String>,
    }
}

part! {
    /// What the host is made of.
    HardwareInformation {
        manufacturer: Option<String>,
        version: Option<String>,
        serial_number: Option<String>,
        product_name: Option<String>,
        uuid: Option<String>,
        family: Option<String>,
        supported_rng_sources: Option<SupportedRngSources>,
    }
}

words! {
    SupportedRngSources: supported_rng_source;
}

part! {
    /// How a host is switched on and off from outside.
    PowerManagement {
        r#type: Option<String>,
        enabled: Option<bool>,
        address: Option<String>,
        username: Option<String>,
        password: Option<String>,
        options: Option<FenceOptions>,
        status: Option<String>,
        automatic_pm_enabled: Option<bool>,
        kdump_detection: Option<bool>,
    }
}

part! {
    /// A list of `option`s.
    FenceOptions {
        option: Vec<FenceOption>,
    }
}

part! {
    /// An option of a fence device.
    FenceOption {
        name: Option<String>,
        value: Option<String>,
        r#type: Option<String>,
    }
}

part! {
    /// How many machines a host has.
    VmSummary {
        active: Option<i32>,
        migrating: Option<i32>,
        total: Option<i32>,
    }
}

part! {
    /// A server that runs on the hosts that it manages.
    HostedEngine {
        configured: Option<bool>,
        active: Option<bool>,
        score: Option<i32>,
        global_maintenance: Option<bool>,
        local_maintenance: Option<bool>,
    }
}

part! {
    /// The mode of a host's SELinux.
    SeLinux {
        mode: Option<String>,
    }
}

resource! {
    /// A network interface of a host.
    HostNic = "host_nic" {
        host: Option<Ref>,
        network: Option<Ref>,
        mac: Option<Mac>,
        ip: Option<Ip>,
        base_interface: Option<String>,
        vlan: Option<Vlan>,
        bonding: Option<Bonding>,
        boot_protocol: Option<String>,
        statistics: Option<Statistics>,
        check_connectivity: Option<bool>,
        /// Bits per second.
        speed: Option<u64>,
        status: Option<String>,
        mtu: Option<i32>,
        bridged: Option<bool>,
        custom_configuration: Option<bool>,
        override_configuration: Option<bool>,
        properties: Option<Properties>,
    }
}

collection! {
    /// A list of `host_nic`.
    HostNics = "host_nics" {
        host_nic: Vec<HostNic>,
    }
}

part! {
    /// Interfaces that act as one.
    Bonding {
        options: Option<FenceOptions>,
        slaves: Option<Slaves>,
    }
}

part! {
    /// A list of `host_nic`.
    Slaves {
        host_nic: Vec<Ref>,
    }
}

collection! {
    /// A list of `storage`.
    HostStorages = "host_storage" {
        storage: Vec<HostStorage>,
    }
}
