//! `/capabilities`: every word that the API knows, by level of compatibility. There is one level.

use super::app::App;
use super::cpus;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::OPERATING_SYSTEMS;
use crate::model::vm::CUSTOM_PROPERTIES;
use crate::wire::convert;
use crate::wire::types::*;
use std::sync::Arc;
use uuid::{Uuid, uuid};

/// The bytes of `3.6`.
const LEVEL: Uuid = uuid!("332e3600-0000-0000-0000-000000000000");

/// `GET /capabilities`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(Capabilities {
        version: vec![level(&app, &request)],
        permits: Some(convert::permits()),
        ..Capabilities::default()
    }))
}

/// `GET /capabilities/{level}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let id: Uuid = request.id("level")?;
    if id == LEVEL { Ok(Reply::ok(level(&app, &request))) } else { Err(Error::not_found(id).into()) }
}

/// A list of words.
fn words<T: FromIterator<&'static str>>(text: &'static str) -> Option<T> {
    Some(text.split(", ").collect())
}

fn level(app: &App, request: &Request) -> CapabilitiesVersion {
    // A user's view says nothing of hosts.
    let administrates = !request.filter;
    CapabilitiesVersion {
        href: Some(links::href("/capabilities/{level}", &[&LEVEL])),
        id: Some(LEVEL.to_string()),
        major: Some(3),
        minor: Some(6),
        current: Some(true),
        cpus: administrates.then(|| Cpus { cpu: cpus::all(app) }),
        // Hosts cannot be switched on and off from outside.
        power_managers: administrates.then(PowerManagers::default),
        fence_types: words("manual, restart, start, stop, status"),
        storage_types: words("iscsi, fcp, nfs, localfs, posixfs, glusterfs"),
        configuration_types: words("ovf"),
        storage_domain_types: words("data, iso, export, image, volume"),
        vm_types: words("desktop, server"),
        boot_devices: words("cdrom, hd, network"),
        display_types: words("vnc, spice"),
        nic_interfaces: words("e1000, virtio, rtl8139, rtl8139_virtio, spapr_vlan, pci_passthrough"),
        os_types: Some(OPERATING_SYSTEMS.iter().map(|(_, name, _)| *name).collect()),
        disk_formats: words("cow, raw"),
        graphics_types: words("spice, vnc"),
        disk_storage_types: words("image, lun, cinder"),
        disk_interfaces: words("ide, virtio_scsi, virtio, spapr_vscsi"),
        vm_affinities: words("migratable, user_migratable, pinned"),
        custom_properties: Some(custom_properties()),
        boot_protocols: words("dhcp, static, none"),
        error_handling: words("migrate, do_not_migrate, migrate_highly_available"),
        storage_formats: words("v1, v2, v3"),
        creation_states: words("pending, in_progress, complete, failed"),
        power_management_states: words("on, off, unknown"),
        host_states: words(
            "down, error, initializing, installing, install_failed, maintenance, non_operational, \
             non_responsive, pending_approval, preparing_for_maintenance, connecting, reboot, unassigned, up, \
             installing_os, kdumping",
        ),
        external_statuses: words("ok, info, warning, error, failure"),
        host_protocols: words("xml, stomp"),
        network_states: words("operational, non_operational"),
        storage_domain_states: words(
            "active, inactive, locked, mixed, unattached, maintenance, preparing_for_maintenance, detaching, \
             activating, unknown",
        ),
        template_states: words("illegal, locked, ok"),
        vm_states: words(
            "unassigned, down, up, powering_up, paused, migrating, unknown, not_responding, wait_for_launch, \
             reboot_in_progress, saving_state, restoring_state, suspended, image_locked, powering_down",
        ),
        vm_pause_details: words("none, eother, eio, enospc, eperm, noerr"),
        disk_states: words("illegal, locked, ok"),
        host_nic_states: words("down, up"),
        data_center_states: words("uninitialized, up, maintenance, not_operational, problematic, contend"),
        vm_device_types: words("floppy, cdrom"),
        permits: Some(convert::permits()),
        scheduling_policies: words("evenly_distributed, power_saving, none, vm_evenly_distributed"),
        usages: words("display, vm, migration, management"),
        nfs_versions: words("auto, v3, v4, v4_1"),
        pm_proxy_types: words("cluster, dc, other_dc"),
        cpu_modes: words("custom, host_model, host_passthrough"),
        sgio_options: words("filtered, unfiltered"),
        watchdog_models: words("i6300esb"),
        watchdog_actions: words("none, reset, poweroff, pause, dump"),
        authentication_methods: words("password, publickey"),
        kdump_states: words("unknown, disabled, enabled"),
        spm_states: words("none, contending, spm"),
        vm_pool_types: words("automatic, manual"),
        step_types: words("validating, executing, finalizing, rebalancing_volume, removing_bricks, unknown"),
        payload_encodings: words("base64, plaintext"),
        gluster_volume_types: words(
            "distribute, replicate, distributed_replicate, stripe, distributed_stripe, striped_replicate, \
             distributed_striped_replicate",
        ),
        transport_types: words("tcp, rdma"),
        gluster_volume_states: words("up, down, unknown"),
        brick_states: words("up, down, unknown"),
        reported_device_types: words("network"),
        ip_versions: words("v4, v6"),
        snapshot_statuses: words("ok, locked, in_preview"),
        content_types: words("text, binary"),
        hook_states: words("enabled, disabled, missing"),
        stages: words("pre, post"),
        architecture_capabilities: Some(architecture_capabilities()),
        serial_number_policies: words("host, vm, custom"),
        selinux_modes: words("enforcing, permissive, disabled"),
        rng_sources: words("RANDOM, HWRNG"),
        scheduling_policy_unit_types: words("filter, weight, load_balancing"),
        qos_types: words("storage, cpu, network, hostnetwork"),
        inheritable_booleans: words("true, false, inherit"),
        network_plugin_types: words("open_vswitch"),
        message_broker_types: words("qpid, rabbit_mq"),
        display_disconnect_actions: words("NONE, LOCK_SCREEN, REBOOT, LOGOUT, SHUTDOWN"),
        quota_mode_types: words("enabled, disabled, audit"),
        ..CapabilitiesVersion::default()
    }
}

/// What VMs may be told beyond the API's own words.
fn custom_properties() -> CustomProperties {
    let one = |(name, pattern): &(&str, &str)| CustomProperty {
        name: Some((*name).to_owned()),
        regexp: Some((*pattern).to_owned()),
        value: None,
    };
    CustomProperties { custom_property: CUSTOM_PROPERTIES.iter().map(one).collect() }
}

fn architecture_capabilities() -> ArchitectureCapabilities {
    let on_x86 = |name: &str| ArchitectureCapability {
        name: Some(name.to_owned()),
        architectures: vec!["X86_64".to_owned()],
    };
    ArchitectureCapabilities { architecture_capability: vec![on_x86("memory snapshot"), on_x86("suspend")] }
}
