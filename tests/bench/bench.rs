//! What the rows stand on: a private host with a daemon and many VMs, and what was measured on the way.

use crate::arguments::Arguments;
use crate::floor::Floor;
use crate::harness::{Boots, Daemon, Host, Lab, Options};
use crate::http::Session;
use crate::pairs::{Alone, Pairs, timed};
use crate::rows::Row;
use crate::table::HEAD;
use crate::{machine, rows};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// Clients that make VMs side by side.
const MAKERS: usize = 4;

pub struct Bench {
    pub arguments: Arguments,
    pub lab: Lab,
    pub floor: Floor,
    pub session: Session,
    /// Ids; the first ones run.
    pub vms: Vec<String>,
    /// `GET /vms` beside libvirt's list, by the number of VMs.
    pub growth: Vec<(usize, Pairs)>,
    pub memory_idle: f64,
    pub memory_made: f64,
}

impl Bench {
    pub fn open(arguments: Arguments) -> Self {
        let options = Options {
            program: arguments.daemon.clone(),
            // As it is by default; tests are in a hurry.
            environment: vec![
                ("VIREO_STATS_INTERVAL", "3".into()),
                ("VIREO_GUESTS_HOTUNPLUG_TIMEOUT", "20".into()),
            ],
            ..Options::default()
        };
        let host = Host::start(&[]);
        let floor = Floor::open(&host.uri);
        println!("{}\n\n{HEAD}", machine::told(&floor.version()));
        let lab = Lab::new(host, &options);
        let mut session = Session::open(lab.daemon.port).unwrap();
        session.get("/vms");
        let memory_idle = rested_rss(&lab.daemon);
        let (vms, growth, memory_made) = (Vec::new(), Vec::new(), 0.0);
        let mut bench = Self { arguments, lab, floor, session, vms, growth, memory_idle, memory_made };
        for count in [10, 100] {
            bench.grow(count.min(bench.arguments.vms));
        }
        bench.grow(bench.arguments.vms);
        bench.memory_made = rested_rss(&bench.lab.daemon);
        bench.start_some();
        bench
    }

    pub fn wants(&self, row: &str) -> bool {
        self.arguments.rows.is_empty() || self.arguments.rows.contains(row)
    }

    pub fn run(&mut self, row: &Row) {
        if row.names.iter().any(|name| self.wants(name)) {
            note(&format!("{}: {}", row.names.join(", "), row.what));
            for figure in (row.run)(self).into_iter().filter(|figure| self.wants(figure.row)) {
                println!("{}", figure.line());
            }
        }
    }

    pub fn alone(&self) -> Alone {
        Alone::beside(&self.lab.daemon)
    }

    /// A folder for what libvirt's own changes make.
    pub fn beside(&self) -> PathBuf {
        let folder = self.lab.host.root.join("beside");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Makes VMs until there are so many, and times the list of them.
    pub fn grow(&mut self, count: usize) {
        if count <= self.vms.len() {
            return;
        }
        note(&format!("making VMs until there are {count}"));
        let made = Mutex::new(Vec::new());
        let next = Mutex::new(self.vms.len()..count);
        let port = self.lab.daemon.port;
        std::thread::scope(|scope| {
            for _ in 0..MAKERS {
                scope.spawn(|| {
                    let mut session = Session::open(port).unwrap();
                    loop {
                        let Some(number) = next.lock().unwrap().next() else { break };
                        let document = Boots::Halt.document(&format!("bench-{number:05}"), "");
                        let id = session.must("POST", "/vms", &document).id();
                        made.lock().unwrap().push(id);
                    }
                });
            }
        });
        self.vms.extend(made.into_inner().unwrap());
        if self.wants("P2") {
            let rounds = self.arguments.rounds.div_ceil(1 + count / 1000);
            let (session, floor) = (&mut self.session, &self.floor);
            session.get("/vms");
            self.growth.push((
                count,
                Pairs::run(rounds, 3, || timed(|| drop(session.get("/vms"))), || floor.list()),
            ));
        }
    }

    fn start_some(&mut self) {
        let count = self.arguments.running;
        note(&format!("starting {count} of them"));
        let next = Mutex::new(self.vms[..count].iter());
        let port = self.lab.daemon.port;
        std::thread::scope(|scope| {
            for _ in 0..MAKERS {
                scope.spawn(|| {
                    let mut session = Session::open(port).unwrap();
                    loop {
                        let Some(id) = next.lock().unwrap().next() else { break };
                        session.must("POST", &format!("/vms/{id}/start"), "<action/>");
                    }
                });
            }
        });
    }

    pub fn running(&self) -> &[String] {
        &self.vms[..self.arguments.running]
    }

    /// A VM that does not run.
    pub fn idle_vm(&self) -> &str {
        self.vms.last().unwrap()
    }

    pub fn close(self) {
        let missing: Vec<&str> = self
            .arguments
            .rows
            .iter()
            .map(String::as_str)
            .filter(|name| !rows::ALL.iter().any(|row| row.names.contains(name)))
            .collect();
        if !missing.is_empty() {
            eprintln!("there is no row {}", missing.join(", "));
        }
    }
}

/// What the daemon has in memory, in MB, once what it just did is over.
fn rested_rss(daemon: &Daemon) -> f64 {
    std::thread::sleep(Duration::from_secs(2));
    rss(daemon)
}

/// What the daemon has in memory, in MB.
pub fn rss(daemon: &Daemon) -> f64 {
    let process = daemon.process.as_ref().unwrap().id();
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Rss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Progress, beside the table.
pub fn note(what: &str) {
    eprintln!("-- {what}");
}
