//! One simulated domain: its two documents and what runs of it.

use crate::domain::iotune;
use crate::engine::ports::{BlockSample, DomainSample, InterfaceSample, Scope, StopDetail};
use crate::error::{Error, Kind, Result};
use crate::model::{CpuSet, GuestInterface, KIB, Power, Tune, VmId};
use crate::xml::{self, Element, Node};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

pub struct Domain {
    pub id: VmId,
    pub name: String,
    pub persistent: Option<Element>,
    pub run: Option<Run>,
    /// The live document of the managed save.
    pub saved: Option<Element>,
    /// How the last run ended.
    pub last_stop: Option<StopDetail>,
}

/// A QEMU that would be there.
pub struct Run {
    pub document: Element,
    /// Running, paused or crashed.
    pub power: Power,
    pub agent: bool,
    /// Who is logged in.
    pub users: Vec<String>,
    /// The guest takes no notice of what it is asked.
    pub deaf: bool,
    /// Aliases of devices that the guest was asked to let go.
    pub leaving: BTreeSet<String>,
    /// Jobs of disks by their targets: the image that the guest is to go on in.
    pub jobs: BTreeMap<String, String>,
    /// A snapshot that is being taken for a caller who is gone.
    pub lasting: Option<Lasting>,
    /// The monitor does not answer since then.
    pub hung: Option<Instant>,
    pub started: Instant,
}

/// A snapshot that is not there yet.
pub struct Lasting {
    pub document: String,
    /// How often somebody finds it at work before it is.
    pub looks: u32,
}

impl Domain {
    pub fn power(&self) -> Power {
        match (&self.run, &self.saved) {
            (Some(run), _) => run.power,
            (None, Some(_)) => Power::Saved,
            (None, None) => Power::Off,
        }
    }

    /// The run, for a call that needs the monitor's answer.
    pub fn answering(&mut self) -> Result<&mut Run> {
        match &mut self.run {
            Some(run) if run.hung.is_some() => Err(Error::conflict("The VM is not responding.")),
            Some(run) => Ok(run),
            None => Err(not_allowed("domain is not running")),
        }
    }

    /// The documents that a change is for, or none of them.
    pub fn documents(&mut self, scope: Scope) -> Result<Vec<&mut Element>> {
        if scope != Scope::Config {
            self.answering()?;
        }
        if scope != Scope::Live && self.persistent.is_none() {
            return Err(not_allowed("a transient domain has no persistent configuration"));
        }
        let live = self.run.as_mut().map(|run| &mut run.document).filter(|_| scope != Scope::Config);
        let config = self.persistent.as_mut().filter(|_| scope != Scope::Live);
        Ok(live.into_iter().chain(config).collect())
    }

    pub fn sample(&self) -> Option<DomainSample> {
        self.run.as_ref().filter(|run| run.hung.is_none()).map(Run::sample)
    }
}

impl Run {
    pub fn of(document: Element, paused: bool) -> Self {
        Self {
            document,
            power: if paused { Power::Paused(crate::model::PauseReason::None) } else { Power::Running },
            agent: false,
            users: Vec::new(),
            deaf: false,
            leaving: BTreeSet::new(),
            jobs: BTreeMap::new(),
            lasting: None,
            hung: None,
            started: Instant::now(),
        }
    }

    /// Counters that grow with the time since the start.
    fn sample(&self) -> DomainSample {
        let elapsed = self.started.elapsed();
        let (nanoseconds, milliseconds) = (elapsed.as_nanos() as u64, elapsed.as_millis() as u64);
        let vcpus = vcpus(&self.document);
        let cpu = nanoseconds / 10 * u64::from(vcpus);
        let memory = self.document.number::<u64>("memory").unwrap_or_default() * KIB;
        let balloon = self.document.number::<u64>("currentMemory").map_or(memory, |kib| kib * KIB);
        let block = BlockSample {
            read_bytes: milliseconds * 4096,
            read_requests: milliseconds,
            read_time: nanoseconds / 100,
            write_bytes: milliseconds * 2048,
            write_requests: milliseconds / 2,
            write_time: nanoseconds / 50,
            flush_requests: milliseconds / 1000,
            flush_time: nanoseconds / 1000,
        };
        let interface = InterfaceSample {
            rx_bytes: milliseconds * 100,
            tx_bytes: milliseconds * 50,
            ..Default::default()
        };
        let targets = |kind| {
            let devices = self.document.at("devices").into_iter().flat_map(move |devices| devices.all(kind));
            devices.filter_map(|device| device.value("target/@dev"))
        };
        DomainSample {
            cpu_time: Some(cpu),
            cpu_user: Some(cpu / 10),
            cpu_system: Some(cpu / 5),
            vcpu_time: Some(cpu / 10 * 9),
            vcpus,
            balloon_current: Some(balloon),
            balloon_maximum: Some(memory),
            balloon_available: Some(balloon),
            balloon_unused: Some(balloon / 2),
            balloon_usable: Some(balloon / 4 * 3),
            balloon_disk_caches: Some(balloon / 4),
            rss: Some(balloon / 2),
            blocks: targets("disk").map(|target| (target, block)).collect(),
            interfaces: targets("interface").map(|target| (target, interface)).collect(),
        }
    }
}

/// The guest's interfaces, numbered, each with an address of its number.
pub fn guest_interfaces(document: &Element) -> Vec<GuestInterface> {
    let macs = document.every("devices/interface").into_iter().filter_map(|it| it.value("mac/@address"));
    macs.zip(0u8..)
        .map(|(mac, number)| GuestInterface {
            name: format!("eth{number}"),
            mac,
            addresses: vec![[192, 0, 2, number + 1].into()],
        })
        .collect()
}

/// Disks are to the guest what the document suggests, by their serial numbers.
pub fn guest_disks(document: &Element) -> BTreeMap<String, String> {
    let disks = document.every("devices/disk").into_iter();
    let named =
        |disk: &Element| Some((disk.value("serial")?, format!("/dev/{}", disk.value("target/@dev")?)));
    disks.filter_map(named).collect()
}

/// The names of the devices that its guest sees.
pub fn named_devices(document: &Element) -> BTreeSet<String> {
    let names = devices(document).filter_map(|device| device.value("alias/@name"));
    names.filter(|name| name.starts_with("ua-")).collect()
}

/// What libvirt says of a call that the domain's state does not allow.
pub fn not_allowed(why: &str) -> Error {
    Error::conflict("The state of the VM does not allow this operation.").because(why)
}

/// A domain's document with the id and the name in it.
pub fn read(document: &str) -> Result<(VmId, String, Element)> {
    let wrong = |why: &str| Error::invalid("The hypervisor does not accept this configuration.").because(why);
    let mut root = xml::parse(document.as_bytes()).map_err(|why| wrong(&why.0))?;
    if root.name != "domain" {
        return Err(wrong("the root element is not 'domain'"));
    }
    let id = root.value("uuid").and_then(|id| id.parse().ok()).ok_or_else(|| wrong("no uuid"))?;
    let name = root.value("name").ok_or_else(|| wrong("no name"))?;
    if let Some(machine) = root.first_mut("os").and_then(|os| os.first_mut("type")) {
        // libvirt keeps what the short names stand for.
        match machine.get("machine") {
            Some("q35") => machine.set("machine", "pc-q35-7.2"),
            Some("pc") => machine.set("machine", "pc-i440fx-7.2"),
            _ => {}
        }
    }
    Ok((id, name, root))
}

/// A device's document, which carries that alias.
pub fn read_device(document: &str, alias: Option<&str>) -> Result<Element> {
    let parsed = xml::parse(document.as_bytes());
    let mut device =
        parsed.map_err(|why| Error::invalid("The hypervisor does not accept this device.").because(why))?;
    if let Some(alias) = alias {
        device.ensure("alias").set("name", alias);
    }
    Ok(device)
}

/// Gives a device what it gets when it meets a running domain; `number` is its own.
pub fn plug(device: &mut Element, number: u32) {
    match device.name.as_str() {
        "graphics" => {
            if matches!(device.get("port"), None | Some("-1")) {
                device.set("port", 5900 + number % 59_000);
                device.set("autoport", "yes");
            }
        }
        "interface" if device.value("target/@dev").is_none() => {
            device.ensure("target").set("dev", format!("vnet{number}"));
        }
        "serial" | "console" if device.get("type") == Some("pty") => {
            device.ensure("source").set("path", format!("/dev/pts/{number}"));
        }
        _ => {}
    }
}

pub fn devices(document: &Element) -> impl Iterator<Item = &Element> {
    document.first("devices").into_iter().flat_map(Element::elements)
}

pub fn has(document: &Element, alias: &str) -> bool {
    devices(document).any(|device| device.value("alias/@name").as_deref() == Some(alias))
}

/// Adds a device unless one of its alias is there.
pub fn add(document: &mut Element, device: &Element, alias: &str) {
    if has(document, alias) {
        return;
    }
    document.ensure("devices").push(device.clone());
    if device.name == "memory" {
        let more: u64 = device.number("target/size").unwrap_or_default();
        for name in ["memory", "currentMemory"] {
            let grown = document.number::<u64>(name).unwrap_or_default() + more;
            document.ensure(name).set_content(grown);
        }
    }
}

/// A disk's target is its own in the domain.
pub fn check_target(document: &Element, device: &Element, alias: &str) -> Result<()> {
    let target = device.value("target/@dev");
    let taken = device.name == "disk"
        && !has(document, alias)
        && devices(document).any(|other| other.name == "disk" && other.value("target/@dev") == target);
    match taken {
        true => Err(Error::host("The host refused the operation.")
            .because(format!("target {} already exists", target.unwrap_or_default()))),
        false => Ok(()),
    }
}

pub fn remove(document: &mut Element, alias: &str) {
    document.ensure("devices").retain(|device| device.value("alias/@name").as_deref() != Some(alias));
}

/// Puts a device in the place of the one that is the same but for its settings.
pub fn replace(document: &mut Element, device: &Element) -> Result<()> {
    let missing = || Error::new(Kind::NotFound, "Entity not found: device");
    let key = |device: &Element| {
        let path = match device.name.as_str() {
            "disk" => "target/@dev",
            "interface" => "mac/@address",
            _ => "@type",
        };
        device.value(path)
    };
    let same = |old: &Element| match device.value("alias/@name") {
        Some(alias) => old.value("alias/@name") == Some(alias),
        None => old.name == device.name && key(old) == key(device),
    };
    let old = document.ensure("devices").elements_mut().find(|old| same(old)).ok_or_else(missing)?;
    let mut new = device.clone();
    // A console stays where it is.
    if let (Some(port), None | Some("-1")) = (old.get("port"), new.get("port")) {
        new.set("port", port);
    }
    // So does the host's end of an interface.
    if let (Some(target), "interface", None) = (old.first("target"), &*old.name, new.first("target")) {
        new.push(target.clone());
    }
    *old = new;
    Ok(())
}

/// The source of the disk at a target.
pub fn disk_source(document: &Element, target: &str) -> Option<String> {
    let disk = devices(document)
        .find(|device| device.name == "disk" && device.value("target/@dev").as_deref() == Some(target))?;
    disk.value("source/@file")
}

/// Lets the disk at a target go on in another image.
pub fn switch_disk(document: &mut Element, target: &str, file: &str) {
    let disk = document
        .ensure("devices")
        .elements_mut()
        .find(|device| device.name == "disk" && device.value("target/@dev").as_deref() == Some(target));
    if let Some(disk) = disk {
        disk.ensure("source").set("file", file);
        let format = if file.ends_with(".raw") { "raw" } else { "qcow2" };
        disk.ensure("driver").set("type", format);
    }
}

/// How fast the disk at a target may be.
pub fn tune(document: &mut Element, target: &str, tune: Tune) -> Result<()> {
    let mut disks = document.ensure("devices").elements_mut();
    let disk = disks.find(|it| it.name == "disk" && it.value("target/@dev").as_deref() == Some(target));
    let disk = disk.ok_or_else(|| Error::new(Kind::NotFound, "Entity not found: device"))?;
    disk.remove("iotune");
    disk.children.extend(iotune(tune).map(Node::Element));
    Ok(())
}

/// The image files that a start needs: those of disks, not of optional media.
pub fn images(document: &Element) -> Vec<String> {
    devices(document)
        .filter(|device| device.name == "disk" && matches!(device.get("device"), None | Some("disk")))
        .filter_map(|disk| disk.value("source/@file"))
        .collect()
}

pub fn vcpus(document: &Element) -> u32 {
    document.number("vcpu/@current").or_else(|| document.number("vcpu")).unwrap_or(1)
}

pub fn set_vcpus(document: &mut Element, count: u32) -> Result<()> {
    let max: u32 = document.number("vcpu").unwrap_or(1);
    if !(1..=max).contains(&count) {
        return Err(Error::invalid("The hypervisor does not accept this value.")
            .because(format!("requested vcpus is greater than max allowable vcpus: {count} > {max}")));
    }
    document.ensure("vcpu").set("current", count);
    Ok(())
}

pub fn set_memory(document: &mut Element, bytes: u64) -> Result<()> {
    let kib = bytes / KIB;
    if kib > document.number::<u64>("memory").unwrap_or_default() {
        return Err(Error::invalid("The hypervisor does not accept this value.")
            .because("cannot set memory higher than max memory"));
    }
    let current = document.ensure("currentMemory");
    current.set("unit", "KiB");
    current.set_content(kib);
    Ok(())
}

pub fn pin_vcpu(document: &mut Element, vcpu: u32, cpus: &[bool]) -> Result<()> {
    let pinned: CpuSet = CpuSet((0..).zip(cpus).filter(|(_, on)| **on).map(|(cpu, _)| cpu).collect());
    if vcpu >= vcpus(document) || pinned.0.is_empty() {
        return Err(Error::invalid("The hypervisor does not accept this value."));
    }
    let tune = document.ensure("cputune");
    tune.retain(|pin| pin.name != "vcpupin" || pin.get("vcpu") != Some(&*vcpu.to_string()));
    tune.push(Element::new("vcpupin").with("vcpu", vcpu).with("cpuset", pinned));
    Ok(())
}

/// The document as it is told: without the passwords of consoles.
pub fn told(document: &Element) -> String {
    let mut document = document.clone();
    if let Some(devices) = document.first_mut("devices") {
        for graphics in devices.elements_mut().filter(|device| device.name == "graphics") {
            graphics.unset("passwd");
        }
    }
    document.to_string()
}
