//! The items of the virtual hardware, numbered by what CIM calls their kind.

use super::numbers::{LEGACY_USB, NICS, kind, number, word};
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
            item(format!("{cpus} virtual cpu"), 1, kind::CPU, "Number of virtual CPU")
                .child(text("rasd:num_of_sockets", spec.topology.sockets))
                .child(text("rasd:cpu_per_socket", spec.topology.cores))
                .child(text("rasd:threads_per_cpu", spec.topology.threads)),
        )
        .child(
            item(format!("{memory} MB of memory"), 2, kind::MEMORY, "Memory Size")
                .child(text("rasd:AllocationUnits", "MegaBytes"))
                .child(text("rasd:VirtualQuantity", memory)),
        );
    machine.disks.iter().for_each(|image| section.push(disk(machine, image)));
    let first = machine.nics.iter().position(|connected| connected.nic.plugged);
    for (index, connected) in machine.nics.iter().enumerate() {
        section.push(nic(machine, connected, Some(index) == first));
    }
    let policy = match (spec.usb, spec.usb_type) {
        (false, _) => "DISABLED",
        (true, UsbType::Native) => "ENABLED_NATIVE",
        (true, UsbType::Legacy) => LEGACY_USB,
    };
    section.push(item("USB Controller", 3, kind::USB, "").child(text("rasd:UsbPolicy", policy)));
    if let Some(display) = &spec.display {
        section.push(card(machine, display));
        consoles(display).for_each(|protocol| section.push(console(machine, protocol)));
    }
    section.push(cdrom(machine));
    others(machine).into_iter().for_each(|other| section.push(other));
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

/// What the items of devices end with.
struct Device<'a> {
    kind: &'a str,
    device: &'a str,
    /// When the VM tries to boot from it, from 1; 0 is never.
    boot: usize,
    plugged: bool,
    read_only: bool,
    placed: Option<&'a Placed>,
}

impl Device<'_> {
    fn of<'a>(kind: &'a str, device: &'a str, placed: Option<&'a Placed>) -> Device<'a> {
        Device { kind, device, boot: 0, plugged: true, read_only: false, placed }
    }

    fn end(self, item: Element) -> Element {
        let mut item = item.child(text("Type", self.kind)).child(text("Device", self.device));
        if let Some(placed) = self.placed.filter(|placed| !placed.address.is_empty()) {
            item.push(text("rasd:Address", format!("{{{}}}", placed.address)));
        }
        item.push(text("BootOrder", self.boot));
        item.push(text("IsPlugged", self.plugged));
        item.push(text("IsReadOnly", self.read_only));
        if let Some(placed) = self.placed.filter(|placed| !placed.alias.is_empty()) {
            item.push(text("Alias", &placed.alias));
        }
        item
    }
}

fn parameters<const N: usize>(given: [(&str, String); N]) -> Element {
    given.into_iter().fold(Element::new("SpecParams"), |all, (name, value)| all.child(text(name, value)))
}

fn boot_order(machine: &Machine, device: BootDevice) -> usize {
    machine.spec.os.boot.iter().position(|it| *it == device).map_or(0, |place| place + 1)
}

impl Machine<'_> {
    fn aliased(&self, alias: &str) -> Option<&Placed> {
        self.placed.iter().find(|placed| placed.alias == alias)
    }

    fn first(&self, kind: &str) -> Option<&Placed> {
        self.placed.iter().find(|placed| placed.kind == kind)
    }
}

fn disk(machine: &Machine, image: &Image) -> Element {
    let SavedDisk { disk, attachment } = &image.saved;
    let parent = disk.parent.map_or(Uuid::nil(), |parent| parent.0);
    let item = item(&disk.alias, disk.image, kind::DISK, "")
        .child(text("rasd:HostResource", image.href()))
        .child(text("rasd:Parent", parent))
        .child(text("rasd:Template", machine.template.0))
        .child(Element::new("rasd:ApplicationList"))
        .child(text("rasd:StorageId", disk.storage_domain))
        .child(text("rasd:StoragePoolId", machine.data_center))
        .child(text("rasd:CreationDate", date(disk.created)))
        .child(text("rasd:LastModified", date(machine.exported)))
        .child(text("rasd:last_modified_date", date(machine.exported)));
    Device {
        boot: if disk.bootable { boot_order(machine, BootDevice::Hd) } else { 0 },
        plugged: attachment.active,
        read_only: attachment.read_only,
        ..Device::of("disk", "disk", machine.aliased(&disk.id.alias()))
    }
    .end(item)
}

fn nic(machine: &Machine, connected: &Connected, first: bool) -> Element {
    let nic = &connected.nic;
    let network = connected.network.as_deref();
    let caption = network.map_or("Ethernet adapter".into(), |name| format!("Ethernet adapter on {name}"));
    let item = item(caption, nic.id, kind::NIC, "")
        .child(text("rasd:OtherResourceType", connected.profile.as_deref().unwrap_or_default()))
        .child(text("rasd:ResourceSubType", number(NICS, &nic.interface).unwrap_or_default()))
        .child(text("rasd:Connection", network.unwrap_or_default()))
        .child(text("rasd:Linked", nic.linked))
        .child(text("rasd:Name", &nic.name))
        .child(text("rasd:MACAddress", nic.mac))
        .child(text("rasd:speed", 1000));
    Device {
        boot: if first { boot_order(machine, BootDevice::Network) } else { 0 },
        plugged: nic.plugged,
        ..Device::of("interface", "bridge", machine.aliased(&nic.id.alias()))
    }
    .end(item)
}

fn card(machine: &Machine, display: &Display) -> Element {
    let (device, memory, heads) = match display.has(Protocol::Spice) {
        true => ("qxl", 32768, display.monitors),
        false => ("vga", 16384, 1),
    };
    let item = item("Graphical Controller", own_id(machine.vm, "video"), kind::CARD, "")
        .child(text("rasd:VirtualQuantity", display.monitors))
        .child(text("rasd:SinglePciQxl", display.single_qxl_pci));
    let device = Device { read_only: true, ..Device::of("video", device, machine.first("video")) };
    device.end(item).child(parameters([("vram", memory.to_string()), ("heads", heads.to_string())]))
}

/// The consoles of a display, the one for whom does not choose first.
fn consoles(display: &Display) -> impl Iterator<Item = Protocol> {
    let other = Protocol::ALL.into_iter().find(|it| *it != display.protocol && display.both);
    [display.protocol].into_iter().chain(other)
}

fn console(machine: &Machine, protocol: Protocol) -> Element {
    let device = word(&protocol);
    let id = own_id(machine.vm, &format!("graphics {device}"));
    Device::of("graphics", &device, None).end(item("Graphical Framebuffer", id, kind::CONSOLE, ""))
}

fn cdrom(machine: &Machine) -> Element {
    let mut item = item("CDROM", own_id(machine.vm, "cdrom"), kind::CDROM, "");
    if let Some(medium) = &machine.spec.cdrom {
        item.push(text("rasd:HostResource", medium));
    }
    let boot = boot_order(machine, BootDevice::Cdrom);
    Device { boot, read_only: true, ..Device::of("disk", "cdrom", machine.first("cdrom")) }.end(item)
}

/// Devices that are there because the configuration says so, and those that libvirt shows beside them.
fn others(machine: &Machine) -> Vec<Element> {
    let spec = machine.spec;
    let mut left: Vec<&Placed> = machine.placed.iter().collect();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    let mut items = Vec::new();
    let mut add = |kind, device, placed, more: Option<Element>| {
        // The first of its kind has the id that it has without the others.
        let nth = seen.iter().filter(|it| **it == (kind, device)).count();
        seen.push((kind, device));
        let name = if nth == 0 { device.to_owned() } else { format!("{device} {nth}") };
        let item = Element::new("Item")
            .child(text("rasd:ResourceType", kind::OTHER))
            .child(text("rasd:InstanceId", own_id(machine.vm, &name)));
        let read_only = kind == "balloon";
        let item = Device { read_only, ..Device::of(kind, device, placed) }.end(item);
        items.push(more.into_iter().fold(item, Element::child));
    };
    let watchdog = spec.watchdog.map(|watchdog| parameters([("action", word(&watchdog.action))]));
    let rng = spec.rng.map(|rng| {
        let source = parameters([("source", word(&rng.source).to_lowercase())]);
        let limits = rng.rate.into_iter().flat_map(|(bytes, period)| [("bytes", bytes), ("period", period)]);
        limits.fold(source, |all, (name, value)| all.child(text(name, value)))
    });
    let model = parameters([("model", "virtio".into())]);
    for (kind, device, present, more) in [
        ("controller", "usb", spec.usb, None),
        ("channel", "unix", true, None),
        ("channel", "spicevmc", spec.has_console(Protocol::Spice), None),
        ("controller", "virtio-scsi", spec.virtio_scsi, None),
        ("controller", "virtio-serial", true, None),
        ("console", "console", spec.serial_console, None),
        ("sound", "sound", spec.soundcard, None),
        ("watchdog", "i6300esb", spec.watchdog.is_some(), watchdog),
        ("rng", "virtio", spec.rng.is_some(), rng),
        ("balloon", "memballoon", spec.ballooning, Some(model)),
    ] {
        if present {
            let place = left.iter().position(|placed| (&*placed.kind, &*placed.device) == (kind, device));
            let placed = place.map(|place| left.remove(place));
            add(kind, device, placed, more);
        }
    }
    // A scsi controller may be there for the CD-ROM drive alone: it does not make disks possible.
    let more = left.into_iter().filter(|placed| match placed.kind.as_str() {
        "channel" => true,
        "controller" => matches!(placed.device.as_str(), "ide" | "sata" | "usb"),
        _ => false,
    });
    more.for_each(|placed| add(&placed.kind, &placed.device, Some(placed), None));
    items
}
