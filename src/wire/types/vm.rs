//! Virtual machines.

use super::*;
use crate::wire::Date;

machine! {
    /// A virtual machine.
    Vm = "vm" {
        stop_reason: Option<String>,
        host: Option<Ref>,
        template: Option<Ref>,
        instance_type: Option<Ref>,
        start_time: Option<Date>,
        stop_time: Option<Date>,
        run_once: Option<bool>,
        payloads: Option<Payloads>,
        statistics: Option<Statistics>,
        disks: Option<Disks>,
        initialization: Option<Initialization>,
        nics: Option<Nics>,
        tags: Option<Tags>,
        snapshots: Option<Snapshots>,
        placement_policy: Option<PlacementPolicy>,
        guest_info: Option<GuestInfo>,
        quota: Option<Ref>,
        vm_pool: Option<Ref>,
        cdroms: Option<Cdroms>,
        floppies: Option<Floppies>,
        reported_devices: Option<ReportedDevices>,
        watchdogs: Option<Watchdogs>,
        use_latest_template_version: Option<bool>,
        next_run_configuration_exists: Option<bool>,
        numa_tune_mode: Option<String>,
        permissions: Option<Permissions>,
        guest_time_zone: Option<TimeZone>,
        guest_operating_system: Option<GuestOperatingSystem>,
    }
}

collection! {
    /// A list of `vm`.
    Vms = "vms" {
        vm: Vec<Vm>,
    }
}
