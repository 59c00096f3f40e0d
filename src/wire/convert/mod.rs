//! Between the API's documents and the model: what a request says becomes values that are known
//! to be of their kind, and what is becomes a document.

mod access;
mod affinity;
mod cdrom;
mod console;
mod disk;
mod guest;
mod history;
mod host_device;
mod initialization;
mod instance_type;
mod limits;
mod names;
mod network;
mod nic;
mod numa;
mod place;
mod snapshot;
mod template;
mod vm;
mod vm_pool;

pub use access::{bookmark, everyone, group, permission, permits, role, root_tag, ssh_key, tag};
pub use affinity::affinity_group;
pub use cdrom::{CDROM, cdrom, medium};
pub use console::{change_watchdog, console_id, console_protocol, graphics_console, watchdog};
pub use disk::{DiskPlace, DiskRequest, disk, has_password, host_lun, lun};
pub use guest::{
    applications, console_session, guest_info, guest_session, guest_system, guest_time_zone, reported_device,
};
pub use history::{event, job, step};
pub use host_device::{host_device, host_device_id, host_device_name, vm_host_device};
pub use initialization::{change_initialization, initialization, payloads, shown_payloads};
pub use instance_type::{
    change_instance_type_nic, instance_type_console, instance_type_nic, instance_type_watchdog,
};
pub use limits::{
    cluster_limit, limit_of_memory, limit_of_storage, limit_of_vcpus, qos, quota, storage_limit,
};
pub use names::{Named, named};
pub use network::{cluster_network, network, network_change, profile_change, vnic_profile};
pub use nic::{NicRequest, is_named, nic};
pub use numa::{NumaRequest, host_numa_node, vm_numa_node};
pub use place::*;
pub use snapshot::{
    active_snapshot, disk_snapshot, saved_cdrom, saved_disk, saved_nic, snapshot, snapshot_of_disk,
};
pub use template::{
    instance_type, instance_type_as_vm, template, template_as_vm, template_cdrom, template_console,
    template_disk, template_nic, template_watchdog,
};
pub use vm::{
    RunState, RunningConsole, boot_devices, change_vm, custom_properties, icon, set_keyboard_layout, vm,
};
pub use vm_pool::{change_pool_hardware, vm_pool};

use crate::error::{Error, Result};
use crate::wire::types::Ref;
use std::str::FromStr;

/// The path of every resource begins with it, whatever prefix the request came in on.
pub const API: &str = "/ovirt-engine/api";

/// A text of the model; an empty one is not told.
fn unless_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A reference to an item of a top-level collection.
pub fn reference(collection: &str, id: impl std::fmt::Display) -> Ref {
    Ref::at(format!("{API}/{collection}/{id}"), id)
}

/// The id in a reference; what is no GUID names nothing.
pub fn id_of<T: FromStr>(reference: &Ref, noun: &str) -> Result<Option<T>> {
    match reference.id.as_deref() {
        None => Ok(None),
        Some(text) => parse_id(text, noun).map(Some),
    }
}

/// An id as a client wrote it.
pub fn parse_id<T: FromStr>(text: &str, noun: &str) -> Result<T> {
    let id = (text.len() == 36).then(|| text.parse().ok()).flatten();
    id.ok_or_else(|| Error::not_found(format!("{noun}: id={text}")))
}
