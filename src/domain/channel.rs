//! What a SPICE client and the guest talk over. The guest agent's channel is the template's.

use super::device::put;
use super::{Invalid, Plan};
use crate::model::vm::Protocol;
use crate::xml::Element;

const SPICE: &str = "com.redhat.spice.0";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let channel = Element::new("channel")
        .with("type", "spicevmc")
        .child(Element::new("target").with("type", "virtio").with("name", SPICE));
    let is =
        |device: &Element| device.name == "channel" && device.value("target/@name").as_deref() == Some(SPICE);
    put(domain, is, &[], plan.spec.has_console(Protocol::Spice).then_some(channel));
    Ok(())
}
