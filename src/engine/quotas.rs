//! Quotas: what they allow is counted where rows are promised, whatever the operation.

use super::Engine;
use super::bygone::check_idle;
use super::world::{Change, Operation, Passage, World};
use crate::error::{Error, Result};
use crate::model::change::put_over;
use crate::model::*;
use std::collections::{BTreeMap, BTreeSet};

/// What a client says of a quota; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct QuotaChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub cluster_soft: Option<u16>,
    pub cluster_hard: Option<u16>,
    pub storage_soft: Option<u16>,
    pub storage_hard: Option<u16>,
}

impl QuotaChange {
    fn over(self, quota: &mut Quota) {
        put_over!(quota, self, name, description, cluster_soft, cluster_hard, storage_soft, storage_hard);
    }
}

impl World {
    /// What comes of a quota.
    fn quota_mode(&self, quota: &Quota) -> QuotaMode {
        self.data_centers.get(&quota.data_center).map_or(QuotaMode::Disabled, |it| it.quota_mode)
    }

    /// The quota of what names none, in data centers that keep to theirs.
    pub fn default_quota(&self, of: DataCenterId) -> Option<QuotaId> {
        let kept = self.data_centers.get(&of).is_some_and(|it| it.quota_mode == QuotaMode::Enabled);
        let mut there = self.quotas.values().filter(|quota| kept && quota.data_center == of);
        there.find(|quota| quota.name == DEFAULT_QUOTA).map(|quota| quota.id)
    }

    /// What is new and names no quota is of the default one: disks of templates, clones and pools, too.
    pub(super) fn give_quotas(&self, changes: &mut [Change]) {
        let Some(default) = self.data_centers.keys().next().and_then(|it| self.default_quota(*it)) else {
            return;
        };
        for change in changes {
            match change {
                Change::Disk(disk) if disk.lun.is_none() && !self.disks.contains_key(&disk.id) => {
                    disk.quota = disk.quota.or(Some(default));
                }
                Change::Vm(vm) if !self.vms.contains_key(&vm.id) => {
                    vm.spec.quota = vm.spec.quota.or(Some(default));
                }
                _ => {}
            }
        }
    }

    /// The quotas that somebody takes more of by these changes, with the uses that it comes to;
    /// `None` where the quota is not for the place.
    fn grown(&self, changes: &[Change]) -> Vec<(&Quota, Option<Vec<Use>>)> {
        let grows = |change: &Change| match change {
            Change::Disk(it) => it.quota.is_some() && it.lun.is_none(),
            Change::Vm(it) => it.spec.quota.is_some() && it.is_started(),
            _ => false,
        };
        if !changes.iter().any(grows) {
            return Vec::new();
        }
        let disks: BTreeMap<DiskId, &Disk> = changes.iter().filter_map(changed_disk).collect();
        let vms: BTreeMap<VmId, &Vm> = changes.iter().filter_map(vm_in).collect();
        let mut places: BTreeSet<(QuotaId, StorageDomainId)> = BTreeSet::new();
        for (id, disk) in &disks {
            let Some(quota) = disk.quota.filter(|_| disk.lun.is_none()) else { continue };
            let place = (quota, disk.storage_domain);
            let before =
                self.disks.get(id).filter(|it| (it.quota, it.storage_domain) == (Some(place.0), place.1));
            if disk.size > before.map_or(0, |it| it.size) {
                places.insert(place);
            }
        }
        let mut runs: BTreeSet<(QuotaId, ClusterId)> = BTreeSet::new();
        for (id, vm) in &vms {
            let Some(quota) = vm.spec.quota.filter(|_| vm.is_started()) else { continue };
            let takes = |vm: &Vm| (vm.spec.topology.vcpus(), vm.spec.memory);
            let before = self.vms.get(id).filter(|it| it.spec.quota == Some(quota) && it.is_started());
            let (vcpus, memory) = before.map_or((0, 0), takes);
            if takes(vm).0 > vcpus || takes(vm).1 > memory {
                runs.insert((quota, vm.cluster));
            }
        }
        // What is on its way counts where it goes.
        let moving: BTreeMap<DiskId, Disk> = self.moving().collect();
        let present = |it: &'_ Disk| disks.get(&it.id).copied().or(moving.get(&it.id));
        let all_disks = self.disks.values().map(|it| present(it).unwrap_or(it));
        let new_disks = disks.values().filter(|it| !self.disks.contains_key(&it.id)).copied();
        let all_disks = all_disks.chain(new_disks);
        let all_vms = self.vms.values().map(|it| *vms.get(&it.id).unwrap_or(&it));
        let of_storage = places.into_iter().filter_map(|(quota, domain)| {
            let quota = self.quotas.get(&quota)?;
            Some((quota, quota.storage_use(domain, all_disks.clone())))
        });
        let of_clusters = runs.into_iter().filter_map(|(quota, cluster)| {
            let quota = self.quotas.get(&quota)?;
            Some((quota, quota.cluster_use(cluster, all_vms.clone())))
        });
        of_storage.chain(of_clusters).collect()
    }

    /// The disks that are being moved, as they are to be.
    fn moving(&self) -> impl Iterator<Item = (DiskId, Disk)> {
        self.intents.values().filter_map(|intent| match intent.operation {
            Operation::MoveDisk(Passage { disk, to, .. }) => {
                Some((disk, Disk { storage_domain: to, ..self.disks.get(&disk)?.clone() }))
            }
            _ => None,
        })
    }

    /// Refuses what takes more than quotas allow, and gives what there is to tell of it else.
    pub(super) fn consumed(&self, changes: &[Change]) -> Result<Vec<(Code, String)>> {
        let named = |change: &Change| match change {
            Change::Disk(it) => it.quota,
            Change::Vm(it) => it.spec.quota,
            _ => None,
        };
        if changes.iter().filter_map(named).any(|id| !self.quotas.contains_key(&id)) {
            return Err(Error::invalid("Cannot consume the Quota. Quota is not valid: it doesn't exist."));
        }
        let mut told = Vec::new();
        for (quota, uses) in self.grown(changes) {
            let mode = self.quota_mode(quota);
            if mode == QuotaMode::Disabled {
                continue;
            }
            let name = &quota.name;
            let over = match &uses {
                None => Some(format!("Quota {name} has no limit for the place.")),
                Some(uses) => uses
                    .iter()
                    .find(|it| it.is_over())
                    .map(|it| format!("The limit of quota {name} on {} would be exceeded.", it.what)),
            };
            match over {
                Some(why) if mode == QuotaMode::Enabled => {
                    return Err(Error::conflict(format!("Cannot consume the Quota. {why}")));
                }
                Some(why) => told.push((Code::QUOTA_EXCEEDED, why)),
                None if uses.iter().flatten().any(Use::is_noticed) => {
                    told.push((Code::QUOTA_THRESHOLD, format!("Quota {name} is used up to its threshold.")));
                }
                None => {}
            }
        }
        Ok(told)
    }
}

fn changed_disk(change: &Change) -> Option<(DiskId, &Disk)> {
    match change {
        Change::Disk(it) => Some((it.id, it)),
        _ => None,
    }
}

fn vm_in(change: &Change) -> Option<(VmId, &Vm)> {
    match change {
        Change::Vm(it) => Some((it.id, it)),
        _ => None,
    }
}

impl Engine {
    pub(super) fn tell_of_quotas(&self, told: Vec<(Code, String)>) {
        for (code, said) in told {
            self.tell(code, About::default(), said);
        }
    }

    pub async fn add_quota(&self, data_center: DataCenterId, change: QuotaChange) -> Result<QuotaId> {
        let id = QuotaId::random();
        let mut quota = Quota::new(id, data_center, String::new());
        change.over(&mut quota);
        quota.check().map_err(Error::invalid)?;
        let told = format!("Quota {} was added.", quota.name);
        self.record(|world| check_name(world, &quota).map(|()| vec![Change::Quota(quota)])).await?;
        self.tell(Code::QUOTA_ADDED, About::default(), told);
        Ok(id)
    }

    pub async fn update_quota(&self, id: QuotaId, change: QuotaChange) -> Result<()> {
        self.change_quota(id, |quota| {
            change.over(quota);
            Ok(())
        })
        .await
    }

    /// Puts a limit in the place of the one on the same.
    pub async fn limit_storage(&self, id: QuotaId, limit: StorageLimit) -> Result<()> {
        self.change_quota(id, |quota| {
            if quota.storage.iter().any(|it| it.domain.is_none() != limit.domain.is_none()) {
                return Err(both_kinds());
            }
            quota.storage.retain(|it| it.domain != limit.domain);
            quota.storage.push(limit);
            Ok(())
        })
        .await
    }

    /// The same for a cluster.
    pub async fn limit_cluster(&self, id: QuotaId, limit: ClusterLimit) -> Result<()> {
        self.change_quota(id, |quota| {
            if quota.clusters.iter().any(|it| it.cluster.is_none() != limit.cluster.is_none()) {
                return Err(both_kinds());
            }
            quota.clusters.retain(|it| it.cluster != limit.cluster);
            quota.clusters.push(limit);
            Ok(())
        })
        .await
    }

    pub async fn unlimit_storage(&self, id: QuotaId, domain: Option<StorageDomainId>) -> Result<()> {
        self.change_quota(id, |quota| {
            quota.storage.retain(|it| it.domain != domain);
            Ok(())
        })
        .await
    }

    pub async fn unlimit_cluster(&self, id: QuotaId, cluster: Option<ClusterId>) -> Result<()> {
        self.change_quota(id, |quota| {
            quota.clusters.retain(|it| it.cluster != cluster);
            Ok(())
        })
        .await
    }

    async fn change_quota(&self, id: QuotaId, change: impl FnOnce(&mut Quota) -> Result<()>) -> Result<()> {
        let mut name = String::new();
        self.record(|world| {
            let mut quota = world.quotas.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
            change(&mut quota)?;
            quota.check().map_err(Error::invalid)?;
            check_name(world, &quota)?;
            name.clone_from(&quota.name);
            Ok(vec![Change::Quota(quota)])
        })
        .await?;
        self.tell(Code::QUOTA_UPDATED, About::default(), format!("Quota {name} was updated."));
        Ok(())
    }

    pub async fn remove_quota(&self, id: QuotaId) -> Result<()> {
        let mut name = String::new();
        self.record(|world| {
            let quota = world.quotas.get(&id).ok_or_else(|| Error::not_found(id))?;
            let of_disk = world.disks.values().any(|it| it.quota == Some(id));
            if of_disk || world.vms.values().any(|it| it.spec.quota == Some(id)) {
                return Err(Error::conflict(format!("Cannot remove Quota. Quota {} is in use.", quota.name)));
            }
            check_idle(world, |operation| match operation {
                Operation::UpdateDisk { before, .. } => before.quota == Some(id),
                Operation::UpdateVm { before } => before.specs().any(|spec| spec.quota == Some(id)),
                Operation::FollowVersion { before, old, .. } => {
                    let of_disks = old.iter().any(|it| it.disk.quota == Some(id));
                    of_disks || before.specs().any(|spec| spec.quota == Some(id))
                }
                _ => false,
            })?;
            name.clone_from(&quota.name);
            let left = |quota: Option<QuotaId>| quota.filter(|it| *it != id);
            let mut changes = world
                .rows_without(|spec| spec.quota = left(spec.quota), |disk| disk.quota = left(disk.quota));
            changes.push(Change::DropQuota(id));
            Ok(changes)
        })
        .await?;
        self.tell(Code::QUOTA_REMOVED, About::default(), format!("Quota {name} was removed."));
        Ok(())
    }
}

fn both_kinds() -> Error {
    Error::conflict("Cannot edit Quota. It limits either all places together or each by itself.")
}

fn check_name(world: &World, quota: &Quota) -> Result<()> {
    let same = |other: &&Quota| other.data_center == quota.data_center && other.name == quota.name;
    if !world.data_centers.contains_key(&quota.data_center) {
        return Err(Error::not_found(quota.data_center));
    }
    match world.quotas.values().filter(same).any(|other| other.id != quota.id) {
        true => Err(Error::conflict("Cannot add Quota. The name is already in use.")),
        false => Ok(()),
    }
}
