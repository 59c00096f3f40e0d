//! Rules on which VMs share a host.

use super::ids::*;
use serde::{Deserialize, Serialize};

/// VMs of a cluster that keep together, or apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AffinityGroup {
    pub id: AffinityGroupId,
    pub name: String,
    pub description: String,
    pub cluster: ClusterId,
    /// Together on one host, or each on its own.
    pub positive: bool,
    /// A VM that cannot follow the rule does not run.
    pub enforcing: bool,
}

/// A VM is in an affinity group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Affine {
    pub affinity_group: AffinityGroupId,
    pub vm: VmId,
}
