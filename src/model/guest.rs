//! What the host offers to guests, found once per libvirt and QEMU version; what guests tell.

use super::disk::DiskInterface;
use super::ids::DiskId;
use super::numa::HostNode;
use super::vm::Protocol;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    Kvm,
    Tcg,
}

impl Accelerator {
    /// The `type` of libvirt's `<domain>`.
    pub fn domain_type(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "qemu",
        }
    }
}

/// How a VM gets its CPU when it asks for nothing in particular.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuChoice {
    HostPassthrough {
        /// Features that QEMU cannot start with on this host.
        disable: Vec<String>,
    },
    HostModel,
    Named(String),
}

/// Facts of the host that domain documents depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// What a VM gets unless it says otherwise.
    pub accelerator: Accelerator,
    /// libvirt offers kvm at all.
    pub kvm: bool,
    pub cpu_kvm: CpuChoice,
    pub cpu_tcg: CpuChoice,
    /// Named CPU models that libvirt accepts, per accelerator.
    pub models_kvm: BTreeSet<String>,
    pub models_tcg: BTreeSet<String>,
    /// Machine types QEMU knows, and the versions that they stand for: `pc-q35-7.2` for itself, too.
    pub machines: BTreeMap<String, String>,
    /// Ids of the host's CPUs.
    pub cpus: BTreeSet<u32>,
    /// Bytes.
    pub memory: u64,
    /// NUMA nodes, in the order of their indexes.
    pub nodes: Vec<HostNode>,
    pub spice: bool,
    /// Most shares of CPU that its control groups take.
    #[serde(default)]
    pub most_shares: u32,
    /// It has a random number generator of its own.
    #[serde(default)]
    pub hwrng: bool,
}

impl HostFacts {
    pub fn cpu(&self, accelerator: Accelerator) -> &CpuChoice {
        match accelerator {
            Accelerator::Kvm => &self.cpu_kvm,
            Accelerator::Tcg => &self.cpu_tcg,
        }
    }

    pub fn models(&self, accelerator: Accelerator) -> &BTreeSet<String> {
        match accelerator {
            Accelerator::Kvm => &self.models_kvm,
            Accelerator::Tcg => &self.models_tcg,
        }
    }
}

/// What a guest's agent tells of its guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestReport {
    pub interfaces: Vec<GuestInterface>,
    pub host_name: Option<String>,
    /// Who is logged in.
    pub users: Vec<String>,
    pub system: GuestSystem,
    /// What disks are to the guest, as `/dev/vda`, by the serial number that it reads from them, which
    /// some guests begin with a word of their own.
    pub disks: BTreeMap<String, String>,
    /// Name, and seconds east of Greenwich.
    pub time_zone: Option<(String, i32)>,
}

impl GuestReport {
    /// What the disk is to the guest.
    pub fn device_of(&self, disk: DiskId) -> Option<&str> {
        // A disk keeps its serial number where it changes its interface.
        let serials = [DiskInterface::VirtioScsi, DiskInterface::Virtio].map(|of| disk.serial(of));
        let is_its = |read: &&String| serials.iter().any(|serial| read.ends_with(serial));
        self.disks.iter().find(|(read, _)| is_its(read)).map(|(_, device)| device.as_str())
    }

    /// The programs that the guest is known to have: of its kernel the agent tells.
    pub fn applications(&self) -> impl Iterator<Item = String> {
        self.system.kernel.iter().map(|release| format!("kernel-{release}"))
    }
}

/// The operating system in a guest, as it calls itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestSystem {
    pub name: Option<String>,
    pub version: Option<String>,
    pub machine: Option<String>,
    /// The kernel's release.
    pub kernel: Option<String>,
}

/// Somebody who looks at a graphics console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleClient {
    /// Where the client is.
    pub address: String,
    /// The client's own port, which tells two of one address apart.
    pub port: String,
    pub protocol: Protocol,
}

/// A network interface as a guest or a DHCP server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestInterface {
    /// The guest's own name of it, where the guest was asked.
    pub name: String,
    pub mac: String,
    pub addresses: Vec<IpAddr>,
}
