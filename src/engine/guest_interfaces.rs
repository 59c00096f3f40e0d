//! What guests, or the DHCP servers of their networks, say of their network interfaces.

use super::Engine;
use crate::error::Result;
use crate::model::{GuestInterface, VmId};

impl Engine {
    /// By the guest's agent where there is one, else by the leases; nothing of a VM that is off.
    pub async fn guest_interfaces(&self, vm: VmId) -> Result<Vec<GuestInterface>> {
        self.vm(vm)?;
        if !self.connected() || !self.runs(vm) {
            return Ok(Vec::new());
        }
        let agent = self.inventory.agent(vm);
        let told = self
            .lane
            .call(move |hv| match agent {
                true => hv.guest_interfaces(vm, true).or_else(|_| hv.guest_interfaces(vm, false)),
                false => hv.guest_interfaces(vm, false),
            })
            .await;
        // A guest that has just gone tells nothing, and that is no fault of the one who asks.
        Ok(told.unwrap_or_else(|why| {
            tracing::debug!(%vm, "the guest's interfaces are not known: {why}");
            Vec::new()
        }))
    }
}
