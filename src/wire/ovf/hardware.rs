//! The items of the virtual hardware, numbered by what CIM calls their kind.

use super::{Connected, Image, Machine, VERSION, date, text};
use crate::model::vm::*;
use crate::model::*;
use crate::xml::Element;
use uuid::Uuid;

pub fn section(machine: &Machine) -> Element {
    let spec = machine.spec;
    let (cpus, memory) = (spec.topology.vcpus(), spec.memory / MIB);
    let mut section = super::section("VirtualHardwareSection", format!("{cpus} CPU, {memory} Memory"))
        .child(Element::new("System").child(text("vssd:VirtualSystemType", format!("ENGINE {VERSION}"))))
        .child(
            item(format!("{cpus} virtual cpu"), 1, 3, "Number of virtual CPU")
                .child(text("rasd:num_of_sockets", spec.topology.sockets))
                .child(text("rasd:cpu_per_socket", spec.topology.cores))
                .child(text("rasd:threads_per_cpu", spec.topology.threads)),
        )
        .child(
            item(format!("{memory} MB of memory"), 2, 4, "Memory Size")
                .child(text("rasd:AllocationUnits", "MegaBytes"))
                .child(text("rasd:VirtualQuantity", memory)),
        );
    machine.disks.iter().for_each(|image| section.push(disk(machine, image)));
    let first = machine.nics.iter().position(|connected| connected.nic.plugged);
    for (index, connected) in machine.nics.iter().enumerate() {
        section.push(nic(machine, connected, Some(index) == first));
    }
    let policy = if spec.usb { "ENABLED_NATIVE" } else { "DISABLED" };
    section.push(item("USB Controller", 3, 23, "").child(text("rasd:UsbPolicy", policy)));
    if let Some(display) = &spec.display {
        section.push(video(machine, display));
    }
    section.push(cdrom(machine));
    for (kind, device, present) in [
        ("controller", "virtio-scsi", spec.virtio_scsi),
        ("channel", "unix", true),
        ("channel", "spicevmc", spec.display.as_ref().is_some_and(|it| it.has(Protocol::Spice))),
        ("console", "console", spec.serial_console),
        ("sound", "sound", spec.soundcard),
        ("watchdog", "i6300esb", spec.watchdog.is_some()),
        ("rng", "virtio", spec.rng.is_some()),
        ("balloon", "memballoon", spec.ballooning),
    ] {
        if present {
            let other = Element::new("Item")
                .child(text("rasd:ResourceType", 0))
                .child(text("rasd:InstanceId", own_id(machine.vm, device)));
            section.push(plugged(other, kind, device, 0, true, false));
        }
    }
    section
}

/// The id of a device that has none of its own: always the same for one VM.
fn own_id(vm: VmId, device: &str) -> Uuid {
    derived_id(&[b"device", vm.0.as_bytes(), device.as_bytes()])
}

fn item(caption: impl ToString, id: impl ToString, kind: u8, description: &str) -> Element {
    let mut item = Element::new("Item").child(text("rasd:Caption", caption));
    if !description.is_empty() {
        item.push(text("rasd:Description", description));
    }
    item.child(text("rasd:InstanceId", id)).child(text("rasd:ResourceType", kind))
}

/// What every device ends with.
fn plugged(item: Element, kind: &str, device: &str, boot: usize, plugged: bool, read_only: bool) -> Element {
    item.child(text("Type", kind))
        .child(text("Device", device))
        .child(text("BootOrder", boot))
        .child(text("IsPlugged", plugged))
        .child(text("IsReadOnly", read_only))
}

/// When the VM tries that kind of device, from 1; 0 is never.
fn boot_order(machine: &Machine, device: BootDevice) -> usize {
    machine.spec.os.boot.iter().position(|it| *it == device).map_or(0, |place| place + 1)
}

fn disk(machine: &Machine, image: &Image) -> Element {
    let SavedDisk { disk, attachment } = &image.saved;
    let parent = disk.parent.map_or(Uuid::nil(), |parent| parent.0);
    let item = item(&disk.alias, disk.image, 17, "")
        .child(text("rasd:HostResource", image.href()))
        .child(text("rasd:Parent", parent))
        .child(text("rasd:Template", machine.template.0))
        .child(Element::new("rasd:ApplicationList"))
        .child(text("rasd:StorageId", disk.storage_domain))
        .child(text("rasd:StoragePoolId", machine.data_center))
        .child(text("rasd:CreationDate", date(disk.created)));
    let boot = if disk.bootable { boot_order(machine, BootDevice::Hd) } else { 0 };
    plugged(item, "disk", "disk", boot, attachment.active, attachment.read_only)
        .child(text("Alias", &attachment.target))
}

fn nic(machine: &Machine, connected: &Connected, first: bool) -> Element {
    let nic = &connected.nic;
    let network = connected.network.as_deref();
    let caption = network.map_or("Ethernet adapter".into(), |name| format!("Ethernet adapter on {name}"));
    let sub_type = match nic.interface {
        NicInterface::Rtl8139Virtio => 0,
        NicInterface::Rtl8139 => 1,
        NicInterface::E1000 => 2,
        NicInterface::Virtio => 3,
    };
    let item = item(caption, nic.id, 10, "")
        .child(text("rasd:OtherResourceType", connected.profile.as_deref().unwrap_or_default()))
        .child(text("rasd:ResourceSubType", sub_type))
        .child(text("rasd:Connection", network.unwrap_or_default()))
        .child(text("rasd:Linked", nic.linked))
        .child(text("rasd:Name", &nic.name))
        .child(text("rasd:MACAddress", nic.mac))
        .child(text("rasd:speed", 1000));
    let boot = if first { boot_order(machine, BootDevice::Network) } else { 0 };
    plugged(item, "interface", "bridge", boot, nic.plugged, false)
}

fn video(machine: &Machine, display: &Display) -> Element {
    let device = if display.has(Protocol::Spice) { "qxl" } else { "vga" };
    let item = item("Graphical Controller", own_id(machine.vm, "video"), 20, "")
        .child(text("rasd:VirtualQuantity", display.monitors))
        .child(text("rasd:SinglePciQxl", display.single_qxl_pci));
    plugged(item, "video", device, 0, true, true)
        .child(Element::new("SpecParams").child(text("heads", display.monitors)))
}

fn cdrom(machine: &Machine) -> Element {
    let mut item = item("CDROM", own_id(machine.vm, "cdrom"), 15, "");
    if let Some(medium) = &machine.spec.cdrom {
        item.push(text("rasd:HostResource", medium));
    }
    plugged(item, "disk", "cdrom", boot_order(machine, BootDevice::Cdrom), true, true)
}
