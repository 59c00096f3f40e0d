//! `.../statistics`: of VMs, disks and network interfaces.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::meters::Flow;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::{DiskId, Nic, VmId};
use crate::wire::types::{Ref, Statistic, StatisticValue, StatisticValues, Statistics};
use std::sync::Arc;

/// What is fixed about an entry: the id is the MD5 of the name, the same wherever the entry stands.
pub struct Entry {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    unit: &'static str,
    decimal: bool,
    /// It only grows.
    counter: bool,
}

pub const fn entry(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    unit: &'static str,
    decimal: bool,
) -> Entry {
    Entry { id, name, description, unit, decimal, counter: false }
}

/// A total since the device was plugged.
const fn total(id: &'static str, name: &'static str, description: &'static str, unit: &'static str) -> Entry {
    Entry { id, name, description, unit, decimal: false, counter: true }
}

const VM: [Entry; 9] = [
    entry(
        "5a89a1d2-32be-33f7-a0d1-f8b5bc974ff6",
        "memory.installed",
        "Total memory configured",
        "bytes",
        false,
    ),
    entry("b7499508-c1c3-32f0-8174-c1783e57bb08", "memory.used", "Memory used (agent)", "bytes", false),
    entry("ef802239-b74a-329f-9955-be8fea6b50a4", "cpu.current.guest", "CPU used by guest", "percent", true),
    entry("d849a55f-0049-36f8-ae65-face541473ac", "cpu.current.hypervisor", "CPU overhead", "percent", true),
    entry("2ec286fe-4bec-32f5-8d63-dba7bed58763", "cpu.current.total", "Total CPU used", "percent", true),
    entry(
        "892b69a7-41ca-36b1-9a2e-ae5177ef21bb",
        "migration.progress",
        "Migration Progress",
        "percent",
        true,
    ),
    entry(
        "09e07489-64fd-32ab-8e4e-a2b61eed8d60",
        "memory.buffered",
        "Memory buffered (agent)",
        "bytes",
        false,
    ),
    entry("1b6244ee-8dbd-365d-8762-482ddc05ee11", "memory.cached", "Memory cached (agent)", "bytes", false),
    entry("5a0fba9d-33d7-3cbf-addd-ba462040c946", "memory.free", "Memory free (agent)", "bytes", false),
];

const READ_RATE: Entry = entry(
    "33b9212b-f9cb-3fd0-b364-248fb61e1272",
    "data.current.read",
    "Read data rate",
    "bytes_per_second",
    true,
);
const WRITE_RATE: Entry = entry(
    "2f23addd-4ebd-3d82-a449-c28778bc33eb",
    "data.current.write",
    "Write data rate",
    "bytes_per_second",
    true,
);

/// Of LUNs, only the rates are told.
const LUN: [Entry; 2] = [READ_RATE, WRITE_RATE];

const DISK: [Entry; 5] = [
    READ_RATE,
    WRITE_RATE,
    entry("3a7b3f72-d035-3bb9-b196-e86a4eb34993", "disk.read.latency", "Read latency", "seconds", true),
    entry("b1e75c7b-cea4-37d2-8459-f7d68efc69a3", "disk.write.latency", "Write latency", "seconds", true),
    entry("9c17ad7b-9ef1-3e8d-ad0a-ff8bee3925f0", "disk.flush.latency", "Flush latency", "seconds", true),
];

const NIC: [Entry; 6] = [
    entry(
        "ecd0559f-e88f-3330-94b4-1f091b0ffdf7",
        "data.current.rx",
        "Receive data rate",
        "bytes_per_second",
        true,
    ),
    entry(
        "2c6fe105-4913-3f90-9425-07ddfeca5417",
        "data.current.tx",
        "Transmit data rate",
        "bytes_per_second",
        true,
    ),
    total("50b8f057-7795-30bd-825a-1acadd37a9d7", "errors.total.rx", "Total receive errors", "none"),
    total("7211a516-3e61-3c4e-be79-739424d13461", "errors.total.tx", "Total transmit errors", "none"),
    total("0b9ddd6a-fc1b-398a-9f95-7a863c753017", "data.total.rx", "Total received data", "bytes"),
    total("4d75baca-1fc9-3b19-b44f-6d32abda3888", "data.total.tx", "Total transmitted data", "bytes"),
];

/// The reader asks for figures, not for noise: two significant digits, as clients know them.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    // Powers of ten are exact, their inverses are not.
    match value.abs().log10().floor() as i32 - 1 {
        zeros @ 0.. => (value / 10f64.powi(zeros)).round() * 10f64.powi(zeros),
        places => (value * 10f64.powi(-places)).round() / 10f64.powi(-places),
    }
}

pub fn statistics<const N: usize>(
    entries: &[Entry; N],
    values: [f64; N],
    href: &str,
    owner: impl Fn(&mut Statistic),
) -> Statistics {
    let statistic = entries.iter().zip(values).map(|(entry, value)| {
        let datum = if entry.decimal { rounded(value) } else { value };
        let mut statistic = Statistic {
            id: Some(entry.id.into()),
            href: Some(format!("{href}/statistics/{}", entry.id)),
            name: Some(entry.name.into()),
            description: Some(entry.description.into()),
            values: Some(StatisticValues {
                value: vec![StatisticValue { datum: Some(datum), detail: None }],
            }),
            r#type: Some(if entry.decimal { "decimal" } else { "integer" }.into()),
            kind: Some(if entry.counter { "counter" } else { "gauge" }.into()),
            unit: Some(entry.unit.into()),
            ..Statistic::default()
        };
        owner(&mut statistic);
        statistic
    });
    Statistics { statistic: statistic.collect(), ..Statistics::default() }
}

/// How much the busiest of these interfaces is used, in percent: bytes a second of both ways
/// together, and what it carries one way.
pub fn network_usage(interfaces: impl Iterator<Item = (f64, f64)>) -> f64 {
    let shares = interfaces.map(|(rate, speed)| rate * 50.0 / speed.max(1.0));
    shares.fold(0.0, f64::max).min(100.0).round()
}

/// The statistics of a VM.
pub fn of_vm(app: &App, id: VmId) -> Result<Statistics, Fault> {
    let it = app.engine.vm_figures(id)?;
    let values = [
        it.memory_installed as f64,
        it.memory_used as f64,
        it.cpu_guest,
        it.cpu_hypervisor,
        it.cpu_total,
        it.migration_progress,
        it.memory_buffered as f64,
        it.memory_cached as f64,
        it.memory_free as f64,
    ];
    let href = links::href("/vms/{vm}", &[&id]);
    Ok(statistics(&VM, values, &href, |statistic| statistic.vm = Some(Ref::at(href.clone(), id))))
}

/// The statistics of a disk: on one VM, or on all that have it.
pub fn of_disk(app: &App, id: DiskId, on: Option<VmId>) -> Statistics {
    let it = app.engine.disk_figures(id, on);
    let href = match on {
        Some(vm) => links::href("/vms/{vm}/disks/{disk}", &[&vm, &id]),
        None => links::href("/disks/{disk}", &[&id]),
    };
    let owner = |statistic: &mut Statistic| statistic.disk = Some(Ref::at(href.clone(), id));
    let rates = [it.read_rate, it.write_rate];
    match app.engine.disk(id).is_ok_and(|disk| disk.lun.is_some()) {
        true => statistics(&LUN, rates, &href, owner),
        false => {
            let [read, write] = rates;
            let values = [read, write, it.read_latency, it.write_latency, it.flush_latency];
            statistics(&DISK, values, &href, owner)
        }
    }
}

/// The statistics of a VM's network interface.
pub fn of_nic(app: &App, nic: &Nic) -> Statistics {
    let it = app.engine.nic_figures(nic);
    let values = [
        it.rx_rate,
        it.tx_rate,
        it.rx_errors as f64,
        it.tx_errors as f64,
        it.rx_bytes as f64,
        it.tx_bytes as f64,
    ];
    let href = links::href("/vms/{vm}/nics/{nic}", &[&nic.vm, &nic.id]);
    statistics(&NIC, values, &href, |statistic| statistic.nic = Some(Ref::at(href.clone(), nic.id)))
}

/// The statistics of an interface of the host at that address.
pub fn of_host_nic(it: &Flow, href: &str, id: &str) -> Statistics {
    let values = [
        it.rx_rate,
        it.tx_rate,
        it.traffic.rx_errors as f64,
        it.traffic.tx_errors as f64,
        it.traffic.rx_bytes as f64,
        it.traffic.tx_bytes as f64,
    ];
    statistics(&NIC, values, href, |statistic| statistic.host_nic = Some(Ref::at(href, id)))
}

/// As many of the list as the request wants.
pub fn all(mut all: Statistics, request: &Request) -> Answer {
    all.statistic.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(all))
}

/// The entry of the list that the path names.
pub fn one(all: Statistics, request: &Request) -> Answer {
    let wanted = request.text("statistic");
    let found = all.statistic.into_iter().find(|it| it.id.as_deref() == Some(wanted));
    found.map(Reply::ok).ok_or_else(|| Error::not_found(wanted).into())
}

/// `GET /vms/{vm}/statistics`
pub async fn list_of_vm(app: Arc<App>, request: Request) -> Answer {
    all(of_vm(&app, request.id("vm")?)?, &request)
}

/// `GET /vms/{vm}/statistics/{statistic}`
pub async fn show_of_vm(app: Arc<App>, request: Request) -> Answer {
    one(of_vm(&app, request.id("vm")?)?, &request)
}

fn of_attached(app: &App, request: &Request) -> Result<Statistics, Fault> {
    let (vm, disk) = (request.id("vm")?, request.id("disk")?);
    app.engine.hung(vm, disk)?;
    Ok(of_disk(app, disk, Some(vm)))
}

/// `GET /vms/{vm}/disks/{disk}/statistics`
pub async fn list_of_vm_disk(app: Arc<App>, request: Request) -> Answer {
    all(of_attached(&app, &request)?, &request)
}

/// `GET /vms/{vm}/disks/{disk}/statistics/{statistic}`
pub async fn show_of_vm_disk(app: Arc<App>, request: Request) -> Answer {
    one(of_attached(&app, &request)?, &request)
}

fn of_floating(app: &App, request: &Request) -> Result<Statistics, Fault> {
    let disk = app.engine.disk(request.id("disk")?)?;
    Ok(of_disk(app, disk.id, None))
}

/// `GET /disks/{disk}/statistics`
pub async fn list_of_disk(app: Arc<App>, request: Request) -> Answer {
    all(of_floating(&app, &request)?, &request)
}

/// `GET /disks/{disk}/statistics/{statistic}`
pub async fn show_of_disk(app: Arc<App>, request: Request) -> Answer {
    one(of_floating(&app, &request)?, &request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_significant_digits() {
        for (value, shown) in [
            (12.34, 12.0),
            (1_234_567.0, 1_200_000.0),
            (6_912_345.0, 6_900_000.0),
            (0.001_26, 0.0013),
            (0.0, 0.0),
            (99.9, 100.0),
        ] {
            assert_eq!(rounded(value), shown, "{value}");
        }
        assert_eq!(rounded(f64::NAN), 0.0);
    }
}
