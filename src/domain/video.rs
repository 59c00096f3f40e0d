//! The graphics card. The template's own serves where the display needs no certain one.

use super::device::{devices, put};
use super::{Invalid, Plan};
use crate::model::vm::Protocol;
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let model = |name: &str| Element::new("model").with("type", name);
    let model = match &plan.spec.display {
        None => model("none"),
        Some(display) if display.has(Protocol::Spice) => model("qxl")
            // Each of its monitors has its frame buffer there.
            .with("ram", 65536 * display.monitors)
            .with("vram", 32768)
            .with("vgamem", 16384 * display.monitors)
            .with("heads", display.monitors)
            .with("primary", "yes"),
        Some(_) => {
            let present = devices(domain).find(|device| device.name == "video");
            match present.and_then(|video| video.first("model")) {
                Some(present) if !matches!(present.get("type"), None | Some("none" | "qxl")) => {
                    present.clone()
                }
                _ => model("vga").with("vram", 16384).with("heads", 1).with("primary", "yes"),
            }
        }
    };
    let writes: &[&str] = if plan.spec.display.is_some() { &[] } else { &["address", "alias"] };
    put(domain, |device| device.name == "video", writes, Some(Element::new("video").child(model)));
    Ok(())
}
