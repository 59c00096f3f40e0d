//! One type per kind of id, so that a disk's id cannot stand where a VM's is meant.

use super::DiskInterface;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::from_str(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A VM's id is the uuid of its libvirt domain.
    VmId,
    /// A disk's id; the device in libvirt carries it in its alias.
    DiskId,
    /// The image file's name without its suffix.
    ImageId,
    TemplateId,
    ClusterId,
    DataCenterId,
    HostId,
    StorageDomainId,
    DiskProfileId,
    QosId,
    QuotaId,
    CpuProfileId,
    NetworkId,
    VnicProfileId,
    /// A network interface's id; the device in libvirt carries it in its alias.
    NicId,
    /// A NUMA node of a VM.
    NumaNodeId,
    UserId,
    SnapshotId,
    IntentId,
    JobId,
    StepId,
    PermissionId,
    RoleId,
    TagId,
    BookmarkId,
    GroupId,
    SshKeyId,
    InstanceTypeId,
    IconId,
    AffinityGroupId,
    VmPoolId,
}

/// An id for what has none of its own: always the same for the same parts.
pub fn derived_id(parts: &[&[u8]]) -> Uuid {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part));
    let digest: [u8; 32] = digest.finalize().into();
    let mut seed = [0; 16];
    seed.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(seed).into_uuid()
}

/// The template that every VM can be made of: `Blank`.
pub const BLANK: TemplateId = TemplateId(Uuid::nil());

/// The storage domain of disks that lie in none.
pub const NOWHERE: StorageDomainId = StorageDomainId(Uuid::nil());

impl SnapshotId {
    /// Every VM has one snapshot that stands for its present state.
    pub fn active(vm: VmId) -> Self {
        Self(derived_id(&[b"active snapshot", vm.0.as_bytes()]))
    }
}

impl DiskId {
    /// The alias of the disk's device: libvirt keeps user aliases that begin with `ua-`.
    pub fn alias(self) -> String {
        format!("ua-{self}")
    }

    pub fn from_alias(alias: &str) -> Option<Self> {
        alias.strip_prefix("ua-")?.parse().ok()
    }

    /// The serial number that the guest reads: of SCSI disks the whole id, else its first 20 characters,
    /// as virtio-blk and ATA take no more.
    pub fn serial(self, interface: DiskInterface) -> String {
        let whole = self.to_string();
        if interface == DiskInterface::VirtioScsi { whole } else { whole[..20].to_owned() }
    }
}

impl NicId {
    /// The alias of the interface's device.
    pub fn alias(self) -> String {
        format!("ua-{self}")
    }

    pub fn from_alias(alias: &str) -> Option<Self> {
        alias.strip_prefix("ua-")?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_found_again_by_its_alias() {
        let disk = DiskId::random();
        assert_eq!(DiskId::from_alias(&disk.alias()), Some(disk));
        assert_eq!(DiskId::from_alias("ua-cdrom"), None);
        assert_eq!(disk.serial(DiskInterface::Virtio).len(), 20);
        assert_eq!(disk.serial(DiskInterface::VirtioScsi), disk.to_string());
    }
}
