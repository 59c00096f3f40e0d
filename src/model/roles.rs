//! The roles that there are from the start, by the ids and permits that clients know.

use super::access::Role;
use super::ids::RoleId;
use std::sync::LazyLock;
use uuid::{Uuid, uuid};

/// May everything.
pub const SUPER_USER: RoleId = RoleId(uuid!("00000000-0000-0000-0000-000000000001"));
/// What somebody who was given a VM has on it.
pub const USER: RoleId = RoleId(uuid!("00000000-0000-0000-0001-000000000001"));
/// What somebody who made a VM or a disk gets on it.
pub const VM_OWNER: RoleId = RoleId(uuid!("def00006-0000-0000-0000-def000000006"));
pub const DISK_OWNER: RoleId = RoleId(uuid!("def0000a-0000-0000-0000-def00000000b"));
pub const NETWORK_ADMIN: RoleId = RoleId(uuid!("def00005-0000-0000-0000-def000000005"));
/// What everybody has on the profile that a network comes with.
pub const VNIC_PROFILE_USER: RoleId = RoleId(uuid!("def0000a-0000-0000-0000-def000000010"));
/// What everybody has on the Blank template.
pub const TEMPLATE_USER: RoleId = RoleId(uuid!("def00009-0000-0000-0000-def000000009"));

/// What somebody who made a template gets on it.
pub const TEMPLATE_OWNER: RoleId = RoleId(uuid!("def0000a-0000-0000-0000-def00000000f"));

struct Seed(Uuid, &'static str, &'static str, Flags, &'static [u16]);

/// Administrative, sees what is below.
struct Flags(bool, bool);

const ADMIN: Flags = Flags(true, true);
const ADMIN_HERE: Flags = Flags(true, false);
const USES: Flags = Flags(false, true);
const USER_HERE: Flags = Flags(false, false);

#[rustfmt::skip]
const SEEDS: &[Seed] = &[
    Seed(SUPER_USER.0, "SuperUser", "May do everything", ADMIN, &[]),
    Seed(USER.0, "UserRole", "Uses VMs", USES,
        &[4, 5, 7, 17, 18, 19, 21, 22, 303, 1106, 1300]),
    Seed(uuid!("00000000-0000-0000-0001-000000000002"), "PowerUserRole", "Creates VMs, templates and disks",
        USER_HERE, &[1, 200, 1100, 1106, 1300]),
    Seed(uuid!("def00001-0000-0000-0000-def000000001"), "ClusterAdmin", "Administers a cluster", ADMIN,
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 17, 18, 19, 21, 22, 100, 101, 102, 103, 104, 300, 301,
          302, 303, 400, 401, 402, 403, 502, 503, 1100, 1101, 1102, 1103, 1104, 1300, 1301, 1302, 1303, 1304, 1550]),
    Seed(uuid!("def00002-0000-0000-0000-def000000002"), "DataCenterAdmin",
        "Administers a data center, but for its storage", ADMIN,
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 17, 18, 19, 21, 22, 100, 101, 102, 103, 104, 200, 201,
          202, 203, 204, 205, 300, 301, 302, 303, 400, 401, 402, 403, 404, 502, 503, 700, 701, 702, 703, 704, 705,
          900, 901, 1100, 1101, 1102, 1103, 1104, 1105, 1203, 1204, 1205, 1300, 1301, 1302, 1303, 1304, 1550]),
    Seed(uuid!("def00003-0000-0000-0000-def000000003"), "StorageAdmin", "Administers a storage domain", ADMIN,
        &[600, 601, 602, 603, 1100, 1101, 1102, 1103, 1104, 1106, 1300, 1301, 1302, 1303, 1304]),
    Seed(uuid!("def00004-0000-0000-0000-def000000004"), "HostAdmin", "Administers a host", ADMIN,
        &[100, 101, 102, 103, 104, 600, 601, 602, 603, 1300, 1301, 1302, 1303, 1304]),
    Seed(NETWORK_ADMIN.0, "NetworkAdmin", "Administers networks", ADMIN,
        &[9, 104, 204, 403, 404, 703, 704, 705, 1203, 1204, 1205, 1300, 1301, 1302, 1303, 1304]),
    Seed(VM_OWNER.0, "UserVmManager", "Does everything with VMs", USES,
        &[1, 2, 3, 4, 5, 7, 9, 10, 12, 17, 18, 19, 21, 22, 502, 503, 1100, 1101, 1102, 1104, 1300]),
    Seed(uuid!("def00007-0000-0000-0000-def000000007"), "VmPoolAdmin", "Administers a pool of VMs", ADMIN,
        &[1, 300, 301, 302, 303, 1300, 1301, 1302, 1303, 1304]),
    Seed(uuid!("def00008-0000-0000-0000-def000000008"), "TemplateAdmin", "Administers a template", ADMIN,
        &[200, 201, 202, 203, 204, 205, 502, 503, 1106, 1300, 1301, 1302, 1303, 1304]),
    Seed(TEMPLATE_USER.0, "UserTemplateBasedVm", "Creates VMs of a template", USER_HERE, &[1]),
    Seed(uuid!("def0000a-0000-0000-0000-def00000000a"), "QuotaConsumer", "Consumes a quota", USER_HERE, &[901]),
    Seed(DISK_OWNER.0, "DiskOperator", "Does everything with disks", USES,
        &[502, 503, 1100, 1101, 1102, 1104, 1300]),
    Seed(uuid!("def0000a-0000-0000-0000-def00000000c"), "DiskCreator", "Creates disks", USER_HERE, &[1100, 1300]),
    Seed(uuid!("def0000a-0000-0000-0000-def00000000d"), "VmCreator", "Creates VMs", USER_HERE, &[1, 1100, 1300]),
    Seed(uuid!("def0000a-0000-0000-0000-def00000000e"), "TemplateCreator", "Creates templates", USER_HERE,
        &[200, 1300]),
    Seed(TEMPLATE_OWNER.0, "TemplateOwner", "Does everything with templates", USES,
        &[201, 202, 203, 204, 502, 503, 1300]),
    Seed(VNIC_PROFILE_USER.0, "VnicProfileUser", "Uses a vNIC profile", USER_HERE,
        &[9, 204, 1300]),
    Seed(uuid!("def00020-0000-0000-0000-abc000000010"), "DiskProfileUser", "Uses a disk profile", USER_HERE,
        &[1563, 1300]),
    Seed(uuid!("def0000c-0000-0000-0000-def000000000"), "ExternalEventsCreator", "Reports events", USER_HERE,
        &[1400]),
    Seed(uuid!("def0000d-0000-0000-0000-def000000000"), "ExternalTasksCreator", "Reports jobs", USER_HERE, &[1500]),
    Seed(uuid!("def0000c-0000-0000-0000-def00000000c"), "ReadOnlyAdmin", "Sees everything", ADMIN, &[1300]),
    Seed(uuid!("def00011-0000-0000-0000-def000000013"), "TagManager", "Manages tags", ADMIN_HERE,
        &[1300, 1301, 1304]),
    Seed(uuid!("def00011-0000-0000-0000-def000000014"), "BookmarkManager", "Manages bookmarks", ADMIN_HERE,
        &[1300, 1302, 1304]),
    Seed(uuid!("def00011-0000-0000-0000-def000000016"), "AuditLogManager", "Manages events", ADMIN_HERE,
        &[1300, 1304]),
];

/// All of them, in the order of their ids.
pub static PREDEFINED: LazyLock<Vec<Role>> = LazyLock::new(|| {
    let role = |Seed(id, name, description, Flags(administrative, sees_below), permits): &Seed| Role {
        id: RoleId(*id),
        name: (*name).into(),
        description: (*description).into(),
        administrative: *administrative,
        sees_below: *sees_below,
        permits: permits.to_vec(),
    };
    let mut all: Vec<Role> = SEEDS.iter().map(role).collect();
    all.sort_by_key(|role| role.id);
    all
});

pub fn predefined(id: RoleId) -> Option<&'static Role> {
    PREDEFINED.iter().find(|role| role.id == id)
}
