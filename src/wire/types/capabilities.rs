//! What the server can do: every enumeration of the API, by level of compatibility.

use super::*;

collection! {
    /// Levels, the permits that roles are made of, and policies.
    Capabilities = "capabilities" {
        version: Vec<CapabilitiesVersion>,
        permits: Option<Permits>,
        scheduling_policies: Option<SchedulingPolicies>,
    }
}

resource! {
    /// What a level has.
    CapabilitiesVersion = "version" {
        major: Option<u16>,
        minor: Option<u16>,
        current: Option<bool>,
        features: Option<Features>,
        cpus: Option<Cpus>,
        power_managers: Option<PowerManagers>,
        fence_types: Option<FenceTypes>,
        storage_types: Option<StorageTypes>,
        configuration_types: Option<ConfigurationTypes>,
        storage_domain_types: Option<StorageDomainTypes>,
        vm_types: Option<VmTypes>,
        boot_devices: Option<BootDevices>,
        display_types: Option<DisplayTypes>,
        nic_interfaces: Option<NicInterfaces>,
        os_types: Option<OsTypes>,
        disk_formats: Option<DiskFormats>,
        graphics_types: Option<GraphicsTypes>,
        disk_storage_types: Option<DiskStorageTypes>,
        disk_interfaces: Option<DiskInterfaces>,
        vm_affinities: Option<VmAffinities>,
        custom_properties: Option<CustomProperties>,
        boot_protocols: Option<BootProtocols>,
        error_handling: Option<ErrorHandlingOptions>,
        storage_formats: Option<StorageFormats>,
        creation_states: Option<CreationStates>,
        power_management_states: Option<PowerManagementStates>,
        host_states: Option<HostStates>,
        external_statuses: Option<ExternalStatuses>,
        host_protocols: Option<HostProtocols>,
        host_non_operational_details: Option<HostNonOperationalDetails>,
        network_states: Option<NetworkStates>,
        storage_domain_states: Option<StorageDomainStates>,
        template_states: Option<TemplateStates>,
        vm_states: Option<VmStates>,
        vm_pause_details: Option<VmPauseDetails>,
        disk_states: Option<DiskStates>,
        host_nic_states: Option<HostNicStates>,
        data_center_states: Option<DataCenterStates>,
        vm_device_types: Option<VmDeviceTypes>,
        permits: Option<Permits>,
        scheduling_policies: Option<PolicyNames>,
        usages: Option<Usages>,
        nfs_versions: Option<NfsVersions>,
        pm_proxy_types: Option<PmProxyTypes>,
        cpu_modes: Option<CpuModes>,
        sgio_options: Option<ScsiGenericIoOptions>,
        watchdog_models: Option<WatchdogModels>,
        watchdog_actions: Option<WatchdogActions>,
        authentication_methods: Option<AuthenticationMethods>,
        kdump_states: Option<KdumpStates>,
        spm_states: Option<SpmStates>,
        vm_pool_types: Option<VmPoolTypes>,
        step_types: Option<StepTypes>,
        payload_encodings: Option<PayloadEncodings>,
        gluster_volume_types: Option<GlusterVolumeTypes>,
        transport_types: Option<TransportTypes>,
        gluster_volume_states: Option<GlusterStates>,
        brick_states: Option<GlusterStates>,
        reported_device_types: Option<ReportedDeviceTypes>,
        ip_versions: Option<IpVersions>,
        snapshot_statuses: Option<SnapshotStatuses>,
        content_types: Option<ContentTypes>,
        hook_states: Option<HookStates>,
        stages: Option<Stages>,
        sso_methods: Option<SsoMethodNames>,
        architecture_capabilities: Option<ArchitectureCapabilities>,
        serial_number_policies: Option<SerialNumberPolicies>,
        selinux_modes: Option<SeLinuxModes>,
        rng_sources: Option<RngSources>,
        scheduling_policy_unit_types: Option<SchedulingPolicyUnitTypes>,
        qos_types: Option<QosTypes>,
        inheritable_booleans: Option<InheritableBooleans>,
        network_plugin_types: Option<NetworkPluginTypes>,
        message_broker_types: Option<MessageBrokerTypes>,
        display_disconnect_actions: Option<DisplayDisconnectActions>,
        quota_mode_types: Option<QuotaModeTypes>,
    }
}

part! {
    /// A list of `feature`.
    Features {
        feature: Vec<Feature>,
    }
}

resource! {
    /// Something that a level can do.
    Feature = "feature" {}
}

part! {
    /// A list of `power_management`.
    PowerManagers {
        power_management: Vec<PowerManagement>,
    }
}

part! {
    /// A list of `architecture_capability`.
    ArchitectureCapabilities {
        architecture_capability: Vec<ArchitectureCapability>,
    }
}

part! {
    /// What is possible on which architectures.
    ArchitectureCapability {
        name: Option<String>,
        architectures: Vec<String>,
    }
}

words! {
    FenceTypes: fence_type;
    StorageTypes: storage_type;
    ConfigurationTypes: configuration_type;
    StorageDomainTypes: storage_domain_type;
    VmTypes: vm_type;
    BootDevices: boot_device;
    DisplayTypes: display_type;
    NicInterfaces: nic_interface;
    OsTypes: os_type;
    DiskFormats: disk_format;
    GraphicsTypes: graphics_types;
    DiskStorageTypes: disk_storage_type;
    DiskInterfaces: disk_interface;
    VmAffinities: affinity;
    BootProtocols: boot_protocol;
    ErrorHandlingOptions: on_error;
    StorageFormats: format;
    CreationStates: creation_state;
    PowerManagementStates: power_management_state;
    HostStates: host_state;
    ExternalStatuses: external_status;
    HostProtocols: host_protocol;
    HostNonOperationalDetails: host_non_operational_detail;
    NetworkStates: network_state;
    StorageDomainStates: storage_domain_state;
    TemplateStates: template_state;
    VmStates: vm_state;
    VmPauseDetails: vm_pause_detail;
    DiskStates: disk_state;
    HostNicStates: host_nic_state;
    DataCenterStates: data_center_state;
    VmDeviceTypes: vm_device_types;
    NfsVersions: nfs_version;
    PmProxyTypes: r#type;
    CpuModes: cpu_mode;
    ScsiGenericIoOptions: sgio_options;
    WatchdogModels: model;
    WatchdogActions: action;
    AuthenticationMethods: authentication_method;
    KdumpStates: kdump_status;
    SpmStates: spm_state;
    VmPoolTypes: vm_pool_type;
    StepTypes: step_type;
    PayloadEncodings: payload_encodings;
    GlusterVolumeTypes: gluster_volume_type;
    TransportTypes: transport_type;
    GlusterStates: state;
    ReportedDeviceTypes: reported_device_type;
    IpVersions: ip_version;
    SnapshotStatuses: snapshot_status;
    ContentTypes: content_type;
    HookStates: hook_state;
    Stages: stage;
    SsoMethodNames: sso_method;
    SerialNumberPolicies: serial_number_policy;
    SeLinuxModes: selinux_mode;
    RngSources: source;
    SchedulingPolicyUnitTypes: scheduling_policy_unit_type;
    QosTypes: qos_type;
    InheritableBooleans: inheritable_boolean;
    NetworkPluginTypes: network_plugin_type;
    MessageBrokerTypes: message_broker_type;
    DisplayDisconnectActions: display_disconnect_action;
    QuotaModeTypes: quota_mode_type;
    PolicyNames: policy;
}
