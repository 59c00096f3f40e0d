//! References in bodies: by id or by name.

use super::app::App;
use crate::error::{Error, Kind, Result};
use crate::model::*;
use crate::wire::convert::{self, parse_id};
use crate::wire::types::{self, Ref};
use std::fmt::Display;

/// The reference names something.
pub fn is_named(reference: &Option<Ref>) -> bool {
    reference.as_ref().is_some_and(convert::is_named)
}

/// An id in a body may repeat the path's, and nothing else.
pub fn same_id(given: Option<&str>, id: impl Display) -> Result<()> {
    match given {
        Some(given) if !given.is_empty() && !given.eq_ignore_ascii_case(&id.to_string()) => {
            Err(Error::new(Kind::Immutable, "Attempt to set immutable field: id"))
        }
        _ => Ok(()),
    }
}

/// Whether a body says other than what is there; what it does not say stays as it is.
pub fn differs<T: PartialEq, const N: usize>(now: [Option<T>; N], asked: [Option<T>; N]) -> bool {
    asked.into_iter().zip(now).any(|(asked, now)| asked.is_some() && asked != now)
}

/// The same of a version.
pub fn differs_in_version(now: &Option<types::VersionNumber>, asked: &Option<types::VersionNumber>) -> bool {
    let numbers = |it: &Option<types::VersionNumber>| {
        let it = it.as_ref();
        [it.and_then(|it| it.major), it.and_then(|it| it.minor)]
    };
    differs(numbers(now), numbers(asked))
}

/// Refuses a document that says otherwise of what follows from the host: the first that does of these.
pub fn check_fixed(kind: &str, rules: &[(&str, bool)]) -> Result<()> {
    match rules.iter().find(|(_, differs)| *differs) {
        Some((what, _)) => Err(Error::conflict(format!(
            "Cannot edit {kind}. What it says of {what} follows from its one host and cannot be changed."
        ))),
        None => Ok(()),
    }
}

/// The thing that a reference means, among all of its kind.
fn find<'w, T, I: PartialEq + Copy + std::str::FromStr>(
    reference: &Ref,
    noun: &str,
    all: impl Iterator<Item = (I, &'w str, T)>,
) -> Result<T> {
    let id = reference.id.as_deref().filter(|id| !id.is_empty());
    let name = reference.name.as_deref().unwrap_or_default();
    let wanted: Option<I> = id.map(|id| parse_id(id, noun)).transpose()?;
    let mut all = all;
    let found = all.find(|(id, named, _)| match wanted {
        Some(wanted) => *id == wanted,
        None => *named == name,
    });
    found.map(|(_, _, it)| it).ok_or_else(|| {
        Error::not_found(match id {
            Some(id) => format!("{noun}: id={id}"),
            None => format!("{noun}: name={name}"),
        })
    })
}

pub fn cluster(app: &App, reference: Option<&Ref>) -> Result<ClusterId> {
    let world = app.engine.world();
    let reference = reference.cloned().unwrap_or_default();
    find(&reference, "Cluster", world.clusters.values().map(|it| (it.id, it.name.as_str(), it.id)))
}

pub fn data_center(app: &App, reference: &Ref) -> Result<DataCenterId> {
    let world = app.engine.world();
    find(reference, "DataCenter", world.data_centers.values().map(|it| (it.id, it.name.as_str(), it.id)))
}

/// A VM, also one that somebody else made.
pub fn vm(app: &App, reference: &Ref) -> Result<VmId> {
    if let Some(id) = reference.id.as_deref().filter(|id| !id.is_empty()) {
        let id: VmId = parse_id(id, "VM")?;
        return app.engine.knows(id).map(|()| id);
    }
    let world = app.engine.world();
    find(reference, "VM", world.vms.values().map(|it| (it.id, it.spec.name.as_str(), it.id)))
}

pub fn disk(app: &App, reference: &Ref) -> Result<DiskId> {
    let world = app.engine.world();
    find(reference, "Disk", world.disks.values().map(|it| (it.id, it.alias.as_str(), it.id)))
}

/// A role that was made or is there from the start.
pub fn role(app: &App, reference: &Ref) -> Result<RoleId> {
    let world = app.engine.world();
    let all = world.roles.values().chain(roles::PREDEFINED.iter());
    find(reference, "Role", all.map(|it| (it.id, it.name.as_str(), it.id)))
}

/// A tag, the root included.
pub fn tag(app: &App, reference: &Ref) -> Result<TagId> {
    let world = app.engine.world();
    let all = world.tags.values().map(|it| (it.id, it.name.as_str(), it.id));
    find(reference, "Tag", all.chain(std::iter::once((ROOT_TAG, "root", ROOT_TAG))))
}

/// A user by its name with or without its profile.
pub fn user(app: &App, name: &str) -> Result<UserId> {
    let world = app.engine.world();
    let found =
        world.users.values().find(|it| it.name == name || format!("{}@{}", it.name, it.profile) == name);
    found.map(|it| it.id).ok_or_else(|| Error::not_found(format!("User: name={name}")))
}

pub fn vm_pool(app: &App, reference: &Ref) -> Result<VmPoolId> {
    let world = app.engine.world();
    find(reference, "VmPool", world.vm_pools.values().map(|it| (it.id, it.name.as_str(), it.id)))
}

/// A group that was made.
pub fn group(app: &App, named: &types::Group) -> Result<GroupId> {
    let reference = Ref { id: named.id.clone(), name: named.name.clone(), ..Ref::default() };
    let world = app.engine.world();
    find(&reference, "Group", world.groups.values().map(|it| (it.id, it.name.as_str(), it.id)))
}

/// A name stands for the last version of its template.
pub fn template(app: &App, reference: Option<&Ref>) -> Result<TemplateId> {
    let reference = reference.cloned().unwrap_or_default();
    let world = app.engine.world();
    let made = world.templates.values().map(|it| (it.version, it.spec.name.as_str(), it.id));
    let mut all: Vec<_> = made.chain([(1, Template::BLANK_NAME, BLANK)]).collect();
    all.sort_by_key(|(version, ..)| std::cmp::Reverse(*version));
    find(&reference, "Template", all.into_iter().map(|(_, name, id)| (id, name, id)))
}

pub fn host(app: &App, reference: &Ref) -> Result<HostId> {
    let world = app.engine.world();
    find(reference, "Host", world.hosts.values().map(|it| (it.id, it.name.as_str(), it.id)))
}

pub fn storage_domain(app: &App, reference: &Ref) -> Result<StorageDomainId> {
    let world = app.engine.world();
    find(
        reference,
        "StorageDomain",
        world.storage_domains.values().map(|it| (it.id, it.name.as_str(), it.id)),
    )
}

/// A network of the cluster's data center.
pub fn network_of(app: &App, cluster: &Cluster, reference: &Ref) -> Result<NetworkId> {
    let world = app.engine.world();
    let there = world.networks.values().filter(|it| it.data_center == cluster.data_center);
    find(reference, "Network", there.map(|it| (it.id, it.name.as_str(), it.id)))
}

/// A network of whatever data center.
pub fn any_network(app: &App, reference: &Ref) -> Result<NetworkId> {
    let world = app.engine.world();
    find(reference, "Network", world.networks.values().map(|it| (it.id, it.name.as_str(), it.id)))
}

pub fn instance_type(app: &App, reference: &Ref) -> Result<InstanceTypeId> {
    let world = app.engine.world();
    let all = world.instance_types.values().map(|it| (it.id, it.spec.name.as_str(), it.id));
    find(reference, "InstanceType", all)
}

/// A network that the cluster has, or any where it is all the same.
pub fn network(app: &App, cluster: Option<ClusterId>, reference: &Ref) -> Result<NetworkId> {
    let world = app.engine.world();
    let is_there = |id| cluster.is_none_or(|cluster| world.cluster_networks.contains_key(&(cluster, id)));
    let there = world.networks.values().filter(|it| is_there(it.id));
    find(reference, "Network", there.map(|it| (it.id, it.name.as_str(), it.id)))
        .map_err(|why| Error::invalid("Network not found in cluster").because(why))
}

pub fn vnic_profile(app: &App, reference: &Ref) -> Result<VnicProfileId> {
    let world = app.engine.world();
    find(reference, "VnicProfile", world.vnic_profiles.values().map(|it| (it.id, it.name.as_str(), it.id)))
        .map_err(|why| {
            Error::invalid("Cannot configure Interface. The vNIC profile doesn't exist.").because(why)
        })
}

/// A CPU profile that a VM names must be there.
pub fn cpu_profile(app: &App, id: Option<CpuProfileId>) -> Result<()> {
    match id {
        Some(id) if !app.engine.world().cpu_profiles.contains_key(&id) => {
            Err(Error::not_found(format!("CpuProfile: id={id}")))
        }
        _ => Ok(()),
    }
}
