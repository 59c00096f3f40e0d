//! What the engine needs of the world. `libvirt/`, `store/`, `host/` and `sim/` provide it.
//!
//! Ports are blocking: the engine calls them through its lane (`engine::lane`), never on an
//! async thread. The hypervisor speaks documents, so that an adapter stays dumb and the
//! journal can keep what was sent.

use crate::error::Result;
use crate::model::{
    DiskFormat, DiskId, Event, GuestInterface, GuestReport, HostFacts, HostLun, Job, JobId, PauseReason,
    Payload, Power, Tune, VmId,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Which of a domain's two documents a change is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Live,
    Config,
    Both,
}

/// A domain as libvirt lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainSeen {
    pub id: VmId,
    pub name: String,
    pub power: Power,
    pub persistent: bool,
}

/// How a shutdown or reboot reaches the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Agent,
    Acpi,
}

/// What the agent in a guest is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentCall {
    Freeze,
    Thaw,
}

/// Whether a domain's monitor answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    Free,
    /// A job has held the monitor for so long.
    Occupied(Duration),
    Broken,
}

/// How far the job on a disk of a running domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockJob {
    pub done: u64,
    pub total: u64,
    /// Nothing is left to write but what the guest writes: the disk may go on in the other image.
    pub ready: bool,
}

/// An address that a DHCP server gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    pub interface: GuestInterface,
    /// When it was taken or renewed, to the second, where that is known.
    pub taken: Option<Timestamp>,
}

/// Something that happened at the hypervisor.
#[derive(Clone, Debug, PartialEq)]
pub enum HypervisorEvent {
    /// Defined, started, paused, stopped, undefined...: look again.
    Domain(VmId),
    /// The domain stopped or its definition went; with libvirt's detail.
    Stopped {
        id: VmId,
        detail: StopDetail,
    },
    Rebooted(VmId),
    DeviceAdded {
        id: VmId,
        alias: String,
    },
    DeviceRemoved {
        id: VmId,
        alias: String,
    },
    /// The guest refused an unplug.
    DeviceRemovalFailed {
        id: VmId,
        alias: String,
    },
    /// QEMU met an error on a disk; `paused` when it stopped the guest for it.
    DiskError {
        id: VmId,
        alias: String,
        reason: PauseReason,
        paused: bool,
    },
    /// The guest agent came or went.
    Agent {
        id: VmId,
        connected: bool,
    },
    /// The guest's present memory is another.
    BalloonChanged(VmId),
    /// A client of a graphics console has shown its ticket, or has gone.
    Console {
        id: VmId,
        /// The host's port that it came to.
        served: u16,
        address: String,
        port: String,
        connected: bool,
    },
    /// The connection is gone; the adapter reconnects by itself.
    Disconnected,
    /// A connection is there (again): everything must be looked at anew.
    Connected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopDetail {
    /// The guest powered itself off.
    Shutdown,
    Destroyed,
    Crashed,
    Saved,
    Failed,
    Other,
}

impl StopDetail {
    /// Nobody wanted it.
    pub fn is_death(self) -> bool {
        matches!(self, Self::Crashed | Self::Failed)
    }
}

/// Counters of one running domain, as far as it answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DomainSample {
    /// Total, user and system time of the domain in nanoseconds.
    pub cpu_time: Option<u64>,
    pub cpu_user: Option<u64>,
    pub cpu_system: Option<u64>,
    /// Time that the vCPUs ran, in nanoseconds.
    pub vcpu_time: Option<u64>,
    pub vcpus: u32,
    /// Bytes.
    pub balloon_current: Option<u64>,
    pub balloon_maximum: Option<u64>,
    pub balloon_available: Option<u64>,
    pub balloon_unused: Option<u64>,
    pub balloon_usable: Option<u64>,
    pub balloon_disk_caches: Option<u64>,
    pub rss: Option<u64>,
    /// By target device: `vda`.
    pub blocks: BTreeMap<String, BlockSample>,
    pub interfaces: BTreeMap<String, InterfaceSample>,
}

/// Bytes, requests and nanoseconds since the device was plugged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockSample {
    pub read_bytes: u64,
    pub read_requests: u64,
    pub read_time: u64,
    pub write_bytes: u64,
    pub write_requests: u64,
    pub write_time: u64,
    pub flush_requests: u64,
    pub flush_time: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceSample {
    pub rx_bytes: u64,
    pub rx_errors: u64,
    pub tx_bytes: u64,
    pub tx_errors: u64,
}

/// Hears of a domain and its live document, or else the persistent one: `None` when it has gone
/// meanwhile.
pub type Telling<'a> = &'a (dyn Fn(DomainSeen, Result<Option<String>>) + Sync);

/// Live values that a graphics console is reached by are read from the live document.
pub trait Hypervisor: Send + Sync + 'static {
    /// Where events go from now on; called once, before anything else.
    fn subscribe(&self, events: UnboundedSender<HypervisorEvent>);
    /// A short text: `libvirt 9.0.0, QEMU 7.2.22`; fails with `Unavailable` when libvirt is away.
    fn version(&self) -> Result<String>;
    /// The host's facts; probed once per version of libvirt and QEMU, then kept.
    fn facts(&self) -> Result<HostFacts>;
    /// The host's uuid as libvirt knows it.
    fn host_uuid(&self) -> Result<String>;

    fn domains(&self) -> Result<Vec<DomainSeen>>;
    /// Tells of each of these domains as soon as its document was read; so many are read at once.
    fn documents(&self, of: Vec<DomainSeen>, at_once: usize, tell: Telling<'_>) -> Result<()>;
    /// The live document of a running domain (or else the persistent one), or the persistent one.
    /// Never carries secrets.
    fn document(&self, id: VmId, persistent: bool) -> Result<Option<String>>;
    /// The same, with how the domain is.
    fn look(&self, id: VmId, persistent: bool) -> Result<Option<(DomainSeen, String)>>;

    /// Defines or redefines.
    fn define(&self, document: &str) -> Result<()>;
    /// The same, with a document that no test has seen the like of: validated against libvirt's
    /// schema, whose reading takes longer than all the rest.
    fn define_validated(&self, document: &str) -> Result<()>;
    /// Removes the definition with its managed save and NVRAM; fine when it is gone already.
    /// `Conflict` while the domain runs.
    fn undefine(&self, id: VmId) -> Result<()>;

    /// Renames an inactive domain that has no managed save.
    fn rename(&self, id: VmId, name: &str) -> Result<()>;

    /// Starts the persistent definition, or restores the managed save.
    fn start(&self, id: VmId, paused: bool) -> Result<()>;
    /// Starts a domain with a document of this run only.
    fn start_with(&self, document: &str, paused: bool) -> Result<()>;
    /// The document of the domain whose memory a snapshot wrote into the file.
    fn saved_document(&self, file: &Path) -> Result<String>;
    /// Brings a domain back, paused, from the memory in the file, as this document has it.
    fn restore(&self, file: &Path, document: &str) -> Result<()>;
    fn shutdown(&self, id: VmId, ask: Ask) -> Result<()>;
    fn reboot(&self, id: VmId, ask: Ask) -> Result<()>;
    /// How the last run of a domain that is off ended; `None` where libvirt does not know.
    fn last_stop(&self, id: VmId) -> Result<Option<StopDetail>>;
    /// Fine when the domain is off already.
    fn destroy(&self, id: VmId) -> Result<()>;
    fn pause(&self, id: VmId) -> Result<()>;
    fn resume(&self, id: VmId) -> Result<()>;
    fn save(&self, id: VmId) -> Result<()>;
    /// Fine when there is none.
    fn drop_save(&self, id: VmId) -> Result<()>;

    /// Fine when a device of that alias is there already.
    fn attach(&self, id: VmId, device: &str, alias: &str, scope: Scope) -> Result<()>;
    /// Asks for the device to go. A guest must let go first: the event tells. Tells whether there
    /// is one to wait for; fine when no such device is there.
    fn detach(&self, id: VmId, alias: &str, scope: Scope) -> Result<bool>;
    fn update_device(&self, id: VmId, device: &str, scope: Scope) -> Result<()>;
    /// The drive of a running domain with another medium, or none; with `force` past a locked tray.
    fn change_medium(&self, id: VmId, drive: &str, force: bool) -> Result<()>;
    /// How fast a running domain's disk may be.
    fn tune_block(&self, id: VmId, target: &str, tune: Tune) -> Result<()>;
    fn resize_block(&self, id: VmId, target: &str, bytes: u64) -> Result<()>;
    /// Lets disks of a running domain go on in new images that are there, all of them or none, as
    /// the document says, which also names the file that the memory goes to, if it does. Refused
    /// while a job is at work on the domain, and when a disk is in one of the images already.
    fn snapshot(&self, id: VmId, document: &str, memory: bool) -> Result<()>;
    /// Whether a job is at work on the domain as a whole, as a snapshot or a save is. It outlives
    /// the client that asked for it.
    fn has_job(&self, id: VmId) -> Result<bool>;
    /// Asks that job to end without having been; fine when there is none.
    fn abort_job(&self, id: VmId) -> Result<()>;
    /// Begins to write what the image `top` of a running domain's disk holds into `base`, the one
    /// below it. With `active`, `top` is the one that the guest writes, and the job waits for its end.
    fn commit_block(&self, id: VmId, target: &str, top: &str, base: &str, active: bool) -> Result<()>;
    /// Begins to copy a running domain's disk to the image that the document describes, which is
    /// there: all of it, or only the image that the guest writes. The job waits for its end.
    fn copy_block(&self, id: VmId, target: &str, document: &str, shallow: bool) -> Result<()>;
    /// `None` when the disk has no job, or the domain does not run.
    fn block_job(&self, id: VmId, target: &str) -> Result<Option<BlockJob>>;
    /// Ends a job: the disk goes on in the image that it has written, or stays where it is.
    fn end_block_job(&self, id: VmId, target: &str, pivot: bool) -> Result<()>;
    /// The guest's present memory (balloon), in bytes.
    fn set_memory(&self, id: VmId, bytes: u64, scope: Scope) -> Result<()>;
    fn set_vcpus(&self, id: VmId, count: u32) -> Result<()>;
    fn pin_vcpu(&self, id: VmId, vcpu: u32, cpus: &[bool]) -> Result<()>;
    fn agent(&self, id: VmId, call: AgentCall) -> Result<()>;

    /// What the agent in the guest tells; may take seconds.
    fn guest(&self, id: VmId) -> Result<GuestReport>;
    /// Who has an address from the DHCP servers of libvirt's networks.
    fn leases(&self) -> Result<Vec<Lease>>;

    /// A connection to a graphics console of a running domain, by its place among the document's,
    /// past its password. What it carries is the console's own protocol.
    fn open_console(&self, id: VmId, place: u32) -> Result<OwnedFd>;
    fn control(&self, id: VmId) -> Result<Control>;
    /// Counters of the running domains that answer. Uses a connection of its own.
    fn sample(&self, ids: &[VmId]) -> Result<Vec<(VmId, DomainSample)>>;

    /// libvirt's documents of the host's PCI and USB devices.
    fn host_devices(&self) -> Result<Vec<String>>;
    /// Makes sure that a directory pool of that name stands on the folder and runs.
    fn ensure_pool(&self, name: &str, folder: &Path) -> Result<()>;
    /// Forgets the pool, not its files; fine when it is gone already.
    fn drop_pool(&self, name: &str) -> Result<()>;
    /// Looks at the pool's folder anew.
    fn refresh_pool(&self, name: &str) -> Result<()>;
    /// Makes sure that the network of that document runs. One of its name that differs in what vireo
    /// sets is made anew, which takes the network from who is on it.
    fn ensure_network(&self, document: &str) -> Result<()>;
    /// Fine when there is none.
    fn drop_network(&self, name: &str) -> Result<()>;
    /// The named libvirt network exists and is active.
    fn network_active(&self, name: &str) -> Result<bool>;

    /// Lets domains that name the disk's secret use this one; it is held in memory, and nobody can
    /// ask for it.
    fn ensure_secret(&self, id: DiskId, secret: &str) -> Result<()>;
    /// Fine when there is none.
    fn drop_secret(&self, id: DiskId) -> Result<()>;
}

/// An image, as its own header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Virtual bytes.
    pub size: u64,
    /// The image below, in the same folder, with the format that it is read as.
    pub below: Option<(String, DiskFormat)>,
}

/// Image files on the host.
pub trait Images: Send + Sync + 'static {
    /// Makes the file; fine when it exists with that size. Leaves nothing behind when it fails.
    fn create(&self, file: &Path, format: DiskFormat, size: u64, sparse: bool) -> Result<()>;
    /// Grows an image that no guest uses.
    fn resize(&self, file: &Path, format: DiskFormat, size: u64, sparse: bool) -> Result<()>;
    /// Takes the storage ahead that a raw image needs to become so large. Guests may use it.
    fn reserve(&self, file: &Path, size: u64) -> Result<()>;
    /// Makes an empty qcow2 image over another one of the same folder, which may be in use; fine
    /// when it is there. Leaves nothing behind when it fails.
    fn overlay(&self, file: &Path, size: u64, below: &str, format: DiskFormat) -> Result<()>;
    /// The same anew, in the place of what was there, which goes in any case.
    fn renew(&self, file: &Path, size: u64, below: &str, format: DiskFormat) -> Result<()>;
    /// Writes what a qcow2 image holds into the one below it, which grows to its size. The image
    /// stays as it is: until somebody writes below, this may be asked again.
    fn commit(&self, file: &Path) -> Result<()>;
    /// Lets a qcow2 image name another one below it; its content must be the same over either.
    fn rebase(&self, file: &Path, below: &str, format: DiskFormat) -> Result<()>;
    /// The names of image files, from this one down, as each names the one below it.
    fn chain(&self, file: &Path, format: DiskFormat) -> Result<Vec<(String, DiskFormat)>>;
    /// Makes the file a copy of another one, holes included. Leaves nothing behind when it fails.
    fn copy(&self, from: &Path, to: &Path) -> Result<()>;
    /// Makes a whole image of its own with what another one shows, all that lies below it included,
    /// which may be in use. Fine when it is there. Leaves nothing behind when it fails.
    fn flatten(
        &self,
        from: &Path,
        its: DiskFormat,
        to: &Path,
        format: DiskFormat,
        sparse: bool,
    ) -> Result<()>;
    /// What was written to the file is on the disk.
    fn sync(&self, file: &Path) -> Result<()>;
    /// Fine when the file is gone already.
    fn remove(&self, file: &Path) -> Result<()>;
    /// Overwrites the file's storage with zeros before it is removed.
    fn wipe(&self, file: &Path) -> Result<()>;
    /// Bytes that the file takes on its storage; `None` when it is missing.
    fn actual_size(&self, file: &Path) -> Result<Option<u64>>;
    /// Bytes that the file takes, or what is being written to become it.
    fn written(&self, file: &Path) -> Result<u64>;
    /// The image's virtual size in bytes, read as that format.
    fn virtual_size(&self, file: &Path, format: DiskFormat) -> Result<u64>;
    /// The host's block devices that are units of SCSI targets and that nothing on the host uses.
    fn luns(&self) -> Result<Vec<HostLun>>;
    /// The regular file of that name below the folder; nothing outside is ever reached.
    fn beneath(&self, folder: &Path, name: &str) -> Result<PathBuf>;
    /// Total and free bytes where the folder lies.
    fn space(&self, folder: &Path) -> Result<(u64, u64)>;
    /// Refuses a folder that is not there, has another name than this, or holds files with other
    /// suffixes than these.
    fn vacant(&self, folder: &Path, suffixes: &[&str]) -> Result<()>;
    /// Writes the id of a storage domain into its folder; fine when it is there.
    fn mark(&self, folder: &Path, id: &str) -> Result<()>;
    /// The id in the folder, if there is one.
    fn marked(&self, folder: &Path) -> Result<Option<String>>;
    /// Fine when there is no id in the folder.
    fn unmark(&self, folder: &Path) -> Result<()>;
    /// Writes a file from its parts, in the place of one of that name; whole or not at all.
    fn write(&self, file: &Path, parts: &mut dyn FnMut() -> Result<Option<Vec<u8>>>) -> Result<()>;
    /// Makes a medium with files, in the place of one of that name; whole or not at all.
    fn compose(&self, file: &Path, payload: &Payload) -> Result<()>;
    /// Writes a text file that nobody else may read, in the place of one of that name; whole or not
    /// at all.
    fn keep_hint(&self, file: &Path, text: &str) -> Result<()>;
    /// Fine when the file is gone already.
    fn drop_hint(&self, file: &Path) -> Result<()>;
    /// Names and texts of the folder's hints.
    fn hints(&self, folder: &Path) -> Result<Vec<(String, String)>>;
    /// What an image of the folder says of itself, whoever wrote it: nothing that it names is opened.
    /// `None` when it is not there.
    fn examine(&self, folder: &Path, name: &str, format: DiskFormat) -> Result<Option<Examined>>;
    /// Removes what a writer left in the folder that died.
    fn sweep(&self, folder: &Path) -> Result<()>;
    /// Names and sizes of the folder's files with one of these suffixes.
    fn list(&self, folder: &Path, suffixes: &[&str]) -> Result<Vec<(String, u64)>>;
}

/// Who receives copies of a tap's traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TapCopies {
    pub to: BTreeSet<String>,
    /// Only of what its guest sends.
    pub sent_only: bool,
}

/// By the tap that is copied.
pub type Copies = BTreeMap<String, TapCopies>;

/// The network devices of this host, and copies of traffic between its taps.
pub trait Mirrors: Send + Sync + 'static {
    /// The host has a bridge of that name.
    fn has_bridge(&self, name: &str) -> Result<bool>;
    /// Makes it so, and nothing else; taps that are gone meanwhile are passed over.
    fn set(&self, wanted: &Copies) -> Result<()>;
}

/// How hard a commit must hit the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk before the call returns: an intent.
    Synced,
    /// Soon: a done record, which a replay repeats.
    Lazy,
}

/// The rows that the engine promised, kept over restarts.
pub trait Store: Send + Sync + 'static {
    /// Everything, as the changes that make it from nothing.
    fn load(&self) -> Result<Vec<crate::engine::world::Change>>;
    /// All of the changes or none.
    fn commit(&self, changes: &[crate::engine::world::Change], durability: Durability) -> Result<()>;
    /// What is remembered of the past.
    fn history(&self) -> Result<Vec<HistoryEntry>>;
    /// Lazy: a power cut may take the last moments of the past along.
    fn remember(&self, entries: &[HistoryEntry]) -> Result<()>;
}

/// A row of the past written or dropped.
#[derive(Clone, Debug, PartialEq)]
pub enum HistoryEntry {
    Event(Event),
    ForgetEvent(u64),
    Job(Job),
    ForgetJob(JobId),
}
