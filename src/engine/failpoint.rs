//! Places where a crash test stops the daemon as a power cut would, or holds it while others die.
//!
//! A build with feature `failpoints` aborts at the point that `VIREO_FAILPOINT` names, or stops there
//! once, until it is continued, if that is `stop:` and the name; any other build compiles these calls
//! to nothing.

/// Every failpoint, in the order in which an operation passes them.
pub const ALL: &[&str] = &[
    "create_vm.intended",
    "create_vm.filled",
    "create_vm.defined",
    "unregister_vm.intended",
    "unregister_vm.undefined",
    "export.intended",
    "export.carried",
    "export.written",
    "remove_export.intended",
    "remove_export.forgotten",
    "import.intended",
    "import.carried",
    "import_template.intended",
    "import_template.carried",
    "update_vm.intended",
    "update_vm.defined",
    "update_vm.live",
    "remove_vm.intended",
    "remove_vm.undefined",
    "remove_vm.image_removed",
    "add_disk.intended",
    "add_disk.created",
    "add_disk.plugged",
    "attach_disk.intended",
    "attach_disk.plugged",
    "borrow_disk.intended",
    "borrow_disk.overlaid",
    "plug_disk.intended",
    "plug_disk.plugged",
    "unplug_disk.intended",
    "unplug_disk.asked",
    "unplug_disk.gone",
    "unplug_disk.defined",
    "remove_disk.intended",
    "remove_disk.defined",
    "remove_disk.wiped",
    "remove_disk.removed",
    "update_disk.intended",
    "update_disk.defined",
    "resize_disk.resized",
    "add_nic.intended",
    "update_nic.intended",
    "nic.live",
    "nic.defined",
    "unplug_nic.asked",
    "unplug_nic.gone",
    "remove_nic.intended",
    "remove_nic.defined",
    "reorder_macs.intended",
    "reorder_macs.defined",
    "move_disk.intended",
    "move_disk.live",
    "move_disk.pivoted",
    "move_disk.copied",
    "move_disk.switched",
    "move_disk.defined",
    "copy_disk.intended",
    "copy_disk.copied",
    "add_storage_domain.intended",
    "add_storage_domain.marked",
    "update_storage_domain.intended",
    "update_storage_domain.pooled",
    "remove_storage_domain.intended",
    "remove_storage_domain.pooled",
    "add_network.intended",
    "add_network.made",
    "update_network.intended",
    "remove_network.intended",
    "remove_network.gone",
    "update_profile.intended",
    "update_profile.brought",
    "limit_disks.intended",
    "limit_disks.brought",
    "create_template.intended",
    "create_template.filled",
    "remove_template.intended",
    "remove_template.removed",
    "begin_stateless.intended",
    "follow_version.intended",
    "follow_version.filled",
    "end_stateless.intended",
    "wake_vm.intended",
    "wake_vm.restored",
    "wake_vm.noted",
    "create_snapshot.intended",
    "create_snapshot.overlaid",
    "create_snapshot.switched",
    "create_snapshot.defined",
    "remove_snapshot.intended",
    "remove_snapshot.marked",
    "remove_snapshot.live",
    "remove_snapshot.written",
    "remove_snapshot.merged",
    "remove_snapshot.image_removed",
    "restore_snapshot.intended",
    "restore_snapshot.overlaid",
    "restore_snapshot.switched",
    "restore_snapshot.defined",
    "end_preview.intended",
    "end_preview.defined",
    "start.media",
    "start.called",
    "stop.called",
    "suspend.called",
    "undo.begun",
];

/// Aborts or stops when this is the point that `VIREO_FAILPOINT` names.
#[cfg(feature = "failpoints")]
pub fn hit(name: &'static str) {
    use nix::sys::signal::{Signal, raise};
    use std::sync::OnceLock;
    debug_assert!(ALL.contains(&name), "the failpoint {name} is not listed");
    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    static STOPPED: OnceLock<()> = OnceLock::new();
    let Some(wanted) = WANTED.get_or_init(|| std::env::var("VIREO_FAILPOINT").ok()) else { return };
    if wanted == name {
        eprintln!("failpoint {name}: aborting");
        std::process::abort();
    }
    if wanted.strip_prefix("stop:") == Some(name) && STOPPED.set(()).is_ok() {
        eprintln!("failpoint {name}: stopping");
        raise(Signal::SIGSTOP).expect("a process may stop itself");
    }
}

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &'static str) {}
