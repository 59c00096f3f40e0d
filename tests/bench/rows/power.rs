//! VMs started and stopped: to the end state, beside a domain of the same document.

use super::devices::overhead;
use crate::bench::Bench;
use crate::harness::Boots;
use crate::http::Session;
use crate::pairs::{Alone, Pairs, rested};
use crate::table::Figure;
use crate::twin;
use std::time::{Duration, Instant};

/// P8
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let vm = bench.session.must("POST", "/vms", &Boots::Halt.document("bench-power", "")).id();
    let path = format!("/vms/{vm}");
    let (twin, _) = twin::define(bench, &vm);
    let [mut one, mut other] = [0; 2].map(|_| Session::open(bench.lab.daemon.port).unwrap());
    let act = |session: &mut Session, what: &str, state: &str| {
        session.must("POST", &format!("{path}/{what}"), "<action/>");
        becomes(session, &path, state);
    };
    let (start, stop) = alternating(
        bench.alone(),
        bench.arguments.rounds.div_ceil(3),
        || act(&mut one, "start", "up"),
        || act(&mut other, "stop", "down"),
        || {
            twin.create().unwrap();
        },
        || twin.destroy().unwrap(),
    );
    one.must("DELETE", &path, "");
    twin.undefine().unwrap();
    vec![overhead("start a VM", &start), overhead("stop a VM", &stop)]
}

/// There and back, ours and libvirt's in turn.
pub fn alternating(
    alone: Alone,
    rounds: usize,
    mut there: impl FnMut(),
    mut back: impl FnMut(),
    libvirt_there: impl Fn(),
    libvirt_back: impl Fn(),
) -> (Pairs, Pairs) {
    let mut times = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        times[0].push(rested(&mut there));
        times[1].push(alone.timed(&libvirt_there));
        times[2].push(rested(&mut back));
        times[3].push(alone.timed(&libvirt_back));
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
