//! Affinity groups.

use super::*;

resource! {
    /// A rule on which machines share a host.
    AffinityGroup = "affinity_group" {
        cluster: Option<Ref>,
        positive: Option<bool>,
        enforcing: Option<bool>,
    }
}

collection! {
    /// A list of `affinity_group`.
    AffinityGroups = "affinity_groups" {
        affinity_group: Vec<AffinityGroup>,
    }
}
