//! Instance types: sizes that VMs are made in, and follow when they change.

use super::Engine;
use super::bygone::check_idle;
use super::locks::{self, Entity, Mode};
use super::world::{Change, Operation, World};
use crate::error::{Error, Kind, Result};
use crate::model::*;

fn check(world: &World, it: &InstanceType) -> Result<()> {
    // The rules are those of VMs; the words say what they are about.
    let sentence = |why: String| Error::invalid(why.replace("The VM name", "The instance type name"));
    it.spec.check().map_err(sentence)?;
    if world.instance_types.values().any(|other| other.id != it.id && other.spec.name == it.spec.name) {
        return Err(Error::new(
            Kind::Exists,
            "Cannot add Instance Type. The name is already in use, please choose a unique name and try again.",
        ));
    }
    for (index, nic) in it.nics.iter().enumerate() {
        nic.check_name().map_err(Error::invalid)?;
        if it.nics[..index].iter().any(|other| other.name == nic.name) {
            return Err(Error::conflict("Network interface is already in use."));
        }
        let there = |id: &NetworkId| world.networks.get(id).is_some_and(|network| network.for_vms);
        if !nic.network.iter().all(there) {
            return Err(Error::invalid("Network not found in cluster"));
        }
    }
    Ok(())
}

/// The row of a VM of that type which is to have another size with its next run. One that cannot be of
/// that size stays as it is.
fn followed(vm: &Vm, before: &InstanceType, after: &InstanceType) -> Option<Vm> {
    let present = vm.next_run.as_deref().unwrap_or(&vm.spec);
    let mut next = present.clone();
    next.follow_size(before, after);
    let follows = present.instance_type == Some(after.id) && next != *present && next.check().is_ok();
    follows.then(|| Vm { next_run: Some(Box::new(next)), ..vm.clone() })
}

impl Engine {
    pub fn instance_type(&self, id: InstanceTypeId) -> Result<InstanceType> {
        self.world().instance_types.get(&id).cloned().ok_or_else(|| Error::not_found(id))
    }

    pub async fn add_instance_type(&self, spec: VmSpec) -> Result<InstanceTypeId> {
        self.check_makeable(&VmSpec::default(), &spec)?;
        let made = InstanceType { id: InstanceTypeId::random(), spec, nics: Vec::new() };
        let (id, name) = (made.id, made.spec.name.clone());
        self.record(|world| {
            check(world, &made)?;
            Ok(vec![Change::InstanceType(Box::new(made))])
        })
        .await?;
        self.tell(Code::INSTANCE_TYPE_ADDED, About::default(), format!("Instance type {name} was added."));
        Ok(id)
    }

    /// The change may look at the world, which nobody holds while it does.
    pub async fn update_instance_type(
        &self,
        id: InstanceTypeId,
        change: impl FnOnce(&mut InstanceType) -> Result<()>,
    ) -> Result<()> {
        let guard =
            self.take(locks::UPDATE_INSTANCE_TYPE, &[(Entity::InstanceType(id), Mode::Exclusive)]).await?;
        let before = self.instance_type(id)?;
        let mut after = before.clone();
        change(&mut after)?;
        self.check_makeable(&before.spec, &after.spec)?;
        let name = after.spec.name.clone();
        let mut following = Vec::new();
        self.record(|world| {
            // It may have been removed meanwhile.
            world.instance_types.get(&id).ok_or_else(|| Error::not_found(id))?;
            check(world, &after)?;
            if after == before {
                return Ok(vec![]);
            }
            // Its undo would take back what is said here.
            let is_of = |vm: &Vm| vm.next_run.as_deref().unwrap_or(&vm.spec).instance_type == Some(id);
            check_idle(world, |operation| match operation {
                Operation::UpdateVm { before } => world.vms.get(&before.id).is_some_and(is_of),
                Operation::FollowVersion { before, .. } => is_of(before),
                _ => false,
            })?;
            let rows: Vec<Vm> = world.vms.values().filter_map(|vm| followed(vm, &before, &after)).collect();
            following = rows.iter().map(|vm| vm.id).collect();
            let vms = rows.into_iter().map(|vm| Change::Vm(Box::new(vm)));
            Ok([Change::InstanceType(Box::new(after))].into_iter().chain(vms).collect())
        })
        .await?;
        drop(guard);
        let text = format!("Instance type {name} was updated.");
        self.tell(Code::INSTANCE_TYPE_UPDATED, About::default(), text);
        for vm in following {
            self.tell_of_vm(Code::VM_UPDATED, vm, "follows its instance type");
            // Who is held, or runs, has it with the next start.
            let held = self.hold(locks::UPDATE_VM, &[(Entity::Vm(vm), Mode::Exclusive)]);
            if held.is_ok()
                && self.status(vm) == VmStatus::Down
                && let Err(why) = self.adopt_next_run_or_none(vm).await
            {
                tracing::warn!(%vm, "the new size of its instance type is left to its start: {why}");
            }
        }
        Ok(())
    }

    /// Removes the type; VMs of its size stay as they are, and are of no type from now on.
    pub async fn remove_instance_type(&self, id: InstanceTypeId) -> Result<()> {
        let name = self.instance_type(id)?.spec.name;
        self.record(|world| {
            world.instance_types.get(&id).ok_or_else(|| Error::not_found(id))?;
            check_idle(world, |operation| match operation {
                Operation::UpdateVm { before } | Operation::FollowVersion { before, .. } => {
                    before.specs().any(|spec| spec.instance_type == Some(id))
                }
                _ => false,
            })?;
            let without = |spec: &mut VmSpec| spec.instance_type = spec.instance_type.filter(|it| *it != id);
            let mut changes = world.rows_without(without, |_| ());
            changes.push(Change::DropInstanceType(id));
            Ok(changes)
        })
        .await?;
        let text = format!("Instance type {name} was removed.");
        self.tell(Code::INSTANCE_TYPE_REMOVED, About::default(), text);
        Ok(())
    }
}
