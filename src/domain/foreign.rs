//! The configuration of a domain that somebody else made, as far as a VM can say it.

use super::device::devices;
use super::memory::bytes;
use super::observe::{observe, protocol};
use crate::model::VmSpec;
use crate::model::vm::{BootDevice, CpuMode, CpuPin, Display, Os, Rng, RngSource, SerialNumber, Topology};
use crate::xml::Element;

/// Never fails: what the document does not say, or says in a way that a VM has no word for, stays at
/// its default.
pub fn observe_spec(document: &Element) -> VmSpec {
    let seen = observe(document);
    let defaults = VmSpec::default();
    let has = |name: &str| devices(document).any(|device| device.name == name);
    let controller = |kind: &str, model: &str| {
        devices(document).any(|device| {
            device.name == "controller"
                && device.get("type") == Some(kind)
                && device.get("model").is_some_and(|found| found.starts_with(model))
        })
    };
    let memory = document.first("memory").and_then(bytes).unwrap_or(defaults.memory);
    VmSpec {
        name: seen.name,
        description: document.value("description").unwrap_or_default(),
        memory,
        guaranteed_memory: memory,
        ballooning: document.value("devices/memballoon/@model").is_some_and(|model| model != "none"),
        topology: topology(document, seen.vcpus),
        cpu_mode: match document.value("cpu/@mode").as_deref() {
            Some("host-passthrough") => Some(CpuMode::HostPassthrough),
            Some("host-model") => Some(CpuMode::HostModel),
            _ => None,
        },
        cpu_model: document.value("cpu/model"),
        cpu_pins: document.every("cputune/vcpupin").into_iter().filter_map(pin).collect(),
        cpu_shares: document.number("cputune/shares").unwrap_or_default(),
        os: os(document),
        boot_menu: document.value("os/bootmenu/@enable").as_deref() == Some("yes"),
        display: document.every("devices/graphics").into_iter().filter_map(display).reduce(|first, other| {
            let both = first.both || first.protocol != other.protocol;
            Display { both, ..first }
        }),
        serial_console: has("serial") || has("console"),
        rng: document.at("devices/rng").and_then(rng),
        io_threads: document.number("iothreads").unwrap_or_default(),
        machine: seen.machine,
        time_zone: document.value("clock/@timezone"),
        serial_number: document
            .every("sysinfo/system/entry")
            .into_iter()
            .find(|entry| entry.get("name") == Some("serial"))
            .map(|entry| SerialNumber::Custom(entry.content())),
        soundcard: has("sound"),
        virtio_scsi: controller("scsi", "virtio"),
        usb: devices(document).any(|device| {
            device.name == "controller"
                && device.get("type") == Some("usb")
                && device.get("model") != Some("none")
        }),
        origin: "external".into(),
        ..defaults
    }
}

/// The topology that libvirt was told, with as many sockets as run at present; else a socket a CPU.
fn topology(document: &Element, vcpus: u32) -> Topology {
    let number = |name: &str| document.number::<u32>(&["cpu/topology/@", name].concat()).unwrap_or(1);
    let (cores, threads) = (number("cores").saturating_mul(number("dies")), number("threads"));
    let socket = cores.saturating_mul(threads);
    match socket > 0 && vcpus.is_multiple_of(socket) {
        true => Topology { sockets: vcpus / socket, cores, threads },
        false => Topology { sockets: vcpus, cores: 1, threads: 1 },
    }
}

fn pin(element: &Element) -> Option<CpuPin> {
    Some(CpuPin { vcpu: element.number("@vcpu")?, cpus: element.get("cpuset")?.parse().ok()? })
}

fn os(document: &Element) -> Os {
    let mut ordered: Vec<(u32, BootDevice)> = devices(document)
        .filter_map(|device| {
            let kind = match (device.name.as_str(), device.get("device")) {
                ("interface", _) => BootDevice::Network,
                ("disk", Some("cdrom")) => BootDevice::Cdrom,
                ("disk", _) => BootDevice::Hd,
                _ => return None,
            };
            Some((device.number("boot/@order")?, kind))
        })
        .collect();
    ordered.sort_by_key(|(order, _)| *order);
    let general = document.every("os/boot").into_iter().filter_map(|boot| match boot.get("dev")? {
        "hd" => Some(BootDevice::Hd),
        "cdrom" => Some(BootDevice::Cdrom),
        "network" => Some(BootDevice::Network),
        _ => None,
    });
    let mut boot: Vec<BootDevice> = Vec::new();
    for kind in ordered.into_iter().map(|(_, kind)| kind).chain(general) {
        if !boot.contains(&kind) {
            boot.push(kind);
        }
    }
    let defaults = Os::default();
    Os {
        boot: if boot.is_empty() { defaults.boot } else { boot },
        kernel: document.value("os/kernel"),
        initrd: document.value("os/initrd"),
        cmdline: document.value("os/cmdline"),
        kind: defaults.kind,
    }
}

fn display(device: &Element) -> Option<Display> {
    Some(Display {
        protocol: protocol(device)?,
        keyboard_layout: device.value("@keymap"),
        copy_paste: device.value("clipboard/@copypaste").as_deref() != Some("no"),
        file_transfer: device.value("filetransfer/@enable").as_deref() != Some("no"),
        ..Display::default()
    })
}

fn rng(device: &Element) -> Option<Rng> {
    let is_own = device.value("backend")? == RngSource::Hwrng.file();
    let source = if is_own { RngSource::Hwrng } else { RngSource::Random };
    let rate = device.first("rate").and_then(|rate| Some((rate.number("@bytes")?, rate.number("@period")?)));
    Some(Rng { source, rate })
}
