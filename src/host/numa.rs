//! How busy each NUMA node of this machine is.

use super::facts::{CpuTimes, meminfo};
use crate::model::HostNode;
use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

/// Bytes, and percent of the node's processors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeSample {
    pub memory_total: u64,
    pub memory_used: u64,
    pub memory_free: u64,
    pub cpu_user: f64,
    pub cpu_system: f64,
    pub cpu_idle: f64,
}

/// Samples of nodes. Keeps the sample before: shares of time are those since then, at first those
/// since the boot.
#[derive(Default)]
pub struct NodeMeter {
    before: Mutex<HashMap<u32, CpuTimes>>,
}

impl NodeMeter {
    /// What the machine does not tell is zero.
    pub fn sample(&self, node: &HostNode) -> NodeSample {
        let file = format!("/sys/devices/system/node/node{}/meminfo", node.index);
        let memory = fs::read_to_string(file).unwrap_or_default();
        let now = cpu_times(&fs::read_to_string("/proc/stat").unwrap_or_default(), node);
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let (cpu_user, cpu_system, cpu_idle) =
            now.shares_since(before.insert(node.index, now).unwrap_or_default());
        NodeSample { cpu_user, cpu_system, cpu_idle, ..memory_sample(&memory, node) }
    }
}

fn memory_sample(text: &str, node: &HostNode) -> NodeSample {
    // Lines begin with `Node 0 `.
    let plain: String =
        text.lines().filter_map(|line| line.splitn(3, ' ').nth(2)).flat_map(|l| [l, "\n"]).collect();
    let [free, cached] = ["MemFree", "FilePages"].map(|key| meminfo(&plain, key));
    let memory_free = (free + cached).min(node.memory);
    NodeSample {
        memory_total: node.memory,
        memory_used: node.memory - memory_free,
        memory_free,
        ..NodeSample::default()
    }
}

/// Ticks of the node's processors together.
fn cpu_times(stat: &str, node: &HostNode) -> CpuTimes {
    let is_ours = |line: &&str| {
        let number = line.strip_prefix("cpu").and_then(|rest| rest.split(' ').next()?.parse().ok());
        number.is_some_and(|number| node.cpus.contains(&number))
    };
    stat.lines().filter(is_ours).map(CpuTimes::of).fold(CpuTimes::default(), CpuTimes::plus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MIB;

    fn node() -> HostNode {
        HostNode { index: 1, memory: MIB, cpus: [1, 10].into(), distances: [(1, 10)].into() }
    }

    #[test]
    fn memory_of_a_node() {
        let text = "Node 1 MemTotal:        1024 kB\nNode 1 MemFree:  256 kB\nNode 1 FilePages:  128 kB\n";
        let sample = memory_sample(text, &node());
        assert_eq!((sample.memory_used, sample.memory_free), (640 << 10, 384 << 10));
        assert_eq!(memory_sample("", &node()).memory_used, MIB);
    }

    #[test]
    fn times_of_a_node() {
        let stat = "cpu  9 9 9 9\ncpu0 1 0 1 1\ncpu1 10 0 20 30\ncpu10 10 0 0 30\ncpu11 5 5 5 5\nintr 1";
        assert_eq!(cpu_times(stat, &node()).shares_since(CpuTimes::default()), (20.0, 20.0, 60.0));
    }
}
