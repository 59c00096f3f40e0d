//! Groups of users, and the keys by which users prove themselves.

use super::Engine;
use super::world::{Change, World};
use crate::error::{Error, Result};
use crate::model::access::check_name;
use crate::model::*;

impl World {
    /// The group as a row to write, when its name is free.
    pub(super) fn new_group(&self, name: &str) -> Result<Group> {
        check_name("group", name).map_err(Error::invalid)?;
        match self.group_named(name).is_some() || name == Group::EVERYONE {
            true => Err(Error::conflict("Cannot add Group. The name is already in use.")),
            false => Ok(Group { id: GroupId::random(), name: name.to_owned() }),
        }
    }

    pub fn group_named(&self, name: &str) -> Option<&Group> {
        self.groups.values().find(|group| group.name == name)
    }

    /// The groups of a user by their names.
    pub fn groups_of(&self, user: UserId) -> Vec<&Group> {
        let mine = self.members.iter().filter(|it| it.user == user);
        let mut found: Vec<&Group> = mine.filter_map(|it| self.groups.get(&it.member_of)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }
}

impl Engine {
    pub async fn add_group(&self, name: &str) -> Result<GroupId> {
        let mut id = None;
        self.record(|world| {
            let group = world.new_group(name)?;
            id = Some(group.id);
            Ok(vec![Change::Group(group)])
        })
        .await?;
        self.tell(Code::USER_ADDED, About::default(), format!("Group {name} was added."));
        id.ok_or_else(|| Error::bug("a group without an id was recorded"))
    }

    /// Removes a group with its permissions.
    pub async fn remove_group(&self, id: GroupId) -> Result<()> {
        let name = self.group_name(id).ok_or_else(|| Error::not_found(id))?;
        self.record(|world| match world.groups.contains_key(&id) {
            true => Ok(vec![Change::DropGroup(id)]),
            false => Err(Error::not_found(id)),
        })
        .await?;
        self.tell(Code::USER_REMOVED, About::default(), format!("Group {name} was removed."));
        Ok(())
    }

    pub fn group_name(&self, id: GroupId) -> Option<String> {
        self.world().groups.get(&id).map(|group| group.name.clone())
    }

    pub async fn add_ssh_key(&self, user: UserId, content: &str) -> Result<SshKeyId> {
        let key = SshKey { id: SshKeyId::random(), user, content: content.trim().to_owned() };
        key.check().map_err(Error::invalid)?;
        let id = key.id;
        self.record(|world| {
            world.users.get(&user).ok_or_else(|| Error::not_found(user))?;
            match world.ssh_keys.values().any(|it| (it.user, &it.content) == (user, &key.content)) {
                true => Err(Error::conflict("Cannot add SSH public key. The user has it already.")),
                false => Ok(vec![Change::SshKey(key)]),
            }
        })
        .await?;
        Ok(id)
    }

    pub async fn remove_ssh_key(&self, id: SshKeyId) -> Result<()> {
        self.record(|world| match world.ssh_keys.contains_key(&id) {
            true => Ok(vec![Change::DropSshKey(id)]),
            false => Err(Error::not_found(id)),
        })
        .await
    }
}
