//! Affinity groups.

use super::{API, reference, unless_empty};
use crate::model::AffinityGroup;
use crate::wire::types;

/// The group as a document; links are the caller's.
pub fn affinity_group(it: &AffinityGroup) -> types::AffinityGroup {
    types::AffinityGroup {
        href: Some(format!("{API}/clusters/{}/affinitygroups/{}", it.cluster, it.id)),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        cluster: Some(reference("clusters", it.cluster)),
        positive: Some(it.positive),
        enforcing: Some(it.enforcing),
        ..Default::default()
    }
}
