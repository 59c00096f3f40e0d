//! What VMs are made of.

use super::disk::Disk;
use super::ids::*;
use super::nic::Nic;
use super::vm::VmSpec;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateStatus {
    Ok,
    /// An operation is under way.
    Locked,
    /// An operation and its undo failed.
    Illegal,
}

/// A VM's configuration to make others of, with disks that nobody writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    pub id: TemplateId,
    /// `None`: it serves all.
    pub cluster: Option<ClusterId>,
    pub created: Timestamp,
    pub spec: VmSpec,
    pub status: TemplateStatus,
    /// The versions of a template share its name; the first one is the base of all, its own too.
    pub base: TemplateId,
    pub version: u32,
    pub version_name: String,
    /// Without addresses of their own: each VM's interfaces get new ones.
    pub nics: Vec<Nic>,
    /// In the order in which VMs get them.
    pub disks: Vec<DiskId>,
    /// Its disks once more in other storage domains: the same images by the same names.
    #[serde(default)]
    pub copies: Vec<Disk>,
}

impl Template {
    /// The template that every VM can be made of. It is always there.
    pub fn blank() -> Self {
        Self {
            id: BLANK,
            cluster: None,
            created: Timestamp::UNIX_EPOCH,
            spec: VmSpec {
                name: Self::BLANK_NAME.into(),
                description: "Blank template".into(),
                ..VmSpec::default()
            },
            status: TemplateStatus::Ok,
            base: BLANK,
            version: 1,
            version_name: Self::FIRST_VERSION.into(),
            nics: Vec::new(),
            disks: Vec::new(),
            copies: Vec::new(),
        }
    }

    pub const BLANK_NAME: &str = "Blank";

    /// What the first version is called when nobody says otherwise.
    pub const FIRST_VERSION: &str = "base version";
}
