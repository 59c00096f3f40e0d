//! How long the API is wrong after somebody else changed a domain.

use crate::bench::Bench;
use crate::floor::renamed;
use crate::pairs::{median, ms, percentile};
use crate::table::Figure;
use std::time::{Duration, Instant};

/// Cycles with a start and a stop, which take their time, and without.
const RUNS: usize = 10;
const DEFINITIONS: usize = 40;
const PAUSE: Duration = Duration::from_micros(500);

/// P14
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let (session, floor) = (&mut bench.session, &bench.floor);
    let document =
        floor.domain(bench.vms.last().unwrap()).xml_desc(virt::sys::VIR_DOMAIN_XML_INACTIVE).unwrap();
    let mut times = Vec::new();
    let mut until = |path: &str, wanted: &str| {
        let begun = Instant::now();
        loop {
            let answer = session.send("GET", path, "").unwrap();
            let seen = match answer.status {
                200 => answer.document().value("status/state").unwrap_or_default(),
                status => status.to_string(),
            };
            if seen == wanted {
                break times.push(ms(begun.elapsed()));
            }
            assert!(begun.elapsed().as_secs() < 30, "{path} is {seen}, not {wanted}");
            // Who asks without a pause has a processor and the daemon the other one: then libvirt waits.
            std::thread::sleep(PAUSE);
        }
    };
    for cycle in 0..RUNS + DEFINITIONS {
        let id = uuid::Uuid::new_v4().to_string();
        let path = format!("/vms/{id}");
        let domain = floor.define(&renamed(&document, &format!("other-{cycle}"), &id));
        until(&path, "down");
        if cycle < RUNS {
            domain.create().unwrap();
            until(&path, "up");
            domain.suspend().unwrap();
            until(&path, "paused");
            domain.resume().unwrap();
            until(&path, "up");
            domain.destroy().unwrap();
            until(&path, "down");
        }
        domain.undefine().unwrap();
        until(&path, "404");
    }
    vec![
        Figure::at_most(
            "P14",
            "stale after define, start, pause, resume, stop, undefine by others, p99",
            "ms",
            percentile(&times, 99.0),
        )
        .limits(50.0, 10.0)
        .beside(format!("{} changes, p50 {:.2} ms", times.len(), median(&times))),
    ]
}
