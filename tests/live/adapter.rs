//! The hypervisor port on a real libvirtd, without a daemon of vireo's between.

use super::harness::{Host, guests, lab, run, until, wait};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use vireo::engine::ports::{
    AgentCall, Ask, Control, DomainSeen, Hypervisor, HypervisorEvent, Scope, StopDetail,
};
use vireo::error::{Kind, NOT_RESPONDING};
use vireo::libvirt::Libvirt;
use vireo::model::{Accelerator, CpuChoice, MIB, PauseReason, Power, VmId};
use vireo::xml;

const NO_AGENT: &str = "The guest agent of the VM does not respond.";
/// The domain of the trial starts.
const PROBE: &str = "76697265-6f00-4000-8000-747269616c00";

/// An adapter on a host, and what it tells.
struct Rig<'a> {
    host: &'a Host,
    libvirt: Libvirt,
    events: RefCell<UnboundedReceiver<HypervisorEvent>>,
    folder: tempfile::TempDir,
}

fn own_host() -> Option<Host> {
    guests()?;
    Some(Host::start(&[]))
}

fn rig(host: &Host) -> Rig<'_> {
    let libvirt = Libvirt::new(&host.uri, Some(Accelerator::Tcg), None);
    let (sender, events) = unbounded_channel();
    libvirt.subscribe(sender);
    let (events, folder) = (RefCell::new(events), tempfile::tempdir_in(&host.root).unwrap());
    let rig = Rig { host, libvirt, events, folder };
    rig.hear(|event| *event == HypervisorEvent::Connected);
    rig
}

impl Rig<'_> {
    /// Waits for an event; those before it are gone.
    fn hear(&self, wanted: impl Fn(&HypervisorEvent) -> bool) {
        let mut events = self.events.borrow_mut();
        wait(20, "the event", || std::iter::from_fn(|| events.try_recv().ok()).find(&wanted));
    }

    fn seen(&self, id: VmId) -> Option<DomainSeen> {
        self.libvirt.look(id, false).unwrap().map(|(seen, _)| seen)
    }

    fn power(&self, id: VmId) -> Power {
        let one = self.seen(id).unwrap();
        let all = self.libvirt.domains().unwrap();
        assert!(all.contains(&one), "the list and the look at one differ");
        one.power
    }

    /// The device of a disk on a new image.
    fn disk(&self, target: &str, bus: &str, alias: &str) -> String {
        let file = self.folder.path().join(target);
        std::fs::File::create(&file).unwrap().set_len(MIB).unwrap();
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='raw'/>
             <source file='{}'/><target dev='{target}' bus='{bus}'/><alias name='{alias}'/></disk>",
            file.display()
        )
    }

    fn has(&self, id: VmId, alias: &str, persistent: bool) -> bool {
        let document = self.libvirt.document(id, persistent).unwrap().unwrap();
        document.contains(&format!("<alias name='{alias}'/>"))
    }

    fn signal(&self, id: VmId, signal: &str) {
        let qemu = self.host.qemu(&id.to_string()).unwrap();
        run(Command::new("kill").args([signal, &qemu]));
    }
}

/// A defined domain that goes with the test.
struct Guest<'a> {
    libvirt: &'a Libvirt,
    id: VmId,
    name: String,
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let _ = self.libvirt.destroy(self.id);
        let _ = self.libvirt.undefine(self.id);
    }
}

fn document(id: VmId, name: &str, devices: &str) -> String {
    let kernel = guests().unwrap().join("mini.elf");
    format!(
        "<domain type='qemu'><name>{name}</name><uuid>{id}</uuid>
         <memory unit='MiB'>32</memory><vcpu>1</vcpu>
         <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{}</kernel></os><features><acpi/><apic/></features>
         <cpu mode='custom' match='exact' check='none'><model fallback='allow'>qemu64</model></cpu>
         <devices>
         <controller type='pci' index='0' model='pcie-root'/>
         <controller type='pci' index='1' model='pcie-root-port'/>
         <controller type='pci' index='2' model='pcie-root-port'/>
         <controller type='pci' index='3' model='pcie-root-port'/>
         <controller type='scsi' index='0' model='virtio-scsi'/>
         <controller type='usb' model='none'/>
         <serial type='pty'/><memballoon model='virtio'/>{devices}</devices></domain>",
        kernel.display()
    )
}

fn guest<'a>(libvirt: &'a Libvirt, name: &str, devices: &str) -> Guest<'a> {
    let id = VmId::random();
    let name = format!("adapter-{name}-{}", &id.to_string()[..8]);
    libvirt.define(&document(id, &name, devices)).unwrap();
    Guest { libvirt, id, name }
}

#[test]
fn a_domain_lives() {
    let Some(lab) = lab() else { return };
    let rig = rig(&lab.host);
    let libvirt = &rig.libvirt;
    assert!(libvirt.version().unwrap().starts_with("libvirt "));
    assert!(libvirt.host_uuid().unwrap().parse::<uuid::Uuid>().is_ok());
    let guest = guest(libvirt, "life", "");
    let id = guest.id;
    assert_eq!(rig.power(id), Power::Off);
    libvirt.define(&document(id, &guest.name, "")).unwrap();
    let junk = document(id, &guest.name, "<junk/>");
    assert_eq!(libvirt.define(&junk).unwrap_err().kind, Kind::Invalid);
    let taken = document(VmId::random(), &guest.name, "");
    assert_eq!(libvirt.define(&taken).unwrap_err().kind, Kind::Exists);

    libvirt.start(id, true).unwrap();
    assert_eq!(rig.power(id), Power::Paused(PauseReason::None));
    assert_eq!(libvirt.start(id, true).unwrap_err().kind, Kind::Conflict);
    libvirt.resume(id).unwrap();
    assert_eq!(rig.power(id), Power::Running);
    libvirt.pause(id).unwrap();
    assert_eq!(rig.power(id), Power::Paused(PauseReason::None));
    libvirt.resume(id).unwrap();
    assert_eq!(libvirt.control(id).unwrap(), Control::Free);

    libvirt.save(id).unwrap();
    let saved = HypervisorEvent::Stopped { id, detail: StopDetail::Saved };
    rig.hear(|event| *event == saved);
    assert_eq!(rig.power(id), Power::Saved);
    libvirt.start(id, false).unwrap();
    assert_eq!(rig.power(id), Power::Running);
    libvirt.save(id).unwrap();
    libvirt.drop_save(id).unwrap();
    libvirt.drop_save(id).unwrap();
    assert_eq!(rig.power(id), Power::Off);

    // A run with a document of its own leaves the definition as it is, also when it fails.
    let before = libvirt.document(id, true).unwrap();
    let other = document(id, &guest.name, "").replace(">32<", ">48<");
    libvirt.start_with(&other, true).unwrap();
    assert!(libvirt.document(id, false).unwrap().unwrap().contains(">49152<"));
    assert_eq!(libvirt.document(id, true).unwrap(), before);
    assert!(rig.seen(id).unwrap().persistent);
    assert_eq!(libvirt.undefine(id).unwrap_err().kind, Kind::Conflict);
    libvirt.destroy(id).unwrap();
    libvirt.destroy(id).unwrap();
    assert_eq!(libvirt.document(id, false).unwrap(), before);
    let broken = "<disk type='file' device='disk'><driver name='qemu' type='raw'/>
        <source file='/nonexistent/vireo'/><target dev='vda' bus='virtio'/></disk>";
    let refused = libvirt.start_with(&document(id, &guest.name, broken), true).unwrap_err();
    assert_eq!(refused.kind, Kind::Host, "{refused}");
    assert_eq!(libvirt.document(id, true).unwrap(), before);
    assert_eq!(rig.power(id), Power::Off);

    libvirt.undefine(id).unwrap();
    libvirt.undefine(id).unwrap();
    assert_eq!(rig.seen(id), None);
}

#[test]
fn devices_come_and_go() {
    let Some(lab) = lab() else { return };
    let rig = rig(&lab.host);
    let libvirt = &rig.libvirt;
    let guest = guest(libvirt, "devices", "");
    let id = guest.id;
    let scsi = rig.disk("sda", "scsi", "ua-scsi");
    let virtio = rig.disk("vda", "virtio", "ua-virtio");

    // Off: the definition alone, and twice is once.
    libvirt.attach(id, &scsi, "ua-scsi", Scope::Config).unwrap();
    libvirt.attach(id, &scsi, "ua-scsi", Scope::Config).unwrap();
    libvirt.detach(id, "ua-scsi", Scope::Config).unwrap();
    libvirt.detach(id, "ua-scsi", Scope::Config).unwrap();
    assert!(!rig.has(id, "ua-scsi", true));

    libvirt.start(id, false).unwrap();
    // Half of it was made before.
    libvirt.attach(id, &scsi, "ua-scsi", Scope::Config).unwrap();
    libvirt.attach(id, &scsi, "ua-scsi", Scope::Both).unwrap();
    let added = HypervisorEvent::DeviceAdded { id, alias: "ua-scsi".into() };
    rig.hear(|event| *event == added);
    assert!(rig.has(id, "ua-scsi", false) && rig.has(id, "ua-scsi", true));
    libvirt.resize_block(id, "sda", 2 * MIB).unwrap();
    assert_eq!(std::fs::metadata(rig.folder.path().join("sda")).unwrap().len(), 2 * MIB);
    libvirt.detach(id, "ua-scsi", Scope::Both).unwrap();
    let removed = HypervisorEvent::DeviceRemoved { id, alias: "ua-scsi".into() };
    rig.hear(|event| *event == removed);
    assert!(!rig.has(id, "ua-scsi", false) && !rig.has(id, "ua-scsi", true));

    libvirt.attach(id, &virtio, "ua-virtio", Scope::Both).unwrap();
    let taken = rig.disk("vda", "virtio", "ua-other");
    assert!(libvirt.attach(id, &taken, "ua-other", Scope::Live).is_err());
    // The guest must have found its ACPI tables.
    std::thread::sleep(Duration::from_secs(2));
    libvirt.detach(id, "ua-virtio", Scope::Both).unwrap();
    let removed = HypervisorEvent::DeviceRemoved { id, alias: "ua-virtio".into() };
    rig.hear(|event| *event == removed);
    libvirt.destroy(id).unwrap();
}

#[test]
fn a_guest_that_does_not_let_go_keeps_its_device() {
    let Some(lab) = lab() else { return };
    let rig = rig(&lab.host);
    let libvirt = &rig.libvirt;
    let guest = guest(libvirt, "stubborn", "");
    let id = guest.id;
    // Without its CPU running no guest answers.
    libvirt.start(id, true).unwrap();
    let virtio = rig.disk("vda", "virtio", "ua-virtio");
    libvirt.attach(id, &virtio, "ua-virtio", Scope::Both).unwrap();
    libvirt.detach(id, "ua-virtio", Scope::Both).unwrap();
    libvirt.detach(id, "ua-virtio", Scope::Both).unwrap();
    libvirt.detach(id, "ua-virtio", Scope::Live).unwrap();
    assert!(rig.has(id, "ua-virtio", false));
    assert!(!rig.has(id, "ua-virtio", true));
    // A reset ends the wait, once the firmware has set the slots up.
    libvirt.resume(id).unwrap();
    until(20, "the device goes with a reset", || {
        lab.host.virsh(&["reset", &id.to_string()]);
        std::thread::sleep(Duration::from_millis(500));
        !rig.has(id, "ua-virtio", false)
    });
    let removed = HypervisorEvent::DeviceRemoved { id, alias: "ua-virtio".into() };
    rig.hear(|event| *event == removed);
}

#[test]
fn running_guests_change_and_are_counted() {
    let Some(lab) = lab() else { return };
    let rig = rig(&lab.host);
    let libvirt = &rig.libvirt;
    let disk = rig.disk("sda", "scsi", "ua-disk");
    let cdrom = "<disk type='file' device='cdrom'><target dev='sdb' bus='scsi'/><readonly/>
        <alias name='ua-cdrom'/></disk>";
    let network = "<interface type='ethernet'><target dev='vireotest0' managed='yes'/>
        <model type='virtio'/></interface>";
    let guest = guest(libvirt, "counted", &format!("{disk}{cdrom}{network}"));
    let id = guest.id;
    assert!(libvirt.sample(&[id]).unwrap().is_empty());
    libvirt.start(id, false).unwrap();
    // A host that is busy may not answer in time.
    let samples = wait(10, "a sample", || {
        Some(libvirt.sample(&[id, VmId::random()]).unwrap()).filter(|samples| !samples.is_empty())
    });
    assert_eq!(samples.len(), 1);
    let (sampled, sample) = &samples[0];
    assert_eq!(*sampled, id);
    assert!(sample.cpu_time.unwrap() > 0 && sample.vcpu_time.is_some());
    assert_eq!(sample.vcpus, 1);
    assert_eq!(sample.balloon_current, Some(32 * MIB));
    assert!(sample.rss.unwrap() > MIB);
    assert!(sample.blocks.contains_key("sda"), "{sample:?}");
    assert!(sample.interfaces.contains_key("vireotest0"), "{sample:?}");

    let iso = rig.folder.path().join("a.iso");
    std::fs::write(&iso, vec![0; 65536]).unwrap();
    let source = format!("<source file='{}'/><target", iso.display());
    // The drive is reset, and its tray closed, when the guest boots.
    let inserted = cdrom.replace("<target", &source);
    until(10, "the medium is in", || libvirt.change_medium(id, &inserted, false).is_ok());
    libvirt.update_device(id, &inserted, Scope::Both).unwrap();
    assert!(libvirt.document(id, false).unwrap().unwrap().contains("a.iso"));
    assert!(libvirt.document(id, true).unwrap().unwrap().contains("a.iso"));
    libvirt.set_memory(id, 24 * MIB, Scope::Both).unwrap();
    let too_much = libvirt.set_memory(id, 1 << 60, Scope::Live).unwrap_err();
    assert_ne!(too_much.kind, Kind::Unavailable, "{too_much}");
    libvirt.pin_vcpu(id, 0, &[true]).unwrap();
    assert_eq!(libvirt.agent(id, AgentCall::Freeze).unwrap_err().said, NO_AGENT);
    assert_eq!(libvirt.shutdown(id, Ask::Agent).unwrap_err().said, NO_AGENT);
    lab.host.virsh(&["reset", &id.to_string()]);
    rig.hear(|event| *event == HypervisorEvent::Rebooted(id));
    libvirt.reboot(id, Ask::Acpi).unwrap();
    // A guest that boots does not hear it.
    until(20, "the guest turns itself off", || {
        let told = libvirt.shutdown(id, Ask::Acpi);
        let off = rig.seen(id).is_some_and(|seen| seen.power == Power::Off);
        assert!(off || told.is_ok(), "{told:?}");
        off
    });
}

#[test]
fn pools_stand_where_they_should() {
    let Some(lab) = lab() else { return };
    let rig = rig(&lab.host);
    let libvirt = &rig.libvirt;
    let name = format!("vireo-test-{}", VmId::random());
    let (here, there) = (rig.folder.path().join("here"), rig.folder.path().join("the & re"));
    for folder in [&here, &here, &there] {
        libvirt.ensure_pool(&name, folder).unwrap();
        libvirt.refresh_pool(&name).unwrap();
        assert!(folder.is_dir());
    }
    let connect = virt::connect::Connect::open(Some(&rig.host.uri)).unwrap();
    let pool = connect.lookup_storage_pool_by_name(&name).unwrap();
    assert!(pool.autostart().unwrap());
    let document = xml::parse(pool.xml_desc(0).unwrap().as_bytes()).unwrap();
    assert_eq!(document.value("target/path").as_deref(), there.to_str());
    pool.destroy().unwrap();
    pool.undefine().unwrap();
}

#[test]
fn facts_are_probed_once() {
    let Some(host) = own_host() else { return };
    let rig = rig(&host);
    let cache = rig.folder.path().join("facts.json");
    let libvirt = Libvirt::new(&rig.host.uri, None, Some(cache.clone()));
    let (sender, mut events) = unbounded_channel();
    libvirt.subscribe(sender);
    let begun = Instant::now();
    let facts = libvirt.facts().unwrap();
    println!("probed in {:?}: {facts:#?}", begun.elapsed());
    assert!(facts.machines["q35"].starts_with("pc-q35-") && facts.machines["pc"].starts_with("pc-i440fx-"));
    assert!(facts.models_tcg.contains("qemu64"));
    assert_eq!(facts.cpu_tcg, CpuChoice::Named("qemu64".into()));
    assert!(facts.cpus.contains(&0) && facts.memory > MIB);
    assert!(cache.is_file());
    let begun = Instant::now();
    assert_eq!(libvirt.facts().unwrap(), facts);
    assert!(begun.elapsed() < Duration::from_secs(1));
    // The trial starts are not the engine's business.
    while let Ok(event) = events.try_recv() {
        assert_eq!(event, HypervisorEvent::Connected);
    }
    assert!(libvirt.domains().unwrap().is_empty());
    assert_eq!(libvirt.look(VmId(PROBE.parse().unwrap()), false).unwrap(), None);
}

#[test]
fn a_killed_libvirtd_comes_back() {
    let Some(host) = own_host() else { return };
    let rig = rig(&host);
    let libvirt = &rig.libvirt;
    let guest = guest(libvirt, "survivor", "");
    let id = guest.id;
    libvirt.start(id, true).unwrap();
    let mut daemons = vec![libvirtd(&host)];
    let connections = sockets(&daemons);
    assert!(connections > 1, "events and calls");
    for _ in 0..3 {
        host.command(&["kill-libvirtd", "KILL"]);
        rig.hear(|event| *event == HypervisorEvent::Disconnected);
        let begun = Instant::now();
        assert_eq!(libvirt.domains().unwrap_err().kind, Kind::Unavailable);
        assert_eq!(libvirt.define("<domain/>").unwrap_err().kind, Kind::Unavailable);
        // One that begins without a libvirtd gets its connection as well.
        let late = Libvirt::new(&rig.host.uri, None, None);
        let (sender, mut events) = unbounded_channel();
        late.subscribe(sender);
        assert_eq!(late.domains().unwrap_err().kind, Kind::Unavailable);
        assert!(begun.elapsed() < Duration::from_secs(1));
        host.command(&["start-libvirtd"]);
        daemons.push(libvirtd(&host));
        let begun = Instant::now();
        rig.hear(|event| *event == HypervisorEvent::Connected);
        println!("connected {:?} after the start of libvirtd", begun.elapsed());
        wait(10, "the late one connects", || {
            events.try_recv().ok().filter(|event| *event == HypervisorEvent::Connected)
        });
        let paused = |seen: DomainSeen| seen.power == Power::Paused(PauseReason::None);
        until(5, "the guest is found again", || {
            libvirt.look(id, false).is_ok_and(|found| found.is_some_and(|(seen, _)| paused(seen)))
        });
        late.resume(id).unwrap();
        rig.hear(|event| *event == HypervisorEvent::Domain(id));
        libvirt.pause(id).unwrap();
    }
    until(5, "no connection is left behind", || sockets(&daemons) <= connections);
}

fn libvirtd(host: &Host) -> i32 {
    std::fs::read_to_string(host.root.join("libvirtd.pid")).unwrap().trim().parse().unwrap()
}

/// This process's connections to these processes, broken ones among them.
fn sockets(to: &[i32]) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let numbers = files.filter_map(|file| file.file_name().to_str()?.parse().ok());
    // SAFETY: it is asked for a property; of what was closed meanwhile there is none.
    let peer = |file| getsockopt(&unsafe { BorrowedFd::borrow_raw(file) }, PeerCredentials);
    numbers.filter(|file| peer(*file).is_ok_and(|peer| to.contains(&peer.pid()))).count()
}

#[test]
fn a_stopped_libvirtd_is_noticed() {
    let Some(host) = own_host() else { return };
    let rig = rig(&host);
    rig.libvirt.domains().unwrap();
    host.command(&["kill-libvirtd", "STOP"]);
    let begun = Instant::now();
    let hanging = rig.libvirt.domains();
    println!("a call gave up after {:?}", begun.elapsed());
    host.command(&["kill-libvirtd", "CONT"]);
    assert_eq!(hanging.unwrap_err().kind, Kind::Unavailable);
    rig.hear(|event| *event == HypervisorEvent::Connected);
    rig.libvirt.domains().unwrap();
}

/// libvirt's client may not wake the thread that sends for all calls of a connection: one that shares
/// its connection with a call that hangs would wait for others to come by.
#[test]
fn no_call_waits_for_another_that_hangs() {
    let Some(lab) = lab() else { return };
    let rig = rig(&lab.host);
    let libvirt = &rig.libvirt;
    let [hung, other] = ["hangs", "beside"].map(|name| guest(libvirt, name, ""));
    for guest in [&hung, &other] {
        libvirt.start(guest.id, true).unwrap();
    }
    rig.signal(hung.id, "-STOP");
    let (held, looks, hangs) = std::thread::scope(|scope| {
        let hanging = scope.spawn(|| libvirt.resume(hung.id));
        let held = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            matches!(libvirt.control(hung.id), Ok(Control::Occupied(_)))
        });
        let look = |_| {
            let begun = Instant::now();
            (libvirt.look(other.id, false).is_ok(), begun.elapsed())
        };
        let looks: Vec<_> = (0..100).map(look).collect();
        let hangs = !hanging.is_finished();
        rig.signal(hung.id, "-CONT");
        hanging.join().unwrap().unwrap();
        (held, looks, hangs)
    });
    assert!(held && hangs);
    let (_, longest) = looks.iter().max_by_key(|(_, took)| took).unwrap();
    assert!(looks.iter().all(|(seen, _)| *seen) && *longest < Duration::from_secs(1), "{longest:?}");
}

#[test]
fn a_hung_guest_holds_nobody_up() {
    let Some(host) = own_host() else { return };
    let rig = rig(&host);
    let libvirt = &rig.libvirt;
    let guests: Vec<_> = (0..6).map(|at| guest(libvirt, &format!("hung{at}"), "")).collect();
    let ids: Vec<_> = guests.iter().map(|guest| guest.id).collect();
    for id in &ids {
        libvirt.start(*id, true).unwrap();
    }
    assert_eq!(libvirt.sample(&ids).unwrap().len(), 6);
    let hung = &guests[0];
    rig.signal(hung.id, "-STOP");

    // The first sample meets it, the later ones leave it out.
    let timed = || {
        let begun = Instant::now();
        let samples = libvirt.sample(&ids).unwrap();
        println!("{} samples in {:?}", samples.len(), begun.elapsed());
        assert!(ids[1..].iter().all(|id| samples.iter().any(|(sampled, _)| sampled == id)));
        begun.elapsed()
    };
    assert!(timed() < Duration::from_secs(4));
    assert!(timed() < Duration::from_secs(1));
    assert!(matches!(libvirt.control(hung.id).unwrap(), Control::Occupied(_)));
    let begun = Instant::now();
    assert_eq!(libvirt.domains().unwrap().iter().filter(|seen| ids.contains(&seen.id)).count(), 6);
    assert!(libvirt.document(hung.id, false).unwrap().is_some());
    libvirt.resume(ids[1]).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));

    until(
        15,
        "the monitor is held for long",
        || matches!(libvirt.control(hung.id), Ok(Control::Occupied(since)) if since.as_secs() > 10),
    );
    let begun = Instant::now();
    assert_eq!(libvirt.pause(hung.id).unwrap_err().said, NOT_RESPONDING);
    assert_eq!(libvirt.detach(hung.id, "ua-1", Scope::Live).unwrap_err().kind, Kind::Conflict);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(libvirt.sample(&ids).unwrap().len(), 5);

    rig.signal(hung.id, "-CONT");
    until(5, "the guest answers again", || libvirt.sample(&ids).unwrap().len() == 6);
    rig.signal(hung.id, "-STOP");
    let begun = Instant::now();
    libvirt.destroy(hung.id).unwrap();
    println!("destroyed in {:?}", begun.elapsed());
    assert_eq!(rig.power(hung.id), Power::Off);
}
