//! The graphics console. Nobody may connect before a ticket is set: the console has a password
//! from the start, without which no later one would count, and it has expired.

use super::device::put;
use super::{Invalid, Plan};
use crate::model::vm::Protocol;
use crate::xml::Element;

const LONG_AGO: &str = "1970-01-01T00:00:01";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let device = plan.spec.display.as_ref().map(|display| {
        let mut graphics = Element::new("graphics")
            .with(
                "type",
                match display.protocol {
                    Protocol::Vnc => "vnc",
                    Protocol::Spice => "spice",
                },
            )
            .with("port", -1)
            .with("autoport", "yes")
            .with("passwd", plan.lock)
            .with("passwdValidTo", LONG_AGO)
            .child(Element::new("listen").with("type", "address").with("address", plan.listen));
        if let Some(layout) = &display.keyboard_layout {
            graphics.set("keymap", layout);
        }
        if display.protocol == Protocol::Spice {
            let allowed = |yes| if yes { "yes" } else { "no" };
            graphics.push(Element::new("clipboard").with("copypaste", allowed(display.copy_paste)));
            graphics.push(Element::new("filetransfer").with("enable", allowed(display.file_transfer)));
        }
        graphics
    });
    put(domain, |device| device.name == "graphics", &["clipboard", "filetransfer"], device);
    Ok(())
}

/// The running domain's console with a ticket that is valid until then (`2026-01-31T12:00:00`,
/// UTC). Who is connected stays: VNC knows nothing else. `None` for a headless VM.
pub fn ticket(live: &Element, password: &str, valid_to_utc: &str) -> Option<Element> {
    let mut graphics = live.at("devices/graphics")?.clone();
    graphics.set("passwd", password);
    graphics.set("passwdValidTo", valid_to_utc);
    graphics.set("connected", "keep");
    Some(graphics)
}
