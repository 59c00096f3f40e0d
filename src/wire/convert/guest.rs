//! What guests tell of themselves, and who uses them.

use super::{API, reference};
use crate::model::*;
use crate::wire::types;
use std::net::IpAddr;

fn address(address: &IpAddr) -> types::Ip {
    types::Ip {
        address: Some(address.to_string()),
        version: Some(if address.is_ipv4() { "v4" } else { "v6" }.into()),
        ..types::Ip::default()
    }
}

/// An interface as its guest sees it; its address in the API is the caller's.
pub fn reported_device(vm: VmId, told: &GuestInterface) -> types::ReportedDevice {
    types::ReportedDevice {
        id: Some(derived_id(&[told.name.as_bytes(), told.mac.as_bytes()]).to_string()),
        name: (!told.name.is_empty()).then(|| told.name.clone()),
        description: Some("guest reported data".into()),
        r#type: Some("network".into()),
        mac: (!told.mac.is_empty()).then(|| types::Mac { address: Some(told.mac.clone()) }),
        ips: Some(types::Ips { ip: told.addresses.iter().map(address).collect(), ..types::Ips::default() }),
        vm: Some(reference("vms", vm)),
        ..types::ReportedDevice::default()
    }
}

/// The guest's addresses, but for those that lead to itself only, and its name.
pub fn guest_info(told: &GuestReport) -> Option<types::GuestInfo> {
    let all = told.interfaces.iter().flat_map(|interface| &interface.addresses);
    let ip: Vec<types::Ip> = all.filter(|ip| !ip.is_loopback()).map(address).collect();
    let ips = (!ip.is_empty()).then(|| types::Ips { ip, ..types::Ips::default() });
    let fqdn = told.host_name.clone();
    (ips.is_some() || fqdn.is_some()).then_some(types::GuestInfo { ips, fqdn })
}

/// The numbers at the beginning of a version: `6.1.0-28-amd64`.
fn version(text: &str) -> types::VersionNumber {
    let mut numbers = text.split(['.', '-', '+']).map(|part| part.parse().ok());
    let mut next = || numbers.next().flatten();
    types::VersionNumber {
        major: next(),
        minor: next(),
        build: next(),
        revision: None,
        full_version: Some(text.to_owned()),
    }
}

pub fn guest_system(system: &GuestSystem) -> Option<types::GuestOperatingSystem> {
    let windows = |name: &String| name.to_lowercase().contains("windows");
    let family = if system.name.as_ref().is_some_and(windows) { "Windows" } else { "Linux" };
    (*system != GuestSystem::default()).then(|| types::GuestOperatingSystem {
        architecture: system.machine.clone(),
        distribution: system.name.clone(),
        kernel: system.kernel.as_deref().map(|kernel| types::Kernel { version: Some(version(kernel)) }),
        family: Some(family.into()),
        version: system.version.as_deref().map(version),
        ..types::GuestOperatingSystem::default()
    })
}

pub fn guest_time_zone((name, offset): &(String, i32)) -> types::TimeZone {
    let sign = if *offset < 0 { '-' } else { '+' };
    let minutes = offset.abs() / 60;
    types::TimeZone {
        name: Some(name.clone()),
        utc_offset: Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)),
    }
}

/// The programs that a guest is known to have.
pub fn applications(vm: VmId, told: &GuestReport) -> Vec<types::Application> {
    let application = |name: String| {
        let id = derived_id(&[name.as_bytes()]);
        types::Application {
            href: Some(format!("{API}/vms/{vm}/applications/{id}")),
            id: Some(id.to_string()),
            name: Some(name),
            vm: Some(reference("vms", vm)),
            ..types::Application::default()
        }
    };
    told.applications().map(application).collect()
}

/// A session at a graphics console; whose it is, the caller knows.
pub fn console_session(vm: VmId, client: &ConsoleClient, user: Option<types::User>) -> types::Session {
    let protocol = super::Named::name(client.protocol);
    types::Session {
        protocol: Some(protocol.into()),
        ip: Some(types::Ip { address: Some(client.address.clone()), ..types::Ip::default() }),
        console_user: Some(true),
        ..session(vm, user, &[protocol, &client.address])
    }
}

/// Somebody who is logged in to the guest, of whom there is only a name.
pub fn guest_session(vm: VmId, name: &str) -> types::Session {
    let user = types::User { user_name: Some(name.to_owned()), ..types::User::default() };
    session(vm, Some(user), &[])
}

fn session(vm: VmId, user: Option<types::User>, at: &[&str]) -> types::Session {
    let name = user.as_ref().and_then(|user| user.user_name.as_deref()).unwrap_or_default();
    let parts: Vec<&[u8]> = [name].iter().chain(at).map(|part| part.as_bytes()).collect();
    let id = derived_id(&parts);
    types::Session {
        href: Some(format!("{API}/vms/{vm}/sessions/{id}")),
        id: Some(id.to_string()),
        vm: Some(reference("vms", vm)),
        user,
        ..types::Session::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_offsets() {
        let read = version("6.1.0-28-amd64");
        assert_eq!((read.major, read.minor, read.build), (Some(6), Some(1), Some(0)));
        assert_eq!(version("12").minor, None);
        assert_eq!(guest_time_zone(&("EST".into(), -16200)).utc_offset.unwrap(), "-04:30");
        assert_eq!(guest_info(&GuestReport::default()), None);
        assert_eq!(guest_system(&GuestSystem::default()), None);
    }
}
