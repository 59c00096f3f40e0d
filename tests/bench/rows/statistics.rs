//! Counters of guests.

use crate::bench::Bench;
use crate::pairs::{Pairs, timed};
use crate::table::Figure;
use vireo::engine::ports::Hypervisor;
use vireo::libvirt::Libvirt;
use vireo::model::VmId;
use virt::domain::Domain;

/// P6 and P7
pub fn row(bench: &mut Bench) -> Vec<Figure> {
    let ids = bench.running().to_vec();
    let Some(first) = ids.first() else { return Vec::new() };
    let (session, floor, rounds) = (&mut bench.session, &bench.floor, bench.arguments.rounds);
    let path = format!("/vms/{first}/statistics");
    let alone = [floor.domain(first)];
    let one = Pairs::run(rounds, 10, || timed(|| drop(session.get(&path))), || floor.statistics(&alone));

    // The sweep that the daemon makes every few seconds, made here.
    let (events, _kept) = tokio::sync::mpsc::unbounded_channel();
    let libvirt = Libvirt::new(&bench.lab.host.uri, None, None);
    libvirt.subscribe(events);
    crate::harness::until(10, "connected", || libvirt.version().is_ok());
    let wanted: Vec<VmId> = ids.iter().map(|id| VmId(id.parse().unwrap())).collect();
    let domains: Vec<Domain> = ids.iter().map(|id| floor.domain(id)).collect();
    let sweep = || timed(|| assert_eq!(libvirt.sample(&wanted).unwrap().len(), wanted.len()));
    let all = Pairs::run(rounds, 1, sweep, || floor.statistics(&domains));
    vec![
        Figure::at_most("P6", "GET statistics of a running VM, ratio to ListGetStats", "", one.ratio())
            .limits(0.1, 0.03)
            .beside(one.told()),
        Figure::at_most(
            "P7",
            format!("sweep of {} running VMs, ratio to one bulk call", ids.len()),
            "",
            all.ratio(),
        )
        .limits(0.7, 0.5)
        .beside(all.told()),
    ]
}
