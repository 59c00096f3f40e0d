//! Suspend: the guest's memory is saved, and it goes on from there. Nothing is promised, since libvirt
//! knows by itself what came of it: who has lost its answer looks.

use super::inventory::Phase;
use super::jobs::Started;
use super::locks::{self, Entity, Mode};
use super::stateless::check_not_stateless;
use super::{Engine, failpoint};
use crate::error::{Error, Kind, Result};
use crate::model::vm_state::Move;
use crate::model::*;
use std::sync::Arc;

impl Engine {
    /// Saves the guest's memory to disk and powers it off; goes on after its answer.
    pub async fn suspend_vm(self: &Arc<Self>, id: VmId) -> Result<Started<()>> {
        let guard = self.hold_vm("suspend", id).await?;
        self.may(id, Move::Suspend)?;
        check_not_stateless(&self.world(), "Cannot hibernate VM", id)?;
        self.world().check_none_borrowed("Cannot hibernate VM", id)?;
        if self.world().pool_of(id).is_some() {
            return Err(Error::conflict("Cannot hibernate VM. It belongs to a VM-Pool."));
        }
        self.require_connection()?;
        let saving = self.enter(id, Phase::Saving);
        let telling =
            self.telling_vm(id, "Suspending", "was suspended", Code::VM_SUSPENDED, Code::VM_SUSPEND_FAILED);
        let job = self.begin(&telling);
        let engine = self.clone();
        Ok(self.jobs.start((), async move {
            let work = async {
                let saved = engine.lane.slow(move |hv| hv.save(id)).await;
                failpoint::hit("suspend.called");
                let ended = match saved {
                    Ok(()) => engine.look_at(id).await,
                    Err(failure) => engine.after_failed_save(id, failure).await,
                };
                // Who waits for `suspended` may start it at once.
                drop(guard);
                drop(saving);
                ended
            };
            engine.told_as(job, telling, work).await
        }))
    }

    /// The memory may be saved all the same, whoever lost the answer.
    async fn after_failed_save(&self, id: VmId, failure: Error) -> Result<()> {
        if failure.kind == Kind::Unavailable {
            self.reconnects().await;
        }
        self.outlast_job(id).await?;
        self.look_at(id).await?;
        match self.inventory.power(id) {
            Some(Power::Saved) => Ok(()),
            _ => {
                self.drop_half_save(id).await;
                Err(failure)
            }
        }
    }

    /// Of a guest that runs nothing is saved: what an interrupted save has left would be taken for its
    /// memory when it ends.
    async fn drop_half_save(&self, id: VmId) {
        if self.runs(id)
            && let Err(why) = self.lane.call(move |hv| hv.drop_save(id)).await
        {
            tracing::warn!(vm = %id, "what an interrupted save has left is left for now: {why}");
        }
    }

    /// The same of all VMs that nobody works on, after a time in which nobody saw what became of them.
    pub(super) async fn drop_half_saves(&self) {
        for id in self.inventory.running() {
            if let Ok(_guard) = self.hold(locks::RECOVERY, &[(Entity::Vm(id), Mode::Exclusive)])
                && self.world().vms.contains_key(&id)
                && matches!(self.lane.call(move |hv| hv.has_job(id)).await, Ok(false))
                && self.look_at(id).await.is_ok()
            {
                self.drop_half_save(id).await;
            }
        }
    }
}
