//! NUMA nodes: those of a VM, and those of the host that they may lie on.

use super::guest::HostFacts;
use super::ids::{HostId, NumaNodeId};
use super::vm::{CpuPin, NumaTune, VmSpec};
use super::{CpuSet, MIB};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A node of a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaNode {
    pub id: NumaNodeId,
    pub index: u32,
    /// Bytes, whole MiB.
    pub memory: u64,
    /// Indexes of virtual CPUs.
    pub cores: BTreeSet<u32>,
    /// Indexes of the host's nodes that it lies on; anywhere when there are none.
    pub pins: BTreeSet<u32>,
}

/// A node of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostNode {
    pub index: u32,
    /// Bytes.
    pub memory: u64,
    pub cpus: BTreeSet<u32>,
    /// By the index of the other node; 10 is the distance to itself.
    pub distances: BTreeMap<u32, u32>,
}

/// A VM's node as its guest gets it: with its part of what no node claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell<'s> {
    pub node: &'s NumaNode,
    pub memory: u64,
    pub cores: BTreeSet<u32>,
}

impl HostId {
    /// The id of a node of the host: the same at every look.
    pub fn node(self, index: u32) -> Uuid {
        Uuid::from_u128(self.0.as_u128().wrapping_add(u128::from(index) + 1))
    }
}

impl VmSpec {
    /// For another machine: a node is one machine's, as its disks are.
    pub fn renew_nodes(&mut self) {
        self.numa_nodes.iter_mut().for_each(|node| node.id = NumaNodeId::random());
    }

    /// The guest's nodes: together they have all of its memory and CPUs, as machines demand. What no
    /// node claims is the first one's.
    pub fn cells(&self) -> Vec<Cell<'_>> {
        let unclaimed = self.memory.saturating_sub(self.numa_nodes.iter().map(|node| node.memory).sum());
        let claimed: BTreeSet<u32> = self.numa_nodes.iter().flat_map(|node| &node.cores).copied().collect();
        let cell = |(place, node)| {
            let mut cell = Cell { node, memory: node.memory, cores: node.cores.clone() };
            if place == 0 {
                cell.memory += unclaimed;
                cell.cores.extend((0..self.topology.vcpus()).filter(|core| !claimed.contains(core)));
            }
            cell
        };
        self.numa_nodes.iter().enumerate().map(cell).collect()
    }

    /// Where the virtual CPUs run: where the configuration says, else near their node's memory.
    pub fn placed_vcpus(&self, host: &HostFacts) -> Vec<CpuPin> {
        let mut pins = self.cpu_pins.clone();
        for cell in self.cells() {
            let nodes = host.nodes.iter().filter(|node| cell.node.pins.contains(&node.index));
            let cpus: BTreeSet<u32> = nodes.flat_map(|node| &node.cpus).copied().collect();
            for vcpu in cell.cores.into_iter().filter(|_| !cpus.is_empty()) {
                if self.cpu_pins.iter().all(|pin| pin.vcpu != vcpu) {
                    pins.push(CpuPin { vcpu, cpus: CpuSet(cpus.clone()) });
                }
            }
        }
        pins.sort_by_key(|pin| pin.vcpu);
        pins
    }

    /// What is wrong with the nodes, whatever the host has.
    pub(super) fn check_numa(&self) -> Result<(), String> {
        let nodes = &self.numa_nodes;
        if nodes.is_empty() {
            return Ok(());
        }
        for (place, node) in nodes.iter().enumerate() {
            if nodes[..place].iter().any(|other| other.index == node.index) {
                return Err(format!("The NUMA node index {} is used twice.", node.index));
            }
            if nodes.iter().all(|other| other.index != place as u32) {
                return Err("NUMA node indexes must be continuous and begin with 0.".into());
            }
        }
        let vcpus = self.topology.vcpus();
        if nodes.len() > vcpus as usize {
            return Err("The VM has more NUMA nodes than virtual CPUs.".into());
        }
        let mut claimed = BTreeSet::new();
        for node in nodes {
            let index = node.index;
            if node.memory == 0 || node.cores.is_empty() {
                return Err(format!("The NUMA node {index} needs memory and at least one core."));
            }
            for core in &node.cores {
                if *core >= vcpus {
                    return Err(format!("The virtual CPU {core} of the NUMA node {index} does not exist."));
                }
                if !claimed.insert(*core) {
                    return Err(format!("The virtual CPU {core} is in two NUMA nodes."));
                }
            }
        }
        let sum = nodes.iter().try_fold(0u64, |sum, node| sum.checked_add(node.memory));
        if sum.is_none_or(|sum| sum > self.memory) {
            return Err(format!(
                "NUMA node memory error. The nodes have more memory than the {} MiB of the VM.",
                self.memory / MIB
            ));
        }
        match (self.numa_tune_mode, nodes.as_slice()) {
            (NumaTune::Preferred, [only]) if only.pins.len() == 1 => Ok(()),
            (NumaTune::Preferred, _) => {
                Err("In preferred mode a VM has a single NUMA node, pinned to a single node of the host."
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// What a strict guest's nodes get, with the memory that none claims, and this host has not.
    pub fn check_cells_on(&self, host: &[HostNode]) -> Result<(), String> {
        let strict = |_: &Cell<'_>| self.numa_tune_mode == NumaTune::Strict;
        for Cell { node, memory, .. } in self.cells().into_iter().filter(strict) {
            let below = host.iter().filter(|below| node.pins.contains(&below.index));
            if !node.pins.is_empty() && memory > below.map(|below| below.memory).sum() {
                return Err(format!(
                    "NUMA node memory error. The node {} gets {} MiB, which its nodes of the host do not have.",
                    node.index,
                    memory / MIB
                ));
            }
        }
        Ok(())
    }

    /// What this host does not have for the nodes.
    pub fn check_numa_on(&self, host: &HostFacts) -> Result<(), String> {
        for node in &self.numa_nodes {
            for pin in &node.pins {
                if host.nodes.is_empty() {
                    return Err("Cannot pin NUMA nodes when host NUMA nodes is empty.".into());
                }
                let Some(below) = host.nodes.iter().find(|below| below.index == *pin) else {
                    return Err(format!("Host numa node with index {pin} does not exist."));
                };
                if self.numa_tune_mode == NumaTune::Strict && node.memory > below.memory {
                    return Err(format!(
                        "NUMA node memory error. The node {} has more memory than the host's node {pin}.",
                        node.index
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::vm::Topology;

    fn node(index: u32, memory: u64, cores: &[u32], pins: &[u32]) -> NumaNode {
        NumaNode {
            id: NumaNodeId::random(),
            index,
            memory: memory * MIB,
            cores: cores.iter().copied().collect(),
            pins: pins.iter().copied().collect(),
        }
    }

    fn spec(nodes: &[NumaNode]) -> VmSpec {
        VmSpec {
            name: "a".into(),
            topology: Topology { sockets: 4, cores: 1, threads: 1 },
            numa_nodes: nodes.to_vec(),
            ..VmSpec::default()
        }
    }

    #[test]
    fn rules() {
        let (first, second) = (node(0, 512, &[0, 1], &[]), node(1, 512, &[2, 3], &[]));
        for good in [&[first.clone()][..], &[first.clone(), second.clone()], &[node(0, 1, &[3], &[0, 1])]] {
            assert_eq!(spec(good).check(), Ok(()));
        }
        for (bad, said) in [
            (vec![node(1, 1, &[0], &[])], "continuous"),
            (vec![first.clone(), node(2, 1, &[2], &[])], "continuous"),
            (vec![first.clone(), node(0, 1, &[2], &[])], "twice"),
            (vec![first.clone(), node(1, 1, &[1], &[])], "CPU 1 is in two"),
            (vec![node(0, 1, &[4], &[])], "CPU 4"),
            (vec![node(0, 0, &[0], &[])], "needs memory"),
            (vec![node(0, 1, &[], &[])], "needs memory"),
            (vec![first.clone(), node(1, 513, &[2], &[])], "memory error"),
            ((0..5).map(|index| node(index, 1, &[index.min(3)], &[])).collect(), "more NUMA nodes"),
        ] {
            let why = spec(&bad).check().unwrap_err();
            assert!(why.contains(said), "{why}");
        }
        let preferred =
            |nodes: &[NumaNode]| VmSpec { numa_tune_mode: NumaTune::Preferred, ..spec(nodes) }.check();
        assert_eq!(preferred(&[]), Ok(()));
        assert_eq!(preferred(&[node(0, 1, &[0], &[1])]), Ok(()));
        for bad in [vec![first.clone()], vec![node(0, 1, &[0], &[0, 1])], vec![first, second]] {
            assert!(preferred(&bad).unwrap_err().contains("preferred"));
        }
    }

    #[test]
    fn cells_have_all_there_is() {
        let spec = spec(&[node(0, 256, &[1], &[]), node(1, 512, &[3], &[])]);
        let cells = spec.cells();
        assert_eq!(cells[0].memory, 512 * MIB);
        assert_eq!(cells[0].cores, [0, 1, 2].into());
        assert_eq!((cells[1].memory, &cells[1].cores), (512 * MIB, &[3].into()));
    }

    #[test]
    fn strict_guests_get_no_more_than_there_is() {
        let below = |index| HostNode { index, memory: 512 * MIB, cpus: [index].into(), distances: [].into() };
        let host = [below(0), below(1)];
        let strict = |memory, pins: &[u32]| VmSpec {
            memory: memory * MIB,
            numa_tune_mode: NumaTune::Strict,
            ..spec(&[node(0, 256, &[0], pins)])
        };
        for good in [strict(512, &[1]), strict(1024, &[0, 1]), strict(4096, &[])] {
            assert_eq!(good.check_cells_on(&host), Ok(()));
        }
        for bad in [strict(513, &[1]), strict(1025, &[0, 1])] {
            assert!(bad.check_cells_on(&host).unwrap_err().contains("memory error"));
        }
        let loose = VmSpec { numa_tune_mode: NumaTune::Interleave, ..strict(513, &[1]) };
        assert_eq!(loose.check_cells_on(&host), Ok(()));
    }

    #[test]
    fn ids_of_host_nodes_are_stable_and_differ() {
        let host = HostId::random();
        assert_eq!(host.node(1), host.node(1));
        assert_ne!(host.node(0), host.node(1));
        assert_ne!(host.node(0), host.0);
    }
}
