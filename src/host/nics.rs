//! The network interfaces of this machine, but for its loopback and the taps of guests.

use nix::ifaddrs::getifaddrs;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// An interface as the kernel tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostInterface {
    pub name: String,
    pub mac: String,
    pub mtu: i32,
    /// Bits per second, when there is a carrier that tells.
    pub speed: Option<u64>,
    pub up: bool,
    /// It is a port of a bridge.
    pub bridged: bool,
    /// The first address of version 4, with its netmask.
    pub ip: Option<(Ipv4Addr, Option<Ipv4Addr>)>,
    pub traffic: Traffic,
}

/// What came and went since the interface is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
}

/// Those that are there now, by name.
pub fn interfaces() -> Vec<HostInterface> {
    let mut found = listed(Path::new("/sys/class/net"));
    for entry in getifaddrs().into_iter().flatten() {
        let ip = |of: &Option<nix::sys::socket::SockaddrStorage>| Some(of.as_ref()?.as_sockaddr_in()?.ip());
        let interface = found.iter_mut().find(|it| it.name == entry.interface_name && it.ip.is_none());
        if let (Some(interface), Some(address)) = (interface, ip(&entry.address)) {
            interface.ip = Some((address, ip(&entry.netmask)));
        }
    }
    found
}

/// What the folder of the kernel's interfaces tells.
fn listed(folder: &Path) -> Vec<HostInterface> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<HostInterface> = entries
        .filter_map(|entry| {
            let (path, name) = (entry.path(), entry.file_name().into_string().ok()?);
            let text = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default().trim().to_owned();
            // Ethernet only; a guest's tap has flags of its own.
            if text("type") != "1" || path.join("tun_flags").exists() {
                return None;
            }
            let count = |file: &str| text(&format!("statistics/{file}")).parse().unwrap_or_default();
            Some(HostInterface {
                name,
                mac: text("address"),
                mtu: text("mtu").parse().ok()?,
                speed: text("speed").parse::<u64>().ok().map(|megabits| megabits * 1_000_000),
                up: text("operstate") == "up",
                bridged: path.join("brport").exists(),
                ip: None,
                traffic: Traffic {
                    rx_bytes: count("rx_bytes"),
                    tx_bytes: count("tx_bytes"),
                    rx_errors: count("rx_errors"),
                    tx_errors: count("tx_errors"),
                },
            })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ethernet_is_listed_and_taps_are_not() {
        let dir = tempfile::tempdir().unwrap();
        for (name, files) in [
            ("eth0", &[("type", "1"), ("mtu", "1500"), ("speed", "1000"), ("operstate", "up")][..]),
            ("eth1", &[("type", "1"), ("mtu", "9000"), ("speed", "-1"), ("operstate", "down")]),
            ("lo", &[("type", "772"), ("mtu", "65536")]),
            ("vnet0", &[("type", "1"), ("mtu", "1500"), ("tun_flags", "0x1002")]),
        ] {
            fs::create_dir(dir.path().join(name)).unwrap();
            for (file, text) in files {
                fs::write(dir.path().join(name).join(file), format!("{text}\n")).unwrap();
            }
        }
        fs::create_dir(dir.path().join("eth0/statistics")).unwrap();
        fs::write(dir.path().join("eth0/statistics/rx_bytes"), "1500\n").unwrap();
        let found = listed(dir.path());
        assert_eq!(found[0].traffic, Traffic { rx_bytes: 1500, ..Traffic::default() });
        let seen: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.mtu, it.speed, it.up)).collect();
        assert_eq!(seen, [("eth0", 1500, Some(1_000_000_000), true), ("eth1", 9000, None, false)]);
    }
}
