//! Reads of what is in memory.

use crate::bench::Bench;
use crate::pairs::{Pairs, median, timed};
use crate::table::Figure;

/// Reads that a round takes before it is libvirt's turn.
const EACH: usize = 25;

/// P1
pub fn list(bench: &mut Bench) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (what, path, must) in [
        ("GET /vms", "/vms", (10.0, 5.0)),
        ("GET /vms;all_content", "/vms;all_content=true", (f64::INFINITY, f64::INFINITY)),
    ] {
        let (session, floor) = (&mut bench.session, &bench.floor);
        let bytes = session.get(path).body.len();
        let pairs =
            Pairs::run(bench.arguments.rounds, 3, || timed(|| drop(session.get(path))), || floor.list());
        let what = format!("{what}, {} VMs", bench.vms.len());
        let told = format!("{}, {:.1} MB", pairs.told(), bytes as f64 / 1e6);
        figures.push(
            Figure::at_most("P1", format!("{what}, p50"), "ms", median(&pairs.ours)).limits(must.0, must.1),
        );
        figures.push(
            Figure::at_most("P1", format!("{what}, ratio to list + XML of each"), "", pairs.ratio())
                .limits(0.06, 0.06)
                .beside(told),
        );
    }
    figures
}

/// P3 and P5
pub fn one(bench: &mut Bench) -> Vec<Figure> {
    let id = bench.running().first().cloned().unwrap_or(bench.idle_vm().to_owned());
    let (session, floor) = (&mut bench.session, &bench.floor);
    let mut figures = Vec::new();
    for (row, path, must, moonshot) in [
        ("P3", "", 1.0, 0.5),
        ("P5", "/disks", 1.0, 0.5),
        ("P5", "/nics", 1.0, 0.5),
        ("P5", "/cdroms", 1.0, 0.5),
        ("P5", "/snapshots", 1.5, 0.5),
    ] {
        let address = format!("/vms/{id}{path}");
        if session.send("GET", &address, "").is_ok_and(|answer| answer.status != 200) {
            crate::bench::note(&format!("GET {path} of a VM is not served"));
            continue;
        }
        let pairs = Pairs::run(
            bench.arguments.rounds,
            EACH,
            || timed(|| drop(session.get(&address))),
            || floor.show(&id),
        );
        figures.push(
            Figure::at_most(row, format!("GET /vms/{{id}}{path}, ratio to Lookup + XML"), "", pairs.ratio())
                .limits(must, moonshot)
                .beside(pairs.told()),
        );
    }
    figures
}
