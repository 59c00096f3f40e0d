//! Processors of machines, clusters and hosts.

part! {
    /// A processor. Version 3 calls the `type` of a cluster's processor its `id`.
    Cpu {
        r#type: Option<String>,
        topology: Option<CpuTopology>,
        level: Option<i32>,
        name: Option<String>,
        /// MHz.
        speed: Option<f64>,
        cpu_tune: Option<CpuTune>,
        mode: Option<String>,
        architecture: Option<String>,
        cores: Option<Cores>,
    }
}

part! {
    /// A list of `cpu`.
    Cpus {
        cpu: Vec<Cpu>,
    }
}

part! {
    /// How virtual CPUs are arranged.
    CpuTopology {
        sockets: Option<i32>,
        cores: Option<i32>,
        threads: Option<i32>,
    }
}

part! {
    /// Where virtual CPUs run.
    CpuTune {
        vcpu_pins: Option<VcpuPins>,
    }
}

part! {
    /// A list of `vcpu_pin`.
    VcpuPins {
        vcpu_pin: Vec<VcpuPin>,
    }
}

part! {
    /// The host CPUs of one virtual CPU.
    VcpuPin {
        vcpu: Option<i32>,
        cpu_set: Option<String>,
    }
}

part! {
    /// The CPUs of a node.
    Cores {
        core: Vec<Core>,
    }
}

part! {
    /// A CPU of a NUMA node.
    Core {
        index: Option<i32>,
        socket: Option<i32>,
    }
}
