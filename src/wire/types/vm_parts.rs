//! Parts of a machine's definition.

use super::*;

part! {
    /// Firmware settings.
    Bios {
        boot_menu: Option<Enabled>,
    }
}

part! {
    /// Whether a machine is started again when its host fails.
    HighAvailability {
        enabled: Option<bool>,
        priority: Option<i32>,
    }
}

part! {
    /// The console as a device. Ports are there while the machine runs.
    Display {
        r#type: Option<String>,
        address: Option<String>,
        port: Option<u16>,
        secure_port: Option<u16>,
        monitors: Option<i32>,
        single_qxl_pci: Option<bool>,
        allow_override: Option<bool>,
        certificate: Option<Certificate>,
        smartcard_enabled: Option<bool>,
        keyboard_layout: Option<String>,
        proxy: Option<String>,
        file_transfer_enabled: Option<bool>,
        copy_paste_enabled: Option<bool>,
        /// Upper-case in both versions.
        disconnect_action: Option<String>,
    }
}

part! {
    /// Single sign-on.
    Sso {
        methods: Option<SsoMethods>,
    }
}

part! {
    /// A list of `method`.
    SsoMethods {
        method: Vec<SsoMethod>,
    }
}

part! {
    /// A way to sign on.
    SsoMethod {
        id: Option<String>,
    }
}

part! {
    /// A source of randomness.
    RngDevice {
        rate: Option<Rate>,
        source: Option<String>,
    }
}

part! {
    /// So many bytes in so many milliseconds.
    Rate {
        bytes: Option<i32>,
        period: Option<i32>,
    }
}

part! {
    /// A serial console.
    Console {
        enabled: Option<bool>,
    }
}

part! {
    /// USB redirection.
    Usb {
        enabled: Option<bool>,
        r#type: Option<String>,
    }
}

part! {
    /// Whether a machine has a virtio-scsi controller.
    VirtioScsi {
        enabled: Option<bool>,
    }
}

part! {
    /// Where the serial number of a machine comes from.
    SerialNumber {
        policy: Option<String>,
        value: Option<String>,
    }
}

part! {
    /// Each `true`, `false` or `inherit`.
    MigrationOptions {
        auto_converge: Option<String>,
        compressed: Option<String>,
    }
}

part! {
    /// I/O threads.
    Io {
        threads: Option<i32>,
    }
}

part! {
    /// The zone of a machine's clock.
    TimeZone {
        name: Option<String>,
        utc_offset: Option<String>,
    }
}

part! {
    /// What a host may do with a machine's memory.
    MemoryPolicy {
        /// Bytes.
        guaranteed: Option<u64>,
        ballooning: Option<bool>,
        over_commit: Option<MemoryOverCommit>,
        transparent_hugepages: Option<Enabled>,
    }
}

part! {
    /// How much more memory machines may have than the host.
    MemoryOverCommit {
        percent: Option<i32>,
    }
}

part! {
    /// A list of `payload`.
    Payloads {
        payload: Vec<Payload>,
    }
}

part! {
    /// Files that a guest finds on a CD or floppy.
    Payload {
        r#type: Option<String>,
        files: Option<Files>,
        volume_id: Option<String>,
    }
}

part! {
    /// How a guest is set up at its first boot.
    Initialization {
        configuration: Option<Configuration>,
        cloud_init: Option<CloudInit>,
        host_name: Option<String>,
        domain: Option<String>,
        timezone: Option<String>,
        authorized_ssh_keys: Option<String>,
        regenerate_ssh_keys: Option<bool>,
        regenerate_ids: Option<bool>,
        dns_servers: Option<String>,
        dns_search: Option<String>,
        nic_configurations: Option<NicConfigurations>,
        windows_license_key: Option<String>,
        root_password: Option<String>,
        custom_script: Option<String>,
        input_locale: Option<String>,
        ui_language: Option<String>,
        system_locale: Option<String>,
        user_locale: Option<String>,
        user_name: Option<String>,
        active_directory_ou: Option<String>,
        org_name: Option<String>,
    }
}

part! {
    /// A machine as OVF.
    Configuration {
        r#type: Option<String>,
        data: Option<String>,
    }
}

part! {
    /// A list of `nic_configuration`.
    NicConfigurations {
        nic_configuration: Vec<NicConfiguration>,
    }
}

part! {
    /// An interface as a guest sets it up.
    NicConfiguration {
        name: Option<String>,
        ip: Option<Ip>,
        boot_protocol: Option<String>,
        on_boot: Option<bool>,
    }
}

part! {
    /// Where a machine may run.
    PlacementPolicy {
        hosts: Option<HostRefs>,
        host: Slot,
        affinity: Option<String>,
    }
}
