//! OVF back to a machine. Whoever wrote it: what is not understood is passed over, what is wrong is
//! refused with its place, and what is missing stays at its default.

use super::content::UTC;
use super::numbers::{BOOT_SEQUENCES, LEGACY_USB, NICS, ORIGINS, from_word, kind};
use crate::model::vm::*;
use crate::model::*;
use crate::xml::{self, Element, Node};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::str::FromStr;

/// More than any machine has.
const MAX_ITEMS: usize = 1024;
const MAX_SIZE: usize = 4 << 20;

/// Why a document describes no machine, in a client's terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The OVF cannot be read: {0}.")]
pub struct Refused(pub String);

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(why.into()))
}

/// A machine as a document describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub id: Option<VmId>,
    pub template: Option<TemplateId>,
    pub created: Option<Timestamp>,
    pub spec: VmSpec,
    pub nics: Vec<DescribedNic>,
    pub disks: Vec<DescribedDisk>,
}

/// A network interface; what it leads to is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedNic {
    pub id: Option<NicId>,
    pub name: String,
    pub interface: NicInterface,
    pub mac: Option<Mac>,
    pub network: Option<String>,
    pub profile: Option<String>,
    pub linked: bool,
    pub plugged: bool,
}

/// A disk, which lies elsewhere: the document has no bytes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedDisk {
    pub id: DiskId,
    pub alias: String,
    pub plugged: bool,
    pub read_only: bool,
}

/// Reads a whole document.
pub fn read(text: &str) -> Result<Described, Refused> {
    if text.len() > MAX_SIZE {
        return refused(format!("it is larger than {} MiB", MAX_SIZE >> 20));
    }
    let envelope = xml::parse(text.trim().as_bytes()).map_err(|why| Refused(why.0))?;
    if local(&envelope.name) != "Envelope" {
        return refused("it is no Envelope");
    }
    let content = child(&envelope, "Content").ok_or_else(|| Refused("it has no Content".into()))?;
    let hardware = section(content, "VirtualHardwareSection")
        .ok_or_else(|| Refused("it has no VirtualHardwareSection".into()))?;
    let items: Vec<&Element> = all(hardware, "Item").collect();
    if items.len() > MAX_ITEMS {
        return refused(format!("it has more than {MAX_ITEMS} items"));
    }
    let mut machine = Described {
        id: None,
        template: value(content, "TemplateId")?,
        created: value::<Date>(content, "CreationDate")?.map(|date| date.0),
        // What is a device is there when it has an item.
        spec: VmSpec {
            display: None,
            serial_console: false,
            virtio_scsi: false,
            ballooning: false,
            sso: false,
            ..VmSpec::default()
        },
        nics: Vec::new(),
        disks: Vec::new(),
    };
    items.iter().try_for_each(|item| read_item(item, &mut machine))?;
    let consoles =
        items.iter().filter_map(|item| console(item).transpose()).collect::<Result<Vec<_>, _>>()?;
    if let (Some(display), [first, others @ ..]) = (&mut machine.spec.display, consoles.as_slice()) {
        (display.protocol, display.both) = (*first, others.iter().any(|other| other != first));
    }
    read_content(content, &mut machine.spec)?;
    if let Some(system) = section(content, "OperatingSystemSection") {
        machine.id = match attribute(system, "id") {
            Some(id) => Some(parsed("OperatingSystemSection", id)?),
            None => None,
        };
        let kind = said(system, "Description");
        if let Some(known) = kind.as_deref().and_then(operating_system) {
            known.clone_into(&mut machine.spec.os.kind);
        }
    }
    if let Some(numa) = section(content, "NumaNodeSection") {
        machine.spec.numa_nodes = all(numa, "NumaNode").map(numa_node).collect::<Result<_, _>>()?;
        machine.spec.numa_nodes.sort_by_key(|node| node.index);
    }
    if let Some(payloads) = section(content, "PayloadSection") {
        machine.spec.payloads = all(payloads, "Payload").map(payload).collect::<Result<_, _>>()?;
    }
    Ok(machine)
}

fn read_content(content: &Element, spec: &mut VmSpec) -> Result<(), Refused> {
    spec.name = said(content, "Name").unwrap_or_default();
    spec.description = said(content, "Description").unwrap_or_default();
    spec.comment = said(content, "Comment").unwrap_or_default();
    set_flag(content, "DeleteProtected", &mut spec.delete_protected)?;
    spec.sso = said(content, "SsoMethod").is_some_and(|method| method == "guest_agent");
    set(content, "NumOfIoThreads", &mut spec.io_threads)?;
    spec.time_zone = said(content, "TimeZone").filter(|zone| zone != UTC);
    if let Some(number) = value::<usize>(content, "default_boot_sequence")? {
        let order = BOOT_SEQUENCES.get(number).ok_or_else(|| odd("default_boot_sequence"))?;
        spec.os.boot = order.to_vec();
    }
    for (name, field) in [
        ("initrd_url", &mut spec.os.initrd),
        ("kernel_url", &mut spec.os.kernel),
        ("kernel_params", &mut spec.os.cmdline),
        ("CustomEmulatedMachine", &mut spec.machine),
        ("CustomCpuName", &mut spec.cpu_model),
    ] {
        *field = said(content, name);
    }
    for name in ["PredefinedProperties", "UserDefinedProperties"] {
        for pair in said(content, name).iter().flat_map(|all| all.split(';')).filter(|it| !it.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| odd(name))?;
            spec.custom_properties.push((name.to_owned(), value.to_owned()));
        }
    }
    if let Some(number) = value::<u8>(content, "VmType")? {
        spec.kind = if number == 0 { VmKind::Desktop } else { VmKind::Server };
    }
    set_flag(content, "TunnelMigration", &mut spec.tunnel_migration)?;
    spec.guaranteed_memory = match value::<u64>(content, "MinAllocatedMem")? {
        Some(size) => size.checked_mul(MIB).ok_or_else(|| odd("MinAllocatedMem"))?,
        None => spec.memory,
    };
    set_flag(content, "IsStateless", &mut spec.stateless)?;
    set_flag(content, "IsRunAndPause", &mut spec.start_paused)?;
    set_flag(content, "AutoStartup", &mut spec.high_availability.enabled)?;
    set(content, "Priority", &mut spec.high_availability.priority)?;
    set(content, "MigrationDowntime", &mut spec.migration_downtime)?;
    for (name, field) in
        [("IsAutoConverge", &mut spec.auto_converge), ("IsMigrateCompressed", &mut spec.compressed)]
    {
        *field = match value::<Flag>(content, name)? {
            None => Inheritable::Inherit,
            Some(Flag(true)) => Inheritable::True,
            Some(Flag(false)) => Inheritable::False,
        };
    }
    spec.affinity = match value::<u8>(content, "MigrationSupport")? {
        None | Some(0) => Affinity::Migratable,
        Some(1) => Affinity::UserMigratable,
        Some(2) => Affinity::Pinned,
        Some(_) => return Err(odd("MigrationSupport")),
    };
    spec.serial_number = match value::<u8>(content, "SerialNumberPolicy")? {
        None => None,
        Some(0) => Some(SerialNumber::Host),
        Some(1) => Some(SerialNumber::Vm),
        Some(2) => Some(SerialNumber::Custom(said(content, "CustomSerialNumber").unwrap_or_default())),
        Some(_) => return Err(odd("SerialNumberPolicy")),
    };
    read_cpu(content, spec)?;
    set_flag(content, "IsBootMenuEnabled", &mut spec.boot_menu)?;
    if let Some(number) = value::<usize>(content, "Origin")? {
        spec.origin = (*ORIGINS.get(number).ok_or_else(|| odd("Origin"))?).to_owned();
    }
    read_display(content, spec)?;
    spec.initialization = child(content, "VmInit").map(read_initialization).transpose()?.map(Box::new);
    Ok(())
}

fn read_cpu(content: &Element, spec: &mut VmSpec) -> Result<(), Refused> {
    let passes = flag(content, "UseHostCpu", false)?;
    spec.cpu_mode = match said(content, "CpuMode") {
        Some(word) => Some(from_word(&word).ok_or_else(|| odd("CpuMode"))?),
        None => passes.then_some(CpuMode::HostPassthrough),
    };
    set(content, "CpuShares", &mut spec.cpu_shares)?;
    for pin in said(content, "CpuPinning").iter().flat_map(|pins| pins.split('_')) {
        let (vcpu, cpus) = pin.split_once('#').ok_or_else(|| odd("CpuPinning"))?;
        let (vcpu, cpus) = (parsed("CpuPinning", vcpu)?, parsed("CpuPinning", cpus)?);
        spec.cpu_pins.push(CpuPin { vcpu, cpus });
    }
    if let Some(mode) = said(content, "NumaTuneMode") {
        spec.numa_tune_mode = from_word(&mode).ok_or_else(|| odd("NumaTuneMode"))?;
    }
    Ok(())
}

fn read_display(content: &Element, spec: &mut VmSpec) -> Result<(), Refused> {
    let Some(display) = &mut spec.display else { return Ok(()) };
    set_flag(content, "IsSmartcardEnabled", &mut display.smartcard)?;
    set_flag(content, "IsSpiceFileTransferEnabled", &mut display.file_transfer)?;
    set_flag(content, "IsSpiceCopyPasteEnabled", &mut display.copy_paste)?;
    set_flag(content, "AllowConsoleReconnect", &mut display.allow_override)?;
    if let Some(action) = said(content, "ConsoleDisconnectAction") {
        display.disconnect_action = from_word(&action).ok_or_else(|| odd("ConsoleDisconnectAction"))?;
    }
    display.keyboard_layout = said(content, "VncKeyboardLayout");
    Ok(())
}

fn read_initialization(told: &Element) -> Result<Initialization, Refused> {
    let text = |name: &str| attribute(told, name).map(str::to_owned).filter(|text| !text.is_empty());
    Ok(Initialization {
        host_name: text("hostname"),
        domain: text("domain"),
        time_zone: text("timeZone"),
        ssh_keys: text("authorizedKeys"),
        dns_servers: text("dnsServers"),
        dns_search: text("dnsSearch"),
        regenerate_ssh_keys: match attribute(told, "regenerateKeys") {
            Some(flag) => parsed::<Flag>("regenerateKeys", flag)?.0,
            None => false,
        },
        custom_script: text("customScript").map(Secret),
        input_locale: text("inputLocale"),
        ui_language: text("uiLanguage"),
        system_locale: text("systemLocale"),
        user_locale: text("userLocale"),
        user_name: text("userName"),
        active_directory_ou: text("activeDirectoryOU"),
        org_name: text("orgName"),
        nics: match attribute(told, "networks") {
            Some(networks) => engine_nics(networks),
            None => all(told, "Nic").map(guest_nic).collect::<Result<_, _>>()?,
        },
        files: all(told, "File").map(file).collect::<Result<_, _>>()?,
        ..Initialization::default()
    })
}

fn guest_nic(nic: &Element) -> Result<GuestNic, Refused> {
    let text = |name: &str| attribute(nic, name).map(str::to_owned);
    Ok(GuestNic {
        name: text("name").ok_or_else(|| odd("Nic"))?,
        protocol: text("bootProtocol")
            .and_then(|word| from_word(&word))
            .ok_or_else(|| odd("bootProtocol"))?,
        address: text("ip"),
        netmask: text("netmask"),
        gateway: text("gateway"),
        on_boot: parsed::<Flag>("startOnBoot", attribute(nic, "startOnBoot").unwrap_or("true"))?.0,
    })
}

/// Interfaces as other engines tell of them: objects in JSON, each behind the name of its class. Those
/// that guests of this one could not have are passed over.
fn engine_nics(text: &str) -> Vec<GuestNic> {
    fn objects(value: &Value) -> Vec<&Value> {
        match value {
            Value::Array(all) => all.iter().flat_map(objects).collect(),
            Value::Object(_) => vec![value],
            _ => vec![],
        }
    }
    let told = serde_json::from_str(text).unwrap_or_default();
    let nics = objects(&told).into_iter().filter_map(|nic| {
        let text = |name: &str| nic[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(GuestNic {
            name: text("name")?,
            protocol: match text("bootProtocol").as_deref() {
                Some("DHCP") => BootProtocol::Dhcp,
                Some("STATIC_IP") => BootProtocol::Static,
                _ => BootProtocol::None,
            },
            address: text("ip"),
            netmask: text("netmask"),
            gateway: text("gateway"),
            on_boot: nic["startOnBoot"].as_bool().unwrap_or(false),
        })
    });
    nics.filter(|nic| nic.check().is_ok()).collect()
}

fn payload(payload: &Element) -> Result<Payload, Refused> {
    let kind = attribute(payload, "type").and_then(from_word);
    Ok(Payload {
        kind: kind.ok_or_else(|| odd("Payload"))?,
        volume: attribute(payload, "volume").map(str::to_owned),
        files: all(payload, "File").map(file).collect::<Result<_, _>>()?,
    })
}

fn file(file: &Element) -> Result<GuestFile, Refused> {
    let bytes = BASE64_STANDARD.decode(file.content()).map_err(|_| odd("File"))?;
    Ok(GuestFile {
        name: attribute(file, "name").map(str::to_owned).ok_or_else(|| odd("File"))?,
        content: Secret(String::from_utf8(bytes).map_err(|_| odd("File"))?),
    })
}

fn read_item(item: &Element, machine: &mut Described) -> Result<(), Refused> {
    let spec = &mut machine.spec;
    let Some(number) = value::<u8>(item, "ResourceType")? else {
        return refused("an item has no ResourceType");
    };
    match number {
        kind::CPU => {
            set(item, "num_of_sockets", &mut spec.topology.sockets)?;
            set(item, "cpu_per_socket", &mut spec.topology.cores)?;
            set(item, "threads_per_cpu", &mut spec.topology.threads)?;
        }
        kind::MEMORY => {
            let size: u64 = value(item, "VirtualQuantity")?.ok_or_else(|| odd("VirtualQuantity"))?;
            let unit = match said(item, "AllocationUnits").as_deref() {
                None | Some("MegaBytes" | "byte * 2^20") => MIB,
                Some("GigaBytes" | "byte * 2^30") => GIB,
                Some(_) => return Err(odd("AllocationUnits")),
            };
            spec.memory = size.checked_mul(unit).ok_or_else(|| odd("VirtualQuantity"))?;
        }
        kind::DISK => machine.disks.push(disk(item)?),
        kind::NIC => machine.nics.push(nic(item)?),
        kind::CDROM => spec.cdrom = said(item, "HostResource"),
        kind::USB => {
            let policy = said(item, "UsbPolicy").unwrap_or_default();
            spec.usb = policy.starts_with("ENABLED");
            spec.usb_type = if policy == LEGACY_USB { UsbType::Legacy } else { UsbType::Native };
        }
        kind::CARD => {
            let display = spec.display.get_or_insert_default();
            set(item, "VirtualQuantity", &mut display.monitors)?;
            set_flag(item, "SinglePciQxl", &mut display.single_qxl_pci)?;
            // Where no console has an item of its own, the card says which one is meant.
            if said(item, "Device").as_deref() == Some("qxl") {
                display.protocol = Protocol::Spice;
            }
        }
        kind::CONSOLE => drop(spec.display.get_or_insert_default()),
        kind::OTHER => other(item, spec)?,
        _ => {}
    }
    Ok(())
}

fn other(item: &Element, spec: &mut VmSpec) -> Result<(), Refused> {
    let parameters = child(item, "SpecParams");
    let parameter = |name: &str| parameters.and_then(|all| said(all, name));
    match (said(item, "Type").as_deref(), said(item, "Device").as_deref()) {
        (Some("controller"), Some("virtio-scsi")) => spec.virtio_scsi = true,
        (Some("console"), _) => spec.serial_console = true,
        (Some("sound"), _) => spec.soundcard = true,
        (Some("balloon"), Some("memballoon")) => spec.ballooning = true,
        (Some("watchdog"), Some("i6300esb")) => {
            let action = match parameter("action") {
                Some(action) => from_word(&action).ok_or_else(|| odd("action"))?,
                None => WatchdogAction::None,
            };
            spec.watchdog = Some(Watchdog { model: WatchdogModel::I6300esb, action });
        }
        (Some("rng"), _) => {
            let source = match parameter("source") {
                Some(source) => from_word(&source.to_uppercase()).ok_or_else(|| odd("source"))?,
                None => RngSource::Random,
            };
            let limit = |name: &str| parameter(name).map(|text| parsed::<u32>(name, &text)).transpose();
            let rate = match limit("bytes")?.filter(|bytes| *bytes > 0) {
                Some(bytes) => Some((bytes, limit("period")?.filter(|it| *it > 0).unwrap_or(1000))),
                None => None,
            };
            spec.rng = Some(Rng { source, rate });
        }
        _ => {}
    }
    Ok(())
}

/// The protocol of an item that is a console.
fn console(item: &Element) -> Result<Option<Protocol>, Refused> {
    if value::<u8>(item, "ResourceType")? != Some(kind::CONSOLE) {
        return Ok(None);
    }
    let protocol = said(item, "Device").and_then(|device| from_word(&device.to_lowercase()));
    protocol.map(Some).ok_or_else(|| odd("Device"))
}

fn disk(item: &Element) -> Result<DescribedDisk, Refused> {
    let place = said(item, "HostResource").unwrap_or_default();
    let disk = place.split('/').next().unwrap_or_default();
    Ok(DescribedDisk {
        id: parsed("HostResource", disk)?,
        alias: said(item, "Caption").unwrap_or_default(),
        plugged: flag(item, "IsPlugged", true)?,
        read_only: flag(item, "IsReadOnly", false)?,
    })
}

fn nic(item: &Element) -> Result<DescribedNic, Refused> {
    let interface = match said(item, "ResourceSubType") {
        None => NicInterface::Virtio,
        Some(number) => {
            let number: usize = parsed("ResourceSubType", &number)?;
            *NICS.get(number).ok_or_else(|| odd("ResourceSubType"))?
        }
    };
    Ok(DescribedNic {
        id: said(item, "InstanceId").and_then(|id| id.parse().ok()),
        name: said(item, "Name").unwrap_or_default(),
        interface,
        mac: value(item, "MACAddress")?,
        network: said(item, "Connection"),
        profile: said(item, "OtherResourceType"),
        linked: flag(item, "Linked", true)?,
        plugged: flag(item, "IsPlugged", true)?,
    })
}

fn numa_node(node: &Element) -> Result<NumaNode, Refused> {
    let list = |name: &str| -> Result<BTreeSet<u32>, Refused> {
        let numbers = said(node, name).unwrap_or_default();
        numbers.split(',').filter(|it| !it.is_empty()).map(|number| parsed(name, number)).collect()
    };
    let memory: u64 = value(node, "MemTotal")?.ok_or_else(|| odd("MemTotal"))?;
    Ok(NumaNode {
        id: value(node, "id")?.unwrap_or_else(NumaNodeId::random),
        index: value(node, "Index")?.ok_or_else(|| odd("Index"))?,
        memory: memory.checked_mul(MIB).ok_or_else(|| odd("MemTotal"))?,
        cores: list("cpuIdList")?,
        pins: list("vdsNumaNodeList")?,
    })
}

/// Documents say `true` or `false`, in any case.
struct Flag(bool);

impl FromStr for Flag {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Self(true)),
            "false" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}

struct Date(Timestamp);

impl FromStr for Date {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let date = format!("{}Z", text.replace('/', "-").replace(' ', "T"));
        date.parse().map(Self)
    }
}

fn odd(name: &str) -> Refused {
    Refused(format!("{name} is missing or not what it should be"))
}

fn parsed<T: FromStr>(name: &str, text: &str) -> Result<T, Refused> {
    text.trim().parse().map_err(|_| odd(name))
}

fn value<T: FromStr>(parent: &Element, name: &str) -> Result<Option<T>, Refused> {
    said(parent, name).map(|text| parsed(name, &text)).transpose()
}

fn set<T: FromStr>(parent: &Element, name: &str, field: &mut T) -> Result<(), Refused> {
    if let Some(value) = value(parent, name)? {
        *field = value;
    }
    Ok(())
}

fn flag(parent: &Element, name: &str, default: bool) -> Result<bool, Refused> {
    Ok(value::<Flag>(parent, name)?.map_or(default, |flag| flag.0))
}

fn set_flag(parent: &Element, name: &str, field: &mut bool) -> Result<(), Refused> {
    *field = flag(parent, name, *field)?;
    Ok(())
}

/// A name without the prefix that its writer chose for its namespace.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn all<'e>(parent: &'e Element, name: &'e str) -> impl Iterator<Item = &'e Element> {
    parent.elements().filter(move |element| local(&element.name) == name)
}

fn child<'e>(parent: &'e Element, name: &'e str) -> Option<&'e Element> {
    all(parent, name).next()
}

fn attribute<'e>(element: &'e Element, name: &str) -> Option<&'e str> {
    element.attributes.iter().find(|(known, _)| local(known) == name).map(|(_, value)| value.as_str())
}

/// The section of a type, as attributes or names say it.
fn section<'e>(parent: &'e Element, kind: &str) -> Option<&'e Element> {
    parent.elements().find(|element| {
        let typed = attribute(element, "type").map(local);
        local(&element.name) == kind
            || typed.and_then(|typed| typed.strip_suffix("_Type").or(Some(typed))) == Some(kind)
    })
}

/// The very text of a child, when there is any.
fn said(parent: &Element, name: &str) -> Option<String> {
    let texts = child(parent, name)?.children.iter().filter_map(|node| match node {
        Node::Text(text) => Some(text.as_str()),
        Node::Element(_) => None,
    });
    Some(texts.collect::<String>()).filter(|text| !text.trim().is_empty())
}
