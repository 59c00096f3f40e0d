//! Which noun lies in which table, and how its members lie in columns.

use crate::engine::world::{Intent, User};
use crate::model::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A noun whose serialized members are the columns of a table.
pub trait Noun: Serialize + DeserializeOwned {
    const TABLE: &'static str;
    /// The columns of the primary key come first.
    const COLUMNS: &'static [(&'static str, Column)];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// A text or number of the primary key.
    Key,
    /// A text or number, or nothing.
    Plain,
    /// True or false, or nothing.
    Flag,
    /// A JSON document, or nothing.
    Document,
}

/// A named value of the installation.
#[derive(Serialize, Deserialize)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

macro_rules! nouns {
    ($($noun:ty, $table:ident: $($column:ident $kind:ident),+;)+) => {$(
        impl Noun for $noun {
            const TABLE: &'static str = stringify!($table);
            const COLUMNS: &'static [(&'static str, Column)] =
                &[$((stringify!($column), Column::$kind)),+];
        }
    )+};
}

nouns! {
    Setting, settings: name Key, value Plain;
    DataCenter, data_centers: id Key, name Plain, description Plain, comment Plain, quota_mode Plain;
    Cluster, clusters: id Key, name Plain, description Plain, comment Plain, data_center Plain;
    Host, hosts: id Key, name Plain, cluster Plain;
    StorageDomain, storage_domains:
        id Key, name Plain, description Plain, comment Plain, kind Plain, folder Plain, data_center Plain,
        active Flag, wipe_after_delete Flag, warning Plain, blocker Plain;
    Network, networks:
        id Key, name Plain, description Plain, comment Plain, data_center Plain, binding Plain, vlan Plain,
        mtu Plain, stp Flag, for_vms Flag;
    ClusterNetwork, cluster_networks:
        cluster Key, network Key, required Flag, display Flag, migration Flag;
    VnicProfile, vnic_profiles:
        id Key, name Plain, description Plain, comment Plain, network Plain, port_mirroring Flag,
        custom_properties Document;
    Qos, qoss: id Key, data_center Plain, name Plain, description Plain, tune Document;
    Quota, quotas:
        id Key, data_center Plain, name Plain, description Plain, cluster_soft Plain, cluster_hard Plain,
        storage_soft Plain, storage_hard Plain, storage Document, clusters Document;
    DiskProfile, disk_profiles: id Key, name Plain, description Plain, storage_domain Plain, qos Plain;
    CpuProfile, cpu_profiles: id Key, name Plain, cluster Plain;
    User, users: id Key, name Plain, profile Plain, password Plain;
    Group, user_groups: id Key, name Plain;
    Member, members: user Key, member_of Key;
    SshKey, ssh_keys: id Key, user Plain, content Plain;
    Role, roles:
        id Key, name Plain, description Plain, administrative Flag, sees_below Flag, permits Document;
    Permission, permissions: id Key, role Plain, holder Plain, kind Plain, object Plain;
    Tag, tags: id Key, name Plain, description Plain, parent Plain;
    Tagged, tagged: tag Key, kind Key, object Key;
    Bookmark, bookmarks: id Key, name Plain, value Plain;
    InstanceType, instance_types: id Key, spec Document, nics Document;
    AffinityGroup, affinity_groups:
        id Key, name Plain, description Plain, cluster Plain, positive Flag, enforcing Flag;
    Affine, affine: affinity_group Key, vm Key;
    VmPool, vm_pools:
        id Key, name Plain, description Plain, comment Plain, cluster Plain, template Plain, kind Plain,
        max_user_vms Plain, prestarted_vms Plain, newest_version Flag, hardware Document;
    Pooled, pooled: vm Key, pool Key;
    Template, templates:
        id Key, cluster Plain, created Plain, spec Document, status Plain, base Plain, version Plain,
        version_name Plain, nics Document, disks Document, copies Document;
    Vm, vms:
        id Key, cluster Plain, template Plain, created Plain, spec Document, next_run Document,
        run_once Flag, started Plain, stopped Plain, machine Plain, wakes_from Plain, stop_reason Plain,
        setting_up Flag, taken Flag;
    Disk, disks:
        id Key, alias Plain, description Plain, storage_domain Plain, image Plain, parent Plain, format Plain,
        sparse Flag, size Plain, interface Plain, bootable Flag, shareable Flag,
        wipe_after_delete Flag, propagate_errors Flag, profile Plain, quota Plain, status Plain, created Plain,
        lun Document;
    Attachment, attachments: vm Key, disk Key, active Flag, read_only Flag, target Plain;
    Borrowed, borrowed: vm Key, disk Key, snapshot Plain, image Plain, active Flag, target Plain;
    Nic, nics:
        id Key, vm Plain, name Plain, network Plain, profile Plain, interface Plain, mac Plain,
        plugged Flag, linked Flag, port_mirroring Document, boot_protocol Plain, on_boot Flag;
    Snapshot, snapshots:
        id Key, vm Plain, description Plain, kind Plain, status Plain, date Plain, spec Document,
        machine Plain, nics Document, disks Document, lost Document, memory Plain;
    Event, events:
        id Key, code Plain, severity Plain, time Plain, text Plain, correlation Plain, user Document,
        about Document, origin Plain, custom_id Plain, flood_rate Plain, custom_data Plain, deleted Flag;
    Job, jobs:
        id Key, description Plain, status Plain, owner Document, started Plain, ended Plain,
        updated Plain, external Flag, auto_cleared Flag, correlation Plain, about Document, steps Document;
    Intent, intents: id Key, begun Plain, undoing Flag, operation Document;
}
