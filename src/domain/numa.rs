//! The guest's NUMA nodes, and the host's nodes that their memory comes from.

use super::device::settle;
use super::{Invalid, Plan};
use crate::model::vm::NumaTune;
use crate::model::{CpuSet, KIB};
use crate::xml::Element;
use std::collections::BTreeSet;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let cell = |index: u32, cores: BTreeSet<u32>, memory: u64| {
        Element::new("cell")
            .with("id", index)
            .with("cpus", CpuSet(cores))
            .with("memory", memory / KIB)
            .with("unit", "KiB")
    };
    let cells = plan.spec.cells().into_iter().map(|it| cell(it.node.index, it.cores, it.memory));
    let mut numa = cells.fold(Element::new("numa"), Element::child);
    // Memory is plugged into a node.
    if numa.children.is_empty() && plan.spec.memory_growth().is_some() {
        let cores = 0..domain.number("vcpu").unwrap_or_default();
        numa.push(cell(0, cores.collect(), plan.spec.memory));
    }
    if !numa.children.is_empty() {
        domain.ensure("cpu").replace(numa);
    }
    settle(domain, tune(plan));
    Ok(())
}

fn tune(plan: &Plan) -> Element {
    let mode = match plan.spec.numa_tune_mode {
        NumaTune::Strict => "strict",
        NumaTune::Interleave => "interleave",
        NumaTune::Preferred => "preferred",
    };
    let nodes = &plan.spec.numa_nodes;
    let mut tune = Element::new("numatune");
    // What holds for the whole process would also bind the nodes that may lie anywhere.
    if !nodes.is_empty() && nodes.iter().all(|node| !node.pins.is_empty()) {
        let all = CpuSet(nodes.iter().flat_map(|node| &node.pins).copied().collect());
        tune.push(Element::new("memory").with("mode", mode).with("nodeset", all));
    }
    for node in nodes.iter().filter(|node| !node.pins.is_empty()) {
        tune.push(
            Element::new("memnode")
                .with("cellid", node.index)
                .with("mode", mode)
                .with("nodeset", CpuSet(node.pins.clone())),
        );
    }
    tune
}
