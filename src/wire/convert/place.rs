//! Where VMs live: the documents of rows. What is measured, links and actions are the caller's.

use super::{API, Named, reference, unless_empty};
use crate::error::{Error, Kind, Result};
use crate::model::*;
use crate::wire::types::{self, Ref};
use std::fmt::Display;

/// The level of compatibility that there is.
pub fn level() -> types::VersionNumber {
    types::VersionNumber { major: Some(3), minor: Some(6), ..Default::default() }
}

fn at(collection: &str, id: impl Display) -> Option<String> {
    reference(collection, id).href
}

pub fn data_center(it: &DataCenter) -> types::DataCenter {
    types::DataCenter {
        href: at("datacenters", it.id),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        comment: unless_empty(&it.comment),
        local: Some(true),
        storage_format: Some("v3".into()),
        version: Some(level()),
        supported_versions: Some(types::SupportedVersions { version: vec![level()] }),
        quota_mode: Some(it.quota_mode.name().into()),
        ..Default::default()
    }
}

pub fn cluster(it: &Cluster) -> types::Cluster {
    types::Cluster {
        href: at("clusters", it.id),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        comment: unless_empty(&it.comment),
        data_center: Some(reference("datacenters", it.data_center)),
        version: Some(level()),
        // There is nowhere to migrate to.
        error_handling: Some(types::ErrorHandling { on_error: Some("do_not_migrate".into()) }),
        virt_service: Some(true),
        gluster_service: Some(false),
        threads_as_cores: Some(false),
        tunnel_migration: Some(false),
        trusted_service: Some(false),
        ha_reservation: Some(false),
        ballooning_enabled: Some(true),
        ..Default::default()
    }
}

pub fn host(it: &Host) -> types::Host {
    types::Host {
        href: at("hosts", it.id),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        cluster: Some(reference("clusters", it.cluster)),
        ..Default::default()
    }
}

/// What the document says of a storage domain that may change.
pub fn storage_domain_change(document: &types::StorageDomain) -> Result<StorageDomainChange> {
    let number = |what: &str, number: Option<i32>| {
        let wrong = || Error::new(Kind::Value, format!("{what} is negative."));
        number.map(|number| u32::try_from(number).map_err(|_| wrong())).transpose()
    };
    Ok(StorageDomainChange {
        name: document.name.clone(),
        description: document.description.clone(),
        comment: document.comment.clone(),
        wipe_after_delete: document.wipe_after_delete,
        warning: number("warning_low_space_indicator", document.warning_low_space_indicator)?,
        blocker: number("critical_space_action_blocker", document.critical_space_action_blocker)?,
    })
}

/// `master` is the domain that a data center cannot be without.
pub fn storage_domain(it: &StorageDomain, master: bool) -> types::StorageDomain {
    let format = if it.kind == StorageKind::Data { "v3" } else { "v1" };
    types::StorageDomain {
        href: at("storagedomains", it.id),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        comment: unless_empty(&it.comment),
        data_centers: it.data_center.map(|id| [Ref::bare(id)].into_iter().collect()),
        r#type: Some(it.kind.name().into()),
        master: Some(master),
        wipe_after_delete: Some(it.wipe_after_delete),
        warning_low_space_indicator: it.warning.and_then(|percent| i32::try_from(percent).ok()),
        critical_space_action_blocker: it.blocker.and_then(|gib| i32::try_from(gib).ok()),
        storage: Some(types::HostStorage {
            r#type: Some(StorageDomain::STORAGE.into()),
            path: Some(it.folder.clone()),
            ..Default::default()
        }),
        storage_format: Some(format.into()),
        ..Default::default()
    }
}

pub fn disk_profile(it: &DiskProfile) -> types::DiskProfile {
    types::DiskProfile {
        href: at("diskprofiles", it.id),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        // Below its data center, which the profile does not know.
        qos: it.qos.map(Ref::bare),
        storage_domain: Some(reference("storagedomains", it.storage_domain)),
        ..Default::default()
    }
}

pub fn cpu_profile(it: &CpuProfile) -> types::CpuProfile {
    types::CpuProfile {
        href: at("cpuprofiles", it.id),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        cluster: Some(reference("clusters", it.cluster)),
        ..Default::default()
    }
}

/// A directory is named, as version 3 clients know it, by the upper-case hex of its name.
pub fn directory_id(profile: &str) -> String {
    profile.bytes().map(|byte| format!("{byte:02X}")).collect()
}

/// The directory of a profile's users and groups.
pub fn directory(profile: &str) -> types::Domain {
    let id = directory_id(profile);
    types::Domain {
        href: Some(format!("{API}/domains/{id}")),
        id: Some(id),
        name: Some(profile.to_owned()),
        ..Default::default()
    }
}

/// A user of a profile.
pub fn user(id: UserId, name: &str, profile: &str) -> types::User {
    types::User {
        href: at("users", id),
        id: Some(id.to_string()),
        name: Some(name.to_owned()),
        domain: Some(directory(profile)),
        namespace: Some("*".into()),
        user_name: Some(format!("{name}@{profile}")),
        principal: Some(name.to_owned()),
        ..Default::default()
    }
}

pub fn operating_system(&(number, name, description): &(u32, &str, &str)) -> types::OperatingSystemInfo {
    types::OperatingSystemInfo {
        href: at("operatingsystems", number),
        id: Some(number.to_string()),
        name: Some(name.to_owned()),
        description: Some(description.to_owned()),
        small_icon: Some(super::icon(Family::of(name).small())),
        large_icon: Some(super::icon(Family::of(name).large())),
        ..Default::default()
    }
}

/// A file of an ISO domain. Its name may hold what an address must not.
pub fn file(name: &str, domain: &StorageDomain) -> types::File {
    types::File {
        href: Some(format!("{API}/storagedomains/{}/files/{}", domain.id, escaped(name))),
        id: Some(name.to_owned()),
        name: Some(name.to_owned()),
        storage_domain: Some(reference("storagedomains", domain.id)),
        ..Default::default()
    }
}

/// A text as a segment of a path.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_files_hold_only_what_they_may() {
        assert_eq!(escaped("debian-12.iso"), "debian-12.iso");
        assert_eq!(escaped("a b;c/ü?.iso"), "a%20b%3Bc%2F%C3%BC%3F.iso");
    }

    #[test]
    fn a_user_is_known_by_its_directory() {
        let user = user(UserId(BLANK.0), "admin", "internal");
        assert_eq!(user.domain.unwrap().id.unwrap(), "696E7465726E616C");
        assert_eq!(user.user_name.unwrap(), "admin@internal");
    }
}
