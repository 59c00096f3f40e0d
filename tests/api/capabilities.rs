//! The entry point, the schema and the words that the API knows.

use super::*;

#[tokio::test]
async fn the_entry_point_says_what_this_is() {
    let sim = Sim::start().await;
    let got = sim.get("").await.is(200);
    assert_eq!(got.at("product_info/name"), "vireo");
    let version = got.xml().at("product_info/version").cloned().unwrap();
    let numbers =
        ["major", "minor", "build", "revision"].map(|name| version.get(name).unwrap_or("").to_owned());
    assert_eq!(numbers, ["3", "6", "0", "0"]);
    let special = got.xml().at("special_objects/link").cloned().unwrap();
    assert_eq!(special.get("rel"), Some("templates/blank"));
    assert_eq!(special.get("href"), Some(format!("/ovirt-engine/api/templates/{BLANK}").as_str()));
    assert!(got.header("link").contains("<https://vireo:8443/ovirt-engine/api/vms>; rel=vms,"));
    let head = sim.send("HEAD", "", &[], "").await.is(200);
    assert_eq!(head.header("link"), got.header("link"));
    let json = sim.send("GET", "", &[("accept", "application/json")], "").await.json();
    assert_eq!(json["product_info"]["version"]["major"], "3");
    assert_eq!(json["summary"]["hosts"]["total"], "1");
    assert!(json["time"].is_number());
}

#[tokio::test]
async fn a_users_view_says_nothing_of_hosts() {
    let sim = Sim::start().await;
    for (filter, there) in [("false", 1), ("true", 0)] {
        let got = sim.send("GET", "/capabilities", &[("filter", filter)], "").await.is(200);
        for part in ["version/cpus", "version/power_managers"] {
            assert_eq!(got.xml().every(part).len(), there, "{part}");
        }
    }
}

#[tokio::test]
async fn the_schema_is_handed_out() {
    let sim = Sim::start().await;
    let got = sim.get("?schema").await.is(200);
    assert_eq!(got.header("content-type"), "application/octet-stream");
    assert_eq!(got.header("content-disposition"), "attachment; filename = ovirt-engine-api-schema.xsd");
    assert!(got.xml().name == "xs:schema");
}

#[tokio::test]
async fn every_word_of_the_contract_is_known() {
    let sim = Sim::start().await;
    let got = sim.get("/capabilities").await.is(200);
    let level = got.xml().first("version").cloned().unwrap();
    for (list, words) in [
        ("boot_devices/boot_device", "cdrom hd network"),
        ("display_types/display_type", "vnc spice"),
        ("disk_formats/disk_format", "cow raw"),
        ("disk_interfaces/disk_interface", "ide virtio_scsi virtio spapr_vscsi"),
        ("nic_interfaces/nic_interface", "e1000 virtio rtl8139 rtl8139_virtio spapr_vlan pci_passthrough"),
        ("vm_affinities/affinity", "migratable user_migratable pinned"),
        ("disk_states/disk_state", "illegal locked ok"),
        ("cpu_modes/cpu_mode", "custom host_model host_passthrough"),
        ("rng_sources/source", "RANDOM HWRNG"),
        ("graphics_types/graphics_types", "spice vnc"),
        ("sgio_options/sgio_options", "filtered unfiltered"),
        ("error_handling/on_error", "migrate do_not_migrate migrate_highly_available"),
        ("scheduling_policies/policy", "evenly_distributed power_saving none vm_evenly_distributed"),
    ] {
        let found: Vec<String> = level.every(list).iter().map(|word| word.content()).collect();
        assert_eq!(found.join(" "), words, "{list}");
    }
    for list in [
        "cpus",
        "power_managers",
        "vm_types",
        "authentication_methods",
        "storage_types",
        "storage_domain_types",
        "fence_types",
        "disk_storage_types",
        "custom_properties",
        "vm_device_types",
        "boot_protocols",
        "storage_formats",
        "os_types",
        "nfs_versions",
        "creation_states",
        "storage_domain_states",
        "power_management_states",
        "host_states",
        "external_statuses",
        "host_protocols",
        "network_states",
        "template_states",
        "vm_states",
        "vm_pause_details",
        "host_nic_states",
        "data_center_states",
        "usages",
        "pm_proxy_types",
        "reported_device_types",
        "ip_versions",
        "watchdog_actions",
        "watchdog_models",
        "configuration_types",
        "snapshot_statuses",
        "payload_encodings",
        "serial_number_policies",
        "selinux_modes",
        "kdump_states",
        "spm_states",
        "vm_pool_types",
        "step_types",
        "scheduling_policy_unit_types",
        "qos_types",
        "inheritable_booleans",
        "quota_mode_types",
        "display_disconnect_actions",
        "gluster_volume_types",
        "transport_types",
        "gluster_volume_states",
        "brick_states",
        "content_types",
        "stages",
        "hook_states",
        "architecture_capabilities",
        "network_plugin_types",
        "message_broker_types",
        "permits",
    ] {
        assert!(level.first(list).is_some(), "{list}");
    }
    let permits = level.every("permits/permit");
    let login = permits.iter().find(|permit| permit.get("id") == Some("1300")).unwrap();
    assert_eq!(
        (login.value("name"), login.value("administrative")),
        (Some("login".into()), Some("false".into()))
    );
    let properties = level.every("custom_properties/custom_property");
    assert_eq!(properties[0].get("regexp"), Some("^(kvm|tcg)$"));
    // What the host's libvirt does not offer is no processor of a cluster.
    let cpus: Vec<_> = level.every("cpus/cpu").iter().map(|cpu| cpu.get("id").unwrap().to_owned()).collect();
    assert_eq!(
        cpus,
        ["Intel Nehalem Family", "Intel Westmere Family", "Intel SandyBridge Family", "Intel Haswell Family"]
    );
    assert_eq!(sim.get("/clusters").await.at("cluster/cpu/@id"), "Intel Haswell Family");
    let id = level.get("id").unwrap();
    assert_eq!(sim.get(&format!("/capabilities/{id}")).await.is(200).xml(), level);
}
