//! Virtual machines.

use super::{Named, guest_info, guest_system, guest_time_zone, id_of, named, reference};
use crate::error::{Error, Kind, Result};
use crate::model::vm::*;
use crate::model::*;
use crate::wire::Date;
use crate::wire::types;
use std::sync::Arc;

/// What is true of a VM beside its rows.
#[derive(Clone, Debug, Default)]
pub struct RunState {
    pub status: Option<VmStatus>,
    pub pause: Option<PauseReason>,
    pub host: Option<HostId>,
    /// The graphics console of the present run, which may have been started with another one.
    pub console: Option<RunningConsole>,
    /// The host's CPU profile of VMs that name none.
    pub cpu_profile: Option<CpuProfileId>,
    /// What the guest tells of itself.
    pub guest: Option<Arc<GuestReport>>,
    /// The pool that it is one of.
    pub pool: Option<VmPoolId>,
}

#[derive(Clone, Debug)]
pub struct RunningConsole {
    pub protocol: Protocol,
    pub address: String,
    pub port: Option<u16>,
    pub tls_port: Option<u16>,
}

/// Puts what the document says over the configuration; what it does not mention stays.
pub fn change_vm(document: &types::Vm, spec: &mut VmSpec) -> Result<()> {
    let before = spec.memory;
    set(&document.name, &mut spec.name);
    set(&document.description, &mut spec.description);
    set(&document.comment, &mut spec.comment);
    set(&document.stateless, &mut spec.stateless);
    set(&document.use_latest_template_version, &mut spec.newest_version);
    set(&document.delete_protected, &mut spec.delete_protected);
    set(&document.soundcard_enabled, &mut spec.soundcard);
    set(&document.tunnel_migration, &mut spec.tunnel_migration);
    set(&document.migration_downtime, &mut spec.migration_downtime);
    set(&document.start_paused, &mut spec.start_paused);
    set_named(&document.r#type, &mut spec.kind)?;
    set_named(&document.numa_tune_mode, &mut spec.numa_tune_mode)?;
    set_text(&document.custom_emulated_machine, &mut spec.machine);
    set_text(&document.custom_cpu_model, &mut spec.cpu_model);
    set_number("cpu_shares", document.cpu_shares, &mut spec.cpu_shares)?;
    if let Some(origin) = document.origin.as_deref().filter(|origin| !origin.is_empty()) {
        let plain = origin.len() <= 32 && origin.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if !plain {
            return Err(Error::new(Kind::Value, format!("{origin} is not an origin.")));
        }
        origin.clone_into(&mut spec.origin);
    }
    if let Some(memory) = document.memory {
        // The API counts bytes, virtual machines are made of whole MiB.
        spec.memory = memory / MIB * MIB;
    }
    let policy = document.memory_policy.as_ref();
    match policy.and_then(|policy| policy.guaranteed) {
        Some(guaranteed) => spec.guaranteed_memory = guaranteed / MIB * MIB,
        None if spec.memory != before => {
            let followed = spec.guaranteed_memory == before;
            spec.guaranteed_memory =
                if followed { spec.memory } else { spec.guaranteed_memory.min(spec.memory) };
        }
        None => {}
    }
    set(&policy.and_then(|policy| policy.ballooning), &mut spec.ballooning);
    change_cpu(document, spec)?;
    change_os(document, spec)?;
    change_display(document, spec)?;
    change_devices(document, spec)?;
    if let Some(availability) = &document.high_availability {
        set(&availability.enabled, &mut spec.high_availability.enabled);
        set_number(
            "high_availability.priority",
            availability.priority,
            &mut spec.high_availability.priority,
        )?;
    }
    if let Some(zone) = document.time_zone.as_ref().and_then(|zone| zone.name.as_ref()) {
        // What clients are shown of a VM that has none.
        spec.time_zone = Some(zone.clone()).filter(|zone| !matches!(zone.as_str(), "" | "Etc/GMT"));
    }
    if let Some(number) = &document.serial_number {
        spec.serial_number = match number.policy.as_deref().map(str::to_lowercase).as_deref() {
            None | Some("") => None,
            Some("host") => Some(SerialNumber::Host),
            Some("vm") => Some(SerialNumber::Vm),
            Some("custom") => Some(SerialNumber::Custom(number.value.clone().unwrap_or_default())),
            Some(other) => {
                return Err(Error::new(
                    Kind::Value,
                    format!(
                        "{other} is not a member of SerialNumberPolicy. Possible values for SerialNumberPolicy are: host, vm, custom"
                    ),
                ));
            }
        };
    }
    if let Some(placement) = &document.placement_policy {
        set_named(&placement.affinity, &mut spec.affinity)?;
    }
    if let Some(migration) = &document.migration {
        set_named(&migration.auto_converge, &mut spec.auto_converge)?;
        set_named(&migration.compressed, &mut spec.compressed)?;
    }
    let before = spec.initialization.clone().unwrap_or_default();
    let mut guest = before.clone();
    if let Some(given) = &document.initialization {
        super::change_initialization(given, &mut guest)?;
    }
    // Said twice by who sends back what was shown: the one that differs is meant.
    if let Some(name) = document.domain.as_ref().and_then(|domain| domain.name.as_ref())
        && *name != *before.domain.as_deref().unwrap_or_default()
    {
        guest.domain = (!name.is_empty()).then(|| name.clone());
    }
    if guest != before {
        spec.initialization = (*guest != Initialization::default()).then_some(guest);
    }
    if let Some(given) = &document.payloads {
        spec.payloads = super::payloads(given)?;
    }
    if let Some(properties) = &document.custom_properties {
        spec.custom_properties = custom_properties(properties);
    }
    Ok(())
}

/// The pairs of a list of custom properties.
pub fn custom_properties(properties: &types::CustomProperties) -> Vec<(String, String)> {
    let pairs = properties.custom_property.iter();
    pairs.map(|it| (it.name.clone().unwrap_or_default(), it.value.clone().unwrap_or_default())).collect()
}

fn change_cpu(document: &types::Vm, spec: &mut VmSpec) -> Result<()> {
    let Some(cpu) = &document.cpu else { return change_profile(document, spec) };
    if let Some(topology) = &cpu.topology {
        set_number("cpu.topology.sockets", topology.sockets, &mut spec.topology.sockets)?;
        set_number("cpu.topology.cores", topology.cores, &mut spec.topology.cores)?;
        set_number("cpu.topology.threads", topology.threads, &mut spec.topology.threads)?;
    }
    if let Some(mode) = &cpu.mode {
        spec.cpu_mode = if mode.is_empty() { None } else { Some(named(mode)?) };
    }
    if let Some(pins) = cpu.cpu_tune.as_ref().map(|tune| tune.vcpu_pins.as_ref()) {
        let pins = pins.map(|pins| pins.vcpu_pin.as_slice()).unwrap_or_default();
        spec.cpu_pins = pins.iter().map(pin).collect::<Result<_>>()?;
    }
    change_profile(document, spec)
}

fn change_profile(document: &types::Vm, spec: &mut VmSpec) -> Result<()> {
    if let Some(profile) = &document.cpu_profile {
        spec.cpu_profile = id_of(profile, "CpuProfile")?;
    }
    if let Some(quota) = &document.quota {
        spec.quota = id_of(quota, "Quota")?;
    }
    Ok(())
}

fn pin(pin: &types::VcpuPin) -> Result<CpuPin> {
    let incomplete = || Error::new(Kind::Incomplete, "VCpuPin [vcpu, cpuSet] required for update");
    let vcpu = pin.vcpu.ok_or_else(incomplete)?;
    let set = pin.cpu_set.as_deref().ok_or_else(incomplete)?;
    Ok(CpuPin {
        vcpu: u32::try_from(vcpu).map_err(|_| negative("vcpu_pin.vcpu", vcpu))?,
        cpus: set.parse().map_err(|why: String| Error::new(Kind::Value, why))?,
    })
}

fn change_os(document: &types::Vm, spec: &mut VmSpec) -> Result<()> {
    if let Some(menu) = document.bios.as_ref().and_then(|bios| bios.boot_menu.as_ref()) {
        set(&menu.enabled, &mut spec.boot_menu);
    }
    let Some(os) = &document.os else { return Ok(()) };
    if let Some(kind) = os.r#type.as_deref().filter(|kind| !kind.is_empty()) {
        // The word of older clients for what nobody has said.
        let kind = if kind.eq_ignore_ascii_case("unassigned") { "other" } else { kind };
        let known = operating_system(kind)
            .ok_or_else(|| Error::new(Kind::Value, format!("{kind} is not a member of OsType.")))?;
        known.clone_into(&mut spec.os.kind);
    }
    if let Some(boot) = boot_devices(os)? {
        spec.os.boot = boot;
    }
    set_text(&os.kernel, &mut spec.os.kernel);
    set_text(&os.initrd, &mut spec.os.initrd);
    set_text(&os.cmdline, &mut spec.os.cmdline);
    Ok(())
}

/// The boot sequence of a document, when it has one.
pub fn boot_devices(os: &types::OperatingSystem) -> Result<Option<Vec<BootDevice>>> {
    let Some(devices) = os.boot.as_ref().and_then(|boot| boot.devices.as_ref()) else { return Ok(None) };
    let mut boot: Vec<BootDevice> = Vec::new();
    for device in devices.device.iter().filter(|device| !device.is_empty()) {
        let device = named(device)?;
        if !boot.contains(&device) {
            boot.push(device);
        }
    }
    Ok((!boot.is_empty()).then_some(boot))
}

fn change_display(document: &types::Vm, spec: &mut VmSpec) -> Result<()> {
    let Some(given) = &document.display else { return Ok(()) };
    if given.r#type.as_ref().is_some_and(|kind| !kind.is_empty()) {
        spec.display.get_or_insert_default();
    }
    let Some(display) = &mut spec.display else {
        let said_nothing = types::Display { r#type: given.r#type.clone(), ..Default::default() };
        if *given == said_nothing {
            return Ok(());
        }
        return Err(Error::conflict("The VM has no graphics console: it gets one by its display's type."));
    };
    set_named(&given.r#type, &mut display.protocol)?;
    set_number("display.monitors", given.monitors, &mut display.monitors)?;
    set(&given.single_qxl_pci, &mut display.single_qxl_pci);
    set(&given.allow_override, &mut display.allow_override);
    set(&given.smartcard_enabled, &mut display.smartcard);
    set(&given.file_transfer_enabled, &mut display.file_transfer);
    set(&given.copy_paste_enabled, &mut display.copy_paste);
    set_keyboard_layout(&given.keyboard_layout, &mut display.keyboard_layout)?;
    set_named(&given.disconnect_action, &mut display.disconnect_action)
}

/// Sets a layout that a guest starts with; one that is there already may be sent back.
pub fn set_keyboard_layout(given: &Option<String>, field: &mut Option<String>) -> Result<()> {
    if let Some(layout) = given.as_deref().filter(|layout| !layout.is_empty())
        && field.as_deref() != Some(layout)
        && !KEYBOARD_LAYOUTS.contains(&layout)
    {
        let known = KEYBOARD_LAYOUTS.join(", ");
        let said = format!("'{layout}' is not a keyboard layout. Possible keyboard layouts are: {known}");
        return Err(Error::new(Kind::Value, said));
    }
    set_text(given, field);
    Ok(())
}

fn change_devices(document: &types::Vm, spec: &mut VmSpec) -> Result<()> {
    set(&document.console.as_ref().and_then(|console| console.enabled), &mut spec.serial_console);
    set(&document.virtio_scsi.as_ref().and_then(|scsi| scsi.enabled), &mut spec.virtio_scsi);
    if let Some(usb) = &document.usb {
        set(&usb.enabled, &mut spec.usb);
        set_named(&usb.r#type, &mut spec.usb_type)?;
    }
    set_number("io.threads", document.io.as_ref().and_then(|io| io.threads), &mut spec.io_threads)?;
    if let Some(sso) = &document.sso {
        let methods = sso.methods.as_ref().map(|methods| methods.method.as_slice()).unwrap_or_default();
        let methods = methods.iter().filter_map(|method| method.id.as_deref()).filter(|id| !id.is_empty());
        let methods: Vec<SsoMethod> = methods.map(named).collect::<Result<_>>()?;
        spec.sso = methods.contains(&SsoMethod::GuestAgent);
    }
    if let Some(rng) = &document.rng_device {
        let source = match rng.source.as_deref() {
            None | Some("") => RngSource::Random,
            Some(source) => named(source)?,
        };
        let rate = match &rng.rate {
            None => None,
            Some(rate) => {
                let (mut bytes, mut period) = (0, 1000);
                set_number("rng_device.rate.bytes", rate.bytes, &mut bytes)?;
                set_number("rng_device.rate.period", rate.period, &mut period)?;
                if bytes == 0 || period == 0 {
                    return Err(Error::new(
                        Kind::Value,
                        "The rate of a random number generator is positive.",
                    ));
                }
                Some((bytes, period))
            }
        };
        spec.rng = Some(Rng { source, rate });
    }
    Ok(())
}

fn set<T: Clone>(given: &Option<T>, field: &mut T) {
    if let Some(value) = given {
        field.clone_from(value);
    }
}

/// An empty text unsets.
pub(super) fn set_text(given: &Option<String>, field: &mut Option<String>) {
    if let Some(value) = given {
        *field = Some(value.clone()).filter(|value| !value.is_empty());
    }
}

fn set_named<T: Named>(given: &Option<String>, field: &mut T) -> Result<()> {
    if let Some(text) = given.as_deref().filter(|text| !text.is_empty()) {
        *field = named(text)?;
    }
    Ok(())
}

fn set_number(path: &str, given: Option<i32>, field: &mut u32) -> Result<()> {
    if let Some(value) = given {
        *field = u32::try_from(value).map_err(|_| negative(path, value))?;
    }
    Ok(())
}

fn negative(path: &str, value: i32) -> Error {
    Error::new(Kind::Value, format!("{path}: {value} is negative."))
}

/// The VM as a document; links and actions are the caller's. `spec` is the present configuration,
/// or the one of the next run.
pub fn vm(vm: &Vm, spec: &VmSpec, state: &RunState, all_content: bool) -> types::Vm {
    let status = state.status.unwrap_or(VmStatus::Unknown);
    let id = vm.id;
    let guest = state.guest.as_deref();
    let hosts = spec.hosts.iter().map(|host| reference("hosts", host)).collect::<Vec<_>>();
    let placement = types::PlacementPolicy {
        hosts: (!hosts.is_empty()).then_some(types::HostRefs { host: hosts }),
        affinity: Some(spec.affinity.name().into()),
        ..Default::default()
    };
    types::Vm {
        href: Some(format!("{}/vms/{id}", super::API)),
        id: Some(id.to_string()),
        name: Some(spec.name.clone()),
        description: text(&spec.description),
        comment: text(&spec.comment),
        r#type: Some(spec.kind.name().into()),
        status: Some(status.name().into()),
        status_detail: (status == VmStatus::Paused)
            .then(|| state.pause.unwrap_or(PauseReason::None).name().into()),
        memory: Some(spec.memory),
        cpu: Some(cpu(spec)),
        cpu_shares: Some(small(spec.cpu_shares)),
        bios: Some(types::Bios { boot_menu: Some(types::Enabled { enabled: Some(spec.boot_menu) }) }),
        os: Some(os(&spec.os)),
        cluster: Some(reference("clusters", vm.cluster)),
        creation_time: Some(vm.created.into()),
        origin: Some(spec.origin.clone()),
        stateless: Some(spec.stateless),
        delete_protected: Some(spec.delete_protected),
        high_availability: Some(types::HighAvailability {
            enabled: Some(spec.high_availability.enabled),
            priority: Some(small(spec.high_availability.priority)),
        }),
        display: spec.display.as_ref().map(|display| self::display(display, state)),
        sso: Some(types::Sso {
            methods: Some(types::SsoMethods {
                method: spec
                    .sso
                    .then(|| types::SsoMethod { id: Some(SsoMethod::GuestAgent.name().into()) })
                    .into_iter()
                    .collect(),
            }),
        }),
        rng_device: spec.rng.filter(|_| all_content).map(rng),
        console: all_content.then_some(types::Console { enabled: Some(spec.serial_console) }),
        usb: Some(types::Usb {
            enabled: Some(spec.usb),
            r#type: spec.usb.then(|| spec.usb_type.name().into()),
        }),
        soundcard_enabled: all_content.then_some(spec.soundcard),
        tunnel_migration: Some(spec.tunnel_migration),
        migration_downtime: Some(spec.migration_downtime),
        migration: Some(types::MigrationOptions {
            auto_converge: Some(spec.auto_converge.name().into()),
            compressed: Some(spec.compressed.name().into()),
        }),
        virtio_scsi: all_content.then_some(types::VirtioScsi { enabled: Some(spec.virtio_scsi) }),
        serial_number: spec.serial_number.as_ref().map(serial_number),
        start_paused: Some(spec.start_paused),
        quota: spec.quota.map(types::Ref::bare),
        cpu_profile: spec.cpu_profile.or(state.cpu_profile).map(|id| reference("cpuprofiles", id)),
        io: Some(types::Io { threads: Some(small(spec.io_threads)) }),
        custom_properties: (!spec.custom_properties.is_empty()).then(|| types::CustomProperties {
            custom_property: spec.custom_properties.iter().map(custom_property).collect(),
        }),
        custom_emulated_machine: spec.machine.clone(),
        custom_cpu_model: spec.cpu_model.clone(),
        time_zone: Some(types::TimeZone {
            name: Some(spec.time_zone.clone().unwrap_or_else(|| "Etc/GMT".into())),
            ..Default::default()
        }),
        small_icon: Some(icon(spec.icon().small())),
        large_icon: Some(icon(spec.icon().large())),
        memory_policy: Some(types::MemoryPolicy {
            guaranteed: Some(spec.guaranteed_memory),
            ballooning: all_content.then_some(spec.ballooning),
            ..Default::default()
        }),
        host: state.host.map(|host| reference("hosts", host)),
        template: Some(reference("templates", vm.template)),
        instance_type: spec.instance_type.map(|id| reference("instancetypes", id)),
        start_time: vm.started.filter(|_| status.runs()).map(Date::from),
        stop_time: vm.stopped.filter(|_| !status.runs()).map(Date::from),
        stop_reason: vm.stop_reason.clone().filter(|_| !status.runs()),
        run_once: status.runs().then_some(vm.run_once),
        payloads: (all_content && !spec.payloads.is_empty()).then(|| super::shown_payloads(&spec.payloads)),
        initialization: spec.initialization.as_deref().map(super::initialization),
        domain: spec
            .initialization
            .as_ref()
            .and_then(|it| it.domain.as_ref())
            .map(|name| types::Domain { name: Some(name.clone()), ..Default::default() }),
        placement_policy: Some(placement),
        use_latest_template_version: spec.stateless.then_some(spec.newest_version),
        next_run_configuration_exists: Some(vm.next_run.is_some()),
        numa_tune_mode: Some(spec.numa_tune_mode.name().into()),
        guest_info: guest.and_then(guest_info),
        vm_pool: state.pool.map(|id| reference("vmpools", id)),
        guest_time_zone: guest.and_then(|guest| guest.time_zone.as_ref()).map(guest_time_zone),
        guest_operating_system: guest.and_then(|guest| guest_system(&guest.system)),
        ..types::Vm::default()
    }
}

/// The mention of a picture.
pub fn icon(id: IconId) -> types::Icon {
    let types::Ref { href, id, .. } = reference("icons", id);
    types::Icon { href, id, ..types::Icon::default() }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Counts in documents are signed; ours are checked to be small.
fn small(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn cpu(spec: &VmSpec) -> types::Cpu {
    let Topology { sockets, cores, threads } = spec.topology;
    let pins: Vec<types::VcpuPin> = spec
        .cpu_pins
        .iter()
        .map(|pin| types::VcpuPin { vcpu: Some(small(pin.vcpu)), cpu_set: Some(pin.cpus.to_string()) })
        .collect();
    types::Cpu {
        topology: Some(types::CpuTopology {
            sockets: Some(small(sockets)),
            cores: Some(small(cores)),
            threads: Some(small(threads)),
        }),
        cpu_tune: (!pins.is_empty())
            .then_some(types::CpuTune { vcpu_pins: Some(types::VcpuPins { vcpu_pin: pins }) }),
        mode: spec.cpu_mode.map(|mode| mode.name().into()),
        architecture: Some("X86_64".into()),
        ..Default::default()
    }
}

fn os(os: &Os) -> types::OperatingSystem {
    types::OperatingSystem {
        r#type: Some(os.kind.clone()),
        boot: Some(types::Boot { devices: Some(os.boot.iter().map(|device| device.name()).collect()) }),
        kernel: os.kernel.clone(),
        initrd: os.initrd.clone(),
        cmdline: os.cmdline.clone(),
        ..Default::default()
    }
}

pub(super) fn display(display: &Display, state: &RunState) -> types::Display {
    let console = state.console.as_ref();
    types::Display {
        r#type: Some(console.map_or(display.protocol, |it| it.protocol).name().into()),
        address: console.map(|it| it.address.clone()),
        port: console.and_then(|it| it.port),
        secure_port: console.and_then(|it| it.tls_port),
        monitors: Some(small(display.monitors)),
        single_qxl_pci: Some(display.single_qxl_pci),
        allow_override: Some(display.allow_override),
        smartcard_enabled: Some(display.smartcard),
        keyboard_layout: display.keyboard_layout.clone(),
        file_transfer_enabled: Some(display.file_transfer),
        copy_paste_enabled: Some(display.copy_paste),
        disconnect_action: Some(display.disconnect_action.name().into()),
        ..Default::default()
    }
}

pub(super) fn rng(rng: Rng) -> types::RngDevice {
    types::RngDevice {
        rate: rng
            .rate
            .map(|(bytes, period)| types::Rate { bytes: Some(small(bytes)), period: Some(small(period)) }),
        source: Some(rng.source.name().into()),
    }
}

fn serial_number(number: &SerialNumber) -> types::SerialNumber {
    let (policy, value) = match number {
        SerialNumber::Host => ("host", None),
        SerialNumber::Vm => ("vm", None),
        SerialNumber::Custom(value) => ("custom", Some(value.clone())),
    };
    types::SerialNumber { policy: Some(policy.into()), value }
}

fn custom_property((name, value): &(String, String)) -> types::CustomProperty {
    types::CustomProperty { name: Some(name.clone()), value: Some(value.clone()), regexp: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Format, Version, read};

    fn changed(body: &str) -> Result<VmSpec> {
        let document: types::Vm = read(body.as_bytes(), Format::Xml, Version::V3)?;
        let mut spec = VmSpec { name: "a".into(), ..VmSpec::default() };
        change_vm(&document, &mut spec)?;
        Ok(spec)
    }

    #[test]
    fn what_is_not_mentioned_stays() {
        let spec =
            changed("<vm><description>d</description><cpu><topology sockets='2'/></cpu></vm>").unwrap();
        assert_eq!((spec.name.as_str(), spec.description.as_str()), ("a", "d"));
        assert_eq!(spec.topology, Topology { sockets: 2, cores: 1, threads: 1 });
        assert_eq!(spec.memory, GIB);
    }

    #[test]
    fn memory_is_whole_mebibytes_and_the_guarantee_follows() {
        let spec = changed("<vm><memory>536870913</memory></vm>").unwrap();
        assert_eq!((spec.memory, spec.guaranteed_memory), (512 * MIB, 512 * MIB));
    }

    #[test]
    fn what_comes_back_is_what_was_set() {
        let spec = changed(
            "<vm><name>b</name><type>server</type><cpu><cpu_tune><vcpu_pin vcpu='0' cpu_set='0-1'/></cpu_tune>\
             </cpu><os type='rhel_6x64'><boot dev='network'/><boot dev='hd'/></os><display><type>spice</type>\
             <monitors>2</monitors></display><serial_number><policy>custom</policy><value>x1</value></serial_number>\
             <io><threads>2</threads></io><high_availability><enabled>true</enabled><priority>50</priority>\
             </high_availability></vm>",
        )
        .unwrap();
        let row =
            Vm::new(VmId::random(), ClusterId::random(), BLANK, jiff::Timestamp::UNIX_EPOCH, spec.clone());
        let mut again = VmSpec::default();
        change_vm(&vm(&row, &spec, &RunState::default(), true), &mut again).unwrap();
        assert_eq!(again, spec);
    }

    #[test]
    fn an_unknown_layout_that_is_there_may_be_sent_back() {
        let body = "<vm><display><keyboard_layout>nl-be</keyboard_layout></display></vm>";
        let document: types::Vm = read(body.as_bytes(), Format::Xml, Version::V3).unwrap();
        let mut spec = VmSpec::default();
        assert!(change_vm(&document, &mut spec).is_err());
        spec.display.get_or_insert_default().keyboard_layout = Some("nl-be".into());
        change_vm(&document, &mut spec).unwrap();
        assert_eq!(spec.display.unwrap().keymap(), None);
    }

    #[test]
    fn refusals() {
        for bad in [
            "<vm><type>mainframe</type></vm>",
            "<vm><os><boot dev='floppy'/></os></vm>",
            "<vm><os type='beos'/></vm>",
            "<vm><display><keyboard_layout>klingon</keyboard_layout></display></vm>",
            "<vm><cpu><topology sockets='-1'/></cpu></vm>",
            "<vm><cpu><cpu_tune><vcpu_pin vcpu='0' cpu_set='x'/></cpu_tune></cpu></vm>",
            "<vm><cpu><cpu_tune><vcpu_pin vcpu='0'/></cpu_tune></cpu></vm>",
            "<vm><serial_number><policy>mine</policy></serial_number></vm>",
            "<vm><memory>-1</memory></vm>",
            "<vm><memory>99999999999999999999</memory></vm>",
        ] {
            assert!(changed(bad).is_err(), "{bad}");
        }
    }
}
