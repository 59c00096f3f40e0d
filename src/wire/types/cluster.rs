//! Clusters.

use super::*;

resource! {
    /// Hosts that can take each other's machines.
    Cluster = "cluster" {
        cpu: Option<Cpu>,
        data_center: Option<Ref>,
        memory_policy: Option<MemoryPolicy>,
        scheduling_policy: Option<SchedulingPolicy>,
        version: Option<VersionNumber>,
        supported_versions: Option<SupportedVersions>,
        error_handling: Option<ErrorHandling>,
        virt_service: Option<bool>,
        gluster_service: Option<bool>,
        threads_as_cores: Option<bool>,
        tunnel_migration: Option<bool>,
        trusted_service: Option<bool>,
        ha_reservation: Option<bool>,
        optional_reason: Option<bool>,
        maintenance_reason_required: Option<bool>,
        ballooning_enabled: Option<bool>,
        display: Option<Display>,
        ksm: Option<Ksm>,
        serial_number: Option<SerialNumber>,
        required_rng_sources: Option<RequiredRngSources>,
        fencing_policy: Option<FencingPolicy>,
        migration: Option<MigrationOptions>,
        management_network: Option<Ref>,
    }
}

collection! {
    /// A list of `cluster`.
    Clusters = "clusters" {
        cluster: Vec<Cluster>,
    }
}

resource! {
    /// Where machines are started.
    SchedulingPolicy = "scheduling_policy" {
        policy: Option<String>,
        thresholds: Option<SchedulingPolicyThresholds>,
        locked: Option<bool>,
        default_policy: Option<bool>,
        properties: Option<Properties>,
    }
}

collection! {
    /// A list of `scheduling_policy`.
    SchedulingPolicies = "scheduling_policies" {
        scheduling_policy: Vec<SchedulingPolicy>,
    }
}

part! {
    /// The bounds of a policy.
    SchedulingPolicyThresholds {
        low: Option<i32>,
        high: Option<i32>,
        duration: Option<i32>,
    }
}

part! {
    /// What happens to machines of a failing host.
    ErrorHandling {
        on_error: Option<String>,
    }
}

part! {
    /// Sharing of equal memory pages.
    Ksm {
        enabled: Option<bool>,
        merge_across_nodes: Option<bool>,
    }
}

words! {
    RequiredRngSources: required_rng_source;
}

part! {
    /// When a host is not fenced.
    FencingPolicy {
        enabled: Option<bool>,
        skip_if_sd_active: Option<Enabled>,
        skip_if_connectivity_broken: Option<SkipIfConnectivityBroken>,
    }
}

part! {
    /// Not fenced while so many hosts (in percent) are not reached.
    SkipIfConnectivityBroken {
        enabled: Option<bool>,
        threshold: Option<i32>,
    }
}
