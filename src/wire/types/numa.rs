//! NUMA nodes of machines and hosts.

use super::*;

resource! {
    /// A virtual NUMA node.
    VmNumaNode = "vm_numa_node" {
        index: Option<i32>,
        /// MiB.
        memory: Option<u64>,
        cpu: Option<Cpu>,
        statistics: Option<Statistics>,
        node_distance: Option<String>,
        vm: Option<Ref>,
        numa_node_pins: Option<NumaNodePins>,
    }
}

collection! {
    /// A list of `vm_numa_node`.
    VmNumaNodes = "vm_numa_nodes" {
        vm_numa_node: Vec<VmNumaNode>,
    }
}

part! {
    /// A list of `numa_node_pin`.
    NumaNodePins {
        numa_node_pin: Vec<NumaNodePin>,
    }
}

part! {
    /// The host's node that a virtual one lies on.
    NumaNodePin {
        pinned: Option<bool>,
        index: Option<i32>,
        host_numa_node: Option<Ref>,
    }
}

resource! {
    /// A host's NUMA node.
    HostNumaNode = "host_numa_node" {
        host: Option<Ref>,
        index: Option<i32>,
        /// MiB.
        memory: Option<u64>,
        cpu: Option<Cpu>,
        statistics: Option<Statistics>,
        node_distance: Option<String>,
    }
}

collection! {
    /// A list of `host_numa_node`.
    HostNumaNodes = "host_numa_nodes" {
        host_numa_node: Vec<HostNumaNode>,
    }
}
