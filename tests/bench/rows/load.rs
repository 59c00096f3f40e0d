//! Many clients, and slow ones.

use crate::bench::{Bench, note};
use crate::floor::Floor;
use crate::http::{Session, credentials};
use crate::pairs::{median, ms, percentile, timed};
use crate::table::Figure;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

const TURN: Duration = Duration::from_secs(3);
const TURNS: usize = 3;
const SLOW: usize = 200;

/// P4
pub fn throughput(bench: &mut Bench) -> Vec<Figure> {
    let (id, uri) = (bench.idle_vm().to_owned(), bench.lab.host.uri.clone());
    let mut figures = Vec::new();
    for clients in [16, 64] {
        let (mut ours, mut libvirts, mut bad) = (Vec::new(), Vec::new(), 0.0);
        for _ in 0..TURNS {
            let (rate, refused) = wrk(bench, clients, &id);
            ours.push(rate);
            bad += refused;
            libvirts.push(calls(&uri, &id));
        }
        let what = format!("GET one, {clients} clients");
        let beside = format!("libvirt's Lookup + XML: {:.0} a second by 4 threads", median(&libvirts));
        figures.push(
            Figure::at_least("P4", format!("{what}, requests a second"), "", median(&ours))
                .limits(20_000.0, 35_000.0)
                .beside(beside),
        );
        figures.push(Figure::at_most("P4", format!("{what}, refused or broken"), "", bad).limits(0.0, 0.0));
    }
    figures
}

/// Requests a second, and how many were not answered well.
pub fn wrk(bench: &Bench, clients: usize, id: &str) -> (f64, f64) {
    let url = format!("http://127.0.0.1:{}/ovirt-engine/api/vms/{id}", bench.lab.daemon.port);
    let (clients, turn) = (clients.to_string(), TURN.as_secs().to_string());
    let mut command = Command::new("wrk");
    command.args([
        "-t1",
        "-c",
        &clients,
        "-d",
        &turn,
        "-H",
        &credentials(),
        "-H",
        "Accept: application/xml",
        &url,
    ]);
    let said = crate::harness::run(&mut command);
    let number = |line: &str| -> f64 {
        let words = line.split(|c: char| !c.is_ascii_digit() && c != '.');
        words.filter_map(|word| word.parse::<f64>().ok()).sum()
    };
    let rate = said.lines().find_map(|line| line.strip_prefix("Requests/sec:")).map(number);
    let after = |what: &str| {
        said.lines().filter_map(|line| line.split_once(what)).map(|(_, rest)| number(rest)).sum::<f64>()
    };
    (rate.unwrap(), after("Non-2xx or 3xx responses:") + after("Socket errors:"))
}

/// The same by libvirt's own calls, on one connection.
fn calls(uri: &str, id: &str) -> f64 {
    let (floor, done) = (Floor::open(uri), AtomicUsize::new(0));
    let end = Instant::now() + TURN;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < end {
                    floor.show(id);
                    done.fetch_add(1, Relaxed);
                }
            });
        }
    });
    done.into_inner() as f64 / TURN.as_secs_f64()
}

/// P16
pub fn slow_clients(bench: &mut Bench) -> Vec<Figure> {
    let path = format!("/vms/{}", bench.idle_vm());
    let measure = |session: &mut Session| -> f64 {
        let end = Instant::now() + TURN;
        let mut times = Vec::new();
        while Instant::now() < end {
            times.push(ms(timed(|| drop(session.get(&path)))));
        }
        percentile(&times, 99.0)
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        without.push(measure(&mut bench.session));
        let stop = AtomicBool::new(false);
        let clients = connect_slowly(bench.lab.daemon.port);
        std::thread::scope(|scope| {
            scope.spawn(|| crawl(clients, &stop));
            with.push(measure(&mut bench.session));
            stop.store(true, Relaxed);
        });
    }
    vec![
        Figure::at_most("P16", format!("GET one beside {SLOW} slow clients, p99"), "ms", median(&with))
            .limits(1000.0, 10.0)
            .beside(format!("without them {:.3} ms", median(&without))),
    ]
}

/// Half of them never finish their request, half never take their answer.
fn connect_slowly(port: u16) -> Vec<(TcpStream, bool)> {
    let clients = (0..SLOW).map(|number| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let reads = number % 2 == 0;
        let mut request =
            format!("GET /ovirt-engine/api/vms HTTP/1.1\r\nHost: localhost\r\n{}\r\n", credentials());
        if reads {
            request += "\r\n";
        }
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        (stream, reads)
    });
    clients.collect()
}

fn crawl(mut clients: Vec<(TcpStream, bool)>, stop: &AtomicBool) {
    let mut hung_up = 0;
    while !stop.load(Relaxed) {
        for (stream, reads) in &mut clients {
            let moved =
                if *reads { stream.read(&mut [0; 512]).map(drop) } else { stream.write(b"x").map(drop) };
            hung_up += usize::from(moved.is_err_and(|why| why.kind() != std::io::ErrorKind::WouldBlock));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    if hung_up > 0 {
        note(&format!("{hung_up} writes or reads of slow clients found the connection closed"));
    }
}
