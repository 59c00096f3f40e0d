//! Data centers, clusters, and storage domains as they are right now.

use super::Engine;
use super::lane::blocking;
use super::world::{Change, World};
use crate::error::{Error, Kind, Result};
use crate::model::access::check_name;
use crate::model::vm::check_text;
use crate::model::*;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

const REFRESH_DELAY: Duration = Duration::from_millis(500);

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

/// What a client says of a data center or a cluster; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct PlaceChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub comment: Option<String>,
}

impl PlaceChange {
    fn over(
        self,
        what: &str,
        name: &mut String,
        description: &mut String,
        comment: &mut String,
    ) -> Result<()> {
        if let Some(new) = self.name {
            check_name(what, &new).map_err(Error::invalid)?;
            *name = new;
        }
        if let Some(new) = self.description {
            check_text("description", &new, 4000).map_err(Error::invalid)?;
            *description = new;
        }
        if let Some(new) = self.comment {
            check_text("comment", &new, 4000).map_err(Error::invalid)?;
            *comment = new;
        }
        Ok(())
    }
}

impl Engine {
    pub async fn update_data_center(
        &self,
        id: DataCenterId,
        change: PlaceChange,
        quota_mode: Option<QuotaMode>,
    ) -> Result<()> {
        let mut name = String::new();
        self.record(|world| {
            let mut row = world.data_centers.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
            change.over("data center", &mut row.name, &mut row.description, &mut row.comment)?;
            row.quota_mode = quota_mode.unwrap_or(row.quota_mode);
            name.clone_from(&row.name);
            Ok(vec![Change::DataCenter(row)])
        })
        .await?;
        self.tell(Code::DATA_CENTER_UPDATED, About::default(), format!("Data center {name} was updated."));
        Ok(())
    }

    pub async fn update_cluster(&self, id: ClusterId, change: PlaceChange) -> Result<()> {
        let mut name = String::new();
        self.record(|world| {
            let mut row = world.clusters.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
            change.over("cluster", &mut row.name, &mut row.description, &mut row.comment)?;
            name.clone_from(&row.name);
            Ok(vec![Change::Cluster(row)])
        })
        .await?;
        self.tell(Code::CLUSTER_UPDATED, About::default(), format!("Cluster {name} was updated."));
        Ok(())
    }

    /// libvirt's name of the pool of a storage domain.
    pub fn pool_name(domain: &StorageDomain) -> String {
        format!("vireo-{}", domain.name)
    }

    /// The pools of the active storage domains. One whose folder is away waits until it is back.
    pub(super) async fn ensure_pools(&self) -> Result<()> {
        let active: Vec<StorageDomain> =
            self.world().storage_domains.values().filter(|domain| domain.active).cloned().collect();
        for domain in active {
            match self.ensure_pool(&domain).await {
                Err(why) if why.kind == Kind::Unavailable => return Err(why),
                Err(why) => tracing::warn!(domain = %domain.name, "a storage domain is not there: {why}"),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    pub(super) async fn ensure_pool(&self, domain: &StorageDomain) -> Result<()> {
        self.space(domain).await?;
        let (name, folder) = (Self::pool_name(domain), PathBuf::from(&domain.folder));
        self.lane.slow(move |hv| hv.ensure_pool(&name, &folder)).await
    }

    /// Lets libvirt see the files that came or went; nobody waits for it.
    pub(super) fn refresh_pools(&self) {
        self.pools_changed.notify_one();
    }

    pub(super) async fn refresh_pools_for_ever(self: std::sync::Arc<Self>) {
        loop {
            self.pools_changed.notified().await;
            // libvirt reads every image anew: once for many that come and go.
            tokio::time::sleep(REFRESH_DELAY).await;
            let pools: Vec<String> = self
                .world()
                .storage_domains
                .values()
                .filter(|domain| domain.kind == StorageKind::Data && domain.active)
                .map(Self::pool_name)
                .collect();
            for pool in pools {
                if let Err(why) = self.lane.call(move |hv| hv.refresh_pool(&pool)).await {
                    tracing::debug!("a pool could not be refreshed: {why}");
                }
            }
        }
    }

    /// Fails when the folder of the domain is not there.
    pub async fn space(&self, domain: &StorageDomain) -> Result<Space> {
        let (total, available) = self.ask_storage(domain, self.look_into(domain)).await?;
        let committed = self.world().disks_in(domain.id).map(|disk| disk.size).sum();
        Ok(Space { available, used: total.saturating_sub(available), committed })
    }

    /// A short look at files of the domain, or a word to them.
    pub(super) async fn ask_storage<T: Send + 'static>(
        &self,
        domain: &StorageDomain,
        look: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (lookout, domain) = (self.lookout.clone(), domain.clone());
        blocking(move || lookout.ask(&domain, look)).await
    }

    /// Total and free bytes of a domain whose folder is there, and is its own.
    fn look_into(&self, domain: &StorageDomain) -> impl FnOnce() -> Result<(u64, u64)> + use<> {
        let (images, folder) = (self.images.clone(), PathBuf::from(&domain.folder));
        let mark = (!self.lookout.is_own(domain)).then(|| domain.id.to_string());
        move || {
            // Where the file system is not mounted, there is an empty folder.
            if mark.is_some() && images.marked(&folder)? != mark {
                return Err(Error::conflict("The folder of the storage domain is not there."));
            }
            images.space(&folder)
        }
    }

    /// How the domain is, and its total and free bytes when it is there.
    pub(super) fn storage_status(&self, domain: &StorageDomain) -> (StorageStatus, Option<(u64, u64)>) {
        let space = self.lookout.ask(domain, self.look_into(domain)).ok();
        (domain.status(space.is_some()), space)
    }

    /// Refuses a domain whose files cannot be used now, and tells its free bytes, as far as they may be taken.
    pub(super) fn require_active(&self, verb: &str, domain: &StorageDomain) -> Result<u64> {
        let (status, space) = self.storage_status(domain);
        match (status, space) {
            (StorageStatus::Active, Some((_, free))) => Ok(domain.usable(free)),
            _ => Err(Error::conflict(format!("{verb}. The relevant Storage Domain's status is {status:?}."))),
        }
    }

    /// The same, and refuses one that has less room than so many bytes.
    pub(super) fn require_room(&self, verb: &str, domain: &StorageDomain, needed: u64) -> Result<()> {
        match needed > self.require_active(verb, domain)? {
            true => {
                Err(Error::conflict(format!("{verb}. Low disk space on Storage Domain {}.", domain.name)))
            }
            false => Ok(()),
        }
    }

    /// The same as [`Self::require_active`] for all that these disks lie on.
    pub(super) fn require_active_below(
        &self,
        cannot: &str,
        world: &World,
        disks: impl IntoIterator<Item = DiskId>,
    ) -> Result<()> {
        self.require_room_below(cannot, world, disks, 0)
    }

    /// The same, and refuses where one has less room than so many bytes.
    pub(super) fn require_room_below(
        &self,
        cannot: &str,
        world: &World,
        disks: impl IntoIterator<Item = DiskId>,
        needed: u64,
    ) -> Result<()> {
        let mut below = domains_below(world, disks).into_iter();
        below.try_for_each(|domain| self.require_room(cannot, domain, needed))
    }

    /// The same as [`Self::require_active`] for the files that go with these snapshots.
    pub(super) fn require_memories<'w>(
        &self,
        cannot: &str,
        world: &World,
        mut snapshots: impl Iterator<Item = &'w Snapshot>,
        force: bool,
    ) -> Result<()> {
        snapshots.try_for_each(|snapshot| match snapshot.memory {
            Some(place) => self.require_reachable(cannot, find_domain(world, place)?, force),
            None => Ok(()),
        })
    }

    /// The same for their removal; by force also where a folder is gone, and with it its files.
    pub(super) fn require_removable(
        &self,
        cannot: &str,
        world: &World,
        disks: &[DiskId],
        force: bool,
    ) -> Result<()> {
        world.check_not_lent(cannot, disks.iter().copied())?;
        let mut below = domains_below(world, disks.iter().copied()).into_iter();
        below.try_for_each(|domain| self.require_reachable(cannot, domain, force))
    }

    /// The same for what lies in one domain.
    pub(super) fn require_reachable(&self, cannot: &str, domain: &StorageDomain, force: bool) -> Result<()> {
        match force && self.storage_status(domain).0 == StorageStatus::Inactive {
            true => Ok(()),
            false => self.require_active(cannot, domain).map(drop),
        }
    }

    /// The ISO and floppy images of an ISO domain, by name.
    pub async fn files(&self, domain: &StorageDomain) -> Result<Vec<StorageFile>> {
        let images = self.images.clone();
        let folder = PathBuf::from(&domain.folder);
        let mut files = self.ask_storage(domain, move || images.list(&folder, &[""])).await?;
        let is_medium = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.ends_with(".iso") || name.ends_with(".vfd")
        };
        files.retain(|(name, _)| is_medium(name));
        files.sort();
        Ok(files.into_iter().map(|(name, size)| StorageFile { name, size }).collect())
    }

    /// What libvirt and QEMU call themselves: `libvirt 9.0.0, QEMU 7.2.22`.
    pub async fn hypervisor_version(&self) -> Result<String> {
        self.lane.call(|hv| hv.version()).await
    }
}

pub(super) fn find_domain(world: &World, id: StorageDomainId) -> Result<&StorageDomain> {
    let missing = || Error::not_found(format!("StorageDomain: {id}"));
    world.storage_domains.get(&id).ok_or_else(missing)
}

/// The storage domains that the images of these disks lie in.
fn domains_below(world: &World, disks: impl IntoIterator<Item = DiskId>) -> Vec<&StorageDomain> {
    let images = disks.into_iter().filter_map(|id| world.disks.get(&id)).filter(|disk| disk.lun.is_none());
    let domains: BTreeSet<StorageDomainId> = images.map(|disk| disk.storage_domain).collect();
    domains.into_iter().filter_map(|id| world.storage_domains.get(&id)).collect()
}
