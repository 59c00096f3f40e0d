//! The adapter on libvirt itself: its built-in test driver always, a real libvirtd where one is given.
//!
//! - `VIREO_TEST_LIBVIRT_URI`: a libvirtd whose QEMU may open files of the temporary folder.
//! - `VIREO_TEST_LIBVIRTD`: a command that takes `kill-libvirtd -SIGNAL` and `start-libvirtd`.
//! - `VIREO_TEST_SMALL`: a folder on a file system of some ten MB.
//! - `VIREO_TEST_GUEST`: a multiboot kernel that answers ACPI hot-unplug.

use super::*;
use crate::engine::ports::StopDetail;
use crate::error::Kind;
use crate::model::{CpuChoice, MIB, PauseReason, Power};
use crate::xml;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

type Events = UnboundedReceiver<HypervisorEvent>;

fn connected(uri: &str) -> (Libvirt, Events) {
    let libvirt = Libvirt::new(uri, Some(Accelerator::Tcg), None);
    let (sender, mut events) = unbounded_channel();
    libvirt.subscribe(sender);
    wait_for(&mut events, 10, |event| *event == HypervisorEvent::Connected);
    (libvirt, events)
}

/// The events up to the one that is waited for.
fn wait_for(
    events: &mut Events,
    seconds: u64,
    wanted: impl Fn(&HypervisorEvent) -> bool,
) -> Vec<HypervisorEvent> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seen = Vec::new();
    while Instant::now() < end {
        match events.try_recv() {
            Ok(event) => {
                seen.push(event);
                if wanted(&seen[seen.len() - 1]) {
                    return seen;
                }
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    panic!("not seen in {seconds} s, but {seen:?}");
}

fn until(seconds: u64, what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !done() {
        assert!(Instant::now() < end, "not in {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A domain as it is now.
fn seen(libvirt: &Libvirt, id: VmId) -> Result<Option<DomainSeen>> {
    Ok(libvirt.look(id, false)?.map(|(seen, _)| seen))
}

mod driver {
    //! libvirt's test driver: a hypervisor inside the client library.
    use super::*;

    #[test]
    fn the_port_works_without_a_daemon() {
        let (libvirt, mut events) = connected("test:///default");
        let all = libvirt.domains().unwrap();
        assert_eq!(all.len(), 1);
        let test = &all[0];
        assert_eq!((test.name.as_str(), test.power, test.persistent), ("test", Power::Running, true));
        assert_eq!(seen(&libvirt, test.id).unwrap().as_ref(), Some(test));
        libvirt.pause(test.id).unwrap();
        wait_for(&mut events, 5, |event| *event == HypervisorEvent::Domain(test.id));
        assert_eq!(seen(&libvirt, test.id).unwrap().unwrap().power, Power::Paused(PauseReason::None));
        libvirt.resume(test.id).unwrap();
        libvirt.destroy(test.id).unwrap();
        libvirt.destroy(test.id).unwrap();
        let stopped = HypervisorEvent::Stopped { id: test.id, detail: StopDetail::Destroyed };
        wait_for(&mut events, 5, |event| *event == stopped);
        assert_eq!(seen(&libvirt, test.id).unwrap().unwrap().power, Power::Off);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let (libvirt, _events) = connected("test:///default");
        let nobody = VmId::random();
        assert_eq!(seen(&libvirt, nobody).unwrap(), None);
        assert_eq!(libvirt.document(nobody, true).unwrap(), None);
        assert_eq!(libvirt.start(nobody, false).unwrap_err().kind, Kind::NotFound);
        libvirt.undefine(nobody).unwrap();
        libvirt.destroy(nobody).unwrap();
        assert!(libvirt.network_active("default").unwrap());
        assert!(!libvirt.network_active("nothing").unwrap());
        assert_eq!(libvirt.pool_space("nothing").unwrap_err().kind, Kind::NotFound);
        assert!(libvirt.sample(&[nobody]).unwrap().is_empty());
    }

    #[test]
    fn nul_characters_are_refused() {
        let (libvirt, _events) = connected("test:///default");
        let test = libvirt.domains().unwrap()[0].id;
        assert_eq!(libvirt.define("<domain\0/>").unwrap_err().kind, Kind::Invalid);
        assert_eq!(libvirt.network_active("a\0b").unwrap_err().kind, Kind::Invalid);
        assert_eq!(libvirt.update_device(test, "\0", Scope::Live).unwrap_err().kind, Kind::Invalid);
        let nul = Libvirt::new("test:///\0", None, None);
        assert_eq!(nul.domains().unwrap_err().kind, Kind::Unavailable);
    }

    #[test]
    fn an_absent_libvirtd_is_unavailable_at_once() {
        let libvirt = Libvirt::new("qemu+unix:///system?socket=/nonexistent/vireo", None, None);
        let begun = Instant::now();
        assert_eq!(libvirt.domains().unwrap_err().kind, Kind::Unavailable);
        assert_eq!(libvirt.sample(&[VmId::random()]).unwrap_err().kind, Kind::Unavailable);
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

mod live {
    //! A real libvirtd.
    use super::*;

    /// One test at a time: some of them kill libvirtd.
    static TURN: Mutex<()> = Mutex::new(());

    struct Lab {
        libvirt: Libvirt,
        events: Events,
        folder: tempfile::TempDir,
        uri: String,
        _turn: MutexGuard<'static, ()>,
    }

    fn variable(test: &str, name: &str) -> Option<String> {
        let value = std::env::var(name).ok();
        if value.is_none() {
            println!("SKIPPED {test}: {name} is not set");
        }
        value
    }

    fn lab(test: &str) -> Option<Lab> {
        let uri = variable(test, "VIREO_TEST_LIBVIRT_URI")?;
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (libvirt, events) = connected(&uri);
        let folder = tempfile::tempdir().unwrap();
        Some(Lab { libvirt, events, folder, uri, _turn: turn })
    }

    impl Lab {
        /// Waits for a lifecycle event or another one of that VM.
        fn wait(&mut self, wanted: impl Fn(&HypervisorEvent) -> bool) -> Vec<HypervisorEvent> {
            wait_for(&mut self.events, 20, wanted)
        }

        fn power(&self, id: VmId) -> Power {
            let one = seen(&self.libvirt, id).unwrap().unwrap();
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
            devices::has_alias(&document, alias).unwrap()
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
        let kernel = std::env::var("VIREO_TEST_GUEST").map(|file| format!("<kernel>{file}</kernel>"));
        machine(id, name, &kernel.unwrap_or_default(), devices)
    }

    fn machine(id: VmId, name: &str, boot: &str, devices: &str) -> String {
        format!(
            "<domain type='qemu'><name>{name}</name><uuid>{id}</uuid>
             <memory unit='MiB'>32</memory><vcpu>1</vcpu>
             <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os><features><acpi/><apic/></features>
             <cpu mode='custom' match='exact' check='none'><model fallback='allow'>qemu64</model></cpu>
             <devices>
             <controller type='pci' index='0' model='pcie-root'/>
             <controller type='pci' index='1' model='pcie-root-port'/>
             <controller type='pci' index='2' model='pcie-root-port'/>
             <controller type='pci' index='3' model='pcie-root-port'/>
             <controller type='scsi' index='0' model='virtio-scsi'/>
             <controller type='usb' model='none'/>
             <serial type='pty'/><memballoon model='virtio'/>{devices}</devices></domain>"
        )
    }

    fn guest<'a>(libvirt: &'a Libvirt, name: &str, devices: &str) -> Guest<'a> {
        guest_of(libvirt, name, |id, name| document(id, name, devices))
    }

    fn guest_of<'a>(libvirt: &'a Libvirt, name: &str, text: impl Fn(VmId, &str) -> String) -> Guest<'a> {
        let id = VmId::random();
        let name = format!("vireo-test-{name}-{}", &id.to_string()[..8]);
        libvirt.define(&text(id, &name)).unwrap();
        Guest { libvirt, id, name }
    }

    #[test]
    fn a_domain_lives() {
        let Some(mut lab) = lab("a_domain_lives") else { return };
        let libvirt = Libvirt::new(&lab.uri, None, None);
        assert!(libvirt.version().unwrap().starts_with("libvirt "));
        assert!(libvirt.host_uuid().unwrap().parse::<uuid::Uuid>().is_ok());
        let guest = guest(&libvirt, "life", "");
        let id = guest.id;
        assert_eq!(lab.power(id), Power::Off);
        libvirt.define(&document(id, &guest.name, "")).unwrap();
        let junk = document(id, &guest.name, "<junk/>");
        assert_eq!(libvirt.define(&junk).unwrap_err().kind, Kind::Invalid);
        let taken = document(VmId::random(), &guest.name, "");
        assert_eq!(libvirt.define(&taken).unwrap_err().kind, Kind::Exists);

        libvirt.start(id, true).unwrap();
        assert_eq!(lab.power(id), Power::Paused(PauseReason::None));
        assert_eq!(libvirt.start(id, true).unwrap_err().kind, Kind::Conflict);
        libvirt.resume(id).unwrap();
        assert_eq!(lab.power(id), Power::Running);
        libvirt.pause(id).unwrap();
        assert_eq!(lab.power(id), Power::Paused(PauseReason::None));
        libvirt.resume(id).unwrap();
        assert_eq!(libvirt.control(id).unwrap(), Control::Free);

        libvirt.save(id).unwrap();
        let saved = HypervisorEvent::Stopped { id, detail: StopDetail::Saved };
        lab.wait(|event| *event == saved);
        assert_eq!(lab.power(id), Power::Saved);
        libvirt.start(id, false).unwrap();
        assert_eq!(lab.power(id), Power::Running);
        libvirt.save(id).unwrap();
        libvirt.drop_save(id).unwrap();
        libvirt.drop_save(id).unwrap();
        assert_eq!(lab.power(id), Power::Off);

        // A run with a document of its own leaves the definition as it is, also when it fails.
        let before = libvirt.document(id, true).unwrap();
        let other = document(id, &guest.name, "").replace(">32<", ">48<");
        libvirt.start_with(&other, true).unwrap();
        assert!(libvirt.document(id, false).unwrap().unwrap().contains(">49152<"));
        assert_eq!(libvirt.document(id, true).unwrap(), before);
        assert!(seen(&libvirt, id).unwrap().unwrap().persistent);
        assert_eq!(libvirt.undefine(id).unwrap_err().kind, Kind::Conflict);
        libvirt.destroy(id).unwrap();
        libvirt.destroy(id).unwrap();
        assert_eq!(libvirt.document(id, false).unwrap(), before);
        let broken = "<disk type='file' device='disk'><driver name='qemu' type='raw'/>
            <source file='/nonexistent/vireo'/><target dev='vda' bus='virtio'/></disk>";
        let refused = libvirt.start_with(&document(id, &guest.name, broken), true).unwrap_err();
        assert_eq!(refused.kind, Kind::Host, "{refused}");
        assert_eq!(libvirt.document(id, true).unwrap(), before);
        assert_eq!(lab.power(id), Power::Off);

        libvirt.undefine(id).unwrap();
        libvirt.undefine(id).unwrap();
        assert_eq!(seen(&libvirt, id).unwrap(), None);
    }

    #[test]
    fn devices_come_and_go() {
        let Some(mut lab) = lab("devices_come_and_go") else { return };
        let libvirt = Libvirt::new(&lab.uri, None, None);
        let guest = guest(&libvirt, "devices", "");
        let id = guest.id;
        let scsi = lab.disk("sda", "scsi", "ua-scsi");
        let virtio = lab.disk("vda", "virtio", "ua-virtio");

        // Off: the definition alone, and twice is once.
        libvirt.attach(id, &scsi, "ua-scsi", Scope::Config).unwrap();
        libvirt.attach(id, &scsi, "ua-scsi", Scope::Config).unwrap();
        libvirt.detach(id, "ua-scsi", Scope::Config).unwrap();
        libvirt.detach(id, "ua-scsi", Scope::Config).unwrap();
        assert!(!lab.has(id, "ua-scsi", true));

        libvirt.start(id, false).unwrap();
        // Half of it was made before.
        libvirt.attach(id, &scsi, "ua-scsi", Scope::Config).unwrap();
        libvirt.attach(id, &scsi, "ua-scsi", Scope::Both).unwrap();
        let added = HypervisorEvent::DeviceAdded { id, alias: "ua-scsi".into() };
        lab.wait(|event| *event == added);
        assert!(lab.has(id, "ua-scsi", false) && lab.has(id, "ua-scsi", true));
        libvirt.resize_block(id, "sda", 2 * MIB).unwrap();
        assert_eq!(std::fs::metadata(lab.folder.path().join("sda")).unwrap().len(), 2 * MIB);
        libvirt.detach(id, "ua-scsi", Scope::Both).unwrap();
        let removed = HypervisorEvent::DeviceRemoved { id, alias: "ua-scsi".into() };
        lab.wait(|event| *event == removed);
        assert!(!lab.has(id, "ua-scsi", false) && !lab.has(id, "ua-scsi", true));

        libvirt.attach(id, &virtio, "ua-virtio", Scope::Both).unwrap();
        let taken = lab.disk("vda", "virtio", "ua-other");
        assert!(libvirt.attach(id, &taken, "ua-other", Scope::Live).is_err());
        if variable("hot-unplug of virtio-blk", "VIREO_TEST_GUEST").is_some() {
            // The guest must have found its ACPI tables.
            std::thread::sleep(Duration::from_secs(2));
            libvirt.detach(id, "ua-virtio", Scope::Both).unwrap();
            let removed = HypervisorEvent::DeviceRemoved { id, alias: "ua-virtio".into() };
            lab.wait(|event| *event == removed);
        }
        libvirt.destroy(id).unwrap();
    }

    #[test]
    fn a_guest_that_does_not_let_go_keeps_its_device() {
        let Some(mut lab) = lab("a_guest_that_does_not_let_go_keeps_its_device") else { return };
        let libvirt = Libvirt::new(&lab.uri, None, None);
        let guest = guest(&libvirt, "stubborn", "");
        let id = guest.id;
        // Without its CPU running no guest answers.
        libvirt.start(id, true).unwrap();
        let virtio = lab.disk("vda", "virtio", "ua-virtio");
        libvirt.attach(id, &virtio, "ua-virtio", Scope::Both).unwrap();
        libvirt.detach(id, "ua-virtio", Scope::Both).unwrap();
        libvirt.detach(id, "ua-virtio", Scope::Both).unwrap();
        libvirt.detach(id, "ua-virtio", Scope::Live).unwrap();
        assert!(lab.has(id, "ua-virtio", false));
        assert!(!lab.has(id, "ua-virtio", true));
        // A reset ends the wait, once the firmware has set the slots up.
        libvirt.resume(id).unwrap();
        until(20, "the device goes with a reset", || {
            libvirt.reset(id).unwrap();
            std::thread::sleep(Duration::from_millis(500));
            !lab.has(id, "ua-virtio", false)
        });
        let removed = HypervisorEvent::DeviceRemoved { id, alias: "ua-virtio".into() };
        lab.wait(|event| *event == removed);
    }

    /// A boot sector that writes to its disk for ever, through the firmware.
    fn writer() -> Vec<u8> {
        let mut sector = vec![
            0x31, 0xc0, // xor ax, ax
            0x8e, 0xd8, // mov ds, ax
            0x8e, 0xd0, // mov ss, ax
            0xbc, 0x00, 0x7c, // mov sp, 0x7c00
            0xbe, 0x24, 0x7c, // again: mov si, packet
            0xb8, 0x00, 0x43, // mov ax, 0x4300: extended write
            0xb2, 0x80, // mov dl, 0x80: the first disk
            0xcd, 0x13, // int 0x13
            0x66, 0x83, 0x06, 0x2c, 0x7c, 0x7f, // add dword [packet + 8], 127
            0xeb, 0xee, // jmp again
        ];
        sector.resize(0x24, 0);
        // packet: its size, 127 sectors from 0x1000:0 to sector 64 and on
        sector.extend([0x10, 0, 127, 0, 0, 0, 0, 0x10, 64, 0, 0, 0, 0, 0, 0, 0]);
        sector.resize(510, 0);
        sector.extend([0x55, 0xaa]);
        sector
    }

    #[test]
    fn a_full_storage_pauses_a_guest() {
        let Some(mut lab) = lab("a_full_storage_pauses_a_guest") else { return };
        let Some(small) = variable("a_full_storage_pauses_a_guest", "VIREO_TEST_SMALL") else { return };
        let libvirt = Libvirt::new(&lab.uri, None, None);
        let folder = tempfile::tempdir_in(small).unwrap();
        let (image, filler) = (folder.path().join("image"), folder.path().join("filler"));
        std::fs::write(&image, writer()).unwrap();
        std::fs::OpenOptions::new().write(true).open(&image).unwrap().set_len(1 << 30).unwrap();
        std::fs::write(&filler, vec![1; 4 << 20]).unwrap();
        let disk = format!(
            "<disk type='file' device='disk'><driver name='qemu' type='raw' error_policy='stop'/>
             <source file='{}'/><target dev='vda' bus='virtio'/><alias name='ua-full'/></disk>",
            image.display()
        );
        let guest = guest_of(&libvirt, "full", |id, name| machine(id, name, "", &disk));
        let id = guest.id;
        let error = |event: &HypervisorEvent| {
            let alias = "ua-full".to_owned();
            *event == HypervisorEvent::DiskError { id, alias, reason: PauseReason::Enospc, paused: true }
        };
        libvirt.start(id, false).unwrap();
        lab.wait(error);
        until(2, "the guest is paused", || lab.power(id) == Power::Paused(PauseReason::Enospc));
        std::fs::remove_file(&filler).unwrap();
        libvirt.resume(id).unwrap();
        lab.wait(error);
    }

    #[test]
    fn running_guests_change_and_are_counted() {
        let Some(mut lab) = lab("running_guests_change_and_are_counted") else { return };
        let libvirt = Libvirt::new(&lab.uri, None, None);
        let disk = lab.disk("sda", "scsi", "ua-disk");
        let cdrom = "<disk type='file' device='cdrom'><target dev='sdb' bus='scsi'/><readonly/>
            <alias name='ua-cdrom'/></disk>";
        let network = "<interface type='ethernet'><target dev='vireotest0' managed='yes'/>
            <model type='virtio'/></interface>";
        let guest = guest(&libvirt, "counted", &format!("{disk}{cdrom}{network}"));
        let id = guest.id;
        assert!(libvirt.sample(&[id]).unwrap().is_empty());
        libvirt.start(id, false).unwrap();
        let samples = libvirt.sample(&[id, VmId::random()]).unwrap();
        assert_eq!(samples.len(), 1);
        let (sampled, sample) = &samples[0];
        assert_eq!(*sampled, id);
        assert!(sample.cpu_time.unwrap() > 0 && sample.vcpu_time.is_some());
        assert_eq!(sample.vcpus, 1);
        assert_eq!(sample.balloon_current, Some(32 * MIB));
        assert!(sample.rss.unwrap() > MIB);
        assert!(sample.blocks.contains_key("sda"), "{sample:?}");
        assert!(sample.interfaces.contains_key("vireotest0"), "{sample:?}");

        let iso = lab.folder.path().join("a.iso");
        std::fs::write(&iso, vec![0; 65536]).unwrap();
        let source = format!("<source file='{}'/><target", iso.display());
        libvirt.update_device(id, &cdrom.replace("<target", &source), Scope::Both).unwrap();
        assert!(libvirt.document(id, false).unwrap().unwrap().contains("a.iso"));
        assert!(libvirt.document(id, true).unwrap().unwrap().contains("a.iso"));
        libvirt.set_memory(id, 24 * MIB, Scope::Both).unwrap();
        let too_much = libvirt.set_memory(id, 1 << 60, Scope::Live).unwrap_err();
        assert_ne!(too_much.kind, Kind::Unavailable, "{too_much}");
        libvirt.pin_vcpu(id, 0, &[true]).unwrap();
        assert_eq!(libvirt.agent(id, AgentCall::Freeze).unwrap_err().said, errors::NO_AGENT);
        assert_eq!(libvirt.shutdown(id, Ask::Agent).unwrap_err().said, errors::NO_AGENT);
        libvirt.shutdown(id, Ask::Acpi).unwrap();
        libvirt.reboot(id, Ask::Acpi).unwrap();
        if let Err(why) = libvirt.set_cpu_shares(id, 512) {
            assert_eq!(why.kind, Kind::Unsupported, "{why}");
        }
        libvirt.reset(id).unwrap();
        lab.wait(|event| *event == HypervisorEvent::Rebooted(id));
    }

    #[test]
    fn pools_stand_where_they_should() {
        let Some(lab) = lab("pools_stand_where_they_should") else { return };
        let libvirt = &lab.libvirt;
        let name = format!("vireo-test-{}", VmId::random());
        let (here, there) = (lab.folder.path().join("here"), lab.folder.path().join("the & re"));
        for folder in [&here, &here, &there] {
            libvirt.ensure_pool(&name, folder).unwrap();
            libvirt.refresh_pool(&name).unwrap();
            let (capacity, free) = libvirt.pool_space(&name).unwrap();
            assert!(capacity > free && free > 0);
            assert!(folder.is_dir());
        }
        let connect = virt::connect::Connect::open(Some(&lab.uri)).unwrap();
        let pool = connect.lookup_storage_pool_by_name(&name).unwrap();
        assert!(pool.autostart().unwrap());
        let document = xml::parse(pool.xml_desc(0).unwrap().as_bytes()).unwrap();
        assert_eq!(document.value("target/path").as_deref(), there.to_str());
        pool.destroy().unwrap();
        pool.undefine().unwrap();
    }

    #[test]
    fn facts_are_probed_once() {
        let Some(lab) = lab("facts_are_probed_once") else { return };
        let cache = lab.folder.path().join("facts.json");
        let libvirt = Libvirt::new(&lab.uri, None, Some(cache.clone()));
        let (sender, mut events) = unbounded_channel();
        libvirt.subscribe(sender);
        let begun = Instant::now();
        let facts = libvirt.facts().unwrap();
        println!("probed in {:?}: {facts:#?}", begun.elapsed());
        assert!(
            facts.machines["q35"].starts_with("pc-q35-") && facts.machines["pc"].starts_with("pc-i440fx-")
        );
        assert!(facts.models_tcg.contains("qemu64"));
        assert_eq!(facts.cpu_tcg, CpuChoice::Named("qemu64".into()));
        assert!(facts.cpus.contains(&0) && facts.memory > MIB);
        assert!(cache.is_file());
        println!("a loop takes {:?}", raw::kvm_loop_time());
        let begun = Instant::now();
        assert_eq!(libvirt.facts().unwrap(), facts);
        assert!(begun.elapsed() < Duration::from_secs(1));
        // The trial starts are not the engine's business.
        while let Ok(event) = events.try_recv() {
            assert_eq!(event, HypervisorEvent::Connected);
        }
        assert_eq!(seen(&libvirt, facts::PROBE_ID).unwrap(), None);
    }

    fn libvirtd(command: &str, arguments: &[&str]) {
        let mut words = command.split_whitespace().chain(arguments.iter().copied());
        let done = Command::new(words.next().unwrap()).args(words).status().unwrap();
        assert!(done.success());
    }

    #[test]
    fn a_killed_libvirtd_comes_back() {
        let Some(mut lab) = lab("a_killed_libvirtd_comes_back") else { return };
        let Some(command) = variable("a_killed_libvirtd_comes_back", "VIREO_TEST_LIBVIRTD") else { return };
        let libvirt = Libvirt::new(&lab.uri, None, None);
        let guest = guest(&libvirt, "survivor", "");
        let id = guest.id;
        libvirt.start(id, true).unwrap();
        let sockets = sockets();
        for _ in 0..3 {
            libvirtd(&command, &["kill-libvirtd", "-KILL"]);
            lab.wait(|event| *event == HypervisorEvent::Disconnected);
            let begun = Instant::now();
            assert_eq!(libvirt.domains().unwrap_err().kind, Kind::Unavailable);
            assert_eq!(libvirt.define("<domain/>").unwrap_err().kind, Kind::Unavailable);
            // One that begins without a libvirtd gets its connection as well.
            let late = Libvirt::new(&lab.uri, None, None);
            let (sender, mut events) = unbounded_channel();
            late.subscribe(sender);
            assert_eq!(late.domains().unwrap_err().kind, Kind::Unavailable);
            assert!(begun.elapsed() < Duration::from_secs(1));
            libvirtd(&command, &["start-libvirtd"]);
            let begun = Instant::now();
            lab.wait(|event| *event == HypervisorEvent::Connected);
            println!("connected {:?} after the start of libvirtd", begun.elapsed());
            wait_for(&mut events, 10, |event| *event == HypervisorEvent::Connected);
            until(
                5,
                "the guest is found again",
                || matches!(seen(&libvirt, id), Ok(Some(now)) if now.power == Power::Paused(PauseReason::None)),
            );
            late.resume(id).unwrap();
            lab.wait(|event| *event == HypervisorEvent::Domain(id));
            libvirt.pause(id).unwrap();
        }
        until(5, "no connection is left behind", || self::sockets() <= sockets);
    }

    fn sockets() -> usize {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    #[test]
    fn a_stopped_libvirtd_is_noticed() {
        let Some(mut lab) = lab("a_stopped_libvirtd_is_noticed") else { return };
        let Some(command) = variable("a_stopped_libvirtd_is_noticed", "VIREO_TEST_LIBVIRTD") else { return };
        lab.libvirt.domains().unwrap();
        libvirtd(&command, &["kill-libvirtd", "-STOP"]);
        let begun = Instant::now();
        let hanging = lab.libvirt.domains();
        println!("a call gave up after {:?}", begun.elapsed());
        libvirtd(&command, &["kill-libvirtd", "-CONT"]);
        assert_eq!(hanging.unwrap_err().kind, Kind::Unavailable);
        lab.wait(|event| *event == HypervisorEvent::Connected);
        lab.libvirt.domains().unwrap();
    }

    /// The process of a guest, by what libvirt puts on its command line.
    fn qemu(name: &str) -> u32 {
        let wanted = format!("guest={name},");
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|process| process.file_name().to_str()?.parse().ok())
            .find(|pid: &u32| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains(&wanted)
            })
            .unwrap()
    }

    fn signal(pid: u32, name: &str) {
        let done = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
        assert!(done.success());
    }

    #[test]
    fn a_hung_guest_holds_nobody_up() {
        let Some(lab) = lab("a_hung_guest_holds_nobody_up") else { return };
        let libvirt = &lab.libvirt;
        let guests: Vec<_> = (0..6).map(|at| guest(libvirt, &format!("hung{at}"), "")).collect();
        let ids: Vec<_> = guests.iter().map(|guest| guest.id).collect();
        for id in &ids {
            libvirt.start(*id, true).unwrap();
        }
        assert_eq!(libvirt.sample(&ids).unwrap().len(), 6);
        let hung = &guests[0];
        let pid = qemu(&hung.name);
        signal(pid, "-STOP");

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
        assert_eq!(libvirt.pause(hung.id).unwrap_err().said, errors::NOT_RESPONDING);
        assert_eq!(libvirt.detach(hung.id, "ua-1", Scope::Live).unwrap_err().kind, Kind::Conflict);
        assert!(begun.elapsed() < Duration::from_secs(1));
        libvirt.rotate();
        assert_eq!(libvirt.sample(&ids).unwrap().len(), 5);

        signal(pid, "-CONT");
        until(5, "the guest answers again", || libvirt.sample(&ids).unwrap().len() == 6);
        signal(pid, "-STOP");
        let begun = Instant::now();
        libvirt.destroy(hung.id).unwrap();
        println!("destroyed in {:?}", begun.elapsed());
        assert_eq!(lab.power(hung.id), Power::Off);
    }
}
