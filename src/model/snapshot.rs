//! Snapshots: what a VM was at a moment, and the images that keep its disks as they were.

use super::disk::{Attachment, Disk};
use super::ids::*;
use super::nic::Nic;
use super::vm::VmSpec;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    Regular,
    /// What was present when the preview of another snapshot began.
    Preview,
    /// The disks as they were before a run that leaves nothing behind.
    Stateless,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotStatus {
    Ok,
    /// An operation is under way.
    Locked,
    /// The VM shows it, to be committed or undone.
    InPreview,
}

/// A VM as it once was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub vm: VmId,
    pub description: String,
    pub kind: SnapshotKind,
    pub status: SnapshotStatus,
    pub date: Timestamp,
    pub spec: VmSpec,
    /// The machine type that the VM was pinned to.
    pub machine: Option<String>,
    pub nics: Vec<Nic>,
    pub disks: Vec<SavedDisk>,
    /// Disks that it had, too, until they went back behind it.
    #[serde(default)]
    pub lost: BTreeSet<DiskId>,
    /// Where its file of the guest's memory lies, when it has one.
    pub memory: Option<StorageDomainId>,
}

impl Snapshot {
    /// The name of the file that holds the guest's memory.
    pub fn memory_file(id: SnapshotId) -> String {
        format!("{id}.memory")
    }

    pub fn disk(&self, id: DiskId) -> Option<&SavedDisk> {
        self.disks.iter().find(|saved| saved.disk.id == id)
    }
}

/// A frozen image of another VM's disk on a VM, which writes into an image of its own over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Borrowed {
    pub vm: VmId,
    pub disk: DiskId,
    /// The snapshot that keeps the frozen image.
    pub snapshot: SnapshotId,
    /// What the VM writes into.
    pub image: ImageId,
    /// Plugged.
    pub active: bool,
    pub target: String,
}

/// A disk as it was. Its image is the frozen one, which nobody writes any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedDisk {
    pub disk: Disk,
    pub attachment: Attachment,
}
