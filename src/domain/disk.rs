//! Disks: images, and units of SCSI targets.

use super::device::{alias, devices, put};
use super::os::utf8;
use super::target::{self, bus, index};
use super::{DiskDevice, Invalid, Plan};
use crate::model::{DiskFormat, DiskId, DiskInterface, IscsiUnit, Lun, LunAt, MIB, Passed, Tune};
use crate::xml::Element;
use std::path::Path;

/// What the device says itself: what of it is absent is meant to be.
const WRITES: &[&str] = &[
    "driver",
    "source",
    "backingStore",
    "target",
    "serial",
    "readonly",
    "shareable",
    "transient",
    "boot",
    "alias",
    "iotune",
];

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let planned: Vec<String> = plan.disks.iter().map(|device| device.disk.id.alias()).collect();
    domain.ensure("devices").retain(|device| {
        let ours = device.name == "disk" && alias(device).and_then(DiskId::from_alias).is_some();
        !ours || planned.iter().any(|planned| alias(device) == Some(planned))
    });
    for (planned, disk) in planned.iter().zip(plan.disks) {
        let mut device = device(plan, disk)?;
        let is = |old: &Element| old.name == "disk" && alias(old) == Some(planned);
        let old = devices(domain).find(|old| is(old));
        // An address belongs to a bus, and what the guest calls the disk, too.
        let same = |path| old.and_then(|old| old.value(path)) == device.value(path);
        let moved = !same("target/@bus");
        let known = old.filter(|_| !moved).and_then(|old| old.value("serial"));
        // On these the name is the address.
        let moved = moved || disk.disk.interface == DiskInterface::Ide && !same("target/@dev");
        if let (Some(serial), Some(known)) = (device.first_mut("serial"), known) {
            serial.set_content(&known);
        }
        let writes: Vec<&str> = WRITES.iter().copied().chain(moved.then_some("address")).collect();
        put(domain, is, &writes, Some(device));
    }
    Ok(())
}

/// A disk's device: what a domain's document holds and what is plugged into a running VM.
pub fn device(plan: &Plan, device: &DiskDevice) -> Result<Element, Invalid> {
    let DiskDevice { disk, attachment, file, tune } = *device;
    let target = attachment.target.as_str();
    let Some(index) = index(disk.interface, target) else {
        return Err(Invalid(format!("The target '{target}' does not fit the disk's interface.")));
    };
    target::check(disk.interface, plan.chipset(), target, index)?;
    if disk.interface == DiskInterface::Ide && attachment.read_only {
        return Err(Invalid("An IDE disk cannot be read-only.".into()));
    }
    if disk.interface == DiskInterface::VirtioScsi && !plan.spec.virtio_scsi {
        return Err(Invalid("VirtIO-SCSI is not enabled for the VM.".into()));
    }
    if disk.shareable && disk.format != DiskFormat::Raw {
        return Err(Invalid("A shareable disk must have the format raw.".into()));
    }
    let passed = disk.lun.as_ref().is_some_and(Lun::is_passed);
    let (kind, source) = match (&disk.lun, file) {
        (Some(lun), _) => unit(lun, disk.id),
        (None, Some(file)) => ("file", Element::new("source").with("file", utf8(file)?)),
        (None, None) => return Err(Invalid("The disk has no image.".into())),
    };
    let mut element =
        Element::new("disk").with("type", kind).with("device", if passed { "lun" } else { "disk" });
    if let Some(Lun { passed: Some(Passed::Unfiltered), at: LunAt::Host { .. }, .. }) = &disk.lun {
        // QEMU lets everything through to those that it reaches itself.
        element.set("sgio", "unfiltered");
    }
    let mut element = element
        .child(driver(plan, device, index))
        .child(source)
        .child(Element::new("target").with("dev", target).with("bus", bus(disk.interface, plan.chipset())));
    if !passed {
        // One that is passed through says its own.
        element.push(Element::new("serial").text(disk.id.serial(disk.interface)));
    }
    element.push(Element::new("alias").with("name", disk.id.alias()));
    if attachment.read_only {
        element.push(Element::new("readonly"));
    }
    if disk.shareable {
        element.push(Element::new("shareable"));
    }
    if let Some(iotune) = iotune(tune) {
        element.push(iotune);
    }
    if disk.interface == DiskInterface::VirtioScsi {
        element.push(scsi_address(0, index));
    }
    Ok(element)
}

/// The limits that are set, in the names of libvirt.
pub fn limits(tune: Tune) -> [(&'static str, u64); 6] {
    let bytes = |rate: Option<u32>| u64::from(rate.unwrap_or(0)) * MIB;
    let count = |rate: Option<u32>| u64::from(rate.unwrap_or(0));
    let Tune { throughput, requests } = tune;
    [
        ("total_bytes_sec", bytes(throughput.total)),
        ("read_bytes_sec", bytes(throughput.read)),
        ("write_bytes_sec", bytes(throughput.write)),
        ("total_iops_sec", count(requests.total)),
        ("read_iops_sec", count(requests.read)),
        ("write_iops_sec", count(requests.write)),
    ]
}

/// How fast a disk may be; absent without limits.
pub fn iotune(tune: Tune) -> Option<Element> {
    let set: Vec<_> = limits(tune).into_iter().filter(|(_, limit)| *limit > 0).collect();
    let limit = |(name, limit): (&str, u64)| Element::new(name).text(limit);
    (!set.is_empty()).then(|| set.into_iter().map(limit).fold(Element::new("iotune"), Element::child))
}

/// The kind of disk that a unit is, and where it is found.
fn unit(lun: &Lun, id: DiskId) -> (&'static str, Element) {
    match &lun.at {
        LunAt::Iscsi(unit) => ("network", iscsi(unit, id)),
        LunAt::Host { device } => {
            let mut source = Element::new("source").with("dev", &**device);
            if lun.reserved {
                source.push(Element::new("reservations").with("managed", "yes"));
            }
            ("block", source)
        }
    }
}

/// A unit of an iSCSI target, which QEMU reaches by itself.
fn iscsi(unit: &IscsiUnit, id: DiskId) -> Element {
    let portal = Element::new("host").with("name", &*unit.address).with("port", unit.port);
    let name = format!("{}/{}", unit.target, unit.number);
    let mut source = Element::new("source").with("protocol", "iscsi").with("name", name).child(portal);
    if let Some(chap) = &unit.chap {
        let secret = Element::new("secret").with("type", "iscsi").with("uuid", id);
        source.push(Element::new("auth").with("username", &*chap.username).child(secret));
    }
    source
}

/// What a running disk is copied to.
pub fn copy_target(format: DiskFormat, file: &Path) -> Result<Element, Invalid> {
    let driver = Element::new("driver").with("name", "qemu").with("type", format.driver());
    let source = Element::new("source").with("file", utf8(file)?);
    Ok(Element::new("disk").with("type", "file").child(driver).child(source))
}

/// A place on the one virtio-scsi controller: left alone, libvirt adds another controller, of
/// another kind, for every fifteen disks.
pub fn scsi_address(target: usize, unit: usize) -> Element {
    Element::new("address")
        .with("type", "drive")
        .with("controller", 0)
        .with("bus", 0)
        .with("target", target)
        .with("unit", unit)
}

fn driver(plan: &Plan, device: &DiskDevice, index: usize) -> Element {
    let disk = device.disk;
    let cache = match plan.spec.custom_property("viodiskcache") {
        Some(cache) if !disk.shareable => cache,
        _ => "none",
    };
    // Linux's own asynchronous I/O blocks where a file must grow.
    let native = cache == "none" && disk.format == DiskFormat::Raw && !disk.sparse;
    // QEMU before 9.1 stops a guest whose write meets another one's reservation: that is the guest's to know.
    let reserved = disk.lun.as_ref().is_some_and(|lun| lun.reserved);
    let policy = if disk.propagate_errors || reserved { "report" } else { "stop" };
    let mut driver = Element::new("driver")
        .with("name", "qemu")
        .with("type", disk.format.driver())
        .with("cache", cache)
        .with("error_policy", policy)
        .with("rerror_policy", policy);
    if disk.lun.is_none() {
        // How files are written.
        driver.set("io", if native { "native" } else { "threads" });
    }
    // What a guest gives back is not there to be wiped any more.
    if disk.sparse && !disk.wipe_after_delete {
        driver.set("discard", "unmap");
    }
    if disk.interface == DiskInterface::Virtio && plan.spec.io_threads > 0 {
        driver.set("iothread", index as u32 % plan.spec.io_threads + 1);
    }
    driver
}
