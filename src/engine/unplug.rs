//! Unplugging: the guest is asked to let a device go, and waited for.

use super::ports::{HypervisorEvent, Scope};
use super::{Engine, documents, failpoint};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::VmId;
use tokio::sync::broadcast::error::RecvError;

/// A kind of device that guests let go, in the words of a refusal.
pub(super) struct Pluggable {
    /// `Virtual Machine Disk`
    pub noun: &'static str,
    /// `disk`
    pub short: &'static str,
    /// The failpoint between the question and its answer.
    pub asked: &'static str,
}

pub(super) const DISK: Pluggable =
    Pluggable { noun: "Virtual Machine Disk", short: "disk", asked: "unplug_disk.asked" };
pub(super) const NIC: Pluggable =
    Pluggable { noun: "Interface", short: "interface", asked: "unplug_nic.asked" };

impl Engine {
    /// Asks the guest to let the device go and waits until it did. Nothing to do when it is not there.
    pub(super) async fn take_device(&self, vm: VmId, alias: String, kind: &Pluggable) -> Result<()> {
        let mut events = self.happened.subscribe();
        if !self.holds(vm, &alias).await? {
            return Ok(());
        }
        let asked = alias.clone();
        self.lane.call(move |hv| hv.detach(vm, &asked, Scope::Live)).await?;
        failpoint::hit(kind.asked);
        let let_go = async {
            loop {
                match events.recv().await {
                    Ok(HypervisorEvent::DeviceRemoved { id, alias: gone }) if id == vm && gone == alias => {
                        return true;
                    }
                    Ok(HypervisorEvent::Stopped { id, .. }) if id == vm => return true,
                    Ok(HypervisorEvent::DeviceRemovalFailed { id, alias: kept })
                        if id == vm && kept == alias =>
                    {
                        return false;
                    }
                    Ok(_) => {}
                    // Events were lost: the document below tells.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return true,
                }
            }
        };
        let answered = tokio::time::timeout(self.settings.hotunplug_timeout, let_go).await;
        self.look_at(vm).await?;
        if !self.holds(vm, &alias).await? {
            return Ok(());
        }
        let Pluggable { noun, short, .. } = kind;
        Err(Error::conflict(match answered {
            Ok(_) => format!("Cannot hot unplug {noun}. The guest refused to let the {short} go."),
            Err(_) => format!(
                "Cannot hot unplug {noun}. The guest did not let the {short} go within {} s; it stays active.",
                self.settings.hotunplug_timeout.as_secs()
            ),
        }))
    }

    /// Whether the running domain has a device of that alias.
    async fn holds(&self, vm: VmId, alias: &str) -> Result<bool> {
        let live = self.lane.call(move |hv| hv.document(vm, false)).await?;
        let live = live.map(|live| documents::parse(&live)).transpose()?;
        Ok(live.is_some_and(|live| domain::holds(&live, alias)))
    }
}
