//! What belongs to an instance type: nothing of it is a VM's.

use super::{NicRequest, graphics_console, nic, reference, watchdog};
use crate::error::Result;
use crate::model::vm::{Protocol, Watchdog};
use crate::model::*;
use crate::wire::types::{self, Ref};
use std::fmt::Display;

fn part(of: InstanceTypeId, collection: &str, id: impl Display) -> (Option<String>, Option<Ref>) {
    let owner = reference("instancetypes", of);
    let href = owner.href.as_ref().map(|at| format!("{at}/{collection}/{id}"));
    (href, Some(owner))
}

pub fn instance_type_nic(of: InstanceTypeId, row: &Nic) -> types::Nic {
    let (href, instance_type) = part(of, "nics", row.id);
    types::Nic { href, instance_type, vm: None, mac: None, ..nic(row, &row.port_mirroring) }
}

/// Puts what the document says over an interface. Where it leads is the caller's to look up.
pub fn change_instance_type_nic(document: &types::Nic, row: &mut Nic) -> Result<()> {
    let asked = NicRequest::try_from(document)?;
    let NicRequest { name, interface, plugged, linked, boot_protocol, on_boot, .. } = asked;
    row.name = name.unwrap_or_else(|| row.name.clone());
    row.interface = interface.unwrap_or(row.interface);
    row.plugged = plugged.unwrap_or(row.plugged);
    row.linked = linked.unwrap_or(row.linked);
    row.boot_protocol = boot_protocol.or(row.boot_protocol);
    row.on_boot = on_boot.or(row.on_boot);
    Ok(())
}

pub fn instance_type_watchdog(of: InstanceTypeId, row: Watchdog) -> types::Watchdog {
    let document = watchdog(VmId(of.0), row);
    let (href, instance_type) = part(of, "watchdogs", document.id.clone().unwrap_or_default());
    types::Watchdog { href, instance_type, vm: None, ..document }
}

pub fn instance_type_console(of: InstanceTypeId, protocol: Protocol) -> types::GraphicsConsole {
    let document = graphics_console(VmId(of.0), protocol);
    let (href, instance_type) = part(of, "graphicsconsoles", document.id.clone().unwrap_or_default());
    types::GraphicsConsole { href, instance_type, vm: None, ..document }
}
