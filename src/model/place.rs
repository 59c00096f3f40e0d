//! Where VMs live: data center, cluster, host, storage and profiles.

use super::GIB;
use super::change::put_over;
use super::ids::*;
use super::limits::QuotaMode;
use super::vm::check_text;
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
    /// Copies of VMs and templates, which are imported from there.
    Export,
}

impl StorageKind {
    pub fn holds_images(self) -> bool {
        self != Self::Iso
    }
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
    /// What new disks are that say nothing of it themselves.
    #[serde(default)]
    pub wipe_after_delete: bool,
    /// Less free space than these percent of the whole is told.
    #[serde(default)]
    pub warning: Option<u32>,
    /// What takes storage ahead leaves so many GiB free, or is refused.
    #[serde(default)]
    pub blocker: Option<u32>,
}

impl StorageDomain {
    /// What all of them are by: a folder of the host.
    pub const STORAGE: &str = "localfs";

    /// One that is attached nowhere.
    pub fn new(
        id: StorageDomainId,
        name: &str,
        description: &str,
        kind: StorageKind,
        folder: String,
    ) -> Self {
        Self {
            id,
            name: name.to_owned(),
            description: description.to_owned(),
            comment: String::new(),
            kind,
            folder,
            data_center: None,
            active: false,
            wipe_after_delete: false,
            warning: None,
            blocker: None,
        }
    }

    /// What is left of its free space for what takes storage. Bytes.
    pub fn usable(&self, free: u64) -> u64 {
        free.saturating_sub(u64::from(self.blocker.unwrap_or(0)) * GIB)
    }

    pub fn status(&self, there: bool) -> StorageStatus {
        match (self.data_center, self.active, there) {
            (None, ..) => StorageStatus::Unattached,
            (_, false, _) => StorageStatus::Maintenance,
            (.., true) => StorageStatus::Active,
            (.., false) => StorageStatus::Inactive,
        }
    }
}

/// What a client says of a storage domain; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct StorageDomainChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub comment: Option<String>,
    pub wipe_after_delete: Option<bool>,
    pub warning: Option<u32>,
    pub blocker: Option<u32>,
}

impl StorageDomainChange {
    pub fn over(self, domain: &mut StorageDomain) -> Result<(), String> {
        let change = self;
        put_over!(domain, change, name, description, comment, wipe_after_delete);
        domain.warning = change.warning.or(domain.warning);
        domain.blocker = change.blocker.or(domain.blocker);
        check_text("description", &domain.description, 4000)?;
        check_text("comment", &domain.comment, 4000)?;
        match domain.warning {
            Some(101..) => Err("The indicator of low space is a number of percent.".into()),
            _ => Ok(()),
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

impl DiskProfile {
    /// One by which disks are as fast as the host lets them.
    pub fn new(id: DiskProfileId, name: &str, storage_domain: StorageDomainId) -> Self {
        Self { id, name: name.to_owned(), description: String::new(), storage_domain, qos: None }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuProfile {
    pub id: CpuProfileId,
    pub name: String,
    pub cluster: ClusterId,
}
