//! Graphics consoles and the watchdog: small devices that are part of a VM's configuration.

use super::{API, named, reference};
use crate::error::{Error, Result};
use crate::model::VmId;
use crate::model::derived_id;
use crate::model::vm::{Protocol, Watchdog};
use crate::wire::types;

/// Every console of a protocol has the same id: the hex of its name.
pub fn console_id(protocol: Protocol) -> String {
    protocol_name(protocol).bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Vnc => "VNC",
        Protocol::Spice => "SPICE",
    }
}

/// The protocol of the console with that id.
pub fn console_protocol(id: &str) -> Result<Protocol> {
    let found = Protocol::ALL.into_iter().find(|protocol| console_id(*protocol).eq_ignore_ascii_case(id));
    found.ok_or_else(|| Error::not_found(id))
}

/// A console; where it is reached, the caller knows.
pub fn graphics_console(vm: VmId, protocol: Protocol) -> types::GraphicsConsole {
    let id = console_id(protocol);
    types::GraphicsConsole {
        href: Some(format!("{API}/vms/{vm}/graphicsconsoles/{id}")),
        id: Some(id),
        vm: Some(reference("vms", vm)),
        protocol: Some(protocol_name(protocol).to_lowercase()),
        ..types::GraphicsConsole::default()
    }
}

pub fn watchdog(vm: VmId, watchdog: Watchdog) -> types::Watchdog {
    let id = derived_id(&[vm.0.as_bytes(), b"watchdog"]);
    types::Watchdog {
        href: Some(format!("{API}/vms/{vm}/watchdogs/{id}")),
        id: Some(id.to_string()),
        vm: Some(reference("vms", vm)),
        model: Some(super::Named::name(watchdog.model).into()),
        action: Some(super::Named::name(watchdog.action).into()),
        ..types::Watchdog::default()
    }
}

/// Puts what the document says over the watchdog, or makes one of it.
pub fn change_watchdog(
    document: &types::Watchdog,
    present: Option<Watchdog>,
    verb: &str,
) -> Result<Watchdog> {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (model, action) = (filled(&document.model), filled(&document.action));
    let has = |given: &Option<String>| given.is_some() || present.is_some();
    crate::wire::require("WatchDog", verb, &[("action", has(&action)), ("model", has(&model))])?;
    let model = model.map(|text| named(&text)).transpose()?.or(present.map(|it| it.model));
    let action = action.map(|text| named(&text)).transpose()?.or(present.map(|it| it.action));
    let both = model.zip(action).map(|(model, action)| Watchdog { model, action });
    both.ok_or_else(|| Error::bug("a watchdog without model or action was let through"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::vm::{WatchdogAction, WatchdogModel};

    #[test]
    fn ids_of_consoles() {
        assert_eq!(console_id(Protocol::Spice), "5350494345");
        assert_eq!(console_protocol("564E43").unwrap(), Protocol::Vnc);
        assert!(console_protocol("x").is_err());
    }

    #[test]
    fn a_watchdog_is_whole_at_first_and_changes_in_parts() {
        let asked = |model: &str, action: &str| types::Watchdog {
            model: Some(model.into()),
            action: Some(action.into()),
            ..types::Watchdog::default()
        };
        let made = change_watchdog(&asked("I6300ESB", "Reset"), None, "add").unwrap();
        assert_eq!((made.model, made.action), (WatchdogModel::I6300esb, WatchdogAction::Reset));
        let changed = change_watchdog(&asked("", "dump"), Some(made), "update").unwrap();
        assert_eq!(changed.action, WatchdogAction::Dump);
        assert!(change_watchdog(&asked("i6300esb", ""), None, "add").is_err());
        assert!(change_watchdog(&asked("ib700", "reset"), None, "add").is_err());
    }
}
