//! What a guest's agent reports.

use super::*;

part! {
    /// Addresses and name of a guest.
    GuestInfo {
        ips: Option<Ips>,
        fqdn: Option<String>,
    }
}

part! {
    /// The system in a guest.
    GuestOperatingSystem {
        architecture: Option<String>,
        codename: Option<String>,
        distribution: Option<String>,
        kernel: Option<Kernel>,
        family: Option<String>,
        version: Option<VersionNumber>,
    }
}

part! {
    /// A guest's kernel.
    Kernel {
        version: Option<VersionNumber>,
    }
}

resource! {
    /// A device as the guest sees it.
    ReportedDevice = "reported_device" {
        r#type: Option<String>,
        mac: Option<Mac>,
        ips: Option<Ips>,
        vm: Option<Ref>,
    }
}

collection! {
    /// A list of `reported_device`.
    ReportedDevices = "reported_devices" {
        reported_device: Vec<ReportedDevice>,
    }
}

resource! {
    /// A program that is installed in a guest.
    Application = "application" {
        vm: Option<Ref>,
    }
}

collection! {
    /// A list of `application`.
    Applications = "applications" {
        application: Vec<Application>,
    }
}

resource! {
    /// Somebody who uses a guest.
    Session = "session" {
        vm: Option<Ref>,
        protocol: Option<String>,
        ip: Option<Ip>,
        user: Option<User>,
        console_user: Option<bool>,
    }
}

collection! {
    /// A list of `session`.
    Sessions = "sessions" {
        session: Vec<Session>,
    }
}
