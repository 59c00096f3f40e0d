//! Disks, images and LUNs, and how they hang on VMs.

use super::ids::*;
use super::lun::Lun;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskFormat {
    /// qcow2.
    Cow,
    Raw,
}

impl DiskFormat {
    /// The format's name in QEMU and libvirt, and the file's suffix.
    pub fn driver(self) -> &'static str {
        match self {
            Self::Cow => "qcow2",
            Self::Raw => "raw",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskInterface {
    /// IDE on i440fx, SATA on q35.
    Ide,
    Virtio,
    VirtioScsi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskStatus {
    Ok,
    /// An operation is under way.
    Locked,
    /// An operation and its undo failed, or the image is gone.
    Illegal,
}

/// A virtual disk, floating or attached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    pub id: DiskId,
    pub alias: String,
    pub description: String,
    /// `NOWHERE` where there is no image.
    #[serde(with = "somewhere")]
    pub storage_domain: StorageDomainId,
    pub image: ImageId,
    /// The image below, in the same folder: what this one does not hold is read there.
    #[serde(default)]
    pub parent: Option<ImageId>,
    pub format: DiskFormat,
    pub sparse: bool,
    /// Bytes.
    pub size: u64,
    /// How it is, or was last, attached; a floating disk keeps it for the next time.
    pub interface: DiskInterface,
    pub bootable: bool,
    pub shareable: bool,
    pub wipe_after_delete: bool,
    pub propagate_errors: bool,
    pub profile: Option<DiskProfileId>,
    /// What it counts for.
    #[serde(default)]
    pub quota: Option<QuotaId>,
    pub status: DiskStatus,
    pub created: Timestamp,
    /// Then it has no image, and lies in no storage domain.
    #[serde(default)]
    pub lun: Option<Lun>,
}

impl Disk {
    /// The same while an operation is under way. What is illegal stays that: nobody would know later.
    pub fn locked(&self) -> Self {
        let status =
            if self.status == DiskStatus::Illegal { DiskStatus::Illegal } else { DiskStatus::Locked };
        Self { status, ..self.clone() }
    }

    /// The image's file name in the folder of its storage domain.
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.image, self.format.driver())
    }
}

/// A disk on a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub vm: VmId,
    pub disk: DiskId,
    /// Plugged: the device is in the domain.
    pub active: bool,
    pub read_only: bool,
    /// libvirt's target: `vda`, `sdb`; unique within the VM.
    pub target: String,
}

/// Nowhere is nothing where disks are kept.
mod somewhere {
    use crate::model::{NOWHERE, StorageDomainId};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(id: &StorageDomainId, to: S) -> Result<S::Ok, S::Error> {
        Some(id).filter(|id| **id != NOWHERE).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<StorageDomainId, D::Error> {
        Ok(Option::deserialize(from)?.unwrap_or(NOWHERE))
    }
}
