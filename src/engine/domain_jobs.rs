//! Jobs on whole domains, which outlive the daemon that asked for them: libvirt goes on with a
//! snapshot whose client is gone. Nobody knows what became of it before its end.

use super::Engine;
use crate::error::{Error, NOT_RESPONDING, Result};
use crate::model::VmId;
use std::time::Duration;
use tokio::time::Instant;

/// How long saving a guest's memory may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a job that is aborted may.
const ABORT_PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);
/// How long who has work under way waits for libvirt to be there again, before it is left to the next start.
const RECONNECT_PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(200);

impl Engine {
    /// Waits until nothing is at work on the VM's domain any more.
    pub(super) async fn outlast_job(&self, vm: VmId) -> Result<()> {
        self.wait_for_job(vm, PATIENCE).await
    }

    /// Ends what is at work on the VM's domain.
    pub(super) async fn end_job_of(&self, vm: VmId) -> Result<()> {
        if self.lane.call(move |hv| hv.has_job(vm)).await? {
            self.lane.call(move |hv| hv.abort_job(vm)).await?;
        }
        self.wait_for_job(vm, ABORT_PATIENCE).await
    }

    /// Waits until the connection that was lost is there again. Its loss may not be known yet.
    pub(super) async fn reconnects(&self) -> bool {
        let end = Instant::now() + RECONNECT_PATIENCE;
        loop {
            tokio::time::sleep(GLANCE).await;
            if self.connected() {
                return true;
            }
            if Instant::now() > end {
                return false;
            }
        }
    }

    async fn wait_for_job(&self, vm: VmId, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        while self.lane.call(move |hv| hv.has_job(vm)).await? {
            if Instant::now() > end {
                return Err(Error::conflict(NOT_RESPONDING).because("a job of its domain does not end"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
