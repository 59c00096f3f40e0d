//! `/hosts`: this machine.

use super::app::App;
use super::related::Related;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use super::{host_nics, host_statistics, links, rows, statistics};
use crate::engine::VmView;
use crate::host::nics::HostInterface;
use crate::model::{Event, Host, Object, VmStatus};
use crate::wire::convert;
use crate::wire::types::{self, Ref, VersionNumber};
use std::sync::Arc;
use std::time::Duration;

const ITEM: &str = "/hosts/{host}";
/// A host whose libvirt does not answer is shown without its version.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much a host wants to manage the storage, when nobody said.
const PRIORITY: i32 = 5;

/// The host with what is true of it right now.
struct Seen {
    row: Host,
    connected: bool,
    /// VMs that run here, and those of them that are up.
    running: usize,
    /// The names of those that run.
    vms: Vec<String>,
    active: usize,
    /// Bytes that running VMs do not claim.
    unclaimed: u64,
    libvirt: Option<VersionNumber>,
    /// Looked at only where something is searched for.
    interfaces: Vec<HostInterface>,
}

impl Seen {
    async fn of(app: &App, row: Host) -> Self {
        let connected = app.engine.connected();
        let ids = app.engine.vm_ids().into_iter();
        let running: Vec<VmView> =
            ids.filter(|id| app.engine.status(*id).runs()).filter_map(|id| app.engine.vm(id).ok()).collect();
        let claimed: u64 = running.iter().map(|view| view.vm.spec.memory).sum();
        let libvirt = match connected {
            true => tokio::time::timeout(PATIENCE, app.engine.hypervisor_version()).await.ok(),
            false => None,
        };
        Self {
            row,
            connected,
            active: running.iter().filter(|view| view.status == VmStatus::Up).count(),
            running: running.len(),
            vms: running.iter().map(|view| view.vm.spec.name.clone()).collect(),
            unclaimed: app.host.memory.saturating_sub(claimed),
            libvirt: libvirt.and_then(Result::ok).and_then(|text| libvirt_version(&text)),
            interfaces: Vec::new(),
        }
    }

    fn status(&self) -> &'static str {
        state(self.connected)
    }

    fn document(&self, app: &App) -> types::Host {
        let document = convert::host(&self.row);
        let href = document.href.clone().unwrap_or_default();
        let info = &app.host;
        let count = |number: usize| i32::try_from(number).ok();
        types::Host {
            actions: links::actions(ITEM, &href),
            link: links::collections(ITEM, &href),
            address: Some(info.name.clone()),
            status: Some(self.status().into()),
            external_status: Some("ok".into()),
            r#type: Some(KIND.into()),
            power_management: Some(types::PowerManagement { enabled: Some(false), ..Default::default() }),
            ksm: Some(types::Ksm { enabled: Some(info.shares_pages), ..Default::default() }),
            transparent_hugepages: Some(types::Enabled { enabled: Some(info.huge_pages) }),
            selinux: Some(types::SeLinux { mode: Some(info.selinux.clone()) }),
            live_snapshot_support: Some(true),
            update_available: Some(false),
            device_passthrough: Some(types::Enabled { enabled: Some(false) }),
            storage_manager: Some(types::StorageManager {
                priority: Some(PRIORITY),
                value: Some(self.connected),
            }),
            spm: Some(types::Spm {
                priority: Some(PRIORITY),
                status: Some(if self.connected { "spm" } else { "none" }.into()),
            }),
            version: Some(numbers(env!("CARGO_PKG_VERSION"), concat!("vireo-", env!("CARGO_PKG_VERSION")))),
            hardware_information: Some(types::HardwareInformation {
                uuid: app.engine.facts().ok().map(|facts| facts.1.clone()),
                supported_rng_sources: Some(["random"].into_iter().collect()),
                ..Default::default()
            }),
            cpu: Some(types::Cpu {
                topology: Some(types::CpuTopology {
                    sockets: i32::try_from(info.sockets).ok(),
                    cores: i32::try_from(info.cores).ok(),
                    threads: i32::try_from(info.threads).ok(),
                }),
                name: Some(info.cpu_model.clone()),
                speed: Some(info.cpu_mhz as f64),
                architecture: Some("X86_64".into()),
                ..Default::default()
            }),
            memory: Some(info.memory),
            max_scheduling_memory: Some(self.unclaimed),
            summary: Some(types::VmSummary {
                active: count(self.active),
                migrating: Some(0),
                total: count(self.running),
            }),
            os: Some(types::OperatingSystem {
                r#type: Some(info.os.clone()),
                version: Some(numbers(&info.os_version, &info.os_version)),
                ..Default::default()
            }),
            libvirt_version: self.libvirt.clone(),
            numa_supported: Some(app.engine.facts().is_ok_and(|facts| facts.0.nodes.len() > 1)),
            ..document
        }
    }
}

/// What `libvirt 9.0.0, QEMU 7.2.22` says of libvirt.
fn libvirt_version(text: &str) -> Option<VersionNumber> {
    let version = text.strip_prefix("libvirt ")?.split(',').next()?;
    Some(numbers(version, &format!("libvirt-{version}")))
}

/// The numbers that a version begins with.
fn numbers(text: &str, full: &str) -> VersionNumber {
    let mut numbers = text.split('.').map_while(|number| number.parse().ok());
    VersionNumber {
        major: numbers.next(),
        minor: numbers.next(),
        build: numbers.next(),
        revision: numbers.next(),
        full_version: Some(full.to_owned()),
    }
}

fn state(connected: bool) -> &'static str {
    if connected { "up" } else { "non_responsive" }
}

/// How the only host is.
pub fn status(app: &App) -> &'static str {
    state(app.engine.connected())
}

/// A host that runs other things, too.
const KIND: &str = "rhel";

/// What hosts may be in.
pub const STATUSES: &[&str] = &[
    "down",
    "error",
    "initializing",
    "installing",
    "install_failed",
    "maintenance",
    "non_operational",
    "non_responsive",
    "pending_approval",
    "preparing_for_maintenance",
    "connecting",
    "reboot",
    "unassigned",
    "up",
    "installing_os",
    "kdumping",
];

impl Searched for Seen {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "id",
        "comment",
        "status",
        "cluster",
        "datacenter",
        "address",
        "cpus",
        "memory",
        "cpu_model",
        "cpu_speed",
        "active_vms",
        "migrating_vms",
        "architecture",
        "external_status",
        "type",
        "load",
        "version",
        "tag",
        "cpu_usage",
        "mem_usage",
        "network_usage",
        "committed_mem",
        "update_available",
        "cluster.name",
        "datacenter.name",
        "vm",
        "vm.name",
        "storage",
        "storage.name",
        "nic",
        "nic.name",
        "nic.network_name",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[
        ("external_status", Holds::Words(&["ok", "info", "warning", "error", "failure"])),
        ("load", Holds::Number),
        ("cpu_usage", Holds::Number),
        ("mem_usage", Holds::Number),
        ("network_usage", Holds::Number),
        ("committed_mem", Holds::Number),
        ("update_available", Holds::Flag),
        ("status", Holds::Words(STATUSES)),
        ("cpus", Holds::Number),
        ("memory", Holds::Number),
        ("cpu_speed", Holds::Number),
        ("active_vms", Holds::Number),
        ("migrating_vms", Holds::Number),
    ];
    const RELATED: &'static [Related] = &[Related::Users, Related::Events];

    fn object(&self) -> Option<Object> {
        Some(self.row.id.into())
    }

    fn concerns(&self, event: &Event) -> bool {
        event.about.host.as_ref().is_some_and(|it| it.id == self.row.id)
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        let (world, info) = (app.engine.world(), &app.host);
        let cpus = info.sockets * info.cores * info.threads;
        Some(match name {
            "name" => self.row.name.clone(),
            "id" => self.row.id.to_string(),
            "status" => self.status().into(),
            "cluster" | "cluster.name" => world.clusters.get(&self.row.cluster)?.name.clone(),
            "datacenter" | "datacenter.name" => {
                let cluster = world.clusters.get(&self.row.cluster)?;
                world.data_centers.get(&cluster.data_center)?.name.clone()
            }
            "address" => info.name.clone(),
            "cpus" => cpus.to_string(),
            "memory" => (info.memory / crate::model::MIB).to_string(),
            "cpu_model" => info.cpu_model.clone(),
            "cpu_speed" => info.cpu_mhz.to_string(),
            "active_vms" => self.active.to_string(),
            "migrating_vms" => 0.to_string(),
            "architecture" => "x86_64".into(),
            "external_status" => "ok".into(),
            "type" => KIND.into(),
            "version" => self.libvirt.as_ref()?.full_version.clone()?,
            "committed_mem" => (info.memory.saturating_sub(self.unclaimed) / crate::model::MIB).to_string(),
            "update_available" => false.to_string(),
            "load" | "cpu_usage" | "mem_usage" => {
                let it = app.meters.host(app.engine.settings.stats_interval).ok()?;
                let share = match name {
                    "load" => it.load_5m * 100.0 / f64::from(cpus).max(1.0),
                    "cpu_usage" => 100.0 - it.cpu_idle,
                    _ => it.memory_used as f64 * 100.0 / (it.memory_total as f64).max(1.0),
                };
                share.round().to_string()
            }
            "network_usage" => {
                drop(world);
                let of = |it: &HostInterface| {
                    let flow = app.meters.flow(it, app.engine.settings.stats_interval);
                    Some((flow.rx_rate + flow.tx_rate, it.speed? as f64 / 8.0))
                };
                statistics::network_usage(self.interfaces.iter().filter_map(of)).to_string()
            }
            _ => return None,
        })
    }

    fn several(&self, app: &App, name: &str) -> Option<Vec<String>> {
        let id = self.row.id;
        let of = name.split('.').next().unwrap_or_default();
        Some(match of {
            "vm" => self.vms.clone(),
            "nic" if name == "nic.network_name" => {
                let world = app.engine.world();
                world.networks_of(self.row.cluster).map(|it| it.name.clone()).collect()
            }
            "nic" => self.interfaces.iter().map(|it| it.name.clone()).collect(),
            "tag" => app.engine.tag_names_over(id.into()),
            "storage" => {
                let world = app.engine.world();
                world.storage_domains.values().map(|it| it.name.clone()).collect()
            }
            _ => return None,
        })
    }
}

/// `GET /hosts`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let all = rows::by_name(&app.engine.world().hosts, |row| &row.name, |_| true);
    let interfaces = match request.search {
        Some(_) => host_nics::interfaces().await?,
        None => Vec::new(),
    };
    let mut seen = Vec::with_capacity(all.len());
    for row in all {
        seen.push(Seen { interfaces: interfaces.clone(), ..Seen::of(&app, row).await });
    }
    let found = search::select(&app, &request, seen)?;
    let host = found.iter().map(|seen| seen.document(&app)).collect();
    Ok(Reply::ok(types::Hosts { host, ..Default::default() }))
}

/// `GET /hosts/{host}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let row = rows::one(&app.engine.world().hosts, &request, "host")?;
    Ok(Reply::ok(Seen::of(&app, row).await.document(&app)))
}

fn measured(app: &App, request: &Request) -> Result<types::Statistics, super::fault::Fault> {
    let id = rows::one(&app.engine.world().hosts, request, "host")?.id;
    let href = links::href(ITEM, &[&id]);
    host_statistics::of(app, &href, |statistic| statistic.host = Some(Ref::at(href.clone(), id)))
}

/// `GET /hosts/{host}/statistics`
pub async fn list_statistics(app: Arc<App>, request: Request) -> Answer {
    statistics::all(measured(&app, &request)?, &request)
}

/// `GET /hosts/{host}/statistics/{statistic}`
pub async fn show_statistic(app: Arc<App>, request: Request) -> Answer {
    statistics::one(measured(&app, &request)?, &request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let version = libvirt_version("libvirt 9.0.0, QEMU 7.2.22").unwrap();
        assert_eq!((version.major, version.minor, version.build), (Some(9), Some(0), Some(0)));
        assert_eq!(version.full_version.unwrap(), "libvirt-9.0.0");
        assert_eq!(libvirt_version("something else"), None);
        assert_eq!(numbers("12", "12").minor, None);
    }
}
