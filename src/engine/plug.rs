//! Devices plugged into running VMs. One call of libvirt's changes guest and definition where the
//! definition would become the same by it; else the definition is edited afterwards.

use super::Engine;
use super::ports::Scope;
use crate::domain;
use crate::error::{Kind, Result};
use crate::model::VmId;
use crate::xml::Element;

impl Engine {
    /// Gives the guest a device that the rows have, and the definition, too. `live` is the device
    /// as the guest gets it when the definition's form of it does not suit.
    pub(super) async fn give_device(&self, vm: VmId, alias: String, live: Element) -> Result<()> {
        let given = self.give_running(vm, alias, live).await;
        if given.is_err() {
            self.look_at(vm).await?;
            if !self.runs(vm) {
                // It was stopped meanwhile: the device is there at its next start.
                return self.sync_definition(vm).await.map(drop);
            }
        }
        given
    }

    async fn give_running(&self, vm: VmId, alias: String, live: Element) -> Result<()> {
        let turn = self.definitions.take(vm).await;
        if let Some(device) = self.added_alone(vm, &alias) {
            let (device, alias) = (device.to_string(), alias.clone());
            match self.lane.call(move |hv| hv.attach(vm, &device, &alias, Scope::Both)).await {
                // libvirt did neither.
                Err(why) if matches!(why.kind, Kind::Host | Kind::Invalid | Kind::Unsupported) => {
                    tracing::debug!(%vm, "the guest does not take the definition's device: {why}");
                }
                done => return done,
            }
        }
        drop(turn);
        let device = live.to_string();
        self.lane.call(move |hv| hv.attach(vm, &device, &alias, Scope::Live)).await?;
        self.sync_definition(vm).await.map(drop)
    }

    /// The device as the definition gets it, where that changes nothing else in it.
    fn added_alone(&self, id: VmId, alias: &str) -> Option<Element> {
        domain::added_last(&self.devices_if_own(id)?, alias)
    }

    /// Where a device may be taken out by one call: no other one moves up in the boot order.
    pub(super) fn scope_of_removal(&self, vm: VmId, alias: &str) -> Scope {
        let is_last = self.devices_if_own(vm).is_some_and(|devices| domain::boots_last(&devices, alias));
        if is_last { Scope::Both } else { Scope::Live }
    }

    /// The VM's devices by its rows, where they can be told and it has no others, which were plugged
    /// by hand.
    fn devices_if_own(&self, id: VmId) -> Option<Element> {
        let vm = self.world().vms.get(&id).cloned()?;
        let seen = self.inventory.seen(id)?;
        (!seen.observed.has_foreign_devices()).then(|| self.bootable_devices(&vm).ok()).flatten()
    }
}
