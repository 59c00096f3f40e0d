//! Every change of NUMA nodes.

use super::lab::Lab;
use super::sim::sweep;
use vireo::model::*;

fn node(index: u32) -> NumaNode {
    NumaNode { id: NumaNodeId::random(), index, memory: GIB / 2, cores: [index].into(), pins: [index].into() }
}

/// A VM of two CPUs with its first node.
async fn with_node(lab: &Lab) -> (VmId, NumaNodeId) {
    let (vm, first) = (lab.vm("a").await, node(0));
    let id = first.id;
    let two = |spec: &mut VmSpec| {
        spec.topology.sockets = 2;
        Ok(())
    };
    lab.engine.update_vm(vm, false, two).await.unwrap();
    lab.engine.add_numa_node(vm, false, first).await.unwrap();
    (vm, id)
}

#[test]
fn add_numa_node() {
    sweep(with_node, async |lab, (vm, _)| lab.engine.add_numa_node(*vm, false, node(1)).await);
}

#[test]
fn update_numa_node() {
    sweep(with_node, async |lab, (vm, id)| {
        lab.engine.update_numa_node(*vm, false, *id, |node| node.memory = GIB).await
    });
}

#[test]
fn remove_numa_node() {
    sweep(with_node, async |lab, (vm, id)| lab.engine.remove_numa_node(*vm, false, *id).await);
}

#[test]
fn stop_vm_and_adopt_its_next_nodes() {
    sweep(
        async |lab| {
            let (vm, _) = with_node(lab).await;
            lab.start(vm).await;
            lab.engine.add_numa_node(vm, true, node(1)).await.unwrap();
            vm
        },
        async |lab, vm| lab.engine.stop_vm(*vm).await,
    );
}
