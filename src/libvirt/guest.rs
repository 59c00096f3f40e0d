//! What guests tell of themselves, and what the DHCP servers of libvirt's networks know of them.

use super::domain::responsive;
use super::raw::{self, Value};
use super::session::Session;
use crate::engine::ports::Lease;
use crate::error::{Error, Result};
use crate::model::{GuestInterface, GuestReport, GuestSystem, VmId};
use crate::xml::parse;
use jiff::Timestamp;
use std::collections::BTreeMap;
use virt::connect::Connect;
use virt::sys;

/// What agents of QEMU before 5.2 do not tell of.
const LATER_KINDS: u32 = sys::VIR_DOMAIN_GUEST_INFO_DISKS;

const KINDS: u32 = sys::VIR_DOMAIN_GUEST_INFO_USERS
    | sys::VIR_DOMAIN_GUEST_INFO_OS
    | sys::VIR_DOMAIN_GUEST_INFO_TIMEZONE
    | sys::VIR_DOMAIN_GUEST_INFO_HOSTNAME;

pub fn report(session: &Session, id: VmId) -> Result<GuestReport> {
    let domain = responsive(session, id)?;
    // An agent that lacks one of the kinds tells what it can.
    let told = raw::guest_info(&domain, KINDS | LATER_KINDS)
        .or_else(|_| raw::guest_info(&domain, KINDS))
        .or_else(|_| raw::guest_info(&domain, 0))?;
    let told: BTreeMap<String, Value> = told.into_iter().collect();
    let interfaces = raw::interfaces(&domain, sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)?;
    Ok(GuestReport {
        interfaces: interfaces.into_iter().map(|(name, mac, ips)| interface(name, &mac, &ips)).collect(),
        ..read(&told)
    })
}

fn read(told: &BTreeMap<String, Value>) -> GuestReport {
    let text = |name: &str| match told.get(name) {
        Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    let number = |name: &str| match told.get(name) {
        Some(Value::Number(number)) => i64::try_from(*number).ok(),
        Some(Value::Negative(number)) => Some(*number),
        _ => None,
    };
    let users = 0..number("user.count").unwrap_or_default();
    // By their serial numbers: libvirt's own guess goes by addresses, which guests count differently.
    let disks = 0..number("disk.count").unwrap_or_default();
    let disk = |at| text(&format!("disk.{at}.serial")).zip(text(&format!("disk.{at}.name")));
    GuestReport {
        interfaces: Vec::new(),
        // What Linux says that has none.
        host_name: text("hostname").filter(|name| name != "(none)"),
        users: users.filter_map(|at| text(&format!("user.{at}.name"))).collect(),
        system: GuestSystem {
            name: text("os.name").or_else(|| text("os.id")),
            version: text("os.version-id").or_else(|| text("os.version")),
            machine: text("os.machine"),
            kernel: text("os.kernel-release"),
        },
        disks: disks.filter_map(disk).collect(),
        time_zone: text("timezone.name")
            .zip(number("timezone.offset").and_then(|offset| i32::try_from(offset).ok())),
    }
}

/// How long dnsmasq's leases last, in seconds, where a network says nothing of it.
const LASTS: i64 = 3600;
const LASTS_V6: i64 = 24 * 3600;

/// Leases know the host's name of an interface only: theirs have none. They tell when they end: how long
/// they last is the network's to say.
pub fn leases(connect: &Connect) -> Result<Vec<Lease>> {
    let mut found = Vec::new();
    for network in connect.list_all_networks(sys::VIR_CONNECT_LIST_NETWORKS_ACTIVE)? {
        // A network may go meanwhile.
        let leases = raw::leases(&network).unwrap_or_default();
        if leases.is_empty() {
            continue;
        }
        let says = network.xml_desc(0).ok().and_then(|text| says_how_long(&text).ok()).unwrap_or(true);
        for (mac, ip, ends) in leases {
            let lasts = if ip.contains(':') { LASTS_V6 } else { LASTS };
            let taken = Timestamp::from_second(ends - lasts).ok().filter(|_| ends > 0 && !says);
            found.push(Lease { interface: interface(String::new(), &mac, &[ip]), taken });
        }
    }
    Ok(found)
}

/// Whether leases of the network last otherwise than dnsmasq has it.
fn says_how_long(network: &str) -> Result<bool> {
    let network = parse(network.as_bytes()).map_err(Error::bug)?;
    let servers = network.all("ip").flat_map(|ip| ip.all("dhcp"));
    Ok(servers.flat_map(|it| it.elements()).any(|range| range.at("lease").is_some()))
}

fn interface(name: String, mac: &str, ips: &[String]) -> GuestInterface {
    GuestInterface {
        name,
        mac: mac.to_lowercase(),
        addresses: ips.iter().filter_map(|ip| ip.parse().ok()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DiskId;

    #[test]
    fn what_is_told_is_understood() {
        let text = |text: &str| Value::Text(text.into());
        let told = [
            ("user.count", Value::Number(2)),
            ("user.0.name", text("root")),
            ("user.1.name", text("alice")),
            ("hostname", text("web1.example.com")),
            ("os.id", text("debian")),
            ("os.version-id", text("12")),
            ("os.kernel-release", text("6.1.0-1")),
            ("disk.count", Value::Number(2)),
            ("disk.0.name", text("/dev/vda1")),
            ("disk.1.name", text("/dev/sda")),
            ("disk.1.serial", text("0QEMU_QEMU_HARDDISK_63db05ae-f5b7-43cc-a345-4fde497e04fc")),
            ("timezone.name", text("EST")),
            ("timezone.offset", Value::Negative(-18000)),
        ];
        let report = read(&told.map(|(name, value)| (name.to_owned(), value)).into());
        assert_eq!(report.users, ["root", "alice"]);
        assert_eq!(report.host_name.as_deref(), Some("web1.example.com"));
        assert_eq!(report.system.name.as_deref(), Some("debian"));
        let device = |id: &str| report.device_of(DiskId(id.parse().unwrap()));
        assert_eq!(device("63db05ae-f5b7-43cc-a345-4fde497e04fc"), Some("/dev/sda"));
        assert_eq!(device("63db05ae-f5b7-43cc-a345-4fde497e04fd"), None);
        assert_eq!(report.time_zone, Some(("EST".into(), -18000)));
        assert_eq!(read(&BTreeMap::new()), GuestReport::default());
    }
}
