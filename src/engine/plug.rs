//! Devices plugged into running VMs. One call of libvirt's changes guest and definition where the
//! definition would become the same by it; else the definition is edited afterwards.

use super::ports::Scope;
use super::{Engine, documents};
use crate::domain;
use crate::error::{Error, Kind, Result};
use crate::model::VmId;
use crate::xml::Element;

impl Engine {
    /// Gives the guest a device that the rows have, and the definition, too. `live` is the device
    /// as the guest gets it when the definition's form of it does not suit.
    pub(super) async fn give_device(&self, vm: VmId, alias: String, live: Element) -> Result<()> {
        let turn = self.definitions.take(vm).await;
        if let Some(device) = self.added_alone(vm, &alias).await? {
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

    /// The device in the definition that the rows ask for, if it is all that the present one lacks.
    async fn added_alone(&self, id: VmId, alias: &str) -> Result<Option<Element>> {
        let Some(vm) = self.world().vms.get(&id).cloned() else { return Ok(None) };
        let Some(present) = self.lane.call(move |hv| hv.document(id, true)).await? else { return Ok(None) };
        let present = documents::parse(&present)?;
        let wanted = self.document(&vm, &vm.spec, Some(present.clone()))?;
        let Some(mut device) = domain::device_named(&wanted, alias).cloned() else { return Ok(None) };
        if !domain::has_boot_order(&present) {
            // libvirt has given it a general boot device, and refuses places beside that.
            device.remove("boot");
        }
        let mut grown = present;
        grown.ensure("devices").push(device.clone());
        let suffices = documents::comparable(&grown).says_the_same(&documents::comparable(&wanted));
        Ok(suffices.then_some(device))
    }

    /// Where a device may be taken out by one call: no other one moves up in the boot order.
    pub(super) async fn scope_of_removal(&self, vm: VmId, alias: &str) -> Result<Scope> {
        let present = self.lane.call(move |hv| hv.document(vm, true)).await?;
        let present = documents::parse(&present.ok_or_else(|| Error::not_found(vm))?)?;
        Ok(if domain::boots_last(&present, alias) { Scope::Both } else { Scope::Live })
    }
}
