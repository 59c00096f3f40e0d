//! Pools of VMs: made over a template, given to who asks, and taken back. Their runs are stateless.
//!
//! Each VM of a pool is made and removed by an operation of its own: a pool whose making was cut
//! short has fewer VMs, and a client that asks for its size again gets the rest.

use super::journal::changed_vm;
use super::locks::{Entity, Guard, Mode};
use super::world::{Change, World};
use super::{DiskCopies, Engine, NewVm, Source, StartOptions};
use crate::error::{Error, Kind, Result};
use crate::model::change::put_over;
use crate::model::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a client says of a pool; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct PoolChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub comment: Option<String>,
    pub kind: Option<PoolKind>,
    pub max_user_vms: Option<u32>,
    pub prestarted_vms: Option<u32>,
    pub newest_version: Option<bool>,
    pub hardware: Option<PoolHardware>,
    pub size: Option<u32>,
}

/// By what pools give VMs away.
fn is_use(permission: &Permission) -> bool {
    permission.kind == ObjectKind::Vm && permission.role == roles::USER
}

impl World {
    /// The VMs of a pool by their names.
    pub fn pool_vms(&self, id: VmPoolId) -> Vec<&Vm> {
        let members = self.pooled.iter().filter(|it| it.pool == id);
        let mut found: Vec<&Vm> = members.filter_map(|it| self.vms.get(&it.vm)).collect();
        found.sort_by(|a, b| (a.spec.name.len(), &a.spec.name).cmp(&(b.spec.name.len(), &b.spec.name)));
        found
    }

    pub fn pool_of(&self, vm: VmId) -> Option<VmPoolId> {
        let of = |pool| Pooled { vm, pool: VmPoolId(pool) };
        self.pooled.range(of(uuid::Uuid::nil())..=of(uuid::Uuid::max())).next().map(|it| it.pool)
    }

    /// By what users have the VMs that they were given.
    pub(super) fn given(&self, vm: VmId) -> impl Iterator<Item = &Permission> {
        self.permissions.values().filter(move |it| is_use(it) && it.object == vm.0)
    }

    /// `size` is how many VMs the pool is to have.
    fn check_pool(&self, pool: &VmPool, size: u32) -> Result<()> {
        pool.check().map_err(Error::invalid)?;
        if pool.prestarted_vms > size {
            return Err(Error::invalid(
                "The number of prestarted VMs cannot exceed the number of VMs in the VM-Pool.",
            ));
        }
        self.clusters
            .get(&pool.cluster)
            .ok_or_else(|| Error::not_found(format!("Cluster: {}", pool.cluster)))?;
        match self.vm_pools.values().any(|other| other.id != pool.id && other.name == pool.name) {
            true => Err(Error::new(
                Kind::Exists,
                "Cannot add VM-Pool. The name is already in use, please choose a unique name and try again.",
            )),
            false => Ok(()),
        }
    }
}

impl Engine {
    pub fn vm_pool(&self, id: VmPoolId) -> Result<VmPool> {
        self.world().vm_pools.get(&id).cloned().ok_or_else(|| Error::not_found(id))
    }

    pub async fn add_vm_pool(
        self: &Arc<Self>,
        cluster: ClusterId,
        template: TemplateId,
        change: PoolChange,
    ) -> Result<VmPoolId> {
        let pool = VmPool {
            id: VmPoolId::random(),
            name: change.name.unwrap_or_default(),
            description: change.description.unwrap_or_default(),
            comment: change.comment.unwrap_or_default(),
            cluster,
            template,
            newest_version: change.newest_version.unwrap_or(false),
            kind: change.kind.unwrap_or(PoolKind::Automatic),
            max_user_vms: change.max_user_vms.unwrap_or(1),
            prestarted_vms: change.prestarted_vms.unwrap_or(0),
            hardware: change.hardware.unwrap_or_default(),
        };
        let (id, name, size) = (pool.id, pool.name.clone(), change.size.unwrap_or(0));
        let _guard = self.hold_pool("create VM pool", id).await?;
        self.record(|world| {
            world.check_pool(&pool, size)?;
            if !world.has_template(template) {
                return Err(Error::not_found(format!("Template: id={template}")));
            }
            Ok(vec![Change::VmPool(pool)])
        })
        .await?;
        let grown = self.grow_pool(id, size).await;
        if grown.is_err() && self.world().pool_vms(id).is_empty() {
            self.record(|_| Ok(vec![Change::DropVmPool(id)])).await?;
        }
        grown?;
        self.pools_taken_from.notify_one();
        let about = self.world().about_cluster(cluster);
        self.tell(Code::VM_POOL_ADDED, about, format!("VM pool {name} was added."));
        Ok(id)
    }

    pub async fn update_vm_pool(self: &Arc<Self>, id: VmPoolId, change: PoolChange) -> Result<()> {
        let _guard = self.hold_pool("update VM pool", id).await?;
        let before = self.vm_pool(id)?;
        let mut pool = before.clone();
        put_over!(
            pool,
            change,
            name,
            description,
            comment,
            kind,
            max_user_vms,
            prestarted_vms,
            newest_version,
            hardware
        );
        let (name, cluster) = (pool.name.clone(), pool.cluster);
        let size_of = |world: &World| {
            world.vm_pools.get(&id).ok_or_else(|| Error::not_found(id))?;
            let present = u32::try_from(world.pool_vms(id).len()).unwrap_or(u32::MAX);
            let size = change.size.unwrap_or(present);
            world.check_pool(&pool, size)?;
            match size < present {
                true => Err(Error::invalid(
                    "Cannot edit VM-Pool. The size of a pool does not decrease: detach VMs.",
                )),
                false => Ok(size),
            }
        };
        if pool.hardware != before.hardware {
            size_of(&self.world())?;
            // First: a client that asks again after one of them failed gets the rest.
            self.equip_pool(id, &pool.hardware).await?;
        }
        let mut size = 0;
        self.record(|world| {
            size = size_of(world)?;
            Ok(vec![Change::VmPool(pool.clone())])
        })
        .await?;
        self.grow_pool(id, size).await?;
        self.pools_taken_from.notify_one();
        let about = self.world().about_cluster(cluster);
        self.tell(Code::VM_POOL_UPDATED, about, format!("VM pool {name} was updated."));
        Ok(())
    }

    /// One at a time makes its VMs, and writes its row.
    async fn hold_pool(&self, operation: &'static str, id: VmPoolId) -> Result<Guard> {
        self.take(operation, &[(Entity::VmPool(id), Mode::Exclusive)]).await
    }

    /// Gives the VMs that are there what new ones get: those that run have it from their next run on.
    async fn equip_pool(self: &Arc<Self>, id: VmPoolId, hardware: &PoolHardware) -> Result<()> {
        let vms: Vec<VmId> = self.world().pool_vms(id).iter().map(|vm| vm.id).collect();
        for vm in vms {
            let equip = |spec: &mut VmSpec| {
                hardware.over(spec);
                Ok(())
            };
            self.update_vm(vm, true, equip).await?;
        }
        Ok(())
    }

    /// Makes VMs until the pool has so many.
    async fn grow_pool(self: &Arc<Self>, id: VmPoolId, size: u32) -> Result<()> {
        if size > VmPool::MAX_SIZE {
            return Err(Error::invalid(format!("A pool has at most {} VMs.", VmPool::MAX_SIZE)));
        }
        let mut number = 0;
        while self.world().pool_vms(id).len() < size as usize {
            let pool = self.vm_pool(id)?;
            let template = match pool.newest_version {
                true => self.world().newest_version(pool.template),
                false => pool.template,
            };
            let source = Source::Template { id: template, clone: false };
            let mut spec = self.spec_of(source)?;
            spec.newest_version = pool.newest_version;
            pool.hardware.over(&mut spec);
            spec.name = {
                let world = self.world();
                let mut names = std::iter::repeat_with(|| {
                    number += 1;
                    pool.vm_name(number)
                });
                names.find(|name| world.vm_named(name).is_none()).unwrap_or_default()
            };
            let (cluster, disks) = (pool.cluster, DiskCopies::default());
            let new = NewVm { cluster, source, spec, disks, grants_of: None, pool: Some(id) };
            self.create_vm(new).await?.finished().await?;
        }
        Ok(())
    }

    /// Removes a pool with its VMs, none of which runs.
    pub async fn remove_vm_pool(self: &Arc<Self>, id: VmPoolId) -> Result<()> {
        let _guard = self.hold_pool("remove VM pool", id).await?;
        let pool = self.vm_pool(id)?;
        let vms: Vec<VmId> = self.world().pool_vms(id).iter().map(|vm| vm.id).collect();
        if vms.iter().any(|vm| self.status(*vm) != VmStatus::Down) {
            return Err(Error::conflict(
                "Cannot remove VM-Pool. Stop all VMs in the pool first and try again.",
            ));
        }
        for vm in vms {
            self.remove_any_vm(vm, false, false).await?;
        }
        self.record(|world| match world.pool_vms(id).is_empty() {
            true => Ok(vec![Change::DropVmPool(id)]),
            false => Err(Error::busy("add VM to pool")),
        })
        .await?;
        let about = self.world().about_cluster(pool.cluster);
        self.tell(Code::VM_POOL_REMOVED, about, format!("VM pool {} was removed.", pool.name));
        Ok(())
    }

    /// Gives the user a VM of the pool that nobody has: one that runs already, or else one that starts.
    pub async fn allocate_vm(self: &Arc<Self>, id: VmPoolId, user: UserId) -> Result<VmId> {
        let pool = self.vm_pool(id)?;
        let _giving = self.giving.read().await;
        let (mut chosen, mut runs) = (None, false);
        self.record(|world| {
            let mine = |vm: &&Vm| world.given(vm.id).any(|it| it.holder == user.0);
            let all = world.pool_vms(id);
            if all.iter().copied().filter(|vm| mine(vm)).count() >= pool.max_user_vms as usize {
                return Err(Error::conflict(
                    "Cannot allocate and run VM from VM-Pool. The user has as many VMs of it as it may.",
                ));
            }
            let ahead = all.iter().find(|vm| self.is_ahead(world, vm));
            let vm =
                ahead.or_else(|| all.iter().find(|vm| self.waits_in_pool(world, vm))).ok_or_else(|| {
                    Error::conflict(
                        "Cannot allocate and run VM from VM-Pool. There are no available VMs in the VM-Pool.",
                    )
                })?;
            (chosen, runs) = (Some(vm.id), ahead.is_some());
            let mut changes = changed_vm(world, vm.id, |vm| vm.taken = true);
            changes.push(Change::Permission(Permission::new(roles::USER, user.0, vm.id.into())));
            Ok(changes)
        })
        .await?;
        let vm = chosen.ok_or_else(|| Error::bug("nothing was chosen"))?;
        if !runs
            && let Err(why) = self.start_vm(vm, StartOptions::of_pool()).await
            // It may have been on its way for whoever comes.
            && !self.runs(vm)
        {
            self.take_back(vm).await?;
            self.note_vm(vm, |vm| vm.taken = false).await;
            return Err(why);
        }
        self.pools_taken_from.notify_one();
        self.tell_of_vm(
            Code::VM_ALLOCATED,
            vm,
            &format!("was given to {} from its pool", self.holder_name(user.0)),
        );
        Ok(vm)
    }

    /// A VM whose run is over goes back to its pool, if that one takes them back by itself.
    pub(super) async fn return_to_pool(&self, vm: VmId) {
        let automatic = {
            let world = self.world();
            let pool = world.pool_of(vm).and_then(|id| world.vm_pools.get(&id));
            pool.is_some_and(|pool| pool.kind == PoolKind::Automatic)
        };
        if automatic && let Err(why) = self.take_back(vm).await {
            tracing::warn!(vm = %vm, "a VM could not go back to its pool: {why}");
        }
    }

    async fn take_back(&self, vm: VmId) -> Result<()> {
        self.record(|world| Ok(world.given(vm).map(|it| Change::DropPermission(it.id)).collect())).await
    }

    /// Takes VMs back whose start came to nothing after they had been given away. Those of manual pools stay
    /// with their users while they are down.
    pub(super) async fn return_those_down(&self) {
        let Ok(_nobody_gives) = self.giving.try_write() else { return };
        let given: BTreeSet<VmId> = {
            let world = self.world();
            let used = world.permissions.values().filter(|it| is_use(it)).map(|it| VmId(it.object));
            used.filter(|vm| world.pool_of(*vm).is_some()).collect()
        };
        for vm in given {
            if self.status(vm) == VmStatus::Down {
                self.return_to_pool(vm).await;
            }
        }
    }

    /// The VM is one like any other from now on; who has it keeps it.
    pub async fn detach_from_pool(&self, vm: VmId) -> Result<()> {
        self.vm(vm)?;
        if self.status(vm) != VmStatus::Down {
            return Err(Error::conflict("Cannot detach VM from VM-Pool. The VM is running."));
        }
        self.record(|world| match world.pool_of(vm) {
            Some(pool) => Ok(vec![Change::DropPooled(Pooled { vm, pool })]),
            None => Err(Error::conflict("Cannot detach VM. The VM is not a member of a pool.")),
        })
        .await?;
        self.inventory.touch(vm);
        self.tell_of_vm(Code::VM_DETACHED_FROM_POOL, vm, "was detached from its pool");
        Ok(())
    }
}
