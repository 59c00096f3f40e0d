//! Devices of running VMs plugged and unplugged, media changed: to the end state, beside a domain of
//! the same document.

use super::power::{alternating, becomes};
use crate::bench::Bench;
use crate::floor::LIVE_AND_CONFIG;
use crate::harness::{Boots, Disk};
use crate::http::Session;
use crate::pairs::Pairs;
use crate::table::Figure;
use crate::twin;
use vireo::xml::{Element, parse};
use virt::domain::Domain;
use virt::sys;

/// P8
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let [plug_disk, unplug_disk] = disks(bench);
    let [plug_nic, unplug_nic] = nics(bench);
    let [insert, eject] = media(bench);
    vec![
        overhead("plug a disk", &plug_disk),
        overhead("unplug a disk", &unplug_disk),
        overhead("plug an interface", &plug_nic),
        overhead("unplug an interface", &unplug_nic),
        overhead("insert a CD", &insert),
        overhead("eject a CD", &eject),
    ]
}

pub fn overhead(what: &str, pairs: &Pairs) -> Figure {
    Figure::at_most("P8", format!("{what}, over libvirt's own"), "%", (pairs.ratio() - 1.0) * 100.0)
        .limits(5.0, 2.0)
        .beside(pairs.told())
}

/// A VM that runs, its twin, and two who ask for it in turn.
struct Twins {
    path: String,
    twin: Domain,
    disks: Vec<String>,
    sessions: [Session; 2],
}

impl Twins {
    /// `arrange` gives the VM what is measured, before it is copied.
    fn run<T>(
        bench: &mut Bench,
        boots: Boots,
        name: &str,
        arrange: impl FnOnce(&mut Session, &str) -> T,
    ) -> (Self, T) {
        let port = bench.lab.daemon.port;
        let mut sessions = [0; 2].map(|_| Session::open(port).unwrap());
        let vm = sessions[0].must("POST", "/vms", &boots.document(name, "")).id();
        let path = format!("/vms/{vm}");
        let arranged = arrange(&mut sessions[0], &path);
        let (twin, disks) = twin::define(bench, &vm);
        act(&mut sessions[0], &format!("{path}/start"));
        becomes(&mut sessions[0], &path, "up");
        twin.create().unwrap();
        (Self { path, twin, disks, sessions }, arranged)
    }

    fn end(mut self) {
        act(&mut self.sessions[0], &format!("{}/stop", self.path));
        self.sessions[0].must("DELETE", &self.path, "");
        self.twin.destroy().unwrap();
        self.twin.undefine().unwrap();
    }
}

fn act(session: &mut Session, what: &str) {
    session.must("POST", what, "<action/>");
}

/// Plugged, and unplugged.
fn disks(bench: &mut Bench) -> [Pairs; 2] {
    let (alone, rounds) = (bench.alone(), bench.arguments.rounds);
    let document = Disk::document(64, "virtio_scsi", "cow", "<active>true</active>");
    let (mut twins, disk) = Twins::run(bench, Boots::Halt, "bench-disk", |session, vm| {
        session.must("POST", &format!("{vm}/disks"), &document).id()
    });
    let place = format!("{}/disks/{disk}", twins.path);
    let (twin, device) = (&twins.twin, &twins.disks[0]);
    let [one, other] = &mut twins.sessions;
    let (unplug, plug) = alternating(
        alone,
        rounds,
        || act(one, &format!("{place}/deactivate")),
        || act(other, &format!("{place}/activate")),
        || twin.detach_device_flags(device, LIVE_AND_CONFIG).unwrap(),
        || twin.attach_device_flags(device, LIVE_AND_CONFIG).unwrap(),
    );
    twins.end();
    [plug, unplug]
}

/// Plugged, and unplugged from a guest that lets them go when it is asked.
fn nics(bench: &mut Bench) -> [Pairs; 2] {
    let (alone, rounds) = (bench.alone(), bench.arguments.rounds);
    let asked = "<nic><name>nic1</name><network><name>ovirtmgmt</name></network></nic>";
    let (mut twins, nic) = Twins::run(bench, Boots::Mini, "bench-nic", |session, vm| {
        session.must("POST", &format!("{vm}/nics"), asked).id()
    });
    let place = format!("{}/nics/{nic}", twins.path);
    let alias = format!("ua-{nic}");
    let (twin, device) = (&twins.twin, twin::device(&twins.twin, "interface"));
    let [one, other] = &mut twins.sessions;
    let (unplug, plug) = alternating(
        alone,
        rounds,
        || act(one, &format!("{place}/deactivate")),
        || act(other, &format!("{place}/activate")),
        || {
            twin.detach_device_flags(&device, LIVE_AND_CONFIG).unwrap();
            twin::lets_go(twin, &alias);
        },
        || twin.attach_device_flags(&device, LIVE_AND_CONFIG).unwrap(),
    );
    twins.end();
    [plug, unplug]
}

/// Inserted, and ejected.
fn media(bench: &mut Bench) -> [Pairs; 2] {
    let (alone, rounds) = (bench.alone(), bench.arguments.rounds);
    let medium = bench.lab.daemon.state.join("isos/bench.iso");
    std::fs::write(&medium, vec![0; 1 << 20]).unwrap();
    let (mut twins, ()) = Twins::run(bench, Boots::Halt, "bench-cd", |_, _| ());
    let drive = format!("{}/cdroms/00000000-0000-0000-0000-000000000000;current=true", twins.path);
    let put = |session: &mut Session, medium: &str| {
        session.must("PUT", &drive, &format!("<cdrom><file id='{medium}'/></cdrom>"));
    };
    let (twin, empty) = (&twins.twin, twin::device(&twins.twin, "disk"));
    let mut full = parse(empty.as_bytes()).unwrap();
    full.push(Element::new("source").with("file", medium.display()));
    let full = full.to_string();
    let update = |device: &str| {
        twin.update_device_flags(device, sys::VIR_DOMAIN_AFFECT_LIVE).unwrap();
    };
    let [one, other] = &mut twins.sessions;
    let (insert, eject) = alternating(
        alone,
        rounds,
        || put(one, "bench.iso"),
        || put(other, ""),
        || update(&full),
        || update(&empty),
    );
    twins.end();
    std::fs::remove_file(medium).unwrap();
    [insert, eject]
}
