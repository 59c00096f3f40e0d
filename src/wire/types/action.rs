//! What every POST of an action takes and gives back.

use super::*;

resource! {
    /// A verb's parameters, and its outcome.
    Action = "action" {
        r#async: Option<bool>,
        grace_period: Option<GracePeriod>,
        host: Option<Ref>,
        network: Option<Ref>,
        root_password: Option<String>,
        ssh: Option<Ssh>,
        image: Option<String>,
        fence_type: Option<String>,
        ticket: Option<Ticket>,
        proxy_ticket: Option<ProxyTicket>,
        iscsi: Option<IscsiDetails>,
        storage_domain: Option<Ref>,
        cluster: Option<Ref>,
        discard_snapshots: Option<bool>,
        exclusive: Option<bool>,
        vm: Option<Box<Vm>>,
        snapshot: Option<Box<Snapshot>>,
        template: Option<Ref>,
        check_connectivity: Option<bool>,
        connectivity_timeout: Option<i32>,
        pause: Option<bool>,
        force: Option<bool>,
        detach: Option<bool>,
        clone: Option<bool>,
        restore_memory: Option<bool>,
        disks: Option<Disks>,
        succeeded: Option<bool>,
        job: Option<Ref>,
        import_as_template: Option<bool>,
        maintenance_enabled: Option<bool>,
        storage_domains: Option<StorageDomainRefs>,
        disk: Option<Box<Disk>>,
        reason: Option<String>,
        logical_units: Option<LogicalUnits>,
        use_sysprep: Option<bool>,
        use_cloud_init: Option<bool>,
        status: Option<String>,
        fault: Option<Fault>,
        iscsi_target: Vec<String>,
        power_management: Option<PowerManagement>,
        is_attached: Option<bool>,
    }
}

part! {
    /// How long an action waits before it begins.
    GracePeriod {
        /// Milliseconds.
        expiry: Option<u64>,
    }
}

part! {
    /// The password of a console, and how long it is good for.
    Ticket {
        value: Option<String>,
        /// Seconds.
        expiry: Option<u32>,
    }
}

part! {
    /// The key to the web socket proxy.
    ProxyTicket {
        value: Option<String>,
    }
}

part! {
    /// The portal that an iSCSI action asks.
    IscsiDetails {
        port: Option<u16>,
        target: Option<String>,
        username: Option<String>,
        password: Option<String>,
        portal: Option<String>,
        address: Option<String>,
        /// The host, where no portal is named.
        initiator: Option<String>,
    }
}

resource! {
    /// How the engine logs in to a host.
    Ssh = "ssh" {
        port: Option<i32>,
        fingerprint: Option<String>,
        authentication_method: Option<String>,
        user: Option<Ref>,
    }
}

resource! {
    /// How far a creation is.
    Creation = "creation" {
        status: Option<String>,
        fault: Option<Fault>,
    }
}
