//! The command line.

use std::collections::BTreeSet;
use std::path::PathBuf;

const USAGE: &str = "usage: scripts/bench [--rows P1,P3,...] [--vms N] [--running N] [--many N] [--rounds N]
                     [--daemon FILE]
  --rows     which rows; all when absent
  --vms      VMs of most rows [1000]
  --running  how many of them run [50]
  --many     VMs of the rows about many [10000]
  --rounds   how often each pair is measured [20]
  --daemon   another build of vireo than this one";

pub struct Arguments {
    pub rows: BTreeSet<String>,
    pub vms: usize,
    pub running: usize,
    pub many: usize,
    pub rounds: usize,
    pub daemon: Option<PathBuf>,
}

/// `None` when there is nothing to run, which has been said.
pub fn read() -> Option<Arguments> {
    let mut read =
        Arguments { rows: BTreeSet::new(), vms: 1000, running: 50, many: 10_000, rounds: 20, daemon: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let understood = match word.as_str() {
            // Cargo says this to every benchmark.
            "--bench" => Some(()),
            "--rows" => words.next().map(|rows| read.rows = rows.split(',').map(str::to_owned).collect()),
            "--vms" => number(words.next()).map(|number| read.vms = number),
            "--running" => number(words.next()).map(|number| read.running = number),
            "--many" => number(words.next()).map(|number| read.many = number),
            "--rounds" => number(words.next()).map(|number| read.rounds = number),
            "--daemon" => words.next().map(|file| read.daemon = Some(file.into())),
            _ => None,
        };
        if understood.is_none() {
            eprintln!("{USAGE}");
            return None;
        }
    }
    read.running = read.running.min(read.vms);
    read.many = read.many.max(read.vms);
    Some(read)
}

fn number(word: Option<String>) -> Option<usize> {
    word?.parse().ok().filter(|number| *number > 0)
}
