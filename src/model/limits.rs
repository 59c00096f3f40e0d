//! What a data center allows: quotas of what disks and VMs take together, and how fast disks may be.

use super::ids::*;
use super::{Disk, Vm};
use serde::{Deserialize, Serialize};

/// What comes of quotas in a data center.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaMode {
    #[default]
    Disabled,
    /// What is too much is told.
    Audit,
    /// What is too much is refused.
    Enabled,
}

/// The quota that there is from the first start on, for what names none.
pub const DEFAULT_QUOTA: &str = "Default";

/// What those who consume it may take together. Without limits it says nothing; with some, it is
/// for what they name alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    pub id: QuotaId,
    pub data_center: DataCenterId,
    pub name: String,
    pub description: String,
    /// Percent of a limit from which on its use is told.
    pub cluster_soft: u16,
    /// Percent of a limit by which it may be exceeded.
    pub cluster_hard: u16,
    pub storage_soft: u16,
    pub storage_hard: u16,
    pub storage: Vec<StorageLimit>,
    pub clusters: Vec<ClusterLimit>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageLimit {
    /// `None`: of all together.
    pub domain: Option<StorageDomainId>,
    /// Bytes of disks' sizes; `None` is no limit.
    pub bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterLimit {
    /// `None`: of all together.
    pub cluster: Option<ClusterId>,
    /// Of running VMs; `None` is no limit.
    pub vcpus: Option<u64>,
    /// Bytes of running VMs; `None` is no limit.
    pub memory: Option<u64>,
}

/// How fast disks of a profile may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qos {
    pub id: QosId,
    pub data_center: DataCenterId,
    pub name: String,
    pub description: String,
    pub tune: Tune,
}

/// Of each disk; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tune {
    /// MiB a second.
    pub throughput: Rates,
    /// Requests a second.
    pub requests: Rates,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    pub total: Option<u32>,
    pub read: Option<u32>,
    pub write: Option<u32>,
}

/// A limit with what is taken of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// What it is of, in an answer's words.
    pub what: &'static str,
    pub taken: u64,
    pub limit: Option<u64>,
    pub soft: u16,
    pub hard: u16,
}

impl Use {
    /// More than the limit and what it may be exceeded by.
    pub fn is_over(&self) -> bool {
        let most = |limit: u64| u128::from(limit) * u128::from(100 + self.hard);
        self.limit.is_some_and(|limit| u128::from(self.taken) * 100 > most(limit))
    }

    /// So much that somebody should know.
    pub fn is_noticed(&self) -> bool {
        let much = |limit: u64| u128::from(limit) * u128::from(self.soft);
        self.limit.is_some_and(|limit| u128::from(self.taken) * 100 > much(limit))
    }
}

impl Quota {
    pub fn new(id: QuotaId, data_center: DataCenterId, name: String) -> Self {
        Self {
            id,
            data_center,
            name,
            description: String::new(),
            cluster_soft: 80,
            cluster_hard: 0,
            storage_soft: 80,
            storage_hard: 0,
            storage: Vec::new(),
            clusters: Vec::new(),
        }
    }

    /// What is wrong with it by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        super::access::check_name("quota", &self.name)?;
        super::vm::check_text("description", &self.description, 4000)?;
        let percents = [self.cluster_soft, self.cluster_hard, self.storage_soft, self.storage_hard];
        match percents.iter().all(|percent| *percent <= 100) {
            true => Ok(()),
            false => Err("The limits of a quota are given in percent, from 0 to 100.".into()),
        }
    }

    /// The use of the limits that a domain's disks count for; `None` where the quota is not for it.
    pub fn storage_use<'d>(
        &self,
        domain: StorageDomainId,
        disks: impl Iterator<Item = &'d Disk> + Clone,
    ) -> Option<Vec<Use>> {
        let those = self.storage.iter().filter(|limit| limit.domain.is_none_or(|it| it == domain));
        let uses: Vec<Use> = those.map(|limit| self.use_of_storage(limit, disks.clone())).collect();
        (!uses.is_empty() || self.storage.is_empty()).then_some(uses)
    }

    pub fn use_of_storage<'d>(&self, limit: &StorageLimit, disks: impl Iterator<Item = &'d Disk>) -> Use {
        let counted = disks.filter(|disk| disk.quota == Some(self.id) && disk.lun.is_none());
        let counted = counted.filter(|disk| limit.domain.is_none_or(|it| it == disk.storage_domain));
        Use {
            what: "storage",
            taken: counted.map(|disk| disk.size).sum(),
            limit: limit.bytes,
            soft: self.storage_soft,
            hard: self.storage_hard,
        }
    }

    /// The same of a cluster's running VMs.
    pub fn cluster_use<'v>(
        &self,
        cluster: ClusterId,
        vms: impl Iterator<Item = &'v Vm> + Clone,
    ) -> Option<Vec<Use>> {
        let those = self.clusters.iter().filter(|limit| limit.cluster.is_none_or(|it| it == cluster));
        let uses: Vec<Use> = those.flat_map(|limit| self.use_of_cluster(limit, vms.clone())).collect();
        (!uses.is_empty() || self.clusters.is_empty()).then_some(uses)
    }

    /// Of virtual CPUs and of memory.
    pub fn use_of_cluster<'v>(
        &self,
        limit: &ClusterLimit,
        vms: impl Iterator<Item = &'v Vm> + Clone,
    ) -> [Use; 2] {
        let counted = vms
            .filter(|vm| vm.spec.quota == Some(self.id) && vm.is_started())
            .filter(|vm| limit.cluster.is_none_or(|it| it == vm.cluster));
        let (soft, hard) = (self.cluster_soft, self.cluster_hard);
        let vcpus = counted.clone().map(|vm| u64::from(vm.spec.topology.vcpus())).sum();
        let memory = counted.map(|vm| vm.spec.memory).sum();
        [
            Use { what: "virtual CPUs", taken: vcpus, limit: limit.vcpus, soft, hard },
            Use { what: "memory", taken: memory, limit: limit.memory, soft, hard },
        ]
    }
}

impl Qos {
    /// What is wrong with it by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        super::access::check_name("QoS", &self.name)?;
        super::vm::check_text("description", &self.description, 4000)?;
        for rates in [self.tune.throughput, self.tune.requests] {
            if rates.total.is_some() && (rates.read.is_some() || rates.write.is_some()) {
                return Err("A QoS limits reads and writes either together or each by itself.".into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_grace() {
        let used = |taken, hard| Use { what: "", taken, limit: Some(10), soft: 80, hard };
        assert!(!used(10, 0).is_over() && used(11, 0).is_over());
        assert!(!used(12, 20).is_over() && used(13, 20).is_over());
        assert!(!used(8, 0).is_noticed() && used(9, 0).is_noticed());
        assert!(!Use { limit: None, ..used(u64::MAX, 0) }.is_over());
    }

    #[test]
    fn reads_and_writes_are_limited_together_or_not() {
        let mut qos = Qos {
            id: QosId::random(),
            data_center: DataCenterId::random(),
            name: "slow".into(),
            description: String::new(),
            tune: Tune::default(),
        };
        qos.tune.throughput = Rates { total: Some(1), ..Rates::default() };
        qos.tune.requests = Rates { read: Some(1), write: Some(2), total: None };
        assert_eq!(qos.check(), Ok(()));
        qos.tune.requests.total = Some(3);
        assert!(qos.check().is_err());
    }
}
