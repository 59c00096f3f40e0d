//! Affinity groups. There is one host: what is to keep together does, and of what is to keep apart
//! only one runs when the rule is enforced.

use super::Engine;
use super::world::{Change, World};
use crate::error::{Error, Result};
use crate::model::access::check_name;
use crate::model::change::put_over;
use crate::model::vm::check_text;
use crate::model::*;

/// What a client says of an affinity group; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct AffinityChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub positive: Option<bool>,
    pub enforcing: Option<bool>,
}

fn check(world: &World, group: &AffinityGroup) -> Result<()> {
    check_name("affinity group", &group.name).map_err(Error::invalid)?;
    check_text("description", &group.description, 4000).map_err(Error::invalid)?;
    world.clusters.get(&group.cluster).ok_or_else(|| Error::not_found(group.cluster))?;
    let mut others = world.affinity_groups.values().filter(|it| it.id != group.id);
    match others.any(|it| it.cluster == group.cluster && it.name == group.name) {
        true => Err(Error::conflict("Cannot add Affinity Group. The name is already in use in the cluster.")),
        false => Ok(()),
    }
}

impl World {
    /// The VMs of an affinity group by their names.
    pub fn affine_to(&self, id: AffinityGroupId) -> Vec<&Vm> {
        let members = self.affine.iter().filter(|it| it.affinity_group == id);
        let mut found: Vec<&Vm> = members.filter_map(|it| self.vms.get(&it.vm)).collect();
        found.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        found
    }
}

impl Engine {
    pub async fn add_affinity_group(
        &self,
        cluster: ClusterId,
        change: AffinityChange,
    ) -> Result<AffinityGroupId> {
        let group = AffinityGroup {
            id: AffinityGroupId::random(),
            name: change.name.unwrap_or_default(),
            description: change.description.unwrap_or_default(),
            cluster,
            positive: change.positive.unwrap_or(false),
            enforcing: change.enforcing.unwrap_or(false),
        };
        let (id, name) = (group.id, group.name.clone());
        self.record(|world| check(world, &group).map(|()| vec![Change::AffinityGroup(group)])).await?;
        self.tell_of_affinity(Code::AFFINITY_GROUP_ADDED, cluster, &name, "was added");
        Ok(id)
    }

    pub async fn update_affinity_group(&self, id: AffinityGroupId, change: AffinityChange) -> Result<()> {
        let mut told = None;
        self.record(|world| {
            let mut group = world.affinity_groups.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
            put_over!(group, change, name, description, positive, enforcing);
            told = Some((group.cluster, group.name.clone()));
            check(world, &group).map(|()| vec![Change::AffinityGroup(group)])
        })
        .await?;
        if let Some((cluster, name)) = told {
            self.tell_of_affinity(Code::AFFINITY_GROUP_UPDATED, cluster, &name, "was updated");
        }
        Ok(())
    }

    pub async fn remove_affinity_group(&self, id: AffinityGroupId) -> Result<()> {
        let AffinityGroup { name, cluster, .. } = self.affinity_group(id)?;
        self.record(|world| match world.affinity_groups.contains_key(&id) {
            true => Ok(vec![Change::DropAffinityGroup(id)]),
            false => Err(Error::not_found(id)),
        })
        .await?;
        self.tell_of_affinity(Code::AFFINITY_GROUP_REMOVED, cluster, &name, "was removed");
        Ok(())
    }

    /// What runs runs on: the rule is asked when a VM starts.
    pub async fn add_affine(&self, id: AffinityGroupId, vm: VmId) -> Result<()> {
        let AffinityGroup { name, cluster, .. } = self.affinity_group(id)?;
        let row = self.own_vm(vm)?;
        if row.cluster != cluster {
            return Err(Error::conflict(
                "Cannot add VM to Affinity Group. The VM is not in the group's cluster.",
            ));
        }
        let member = Affine { affinity_group: id, vm };
        self.record(|world| {
            world.affinity_groups.get(&id).ok_or_else(|| Error::not_found(id))?;
            world.vms.get(&vm).ok_or_else(|| Error::not_found(vm))?;
            match world.affine.contains(&member) {
                true => Err(Error::conflict("Cannot add VM to Affinity Group. It is in the group already.")),
                false => Ok(vec![Change::Affine(member)]),
            }
        })
        .await?;
        let what = format!("has VM {} now", row.spec.name);
        self.tell_of_affinity(Code::AFFINITY_GROUP_UPDATED, cluster, &name, &what);
        Ok(())
    }

    pub async fn remove_affine(&self, id: AffinityGroupId, vm: VmId) -> Result<()> {
        let AffinityGroup { name, cluster, .. } = self.affinity_group(id)?;
        let member = Affine { affinity_group: id, vm };
        self.record(|world| match world.affine.contains(&member) {
            true => Ok(vec![Change::DropAffine(member)]),
            false => Err(Error::not_found(vm)),
        })
        .await?;
        self.tell_of_affinity(Code::AFFINITY_GROUP_UPDATED, cluster, &name, "has a VM less");
        Ok(())
    }

    fn affinity_group(&self, id: AffinityGroupId) -> Result<AffinityGroup> {
        self.world().affinity_groups.get(&id).cloned().ok_or_else(|| Error::not_found(id))
    }

    fn tell_of_affinity(&self, code: Code, cluster: ClusterId, name: &str, what: &str) {
        let about = self.world().about_cluster(cluster);
        self.tell(code, about, format!("Affinity group {name} {what}."));
    }

    /// Refuses the start of a VM beside one that an enforced rule keeps it apart from.
    pub(super) fn check_affinity(&self, world: &World, id: VmId) -> Result<()> {
        let mine = world.affine.iter().filter(|it| it.vm == id);
        let rules = mine.filter_map(|it| world.affinity_groups.get(&it.affinity_group));
        for rule in rules.filter(|rule| rule.enforcing && !rule.positive) {
            let mut others = world.affine_to(rule.id).into_iter().filter(|vm| vm.id != id);
            if let Some(other) = others.find(|vm| self.inventory.status(vm.id).0.runs()) {
                return Err(Error::conflict(format!(
                    "Cannot run VM. There is no host that satisfies current scheduling constraints: \
                     affinity group {} keeps the VM apart from VM {}, which runs on the only host.",
                    rule.name, other.spec.name
                )));
            }
        }
        Ok(())
    }
}
