//! What a document says of a domain: the live one of what runs, the persistent one of what will.

use super::device::devices;
use super::memory::{bytes, most};
use super::{cdrom, device, identity, media, nic};
use crate::model::vm::Protocol;
use crate::model::{Accelerator, DiskId, NicId, Placed, VmId};
use crate::xml::Element;

/// A domain as its document shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// From vireo's own metadata: `None` where somebody else made the domain.
    pub id: Option<VmId>,
    pub name: String,
    /// Bytes.
    pub memory: u64,
    /// Bytes that it can grow to while it runs.
    pub most_memory: u64,
    /// Bytes that the balloon leaves the guest.
    pub current_memory: u64,
    pub vcpus: u32,
    pub max_vcpus: u32,
    pub machine: Option<String>,
    pub accelerator: Option<Accelerator>,
    pub graphics: Vec<Graphics>,
    pub disks: Vec<SeenDisk>,
    pub taps: Vec<Tap>,
    /// The host's terminal of the serial console, of a running domain.
    pub console: Option<String>,
    /// Whether the agent in the guest of a running domain is there, where the domain has a channel for it.
    pub agent: Option<bool>,
    /// Where the devices are that an OVF tells of.
    pub placed: Vec<Placed>,
}

impl Observed {
    /// Is the disk's device in the document?
    pub fn has_disk(&self, id: DiskId) -> bool {
        let alias = id.alias();
        self.disks.iter().any(|disk| disk.alias.as_deref() == Some(alias.as_str()))
    }

    /// Are there disks, drives or network interfaces that the engine did not make?
    pub fn has_foreign_devices(&self) -> bool {
        // Disks and interfaces are named in the same way.
        let is_ours = |alias: &str| {
            alias == cdrom::ALIAS || media::is_of_run(alias) || DiskId::from_alias(alias).is_some()
        };
        let disks = self.disks.iter().map(|disk| &disk.alias);
        let mut all = disks.chain(self.taps.iter().map(|tap| &tap.alias));
        all.any(|alias| !alias.as_deref().is_some_and(is_ours))
    }

    /// The image file of the disk's device.
    pub fn file_of(&self, id: DiskId) -> Option<&str> {
        let alias = id.alias();
        let device = self.disks.iter().find(|disk| disk.alias.as_deref() == Some(alias.as_str()))?;
        device.file.as_deref()
    }

    /// Is the network interface's device in the document?
    pub fn has_nic(&self, id: NicId) -> bool {
        let alias = id.alias();
        self.taps.iter().any(|tap| tap.alias.as_deref() == Some(alias.as_str()))
    }
}

/// A graphics console; its ports are there while the domain runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graphics {
    pub protocol: Protocol,
    pub port: Option<u16>,
    pub tls_port: Option<u16>,
    pub address: Option<String>,
}

/// A disk, CD-ROM or floppy drive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenDisk {
    pub alias: Option<String>,
    pub target: String,
    pub bus: String,
    /// `disk`, `cdrom`, `floppy` or `lun`.
    pub device: String,
    pub file: Option<String>,
    pub format: Option<String>,
    pub read_only: bool,
    pub shareable: bool,
}

/// A NIC, and its device on the host while its domain runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    pub mac: String,
    pub target: Option<String>,
    pub alias: Option<String>,
    /// `network:NAME` or `bridge:NAME`.
    pub network: Option<String>,
    pub model: Option<String>,
    pub linked: bool,
}

/// Reads any domain's document, whoever wrote it; what it does not say stays at its default.
pub fn observe(document: &Element) -> Observed {
    let memory = document.first("memory").and_then(bytes).unwrap_or_default();
    let max_vcpus = document.number("vcpu").unwrap_or(1);
    Observed {
        id: identity::id(document),
        name: document.value("name").unwrap_or_default(),
        memory,
        most_memory: most(document, memory),
        current_memory: document.first("currentMemory").and_then(bytes).unwrap_or(memory),
        vcpus: document.number("vcpu/@current").unwrap_or(max_vcpus),
        max_vcpus,
        machine: document.value("os/type/@machine"),
        accelerator: match document.get("type") {
            Some("kvm") => Some(Accelerator::Kvm),
            Some("qemu") => Some(Accelerator::Tcg),
            _ => None,
        },
        graphics: document.every("devices/graphics").into_iter().filter_map(graphics).collect(),
        disks: document.every("devices/disk").into_iter().map(disk).collect(),
        taps: document.every("devices/interface").into_iter().filter_map(tap).collect(),
        console: document.value("devices/serial/source/@path"),
        agent: document.every("devices/channel/target").into_iter().find_map(agent),
        placed: devices(document).filter_map(placed).collect(),
    }
}

fn placed(device: &Element) -> Option<Placed> {
    let kind = device.name.as_str();
    let (kind, name) = match kind {
        "disk" => (device.get("device").unwrap_or(kind), ""),
        "controller" => match (device.get("type")?, device.get("model")) {
            ("pci", _) | (_, Some("none")) => return None,
            ("scsi", Some(model)) => (kind, model),
            (bus, _) => (kind, bus),
        },
        "channel" => (kind, device.get("type")?),
        "interface" | "video" => (kind, ""),
        "sound" => (kind, kind),
        "watchdog" | "rng" => (kind, device.get("model")?),
        "memballoon" if device.get("model") != Some("none") => ("balloon", kind),
        _ => return None,
    };
    let parts = device.first("address").map(|address| address.attributes.as_slice()).unwrap_or_default();
    let parts: Vec<String> = parts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (alias, address) = (alias(device).unwrap_or_default(), parts.join(", "));
    let is_somewhere = !alias.is_empty() || !address.is_empty();
    is_somewhere.then(|| Placed { kind: kind.into(), device: name.into(), alias, address })
}

fn graphics(device: &Element) -> Option<Graphics> {
    Some(Graphics {
        protocol: protocol(device)?,
        port: device.number("@port"),
        tls_port: device.number("@tlsPort"),
        address: device.value("listen/@address").or_else(|| device.value("@listen")),
    })
}

/// The protocol of a graphics device that clients can reach.
pub fn protocol(device: &Element) -> Option<Protocol> {
    match device.get("type")? {
        "vnc" => Some(Protocol::Vnc),
        "spice" => Some(Protocol::Spice),
        _ => None,
    }
}

fn disk(device: &Element) -> SeenDisk {
    SeenDisk {
        alias: alias(device),
        target: device.value("target/@dev").unwrap_or_default(),
        bus: device.value("target/@bus").unwrap_or_default(),
        device: device.get("device").unwrap_or("disk").to_owned(),
        file: device.value("source/@file"),
        format: device.value("driver/@type"),
        read_only: device.first("readonly").is_some(),
        shareable: device.first("shareable").is_some(),
    }
}

fn tap(device: &Element) -> Option<Tap> {
    Some(Tap {
        mac: device.value("mac/@address")?,
        target: device.value("target/@dev"),
        alias: alias(device),
        network: nic::network(device),
        model: device.value("model/@type"),
        linked: device.value("link/@state").as_deref() != Some("down"),
    })
}

fn agent(target: &Element) -> Option<bool> {
    let state = target.get("state").filter(|_| target.get("name") == Some("org.qemu.guest_agent.0"))?;
    Some(state == "connected")
}

fn alias(device: &Element) -> Option<String> {
    device::alias(device).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    #[test]
    fn a_foreign_running_domain() {
        let document = parse(
            b"<domain type='kvm'><name>f</name><memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu><devices>\
              <serial type='pty'><source path='/dev/pts/3'/></serial>\
              <graphics type='spice' port='5900' tlsPort='5901' listen='::1'/><graphics type='sdl'/>\
              <interface type='network'><mac address='52:54:00:00:00:01'/><target dev='vnet0'/></interface>\
              <disk type='block' device='lun'><target dev='sda' bus='scsi'/></disk></devices></domain>",
        )
        .unwrap();
        let seen = observe(&document);
        assert_eq!((seen.id, seen.memory, seen.current_memory), (None, 64 << 20, 64 << 20));
        assert_eq!((seen.vcpus, seen.max_vcpus), (1, 2));
        assert_eq!(seen.graphics.len(), 1);
        assert_eq!(
            (seen.graphics[0].tls_port, seen.graphics[0].address.as_deref()),
            (Some(5901), Some("::1"))
        );
        assert_eq!(seen.taps[0].target.as_deref(), Some("vnet0"));
        assert_eq!((seen.disks[0].device.as_str(), &seen.disks[0].file), ("lun", &None));
        assert_eq!(seen.console.as_deref(), Some("/dev/pts/3"));
        assert_eq!(observe(&Element::new("domain")).vcpus, 1);
    }
}
