//! Who may do what: permissions as they hold for a user, from the object upwards.

use super::Engine;
use super::caller::Caller;
use super::world::{Change, World};
use crate::model::roles::{self, SUPER_USER};
use crate::model::*;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Everything that a user has permissions for.
#[derive(Debug, Default)]
pub struct Reach {
    user: Option<UserId>,
    roles: BTreeMap<Object, Vec<Role>>,
    /// What lies above objects that the user has something on: the ways to them.
    ways: BTreeSet<Object>,
    /// Data centers of VMs that the user has something on: with a VM go the storage domains for its media.
    homes: BTreeSet<Object>,
    /// Where users may make things: they see what is there to make them in.
    makes_in: BTreeSet<Object>,
}

impl World {
    pub fn role(&self, id: RoleId) -> Option<&Role> {
        self.roles.get(&id).or_else(|| roles::predefined(id))
    }

    /// What an object is part of, the nearest first, without itself.
    pub fn above(&self, object: Object) -> Vec<Object> {
        let mut found = Vec::new();
        self.climb(object, &mut found);
        found
    }

    fn climb(&self, object: Object, found: &mut Vec<Object>) {
        fn of<I: Copy + Ord, T>(rows: &BTreeMap<I, T>, id: I, up: impl Fn(&T) -> Object) -> Vec<Object> {
            rows.get(&id).map(up).into_iter().collect()
        }
        let id = object.id;
        let next = match object.kind {
            ObjectKind::System => return,
            ObjectKind::Vm => match self.vms.get(&VmId(id)) {
                Some(vm) => vec![vm.cluster.into()],
                // One that somebody else made is where everything is.
                None => self.clusters.keys().take(1).map(|id| Object::from(*id)).collect(),
            },
            ObjectKind::Cluster => of(&self.clusters, ClusterId(id), |it| it.data_center.into()),
            ObjectKind::Host => of(&self.hosts, HostId(id), |it| it.cluster.into()),
            ObjectKind::StorageDomain => of(&self.storage_domains, StorageDomainId(id), |it| {
                it.data_center.map_or(Object::SYSTEM, Object::from)
            }),
            ObjectKind::Network => of(&self.networks, NetworkId(id), |it| it.data_center.into()),
            ObjectKind::VnicProfile => of(&self.vnic_profiles, VnicProfileId(id), |it| it.network.into()),
            ObjectKind::DiskProfile => {
                of(&self.disk_profiles, DiskProfileId(id), |it| it.storage_domain.into())
            }
            ObjectKind::CpuProfile => of(&self.cpu_profiles, CpuProfileId(id), |it| it.cluster.into()),
            ObjectKind::Quota => of(&self.quotas, QuotaId(id), |it| it.data_center.into()),
            ObjectKind::Disk => {
                let home = |it: &Disk| match it.lun {
                    None => it.storage_domain.into(),
                    Some(_) => Object::SYSTEM,
                };
                let vms = self.attachments_of(DiskId(id)).map(|attachment| Object::from(attachment.vm));
                of(&self.disks, DiskId(id), home).into_iter().chain(vms).collect()
            }
            ObjectKind::VmPool => of(&self.vm_pools, VmPoolId(id), |it| it.cluster.into()),
            ObjectKind::Template => match self.templates.get(&TemplateId(id)) {
                Some(template) => self.homes_of(template),
                None => vec![Object::SYSTEM],
            },
            ObjectKind::DataCenter | ObjectKind::User | ObjectKind::Group => vec![Object::SYSTEM],
        };
        for object in next {
            if !found.contains(&object) {
                found.push(object);
                self.climb(object, found);
            }
        }
    }

    /// The data centers that a template is for or whose storage has its disks; else it is everywhere.
    fn homes_of(&self, template: &Template) -> Vec<Object> {
        let cluster = template.cluster.and_then(|id| self.clusters.get(&id)).map(|it| it.data_center);
        let disks = template.disks.iter().filter_map(|id| self.disks.get(id));
        let domains = disks.filter_map(|disk| self.storage_domains.get(&disk.storage_domain));
        let homes: BTreeSet<_> = domains.filter_map(|it| it.data_center).chain(cluster).collect();
        match homes.is_empty() {
            true => vec![Object::SYSTEM],
            false => homes.into_iter().map(Object::from).collect(),
        }
    }

    pub fn reach(&self, user: UserId) -> Reach {
        let mut reach = Reach { user: Some(user), ..Reach::default() };
        let of_group = |holder| self.members.contains(&Member { user, member_of: GroupId(holder) });
        let holds = |it: &&Permission| it.holder == user.0 || it.holder == EVERYONE || of_group(it.holder);
        for permission in self.permissions.values().filter(holds) {
            if let Some(role) = self.role(permission.role) {
                let on = permission.on();
                reach.roles.entry(on).or_default().push(role.clone());
                // What everybody has shows nobody the way.
                if permission.holder != EVERYONE {
                    let above = self.above(on);
                    if on.kind == ObjectKind::Vm {
                        reach.homes.extend(above.iter().filter(|it| it.kind == ObjectKind::DataCenter));
                    }
                    reach.ways.extend(above.into_iter().filter(|above| *above != Object::SYSTEM));
                    if !role.administrative && matches!(on.kind, ObjectKind::System | ObjectKind::DataCenter)
                    {
                        reach.makes_in.insert(on);
                    }
                }
            }
        }
        reach
    }

    /// Is there somebody else who may do everything?
    pub(super) fn has_other_super_user(&self, but: impl Fn(&Permission) -> bool) -> bool {
        self.permissions.values().any(|it| {
            let user = self.users.contains_key(&UserId(it.holder));
            it.role == SUPER_USER && it.kind == ObjectKind::System && user && !but(it)
        })
    }
}

impl Reach {
    fn on(&self, object: Object) -> impl Iterator<Item = &Role> {
        self.roles.get(&object).into_iter().flatten()
    }

    /// May do everything everywhere.
    pub fn is_super_user(&self) -> bool {
        self.on(Object::SYSTEM).any(|role| role.id == SUPER_USER)
    }

    /// Has an administrative role on something, and with it the view of administrators.
    pub fn is_administrator(&self) -> bool {
        self.roles.values().flatten().any(|role| role.administrative)
    }

    pub fn permits(&self, world: &World, permit: u16, object: Object) -> bool {
        let has =
            |object| self.on(object).any(|role| role.id == SUPER_USER || role.permits.contains(&permit));
        has(object) || world.above(object).into_iter().any(has)
    }

    pub fn sees(&self, world: &World, object: Object) -> bool {
        let own = self.user.is_some_and(|user| object == user.into()) || object.id == EVERYONE;
        if own || self.on(object).next().is_some() {
            return true;
        }
        let above = world.above(object);
        match object.kind {
            // Where something of the user's is.
            ObjectKind::DataCenter | ObjectKind::Cluster | ObjectKind::StorageDomain
                if self.ways.contains(&object) || above.iter().any(|above| self.makes_in.contains(above)) =>
            {
                return true;
            }
            ObjectKind::StorageDomain if above.iter().any(|above| self.homes.contains(above)) => return true,
            // What belongs to a place is seen with it.
            ObjectKind::Network
            | ObjectKind::VnicProfile
            | ObjectKind::DiskProfile
            | ObjectKind::CpuProfile
            | ObjectKind::Quota => {
                return above.iter().any(|above| {
                    *above != Object::SYSTEM && self.sees(world, *above) || self.shows_below(*above)
                });
            }
            ObjectKind::Host | ObjectKind::User | ObjectKind::Group => {
                return above
                    .iter()
                    .any(|above| self.on(*above).any(|role| role.administrative && role.sees_below));
            }
            // A disk is seen with each VM that has it.
            ObjectKind::Disk if above.iter().any(|it| it.kind == ObjectKind::Vm && self.sees(world, *it)) => {
                return true;
            }
            _ => {}
        }
        above.into_iter().any(|above| self.shows_below(above))
    }

    fn shows_below(&self, object: Object) -> bool {
        self.on(object).any(|role| role.sees_below)
    }
}

impl World {
    /// The permissions on one object, for another that is made of it. Who owns the one has made it; the
    /// other has an owner of its own.
    pub(super) fn grants(&self, from: Object, to: Object) -> Vec<Change> {
        let owner = |role| role == roles::VM_OWNER || role == roles::TEMPLATE_OWNER;
        let on = self.permissions.values().filter(|it| it.on() == from && !owner(it.role));
        on.map(|it| Change::Permission(Permission::new(it.role, it.holder, to))).collect()
    }
}

impl Engine {
    /// The permission of who makes something, unless it may do everything anyway.
    pub(super) fn ownership(&self, world: &World, role: RoleId, object: Object) -> Option<Change> {
        let user = Caller::present().user.filter(|user| !world.reach(*user).is_super_user())?;
        Some(Change::Permission(Permission::new(role, user.0, object)))
    }

    /// The name of a permission's holder.
    pub fn holder_name(&self, holder: Uuid) -> String {
        match holder == EVERYONE {
            true => "Everyone".into(),
            false => self
                .user_name(UserId(holder))
                .or_else(|| self.group_name(GroupId(holder)))
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_on_one_vm_reaches_nothing_else() {
        let (mine, other, cluster, dc) =
            (VmId::random(), VmId::random(), ClusterId::random(), DataCenterId::random());
        let user = UserId::random();
        let mut world = World::default();
        world.clusters.insert(
            cluster,
            Cluster {
                id: cluster,
                name: "c".into(),
                description: String::new(),
                comment: String::new(),
                data_center: dc,
            },
        );
        for id in [mine, other] {
            let vm = Vm::new(id, cluster, BLANK, jiff::Timestamp::UNIX_EPOCH, VmSpec::default());
            world.vms.insert(id, vm);
        }
        let permission = |role, object| Permission::new(role, user.0, object);
        world.apply(&Change::Permission(permission(roles::VM_OWNER, mine.into())));
        let reach = world.reach(user);
        assert!(reach.sees(&world, mine.into()) && reach.permits(&world, 22, mine.into()));
        assert!(!reach.sees(&world, other.into()) && !reach.permits(&world, 22, other.into()));
        assert!(reach.sees(&world, cluster.into()) && !reach.permits(&world, 401, cluster.into()));
        assert!(!reach.is_administrator());
        world.apply(&Change::Permission(permission(SUPER_USER, Object::SYSTEM)));
        let reach = world.reach(user);
        assert!(reach.is_super_user() && reach.sees(&world, other.into()));
        assert!(reach.permits(&world, 401, cluster.into()));
        world.apply(&Change::DropVm(mine));
        assert_eq!(world.permissions.len(), 1, "permissions go with their object");
    }
}
