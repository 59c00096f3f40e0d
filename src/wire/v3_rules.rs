//! The table: what version 3 says differently, one line each, under the struct it belongs to.
//!
//! Rules are applied from left to right towards version 3 and from right to left back.

use super::v3::Rule::{
    self, Also, Attrs, Bare, Link, Lower, Move, Only4, Rename, Spread, Synonym, Text, Upper, Wrap,
};

/// Root elements of another name: version 4, version 3.
pub const ROOTS: &[(&str, &str)] = &[("vm_pool", "vmpool"), ("vm_pools", "vmpools")];

/// What holds for every struct.
pub const EVERYWHERE: &[Rule] = &[Wrap("creation_status", "state")];

const STATUS: Rule = Wrap("status", "state");
const DETAIL: Rule = Move("status_detail", "status/detail");

/// The differences by struct.
pub const RULES: &[(&str, &[Rule])] = &[
    (
        "Vm",
        &[
            STATUS,
            DETAIL,
            Also("time_zone/name", "timezone"),
            Rename("vm_pool", "vmpool"),
            Lower(&["type", "numa_tune_mode"]),
        ],
    ),
    ("Template", &[STATUS, Also("time_zone/name", "timezone"), Lower(&["type"])]),
    ("InstanceType", &[Also("time_zone/name", "timezone"), Lower(&["type"])]),
    ("VmPools", &[Rename("vm_pool", "vmpool")]),
    ("Permission", &[Rename("vm_pool", "vmpool")]),
    ("Cpu", &[Rename("type", "id"), Upper("architecture"), Lower(&["mode"]), Attrs(&["id"])]),
    ("CpuTopology", &[Attrs(&["sockets", "cores", "threads"])]),
    ("CpuTune", &[Bare("vcpu_pins", "vcpu_pin")]),
    ("VcpuPin", &[Attrs(&["vcpu", "cpu_set"])]),
    ("Core", &[Attrs(&["index", "socket"])]),
    (
        "OperatingSystem",
        &[
            Spread { list: "boot/devices/device", item: "boot", key: "dev" },
            Attrs(&["type"]),
            Lower(&["type", "boot/devices/device"]),
        ],
    ),
    ("VersionNumber", &[Attrs(&["major", "minor", "build", "revision", "full_version"])]),
    ("CapabilitiesVersion", &[Attrs(&["major", "minor"])]),
    ("Sso", &[Upper("methods/method/id")]),
    ("RngDevice", &[Upper("source")]),
    ("RequiredRngSources", &[Rename("required_rng_source", "source"), Upper("source")]),
    ("SupportedRngSources", &[Rename("supported_rng_source", "source"), Upper("source")]),
    ("Console", &[Attrs(&["enabled"])]),
    ("VirtioScsi", &[Attrs(&["enabled"])]),
    ("Display", &[Lower(&["type"])]),
    ("Usb", &[Lower(&["type"])]),
    ("SerialNumber", &[Lower(&["policy"])]),
    ("MigrationOptions", &[Lower(&["auto_converge", "compressed"])]),
    ("CustomProperty", &[Attrs(&["name", "value", "regexp"])]),
    ("MemoryPolicy", &[Rename("over_commit", "overcommit")]),
    ("MemoryOverCommit", &[Attrs(&["percent"])]),
    ("Payload", &[Attrs(&["type"]), Lower(&["type"])]),
    ("Ip", &[Attrs(&["address", "netmask", "gateway", "version"]), Lower(&["version"])]),
    ("Mac", &[Attrs(&["address"])]),
    ("PlacementPolicy", &[Also("hosts/host", "host"), Lower(&["affinity"])]),
    ("Configuration", &[Lower(&["type"])]),
    ("Snapshot", &[Rename("snapshot_type", "type")]),
    (
        "Disk",
        &[
            Only4(&["content_type", "qcow_version", "total_size"]),
            Also("provisioned_size", "size"),
            STATUS,
            Synonym("wipe_after_disk", "wipe_after_delete"),
            Lower(&["interface", "format", "sgio", "storage_type"]),
        ],
    ),
    ("HostStorage", &[Bare("logical_units", "logical_unit"), Lower(&["type"])]),
    ("VolumeGroup", &[Bare("logical_units", "logical_unit")]),
    ("LogicalUnit", &[Lower(&["status"])]),
    (
        "Nic",
        &[Also("plugged", "active"), Synonym("type", "interface"), Lower(&["interface", "boot_protocol"])],
    ),
    ("NicConfiguration", &[Lower(&["boot_protocol"])]),
    ("NumaNodePin", &[Attrs(&["pinned", "index"])]),
    (
        "Statistic",
        &[
            Move("type", "values/type"),
            Rename("kind", "type"),
            Upper("values/type"),
            Upper("type"),
            Upper("unit"),
        ],
    ),
    ("StatisticValues", &[Attrs(&["type"])]),
    ("GraphicsConsole", &[Upper("protocol")]),
    ("Watchdog", &[Lower(&["model", "action"])]),
    ("Action", &[STATUS, Lower(&["fence_type"])]),
    ("Creation", &[STATUS]),
    ("Job", &[STATUS, Lower(&["status"])]),
    ("Step", &[STATUS]),
    ("Event", &[Lower(&["severity"])]),
    ("StorageDomain", &[STATUS, Wrap("external_status", "state"), Lower(&["type", "storage_format"])]),
    ("DataCenter", &[STATUS, Lower(&["storage_type", "storage_format", "quota_mode"])]),
    ("ErrorHandling", &[Lower(&["on_error"])]),
    ("SchedulingPolicy", &[Lower(&["policy"])]),
    ("SchedulingPolicyThresholds", &[Attrs(&["low", "high", "duration"])]),
    ("Host", &[STATUS, DETAIL, Wrap("external_status", "state")]),
    ("StorageManager", &[Attrs(&["priority"]), Text("value")]),
    ("Spm", &[STATUS]),
    ("PowerManagement", &[STATUS, Attrs(&["type"])]),
    ("FenceOption", &[Attrs(&["name", "value", "type"])]),
    ("HostNic", &[STATUS]),
    ("Network", &[STATUS, Lower(&["usages/usage"])]),
    ("VnicPassThrough", &[Lower(&["mode"])]),
    ("Qos", &[Attrs(&["type"]), Lower(&["type"])]),
    ("ProductInfo", &[Move("version/full_version", "full_version")]),
    ("SpecialObjects", &[Link("blank_template", "templates/blank"), Link("root_tag", "tags/root")]),
];
