//! Who may do what on which object, and the labels that objects carry.

use super::ids::*;
use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

/// Everybody who can log in, as a holder of permissions.
pub const EVERYONE: Uuid = uuid!("eee00000-0000-0000-0000-123456789eee");
/// The root of all tags, which nobody made.
pub const ROOT_TAG: TagId = TagId(Uuid::nil());

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    System,
    DataCenter,
    Cluster,
    Host,
    StorageDomain,
    Network,
    VnicProfile,
    DiskProfile,
    CpuProfile,
    Quota,
    Template,
    Vm,
    Disk,
    User,
    Group,
    VmPool,
}

/// What permissions and tags hang on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    pub kind: ObjectKind,
    pub id: Uuid,
}

impl Object {
    pub const SYSTEM: Self = Self { kind: ObjectKind::System, id: Uuid::nil() };
}

macro_rules! objects {
    ($($id:ident $kind:ident),+ $(,)?) => {$(
        impl From<$id> for Object {
            fn from(id: $id) -> Self {
                Self { kind: ObjectKind::$kind, id: id.0 }
            }
        }
    )+};
}

objects! {
    DataCenterId DataCenter, ClusterId Cluster, HostId Host, StorageDomainId StorageDomain,
    NetworkId Network, VnicProfileId VnicProfile, DiskProfileId DiskProfile, CpuProfileId CpuProfile,
    QuotaId Quota,
    TemplateId Template, VmId Vm, DiskId Disk, UserId User, GroupId Group, VmPoolId VmPool,
}

/// A role of a user, or of everybody, on an object and what is below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    pub id: PermissionId,
    pub role: RoleId,
    /// A user's id, a group's, or `EVERYONE`.
    pub holder: Uuid,
    pub kind: ObjectKind,
    pub object: Uuid,
}

impl Permission {
    pub fn new(role: RoleId, holder: Uuid, on: Object) -> Self {
        Self { id: PermissionId::random(), role, holder, kind: on.kind, object: on.id }
    }

    pub fn on(&self) -> Object {
        Object { kind: self.kind, id: self.object }
    }
}

/// A set of permits that somebody put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub id: RoleId,
    pub name: String,
    pub description: String,
    pub administrative: bool,
    /// Those who have it on an object see what is below the object.
    pub sees_below: bool,
    pub permits: Vec<u16>,
}

/// A label; the root's children have the root as their parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub id: TagId,
    pub name: String,
    pub description: String,
    pub parent: TagId,
}

/// An object carries a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tagged {
    pub tag: TagId,
    pub kind: ObjectKind,
    pub object: Uuid,
}

/// A search with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    pub id: BookmarkId,
    pub name: String,
    pub value: String,
}

/// Users who have permissions together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub id: GroupId,
    pub name: String,
}

impl Group {
    /// What everybody is in.
    pub const EVERYONE: &str = "Everyone";
}

/// A user is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    pub user: UserId,
    pub member_of: GroupId,
}

/// A key by which a user proves itself to serial consoles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshKey {
    pub id: SshKeyId,
    pub user: UserId,
    /// As in a file of authorized keys.
    pub content: String,
}

impl SshKey {
    /// A kind of key, the key in base64, and maybe a comment, in one line.
    pub fn check(&self) -> Result<(), String> {
        let mut words = self.content.split(' ');
        let kind = words.next().is_some_and(|kind| {
            kind.starts_with("ssh-") || kind.starts_with("ecdsa-") || kind.starts_with("sk-")
        });
        let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let key = words.next().is_some_and(|key| key.len() > 16 && key.chars().all(base64));
        let plain = self.content.len() <= 16_384 && !self.content.chars().any(char::is_control);
        match kind && key && plain {
            true => Ok(()),
            false => Err("The content is not a public key of SSH.".into()),
        }
    }
}

/// A name as tags, bookmarks, roles and users have it.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    match !name.is_empty() && name.chars().count() <= 50 && name.chars().all(plain) {
        true => Ok(()),
        false => Err(format!("The name of a {what} has 1 to 50 letters, digits, '_', '-' or '.'.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let key = |content: &str| SshKey {
            id: SshKeyId::random(),
            user: UserId::random(),
            content: content.into(),
        };
        let good = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@here";
        assert_eq!(key(good).check(), Ok(()));
        for bad in ["", "ssh-rsa", "ssh-rsa x", &good.replace("ssh", "pgp"), &format!("{good}\nroot")] {
            assert!(key(bad).check().is_err(), "{bad}");
        }
    }

    #[test]
    fn names() {
        for good in ["web", "büro_2.x-y", &"x".repeat(50)] {
            assert_eq!(check_name("tag", good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a/b", "<x>", "a\n", &"x".repeat(51)] {
            assert!(check_name("tag", bad).is_err(), "{bad:?}");
        }
    }
}
