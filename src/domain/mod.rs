//! Model to libvirt documents and back. Pure: whatever it needs to know is in the [`Plan`].
//!
//! A domain's document is a template (`domain-templates/`) or the domain's present document,
//! over which the [`PARTS`] run, one after the other; each writes one topic and touches nothing
//! else, so what libvirt assigned and what vireo does not know survives an edit.

mod balloon;
mod boot;
mod cdrom;
mod channel;
mod check;
mod clock;
mod console;
mod controller;
mod cpu;
mod device;
mod disk;
mod foreign;
mod graphics;
mod hostdev;
mod identity;
mod machine;
mod media;
mod memory;
mod network;
mod nic;
mod numa;
mod observe;
mod os;
mod redirect;
mod rng;
mod seed;
mod snapshot;
mod sound;
mod sysprep;
mod target;
pub mod template;
mod tune;
mod video;
mod watchdog;

#[cfg(test)]
mod goldens;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod samples;

pub use boot::spell_out as spell_out_boot_order;
pub use cdrom::{ALIAS as CDROM_ALIAS, with_medium};
pub use check::check;
pub use device::{added_last, boots_last, holds};
pub use disk::{copy_target, device as disk_device, iotune, limits};
pub use foreign::observe_spec;
pub use graphics::tickets as graphics_updates;
pub use hostdev::observe as observe_host_device;
pub use identity::domain_name;
pub use machine::{Chipset, chipset};
pub use media::{count as media_in, first as first_medium_in, floppy as floppy_in};
pub use memory::{block as memory_block, module as memory_module};
pub use network::{nowhere as nowhere_network, own as own_network};
pub use nic::{bring_live as bring_nic_live, device as nic_device};
pub use observe::{Graphics, Observed, SeenDisk, Tap, observe};
pub use seed::seed;
pub use snapshot::snapshot;
pub use sysprep::answers;
pub use target::{fits as fits_target, target};

use crate::error::Error;
use crate::model::{Accelerator, Attachment, Disk, HostFacts, Nic, PayloadKind, Tune, Vm, VmSpec};
use crate::xml::{Element, Node};
use std::path::{Path, PathBuf};

/// Everything a domain document is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub vm: &'a Vm,
    /// The present, next-run or run-once configuration.
    pub spec: &'a VmSpec,
    pub host: &'a HostFacts,
    pub host_uuid: &'a str,
    /// The active ones only.
    pub disks: &'a [DiskDevice<'a>],
    /// The plugged ones only, in the order in which they are booted from.
    pub nics: &'a [NicDevice<'a>],
    /// Files of the host, resolved from what the client named.
    pub kernel: Option<&'a Path>,
    pub initrd: Option<&'a Path>,
    /// The medium of the permanent drive.
    pub cdrom: Option<&'a Path>,
    /// Media of this run alone.
    pub media: &'a [Medium],
    /// The address that graphics consoles listen on.
    pub listen: &'a str,
    /// At most 8 random characters that nobody is told: consoles are locked with it until a ticket is set.
    pub lock: &'a str,
}

/// A disk, how it hangs on the VM, and its image file, which a LUN has not.
#[derive(Clone, Copy, Debug)]
pub struct DiskDevice<'a> {
    pub disk: &'a Disk,
    pub attachment: &'a Attachment,
    pub file: Option<&'a Path>,
    /// How fast it may be.
    pub tune: Tune,
}

/// A medium of one run.
#[derive(Clone, Debug)]
pub struct Medium {
    pub kind: PayloadKind,
    pub file: PathBuf,
    /// For this run; the other ones lie in an ISO domain.
    pub made: bool,
}

/// A network interface and where it leads.
#[derive(Clone, Copy, Debug)]
pub struct NicDevice<'a> {
    pub nic: &'a Nic,
    /// The host's `network:NAME` or `bridge:NAME`; `None` leads nowhere.
    pub network: Option<&'a str>,
    /// libvirt's filter that the guest's frames pass.
    pub filter: Option<&'a str>,
}

/// Why there is no such document, in the client's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl From<Invalid> for Error {
    fn from(Invalid(reason): Invalid) -> Self {
        Error::invalid(reason)
    }
}

/// Writes one topic of the plan into a domain's document.
pub type Part = fn(&Plan, &mut Element) -> Result<(), Invalid>;

/// What vireo writes, in this order: `boot` numbers the devices that are there by then.
pub const PARTS: &[Part] = &[
    identity::apply,
    memory::apply,
    cpu::apply,
    numa::apply,
    tune::apply,
    os::apply,
    clock::apply,
    controller::apply,
    disk::apply,
    nic::apply,
    cdrom::apply,
    media::apply,
    console::apply,
    channel::apply,
    graphics::apply,
    video::apply,
    redirect::apply,
    sound::apply,
    watchdog::apply,
    hostdev::apply,
    balloon::apply,
    rng::apply,
    boot::apply,
];

/// libvirt's own order of a domain's elements, for readers of the document.
const ORDER: &[&str] = &[
    "name",
    "uuid",
    "description",
    "metadata",
    "maxMemory",
    "memory",
    "currentMemory",
    "vcpu",
    "iothreads",
    "cputune",
    "numatune",
    "sysinfo",
    "os",
    "features",
    "cpu",
    "clock",
];

/// A new document from a domain template.
pub fn build(template: &Element, plan: &Plan) -> Result<Element, Invalid> {
    let mut domain = apply(template.clone(), plan)?;
    domain.children.sort_by_key(|node| match node {
        Node::Element(child) => ORDER.iter().position(|name| *name == child.name).unwrap_or(ORDER.len()),
        Node::Text(_) => ORDER.len(),
    });
    Ok(domain)
}

/// The same over the domain's present persistent document. Refused where the plan is for another
/// [`Chipset`]: no address of the old machine fits the new one, so that document is built anew.
pub fn edit(document: Element, plan: &Plan) -> Result<Element, Invalid> {
    match fits(&document, plan) {
        true => apply(document, plan),
        false => Err(Invalid("The emulated machine of an existing VM cannot be changed in place.".into())),
    }
}

/// Refuses a plan that there is no document of.
pub fn check_whole(plan: &Plan) -> Result<(), Invalid> {
    apply(Element::new("domain"), plan).map(drop)
}

/// No more of a domain than its disks, interfaces and drive, each with its place in the boot order.
pub fn bootable_devices(plan: &Plan) -> Result<Element, Invalid> {
    let mut domain = Element::new("domain");
    for part in [disk::apply, nic::apply, cdrom::apply, boot::apply] {
        part(plan, &mut domain)?;
    }
    Ok(domain)
}

/// The document of a domain that comes back with its memory: as it was, but for what its disks,
/// interfaces and consoles are now on this host.
pub fn as_saved(edited: &Element, mut saved: Element) -> Element {
    let is_renewed = |device: &Element| matches!(device.name.as_str(), "disk" | "interface" | "graphics");
    let kept = saved.ensure("devices");
    kept.retain(|device| !is_renewed(device));
    device::devices(edited).filter(|device| is_renewed(device)).for_each(|device| kept.push(device.clone()));
    saved
}

/// Whether the plan can be written over the document, or else needs a new one.
pub fn fits(document: &Element, plan: &Plan) -> bool {
    document.value("os/type/@machine").and_then(|machine| Chipset::of(&machine)) == Some(plan.chipset())
}

fn apply(mut domain: Element, plan: &Plan) -> Result<Element, Invalid> {
    check(plan)?;
    PARTS.iter().try_for_each(|part| part(plan, &mut domain))?;
    Ok(domain)
}

impl Plan<'_> {
    pub fn accelerator(&self) -> Accelerator {
        self.spec.accelerator().unwrap_or(self.host.accelerator)
    }
}
