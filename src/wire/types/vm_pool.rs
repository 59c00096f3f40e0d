//! Pools of machines.

use super::*;

resource! {
    /// Machines that are alike, for whoever comes.
    VmPool = "vm_pool" {
        size: Option<i32>,
        cluster: Option<Ref>,
        template: Option<Ref>,
        vm: Option<Box<Vm>>,
        prestarted_vms: Option<i32>,
        max_user_vms: Option<i32>,
        display: Option<Display>,
        rng_device: Option<RngDevice>,
        soundcard_enabled: Option<bool>,
        r#type: Option<String>,
        use_latest_template_version: Option<bool>,
    }
}

collection! {
    /// A list of `vm_pool`.
    VmPools = "vm_pools" {
        vm_pool: Vec<VmPool>,
    }
}
