//! A daemon that starts with everything there.

use crate::bench::Bench;
use crate::http::Session;
use crate::pairs::{Pairs, timed};
use crate::table::Figure;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

const ROUNDS: usize = 5;

/// P13
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    bench.lab.daemon.kill();
    let (daemon, floor, count) = (&bench.lab.daemon, &bench.floor, bench.vms.len());
    let first_list = || {
        let log = File::options().append(true).open(daemon.log_file()).unwrap();
        let mut process = None;
        let took = timed(|| {
            process = Some(daemon.command().stderr(log).stdout(Stdio::null()).spawn().unwrap());
            while !is_ready(daemon.port) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Session::open(daemon.port).unwrap().get("/vms");
        });
        let mut process = process.unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        took
    };
    let pairs = Pairs::run(ROUNDS, 1, first_list, || floor.list());
    bench.lab.daemon.restart();
    bench.session = Session::open(bench.lab.daemon.port).unwrap();
    let limit = |base: f64, each: f64| base + each * count as f64;
    vec![
        Figure::at_most(
            "P13",
            format!("cold start with {count} VMs to the first list"),
            "ms",
            crate::pairs::median(&pairs.ours),
        )
        .limits(limit(100.0, 0.3), limit(50.0, 0.25))
        .beside(format!("{}, libvirt's list + XML of each", pairs.told())),
    ]
}

/// It answers, and knows how every domain is.
fn is_ready(port: u16) -> bool {
    let asked = Session::open(port)
        .and_then(|mut session| session.exchange("GET", "/ovirt-engine/services/health", ""));
    asked.is_ok_and(|answer| answer.status == 200 && answer.body.starts_with(b"ok"))
}
