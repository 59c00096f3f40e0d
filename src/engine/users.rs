//! Users of the profile `internal`, roles made by users, and permissions.

use super::caller::Caller;
use super::world::{Change, User, World};
use super::{Engine, accounts};
use crate::error::{Error, Result};
use crate::model::access::check_name;
use crate::model::permits;
use crate::model::roles::predefined;
use crate::model::*;
use uuid::Uuid;

/// The only directory of users that there is.
pub const INTERNAL: &str = "internal";

/// What a client says of a role; `None` is not mentioned.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub administrative: Option<bool>,
    pub permits: Option<Vec<u16>>,
}

fn own_role(world: &World, id: RoleId) -> Result<Role> {
    match (world.roles.get(&id), predefined(id)) {
        (Some(role), _) => Ok(role.clone()),
        (None, Some(_)) => Err(Error::conflict("Cannot change Role. A predefined role never changes.")),
        (None, None) => Err(Error::not_found(id)),
    }
}

fn check_role(world: &World, role: &Role) -> Result<()> {
    check_name("role", &role.name).map_err(Error::invalid)?;
    if role.permits.is_empty() {
        return Err(Error::invalid("Cannot add Role. A role has at least one permit."));
    }
    // Those that it had already do not keep it from losing others.
    let had = world.roles.get(&role.id).filter(|before| !before.administrative);
    let new = role.permits.iter().filter(|it| had.is_none_or(|before| !before.permits.contains(it)));
    let above = new.copied().find_map(permits::administrative);
    if let Some(permit) = above.filter(|_| !role.administrative) {
        return Err(Error::conflict(format!(
            "Cannot add Role. The permit {permit} is for administrative roles."
        )));
    }
    let taken = roles::PREDEFINED.iter().chain(world.roles.values());
    match taken.into_iter().any(|other| other.id != role.id && other.name == role.name) {
        true => Err(Error::conflict("Cannot add Role. The name is already in use.")),
        false => Ok(()),
    }
}

impl World {
    /// The rows of a new user in those groups, when its name is free.
    pub(super) fn new_user(
        &self,
        name: &str,
        hash: String,
        groups: &[GroupId],
    ) -> Result<(UserId, Vec<Change>)> {
        check_name("user", name).map_err(Error::invalid)?;
        if self.user_named(name).is_some() {
            return Err(Error::conflict("Cannot add User. The name is already in use."));
        }
        let id = UserId::random();
        let user = User { id, name: name.to_owned(), profile: INTERNAL.into(), password: hash };
        let members = groups.iter().map(|group| match self.groups.contains_key(group) {
            true => Ok(Change::Member(Member { user: id, member_of: *group })),
            false => Err(Error::not_found(format!("Group: id={group}"))),
        });
        Ok((id, std::iter::once(Ok(Change::User(user))).chain(members).collect::<Result<_>>()?))
    }

    /// The rows of a user's removal, which its permissions go with.
    pub(super) fn without_user(&self, id: UserId) -> Result<Vec<Change>> {
        self.users.get(&id).ok_or_else(|| Error::not_found(id))?;
        match self.has_other_super_user(|it| it.holder == id.0) {
            true => Ok(vec![Change::DropUser(id)]),
            false => Err(Error::conflict("Cannot remove User. It is the last one who may do everything.")),
        }
    }

    /// Refuses who gives or takes what administrators have, but for who may do everything.
    fn check_arranges(&self, role: &Role) -> Result<()> {
        let own = predefined(role.id).is_none();
        let above = own && role.permits.iter().any(|it| permits::administrative(*it).is_some());
        match Caller::present().user {
            Some(user) if role.administrative || above => match self.reach(user).is_super_user() {
                true => Ok(()),
                false => Err(Error::denied()),
            },
            _ => Ok(()),
        }
    }

    /// A user of the engine's own directory, by its name without the profile.
    pub(super) fn user_named(&self, name: &str) -> Option<&User> {
        self.users.values().find(|user| user.name == name && user.profile == INTERNAL)
    }
}

impl Engine {
    /// Adds a user, and to those groups.
    pub async fn add_user(&self, name: String, password: String, groups: &[GroupId]) -> Result<UserId> {
        // Refused before the work that a hash is.
        self.world().new_user(&name, String::new(), groups)?;
        accounts::check_password(&password)?;
        let hash = accounts::hash(password).await?;
        let mut added = None;
        self.record(|world| {
            let (id, changes) = world.new_user(&name, hash, groups)?;
            added = Some(id);
            Ok(changes)
        })
        .await?;
        self.tell(Code::USER_ADDED, About::default(), format!("User {name}@{INTERNAL} was added."));
        added.ok_or_else(|| Error::bug("a user without an id was recorded"))
    }

    /// Removes a user with its permissions.
    pub async fn remove_user(&self, id: UserId) -> Result<()> {
        let name = self.user_name(id).ok_or_else(|| Error::not_found(id))?;
        self.record(|world| world.without_user(id)).await?;
        self.tell(Code::USER_REMOVED, About::default(), format!("User {name} was removed."));
        Ok(())
    }

    pub async fn add_role(&self, change: RoleChange) -> Result<RoleId> {
        let administrative = change.administrative.unwrap_or(false);
        let role = Role {
            id: RoleId::random(),
            name: change.name.unwrap_or_default(),
            description: change.description.unwrap_or_default(),
            administrative,
            sees_below: true,
            permits: change.permits.unwrap_or_default(),
        };
        let (id, name) = (role.id, role.name.clone());
        self.record(|world| check_role(world, &role).map(|()| vec![Change::Role(role)])).await?;
        self.tell(Code::ROLE_ADDED, About::default(), format!("Role {name} was added."));
        Ok(id)
    }

    pub async fn update_role(&self, id: RoleId, change: impl FnOnce(&mut Role)) -> Result<()> {
        let name = self.role_name(id);
        self.record(|world| {
            let mut role = own_role(world, id)?;
            // Who has such a role would give to themselves what they may not give to others.
            world.check_arranges(&role)?;
            change(&mut role);
            world.check_arranges(&role)?;
            check_role(world, &role)?;
            Ok(vec![Change::Role(role)])
        })
        .await?;
        self.tell(Code::ROLE_UPDATED, About::default(), format!("Role {name} was updated."));
        Ok(())
    }

    fn role_name(&self, id: RoleId) -> String {
        self.world().role(id).map(|role| role.name.clone()).unwrap_or_default()
    }

    pub async fn remove_role(&self, id: RoleId) -> Result<()> {
        let name = self.role_name(id);
        self.record(|world| {
            own_role(world, id)?;
            match world.permissions.values().any(|permission| permission.role == id) {
                true => Err(Error::conflict("Cannot remove Role. Somebody has it.")),
                false => Ok(vec![Change::DropRole(id)]),
            }
        })
        .await?;
        self.tell(Code::ROLE_REMOVED, About::default(), format!("Role {name} was removed."));
        Ok(())
    }

    /// Gives somebody a role on an object; that it is there is the caller's to know. Administrative
    /// ones are for those to give who may do everything.
    pub async fn add_permission(&self, role: RoleId, holder: Uuid, object: Object) -> Result<PermissionId> {
        let permission = Permission::new(role, holder, object);
        let id = permission.id;
        self.record(|world| {
            let given = world.role(role).ok_or_else(|| Error::not_found(format!("Role: id={role}")))?;
            let known =
                world.users.contains_key(&UserId(holder)) || world.groups.contains_key(&GroupId(holder));
            if holder != EVERYONE && !known {
                return Err(Error::not_found(format!("User: id={holder}")));
            }
            world.check_arranges(given)?;
            if object.kind == ObjectKind::Vm && world.pool_of(VmId(object.id)).is_some() {
                return Err(Error::conflict(
                    "Cannot add Permission. The VM is a member of a pool, which gives it to its users.",
                ));
            }
            let same = |it: &Permission| (it.role, it.holder, it.on()) == (role, holder, object);
            match world.permissions.values().any(same) {
                true => Err(Error::conflict("Cannot add Permission. It is there already.")),
                false => Ok(vec![Change::Permission(permission)]),
            }
        })
        .await?;
        let text = format!("{} was given the role {}.", self.holder_name(holder), self.role_name(role));
        self.tell(Code::PERMISSION_ADDED, self.about_object(object), text);
        Ok(id)
    }

    pub async fn remove_permission(&self, id: PermissionId) -> Result<()> {
        let gone = self.world().permissions.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
        self.record(|world| {
            let permission = world.permissions.get(&id).ok_or_else(|| Error::not_found(id))?;
            world.role(permission.role).map_or(Ok(()), |role| world.check_arranges(role))?;
            let counts = permission.role == roles::SUPER_USER && permission.kind == ObjectKind::System;
            match counts && !world.has_other_super_user(|it| it.id == id) {
                true => Err(Error::conflict("Cannot remove Permission. Nobody else may do everything.")),
                false => Ok(vec![Change::DropPermission(id)]),
            }
        })
        .await?;
        let text = format!("{} lost the role {}.", self.holder_name(gone.holder), self.role_name(gone.role));
        self.tell(Code::PERMISSION_REMOVED, self.about_object(gone.on()), text);
        Ok(())
    }
}
