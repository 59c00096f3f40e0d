//! What a guest is told at its first boot, in the form before `Initialization` had fields of its own.

use super::*;

part! {
    /// The nested form of a guest's first configuration.
    CloudInit {
        host: Option<CloudInitHost>,
        authorized_keys: Option<AuthorizedKeys>,
        network_configuration: Option<NetworkConfiguration>,
        regenerate_ssh_keys: Option<bool>,
        timezone: Option<String>,
        users: Option<Users>,
        files: Option<Files>,
    }
}

part! {
    /// A host by its address.
    CloudInitHost {
        address: Option<String>,
    }
}

part! {
    /// A list of `host`.
    CloudInitHosts {
        host: Vec<CloudInitHost>,
    }
}

part! {
    /// A list of `authorized_key`.
    AuthorizedKeys {
        authorized_key: Vec<AuthorizedKey>,
    }
}

part! {
    /// A public key that may log in.
    AuthorizedKey {
        user: Option<Ref>,
        key: Option<String>,
    }
}

part! {
    /// A guest's network.
    NetworkConfiguration {
        nics: Option<CloudInitNics>,
        dns: Option<Dns>,
    }
}

part! {
    /// A list of `nic`.
    CloudInitNics {
        nic: Vec<CloudInitNic>,
    }
}

part! {
    /// A guest's interface.
    CloudInitNic {
        name: Option<String>,
        network: Option<CloudInitNetwork>,
        boot_protocol: Option<String>,
        on_boot: Option<bool>,
    }
}

part! {
    /// The address of an interface.
    CloudInitNetwork {
        ip: Option<Ip>,
    }
}

part! {
    /// Name servers.
    Dns {
        servers: Option<CloudInitHosts>,
        search_domains: Option<CloudInitHosts>,
    }
}
