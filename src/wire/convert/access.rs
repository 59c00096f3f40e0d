//! Users' roles and permissions, tags and bookmarks as documents.

use super::{API, reference, unless_empty};
use crate::model::*;
use crate::wire::types::{self, Ref};

pub fn role(it: &Role, mutable: bool) -> types::Role {
    types::Role {
        href: reference("roles", it.id).href,
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        mutable: Some(mutable),
        administrative: Some(it.administrative),
        ..Default::default()
    }
}

/// All that roles are made of, by number.
pub fn permits() -> types::Permits {
    let permit = permits::all().into_iter().map(|(id, name, administrative)| types::Permit {
        id: Some(id.to_string()),
        name: Some(name.to_owned()),
        administrative: Some(administrative),
        ..Default::default()
    });
    types::Permits { permit: permit.collect(), ..Default::default() }
}

/// Everybody, as the one group that there is.
pub fn everyone() -> types::Group {
    types::Group {
        href: reference("groups", EVERYONE).href,
        id: Some(EVERYONE.to_string()),
        name: Some("Everyone".into()),
        domain_entry_id: Some(EVERYONE.to_string()),
        namespace: Some("*".into()),
        ..Default::default()
    }
}

/// A group, as the directory of users knows it.
pub fn group(it: &Group) -> types::Group {
    types::Group {
        href: reference("groups", it.id).href,
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        domain: Some(super::place::directory("internal")),
        domain_entry_id: Some(it.id.to_string()),
        namespace: Some("*".into()),
        ..Default::default()
    }
}

pub fn ssh_key(it: &SshKey) -> types::SshPublicKey {
    types::SshPublicKey {
        href: Some(format!("{API}/users/{}/sshpublickeys/{}", it.user, it.id)),
        id: Some(it.id.to_string()),
        content: Some(it.content.clone()),
        user: Some(reference("users", it.user)),
        ..Default::default()
    }
}

/// A permission as it stands below an address, seen from the object that it holds for there; its
/// holder is a group or a user.
pub fn permission(it: &Permission, is_group: bool, on: Object, collection: &str) -> types::Permission {
    let mut document = types::Permission {
        href: Some(format!("{collection}/{}", it.id)),
        id: Some(it.id.to_string()),
        role: Some(reference("roles", it.role)),
        ..Default::default()
    };
    match is_group {
        true => {
            let Ref { href, id, .. } = reference("groups", it.holder);
            document.group = Some(types::Group { href, id, ..Default::default() });
        }
        false => {
            let Ref { href, id, .. } = reference("users", it.holder);
            document.user = Some(types::User { href, id, ..Default::default() });
        }
    }
    let place = match on.kind {
        ObjectKind::DataCenter => Some((&mut document.data_center, "datacenters")),
        ObjectKind::Cluster => Some((&mut document.cluster, "clusters")),
        ObjectKind::Host => Some((&mut document.host, "hosts")),
        ObjectKind::StorageDomain => Some((&mut document.storage_domain, "storagedomains")),
        ObjectKind::Template => Some((&mut document.template, "templates")),
        ObjectKind::Vm => Some((&mut document.vm, "vms")),
        ObjectKind::Disk => Some((&mut document.disk, "disks")),
        ObjectKind::VmPool => Some((&mut document.vm_pool, "vmpools")),
        // Version 3 has no element for these; the address tells.
        ObjectKind::System
        | ObjectKind::Network
        | ObjectKind::VnicProfile
        | ObjectKind::DiskProfile
        | ObjectKind::CpuProfile
        | ObjectKind::Quota
        | ObjectKind::User
        | ObjectKind::Group => None,
    };
    if let Some((place, collection)) = place {
        *place = Some(reference(collection, on.id));
    }
    document
}

/// The root of all tags has no row.
pub fn root_tag() -> Tag {
    Tag { id: ROOT_TAG, name: "root".into(), description: "root".into(), parent: ROOT_TAG }
}

/// A tag in the collection of all, or on an object with its address below that.
pub fn tag(it: &Tag, on: Option<(Object, &str)>) -> types::Tag {
    let mut document = types::Tag {
        href: Some(match on {
            Some((_, collection)) => format!("{collection}/{}", it.id),
            None => format!("{API}/tags/{}", it.id),
        }),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        parent: (it.id != ROOT_TAG).then(|| types::TagParent { tag: Some(reference("tags", it.parent)) }),
        ..Default::default()
    };
    if let Some((object, _)) = on {
        let (place, collection) = match object.kind {
            ObjectKind::Host => (&mut document.host, "hosts"),
            ObjectKind::Template => (&mut document.template, "templates"),
            ObjectKind::User => (&mut document.user, "users"),
            ObjectKind::Group => (&mut document.group, "groups"),
            _ => (&mut document.vm, "vms"),
        };
        *place = Some(reference(collection, object.id));
    }
    document
}

pub fn bookmark(it: &Bookmark) -> types::Bookmark {
    types::Bookmark {
        href: reference("bookmarks", it.id).href,
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        value: Some(it.value.clone()),
        ..Default::default()
    }
}
