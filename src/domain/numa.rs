//! The guest's NUMA nodes, and the host's nodes that their memory comes from.

use super::device::settle;
use super::{Invalid, Plan};
use crate::model::vm::NumaTune;
use crate::model::{CpuSet, KIB};
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let cells = plan.spec.cells();
    if !cells.is_empty() {
        let numa = cells.iter().fold(Element::new("numa"), |numa, cell| {
            numa.child(
                Element::new("cell")
                    .with("id", cell.node.index)
                    .with("cpus", CpuSet(cell.cores.clone()))
                    .with("memory", cell.memory / KIB)
                    .with("unit", "KiB"),
            )
        });
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
