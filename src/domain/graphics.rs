//! The graphics consoles. Nobody may connect before a ticket is set: a console has a password
//! from the start, without which no later one would count, and it has expired.

use super::device::{devices, put};
use super::observe::protocol;
use super::{Invalid, Plan};
use crate::model::vm::{Display, Protocol};
use crate::xml::Element;

const LONG_AGO: &str = "1970-01-01T00:00:01";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    for wanted in Protocol::ALL {
        let display = plan.spec.display.as_ref().filter(|display| display.has(wanted));
        let device = display.map(|display| console(plan, display, wanted));
        let is = |device: &Element| device.name == "graphics" && protocol(device) == Some(wanted);
        put(domain, is, &["clipboard", "filetransfer"], device);
    }
    let has = |protocol| plan.spec.has_console(protocol);
    // libvirt adds a way for sound by itself, and refuses its own where the consoles are others now.
    domain.ensure("devices").retain(|device| {
        let way = device.get("type").filter(|_| device.name == "audio");
        match way {
            Some("spice") => has(Protocol::Spice),
            Some("none") => has(Protocol::Vnc) || !has(Protocol::Spice),
            _ => true,
        }
    });
    Ok(())
}

fn console(plan: &Plan, display: &Display, protocol: Protocol) -> Element {
    let mut graphics = Element::new("graphics")
        .with(
            "type",
            match protocol {
                Protocol::Vnc => "vnc",
                Protocol::Spice => "spice",
            },
        )
        .with("port", -1)
        .with("autoport", "yes")
        .with("passwd", plan.lock)
        .with("passwdValidTo", LONG_AGO)
        .child(Element::new("listen").with("type", "address").with("address", plan.listen));
    if let Some(layout) = display.keymap() {
        graphics.set("keymap", layout);
    }
    if protocol == Protocol::Spice {
        let allowed = |yes| if yes { "yes" } else { "no" };
        graphics.push(Element::new("clipboard").with("copypaste", allowed(display.copy_paste)));
        graphics.push(Element::new("filetransfer").with("enable", allowed(display.file_transfer)));
    }
    graphics
}

/// The running domain's consoles of the protocols, each with a ticket that is valid until then
/// (`2026-01-31T12:00:00`, UTC). Who is connected stays: VNC knows nothing else.
pub fn tickets(live: &Element, protocols: &[Protocol], password: &str, valid_to_utc: &str) -> Vec<Element> {
    let consoles = devices(live).filter(|device| {
        device.name == "graphics" && protocol(device).is_some_and(|its| protocols.contains(&its))
    });
    let with_ticket = |console: &Element| {
        let mut graphics = console.clone();
        graphics.set("passwd", password);
        graphics.set("passwdValidTo", valid_to_utc);
        graphics.set("connected", "keep");
        graphics
    };
    consoles.map(with_ticket).collect()
}
