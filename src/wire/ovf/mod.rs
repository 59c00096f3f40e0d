//! A VM as OVF, the way clients of version 3 know it: what it is made of, and which images hold its disks.

mod hardware;
#[cfg(test)]
mod tests;

use crate::model::vm::*;
use crate::model::*;
use crate::xml::Element;
use jiff::Timestamp;

const VERSION: &str = "3.6.0.0";
const SPARSE: &str = "http://www.vmware.com/specifications/vmdk.html#sparse";
const NAMESPACES: &[(&str, &str)] = &[
    ("ovf", "http://schemas.dmtf.org/ovf/envelope/1/"),
    ("rasd", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"),
    ("vssd", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"),
    ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// The numbers by which OVF knows the orders of boot devices.
const BOOT_SEQUENCES: &[&[BootDevice]] = {
    use BootDevice::{Cdrom as D, Hd as C, Network as N};
    &[
        &[C],
        &[D, C],
        &[N],
        &[C, D, N],
        &[C, N, D],
        &[D, C, N],
        &[D, N, C],
        &[N, C, D],
        &[N, D, C],
        &[C, D],
        &[D],
        &[C, N],
        &[D, N],
        &[N, C],
        &[N, D],
    ]
};

/// A VM at a moment: as it is, or as a snapshot keeps it.
pub struct Machine<'a> {
    pub vm: VmId,
    pub created: Timestamp,
    pub template: (TemplateId, &'a str),
    pub data_center: DataCenterId,
    pub spec: &'a VmSpec,
    /// The snapshot that holds this moment, and its description.
    pub snapshot: (SnapshotId, &'a str),
    pub exported: Timestamp,
    pub disks: &'a [Image],
    pub nics: &'a [Connected],
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
    let mut envelope = Element::new("ovf:Envelope");
    for (prefix, name) in NAMESPACES {
        envelope.set(&format!("xmlns:{prefix}"), name);
    }
    let envelope = envelope
        .with("ovf:version", VERSION)
        .child(references(machine))
        .child(networks(machine))
        .child(disks(machine))
        .child(content(machine));
    format!("<?xml version='1.0' encoding='UTF-8'?>\n{envelope}")
}

fn text(name: &str, value: impl ToString) -> Element {
    Element::new(name).text(value)
}

fn section(kind: &str, info: impl ToString) -> Element {
    Element::new("Section").with("xsi:type", format!("ovf:{kind}_Type")).child(text("Info", info))
}

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
            .with("ovf:format", SPARSE)
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

fn content(machine: &Machine) -> Element {
    let spec = machine.spec;
    let mut content =
        Element::new("Content").with("ovf:id", "out").with("xsi:type", "ovf:VirtualSystem_Type");
    let mut say = |name: &str, value: &dyn ToString| content.push(text(name, value.to_string()));
    if !spec.description.is_empty() {
        say("Description", &spec.description);
    }
    if !spec.comment.is_empty() {
        say("Comment", &spec.comment);
    }
    say("CreationDate", &date(machine.created));
    say("ExportDate", &date(machine.exported));
    say("DeleteProtected", &spec.delete_protected);
    say("SsoMethod", &if spec.sso { "guest_agent" } else { "none" });
    say("IsSmartcardEnabled", &spec.display.as_ref().is_some_and(|display| display.smartcard));
    say("TimeZone", &spec.time_zone.as_deref().unwrap_or("Etc/GMT"));
    if let Some(number) = BOOT_SEQUENCES.iter().position(|order| *order == spec.os.boot) {
        say("default_boot_sequence", &number);
    }
    for (name, value) in [
        ("initrd_url", &spec.os.initrd),
        ("kernel_url", &spec.os.kernel),
        ("kernel_params", &spec.os.cmdline),
        ("CustomEmulatedMachine", &spec.machine),
        ("CustomCpuName", &spec.cpu_model),
    ] {
        if let Some(value) = value {
            say(name, value);
        }
    }
    say("VmType", &if spec.kind == VmKind::Desktop { 0 } else { 1 });
    say("MinAllocatedMem", &(spec.guaranteed_memory / MIB));
    say("IsStateless", &spec.stateless);
    say("IsRunAndPause", &spec.start_paused);
    say("AutoStartup", &spec.high_availability.enabled);
    say("Priority", &spec.high_availability.priority);
    say("IsBootMenuEnabled", &spec.boot_menu);
    if let Some(display) = &spec.display {
        say("IsSpiceFileTransferEnabled", &display.file_transfer);
        say("IsSpiceCopyPasteEnabled", &display.copy_paste);
    }
    say("Name", &spec.name);
    say("TemplateId", &machine.template.0);
    say("TemplateName", &machine.template.1);
    say("IsInitilized", &true);
    say(
        "Origin",
        &match spec.origin.as_str() {
            "rhev" => 0,
            "vmware" => 1,
            "xen" => 2,
            "hosted_engine" => 4,
            "external" => 5,
            _ => 3,
        },
    );
    if let Some(display) = &spec.display {
        say("DefaultDisplayType", &if display.protocol == Protocol::Spice { 1 } else { 0 });
    }
    say("OriginalTemplateId", &machine.template.0);
    say("OriginalTemplateName", &machine.template.1);
    let system = section("OperatingSystemSection", "Guest Operating System")
        .with("ovf:id", machine.vm)
        .with("ovf:required", false)
        .child(text("Description", &spec.os.kind));
    content.child(system).child(hardware::section(machine))
}
