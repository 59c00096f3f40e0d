//! VMs of pools that run before anybody has taken them, so that whoever comes need not wait.
//!
//! Nothing is promised: what is missing is counted anew each time, and started.

use super::stateless::stateless_run;
use super::world::World;
use super::{Engine, StartOptions};
use crate::model::*;
use std::sync::Arc;
use std::time::Duration;

/// How soon a VM that has gone down, or did not start, is replaced.
const PAUSE: Duration = Duration::from_secs(60);

impl Engine {
    /// Keeps as many VMs of each pool running as it asks for.
    pub(super) async fn prestart_for_ever(self: Arc<Self>) {
        loop {
            // A pool whose VMs do not start waits for the next turn.
            let _ = tokio::time::timeout(PAUSE, self.pools_taken_from.notified()).await;
            for vm in self.missing_ahead() {
                if let Err(why) = self.start_vm(vm, StartOptions::of_pool()).await {
                    tracing::warn!(%vm, "a VM of a pool could not be started ahead: {why}");
                }
            }
        }
    }

    /// What is to be started so that each pool has its VMs ahead.
    fn missing_ahead(&self) -> Vec<VmId> {
        if !self.connected() {
            return Vec::new();
        }
        let world = self.world();
        let of_pool = |pool: &VmPool| {
            let vms = world.pool_vms(pool.id);
            let ahead = vms.iter().filter(|vm| self.is_ahead(&world, vm)).count();
            let waiting = vms.into_iter().filter(|vm| self.waits_in_pool(&world, vm)).map(|vm| vm.id);
            waiting.take((pool.prestarted_vms as usize).saturating_sub(ahead)).collect::<Vec<_>>()
        };
        world.vm_pools.values().flat_map(of_pool).collect()
    }

    /// The VM runs for whoever takes it.
    pub(super) fn is_ahead(&self, world: &World, vm: &Vm) -> bool {
        let runs =
            matches!(self.status(vm.id), VmStatus::Up | VmStatus::PoweringUp | VmStatus::WaitForLaunch);
        // What a user has left behind in its run is not for the next one.
        runs && !vm.taken && stateless_run(world, vm.id).is_some() && world.given(vm.id).next().is_none()
    }

    /// The VM is down, and nobody has it.
    pub(super) fn waits_in_pool(&self, world: &World, vm: &Vm) -> bool {
        // A row whose run is not over yet would take the VM back from who has got it meanwhile.
        self.status(vm.id) == VmStatus::Down && !vm.is_started() && world.given(vm.id).next().is_none()
    }
}
