//! The rows, in the order in which they leave the host as the next ones want it.

mod changes;
mod devices;
mod disks;
mod freshness;
mod hung;
mod load;
mod many;
mod pause;
mod power;
mod reads;
mod snapshots;
mod start;
mod statistics;
mod templates;

use crate::bench::Bench;
use crate::table::Figure;

pub struct Row {
    pub names: &'static [&'static str],
    pub what: &'static str,
    pub run: fn(&mut Bench) -> Vec<Figure>,
}

pub const ALL: &[Row] = &[
    Row { names: &["P1"], what: "the list of VMs", run: reads::list },
    Row { names: &["P3", "P5"], what: "one VM and its parts", run: reads::one },
    Row { names: &["P6", "P7"], what: "statistics", run: statistics::row },
    Row { names: &["P4"], what: "requests a second", run: load::throughput },
    Row { names: &["P16"], what: "slow clients", run: load::slow_clients },
    Row { names: &["P15"], what: "a guest that hangs", run: hung::row },
    Row { names: &["P14"], what: "changes by others", run: freshness::row },
    Row { names: &["P8"], what: "start, stop", run: power::row },
    Row { names: &["P8"], what: "plug, unplug, insert, eject", run: devices::row },
    Row { names: &["P9"], what: "live snapshots", run: snapshots::row },
    Row { names: &["P9"], what: "a guest's pause", run: pause::row },
    Row { names: &["P17", "P18"], what: "VMs of templates, clones", run: templates::row },
    Row { names: &["P10"], what: "new disks", run: disks::create },
    Row { names: &["P11"], what: "new VMs, resized disks, removed VMs", run: changes::row },
    Row { names: &["P13"], what: "cold start", run: start::row },
    Row { names: &["P12", "P2", "P19"], what: "memory, and very many VMs", run: many::row },
];
