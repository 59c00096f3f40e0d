//! `/capabilities`: every word that the API knows, by level of compatibility. There is one level.

use super::app::App;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::wire::types::*;
use std::sync::Arc;
use uuid::{Uuid, uuid};

/// The bytes of `3.6`.
const LEVEL: Uuid = uuid!("332e3600-0000-0000-0000-000000000000");

/// Operating systems by the names that VMs are made with.
const OS_TYPES: &str = "other, windows_xp, windows_2003, windows_2008, other_linux, rhel_5, rhel_4, rhel_3, \
    windows_2003x64, windows_7, windows_7x64, rhel_5x64, rhel_4x64, rhel_3x64, windows_2008x64, \
    windows_2008R2x64, rhel_6, rhel_6x64, windows_8, windows_8x64, windows_2012x64, rhel_7x64, windows_10, \
    windows_10x64, sles_11, ubuntu_12_04, ubuntu_12_10, ubuntu_13_04, ubuntu_13_10, ubuntu_14_04, debian_7, \
    freebsd, freebsdx64";

/// `GET /capabilities`
pub async fn list(_: Arc<App>, _: Request) -> Answer {
    Ok(Reply::ok(Capabilities { version: vec![level()], ..Capabilities::default() }))
}

/// `GET /capabilities/{level}`
pub async fn show(_: Arc<App>, request: Request) -> Answer {
    let id: Uuid = request.id("level")?;
    if id == LEVEL { Ok(Reply::ok(level())) } else { Err(Error::not_found(id).into()) }
}

/// A list of words.
fn words<T: FromIterator<&'static str>>(text: &'static str) -> Option<T> {
    Some(text.split(", ").collect())
}

fn level() -> CapabilitiesVersion {
    CapabilitiesVersion {
        href: Some(links::href("/capabilities/{level}", &[&LEVEL])),
        id: Some(LEVEL.to_string()),
        major: Some(3),
        minor: Some(6),
        current: Some(true),
        cpus: Some(Cpus { cpu: cpus().collect() }),
        fence_types: words("manual, restart, start, stop, status"),
        storage_types: words("iscsi, fcp, nfs, localfs, posixfs, glusterfs"),
        configuration_types: words("ovf"),
        storage_domain_types: words("data, iso, export, image, volume"),
        vm_types: words("desktop, server"),
        boot_devices: words("cdrom, hd, network"),
        display_types: words("vnc, spice"),
        nic_interfaces: words("e1000, virtio, rtl8139, rtl8139_virtio, spapr_vlan, pci_passthrough"),
        os_types: words(OS_TYPES),
        disk_formats: words("cow, raw"),
        graphics_types: words("spice, vnc"),
        disk_storage_types: words("image, lun, cinder"),
        disk_interfaces: words("ide, virtio_scsi, virtio, spapr_vscsi"),
        vm_affinities: words("migratable, user_migratable, pinned"),
        custom_properties: Some(CustomProperties { custom_property: vec![accelerator()] }),
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

/// Processors from the plainest on, per vendor.
fn cpus() -> impl Iterator<Item = Cpu> {
    let intel = ["Conroe", "Penryn", "Nehalem", "Westmere", "SandyBridge", "Haswell-noTSX", "Haswell"]
        .into_iter()
        .map(|name| format!("Intel {name} Family"));
    let amd = (1..=5).map(|generation| format!("AMD Opteron G{generation}"));
    let numbered = |names: Vec<String>| names.into_iter().zip(3..);
    numbered(intel.collect()).chain(numbered(amd.collect())).map(|(name, level)| Cpu {
        r#type: Some(name),
        level: Some(level),
        architecture: Some("X86_64".to_owned()),
        ..Cpu::default()
    })
}

/// Whether a VM runs on the processor or is emulated.
fn accelerator() -> CustomProperty {
    CustomProperty { name: Some("accelerator".into()), regexp: Some("kvm|tcg".into()), value: None }
}

fn architecture_capabilities() -> ArchitectureCapabilities {
    let on_x86 = |name: &str| ArchitectureCapability {
        name: Some(name.to_owned()),
        architectures: vec!["X86_64".to_owned()],
    };
    ArchitectureCapabilities { architecture_capability: vec![on_x86("memory snapshot"), on_x86("suspend")] }
}
