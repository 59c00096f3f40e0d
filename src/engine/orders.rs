//! What the host's administrator asks for at the shell: users and groups of the engine's own
//! directory. Orders are the same with a daemon, which keeps the world in memory, and without one.

use super::ports::{Durability, Store};
use super::world::{Change, World};
use super::{Engine, accounts};
use crate::error::{Error, Result};
use crate::model::*;
use serde::{Deserialize, Serialize};

/// Names are without the profile.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    ListUsers,
    AddUser {
        name: String,
        password: String,
        groups: Vec<String>,
        /// A role on everything.
        role: Option<String>,
    },
    SetPassword {
        name: String,
        password: String,
    },
    RemoveUser {
        name: String,
    },
    ListGroups,
    AddGroup {
        name: String,
    },
    RemoveGroup {
        name: String,
    },
    Join {
        group: String,
        user: String,
    },
    Leave {
        group: String,
        user: String,
    },
}

/// What comes of an order: rows to write, what the administrator reads, and what is told to all.
struct Outcome {
    changes: Vec<Change>,
    said: Vec<String>,
    event: Option<(Code, String)>,
}

impl Order {
    fn password(&self) -> Option<&str> {
        match self {
            Self::AddUser { password, .. } | Self::SetPassword { password, .. } => Some(password),
            _ => None,
        }
    }

    /// `hash` is what is kept of the order's password.
    fn plan(&self, world: &World, hash: String) -> Result<Outcome> {
        self.password().map_or(Ok(()), accounts::check_password)?;
        let user = |name: &str| {
            let found = world.user_named(name).map(|user| user.id);
            found.ok_or_else(|| Error::not_found(format!("User: name={name}")))
        };
        let group = |name: &str| {
            let found = world.group_named(name).map(|group| group.id);
            found.ok_or_else(|| Error::not_found(format!("Group: name={name}")))
        };
        let done = |changes, code, text: String| {
            Ok(Outcome { changes, said: vec![text.clone()], event: Some((code, text)) })
        };
        match self {
            Self::ListUsers => {
                let mut said: Vec<String> =
                    world.users.values().map(|user| described(world, user.id)).collect();
                said.sort();
                Ok(Outcome { changes: vec![], said, event: None })
            }
            Self::AddUser { name, groups, role, .. } => {
                let groups = groups.iter().map(|name| group(name)).collect::<Result<Vec<_>>>()?;
                let (id, mut changes) = world.new_user(name, hash, &groups)?;
                if let Some(role) = role {
                    let role = role_named(world, role)?;
                    changes.push(Change::Permission(Permission::new(role, id.0, Object::SYSTEM)));
                }
                done(changes, Code::USER_ADDED, format!("User {name}@internal was added."))
            }
            Self::SetPassword { name, .. } => {
                let row = world.users[&user(name)?].clone();
                let changes = vec![Change::User(super::world::User { password: hash, ..row })];
                done(changes, Code::USER_PASSWORD, format!("User {name}@internal has a new password."))
            }
            Self::RemoveUser { name } => {
                let changes = world.without_user(user(name)?)?;
                done(changes, Code::USER_REMOVED, format!("User {name}@internal was removed."))
            }
            Self::ListGroups => {
                let members = |group: &Group| {
                    let of_it = world.members.iter().filter(|it| it.member_of == group.id);
                    let mut names: Vec<&str> =
                        of_it.filter_map(|it| world.users.get(&it.user)).map(|it| it.name.as_str()).collect();
                    names.sort_unstable();
                    format!("{}\t{}", group.name, names.join(","))
                };
                let mut said: Vec<String> = world.groups.values().map(members).collect();
                said.sort();
                Ok(Outcome { changes: vec![], said, event: None })
            }
            Self::AddGroup { name } => {
                let changes = vec![Change::Group(world.new_group(name)?)];
                done(changes, Code::USER_ADDED, format!("Group {name} was added."))
            }
            Self::RemoveGroup { name } => {
                let changes = vec![Change::DropGroup(group(name)?)];
                done(changes, Code::USER_REMOVED, format!("Group {name} was removed."))
            }
            Self::Join { group: into, user: who } => {
                let changes = vec![Change::Member(Member { user: user(who)?, member_of: group(into)? })];
                done(changes, Code::USER_GROUPS, format!("User {who}@internal is in group {into} now."))
            }
            Self::Leave { group: out, user: who } => {
                let member = Member { user: user(who)?, member_of: group(out)? };
                if !world.members.contains(&member) {
                    return Err(Error::conflict(format!("User {who} is not in group {out}.")));
                }
                let text = format!("User {who}@internal is no longer in group {out}.");
                done(vec![Change::DropMember(member)], Code::USER_GROUPS, text)
            }
        }
    }

    /// Carries the order out on a store that no daemon has.
    pub fn obey_alone(&self, store: &dyn Store) -> Result<Vec<String>> {
        let hash = self.password().map(accounts::hashed).transpose()?.unwrap_or_default();
        let mut world = World::default();
        store.load()?.iter().for_each(|row| world.apply(row));
        if world.users.is_empty() {
            return Err(Error::conflict("There is no state yet: start the daemon once."));
        }
        let outcome = self.plan(&world, hash)?;
        store.commit(&outcome.changes, Durability::Synced)?;
        Ok(outcome.said)
    }
}

/// A user's name, its groups, and its roles on everything.
fn described(world: &World, id: UserId) -> String {
    let name = world.users.get(&id).map(|user| format!("{}@{}", user.name, user.profile));
    let groups: Vec<&str> = world.groups_of(id).into_iter().map(|group| group.name.as_str()).collect();
    let own = world.permissions.values().filter(|it| it.holder == id.0 && it.on() == Object::SYSTEM);
    let mut roles: Vec<&str> =
        own.filter_map(|it| world.role(it.role)).map(|role| role.name.as_str()).collect();
    roles.sort_unstable();
    format!("{}\t{}\t{}", name.unwrap_or_default(), roles.join(","), groups.join(","))
}

fn role_named(world: &World, name: &str) -> Result<RoleId> {
    let mut all = roles::PREDEFINED.iter().chain(world.roles.values());
    let found = all.find(|role| role.name == name).map(|role| role.id);
    found.ok_or_else(|| Error::not_found(format!("Role: name={name}")))
}

impl Engine {
    /// Carries the order out; gives what the administrator reads.
    pub async fn obey(&self, order: Order) -> Result<Vec<String>> {
        // Refused before the work that a hash is.
        order.plan(&self.world(), String::new())?;
        let hash = match order.password() {
            Some(password) => accounts::hash(password.to_owned()).await?,
            None => String::new(),
        };
        let (mut said, mut event) = (Vec::new(), None);
        self.record(|world| {
            let outcome = order.plan(world, hash)?;
            (said, event) = (outcome.said, outcome.event);
            Ok(outcome.changes)
        })
        .await?;
        if let Some((code, text)) = event {
            self.tell(code, About::default(), text);
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::MemoryStore;

    #[test]
    fn orders_without_a_daemon() {
        let store = MemoryStore::new().unwrap();
        let obey = |order: Order| order.obey_alone(&store);
        assert!(obey(Order::ListUsers).is_err(), "there is nothing yet");
        let admin = super::super::world::User {
            id: UserId::random(),
            name: "admin".into(),
            profile: "internal".into(),
            password: "x".into(),
        };
        let rows = [
            Change::User(admin.clone()),
            Change::Permission(Permission::new(roles::SUPER_USER, admin.id.0, Object::SYSTEM)),
        ];
        store.commit(&rows, Durability::Synced).unwrap();
        let add = |name: &str, password: &str, role: Option<&str>| Order::AddUser {
            name: name.into(),
            password: password.into(),
            groups: vec!["devs".into()],
            role: role.map(str::to_owned),
        };
        assert!(obey(add("anna", "secret", None)).is_err(), "no such group");
        obey(Order::AddGroup { name: "devs".into() }).unwrap();
        assert!(obey(add("anna", "short", None)).is_err());
        assert!(obey(add("a b", "secret", None)).is_err());
        assert!(obey(add("anna", "secret", Some("Boss"))).is_err());
        obey(add("anna", "secret", Some("UserRole"))).unwrap();
        assert!(obey(add("anna", "secret", None)).is_err(), "taken");
        let listed = obey(Order::ListUsers).unwrap();
        assert_eq!(listed, ["admin@internal\tSuperUser\t", "anna@internal\tUserRole\tdevs"]);
        let (group, user) = ("devs".to_owned(), "anna".to_owned());
        obey(Order::Leave { group: group.clone(), user: user.clone() }).unwrap();
        assert!(obey(Order::Leave { group: group.clone(), user: user.clone() }).is_err());
        obey(Order::Join { group: group.clone(), user: user.clone() }).unwrap();
        assert_eq!(obey(Order::ListGroups).unwrap(), ["devs\tanna"]);
        obey(Order::SetPassword { name: user.clone(), password: "other1".into() }).unwrap();
        assert!(obey(Order::RemoveUser { name: "admin".into() }).is_err(), "the last one");
        obey(Order::RemoveUser { name: user }).unwrap();
        obey(Order::RemoveGroup { name: group }).unwrap();
        assert_eq!(obey(Order::ListUsers).unwrap().len(), 1);
    }
}
