//! Collections of which only the empty ones are spoken.

collection! {
    /// Rules on which machines share a host.
    AffinityGroups = "affinity_groups" {}
}

collection! {
    /// What a guest's distribution has repaired.
    KatelloErrata = "katello_errata" {}
}

collection! {
    /// Servers that know of hosts.
    ExternalHostProviders = "external_host_providers" {}
}

collection! {
    /// Servers that have images.
    OpenStackImageProviders = "openstack_image_providers" {}
}

collection! {
    /// Servers that have volumes.
    OpenStackVolumeProviders = "openstack_volume_providers" {}
}

collection! {
    /// Servers that have networks.
    OpenStackNetworkProviders = "openstack_network_providers" {}
}

collection! {
    /// Several ways to a target of iSCSI.
    IscsiBonds = "iscsi_bonds" {}
}

collection! {
    /// What scheduling policies are made of.
    SchedulingPolicyUnits = "scheduling_policy_units" {}
}
