//! Memory, and very many VMs.

use super::load;
use crate::bench::{Bench, note, rss};
use crate::http::Session;
use crate::pairs::{median, ms, timed};
use crate::table::Figure;

const LISTS_AT_ONCE: usize = 16;

/// P12, P2 and P19
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let few = bench.vms.len();
    let id = bench.idle_vm().to_owned();
    load::wrk(bench, 64, &id);
    let loaded = rss(&bench.lab.daemon);
    bench.grow(bench.arguments.many);
    let many = bench.vms.len();
    note(&format!("{LISTS_AT_ONCE} lists at once"));
    let port = bench.lab.daemon.port;
    std::thread::scope(|scope| {
        for _ in 0..LISTS_AT_ONCE {
            scope.spawn(|| Session::open(port).unwrap().get("/vms"));
        }
    });
    let listed = rss(&bench.lab.daemon);
    let memory = |what: String, value: f64, must: f64, moonshot: f64| {
        Figure::at_most("P12", format!("memory, {what}"), "MB", value).limits(must, moonshot)
    };
    let mut figures = vec![
        memory("idle".into(), bench.memory_idle, 40.0, 15.0),
        memory(format!("{few} VMs"), bench.memory_made, 40.0, 20.0),
        memory("after 64 clients at once".into(), loaded, 60.0, 30.0),
        memory(format!("{many} VMs, after {LISTS_AT_ONCE} lists at once"), listed, 150.0, 80.0),
    ];
    figures.extend(growth(bench));
    figures.push(search(bench));
    figures
}

fn growth(bench: &mut Bench) -> Vec<Figure> {
    let first_byte = ms(bench.session.get("/vms").first_byte);
    let each = |count: usize| {
        let found = bench.growth.iter().find(|(of, _)| *of == count);
        found.map(|(of, pairs)| median(&pairs.ours) / *of as f64)
    };
    let (Some((many, last)), Some(at_100)) = (bench.growth.last(), each(100)) else { return Vec::new() };
    let told: Vec<String> = bench
        .growth
        .iter()
        .map(|(count, pairs)| {
            format!("{count}: {:.2} to {:.1} ms", median(&pairs.ours), median(&pairs.libvirts))
        })
        .collect();
    vec![
        Figure::at_most(
            "P2",
            format!("GET /vms, time for each of {many} VMs to that of 100"),
            "",
            median(&last.ours) / *many as f64 / at_100,
        )
        .limits(1.5, 1.2)
        .beside(told.join("; ")),
        Figure::at_most("P2", format!("GET /vms, {many} VMs, p50"), "ms", median(&last.ours))
            .limits(f64::INFINITY, 80.0),
        Figure::at_most("P2", format!("GET /vms, {many} VMs, first byte"), "ms", first_byte)
            .limits(f64::INFINITY, 5.0),
    ]
}

/// By name, one of all VMs.
fn search(bench: &mut Bench) -> Figure {
    let path = "/vms?search=name%3Dbench-00042";
    let session = &mut bench.session;
    let answer = session.get(path).body;
    assert_eq!(String::from_utf8_lossy(&answer).matches("<name>bench-00042</name>").count(), 1);
    let took: Vec<f64> = (0..50).map(|_| ms(timed(|| drop(session.get(path))))).collect();
    let what = format!("GET /vms?search=name=..., {} VMs, p50", bench.vms.len());
    Figure::at_most("P19", what, "ms", median(&took)).limits(5.0, 1.0)
}
