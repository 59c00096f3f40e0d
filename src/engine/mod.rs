//! The verbs: what clients may do, with locks, journal, undo and reconcile. Async; knows no HTTP,
//! no SQL and no `virt`.
//!
//! A change walks one way: hold the locks, check, *promise* (one synced transaction with the rows
//! and the intent), act on the hypervisor step by step, *settle* (drop the intent, at once for
//! readers and a moment later in the store). Every step is "make it so" and may be asked twice, so
//! a crash is answered by asking again (`reconcile`), and a failure by `undo`. What cannot be undone
//! any more is finished instead, and its client is told so.

pub mod access;
pub mod accounts;
mod affinity;
mod attachments;
mod block_jobs;
mod borrowed;
mod bygone;
pub mod caller;
mod carry;
mod disk_move;
mod disk_profiles;
mod documents;
mod domain_jobs;
mod events;
mod export_imports;
mod exports;
pub mod failpoint;
mod fillings;
mod first_world;
mod groups;
mod guests;
mod hints;
pub mod history;
mod host_devices;
mod imports;
mod instance_types;
pub mod inventory;
pub mod jobs;
mod journal;
mod labels;
mod lane;
mod locks;
mod lookout;
mod looks;
mod media;
mod merge;
mod mirrors;
mod networks;
mod new_vms;
mod nics;
mod orders;
mod ovf;
mod phases;
mod places;
mod plug;
mod portals;
pub mod ports;
mod prestart;
mod progress;
mod quotas;
mod reading;
mod reconcile;
pub mod recover;
mod registers;
mod reports;
mod restore;
mod restore_rows;
mod secrets;
mod snapshots;
mod stateless;
pub mod stats;
mod storage_domains;
mod suspend;
mod telling;
mod template_copies;
mod templates;
pub mod turns;
mod unplug;
mod unregister;
mod users;
mod versions;
mod vm_cdrom;
mod vm_consoles;
mod vm_disks;
mod vm_numa;
mod vm_pools;
mod vm_power;
mod vms;
mod vnic_profiles;
mod wake;
pub mod world;

mod disks;

pub use affinity::AffinityChange;
pub use carry::files_of;
pub use disk_profiles::{DiskProfileChange, QosChange, RatesChange};
pub use disks::{DiskChange, NewDisk};
pub use export_imports::Comeback;
pub use exports::ExportOptions;
pub use fillings::{DiskCopies, DiskCopy};
pub use first_world::{ADMIN_PASSWORD_FILE, MANAGEMENT};
pub use imports::Import;
pub use labels::TagChange;
pub use new_vms::{NewVm, Source};
pub use nics::NicChange;
pub use orders::Order;
pub use places::{PlaceChange, Space, StorageFile};
pub use quotas::QuotaChange;
pub use reports::NewEvent;
pub use restore::Restored;
pub use secrets::SecretKey;
pub use snapshots::NewSnapshot;
pub use storage_domains::NewStorageDomain;
pub use templates::NewTemplate;
pub use users::{INTERNAL, RoleChange};
pub use vm_consoles::{Session, Ticket, add_console, remove_console};
pub use vm_disks::NewAttachment;
pub use vm_pools::PoolChange;
pub use vm_power::{RunOnce, StartOptions};
pub use vms::VmView;

use crate::error::{Error, Result};
use crate::model::*;
use history::History;
use inventory::Inventory;
use jobs::Jobs;
use lane::Lane;
use locks::Locks;
use lookout::Lookout;
use ports::{Hypervisor, HypervisorEvent, Images, Mirrors, Store};
use reading::Reading;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use world::World;

/// What the daemon's configuration says to the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of database, images and ISO files.
    pub state: PathBuf,
    /// The host's name in the API.
    pub host_name: String,
    /// Folders below which kernels and initrds may lie.
    pub boot_dirs: Vec<PathBuf>,
    /// The iSCSI portals that clients may name.
    pub portals: Portals,
    /// What passwords of others' targets are sealed with.
    pub secret_key: SecretKey,
    /// Where users keep domain templates of their own.
    pub templates: Option<PathBuf>,
    /// How long a guest may take to let a device go.
    pub hotunplug_timeout: Duration,
    pub stats_interval: Duration,
    /// `network:NAME` or `bridge:NAME`.
    pub management: String,
    /// Address on which graphics consoles listen.
    pub graphics_listen: String,
    /// Password of the first administrator at the first start.
    pub admin_password: Option<String>,
}

/// The engine of one host.
pub struct Engine {
    pub settings: Settings,
    world: RwLock<World>,
    /// Serializes promises: what a promise checked still holds when it is written. Who holds it has the
    /// rows that were noted and are not in the store yet, those of a note together.
    gate: tokio::sync::Mutex<Vec<Vec<world::Change>>>,
    noted: tokio::sync::Notify,
    /// The store took nothing when noted rows were last to be written.
    is_behind: AtomicBool,
    store: Arc<dyn Store>,
    images: Arc<dyn Images>,
    lookout: Arc<Lookout>,
    lane: Lane,
    locks: Locks,
    pub jobs: Jobs,
    pub history: History,
    pub inventory: Inventory,
    stats: stats::Stats,
    accounts: accounts::Verifier,
    /// The host's facts and uuid, as soon as libvirt told them.
    facts: RwLock<Option<Arc<(HostFacts, String)>>>,
    /// Counts how often libvirt came and went.
    connection: AtomicU64,
    /// The count at which everything had been looked at.
    looked_at: AtomicU64,
    /// Every hypervisor event, for those who wait for one.
    happened: broadcast::Sender<HypervisorEvent>,
    /// Active storage domains whose folders are not there.
    lost_storage: std::sync::Mutex<std::collections::BTreeSet<StorageDomainId>>,
    /// Those of which it was told that they have little space.
    low_storage: std::sync::Mutex<std::collections::BTreeSet<StorageDomainId>>,
    /// Configurations of next runs that their VMs could not take, and how often they were tried.
    refused_runs: std::sync::Mutex<std::collections::BTreeMap<VmId, (Box<VmSpec>, u32)>>,
    definitions: turns::Turns,
    looks: turns::Turns,
    pools_changed: tokio::sync::Notify,
    /// Pools of VMs may have fewer ahead than they ask for.
    pools_taken_from: tokio::sync::Notify,
    /// Shared by those who give VMs of pools away, until these run.
    giving: tokio::sync::RwLock<()>,
    mirrors: Arc<dyn Mirrors>,
    hints: hints::Hints,
    taps_changed: tokio::sync::Notify,
    /// Whether the host was last asked for any copies; `None` when that is not known.
    mirrors_asked: tokio::sync::Mutex<Option<bool>>,
    /// The password of graphics consoles that have no ticket; nobody is told.
    console_lock: String,
}

impl Engine {
    /// Loads what was promised, seeds the first world, and begins to follow the hypervisor.
    pub async fn open(
        settings: Settings,
        store: Arc<dyn Store>,
        hypervisor: Arc<dyn Hypervisor>,
        images: Arc<dyn Images>,
        mirrors: Arc<dyn Mirrors>,
    ) -> Result<Arc<Self>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut world = World::default();
        let (rows, past) = lane::blocking({
            let store = store.clone();
            move || Ok((store.load()?, store.history()?))
        })
        .await?;
        for row in &rows {
            world.apply(row);
        }
        let history = History::load(past, |job| world.intents.contains_key(&IntentId(job.0)));
        let engine = Arc::new(Self {
            lookout: Arc::new(Lookout::new(&settings.state)),
            settings,
            world: RwLock::new(world),
            gate: tokio::sync::Mutex::default(),
            noted: tokio::sync::Notify::new(),
            is_behind: AtomicBool::new(false),
            store,
            images,
            lane: Lane::new(hypervisor.clone()),
            locks: Locks::default(),
            jobs: Jobs::default(),
            history,
            inventory: Inventory::default(),
            stats: stats::Stats::default(),
            accounts: accounts::Verifier::default(),
            facts: RwLock::new(None),
            connection: AtomicU64::new(1),
            looked_at: AtomicU64::new(0),
            happened: broadcast::channel(1024).0,
            lost_storage: std::sync::Mutex::default(),
            low_storage: std::sync::Mutex::default(),
            refused_runs: std::sync::Mutex::default(),
            definitions: turns::Turns::default(),
            looks: turns::Turns::default(),
            pools_changed: tokio::sync::Notify::new(),
            pools_taken_from: tokio::sync::Notify::new(),
            giving: tokio::sync::RwLock::default(),
            mirrors,
            hints: hints::Hints::default(),
            taps_changed: tokio::sync::Notify::new(),
            mirrors_asked: tokio::sync::Mutex::new(None),
            console_lock: vm_consoles::generated_ticket(),
        });
        engine.seed().await?;
        engine.sweep_files().await;
        engine.tell(Code::ENGINE_STARTED, About::default(), "The engine started.");
        hypervisor.subscribe(sender);
        tokio::spawn(engine.clone().follow(receiver));
        tokio::spawn(engine.clone().sample_for_ever());
        tokio::spawn(engine.clone().resync_for_ever());
        tokio::spawn(engine.clone().refresh_pools_for_ever());
        tokio::spawn(engine.clone().follow_taps_for_ever());
        tokio::spawn(engine.clone().write_behind_for_ever());
        tokio::spawn(engine.clone().write_history_for_ever());
        tokio::spawn(engine.clone().listen_to_guests_for_ever());
        tokio::spawn(engine.clone().keep_hints_for_ever());
        tokio::spawn(engine.clone().prestart_for_ever());
        Ok(engine)
    }

    /// Held for a moment, and never beside another look.
    #[track_caller]
    pub fn world(&self) -> Reading<'_> {
        Reading::of(&self.world)
    }

    /// libvirt is there, and how each domain is has been asked since it came.
    pub fn connected(&self) -> bool {
        self.looked_at.load(Ordering::Acquire) == self.connection.load(Ordering::Acquire)
    }

    /// Waits for the first look at everything; not at all when libvirt is away.
    pub async fn first_look(&self, at_most: Duration) {
        let look = async {
            while self.lane.slow(|hv| hv.version()).await.is_ok() && !self.connected() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(at_most, look).await.is_err() {
            tracing::warn!("libvirt takes its time: serving before everything is known");
        }
    }

    /// What the host offers; `Unavailable` until libvirt told it.
    pub fn facts(&self) -> Result<Arc<(HostFacts, String)>> {
        let facts = self.facts.read().expect("no panic while held").clone();
        facts.ok_or_else(|| Error::unavailable("the host's facts are not known yet"))
    }

    /// Waits until no job runs any more, and writes what is left to write.
    pub async fn drain(&self) {
        while self.jobs.running() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if let Err(why) = self.write_behind().await {
            tracing::warn!("rows of what is done cannot be written, the next start does it again: {why}");
        }
        if let Err(why) = self.write_history().await {
            tracing::warn!("the history cannot be written: {why}");
        }
        self.keep_hints().await;
    }

    fn require_connection(&self) -> Result<()> {
        match self.connected() {
            true => Ok(()),
            false => Err(Error::unavailable("no connection to libvirt")),
        }
    }
}
