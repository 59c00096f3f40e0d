//! Profiles: the limits that disks and processors are under.

use super::*;

resource! {
    /// The limits of disks in a storage domain.
    DiskProfile = "disk_profile" {
        qos: Option<Ref>,
        storage_domain: Option<Ref>,
    }
}

collection! {
    /// A list of `disk_profile`.
    DiskProfiles = "disk_profiles" {
        disk_profile: Vec<DiskProfile>,
    }
}

resource! {
    /// The limits of processors in a cluster.
    CpuProfile = "cpu_profile" {
        qos: Option<Ref>,
        cluster: Option<Ref>,
    }
}

collection! {
    /// A list of `cpu_profile`.
    CpuProfiles = "cpu_profiles" {
        cpu_profile: Vec<CpuProfile>,
    }
}
