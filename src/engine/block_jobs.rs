//! Jobs of QEMU that write a disk's data elsewhere while its guest runs (live moves and merges).

use super::Engine;
use super::locks::Entity;
use super::ports::BlockJob;
use crate::error::{Error, Result};
use crate::model::*;
use std::time::Duration;

/// How often a running job is looked at.
const WATCH: Duration = Duration::from_millis(100);

impl Engine {
    pub(super) async fn block_job(&self, vm: VmId, target: &str) -> Result<Option<BlockJob>> {
        let target = target.to_owned();
        self.lane.call(move |hv| hv.block_job(vm, &target)).await
    }

    /// Follows a job until the disk goes on in the other image, or the job is gone. The bytes that it had
    /// left when it was last seen, at first those told.
    pub(super) async fn follow_block_job(
        &self,
        vm: VmId,
        target: &str,
        disk: DiskId,
        mut left: u64,
    ) -> Result<u64> {
        while let Some(job) = self.block_job(vm, target).await? {
            left = job.total.saturating_sub(job.done);
            if job.ready {
                self.end_block_job(vm, target, true).await?;
                break;
            }
            self.tell_progress(Entity::Disk(disk), job.done, job.total);
            tokio::time::sleep(WATCH).await;
        }
        Ok(left)
    }

    /// Gives up a job that is there.
    pub(super) async fn drop_block_job(&self, vm: VmId, target: &str) -> Result<()> {
        match self.block_job(vm, target).await? {
            Some(_) => self.end_block_job(vm, target, false).await,
            None => Ok(()),
        }
    }

    async fn end_block_job(&self, vm: VmId, target: &str, pivot: bool) -> Result<()> {
        let target = target.to_owned();
        self.lane.slow(move |hv| hv.end_block_job(vm, &target, pivot)).await
    }

    /// What ended a job too early. libvirt keeps QEMU's reason to itself, but a storage domain that cannot
    /// take what was left is reason enough.
    pub(super) async fn interrupted(&self, what: &str, domain: StorageDomainId, left: u64) -> Error {
        if let Ok(domain) = self.storage_domain(domain)
            && let Ok(space) = self.space(&domain).await
            && space.available < left
        {
            let why = format!("Low disk space on Storage Domain {}.", domain.name);
            return Error::conflict(format!("{what} was interrupted. {why}"));
        }
        Error::conflict(format!("{what} was interrupted."))
    }
}
