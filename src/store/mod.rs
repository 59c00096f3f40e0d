//! The engine's rows in SQLite. The only folder that names it.
//!
//! One file in WAL mode, one connection. A commit is one transaction; whether it is on the
//! disk when the call returns is up to its `Durability`.

mod nouns;
mod place;
mod rows;
#[cfg(test)]
mod tests;

use crate::engine::ports::{Durability, HistoryEntry, Store};
use crate::engine::world::{Change, Intent, User};
use crate::error::{Error, Result};
use crate::model::{
    AffinityGroup, Attachment, Bookmark, Borrowed, ClusterNetwork, Disk, DiskProfile, Event, Group,
    InstanceType, Job, Network, Nic, Permission, Qos, Quota, Role, Snapshot, SshKey, StorageDomain, Tag,
    Template, Vm, VmPool, VnicProfile,
};
use nouns::Setting;
pub use place::DatabasePlace;
use rows::{Fault, all, delete, put, remove};
use rusqlite::{Connection, ErrorCode, MAIN_DB, TransactionBehavior};
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The schema's history: each file brings the one before it a version further.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/1_first.sql"),
    include_str!("schema/2_history.sql"),
    include_str!("schema/3_storage_domains.sql"),
    include_str!("schema/4_access.sql"),
    include_str!("schema/5_snapshots.sql"),
    include_str!("schema/6_networks.sql"),
    include_str!("schema/7_templates.sql"),
    include_str!("schema/8_luns.sql"),
    include_str!("schema/9_limits.sql"),
    include_str!("schema/10_memory.sql"),
    include_str!("schema/11_template_copies.sql"),
    include_str!("schema/12_lookups.sql"),
    include_str!("schema/13_vm_pools.sql"),
    include_str!("schema/14_details.sql"),
    include_str!("schema/15_newest_version.sql"),
    include_str!("schema/16_space.sql"),
    include_str!("schema/17_stop_reason.sql"),
    include_str!("schema/18_borrowed.sql"),
    include_str!("schema/19_lost.sql"),
    include_str!("schema/20_pool_hardware.sql"),
    include_str!("schema/21_runs.sql"),
];

/// The store of a daemon: a database in its state folder.
pub struct Sqlite {
    connection: Mutex<Connection>,
}

impl Sqlite {
    /// Opens the database, makes it when it is absent, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self> {
        private_file(path).map_err(|why| {
            Error::host(format!("The state of the engine cannot be opened: {}: {why}", path.display()))
        })?;
        Self::of(Connection::open(path))
    }

    /// A database that ends with its owner: a copy of the first one, which alone goes through the
    /// schema's history.
    pub fn in_memory() -> Result<Self> {
        static FIRST: OnceLock<Vec<u8>> = OnceLock::new();
        let image = match FIRST.get() {
            Some(image) => image,
            None => {
                let image = empty().map_err(|why| said("opened", why))?;
                FIRST.get_or_init(|| image)
            }
        };
        Self::of(Connection::open_in_memory().and_then(|mut copy| {
            copy.deserialize_read_exact(MAIN_DB, image.as_slice(), image.len(), false)?;
            Ok(copy)
        }))
    }

    fn of(opened: rusqlite::Result<Connection>) -> Result<Self> {
        let prepared = opened.map_err(Fault::from).and_then(prepare);
        Ok(Self { connection: Mutex::new(prepared.map_err(|why| said("opened", why))?) })
    }

    /// A panic elsewhere rolled its transaction back: the connection is as good as before.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Sqlite {
    fn load(&self) -> Result<Vec<Change>> {
        load(&mut self.connection()).map_err(|why| said("read", why))
    }

    fn commit(&self, changes: &[Change], durability: Durability) -> Result<()> {
        commit(&mut self.connection(), changes, durability).map_err(|why| said("written", why))
    }

    fn history(&self) -> Result<Vec<HistoryEntry>> {
        history(&mut self.connection()).map_err(|why| said("read", why))
    }

    fn remember(&self, entries: &[HistoryEntry]) -> Result<()> {
        remember(&mut self.connection(), entries).map_err(|why| said("written", why))
    }
}

/// Makes the file before SQLite does, so that it is never open to others; SQLite gives its
/// companions the same mode.
fn private_file(path: &Path) -> std::io::Result<()> {
    let existed = path.exists();
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    match path.parent() {
        Some(folder) if !existed => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// What is in a database without rows.
fn empty() -> Result<Vec<u8>, Fault> {
    let mut first = prepare(Connection::open_in_memory()?)?;
    Ok(first.serialize(MAIN_DB)?.to_vec())
}

fn prepare(mut connection: Connection) -> Result<Connection, Fault> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version as usize > MIGRATIONS.len() {
        return Err(Fault::Newer(version));
    }
    // A migration may rebuild tables that others refer to.
    connection.pragma_update(None, "foreign_keys", false)?;
    for (target, migration) in (1..).zip(MIGRATIONS).skip(version as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", target)?;
        transaction.commit()?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Everything in an order in which each row follows those that it refers to.
fn load(connection: &mut Connection) -> Result<Vec<Change>, Fault> {
    let db = connection.transaction()?;
    let mut found = Vec::new();
    found.extend(all(&db)?.into_iter().map(|Setting { name, value }| Change::Setting { name, value }));
    found.extend(all(&db)?.into_iter().map(Change::DataCenter));
    found.extend(all(&db)?.into_iter().map(Change::Cluster));
    found.extend(all(&db)?.into_iter().map(Change::Host));
    found.extend(all(&db)?.into_iter().map(Change::StorageDomain));
    found.extend(all(&db)?.into_iter().map(Change::Network));
    found.extend(all(&db)?.into_iter().map(Change::ClusterNetwork));
    found.extend(all(&db)?.into_iter().map(Change::VnicProfile));
    found.extend(all(&db)?.into_iter().map(Change::Qos));
    found.extend(all(&db)?.into_iter().map(Change::Quota));
    found.extend(all(&db)?.into_iter().map(Change::DiskProfile));
    found.extend(all(&db)?.into_iter().map(Change::CpuProfile));
    found.extend(all(&db)?.into_iter().map(Change::User));
    found.extend(all(&db)?.into_iter().map(Change::Group));
    found.extend(all(&db)?.into_iter().map(Change::Member));
    found.extend(all(&db)?.into_iter().map(Change::SshKey));
    found.extend(all(&db)?.into_iter().map(Change::Role));
    found.extend(all(&db)?.into_iter().map(Change::Permission));
    found.extend(all(&db)?.into_iter().map(Change::Tag));
    found.extend(all(&db)?.into_iter().map(Change::Tagged));
    found.extend(all(&db)?.into_iter().map(Change::Bookmark));
    found.extend(all(&db)?.into_iter().map(Box::new).map(Change::InstanceType));
    found.extend(all(&db)?.into_iter().map(Box::new).map(Change::Template));
    found.extend(all(&db)?.into_iter().map(Box::new).map(Change::Vm));
    found.extend(all(&db)?.into_iter().map(Change::VmPool));
    found.extend(all(&db)?.into_iter().map(Change::Pooled));
    found.extend(all(&db)?.into_iter().map(Change::AffinityGroup));
    found.extend(all(&db)?.into_iter().map(Change::Affine));
    found.extend(all(&db)?.into_iter().map(Change::Disk));
    found.extend(all(&db)?.into_iter().map(Change::Attachment));
    found.extend(all(&db)?.into_iter().map(Change::Borrowed));
    found.extend(all(&db)?.into_iter().map(Change::Nic));
    found.extend(all(&db)?.into_iter().map(Box::new).map(Change::Snapshot));
    found.extend(all(&db)?.into_iter().map(Change::Intent));
    Ok(found)
}

fn commit(connection: &mut Connection, changes: &[Change], durability: Durability) -> Result<(), Fault> {
    let synchronous = match durability {
        Durability::Synced => "FULL",
        Durability::Lazy => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    let db = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for change in changes {
        match change {
            Change::Setting { name, value } => {
                put(&db, &Setting { name: name.clone(), value: value.clone() })
            }
            Change::DataCenter(it) => put(&db, it),
            Change::Cluster(it) => put(&db, it),
            Change::Host(it) => put(&db, it),
            Change::StorageDomain(it) => put(&db, it),
            Change::DropStorageDomain(id) => gone::<StorageDomain>(&db, &id.to_string()),
            Change::Network(it) => put(&db, it),
            Change::DropNetwork(id) => gone::<Network>(&db, &id.to_string()),
            Change::ClusterNetwork(it) => put(&db, it),
            Change::DropClusterNetwork { cluster, network } => {
                delete::<ClusterNetwork>(&db, &[cluster.to_string(), network.to_string()])
            }
            Change::VnicProfile(it) => put(&db, it),
            Change::DropVnicProfile(id) => gone::<VnicProfile>(&db, &id.to_string()),
            Change::DiskProfile(it) => put(&db, it),
            Change::DropDiskProfile(id) => gone::<DiskProfile>(&db, &id.to_string()),
            Change::Qos(it) => put(&db, it),
            Change::DropQos(id) => delete::<Qos>(&db, &[id.to_string()]),
            Change::Quota(it) => put(&db, it),
            Change::DropQuota(id) => gone::<Quota>(&db, &id.to_string()),
            Change::CpuProfile(it) => put(&db, it),
            Change::User(it) => put(&db, it),
            Change::DropUser(id) => gone::<User>(&db, &id.to_string()),
            Change::Group(it) => put(&db, it),
            Change::DropGroup(id) => gone::<Group>(&db, &id.to_string()),
            Change::Member(it) => put(&db, it),
            Change::DropMember(it) => remove(&db, it),
            Change::SshKey(it) => put(&db, it),
            Change::DropSshKey(id) => delete::<SshKey>(&db, &[id.to_string()]),
            Change::Role(it) => put(&db, it),
            Change::DropRole(id) => delete::<Role>(&db, &[id.to_string()]),
            Change::Permission(it) => put(&db, it),
            Change::DropPermission(id) => delete::<Permission>(&db, &[id.to_string()]),
            Change::Tag(it) => put(&db, it),
            Change::DropTag(id) => delete::<Tag>(&db, &[id.to_string()]),
            Change::Tagged(it) => put(&db, it),
            Change::DropTagged(it) => remove(&db, it),
            Change::Bookmark(it) => put(&db, it),
            Change::DropBookmark(id) => delete::<Bookmark>(&db, &[id.to_string()]),
            Change::InstanceType(it) => put(&db, &**it),
            Change::DropInstanceType(id) => delete::<InstanceType>(&db, &[id.to_string()]),
            Change::AffinityGroup(it) => put(&db, it),
            Change::DropAffinityGroup(id) => delete::<AffinityGroup>(&db, &[id.to_string()]),
            Change::VmPool(it) => put(&db, it),
            Change::DropVmPool(id) => gone::<VmPool>(&db, &id.to_string()),
            Change::Pooled(it) => put(&db, it),
            Change::DropPooled(it) => remove(&db, it),
            Change::Affine(it) => put(&db, it),
            Change::DropAffine(it) => remove(&db, it),
            Change::Template(it) => put(&db, &**it),
            Change::DropTemplate(id) => gone::<Template>(&db, &id.to_string()),
            Change::Vm(it) => put(&db, &**it),
            Change::DropVm(id) => gone::<Vm>(&db, &id.to_string()),
            Change::Disk(it) => put(&db, it),
            Change::DropDisk(id) => gone::<Disk>(&db, &id.to_string()),
            Change::Attachment(it) => put(&db, it),
            Change::DropAttachment { vm, disk } => {
                delete::<Attachment>(&db, &[vm.to_string(), disk.to_string()])
            }
            Change::Borrowed(it) => put(&db, it),
            Change::DropBorrowed { vm, disk } => delete::<Borrowed>(&db, &[vm.to_string(), disk.to_string()]),
            Change::Nic(it) => put(&db, it),
            Change::DropNic { nic, .. } => delete::<Nic>(&db, &[nic.to_string()]),
            Change::Snapshot(it) => put(&db, &**it),
            Change::DropSnapshot { snapshot: id, .. } => delete::<Snapshot>(&db, &[id.to_string()]),
            Change::Intent(it) => put(&db, it),
            Change::DropIntent(id) => delete::<Intent>(&db, &[id.to_string()]),
        }?;
    }
    db.commit()?;
    Ok(())
}

/// Deletes a row with the permissions and tags that hang on it.
fn gone<T: nouns::Noun>(db: &Connection, id: &str) -> Result<(), Fault> {
    db.prepare_cached("DELETE FROM permissions WHERE object = ?1 OR holder = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM tagged WHERE object = ?1")?.execute([id])?;
    delete::<T>(db, &[id.to_owned()])
}

fn history(connection: &mut Connection) -> Result<Vec<HistoryEntry>, Fault> {
    let db = connection.transaction()?;
    let events = all(&db)?.into_iter().map(HistoryEntry::Event);
    Ok(events.chain(all(&db)?.into_iter().map(HistoryEntry::Job)).collect())
}

fn remember(connection: &mut Connection, entries: &[HistoryEntry]) -> Result<(), Fault> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let db = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for entry in entries {
        match entry {
            HistoryEntry::Event(it) => put(&db, it),
            HistoryEntry::ForgetEvent(id) => delete::<Event>(&db, &[id.to_string()]),
            HistoryEntry::Job(it) => put(&db, it),
            HistoryEntry::ForgetJob(id) => delete::<Job>(&db, &[id.to_string()]),
        }?;
    }
    db.commit()?;
    Ok(())
}

/// What the host did is said; a row that does not fit is a defect.
fn said(verb: &str, fault: Fault) -> Error {
    let cause = match &fault {
        Fault::Newer(_) => "a newer version of vireo has written it",
        Fault::Misfit { .. } if verb == "read" => "it is damaged",
        Fault::Misfit { .. } => return Error::bug(fault),
        Fault::Sqlite(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "the disk is full",
            Some(ErrorCode::ReadOnly) => "it is read-only",
            Some(ErrorCode::SystemIoFailure) => "input/output error",
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => "its file cannot be opened",
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => "another process holds it",
            Some(ErrorCode::OutOfMemory) => "there is no memory for it",
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "it is damaged",
            _ => return Error::bug(fault),
        },
    };
    Error::host(format!("The state of the engine cannot be {verb}: {cause}.")).because(fault)
}
