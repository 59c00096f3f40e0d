//! The machine itself: what has no item among the virtual hardware.

use super::numbers::{BOOT_SEQUENCES, ORIGINS, OVIRT, card, number, word};
use super::{Machine, date, hardware, section as titled, text};
use crate::model::vm::*;
use crate::model::*;
use crate::xml::Element;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::fmt::Display as Shown;

/// The zone of a plain clock.
pub const UTC: &str = "Etc/GMT";

pub fn section(machine: &Machine) -> Element {
    let mut content =
        Element::new("Content").with("ovf:id", "out").with("xsi:type", "ovf:VirtualSystem_Type");
    let mut say = |name: &str, value: &dyn Shown| content.push(text(name, value));
    texts(machine, &mut say);
    running(machine.spec, &mut say);
    consoles(machine.spec, &mut say);
    origin(machine, &mut say);
    if let Some(told) = machine.spec.initialization.as_deref().and_then(initialization) {
        content.push(told);
    }
    let system = titled("OperatingSystemSection", "Guest Operating System")
        .with("ovf:id", machine.vm)
        .with("ovf:required", false)
        .child(text("Description", &machine.spec.os.kind));
    let content = content.child(system).child(hardware::section(machine));
    let sections = [
        (!machine.spec.numa_nodes.is_empty()).then(|| numa(machine.spec)),
        (!machine.spec.payloads.is_empty()).then(|| payloads(&machine.spec.payloads)),
    ];
    sections.into_iter().flatten().fold(content, Element::child)
}

type Say<'a> = &'a mut dyn FnMut(&str, &dyn Shown);

fn texts(machine: &Machine, say: Say<'_>) {
    let spec = machine.spec;
    for (name, text) in [("Description", &spec.description), ("Comment", &spec.comment)] {
        if !text.is_empty() {
            say(name, text);
        }
    }
    say("CreationDate", &date(machine.created));
    say("ExportDate", &date(machine.exported));
    say("DeleteProtected", &spec.delete_protected);
    say("SsoMethod", &if spec.sso { "guest_agent" } else { "none" });
    say("IsSmartcardEnabled", &spec.display.as_ref().is_some_and(|display| display.smartcard));
    say("NumOfIoThreads", &spec.io_threads);
    say("TimeZone", &spec.time_zone.as_deref().unwrap_or(UTC));
    if let Some(number) = number(BOOT_SEQUENCES, &spec.os.boot.as_slice()) {
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
    // Some are known to every engine, and some a user has thought of.
    let properties: Vec<String> =
        spec.custom_properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    say("PredefinedProperties", &"");
    say("UserDefinedProperties", &properties.join(";"));
    say("Generation", &machine.generation);
}

/// How it runs, and where.
fn running(spec: &VmSpec, say: Say<'_>) {
    say("VmType", &if spec.kind == VmKind::Desktop { 0 } else { 1 });
    say("TunnelMigration", &spec.tunnel_migration);
    say("MinAllocatedMem", &(spec.guaranteed_memory / MIB));
    say("IsStateless", &spec.stateless);
    say("IsRunAndPause", &spec.start_paused);
    say("AutoStartup", &spec.high_availability.enabled);
    say("Priority", &spec.high_availability.priority);
    say("MigrationDowntime", &spec.migration_downtime);
    for (name, own) in [("IsAutoConverge", spec.auto_converge), ("IsMigrateCompressed", spec.compressed)] {
        match own {
            Inheritable::Inherit => {}
            Inheritable::True => say(name, &true),
            Inheritable::False => say(name, &false),
        }
    }
    say(
        "MigrationSupport",
        &match spec.affinity {
            Affinity::Migratable => 0,
            Affinity::UserMigratable => 1,
            Affinity::Pinned => 2,
        },
    );
    if let Some(number) = &spec.serial_number {
        let policy = match number {
            SerialNumber::Host => 0,
            SerialNumber::Vm => 1,
            SerialNumber::Custom(text) => {
                say("CustomSerialNumber", text);
                2
            }
        };
        say("SerialNumberPolicy", &policy);
    }
    say("UseHostCpu", &(spec.cpu_mode == Some(CpuMode::HostPassthrough)));
    if let Some(mode) = &spec.cpu_mode {
        say("CpuMode", &word(mode));
    }
    say("CpuShares", &spec.cpu_shares);
    let pins: Vec<String> = spec.cpu_pins.iter().map(|pin| format!("{}#{}", pin.vcpu, pin.cpus)).collect();
    if !pins.is_empty() {
        say("CpuPinning", &pins.join("_"));
    }
    say("NumaTuneMode", &word(&spec.numa_tune_mode));
}

fn consoles(spec: &VmSpec, say: Say<'_>) {
    say("IsBootMenuEnabled", &spec.boot_menu);
    let Some(display) = &spec.display else { return };
    say("IsSpiceFileTransferEnabled", &display.file_transfer);
    say("IsSpiceCopyPasteEnabled", &display.copy_paste);
    say("AllowConsoleReconnect", &display.allow_override);
    say("ConsoleDisconnectAction", &word(&display.disconnect_action));
    if let Some(layout) = &display.keyboard_layout {
        say("VncKeyboardLayout", layout);
    }
    say("DefaultDisplayType", &card(display.protocol));
}

fn origin(machine: &Machine, say: Say<'_>) {
    let (template, name) = (machine.template.0, machine.template.1);
    say("CreatedByUserId", &machine.created_by);
    say("Name", &machine.spec.name);
    say("TemplateId", &template);
    say("TemplateName", &name);
    say("IsInitilized", &true);
    say("Origin", &number(ORIGINS, &machine.spec.origin.as_str()).unwrap_or(OVIRT));
    say("TrustedService", &false);
    say("OriginalTemplateId", &template);
    say("OriginalTemplateName", &name);
    say("UseLatestVersion", &false);
}

/// What the guest is told at its first boot, by the names that engines have for it, and those that have
/// none beside them. The password and the license key stay with the VM.
fn initialization(told: &Initialization) -> Option<Element> {
    let mut element = Element::new("VmInit");
    for (name, value) in [
        ("ovf:hostname", &told.host_name),
        ("ovf:domain", &told.domain),
        ("ovf:timeZone", &told.time_zone),
        ("ovf:authorizedKeys", &told.ssh_keys),
        ("ovf:dnsServers", &told.dns_servers),
        ("ovf:dnsSearch", &told.dns_search),
        ("ovf:customScript", &told.custom_script.as_ref().map(|script| script.0.clone())),
        ("ovf:inputLocale", &told.input_locale),
        ("ovf:uiLanguage", &told.ui_language),
        ("ovf:systemLocale", &told.system_locale),
        ("ovf:userLocale", &told.user_locale),
        ("ovf:userName", &told.user_name),
        ("ovf:activeDirectoryOU", &told.active_directory_ou),
        ("ovf:orgName", &told.org_name),
    ] {
        if let Some(value) = value {
            element.set(name, value);
        }
    }
    if told.regenerate_ssh_keys {
        element.set("ovf:regenerateKeys", true);
    }
    told.nics.iter().for_each(|nic| element.push(guest_nic(nic)));
    told.files.iter().for_each(|it| element.push(file(it)));
    (!element.attributes.is_empty() || !element.children.is_empty()).then_some(element)
}

fn guest_nic(nic: &GuestNic) -> Element {
    let mut element =
        Element::new("Nic").with("ovf:name", &nic.name).with("ovf:bootProtocol", word(&nic.protocol));
    for (name, value) in
        [("ovf:ip", &nic.address), ("ovf:netmask", &nic.netmask), ("ovf:gateway", &nic.gateway)]
    {
        if let Some(value) = value {
            element.set(name, value);
        }
    }
    element.with("ovf:startOnBoot", nic.on_boot)
}

/// Whatever it holds, to the byte.
fn file(file: &GuestFile) -> Element {
    text("File", BASE64_STANDARD.encode(&file.content.0)).with("ovf:name", &file.name)
}

fn payloads(payloads: &[Payload]) -> Element {
    let payloads = payloads.iter().map(|payload| {
        let mut element = Element::new("Payload").with("ovf:type", word(&payload.kind));
        if let Some(volume) = &payload.volume {
            element.set("ovf:volume", volume);
        }
        payload.files.iter().map(file).fold(element, Element::child)
    });
    payloads.fold(titled("PayloadSection", "Media that are made for each run"), Element::child)
}

fn numa(spec: &VmSpec) -> Element {
    let list = |numbers: &std::collections::BTreeSet<u32>| {
        numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
    };
    let nodes = spec.numa_nodes.iter().map(|node| {
        Element::new("NumaNode")
            .child(text("id", node.id))
            .child(text("Index", node.index))
            .child(text("cpuIdList", list(&node.cores)))
            .child(text("vdsNumaNodeList", list(&node.pins)))
            .child(text("MemTotal", node.memory / MIB))
            .child(text("NumaTuneMode", word(&spec.numa_tune_mode)))
    });
    nodes.fold(titled("NumaNodeSection", "NUMA nodes"), Element::child)
}
