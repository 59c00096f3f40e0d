//! Machines as OVF, the way clients of version 3 know it: what they are made of, and which images hold
//! their disks. What is written here reads back as the same machine. Pure.

mod content;
mod hardware;
mod hint;
mod numbers;
mod read;
#[cfg(test)]
mod tests;

pub use hint::{Hint, Lead};
pub use read::{Described, DescribedDisk, DescribedNic, Refused, read};

use crate::model::vm::*;
use crate::model::*;
use crate::xml::Element;
use jiff::Timestamp;

const VERSION: &str = "3.6.0.0";
const RAW: &str = "http://www.vmware.com/specifications/vmdk.html#sparse";
const COW: &str = "http://www.gnome.org/~markmc/qcow-image-format.html";
const NAMESPACES: &[(&str, &str)] = &[
    ("ovf", "http://schemas.dmtf.org/ovf/envelope/1/"),
    ("rasd", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"),
    ("vssd", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"),
    ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// A VM at a moment: as it is, or as a snapshot keeps it.
pub struct Machine<'a> {
    pub vm: VmId,
    pub created: Timestamp,
    pub created_by: UserId,
    /// Grows with every change of the VM.
    pub generation: u64,
    pub template: (TemplateId, &'a str),
    pub data_center: DataCenterId,
    pub spec: &'a VmSpec,
    /// The snapshot that holds this moment, and its description.
    pub snapshot: (SnapshotId, &'a str),
    pub exported: Timestamp,
    pub disks: &'a [Image],
    pub nics: &'a [Connected],
    /// Where libvirt has put the devices, as far as it is known.
    pub placed: &'a [Placed],
}

/// A disk with the bytes that its image takes.
pub struct Image {
    pub saved: SavedDisk,
    pub actual_size: u64,
}

impl Image {
    fn href(&self) -> String {
        format!("{}/{}", self.saved.disk.id, self.saved.disk.image)
    }
}

/// A network interface with the names of its profile and network.
pub struct Connected {
    pub nic: Nic,
    pub profile: Option<String>,
    pub network: Option<String>,
}

/// The whole document.
pub fn document(machine: &Machine) -> String {
    whole(envelope(Some(machine)))
}

/// An envelope around a machine, or around nothing yet.
fn envelope(machine: Option<&Machine>) -> Element {
    let mut envelope = Element::new("ovf:Envelope");
    for (prefix, name) in NAMESPACES {
        envelope.set(&format!("xmlns:{prefix}"), name);
    }
    envelope.set("ovf:version", VERSION);
    if let Some(machine) = machine {
        envelope.push(references(machine));
        envelope.push(networks(machine));
        envelope.push(disks(machine));
        envelope.push(content::section(machine));
    }
    envelope
}

fn whole(envelope: Element) -> String {
    format!("<?xml version='1.0' encoding='UTF-8'?>\n{envelope}")
}

fn text(name: &str, value: impl ToString) -> Element {
    Element::new(name).text(value)
}

fn section(kind: &str, info: impl ToString) -> Element {
    Element::new("Section").with("xsi:type", format!("ovf:{kind}_Type")).child(text("Info", info))
}

/// In UTC, to the second.
fn date(at: Timestamp) -> String {
    at.strftime("%Y/%m/%d %H:%M:%S").to_string()
}

fn references(machine: &Machine) -> Element {
    let mut all = Element::new("References");
    for image in machine.disks {
        let disk = &image.saved.disk;
        all.push(
            Element::new("File")
                .with("ovf:href", image.href())
                .with("ovf:id", disk.image)
                .with("ovf:size", disk.size)
                .with("ovf:description", machine.snapshot.1),
        );
    }
    for connected in machine.nics {
        all.push(Element::new("Nic").with("ovf:id", connected.nic.id));
    }
    all
}

/// Each network once.
fn networks(machine: &Machine) -> Element {
    let names: std::collections::BTreeSet<&str> =
        machine.nics.iter().filter_map(|connected| connected.network.as_deref()).collect();
    let networks = names.into_iter().map(|name| Element::new("Network").with("ovf:name", name));
    networks.fold(section("NetworkSection", "List of networks"), Element::child)
}

fn disks(machine: &Machine) -> Element {
    let disks = machine.disks.iter().map(|image| {
        let disk = &image.saved.disk;
        let parent = disk.parent.map(|parent| format!("{}/{parent}", disk.id));
        Element::new("Disk")
            .with("ovf:diskId", disk.image)
            .with("ovf:size", disk.size.div_ceil(GIB))
            .with("ovf:actual_size", image.actual_size.div_ceil(GIB))
            .with("ovf:vm_snapshot_id", machine.snapshot.0)
            .with("ovf:parentRef", parent.unwrap_or_default())
            .with("ovf:fileRef", image.href())
            .with("ovf:format", if disk.format == DiskFormat::Raw { RAW } else { COW })
            .with("ovf:volume-format", if disk.format == DiskFormat::Raw { "RAW" } else { "COW" })
            .with("ovf:volume-type", if disk.sparse { "Sparse" } else { "Preallocated" })
            .with(
                "ovf:disk-interface",
                match disk.interface {
                    DiskInterface::Ide => "IDE",
                    DiskInterface::Virtio => "VirtIO",
                    DiskInterface::VirtioScsi => "VirtIO_SCSI",
                },
            )
            .with("ovf:boot", disk.bootable)
            .with("ovf:disk-alias", &disk.alias)
            .with("ovf:disk-description", &disk.description)
            .with("ovf:wipe-after-delete", disk.wipe_after_delete)
    });
    disks.fold(section("DiskSection", "List of Virtual Disks"), Element::child)
}
