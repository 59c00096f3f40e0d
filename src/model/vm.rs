//! A virtual machine as the API promises it.

use super::cdrom::check_medium;
use super::cpu_set::CpuSet;
use super::guest::Accelerator;
use super::icon::{Family, IconChoice};
use super::ids::*;
use super::initialization::Initialization;
use super::numa::NumaNode;
use super::operating_system::is_windows;
use super::payload::{Payload, check_payloads};
use super::time_zone::iana;
use super::{GIB, MIB};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A VM: what never changes, and its present and next configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vm {
    pub id: VmId,
    pub cluster: ClusterId,
    pub template: TemplateId,
    pub created: Timestamp,
    pub spec: VmSpec,
    /// What the VM becomes when it is next down; most have none, and it is large.
    pub next_run: Option<Box<VmSpec>>,
    /// The present run took overrides from its start action.
    pub run_once: bool,
    pub started: Option<Timestamp>,
    pub stopped: Option<Timestamp>,
    /// The machine type that the VM was pinned to at creation, such as `pc-q35-7.2`.
    pub machine: Option<String>,
    /// The snapshot whose memory the next start goes on from.
    pub wakes_from: Option<SnapshotId>,
    /// Why somebody stopped it last, in their words.
    #[serde(default)]
    pub stop_reason: Option<String>,
    /// Its first run was begun with what sets its guest up, and is not known to have come to pass.
    #[serde(default)]
    pub setting_up: bool,
    /// Of a pool's VM: somebody has it, or had it, in its present run.
    #[serde(default)]
    pub taken: bool,
}

impl Vm {
    /// One that has never run.
    pub fn new(id: VmId, cluster: ClusterId, template: TemplateId, created: Timestamp, spec: VmSpec) -> Self {
        Self {
            id,
            cluster,
            template,
            created,
            spec,
            next_run: None,
            run_once: false,
            started: None,
            stopped: None,
            machine: None,
            wakes_from: None,
            stop_reason: None,
            setting_up: false,
            taken: false,
        }
    }

    /// Its present configuration, or the one of its next run where that is asked for and differs.
    pub fn configured(self, next_run: bool) -> VmSpec {
        match self.next_run {
            Some(next) if next_run => *next,
            _ => self.spec,
        }
    }

    /// Its configurations: of now, and of its next run.
    pub fn specs(&self) -> impl Iterator<Item = &VmSpec> {
        std::iter::once(&self.spec).chain(self.next_run.as_deref())
    }

    /// Its guest is still to get what sets it up.
    pub fn is_fresh(&self) -> bool {
        self.started.is_none() || self.setting_up
    }

    /// Its run began and is not over.
    pub fn is_started(&self) -> bool {
        self.started.is_some() && self.stopped.is_none()
    }

    /// It runs from now on: what its last run left is over.
    pub fn begin_run(&mut self) {
        self.started = Some(Timestamp::now());
        (self.stopped, self.wakes_from, self.stop_reason) = (None, None, None);
    }
}

/// A VM's configuration: what a client sets and reads back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmSpec {
    pub name: String,
    pub description: String,
    pub comment: String,
    pub kind: VmKind,
    /// Bytes, whole MiB.
    pub memory: u64,
    /// Bytes that the balloon never takes; at most `memory`.
    pub guaranteed_memory: u64,
    pub ballooning: bool,
    pub topology: Topology,
    pub cpu_mode: Option<CpuMode>,
    pub cpu_pins: Vec<CpuPin>,
    pub cpu_shares: u32,
    pub cpu_profile: Option<CpuProfileId>,
    /// What its runs count for.
    #[serde(default)]
    pub quota: Option<QuotaId>,
    pub os: Os,
    pub boot_menu: bool,
    /// `None` is a headless VM.
    pub display: Option<Display>,
    pub serial_console: bool,
    pub watchdog: Option<Watchdog>,
    /// Devices of the host that the VM gets, by their names.
    pub host_devices: Vec<String>,
    pub rng: Option<Rng>,
    pub io_threads: u32,
    /// `custom_emulated_machine`.
    pub machine: Option<String>,
    /// `custom_cpu_model`.
    pub cpu_model: Option<String>,
    pub custom_properties: Vec<(String, String)>,
    pub delete_protected: bool,
    pub high_availability: HighAvailability,
    /// By IANA's name or by that of Windows; `None` is UTC.
    pub time_zone: Option<String>,
    pub serial_number: Option<SerialNumber>,
    pub stateless: bool,
    /// It was made over the newest version of its template.
    #[serde(default)]
    pub newest_version: bool,
    pub start_paused: bool,
    pub soundcard: bool,
    pub virtio_scsi: bool,
    pub usb: bool,
    #[serde(default)]
    pub usb_type: UsbType,
    pub origin: String,
    pub affinity: Affinity,
    /// Where it may run; anywhere when there are none.
    #[serde(default)]
    pub hosts: Vec<HostId>,
    pub sso: bool,
    pub tunnel_migration: bool,
    /// Milliseconds; -1 is the default of the cluster.
    pub migration_downtime: i32,
    #[serde(default)]
    pub auto_converge: Inheritable,
    #[serde(default)]
    pub compressed: Inheritable,
    pub numa_tune_mode: NumaTune,
    /// In the order of their indexes.
    pub numa_nodes: Vec<NumaNode>,
    /// File name in an ISO domain of the permanent CD-ROM drive.
    pub cdrom: Option<String>,
    /// What the guest is told at its first boot.
    pub initialization: Option<Box<Initialization>>,
    /// Media that are made for each run.
    pub payloads: Vec<Payload>,
    /// Where its hardware comes from.
    pub instance_type: Option<InstanceTypeId>,
    /// `None` is that of its operating system.
    pub icon: Option<IconChoice>,
}

impl Default for VmSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            comment: String::new(),
            kind: VmKind::Desktop,
            memory: GIB,
            guaranteed_memory: GIB,
            ballooning: true,
            topology: Topology { sockets: 1, cores: 1, threads: 1 },
            cpu_mode: None,
            cpu_pins: Vec::new(),
            cpu_shares: 0,
            cpu_profile: None,
            quota: None,
            os: Os::default(),
            boot_menu: false,
            display: Some(Display::default()),
            serial_console: true,
            watchdog: None,
            host_devices: Vec::new(),
            rng: None,
            io_threads: 0,
            machine: None,
            cpu_model: None,
            custom_properties: Vec::new(),
            delete_protected: false,
            high_availability: HighAvailability::default(),
            time_zone: None,
            serial_number: None,
            stateless: false,
            newest_version: false,
            start_paused: false,
            soundcard: false,
            virtio_scsi: true,
            usb: false,
            usb_type: UsbType::default(),
            origin: "ovirt".into(),
            affinity: Affinity::Migratable,
            hosts: Vec::new(),
            sso: true,
            tunnel_migration: false,
            migration_downtime: -1,
            auto_converge: Inheritable::default(),
            compressed: Inheritable::default(),
            numa_tune_mode: NumaTune::Interleave,
            numa_nodes: Vec::new(),
            cdrom: None,
            initialization: None,
            payloads: Vec::new(),
            instance_type: None,
            icon: None,
        }
    }
}

/// Whether the guest gets devices of a SPICE client's machine, too.
/// Nobody speaks the legacy way any more: it is USB without them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsbType {
    #[default]
    Native,
    Legacy,
}

/// A setting of a VM's own, or that of its cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inheritable {
    #[default]
    Inherit,
    True,
    False,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VmKind {
    Desktop,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    pub sockets: u32,
    pub cores: u32,
    pub threads: u32,
}

impl Topology {
    pub const MAX_SOCKETS: u32 = 16;
    pub const MAX_CORES: u32 = 16;
    pub const MAX_THREADS: u32 = 8;
    pub const MAX_TOTAL: u32 = 240;

    pub fn vcpus(self) -> u32 {
        self.sockets * self.cores * self.threads
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuMode {
    Custom,
    HostModel,
    HostPassthrough,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuPin {
    pub vcpu: u32,
    pub cpus: CpuSet,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Os {
    /// Name of an operating system of `/operatingsystems`.
    pub kind: String,
    pub boot: Vec<BootDevice>,
    /// As the client gave it: a path below a boot folder, or `iso://NAME`.
    pub kernel: Option<String>,
    pub initrd: Option<String>,
    pub cmdline: Option<String>,
}

impl Default for Os {
    fn default() -> Self {
        Self { kind: "other".into(), boot: vec![BootDevice::Hd], kernel: None, initrd: None, cmdline: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootDevice {
    Hd,
    Cdrom,
    Network,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Display {
    /// Of the console that a client gets who does not choose.
    pub protocol: Protocol,
    /// There is a console of the other protocol, too.
    pub both: bool,
    pub monitors: u32,
    pub single_qxl_pci: bool,
    pub allow_override: bool,
    pub smartcard: bool,
    pub keyboard_layout: Option<String>,
    pub file_transfer: bool,
    pub copy_paste: bool,
    pub disconnect_action: DisconnectAction,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            protocol: Protocol::Vnc,
            both: false,
            monitors: 1,
            single_qxl_pci: false,
            allow_override: false,
            smartcard: false,
            keyboard_layout: None,
            file_transfer: true,
            copy_paste: true,
            disconnect_action: DisconnectAction::LockScreen,
        }
    }
}

/// The layouts that oVirt knows and QEMU 7.2 has keymaps of (`nl-be` it has not): with any other name a
/// guest does not start.
pub const KEYBOARD_LAYOUTS: &[&str] = &[
    "ar", "da", "de", "de-ch", "en-gb", "en-us", "es", "et", "fi", "fo", "fr", "fr-be", "fr-ca", "fr-ch",
    "hr", "hu", "is", "it", "ja", "lt", "lv", "mk", "nl", "no", "pl", "pt", "pt-br", "ru", "sl", "sv", "th",
    "tr",
];

impl Display {
    /// The layout, unless no guest starts with it: what is imported may name any.
    pub fn keymap(&self) -> Option<&str> {
        self.keyboard_layout.as_deref().filter(|layout| KEYBOARD_LAYOUTS.contains(layout))
    }

    pub fn has(&self, protocol: Protocol) -> bool {
        self.both || self.protocol == protocol
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Vnc,
    Spice,
}

impl Protocol {
    pub const ALL: [Self; 2] = [Self::Vnc, Self::Spice];
}

/// Resets, stops or tells of a guest that no longer feeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchdog {
    pub model: WatchdogModel,
    pub action: WatchdogAction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchdogModel {
    I6300esb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchdogAction {
    None,
    Reset,
    Poweroff,
    Pause,
    Dump,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DisconnectAction {
    None,
    LockScreen,
    Logout,
    Reboot,
    Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng {
    pub source: RngSource,
    /// At most so many bytes in a period of milliseconds.
    pub rate: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RngSource {
    Random,
    /// The host's own generator.
    Hwrng,
}

impl RngSource {
    /// Its device on the host.
    pub fn file(self) -> &'static str {
        match self {
            Self::Random => "/dev/urandom",
            Self::Hwrng => "/dev/hwrng",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HighAvailability {
    pub enabled: bool,
    /// 0 to 100.
    pub priority: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SerialNumber {
    /// The host's uuid.
    Host,
    /// The VM's own id.
    Vm,
    Custom(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Affinity {
    Migratable,
    UserMigratable,
    Pinned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumaTune {
    Strict,
    Interleave,
    Preferred,
}

/// How a guest's user is signed on who has signed on here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SsoMethod {
    GuestAgent,
}

/// Custom properties that vireo knows: name and the pattern their value follows.
pub const CUSTOM_PROPERTIES: &[(&str, &str)] = &[
    ("accelerator", "^(kvm|tcg)$"),
    ("memory_growth", "^(2|4|8|16)$"),
    ("sap_agent", "^(true|false)$"),
    ("viodiskcache", "^(none|writeback|writethrough)$"),
];

impl VmSpec {
    pub fn custom_property(&self, name: &str) -> Option<&str> {
        self.custom_properties.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The accelerator that this VM insists on.
    pub fn accelerator(&self) -> Option<Accelerator> {
        match self.custom_property("accelerator") {
            Some("kvm") => Some(Accelerator::Kvm),
            Some("tcg") => Some(Accelerator::Tcg),
            _ => None,
        }
    }

    /// To how many times of the memory that it starts with the running VM can grow. Not by default:
    /// Linux guests of little memory give 64 MiB away as soon as there may be any beyond 4 GiB.
    pub fn memory_growth(&self) -> Option<u64> {
        self.custom_property("memory_growth").and_then(|times| times.parse().ok())
    }

    pub fn has_console(&self, protocol: Protocol) -> bool {
        self.display.as_ref().is_some_and(|display| display.has(protocol))
    }

    /// Whether USB devices of a client's machine can be the guest's.
    pub fn redirects_usb(&self) -> bool {
        self.usb && self.usb_type == UsbType::Native && self.has_console(Protocol::Spice)
    }

    /// Whether the guest reads the smartcard of a client's machine.
    pub fn reads_smartcard(&self) -> bool {
        let asked = self.display.as_ref().is_some_and(|display| display.smartcard);
        asked && self.has_console(Protocol::Spice)
    }

    /// Gives it a graphics console; false when it has one of that protocol.
    pub fn add_console(&mut self, protocol: Protocol) -> bool {
        match &mut self.display {
            Some(display) if display.has(protocol) => return false,
            Some(display) => display.both = true,
            None => self.display = Some(Display { protocol, ..Display::default() }),
        }
        true
    }

    /// Takes the console of that protocol away, without any it is headless; false when there is none.
    pub fn remove_console(&mut self, protocol: Protocol) -> bool {
        let Some(display) = self.display.as_mut().filter(|display| display.has(protocol)) else {
            return false;
        };
        match Protocol::ALL.into_iter().find(|other| *other != protocol && display.has(*other)) {
            Some(other) => (display.protocol, display.both) = (other, false),
            None => self.display = None,
        }
        true
    }

    /// The picture that stands for the machine.
    pub fn icon(&self) -> IconChoice {
        self.icon.clone().unwrap_or(IconChoice::Family(Family::of(&self.os.kind)))
    }

    /// What is wrong with the configuration by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        self.check_memory()?;
        self.check_cpu()?;
        self.check_numa()?;
        for (label, text, max) in [
            ("description", Some(&self.description), 4000),
            ("comment", Some(&self.comment), 4000),
            ("kernel path", self.os.kernel.as_ref(), 1000),
            ("initrd path", self.os.initrd.as_ref(), 1000),
            ("kernel command line", self.os.cmdline.as_ref(), 2000),
        ] {
            check_text(label, text.map_or("", String::as_str), max)?;
        }
        if self.os.kernel.is_none() && (self.os.initrd.is_some() || self.os.cmdline.is_some()) {
            return Err("An initrd or a kernel command line needs a kernel.".into());
        }
        if self.high_availability.priority > 100 {
            return Err("The priority of high availability is a number from 0 to 100.".into());
        }
        if self.high_availability.enabled && self.stateless {
            return Err("A highly available VM cannot be stateless.".into());
        }
        if self.migration_downtime < -1 {
            return Err("The migration downtime is a number of milliseconds, or -1 for the cluster's.".into());
        }
        if self.io_threads > 127 {
            return Err("The number of I/O threads must be between 0 and 127.".into());
        }
        if let Some(display) = &self.display {
            if !matches!(display.monitors, 1 | 2 | 4) {
                return Err("The number of monitors must be 1, 2 or 4.".into());
            }
            if let Some(layout) = &display.keyboard_layout {
                let known = (2..=10).contains(&layout.len())
                    && layout.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
                if !known {
                    return Err(format!("'{layout}' is not a keyboard layout."));
                }
            }
        }
        if let Some(zone) = self.time_zone.as_ref().filter(|zone| iana(zone).is_none()) {
            return Err(format!("'{zone}' is not a time zone."));
        }
        if let Some(SerialNumber::Custom(value)) = &self.serial_number {
            let plain = (1..=255).contains(&value.len())
                && value.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b',');
            if !plain {
                return Err("A custom serial number has 1 to 255 printable characters and no comma.".into());
            }
        }
        for (label, text) in [("emulated machine", &self.machine), ("CPU model", &self.cpu_model)] {
            if let Some(text) = text.as_ref().filter(|text| text.len() > 64 || !is_word(text, "._-")) {
                return Err(format!("'{text}' is not a custom {label}."));
            }
        }
        self.cdrom.as_deref().map_or(Ok(()), check_medium)?;
        if let Some(initialization) = self.initialization.as_deref() {
            initialization.check()?;
            if is_windows(&self.os.kind) {
                initialization.check_domain()?;
            }
        }
        check_payloads(&self.payloads)?;
        if let Some(IconChoice::Own(icon)) = &self.icon {
            icon.check()?;
        }
        check_properties(&self.custom_properties, CUSTOM_PROPERTIES)
    }

    /// Refuses what is new over a former configuration and goes nowhere else. Who was accepted with it
    /// before keeps it.
    pub fn check_placement(&self, before: &Self) -> Result<(), String> {
        let nowhere = |it: &Self| it.high_availability.enabled && it.affinity == Affinity::Pinned;
        match nowhere(self) && !nowhere(before) {
            true => Err("A highly available VM cannot be pinned to a host.".into()),
            false => Ok(()),
        }
    }

    /// Most shares of CPU that the first kind of control groups takes.
    pub const MAX_SHARES: u32 = 262_144;

    fn check_memory(&self) -> Result<(), String> {
        if self.memory < MIB || self.memory > 4096 * GIB {
            return Err("The memory size must be between 1 MiB and 4 TiB.".into());
        }
        if self.guaranteed_memory > self.memory {
            return Err("The guaranteed memory must not exceed the memory size.".into());
        }
        Ok(())
    }

    fn check_cpu(&self) -> Result<(), String> {
        let Topology { sockets, cores, threads } = self.topology;
        for (label, count, max) in [
            ("sockets", sockets, Topology::MAX_SOCKETS),
            ("cores per socket", cores, Topology::MAX_CORES),
            ("threads per core", threads, Topology::MAX_THREADS),
        ] {
            if !(1..=max).contains(&count) {
                return Err(format!("The number of {label} must be between 1 and {max}."));
            }
        }
        if self.topology.vcpus() > Topology::MAX_TOTAL {
            return Err(format!("The maximum number of {} virtual CPUs is exceeded.", Topology::MAX_TOTAL));
        }
        for (index, pin) in self.cpu_pins.iter().enumerate() {
            if pin.vcpu >= self.topology.vcpus() {
                return Err(format!("The virtual CPU {} to pin does not exist.", pin.vcpu));
            }
            if self.cpu_pins[..index].iter().any(|other| other.vcpu == pin.vcpu) {
                return Err(format!("The virtual CPU {} is pinned twice.", pin.vcpu));
            }
        }
        if self.cpu_shares > Self::MAX_SHARES || self.cpu_shares == 1 {
            return Err(format!("CPU shares are 0 (the default) or between 2 and {}.", Self::MAX_SHARES));
        }
        Ok(())
    }
}

/// Each property is one of the known ones, once, with a value that follows its pattern.
pub fn check_properties(given: &[(String, String)], known: &[(&str, &str)]) -> Result<(), String> {
    for (index, (name, value)) in given.iter().enumerate() {
        let Some((_, pattern)) = known.iter().find(|(known, _)| known == name) else {
            return Err(format!("The custom property '{name}' is not known."));
        };
        let choices = pattern.trim_start_matches("^(").trim_end_matches(")$");
        if !choices.split('|').any(|choice| choice == value) {
            return Err(format!("The custom property '{name}' must match {pattern}."));
        }
        if given[..index].iter().any(|(other, _)| other == name) {
            return Err(format!("The custom property '{name}' is given twice."));
        }
    }
    Ok(())
}

/// A VM's name: at most 255 letters, digits, `_`, `-` and `.`.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("The VM name may not be empty.".into());
    }
    if name.chars().count() > 255 {
        return Err("The VM name is too long: at most 255 characters are allowed.".into());
    }
    // A name of dots only would be a folder's name where libvirt makes files of it.
    let plain =
        name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c)) && !name.chars().all(|c| c == '.');
    if plain { Ok(()) } else { Err("The VM name may only have letters, digits, '_', '-' or '.'.".into()) }
}

/// ASCII letters, digits and these, at least one.
pub fn is_word(text: &str, more: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

/// A free text: bounded, without control characters.
pub fn check_text(label: &str, text: &str, max: usize) -> Result<(), String> {
    if text.chars().count() > max {
        return Err(format!("The {label} is too long: at most {max} characters are allowed."));
    }
    match text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        true => Err(format!("The {label} has characters that are not allowed.")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> VmSpec {
        VmSpec { name: name.into(), ..VmSpec::default() }
    }

    #[test]
    fn what_was_written_before_a_member_was_there_is_read() {
        let vm = Vm::new(
            VmId::random(),
            ClusterId::random(),
            TemplateId::random(),
            Timestamp::UNIX_EPOCH,
            VmSpec::default(),
        );
        let mut written = serde_json::to_value(&vm).unwrap();
        for member in ["stop_reason", "setting_up", "taken"] {
            written.as_object_mut().unwrap().remove(member).unwrap();
        }
        assert_eq!(serde_json::from_value::<Vm>(written).unwrap(), vm);
    }

    #[test]
    fn names() {
        for good in ["a", "web-01.example_x", "Münch", &"x".repeat(255)] {
            assert_eq!(named(good).check(), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a/b", "..", "a\u{0}", "<x>", "-\n", &"x".repeat(256)] {
            assert!(named(bad).check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn limits() {
        let wrong: &[fn(&mut VmSpec)] = &[
            |s| s.memory = 0,
            |s| s.guaranteed_memory = s.memory + MIB,
            |s| s.topology.sockets = 17,
            |s| s.topology.threads = 0,
            |s| s.cpu_pins = vec![CpuPin { vcpu: 1, cpus: "0".parse().unwrap() }],
            |s| s.os.initrd = Some("/x".into()),
            |s| s.time_zone = Some("../../etc/passwd".into()),
            |s| s.custom_properties = vec![("qemu_cmdline".into(), "x".into())],
            |s| s.custom_properties = vec![("accelerator".into(), "xen".into())],
            |s| s.serial_number = Some(SerialNumber::Custom("a,b".into())),
            |s| s.machine = Some("q35,accel=x".into()),
            |s| s.display.as_mut().unwrap().keyboard_layout = Some("de,x".into()),
        ];
        for change in wrong {
            let mut spec = named("a");
            change(&mut spec);
            assert!(spec.check().is_err(), "{spec:?}");
        }
    }
}
