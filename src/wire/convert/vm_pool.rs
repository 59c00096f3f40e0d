//! Pools of VMs.

use super::{Named, reference, unless_empty};
use crate::model::VmPool;
use crate::wire::types;

/// The pool as a document, with how many VMs it has; links and actions are the caller's.
pub fn vm_pool(it: &VmPool, size: usize) -> types::VmPool {
    let count = |count: u32| i32::try_from(count).ok();
    types::VmPool {
        href: reference("vmpools", it.id).href,
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        comment: unless_empty(&it.comment),
        size: i32::try_from(size).ok(),
        cluster: Some(reference("clusters", it.cluster)),
        template: Some(reference("templates", it.template)),
        prestarted_vms: count(it.prestarted_vms),
        max_user_vms: count(it.max_user_vms),
        r#type: Some(it.kind.name().into()),
        use_latest_template_version: Some(it.newest_version),
        ..Default::default()
    }
}
