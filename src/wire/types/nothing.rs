//! Collections of which only the empty ones are spoken.

collection! {
    /// Networks on the interfaces of a host.
    NetworkAttachments = "network_attachments" {}
}

collection! {
    /// Networks of a host that nobody told the server of.
    UnmanagedNetworks = "unmanaged_networks" {}
}

collection! {
    /// How a host comes to targets of iSCSI.
    StorageConnectionExtensions = "storage_connection_extensions" {}
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
    /// Volumes of Gluster.
    GlusterVolumes = "gluster_volumes" {}
}

collection! {
    /// What Gluster runs when something happens to its volumes.
    GlusterHooks = "gluster_hooks" {}
}

collection! {
    /// Several ways to a target of iSCSI.
    IscsiBonds = "iscsi_bonds" {}
}

collection! {
    /// Who turns a host off and on.
    Agents = "agents" {}
}

collection! {
    /// What a host runs when something happens to its VMs.
    Hooks = "hooks" {}
}

collection! {
    /// What leaves hosts out of a choice.
    Filters = "filters" {}
}

collection! {
    /// What makes hosts better choices.
    Weights = "weights" {}
}

collection! {
    /// What moves VMs between hosts.
    Balances = "balances" {}
}

collection! {
    /// What scheduling policies are made of.
    SchedulingPolicyUnits = "scheduling_policy_units" {}
}
