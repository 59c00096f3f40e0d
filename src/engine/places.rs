//! Storage domains, the host and networks as they are right now.

use super::Engine;
use super::lane::blocking;
use crate::error::Result;
use crate::model::*;
use std::path::PathBuf;

/// Bytes of a storage domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    pub available: u64,
    pub used: u64,
    /// What its disks may grow to.
    pub committed: u64,
}

/// A file of an ISO domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageFile {
    pub name: String,
    pub size: u64,
}

impl Engine {
    /// libvirt's name of the pool of a storage domain.
    pub fn pool_name(domain: &StorageDomain) -> String {
        format!("vireo-{}", domain.name)
    }

    pub(super) async fn ensure_pools(&self) -> Result<()> {
        let pools: Vec<(String, PathBuf)> = self
            .world()
            .storage_domains
            .values()
            .map(|domain| (Self::pool_name(domain), PathBuf::from(&domain.folder)))
            .collect();
        self.lane
            .call(move |hv| pools.iter().try_for_each(|(name, folder)| hv.ensure_pool(name, folder)))
            .await
    }

    /// Lets libvirt see the files that came or went; nobody waits for it.
    pub(super) fn refresh_pools(&self) {
        self.pools_changed.notify_one();
    }

    pub(super) async fn refresh_pools_for_ever(self: std::sync::Arc<Self>) {
        loop {
            self.pools_changed.notified().await;
            let pools: Vec<String> = self
                .world()
                .storage_domains
                .values()
                .filter(|domain| domain.kind == StorageKind::Data)
                .map(Self::pool_name)
                .collect();
            for pool in pools {
                if let Err(why) = self.lane.call(move |hv| hv.refresh_pool(&pool)).await {
                    tracing::debug!("a pool could not be refreshed: {why}");
                }
            }
        }
    }

    pub async fn space(&self, domain: &StorageDomain) -> Result<Space> {
        let images = self.images.clone();
        let folder = PathBuf::from(&domain.folder);
        let (total, available) = blocking(move || images.space(&folder)).await?;
        let committed = self
            .world()
            .disks
            .values()
            .filter(|disk| disk.storage_domain == domain.id)
            .map(|disk| disk.size)
            .sum();
        Ok(Space { available, used: total.saturating_sub(available), committed })
    }

    /// The ISO and floppy images of an ISO domain, by name.
    pub async fn files(&self, domain: &StorageDomain) -> Result<Vec<StorageFile>> {
        let images = self.images.clone();
        let folder = PathBuf::from(&domain.folder);
        let mut files = blocking(move || images.list(&folder, &["iso", "vfd"])).await?;
        files.sort();
        Ok(files.into_iter().map(|(name, size)| StorageFile { name, size }).collect())
    }

    /// What libvirt and QEMU call themselves: `libvirt 9.0.0, QEMU 7.2.22`.
    pub async fn hypervisor_version(&self) -> Result<String> {
        self.lane.call(|hv| hv.version()).await
    }
}
