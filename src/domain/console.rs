//! The serial console.

use super::device::put;
use super::{Invalid, Plan};
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    for (name, target) in [("serial", "isa-serial"), ("console", "serial")] {
        let device = Element::new(name)
            .with("type", "pty")
            .child(Element::new("target").with("type", target).with("port", 0));
        put(domain, |device| is_first(device, name), &["source"], plan.spec.serial_console.then_some(device));
    }
    Ok(())
}

fn is_first(device: &Element, name: &str) -> bool {
    device.name == name && device.value("target/@port").is_none_or(|port| port == "0")
}
