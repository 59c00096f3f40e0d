use super::{SimImages, Simulated, domain};
use crate::engine::ports::{
    AgentCall, Ask, Control, DomainSeen, Hypervisor, HypervisorEvent as Event, Images, Scope, StopDetail,
};
use crate::error::Kind;
use crate::model::{DiskFormat, GIB, PauseReason, Power, VmId};
use crate::xml::{self, Element};
use std::path::Path;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const TARGET: &str = "<disk type='file'><source file='/d/b.raw'/><target dev='vdb'/></disk>";

fn document(id: VmId, name: &str) -> String {
    format!(
        "<domain type='kvm'><name>{name}</name><uuid>{id}</uuid><memory>2048</memory>
        <vcpu current='1'>4</vcpu><os><type machine='q35'>hvm</type></os><devices>
        <disk type='file' device='disk'><source file='/d/a.raw'/><target dev='vda'/><alias name='ua-a'/></disk>
        <interface type='network'><mac address='00:00:00:00:00:01'/></interface>
        <graphics type='vnc' port='-1' passwd='geheim'/><console type='pty'/></devices></domain>"
    )
}

fn host() -> (Simulated, UnboundedReceiver<Event>, VmId) {
    let (sim, (sender, mut events), id) = (Simulated::default(), unbounded_channel(), VmId::random());
    sim.subscribe(sender);
    sim.define(&document(id, "one")).unwrap();
    assert_eq!(drain(&mut events), [Event::Connected, Event::Domain(id)]);
    (sim, events, id)
}

fn drain(events: &mut UnboundedReceiver<Event>) -> Vec<Event> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

fn live(sim: &Simulated, id: VmId) -> Element {
    xml::parse(sim.document(id, false).unwrap().unwrap().as_bytes()).unwrap()
}

fn seen(sim: &Simulated, id: VmId) -> Option<DomainSeen> {
    sim.look(id, false).unwrap().map(|(seen, _)| seen)
}

fn power(sim: &Simulated, id: VmId) -> Option<Power> {
    seen(sim, id).map(|seen| seen.power)
}

#[test]
fn a_run_has_a_document_of_its_own() {
    let (sim, mut events, id) = host();
    assert_eq!(sim.start(VmId::random(), false).unwrap_err().kind, Kind::NotFound);
    sim.start(id, false).unwrap();
    assert_eq!(sim.start(id, false).unwrap_err().kind, Kind::Conflict);
    let document = live(&sim, id);
    assert_eq!(document.value("os/type/@machine").unwrap(), "pc-q35-7.2");
    assert!(document.number::<u32>("devices/graphics/@port").unwrap() > 5900);
    assert_eq!(document.value("devices/graphics/@passwd"), None);
    assert!(document.value("devices/console/source/@path").unwrap().starts_with("/dev/pts/"));
    assert!(document.value("devices/interface/target/@dev").unwrap().starts_with("vnet"));
    assert!(sim.secure_document(id).unwrap().contains("geheim"));
    assert!(!sim.document(id, true).unwrap().unwrap().contains("/dev/pts/"));

    sim.shutdown(id, Ask::Acpi).unwrap();
    sim.destroy(id).unwrap();
    let stopped = Event::Stopped { id, detail: StopDetail::Shutdown };
    assert_eq!(drain(&mut events), [Event::Domain(id), stopped]);
    sim.undefine(id).unwrap();
    sim.undefine(id).unwrap();
    assert_eq!(power(&sim, id), None);
    assert_eq!(sim.document(id, false).unwrap(), None);
}

#[test]
fn names_are_unique_and_change_when_off() {
    let (sim, _events, id) = host();
    assert_eq!(sim.define(&document(VmId::random(), "one")).unwrap_err().kind, Kind::Exists);
    assert_eq!(sim.define(&document(id, "two")).unwrap_err().kind, Kind::Host);
    sim.rename(id, "two").unwrap();
    sim.define(&document(id, "two")).unwrap();
    sim.start(id, false).unwrap();
    assert_eq!(sim.rename(id, "three").unwrap_err().kind, Kind::Conflict);
    for bad in ["", "<network/>", "<domain/>", "<domain><name>x</name></domain>"] {
        assert_eq!(sim.define(bad).unwrap_err().kind, Kind::Invalid);
    }
}

#[test]
fn saved_paused_and_transient_domains() {
    let (sim, mut events, id) = host();
    sim.start(id, true).unwrap();
    assert_eq!(power(&sim, id), Some(Power::Paused(PauseReason::None)));
    sim.resume(id).unwrap();
    sim.set_vcpus(id, 3).unwrap();
    sim.save(id).unwrap();
    assert!(drain(&mut events).contains(&Event::Stopped { id, detail: StopDetail::Saved }));
    assert_eq!(power(&sim, id), Some(Power::Saved));
    sim.start(id, false).unwrap();
    assert_eq!(live(&sim, id).number::<u32>("vcpu/@current"), Some(3));
    assert_eq!(power(&sim, id), Some(Power::Running));
    sim.destroy(id).unwrap();
    assert_eq!(power(&sim, id), Some(Power::Off));

    sim.start_with(&document(id, "one").replace(">2048<", ">4096<"), false).unwrap();
    assert_eq!(live(&sim, id).number::<u32>("memory"), Some(4096));
    assert!(sim.document(id, true).unwrap().unwrap().contains("2048"));
    assert_eq!(sim.undefine(id).unwrap_err().kind, Kind::Conflict);
    sim.destroy(id).unwrap();
    sim.undefine(id).unwrap();
    sim.start_with(&document(id, "one"), false).unwrap();
    assert!(sim.save(id).is_err() && !seen(&sim, id).unwrap().persistent);
    sim.stop(id, StopDetail::Crashed);
    assert_eq!(power(&sim, id), None);
}

#[test]
fn devices_come_and_go_by_alias() {
    let (sim, mut events, id) = host();
    assert_eq!(sim.attach(id, TARGET, "ua-b", Scope::Both).unwrap_err().kind, Kind::Conflict);
    sim.start(id, false).unwrap();
    drain(&mut events);
    for _ in 0..2 {
        sim.attach(id, TARGET, "ua-b", Scope::Both).unwrap();
    }
    let added = Event::DeviceAdded { id, alias: "ua-b".into() };
    assert_eq!(drain(&mut events).iter().filter(|event| **event == added).count(), 1);
    assert_eq!(sim.attach(id, TARGET, "ua-c", Scope::Live).unwrap_err().kind, Kind::Host);
    assert!(sim.document(id, true).unwrap().unwrap().contains("vdb"));

    sim.ignore_requests(id);
    sim.detach(id, "ua-b", Scope::Both).unwrap();
    assert!(domain::has(&live(&sim, id), "ua-b"));
    assert!(!sim.document(id, true).unwrap().unwrap().contains("vdb"));
    sim.heed_requests(id);
    assert!(!domain::has(&live(&sim, id), "ua-b"));
    assert!(drain(&mut events).contains(&Event::DeviceRemoved { id, alias: "ua-b".into() }));
    sim.detach(id, "ua-b", Scope::Live).unwrap();
    assert_eq!(drain(&mut events), [Event::Domain(id)]);

    let port = live(&sim, id).value("devices/graphics/@port");
    sim.update_device(id, "<graphics type='vnc' port='-1' passwd='neu'/>", Scope::Live).unwrap();
    assert_eq!(live(&sim, id).value("devices/graphics/@port"), port);
    assert!(sim.secure_document(id).unwrap().contains("neu"));
    let card = "<interface type='network'><mac address='00:00:00:00:00:01'/><link state='down'/></interface>";
    sim.update_device(id, card, Scope::Live).unwrap();
    assert!(live(&sim, id).value("devices/interface/target/@dev").is_some());
    let missing = sim.update_device(id, "<graphics type='spice'/>", Scope::Live);
    assert_eq!(missing.unwrap_err().kind, Kind::NotFound);
}

#[test]
fn live_settings() {
    let (sim, mut events, id) = host();
    assert_eq!(sim.set_vcpus(id, 2).unwrap_err().kind, Kind::Conflict);
    sim.start(id, false).unwrap();
    assert_eq!(sim.set_vcpus(id, 5).unwrap_err().kind, Kind::Invalid);
    sim.set_vcpus(id, 2).unwrap();
    sim.pin_vcpu(id, 1, &[true, true, false, true]).unwrap();
    sim.pin_vcpu(id, 1, &[true, true]).unwrap();
    sim.set_memory(id, 1024 * 1024, Scope::Both).unwrap();
    assert!(drain(&mut events).contains(&Event::BalloonChanged(id)));
    let document = live(&sim, id);
    assert_eq!(document.value("cputune/vcpupin/@cpuset").unwrap(), "0-1");
    assert_eq!(document.value("currentMemory").unwrap(), "1024");
    assert_eq!(sim.set_memory(id, 1 << 40, Scope::Live).unwrap_err().kind, Kind::Invalid);
    assert!(sim.agent(id, AgentCall::Freeze).is_err() && sim.shutdown(id, Ask::Agent).is_err());
    sim.set_agent(id, true);
    sim.agent(id, AgentCall::Freeze).unwrap();
    sim.fail_disk(id, "ua-a", PauseReason::Enospc);
    assert_eq!(power(&sim, id), Some(Power::Paused(PauseReason::Enospc)));
}

#[test]
fn a_hung_domain_answers_nothing_but_can_be_destroyed() {
    let (sim, _events, id) = host();
    sim.start(id, false).unwrap();
    let first = sim.sample(&[id, VmId::random()]).unwrap();
    assert_eq!(first.len(), 1);
    assert!(first[0].1.blocks.contains_key("vda") && first[0].1.interfaces.len() == 1);
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert!(sim.sample(&[id]).unwrap()[0].1.cpu_time > first[0].1.cpu_time);
    sim.hang(id);
    assert!(matches!(sim.control(id).unwrap(), Control::Occupied(_)));
    assert!(sim.sample(&[id]).unwrap().is_empty());
    assert!(sim.pause(id).is_err() && sim.attach(id, TARGET, "ua-b", Scope::Live).is_err());
    sim.wake(id);
    sim.pause(id).unwrap();
    sim.hang(id);
    sim.destroy(id).unwrap();
    assert_eq!(power(&sim, id), Some(Power::Off));
}

#[test]
fn failures_and_lost_connections() {
    let (sim, mut events, id) = host();
    let before = sim.calls();
    sim.fail_at(2);
    sim.start(id, false).unwrap();
    assert_eq!(sim.destroy(id).unwrap_err().kind, Kind::Host);
    assert_eq!(power(&sim, id), Some(Power::Running));
    sim.lose_answer_at(1);
    assert!(sim.destroy(id).is_err());
    assert_eq!((power(&sim, id), sim.calls() - before), (Some(Power::Off), 3));
    drain(&mut events);
    sim.disconnect();
    assert_eq!(sim.domains().unwrap_err().kind, Kind::Unavailable);
    assert_eq!(sim.start(id, false).unwrap_err().kind, Kind::Unavailable);
    sim.connect();
    assert_eq!(drain(&mut events), [Event::Disconnected, Event::Connected]);
    assert_eq!(sim.clone().domains().unwrap().len(), 1);
}

#[test]
fn disks_need_their_files_and_grow_them() {
    let images = SimImages::default();
    let (sim, id) = (Simulated::with_images(images.clone()), VmId::random());
    let file = Path::new("/d/a.raw");
    sim.define(&document(id, "one")).unwrap();
    assert_eq!(sim.start(id, false).unwrap_err().kind, Kind::Host);
    assert!(sim.start_with(&document(VmId::random(), "two"), false).is_err());
    assert_eq!(sim.domains().unwrap().len(), 1);
    images.create(file, DiskFormat::Raw, GIB, true).unwrap();
    sim.start(id, false).unwrap();
    sim.resize_block(id, "vda", 2 * GIB).unwrap();
    assert_eq!(images.virtual_size(file, DiskFormat::Raw).unwrap(), 2 * GIB);
    assert!(sim.resize_block(id, "vdz", 2 * GIB).is_err());
    assert!(sim.refresh_pool("data").is_err());
    sim.ensure_pool("data", Path::new("/d")).unwrap();
    sim.refresh_pool("data").unwrap();
    assert!(sim.network_active("default").unwrap() && !sim.network_active("other").unwrap());
}
