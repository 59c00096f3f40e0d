//! Where VMs live: data center, cluster, host, storage and profiles.

use super::ids::*;
use super::limits::QuotaMode;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataCenter {
    pub id: DataCenterId,
    pub name: String,
    pub description: String,
    pub comment: String,
    #[serde(default)]
    pub quota_mode: QuotaMode,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ClusterId,
    pub name: String,
    pub description: String,
    pub comment: String,
    pub data_center: DataCenterId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub id: HostId,
    pub name: String,
    pub cluster: ClusterId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageKind {
    /// Disk images.
    Data,
    /// ISO files.
    Iso,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageDomain {
    pub id: StorageDomainId,
    pub name: String,
    pub description: String,
    #[serde(default)]
    pub comment: String,
    pub kind: StorageKind,
    /// The folder of the files on the host.
    pub folder: String,
    /// Where it is attached.
    pub data_center: Option<DataCenterId>,
    /// Attached, and not in maintenance.
    pub active: bool,
}

impl StorageDomain {
    pub fn status(&self, there: bool) -> StorageStatus {
        match (self.data_center, self.active, there) {
            (None, ..) => StorageStatus::Unattached,
            (_, false, _) => StorageStatus::Maintenance,
            (.., true) => StorageStatus::Active,
            (.., false) => StorageStatus::Inactive,
        }
    }
}

/// How a storage domain is, as far as its data center goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageStatus {
    Unattached,
    Maintenance,
    Active,
    /// Its folder is not there.
    Inactive,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskProfile {
    pub id: DiskProfileId,
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub storage_domain: StorageDomainId,
    /// How fast its disks may be.
    #[serde(default)]
    pub qos: Option<QosId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuProfile {
    pub id: CpuProfileId,
    pub name: String,
    pub cluster: ClusterId,
}
