//! The world after the first start, so that clients find what they name: seeded once, idempotent.

use super::world::{Change, User, World};
use super::{Engine, Settings};
use super::{accounts, nics};
use crate::error::Result;
use crate::model::*;
use uuid::uuid;

pub const ADMIN: UserId = UserId(uuid!("fdfc627c-d875-11e0-90f0-83df133b58cc"));
pub(super) const DATA_CENTER: DataCenterId = DataCenterId(uuid!("00000002-0002-0002-0002-000000000255"));
const CLUSTER: ClusterId = ClusterId(uuid!("99408929-82cf-4dc7-a532-9d998063fa95"));
pub const MANAGEMENT: NetworkId = NetworkId(uuid!("00000000-0000-0000-0000-000000000009"));
pub(super) const DATA: StorageDomainId = StorageDomainId(uuid!("fabe0451-701f-4235-8f7e-e20e458819ed"));
const DISK_PROFILE: DiskProfileId = DiskProfileId(uuid!("23fb2e0d-3062-4819-8165-3be88f2f587e"));

/// The setting that tells that there were instance types once.
const SIZES: &str = "instance_types";

/// Where the seeded password of the first administrator is to be told.
pub const ADMIN_PASSWORD_FILE: &str = "admin-password";

impl Engine {
    pub(super) async fn seed(&self) -> Result<()> {
        let known = !self.world().users.is_empty();
        let hash = if known { None } else { Some(first_password(&self.settings).await?) };
        self.record(|world| Ok(missing(&self.settings, world, hash))).await
    }
}

/// The hash of the password that the first administrator begins with.
pub(super) async fn first_password(settings: &Settings) -> Result<String> {
    let password = settings.admin_password.clone().unwrap_or_else(accounts::generated_password);
    // The file comes first: a crash between the two must not lose the password.
    if settings.admin_password.is_none() {
        accounts::write_secret(&settings.state.join(ADMIN_PASSWORD_FILE), &password)?;
    }
    accounts::hash(password).await
}

/// What a world lacks of the first one.
pub(super) fn missing(settings: &Settings, world: &World, admin: Option<String>) -> Vec<Change> {
    let folder = |name: &str| settings.state.join(name).to_string_lossy().into_owned();
    let mut changes = Vec::new();
    if world.data_centers.is_empty() {
        changes.push(Change::DataCenter(DataCenter {
            id: DATA_CENTER,
            name: "Default".into(),
            description: "The default data center".into(),
            comment: String::new(),
            quota_mode: QuotaMode::Disabled,
        }));
    }
    if world.clusters.is_empty() {
        changes.push(Change::Cluster(Cluster {
            id: CLUSTER,
            name: "Default".into(),
            description: "The default cluster".into(),
            comment: String::new(),
            data_center: DATA_CENTER,
        }));
        changes.push(Change::CpuProfile(CpuProfile {
            id: CpuProfileId::random(),
            name: "Default".into(),
            cluster: CLUSTER,
        }));
    }
    if world.hosts.is_empty() {
        changes.push(Change::Host(Host {
            id: HostId::random(),
            name: settings.host_name.clone(),
            cluster: CLUSTER,
        }));
    }
    if world.quotas.is_empty() {
        let data_center = world.data_centers.keys().next().copied().unwrap_or(DATA_CENTER);
        let quota = Quota::new(QuotaId::random(), data_center, DEFAULT_QUOTA.into());
        changes.push(Change::Quota(Quota { description: "No limits".into(), ..quota }));
    }
    let management_profile = VnicProfileId::random();
    if world.networks.is_empty() {
        changes.push(Change::Network(Network {
            name: "ovirtmgmt".into(),
            description: "Management network".into(),
            binding: settings.management.clone(),
            ..Network::blank(MANAGEMENT, DATA_CENTER)
        }));
        changes.push(Change::ClusterNetwork(ClusterNetwork {
            cluster: world.clusters.keys().next().copied().unwrap_or(CLUSTER),
            network: MANAGEMENT,
            required: true,
            display: true,
            migration: true,
        }));
        changes.push(Change::VnicProfile(VnicProfile {
            name: "ovirtmgmt".into(),
            ..VnicProfile::blank(management_profile, MANAGEMENT)
        }));
    }
    if world.storage_domains.is_empty() {
        changes.push(Change::StorageDomain(StorageDomain {
            data_center: Some(DATA_CENTER),
            active: true,
            ..StorageDomain::new(DATA, "data", "Disk images", StorageKind::Data, folder("images"))
        }));
        changes.push(Change::DiskProfile(DiskProfile::new(DISK_PROFILE, "data", DATA)));
        let id = StorageDomainId::random();
        changes.push(Change::StorageDomain(StorageDomain {
            data_center: Some(DATA_CENTER),
            active: true,
            ..StorageDomain::new(id, "iso", "ISO files", StorageKind::Iso, folder("isos"))
        }));
    }
    if !world.settings.contains_key(nics::MAC_POOL) {
        changes.push(Change::Setting {
            name: nics::MAC_POOL.into(),
            value: MacRange::numbered(rand::random()).to_string(),
        });
    }
    // Only once: who removes one means it. A state of before there were any gets them, too.
    if !world.settings.contains_key(SIZES) {
        changes.push(Change::Setting { name: SIZES.into(), value: "seeded".into() });
        changes.extend(InstanceType::first().map(Box::new).map(Change::InstanceType));
    }
    let mut give = |role: RoleId, holder, object: Object| {
        let id = PermissionId(derived_id(&[b"first permission", role.0.as_bytes(), object.id.as_bytes()]));
        changes.push(Change::Permission(Permission { id, ..Permission::new(role, holder, object) }));
    };
    if !world.has_other_super_user(|_| false) {
        give(roles::SUPER_USER, ADMIN.0, Object::SYSTEM);
    }
    // Only once: who takes it away means it.
    if world.users.is_empty() {
        give(roles::TEMPLATE_USER, EVERYONE, BLANK.into());
        give(roles::VNIC_PROFILE_USER, EVERYONE, management_profile.into());
    }
    if let Some(password) = admin {
        changes.push(Change::User(User {
            id: ADMIN,
            name: "admin".into(),
            profile: "internal".into(),
            password,
        }));
    }
    changes
}
