//! One guest hangs; the others must not notice.

use crate::bench::Bench;
use crate::pairs::{median, ms, percentile, timed};
use crate::table::Figure;
use std::process::Command;
use std::time::{Duration, Instant};

const TURN: Duration = Duration::from_secs(4);
const TURNS: usize = 4;

/// P15
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let [hung, others @ ..] = bench.running() else { return Vec::new() };
    let (Some(other), Some(qemu)) = (others.first(), bench.lab.host.qemu(hung)) else { return Vec::new() };
    let mut paths: Vec<String> = ["", "/statistics", "/disks", "/nics", "/cdroms"]
        .iter()
        .map(|part| format!("/vms/{other}{part}"))
        .collect();
    paths.push("/vms".into());
    let signal = |which: &str| crate::harness::run(Command::new("kill").args([which, &qemu]));

    // By path: without and with.
    let mut times = vec![[Vec::new(), Vec::new()]; paths.len()];
    for _ in 0..TURNS {
        for (at, which) in ["-CONT", "-STOP"].into_iter().enumerate() {
            signal(which);
            let end = Instant::now() + TURN;
            while Instant::now() < end {
                for (path, times) in paths.iter().zip(&mut times) {
                    times[at].push(ms(timed(|| drop(bench.session.get(path)))));
                }
            }
        }
    }
    signal("-CONT");
    // In units of the path's own median, so that one slow path does not stand for all.
    let all = |at: usize| -> Vec<f64> {
        let of_path = |pair: &[Vec<f64>; 2]| {
            let median = median(&pair[0]);
            pair[at].iter().map(|time| time / median).collect::<Vec<_>>()
        };
        times.iter().flat_map(of_path).collect()
    };
    let ninety_nine = [percentile(&all(0), 99.0), percentile(&all(1), 99.0)];
    let slowest = times.iter().flat_map(|pair| pair[1].iter()).fold(0.0, |a: f64, b| a.max(*b));
    vec![
        Figure::at_most(
            "P15",
            "GETs of others while a guest hangs, p99, ratio to without",
            "",
            ninety_nine[1] / ninety_nine[0],
        )
        .limits(1.2, 1.2)
        .beside(format!(
            "{} answers, the slowest {slowest:.1} ms",
            times.iter().map(|pair| pair[1].len()).sum::<usize>()
        )),
    ]
}
