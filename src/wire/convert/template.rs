//! Templates, and what belongs to them.

use super::{
    API, CDROM, DiskPlace, Named, RunState, cdrom, disk, graphics_console, nic, reference, vm, watchdog,
};
use crate::model::vm::{Protocol, Watchdog};
use crate::model::*;
use crate::wire::types::{self, Ref};
use std::fmt::Display;

/// What the documents of VMs and templates share, from one to the other.
macro_rules! shared {
    ($from:ident as $name:ident) => {
        shared!($from $name: name description comment r#type memory cpu cpu_shares bios os cluster
            creation_time origin stateless delete_protected high_availability display sso rng_device console usb
            soundcard_enabled tunnel_migration migration_downtime migration virtio_scsi serial_number start_paused
            domain cpu_profile io custom_properties custom_emulated_machine custom_cpu_model time_zone
            small_icon large_icon memory_policy)
    };
    ($from:ident $name:ident: $($field:ident)*) => {
        types::$name { $($field: $from.$field,)* ..types::$name::default() }
    };
}

/// The template as a document; links and actions are the caller's.
pub fn template(it: &Template) -> types::Template {
    // What a template has no cluster for is not told.
    let cluster = it.cluster.unwrap_or(ClusterId(it.id.0));
    let row = Vm::new(VmId(it.id.0), cluster, it.id, it.created, it.spec.clone());
    let machine = vm(&row, &it.spec, &RunState::default(), true);
    let version = types::TemplateVersion {
        base_template: Some(reference("templates", it.base)),
        version_number: i32::try_from(it.version).ok(),
        version_name: Some(it.version_name.clone()),
    };
    let made = it.cluster.is_some();
    types::Template {
        href: Some(at(it.id)),
        id: Some(it.id.to_string()),
        status: Some(it.status.name().into()),
        cluster: it.cluster.map(|cluster| reference("clusters", cluster)),
        creation_time: made.then(|| it.created.into()),
        version: Some(version),
        ..shared!(machine as Template)
    }
}

/// What a request says of a template's configuration, in the words that VMs have for it.
pub fn template_as_vm(document: types::Template) -> types::Vm {
    shared!(document as Vm)
}

/// The instance type as a document: a template that has neither cluster nor system.
pub fn instance_type(it: &InstanceType) -> types::InstanceType {
    let row = Vm::new(VmId(it.id.0), ClusterId(it.id.0), BLANK, jiff::Timestamp::UNIX_EPOCH, it.spec.clone());
    let machine = vm(&row, &it.spec, &RunState::default(), true);
    types::InstanceType {
        href: reference("instancetypes", it.id).href,
        id: Some(it.id.to_string()),
        cluster: None,
        creation_time: None,
        status: Some(TemplateStatus::Ok.name().into()),
        ..shared!(machine as InstanceType)
    }
}

/// What a request says of an instance type, in the words that VMs have for it.
pub fn instance_type_as_vm(document: types::InstanceType) -> types::Vm {
    shared!(document as Vm)
}

fn at(template: TemplateId) -> String {
    format!("{API}/templates/{template}")
}

/// Where something of a template is: nothing of it is a VM's.
fn part(template: TemplateId, collection: &str, id: impl Display) -> (Option<String>, Option<Ref>) {
    (Some(format!("{}/{collection}/{id}", at(template))), Some(reference("templates", template)))
}

/// A template's disk with all storage domains that have it.
pub fn template_disk(
    template: TemplateId,
    of: &Disk,
    actual_size: u64,
    places: &[StorageDomainId],
) -> types::Disk {
    let (href, template) = part(template, "disks", of.id);
    let storage_domains = Some(places.iter().map(|place| Ref::bare(*place)).collect());
    let document = disk(of, DiskPlace::Floating, actual_size, &[]);
    types::Disk { href, template, active: Some(true), storage_domains, ..document }
}

pub fn template_nic(template: TemplateId, of: &Nic) -> types::Nic {
    let (href, template) = part(template, "nics", of.id);
    types::Nic { href, template, vm: None, mac: None, ..nic(of, &of.port_mirroring) }
}

pub fn template_cdrom(template: TemplateId, medium: Option<String>) -> types::Cdrom {
    let (href, owner) = part(template, "cdroms", CDROM);
    types::Cdrom { href, template: owner, vm: None, ..cdrom(VmId(template.0), medium) }
}

pub fn template_watchdog(template: TemplateId, of: Watchdog) -> types::Watchdog {
    let document = watchdog(VmId(template.0), of);
    let (href, template) = part(template, "watchdogs", document.id.clone().unwrap_or_default());
    types::Watchdog { href, template, vm: None, ..document }
}

pub fn template_console(template: TemplateId, protocol: Protocol) -> types::GraphicsConsole {
    let document = graphics_console(VmId(template.0), protocol);
    let (href, template) = part(template, "graphicsconsoles", document.id.clone().unwrap_or_default());
    types::GraphicsConsole { href, template, vm: None, ..document }
}
