//! Everything the engine has promised, in memory: the fold of all changes the store keeps.
//!
//! A mutation is a batch of `Change`s: the store commits it, then the world applies it, so
//! what is read is what a restart would read.

use super::attachments::Attachments;
use super::carry::Carried;
use crate::model::*;
use crate::ovf::Hint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// One row written or dropped.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Setting { name: String, value: String },
    DataCenter(DataCenter),
    Cluster(Cluster),
    Host(Host),
    StorageDomain(StorageDomain),
    DropStorageDomain(StorageDomainId),
    Network(Network),
    DropNetwork(NetworkId),
    ClusterNetwork(ClusterNetwork),
    DropClusterNetwork { cluster: ClusterId, network: NetworkId },
    VnicProfile(VnicProfile),
    DropVnicProfile(VnicProfileId),
    DiskProfile(DiskProfile),
    DropDiskProfile(DiskProfileId),
    Qos(Qos),
    DropQos(QosId),
    Quota(Quota),
    DropQuota(QuotaId),
    CpuProfile(CpuProfile),
    User(User),
    DropUser(UserId),
    Group(Group),
    DropGroup(GroupId),
    Member(Member),
    DropMember(Member),
    SshKey(SshKey),
    DropSshKey(SshKeyId),
    Role(Role),
    DropRole(RoleId),
    Permission(Permission),
    DropPermission(PermissionId),
    Tag(Tag),
    DropTag(TagId),
    Tagged(Tagged),
    DropTagged(Tagged),
    Bookmark(Bookmark),
    DropBookmark(BookmarkId),
    InstanceType(Box<InstanceType>),
    DropInstanceType(InstanceTypeId),
    VmPool(VmPool),
    DropVmPool(VmPoolId),
    Pooled(Pooled),
    DropPooled(Pooled),
    AffinityGroup(AffinityGroup),
    DropAffinityGroup(AffinityGroupId),
    Affine(Affine),
    DropAffine(Affine),
    Template(Box<Template>),
    DropTemplate(TemplateId),
    Vm(Box<Vm>),
    DropVm(VmId),
    Disk(Disk),
    DropDisk(DiskId),
    Attachment(Attachment),
    DropAttachment { vm: VmId, disk: DiskId },
    Borrowed(Borrowed),
    DropBorrowed { vm: VmId, disk: DiskId },
    Nic(Nic),
    DropNic { vm: VmId, nic: NicId },
    Snapshot(Box<Snapshot>),
    DropSnapshot { vm: VmId, snapshot: SnapshotId },
    Intent(Intent),
    DropIntent(IntentId),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// Without the profile: `admin`.
    pub name: String,
    pub profile: String,
    /// An Argon2 hash in PHC form.
    pub password: String,
}

/// What an operation set out to do, written before it acts and dropped when it is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    pub id: IntentId,
    pub begun: Timestamp,
    /// The operation failed and so did its first undo: what is left is to undo it.
    #[serde(default)]
    pub undoing: bool,
    pub operation: Operation,
}

/// A disk's way to another storage domain, with all of its images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    pub disk: DiskId,
    pub from: StorageDomainId,
    pub to: StorageDomainId,
}

/// What limits disks, as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskLimits {
    Profile(DiskProfile),
    Qos(Qos),
}

/// Every journaled operation, with what its end and its undo need.
/// The rows it promised are committed together with the intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    CreateVm {
        vm: VmId,
        #[serde(default)]
        images: Vec<Filling>,
        /// The VM that it is a clone of, which does not run meanwhile.
        #[serde(default)]
        original: Option<VmId>,
    },
    /// With its disks, which lay in a storage domain that another engine filled.
    RegisterVm {
        vm: VmId,
        disks: Vec<DiskId>,
    },
    /// With its disks, which stay where they are.
    UnregisterVm {
        vm: VmId,
        disks: Vec<DiskId>,
    },
    /// A VM or a template, copied into an export domain.
    Export(Box<Export>),
    /// What an export domain had of a VM or a template goes.
    RemoveExport {
        from: StorageDomainId,
        hint: Box<Hint>,
    },
    /// With its disks, out of an export domain.
    ImportVm {
        vm: VmId,
        disks: Vec<DiskId>,
        carried: Vec<Carried>,
    },
    ImportTemplate {
        template: TemplateId,
        disks: Vec<DiskId>,
        carried: Vec<Carried>,
    },
    UpdateVm {
        before: Box<Vm>,
    },
    RemoveVm {
        vm: VmId,
        disks: Vec<DiskId>,
    },
    AddDisk {
        disk: DiskId,
        vm: Option<VmId>,
    },
    RemoveDisk {
        disk: DiskId,
        /// How it hung on VMs.
        attachments: Vec<Attachment>,
    },
    AttachDisk {
        vm: VmId,
        disk: DiskId,
    },
    DetachDisk {
        before: Attachment,
    },
    /// A disk's snapshot comes onto another VM.
    BorrowDisk {
        borrowed: Borrowed,
    },
    ReturnDisk {
        before: Borrowed,
    },
    /// `active` as it is to become.
    PlugDisk {
        vm: VmId,
        disk: DiskId,
        active: bool,
    },
    /// Its size included.
    UpdateDisk {
        before: Box<Disk>,
        attachments: Vec<Attachment>,
    },
    AddNic {
        vm: VmId,
        nic: NicId,
    },
    /// Settings, plugging and unplugging.
    UpdateNic {
        before: Box<Nic>,
        after: Box<Nic>,
    },
    RemoveNic {
        before: Box<Nic>,
    },
    ReorderMacs {
        vm: VmId,
        before: Vec<Nic>,
    },
    MoveDisk(Passage),
    /// Of a VM that does not run meanwhile.
    CreateTemplate {
        template: TemplateId,
        images: Vec<Filling>,
        original: VmId,
    },
    RemoveTemplate {
        template: TemplateId,
        disks: Vec<DiskId>,
    },
    CopyTemplateDisk {
        template: TemplateId,
        /// As it is to be.
        copy: Box<Disk>,
    },
    /// The rows know the copy no more.
    RemoveTemplateCopy {
        template: TemplateId,
        copy: Box<Disk>,
    },
    CopyDisk {
        source: DiskId,
        disk: DiskId,
        /// Those that have the source, and do not run meanwhile.
        #[serde(default)]
        vms: Vec<VmId>,
    },
    AddStorageDomain {
        domain: Box<StorageDomain>,
        /// It was one before.
        #[serde(default)]
        filled: bool,
    },
    /// Its name, where it is attached, maintenance.
    UpdateStorageDomain {
        before: Box<StorageDomain>,
    },
    RemoveStorageDomain {
        before: Box<StorageDomain>,
        profiles: Vec<DiskProfile>,
        /// Its folder is given free.
        format: bool,
    },
    AddNetwork {
        network: NetworkId,
    },
    UpdateNetwork {
        before: Box<Network>,
    },
    RemoveNetwork {
        before: Box<Network>,
        profiles: Vec<VnicProfile>,
        clusters: Vec<ClusterNetwork>,
    },
    /// Disks follow their profile, or its QoS.
    LimitDisks {
        before: Box<DiskLimits>,
    },
    /// Interfaces follow their profile.
    UpdateVnicProfile {
        before: Box<VnicProfile>,
    },
    /// A start from the memory of a snapshot.
    WakeVm {
        vm: VmId,
        /// It stays paused.
        pause: bool,
    },
    CreateSnapshot {
        vm: VmId,
        snapshot: SnapshotId,
        overlays: Vec<Overlay>,
    },
    RemoveSnapshot {
        vm: VmId,
        snapshot: SnapshotId,
        /// The images that are merged into the snapshot's, as they were.
        merged: Vec<Disk>,
        /// With the snapshot itself, not one of its disks alone.
        whole: bool,
    },
    PreviewSnapshot(Preview),
    /// The rows are what they are to be: what nobody needs goes.
    EndPreview {
        vm: VmId,
        doomed: Vec<Disk>,
        /// Snapshots that are gone and whose files of memory go.
        memories: Vec<Snapshot>,
    },
    /// The rows are what they were before the run: what it wrote goes.
    EndStateless {
        vm: VmId,
        doomed: Vec<Disk>,
    },
    /// The rows are of a later version of the VM's template: what it had of the former one goes.
    FollowVersion {
        before: Box<Vm>,
        images: Vec<Filling>,
        old: Vec<SavedDisk>,
    },
}

/// A machine on its way into an export domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Export {
    pub to: StorageDomainId,
    /// As it is to be there.
    pub hint: Hint,
    pub carried: Vec<Carried>,
    /// What was there of it before, by the names of its files.
    pub doomed: Vec<String>,
    pub wipe: bool,
}

/// A way back to a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    pub vm: VmId,
    pub snapshot: SnapshotId,
    /// The disks that are shown as other snapshots have them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<DiskId, SnapshotId>,
    /// The snapshot that keeps the present.
    pub before: SnapshotId,
    pub overlays: Vec<Overlay>,
    /// All of its disks, not named ones alone.
    pub whole: bool,
    /// The guest goes on where it was.
    #[serde(default)]
    pub memory: bool,
    /// For good.
    pub commit: bool,
}

/// A new image for a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    pub disk: DiskId,
    pub image: ImageId,
}

/// A new disk's image, and what it is to hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filling {
    pub disk: DiskId,
    /// What is read, with all that lies below it.
    pub source: Disk,
    /// The new image lies over the source and holds what differs.
    pub thin: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    pub settings: BTreeMap<String, String>,
    pub data_centers: BTreeMap<DataCenterId, DataCenter>,
    pub clusters: BTreeMap<ClusterId, Cluster>,
    pub hosts: BTreeMap<HostId, Host>,
    pub storage_domains: BTreeMap<StorageDomainId, StorageDomain>,
    pub networks: BTreeMap<NetworkId, Network>,
    pub cluster_networks: BTreeMap<(ClusterId, NetworkId), ClusterNetwork>,
    pub vnic_profiles: BTreeMap<VnicProfileId, VnicProfile>,
    pub disk_profiles: BTreeMap<DiskProfileId, DiskProfile>,
    pub qoss: BTreeMap<QosId, Qos>,
    pub quotas: BTreeMap<QuotaId, Quota>,
    pub cpu_profiles: BTreeMap<CpuProfileId, CpuProfile>,
    pub users: BTreeMap<UserId, User>,
    /// Those that users made.
    pub groups: BTreeMap<GroupId, Group>,
    pub members: BTreeSet<Member>,
    pub ssh_keys: BTreeMap<SshKeyId, SshKey>,
    /// Those that users made.
    pub roles: BTreeMap<RoleId, Role>,
    pub permissions: BTreeMap<PermissionId, Permission>,
    pub tags: BTreeMap<TagId, Tag>,
    pub tagged: BTreeSet<Tagged>,
    pub bookmarks: BTreeMap<BookmarkId, Bookmark>,
    pub instance_types: BTreeMap<InstanceTypeId, InstanceType>,
    pub vm_pools: BTreeMap<VmPoolId, VmPool>,
    pub pooled: BTreeSet<Pooled>,
    pub affinity_groups: BTreeMap<AffinityGroupId, AffinityGroup>,
    pub affine: BTreeSet<Affine>,
    /// Those that users made.
    pub templates: BTreeMap<TemplateId, Template>,
    pub vms: BTreeMap<VmId, Vm>,
    pub disks: BTreeMap<DiskId, Disk>,
    pub attachments: Attachments,
    pub borrowed: BTreeMap<(VmId, DiskId), Borrowed>,
    pub nics: BTreeMap<(VmId, NicId), Nic>,
    pub snapshots: BTreeMap<SnapshotId, Snapshot>,
    pub intents: BTreeMap<IntentId, Intent>,
}

impl World {
    pub fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::Setting { name, value } => drop(self.settings.insert(name, value)),
            Change::DataCenter(it) => drop(self.data_centers.insert(it.id, it)),
            Change::Cluster(it) => drop(self.clusters.insert(it.id, it)),
            Change::Host(it) => drop(self.hosts.insert(it.id, it)),
            Change::StorageDomain(it) => drop(self.storage_domains.insert(it.id, it)),
            Change::DropStorageDomain(id) => {
                self.storage_domains.remove(&id);
                self.forget(id.0);
            }
            Change::Network(it) => drop(self.networks.insert(it.id, it)),
            Change::DropNetwork(id) => {
                self.networks.remove(&id);
                self.cluster_networks.retain(|(_, network), _| *network != id);
                self.forget(id.0);
            }
            Change::ClusterNetwork(it) => drop(self.cluster_networks.insert((it.cluster, it.network), it)),
            Change::DropClusterNetwork { cluster, network } => {
                self.cluster_networks.remove(&(cluster, network));
            }
            Change::VnicProfile(it) => drop(self.vnic_profiles.insert(it.id, it)),
            Change::DropVnicProfile(id) => {
                self.vnic_profiles.remove(&id);
                self.forget(id.0);
            }
            Change::DiskProfile(it) => drop(self.disk_profiles.insert(it.id, it)),
            Change::DropDiskProfile(id) => {
                self.disk_profiles.remove(&id);
                self.forget(id.0);
            }
            Change::Qos(it) => drop(self.qoss.insert(it.id, it)),
            Change::DropQos(id) => drop(self.qoss.remove(&id)),
            Change::Quota(it) => drop(self.quotas.insert(it.id, it)),
            Change::DropQuota(id) => {
                self.quotas.remove(&id);
                self.forget(id.0);
            }
            Change::CpuProfile(it) => drop(self.cpu_profiles.insert(it.id, it)),
            Change::User(it) => drop(self.users.insert(it.id, it)),
            Change::DropUser(id) => {
                self.users.remove(&id);
                self.members.retain(|it| it.user != id);
                self.ssh_keys.retain(|_, key| key.user != id);
                self.forget(id.0);
            }
            Change::Group(it) => drop(self.groups.insert(it.id, it)),
            Change::DropGroup(id) => {
                self.groups.remove(&id);
                self.members.retain(|it| it.member_of != id);
                self.forget(id.0);
            }
            Change::Member(it) => drop(self.members.insert(it)),
            Change::DropMember(it) => drop(self.members.remove(&it)),
            Change::SshKey(it) => drop(self.ssh_keys.insert(it.id, it)),
            Change::DropSshKey(id) => drop(self.ssh_keys.remove(&id)),
            Change::Role(it) => drop(self.roles.insert(it.id, it)),
            Change::DropRole(id) => drop(self.roles.remove(&id)),
            Change::Permission(it) => drop(self.permissions.insert(it.id, it)),
            Change::DropPermission(id) => drop(self.permissions.remove(&id)),
            Change::Tag(it) => drop(self.tags.insert(it.id, it)),
            Change::DropTag(id) => {
                self.tags.remove(&id);
                self.tagged.retain(|it| it.tag != id);
            }
            Change::Tagged(it) => drop(self.tagged.insert(it)),
            Change::DropTagged(it) => drop(self.tagged.remove(&it)),
            Change::Bookmark(it) => drop(self.bookmarks.insert(it.id, it)),
            Change::DropBookmark(id) => drop(self.bookmarks.remove(&id)),
            Change::InstanceType(it) => drop(self.instance_types.insert(it.id, *it)),
            Change::DropInstanceType(id) => drop(self.instance_types.remove(&id)),
            Change::VmPool(it) => drop(self.vm_pools.insert(it.id, it)),
            Change::DropVmPool(id) => {
                self.vm_pools.remove(&id);
                self.pooled.retain(|it| it.pool != id);
                self.forget(id.0);
            }
            Change::Pooled(it) => drop(self.pooled.insert(it)),
            Change::DropPooled(it) => drop(self.pooled.remove(&it)),
            Change::AffinityGroup(it) => drop(self.affinity_groups.insert(it.id, it)),
            Change::DropAffinityGroup(id) => {
                self.affinity_groups.remove(&id);
                self.affine.retain(|it| it.affinity_group != id);
            }
            Change::Affine(it) => drop(self.affine.insert(it)),
            Change::DropAffine(it) => drop(self.affine.remove(&it)),
            Change::Template(it) => drop(self.templates.insert(it.id, *it)),
            Change::DropTemplate(id) => {
                self.templates.remove(&id);
                self.forget(id.0);
            }
            Change::Vm(it) => drop(self.vms.insert(it.id, *it)),
            Change::DropVm(id) => {
                self.vms.remove(&id);
                self.attachments.drop_vm(id);
                self.borrowed.retain(|(vm, _), _| *vm != id);
                self.nics.retain(|(vm, _), _| *vm != id);
                self.affine.retain(|it| it.vm != id);
                self.pooled.retain(|it| it.vm != id);
                self.forget(id.0);
                self.snapshots.retain(|_, snapshot| snapshot.vm != id);
            }
            Change::Disk(it) => drop(self.disks.insert(it.id, it)),
            Change::DropDisk(id) => {
                self.disks.remove(&id);
                self.attachments.drop_disk(id);
                self.borrowed.retain(|(_, disk), _| *disk != id);
                self.forget(id.0);
            }
            Change::Attachment(it) => self.attachments.insert(it),
            Change::DropAttachment { vm, disk } => self.attachments.remove(vm, disk),
            Change::Borrowed(it) => drop(self.borrowed.insert((it.vm, it.disk), it)),
            Change::DropBorrowed { vm, disk } => drop(self.borrowed.remove(&(vm, disk))),
            Change::Nic(it) => drop(self.nics.insert((it.vm, it.id), it)),
            Change::DropNic { vm, nic } => drop(self.nics.remove(&(vm, nic))),
            Change::Snapshot(it) => drop(self.snapshots.insert(it.id, *it)),
            Change::DropSnapshot { vm, snapshot } => {
                self.snapshots.remove(&snapshot);
                // Its memory goes with it.
                if let Some(vm) = self.vms.get_mut(&vm).filter(|vm| vm.wakes_from == Some(snapshot)) {
                    vm.wakes_from = None;
                }
            }
            Change::Intent(it) => drop(self.intents.insert(it.id, it)),
            Change::DropIntent(id) => drop(self.intents.remove(&id)),
        }
    }

    /// Is there anything of that id? Permissions and tags tell no kinds apart.
    pub fn has_object(&self, id: uuid::Uuid) -> bool {
        let places = self.data_centers.contains_key(&DataCenterId(id))
            || self.clusters.contains_key(&ClusterId(id))
            || self.hosts.contains_key(&HostId(id))
            || self.storage_domains.contains_key(&StorageDomainId(id))
            || self.networks.contains_key(&NetworkId(id));
        let rules = self.vnic_profiles.contains_key(&VnicProfileId(id))
            || self.disk_profiles.contains_key(&DiskProfileId(id))
            || self.cpu_profiles.contains_key(&CpuProfileId(id))
            || self.quotas.contains_key(&QuotaId(id))
            || self.users.contains_key(&UserId(id))
            || self.groups.contains_key(&GroupId(id))
            || self.vm_pools.contains_key(&VmPoolId(id));
        let machines = self.vms.contains_key(&VmId(id))
            || self.templates.contains_key(&TemplateId(id))
            || self.disks.contains_key(&DiskId(id));
        id.is_nil() || places || rules || machines
    }

    /// Permissions and tags go with what they hang on and with who holds them.
    fn forget(&mut self, gone: uuid::Uuid) {
        self.permissions.retain(|_, it| it.object != gone && it.holder != gone);
        self.tagged.retain(|it| it.object != gone);
    }

    /// The disks of a VM with how they hang on it, in the order of their targets.
    pub fn disks_of(&self, vm: VmId) -> Vec<(&Attachment, &Disk)> {
        let on = self.attachments.of_vm(vm);
        let mut found: Vec<_> = on.filter_map(|it| Some((it, self.disks.get(&it.disk)?))).collect();
        found.sort_by(|(a, _), (b, _)| by_target(a, b));
        found
    }

    /// The attachments of a disk.
    pub fn attachments_of(&self, disk: DiskId) -> impl Iterator<Item = &Attachment> {
        self.attachments.of_disk(disk)
    }

    /// The network interfaces of a VM in the order of their names.
    pub fn nics_of(&self, vm: VmId) -> Vec<&Nic> {
        let range = (vm, NicId(uuid::Uuid::nil()))..=(vm, NicId(uuid::Uuid::max()));
        let mut found: Vec<&Nic> = self.nics.range(range).map(|(_, nic)| nic).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// The networks of a cluster.
    pub fn networks_of(&self, cluster: ClusterId) -> impl Iterator<Item = &Network> {
        let here = self.cluster_networks.values().filter(move |there| there.cluster == cluster);
        here.filter_map(|there| self.networks.get(&there.network))
    }

    /// The disk profiles of a storage domain.
    pub fn profiles_of(&self, domain: StorageDomainId) -> impl Iterator<Item = &DiskProfile> {
        self.disk_profiles.values().filter(move |profile| profile.storage_domain == domain)
    }

    /// The snapshots of a VM, the oldest first.
    pub fn snapshots_of(&self, vm: VmId) -> Vec<&Snapshot> {
        let mut found: Vec<&Snapshot> =
            self.snapshots.values().filter(|snapshot| snapshot.vm == vm).collect();
        found.sort_by_key(|snapshot| (snapshot.date, snapshot.id));
        found
    }

    /// The snapshots that hold an image of the disk.
    pub fn snapshots_with(&self, disk: DiskId) -> impl Iterator<Item = &Snapshot> {
        self.snapshots.values().filter(move |snapshot| snapshot.disk(disk).is_some())
    }

    /// Every image of the disk, each as the disk was when it wrote that one; the present one first.
    pub fn images_of(&self, id: DiskId) -> Vec<&Disk> {
        let saved = self.snapshots.values().filter_map(|snapshot| snapshot.disk(id));
        let mut found: Vec<&Disk> = Vec::new();
        for disk in self.disks.get(&id).into_iter().chain(saved.map(|saved| &saved.disk)) {
            if !found.iter().any(|other| other.image == disk.image) {
                found.push(disk);
            }
        }
        found
    }

    /// The images that a disk is read from, its own first, each over the one that follows; that of a
    /// template is the last.
    pub fn chain<'w>(&'w self, disk: &'w Disk) -> Vec<&'w Disk> {
        let all = self.images_of(disk.id);
        let mut chain = vec![disk];
        while let Some(parent) = chain.last().and_then(|image| image.parent)
            && let own = all.iter().copied().find(|image| image.image == parent)
            && let Some(below) = own.or_else(|| self.template_image(parent, disk.storage_domain))
            && chain.len() <= all.len() + 1
        {
            chain.push(below);
        }
        chain
    }

    /// One of those that users made, or Blank.
    pub fn template(&self, id: TemplateId) -> Option<Template> {
        if id == BLANK { Some(Template::blank()) } else { self.templates.get(&id).cloned() }
    }

    pub fn has_template(&self, id: TemplateId) -> bool {
        id == BLANK || self.templates.contains_key(&id)
    }

    pub fn template_name(&self, id: TemplateId) -> Option<&str> {
        match id == BLANK {
            true => Some(Template::BLANK_NAME),
            false => self.templates.get(&id).map(|template| template.spec.name.as_str()),
        }
    }

    /// The last version of a template that can be used.
    pub fn newest_version(&self, id: TemplateId) -> TemplateId {
        let Some(template) = self.templates.get(&id) else { return id };
        let versions = self.templates.values();
        let versions = versions.filter(|it| it.base == template.base && it.status == TemplateStatus::Ok);
        versions.max_by_key(|it| it.version).map_or(id, |it| it.id)
    }

    /// The template that the disk is one of.
    pub fn template_with(&self, disk: DiskId) -> Option<&Template> {
        self.templates.values().find(|template| template.disks.contains(&disk))
    }

    /// The disk of a template that has that image in that storage domain.
    pub fn template_image(&self, image: ImageId, place: StorageDomainId) -> Option<&Disk> {
        let mut all = self.templates.values().flat_map(|template| self.template_disks(template));
        all.find(|disk| disk.image == image && disk.storage_domain == place)
    }

    /// The disks of a template wherever they are, each with its copies.
    pub fn template_disks<'w>(&'w self, template: &'w Template) -> impl Iterator<Item = &'w Disk> {
        template.disks.iter().filter_map(|id| self.disks.get(id)).chain(&template.copies)
    }

    /// The same disk of a template in another storage domain.
    pub fn template_copy(&self, disk: DiskId, place: StorageDomainId) -> Option<&Disk> {
        let template = self.template_with(disk)?;
        self.template_disks(template).find(|it| it.id == disk && it.storage_domain == place)
    }

    /// What lies over an image of that storage domain, or is on its way there.
    pub fn lies_over(&self, image: ImageId, place: StorageDomainId) -> bool {
        let saved = self.snapshots.values().flat_map(|snapshot| &snapshot.disks).map(|saved| &saved.disk);
        let mut all = self.disks.values().chain(saved);
        all.any(|disk| {
            disk.parent == Some(image)
                && (disk.storage_domain == place || self.destination(disk.id) == Some(place))
        })
    }

    /// Where a disk that moves is to be.
    pub fn destination(&self, disk: DiskId) -> Option<StorageDomainId> {
        self.intents.values().find_map(|intent| match intent.operation {
            Operation::MoveDisk(passage) if passage.disk == disk => Some(passage.to),
            _ => None,
        })
    }

    /// Disks of that storage domain, copies of templates' among them.
    pub fn disks_in(&self, place: StorageDomainId) -> impl Iterator<Item = &Disk> {
        let copies = self.templates.values().flat_map(|template| &template.copies);
        self.disks.values().chain(copies).filter(move |disk| disk.storage_domain == place)
    }

    /// The disk is read from a template's, too.
    pub fn is_thin(&self, disk: DiskId) -> bool {
        self.template_images_below(disk).next().is_some()
    }

    /// The images of templates over which those of the disk lie.
    pub fn template_images_below(&self, disk: DiskId) -> impl Iterator<Item = &Disk> {
        let images = self.images_of(disk).into_iter();
        images.filter_map(|it| self.template_image(it.parent?, it.storage_domain))
    }

    /// The disk that is that LUN of the host.
    pub fn disk_of_lun(&self, lun: &str) -> Option<DiskId> {
        let is = |disk: &&Disk| {
            disk.lun.as_ref().is_some_and(|it| it.id == lun && matches!(it.at, LunAt::Host { .. }))
        };
        self.disks.values().find(is).map(|disk| disk.id)
    }

    pub fn vm_named(&self, name: &str) -> Option<&Vm> {
        self.vms.values().find(|vm| vm.spec.name == name)
    }
}

/// `vdz` comes before `vdaa`.
pub(super) fn by_target(a: &Attachment, b: &Attachment) -> Ordering {
    (a.target.len(), &a.target).cmp(&(b.target.len(), &b.target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_vm_drops_its_attachments() {
        let (vm, disk) = (VmId::random(), DiskId::random());
        let mut world = World::default();
        world.apply(&Change::Attachment(Attachment {
            vm,
            disk,
            active: true,
            read_only: false,
            target: "vda".into(),
        }));
        world.apply(&Change::DropVm(vm));
        assert!(world.attachments.is_empty());
    }
}
