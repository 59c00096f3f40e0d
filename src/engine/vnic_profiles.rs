//! The vNIC profiles of networks: what interfaces of a network have in common.

use super::locks::{Entity, Mode};
use super::networks::check_unneeded;
use super::world::{Change, Operation, World};
use super::{Engine, failpoint};
use crate::error::{Error, Result};
use crate::model::roles;
use crate::model::*;
use std::sync::Arc;

impl Engine {
    pub async fn add_vnic_profile(&self, network: NetworkId, change: ProfileChange) -> Result<VnicProfileId> {
        let id = VnicProfileId::random();
        let profile = change.over(&VnicProfile::blank(id, network));
        profile.check().map_err(Error::invalid)?;
        let told = profile.clone();
        let _guard = self.take("add vNIC profile", &[(Entity::Network(network), Mode::Exclusive)]).await?;
        self.record(|world| {
            let row = world.networks.get(&network);
            let row = row.ok_or_else(|| Error::not_found(format!("Network: id={network}")))?;
            if !row.for_vms {
                return Err(Error::conflict(
                    "Cannot add VM network interface profile. VMs may not be on the network.",
                ));
            }
            check_name(world, &profile)?;
            let owner = self.ownership(world, roles::NETWORK_ADMIN, id.into());
            Ok(std::iter::once(Change::VnicProfile(profile)).chain(owner).collect())
        })
        .await?;
        self.tell_of_profile(Code::VNIC_PROFILE_ADDED, &told, "was added");
        Ok(id)
    }

    /// Changes a profile; the interfaces that have it follow at once, those of running VMs too.
    pub async fn update_vnic_profile(
        self: &Arc<Self>,
        id: VnicProfileId,
        change: ProfileChange,
    ) -> Result<()> {
        let network = self.vnic_profile(id)?.network;
        let _guard = self.take("update vNIC profile", &[(Entity::Network(network), Mode::Exclusive)]).await?;
        let before = self.vnic_profile(id)?;
        let after = change.over(&before);
        if after == before {
            return Ok(());
        }
        after.check().map_err(Error::invalid)?;
        self.require_connection()?;
        let intent = self
            .promise(|world| {
                check_name(world, &after)?;
                let before = Box::new(before);
                Ok((Operation::UpdateVnicProfile { before }, vec![Change::VnicProfile(after)]))
            })
            .await?;
        failpoint::hit("update_profile.intended");
        if let Err(failure) = self.bring_profile(id).await {
            return self.fail(intent, failure).await;
        }
        failpoint::hit("update_profile.brought");
        self.settle(intent, vec![]).await
    }

    pub async fn remove_vnic_profile(&self, id: VnicProfileId) -> Result<()> {
        let profile = self.vnic_profile(id)?;
        let network = Entity::Network(profile.network);
        let _guard = self.take("remove vNIC profile", &[(network, Mode::Exclusive)]).await?;
        self.record(|world| {
            let verb = "remove the vNIC profile of the";
            check_unneeded(world, verb, None, |nic| nic.profile == Some(id))?;
            Ok(vec![Change::DropVnicProfile(id)])
        })
        .await?;
        self.tell_of_profile(Code::VNIC_PROFILE_REMOVED, &profile, "was removed");
        Ok(())
    }

    fn tell_of_profile(&self, code: Code, profile: &VnicProfile, what: &str) {
        let world = self.world();
        let about = world.about_network(world.networks.get(&profile.network));
        drop(world);
        self.tell(code, about, format!("vNIC profile {} {what}.", profile.name));
    }

    pub fn vnic_profile(&self, id: VnicProfileId) -> Result<VnicProfile> {
        self.world().vnic_profiles.get(&id).cloned().ok_or_else(|| Error::not_found(id))
    }

    /// Makes the interfaces of a profile what it says.
    pub(super) async fn bring_profile(&self, id: VnicProfileId) -> Result<()> {
        let nics: Vec<(VmId, NicId)> = {
            let world = self.world();
            let of_it = world.nics.values().filter(|nic| nic.profile == Some(id));
            of_it.map(|nic| (nic.vm, nic.id)).collect()
        };
        for (vm, nic) in nics {
            self.bring_nic(vm, nic).await?;
        }
        Ok(())
    }

    pub(super) async fn undo_update_profile(&self, before: &VnicProfile) -> Result<()> {
        self.note(vec![Change::VnicProfile(before.clone())]).await;
        self.bring_profile(before.id).await
    }
}

impl World {
    /// A network's profiles, as interfaces get them that name the network alone: those that show the
    /// traffic of others last, the network's own first, by name.
    pub fn profiles_of_network(&self, network: NetworkId) -> Vec<&VnicProfile> {
        let own = self.networks.get(&network).map(|network| &network.name);
        let of_it = self.vnic_profiles.values().filter(|profile| profile.network == network);
        let mut profiles: Vec<&VnicProfile> = of_it.collect();
        profiles.sort_by_key(|it| (it.port_mirroring, Some(&it.name) != own, &it.name));
        profiles
    }
}

fn check_name(world: &World, profile: &VnicProfile) -> Result<()> {
    let mut others = world.vnic_profiles.values().filter(|other| other.id != profile.id);
    match others.any(|other| other.network == profile.network && other.name == profile.name) {
        true => Err(Error::conflict(
            "The VM network interface profile's name is already used by an existing profile for the same network.",
        )),
        false => Ok(()),
    }
}
