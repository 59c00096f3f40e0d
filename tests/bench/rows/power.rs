//! Devices plugged and unplugged, VMs started and stopped: to the end state, beside a domain of the
//! same document on a host that no daemon watches.

use crate::bench::Bench;
use crate::floor::LIVE_AND_CONFIG;
use crate::harness::{Boots, Disk};
use crate::http::Session;
use crate::pairs::{Pairs, timed};
use crate::table::Figure;
use crate::twin;
use std::time::{Duration, Instant};

/// P8
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let port = bench.lab.daemon.port;
    let mut session = Session::open(port).unwrap();
    let vm = session.must("POST", "/vms", &Boots::Halt.document("bench-power", "")).id();
    let path = format!("/vms/{vm}");
    let document = Disk::document(64, "virtio_scsi", "cow", "<active>true</active>");
    let disk = session.must("POST", &format!("{path}/disks"), &document).id();
    let (twin, devices) = twin::define(bench, &vm);
    let device = &devices[0];

    let act = |session: &mut Session, what: &str| drop(session.must("POST", what, "<action/>"));
    let rounds = bench.arguments.rounds;
    let mut other = Session::open(port).unwrap();
    let (start, stop) = alternating(
        rounds.div_ceil(3),
        || {
            act(&mut session, &format!("{path}/start"));
            becomes(&mut session, &path, "up");
        },
        || {
            act(&mut other, &format!("{path}/stop"));
            becomes(&mut other, &path, "down");
        },
        || twin.create().unwrap(),
        || twin.destroy().unwrap(),
    );
    act(&mut session, &format!("{path}/start"));
    becomes(&mut session, &path, "up");
    twin.create().unwrap();
    let place = format!("{path}/disks/{disk}");
    let (unplug, plug) = alternating(
        rounds,
        || act(&mut session, &format!("{place}/deactivate")),
        || act(&mut other, &format!("{place}/activate")),
        || twin.detach_device_flags(device, LIVE_AND_CONFIG).unwrap(),
        || twin.attach_device_flags(device, LIVE_AND_CONFIG).unwrap(),
    );
    act(&mut session, &format!("{path}/stop"));
    session.must("DELETE", &path, "");
    twin.destroy().unwrap();
    twin.undefine().unwrap();
    let figure = |what: &str, pairs: &Pairs| {
        Figure::at_most("P8", format!("{what}, over libvirt's own"), "%", (pairs.ratio() - 1.0) * 100.0)
            .limits(5.0, 2.0)
            .beside(pairs.told())
    };
    vec![
        figure("plug a disk", &plug),
        figure("unplug a disk", &unplug),
        figure("start a VM", &start),
        figure("stop a VM", &stop),
    ]
}

/// There and back, ours and libvirt's in turn.
fn alternating(
    rounds: usize,
    mut there: impl FnMut(),
    mut back: impl FnMut(),
    libvirt_there: impl Fn(),
    libvirt_back: impl Fn(),
) -> (Pairs, Pairs) {
    let mut times = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        times[0].push(timed(&mut there));
        times[1].push(timed(&libvirt_there));
        times[2].push(timed(&mut back));
        times[3].push(timed(&libvirt_back));
    }
    let [a, b, c, d] = times;
    (Pairs::of(&a, &b), Pairs::of(&c, &d))
}

pub fn becomes(session: &mut Session, path: &str, state: &str) {
    let begun = Instant::now();
    while session.get(path).document().value("status/state").as_deref() != Some(state) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{path} is not {state}");
        std::thread::sleep(Duration::from_micros(500));
    }
}
