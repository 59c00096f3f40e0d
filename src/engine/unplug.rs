//! Unplugging: the guest is asked to let a device go, and waited for.

use super::ports::{HypervisorEvent, Scope};
use super::turns::Ended;
use super::{Engine, documents, failpoint};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::VmId;
use std::pin::pin;
use std::time::Duration;
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

const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What is heard of a guest that was asked.
enum Answer {
    Gone,
    Kept,
    Unclear,
}

impl Engine {
    /// Asks the guest to let the device go and waits until it did. Nothing to do when it is not
    /// there. Gives the turn in which the definition has let it go, too.
    pub(super) async fn take_device(
        &self,
        vm: VmId,
        alias: String,
        kind: &Pluggable,
    ) -> Result<Option<Ended>> {
        let mut events = self.happened.subscribe();
        // The definition changes in one turn with the guest.
        let turn = self.definitions.take(vm).await;
        let scope = self.scope_of_removal(vm, &alias);
        let asked = alias.clone();
        let waits = self.lane.call(move |hv| hv.detach(vm, &asked, scope)).await?;
        let turn = turn.end();
        let followed = (scope == Scope::Both).then_some(turn);
        if !waits {
            return Ok(followed);
        }
        failpoint::hit(kind.asked);
        let let_go = async {
            loop {
                match events.recv().await {
                    Ok(HypervisorEvent::DeviceRemoved { id, alias: gone }) if id == vm && gone == alias => {
                        return Answer::Gone;
                    }
                    Ok(HypervisorEvent::Stopped { id, .. }) if id == vm => return Answer::Unclear,
                    Ok(HypervisorEvent::DeviceRemovalFailed { id, alias: kept })
                        if id == vm && kept == alias =>
                    {
                        return Answer::Kept;
                    }
                    Ok(_) => {}
                    // Events were lost.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return Answer::Unclear,
                }
            }
        };
        let answer = async {
            let mut let_go = pin!(let_go);
            loop {
                match tokio::time::timeout(ASK_AGAIN, &mut let_go).await {
                    Ok(answer) => return answer,
                    // Waited for: it may not come when the device is plugged in again.
                    Err(_) => self.ask_again(vm, &alias).await,
                }
            }
        };
        let answered = tokio::time::timeout(self.settings.hotunplug_timeout, answer).await;
        if matches!(answered, Ok(Answer::Gone)) {
            return Ok(followed);
        }
        self.look_at(vm).await?;
        // A domain that is off has no guest that could hold it.
        if !self.runs(vm) || !self.holds(vm, &alias).await? {
            return Ok(followed);
        }
        if followed.is_some() {
            // The rows still have it.
            self.sync_definition(vm).await?;
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

    /// A guest that is still booting does not hear that it is asked.
    async fn ask_again(&self, vm: VmId, alias: &str) {
        let alias = alias.to_owned();
        if let Err(why) = self.lane.call(move |hv| hv.detach(vm, &alias, Scope::Live)).await {
            tracing::debug!(%vm, "a guest could not be asked again for a device: {why}");
        }
    }

    /// The rows have let a device go: so does the definition, unless it has, and nobody has written it by
    /// the former rows since.
    pub(super) async fn define_without(&self, vm: VmId, followed: Option<Ended>) -> Result<()> {
        match followed {
            Some(turn) if turn.was_last().await => Ok(()),
            _ => self.sync_definition(vm).await.map(drop),
        }
    }

    /// Whether the running domain has a device of that alias.
    async fn holds(&self, vm: VmId, alias: &str) -> Result<bool> {
        let live = self.lane.call(move |hv| hv.document(vm, false)).await?;
        let live = live.map(|live| documents::parse(&live)).transpose()?;
        Ok(live.is_some_and(|live| domain::holds(&live, alias)))
    }
}
