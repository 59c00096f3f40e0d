//! The table: what version 3 says differently, one line each, under the struct it belongs to.
//!
//! Rules are applied from left to right towards version 3 and from right to left back, so that what
//! stands first has version 4's names before it.

use super::v3::Rule::{
    self, Also, Attrs, Bare, Link, Lower, Mentioned, Move, Only4, Rename, Spread, Synonym, Text, Twins,
    Upper, Wrap,
};

/// Root elements of another name: version 4, version 3.
pub const ROOTS: &[(&str, &str)] = &[("vm_pool", "vmpool"), ("vm_pools", "vmpools")];

/// What holds for every struct.
pub const EVERYWHERE: &[Rule] = &[Wrap("creation_status", "state")];

const STATUS: Rule = Wrap("status", "state");
const DETAIL: Rule = Move("status_detail", "status/detail");

/// Those of a disk, and more.
macro_rules! disk {
    ($($more:expr),*) => {
        &[
            Lower(&["interface", "format", "sgio", "storage_type"]),
            Only4(&["content_type", "qcow_version", "total_size"]),
            Also("provisioned_size", "size"),
            STATUS,
            $($more),*
        ]
    };
}

/// The differences by struct.
pub const RULES: &[(&str, &[Rule])] = &[
    (
        "Vm",
        &[
            Lower(&["type", "numa_tune_mode"]),
            STATUS,
            DETAIL,
            Also("time_zone/name", "timezone"),
            Rename("vm_pool", "vmpool"),
        ],
    ),
    ("Template", &[Lower(&["type"]), STATUS, DETAIL, Also("time_zone/name", "timezone")]),
    ("InstanceType", &[Lower(&["type"]), STATUS, DETAIL, Also("time_zone/name", "timezone")]),
    ("VmPools", &[Rename("vm_pool", "vmpool")]),
    ("Permission", &[Rename("vm_pool", "vmpool")]),
    ("Cpu", &[Lower(&["mode"]), Rename("type", "id"), Upper("architecture")]),
    ("CpuTopology", &[Attrs(&["sockets", "cores", "threads"])]),
    ("CpuTune", &[Bare("vcpu_pins", "vcpu_pin")]),
    ("VcpuPin", &[Attrs(&["vcpu", "cpu_set"])]),
    ("Core", &[Attrs(&["index", "socket"])]),
    (
        "OperatingSystem",
        &[
            Lower(&["boot/devices/device"]),
            Spread { list: "boot/devices/device", item: "boot", key: "dev" },
            Attrs(&["type"]),
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
    ("Payload", &[Lower(&["type"]), Attrs(&["type"])]),
    ("Ip", &[Lower(&["version"]), Attrs(&["address", "netmask", "gateway", "version"])]),
    ("Mac", &[Attrs(&["address"])]),
    ("PlacementPolicy", &[Lower(&["affinity"]), Also("hosts/host", "host")]),
    ("Configuration", &[Lower(&["type"])]),
    ("Snapshot", &[Rename("snapshot_type", "type")]),
    ("Disk", disk!(Synonym("wipe_after_disk", "wipe_after_delete"), Twins("alias", "name"))),
    ("DiskSnapshot", disk!()),
    ("HostStorage", &[Lower(&["type"]), Bare("logical_units", "logical_unit")]),
    ("VolumeGroup", &[Bare("logical_units", "logical_unit")]),
    ("LogicalUnit", &[Lower(&["status"])]),
    (
        "Nic",
        &[Lower(&["interface", "boot_protocol"]), Also("plugged", "active"), Synonym("type", "interface")],
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
            Attrs(&["values/type"]),
        ],
    ),
    ("GraphicsConsole", &[Upper("protocol")]),
    ("Watchdog", &[Lower(&["model", "action"])]),
    // Whoever mentions it wants to keep the disk.
    ("Action", &[Lower(&["fence_type"]), STATUS, Mentioned("detach")]),
    ("Creation", &[STATUS]),
    ("Job", &[STATUS]),
    ("Step", &[STATUS]),
    ("Event", &[Lower(&["severity"])]),
    ("StorageDomain", &[Lower(&["type", "storage_format"]), STATUS, Wrap("external_status", "state")]),
    ("DataCenter", &[Lower(&["storage_type", "storage_format", "quota_mode"]), STATUS]),
    ("ErrorHandling", &[Lower(&["on_error"])]),
    ("SchedulingPolicy", &[Lower(&["policy"])]),
    ("SchedulingPolicyThresholds", &[Attrs(&["low", "high", "duration"])]),
    ("Host", &[STATUS, DETAIL, Wrap("external_status", "state")]),
    ("StorageManager", &[Attrs(&["priority"]), Text("value")]),
    ("Spm", &[STATUS]),
    ("PowerManagement", &[STATUS, Attrs(&["type"])]),
    ("FenceOption", &[Attrs(&["name", "value", "type"])]),
    ("HostNic", &[STATUS]),
    ("Network", &[Lower(&["usages/usage"]), STATUS]),
    ("VnicPassThrough", &[Lower(&["mode"])]),
    ("Qos", &[Lower(&["type"]), Attrs(&["type"])]),
    ("RsdlHeader", &[Attrs(&["required"])]),
    ("RsdlParameter", &[Attrs(&["required", "type", "context"])]),
    ("RsdlBody", &[Attrs(&["required"])]),
    ("ProductInfo", &[Move("version/full_version", "full_version")]),
    ("SpecialObjects", &[Link("blank_template", "templates/blank"), Link("root_tag", "tags/root")]),
];
