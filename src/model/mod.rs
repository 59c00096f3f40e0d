//! What things are and which moves are allowed. Pure: no I/O, no libvirt, no HTTP.
//!
//! The types derive serde because the store and the journal keep whole specifications as
//! documents (a VM's present and next-run configuration are the same type); the API's own
//! documents are `wire::types`.

pub mod access;
pub mod affinity;
pub mod cdrom;
pub(crate) mod change;
pub mod cpu_set;
pub mod disk;
pub mod event;
pub mod guest;
pub mod host_device;
pub mod icon;
pub mod ids;
pub mod initialization;
pub mod instance_type;
pub mod job;
pub mod limits;
pub mod lun;
pub mod mac;
pub mod network;
pub mod nic;
pub mod numa;
pub mod operating_system;
pub mod payload;
pub mod permits;
pub mod place;
pub mod placed;
pub mod portals;
pub mod roles;
pub mod snapshot;
pub mod template;
pub mod time_zone;
pub mod vm;
pub mod vm_pool;
pub mod vm_state;

pub use access::{
    Bookmark, EVERYONE, Group, Member, Object, ObjectKind, Permission, ROOT_TAG, Role, SshKey, Tag, Tagged,
};
pub use affinity::{Affine, AffinityGroup};
pub use cpu_set::CpuSet;
pub use disk::{Attachment, Disk, DiskFormat, DiskInterface, DiskStatus};
pub use event::{About, Code, Event, Severity, Subject};
pub use guest::{Accelerator, ConsoleClient, CpuChoice, GuestInterface, GuestReport, GuestSystem, HostFacts};
pub use host_device::{HostDevice, pci_address};
pub use icon::{Family, Icon, IconChoice};
pub use ids::*;
pub use initialization::{GuestNic, Initialization};
pub use instance_type::InstanceType;
pub use job::{Job, JobStatus, Step, StepKind};
pub use limits::{ClusterLimit, DEFAULT_QUOTA, Qos, Quota, QuotaMode, Rates, StorageLimit, Tune, Use};
pub use lun::{Chap, HostLun, HostLunKind, IscsiUnit, Lun, LunAt, Passed, Sealed};
pub use mac::{Mac, MacRange};
pub use network::{ClusterNetwork, ClusterNetworkChange, Network, NetworkChange, ProfileChange, VnicProfile};
pub use nic::{BootProtocol, Nic, NicInterface};
pub use numa::{HostNode, NumaNode};
pub use operating_system::{OPERATING_SYSTEMS, is_windows, operating_system};
pub use payload::{GuestFile, Payload, PayloadKind, Secret};
pub use place::{
    Cluster, CpuProfile, DataCenter, DiskProfile, Host, StorageDomain, StorageDomainChange, StorageKind,
    StorageStatus,
};
pub use placed::Placed;
pub use portals::Portals;
pub use snapshot::{Borrowed, SavedDisk, Snapshot, SnapshotKind, SnapshotStatus};
pub use template::{Template, TemplateStatus};
pub use vm::{Vm, VmSpec};
pub use vm_pool::{PoolHardware, PoolKind, Pooled, VmPool};
pub use vm_state::{Move, PauseReason, Power, Verdict, VmStatus};

pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * KIB;
pub const GIB: u64 = 1024 * MIB;
