//! The watchdog.

use super::device::{alias, put};
use super::{Invalid, Plan};
use crate::model::vm::{WatchdogAction, WatchdogModel};
use crate::xml::Element;

const ALIAS: &str = "ua-watchdog";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let watchdog = plan.spec.watchdog.map(|watchdog| {
        let model = match watchdog.model {
            WatchdogModel::I6300esb => "i6300esb",
        };
        let action = match watchdog.action {
            WatchdogAction::None => "none",
            WatchdogAction::Reset => "reset",
            WatchdogAction::Poweroff => "poweroff",
            WatchdogAction::Pause => "pause",
            WatchdogAction::Dump => "dump",
        };
        Element::new("watchdog")
            .with("model", model)
            .with("action", action)
            .child(Element::new("alias").with("name", ALIAS))
    });
    put(domain, |device| alias(device) == Some(ALIAS), &[], watchdog);
    Ok(())
}
