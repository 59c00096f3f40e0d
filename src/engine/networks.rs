//! Networks: make, change, remove; which clusters have them.
//!
//! A network is what the host has of its name: a bridge, a network of libvirt. Where there is nothing,
//! the engine makes a network of libvirt that leads to nobody but the guests on it.

use super::first_world::MANAGEMENT;
use super::locks::{Entity, Mode};
use super::nics::claimed;
use super::world::{Change, Operation, World};
use super::{Engine, failpoint};
use crate::domain;
use crate::error::{Error, Result};
use crate::model::roles;
use crate::model::*;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Engine {
    /// Makes a network of a data center, with a profile of its name where VMs may be on it.
    pub async fn add_network(
        self: &Arc<Self>,
        data_center: DataCenterId,
        change: NetworkChange,
    ) -> Result<NetworkId> {
        let id = NetworkId::random();
        let _guard = self.take("add network", &[(Entity::Network(id), Mode::Exclusive)]).await?;
        self.require_connection()?;
        let with_profile = change.profile_required.unwrap_or(true);
        let mut network = change.over(&Network::blank(id, data_center));
        network.check().map_err(Error::invalid)?;
        if let Some(there) = self.there(&network.name).await? {
            network.binding = there;
            network.check().map_err(Error::conflict)?;
        }
        let intent = self
            .promise(|world| {
                check_name(world, &network)?;
                check_vlan(world, &network)?;
                if !world.data_centers.contains_key(&data_center) {
                    return Err(Error::not_found(format!("DataCenter: {data_center}")));
                }
                let profile = VnicProfile {
                    name: network.name.clone(),
                    ..VnicProfile::blank(VnicProfileId::random(), id)
                };
                let mut rows = vec![Change::Network(network.clone())];
                rows.extend(self.ownership(world, roles::NETWORK_ADMIN, id.into()));
                if network.for_vms && with_profile {
                    let everybody = Permission::new(roles::VNIC_PROFILE_USER, EVERYONE, profile.id.into());
                    rows.extend([Change::VnicProfile(profile), Change::Permission(everybody)]);
                }
                Ok((Operation::AddNetwork { network: id }, rows))
            })
            .await?;
        failpoint::hit("add_network.intended");
        if let Err(failure) = self.bring_network(id).await {
            return self.fail(intent, failure).await.map(|()| id);
        }
        failpoint::hit("add_network.made");
        self.settle(intent, vec![]).await?;
        Ok(id)
    }

    /// What the host has of that name: `bridge:NAME` or `network:NAME`.
    async fn there(&self, name: &str) -> Result<Option<String>> {
        let (mirrors, bridge) = (self.mirrors.clone(), name.to_owned());
        if super::lane::blocking(move || mirrors.has_bridge(&bridge)).await? {
            return Ok(Some(format!("bridge:{name}")));
        }
        let network = name.to_owned();
        let active = self.lane.call(move |hv| hv.network_active(&network)).await?;
        Ok(active.then(|| format!("network:{name}")))
    }

    pub async fn update_network(self: &Arc<Self>, id: NetworkId, change: NetworkChange) -> Result<()> {
        let _guard = self.take("update network", &[(Entity::Network(id), Mode::Exclusive)]).await?;
        let before = self.network(id)?;
        let after = change.over(&before);
        if after == before {
            return Ok(());
        }
        self.require_connection()?;
        after.check().map_err(Error::invalid)?;
        if id == MANAGEMENT && !after.for_vms {
            return Err(Error::conflict("Cannot edit Network. VMs may always be on the management network."));
        }
        let anew = (before.mtu, before.stp) != (after.mtu, after.stp);
        let intent = self
            .promise(|world| {
                check_name(world, &after)?;
                if after.vlan != before.vlan {
                    check_vlan(world, &after)?;
                }
                if !after.for_vms {
                    check_unneeded(world, "edit", None, |nic| uses(world, nic, id))?;
                }
                if anew {
                    check_unused(world, "edit", |nic| {
                        self.runs(nic.vm) && nic.plugged && uses(world, nic, id)
                    })?;
                }
                let before = Box::new(before);
                Ok((Operation::UpdateNetwork { before }, vec![Change::Network(after)]))
            })
            .await?;
        failpoint::hit("update_network.intended");
        if let Err(failure) = self.bring_network(id).await {
            return self.fail(intent, failure).await;
        }
        self.settle(intent, vec![]).await
    }

    /// Removes a network that nothing uses, with its profiles.
    pub async fn remove_network(self: &Arc<Self>, id: NetworkId) -> Result<()> {
        let _guard = self.take("remove network", &[(Entity::Network(id), Mode::Exclusive)]).await?;
        let before = Box::new(self.network(id)?);
        if id == MANAGEMENT {
            return Err(Error::conflict("Cannot remove Network. The management network cannot be removed."));
        }
        self.require_connection()?;
        let removed = before.clone();
        let intent = self
            .promise(|world| {
                check_unneeded(world, "remove", None, |nic| uses(world, nic, id))?;
                let profiles: Vec<VnicProfile> =
                    world.vnic_profiles.values().filter(|it| it.network == id).cloned().collect();
                let clusters: Vec<ClusterNetwork> =
                    world.cluster_networks.values().filter(|it| it.network == id).cloned().collect();
                let dropped = profiles.iter().map(|profile| Change::DropVnicProfile(profile.id));
                let rows = dropped.chain([Change::DropNetwork(id)]).collect();
                Ok((Operation::RemoveNetwork { before, profiles, clusters }, rows))
            })
            .await?;
        failpoint::hit("remove_network.intended");
        if let Err(failure) = self.finish_remove_network(&removed).await {
            return self.fail(intent, failure).await;
        }
        failpoint::hit("remove_network.gone");
        self.settle(intent, vec![]).await
    }

    pub fn network(&self, id: NetworkId) -> Result<Network> {
        self.world().networks.get(&id).cloned().ok_or_else(|| Error::not_found(id))
    }

    /// Makes libvirt have the network of the row, where it is the engine's to make.
    pub(super) async fn bring_network(&self, id: NetworkId) -> Result<()> {
        let own = self.world().networks.get(&id).filter(|network| network.is_own()).map(domain::own_network);
        match own {
            Some(document) => self.lane.slow(move |hv| hv.ensure_network(&document.to_string())).await,
            None => Ok(()),
        }
    }

    pub(super) async fn finish_remove_network(&self, before: &Network) -> Result<()> {
        if !before.is_own() {
            return Ok(());
        }
        let name = Network::own_name(before.id);
        self.lane.slow(move |hv| hv.drop_network(&name)).await
    }

    pub(super) async fn undo_add_network(&self, id: NetworkId) -> Result<Vec<Change>> {
        let Ok(network) = self.network(id) else { return Ok(vec![]) };
        self.finish_remove_network(&network).await?;
        let world = self.world();
        let profiles = world.vnic_profiles.values().filter(|profile| profile.network == id);
        let dropped = profiles.map(|profile| Change::DropVnicProfile(profile.id));
        Ok(dropped.chain([Change::DropNetwork(id)]).collect())
    }

    pub(super) async fn undo_update_network(&self, before: &Network) -> Result<()> {
        self.note(vec![Change::Network(before.clone())]).await;
        self.bring_network(before.id).await
    }

    pub(super) async fn undo_remove_network(
        &self,
        before: &Network,
        profiles: &[VnicProfile],
        clusters: &[ClusterNetwork],
    ) -> Result<()> {
        let profiles = profiles.iter().cloned().map(Change::VnicProfile);
        let clusters = clusters.iter().cloned().map(Change::ClusterNetwork);
        let rows = std::iter::once(Change::Network(before.clone())).chain(profiles).chain(clusters);
        self.note(rows.collect()).await;
        self.bring_network(before.id).await
    }

    /// The engine's own networks run, whatever became of them meanwhile; a host that cannot have one
    /// serves the others.
    pub(super) async fn ensure_networks(&self) {
        let nowhere = domain::nowhere_network().to_string();
        if let Err(why) = self.lane.slow(move |hv| hv.ensure_network(&nowhere)).await {
            tracing::warn!("the network of interfaces without one cannot be made: {why}");
        }
        let networks: Vec<NetworkId> = self.world().networks.keys().copied().collect();
        for id in networks {
            if let Err(why) = self.bring_network(id).await {
                tracing::warn!(network = %id, "a network cannot be made: {why}");
            }
        }
    }

    /// Somebody may have stopped a network of the engine's that the VM is on.
    pub(super) async fn revive_networks(&self, vm: VmId) -> Result<()> {
        let own: BTreeSet<NetworkId> = {
            let world = self.world();
            let plugged = world.nics_of(vm).into_iter().filter(|nic| nic.plugged);
            let networks = plugged.filter_map(|nic| world.networks.get(&nic.network?));
            networks.filter(|network| network.is_own()).map(|network| network.id).collect()
        };
        for id in own {
            let name = Network::own_name(id);
            if !self.lane.call(move |hv| hv.network_active(&name)).await? {
                self.bring_network(id).await?;
            }
        }
        Ok(())
    }

    /// Gives a cluster a network of its data center.
    pub async fn attach_network(
        &self,
        cluster: ClusterId,
        network: NetworkId,
        change: ClusterNetworkChange,
    ) -> Result<()> {
        self.record(|world| {
            let home = world.clusters.get(&cluster).ok_or_else(|| Error::not_found(cluster))?.data_center;
            let row = world.networks.get(&network).filter(|row| row.data_center == home);
            row.ok_or_else(|| Error::not_found(format!("Network: id={network}")))?;
            if world.cluster_networks.contains_key(&(cluster, network)) {
                return Err(Error::conflict("Cannot attach Network to Cluster. The cluster has it already."));
            }
            let blank = ClusterNetwork { cluster, network, required: true, display: false, migration: false };
            Ok(vec![Change::ClusterNetwork(change.over(&blank))])
        })
        .await?;
        self.tell_of_network(Code::NETWORK_ATTACHED, network, cluster, "was attached to");
        Ok(())
    }

    pub async fn update_cluster_network(
        &self,
        cluster: ClusterId,
        network: NetworkId,
        change: ClusterNetworkChange,
    ) -> Result<()> {
        let row = |world: &World| {
            world.cluster_networks.get(&(cluster, network)).cloned().ok_or_else(|| Error::not_found(network))
        };
        let before = row(&self.world())?;
        if change.over(&before) == before {
            return Ok(());
        }
        self.record(|world| Ok(vec![Change::ClusterNetwork(change.over(&row(world)?))])).await?;
        self.tell_of_network(Code::CLUSTER_NETWORK_UPDATED, network, cluster, "was updated in");
        Ok(())
    }

    /// Takes a network from a cluster none of whose VMs uses it.
    pub async fn detach_network(&self, cluster: ClusterId, network: NetworkId) -> Result<()> {
        self.record(|world| {
            if !world.cluster_networks.contains_key(&(cluster, network)) {
                return Err(Error::not_found(network));
            }
            if network == MANAGEMENT {
                return Err(Error::conflict(
                    "Cannot detach Network from Cluster. The management network stays with its cluster.",
                ));
            }
            check_unneeded(world, "detach", Some(cluster), |nic| uses(world, nic, network))?;
            Ok(vec![Change::DropClusterNetwork { cluster, network }])
        })
        .await?;
        self.tell_of_network(Code::NETWORK_DETACHED, network, cluster, "was detached from");
        Ok(())
    }

    fn tell_of_network(&self, code: Code, network: NetworkId, cluster: ClusterId, what: &str) {
        let world = self.world();
        let about = world.about_cluster(cluster);
        let name = world.networks.get(&network).map(|row| row.name.clone()).unwrap_or_default();
        drop(world);
        let place = about.cluster.as_ref().map(|cluster| cluster.name.clone()).unwrap_or_default();
        self.tell(code, about, format!("Network {name} {what} cluster {place}."));
    }
}

/// The other networks of its data center, as they are and as they may be again.
fn neighbours<'w>(world: &'w World, network: &Network) -> impl Iterator<Item = &'w Network> {
    let removed = world.intents.values().filter_map(|intent| match &intent.operation {
        Operation::RemoveNetwork { before, .. } | Operation::UpdateNetwork { before } => Some(&**before),
        _ => None,
    });
    let (id, home) = (network.id, network.data_center);
    world.networks.values().chain(removed).filter(move |other| other.id != id && other.data_center == home)
}

fn check_name(world: &World, network: &Network) -> Result<()> {
    match neighbours(world, network).any(|other| other.name == network.name) {
        true => Err(Error::conflict(
            "The logical network name is already used by an existing logical network in the same data center.",
        )),
        false => Ok(()),
    }
}

fn check_vlan(world: &World, network: &Network) -> Result<()> {
    let Some(vlan) = network.vlan else { return Ok(()) };
    match neighbours(world, network).find(|other| other.vlan == Some(vlan)) {
        Some(other) => Err(Error::conflict(format!(
            "The VLAN ID {vlan} is already in use by the network {}.",
            other.name
        ))),
        None => Ok(()),
    }
}

/// The interface is on the network, sees its traffic, or has a profile of it.
fn uses(world: &World, nic: &Nic, network: NetworkId) -> bool {
    let profile = nic.profile.and_then(|profile| world.vnic_profiles.get(&profile));
    nic.network == Some(network)
        || nic.port_mirroring.contains(&network)
        || profile.is_some_and(|profile| profile.network == network)
}

/// Refuses what takes something from interfaces, with the names of their VMs.
fn check_unused(world: &World, verb: &str, used: impl Fn(&Nic) -> bool) -> Result<()> {
    let vms = claimed(world).filter(|nic| used(nic)).filter_map(|nic| world.vms.get(&nic.vm));
    check_none(verb, "VMs", vms.map(|vm| vm.spec.name.as_str()))
}

/// The same of all interfaces of one cluster or of all, those too that VMs will be made with: of templates,
/// and of instance types, which are for all.
pub(super) fn check_unneeded(
    world: &World,
    verb: &str,
    cluster: Option<ClusterId>,
    used: impl Fn(&Nic) -> bool,
) -> Result<()> {
    let here = |home: Option<ClusterId>| cluster.is_none() || home == cluster;
    check_unused(world, verb, |nic| here(world.vms.get(&nic.vm).map(|vm| vm.cluster)) && used(nic))?;
    let templates = world.templates.values().filter(|it| here(it.cluster));
    let templates = templates.filter(|it| it.nics.iter().any(&used));
    check_none(verb, "templates", templates.map(|it| it.spec.name.as_str()))?;
    let types = world.instance_types.values().filter(|_| cluster.is_none());
    let types = types.filter(|it| it.nics.iter().any(&used));
    check_none(verb, "instance types", types.map(|it| it.spec.name.as_str()))
}

fn check_none<'w>(verb: &str, kind: &str, users: impl Iterator<Item = &'w str>) -> Result<()> {
    let names: BTreeSet<&str> = users.collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "Cannot {verb} Network. Several {kind} use it: {}.",
            names.into_iter().collect::<Vec<_>>().join(", ")
        ))),
    }
}
