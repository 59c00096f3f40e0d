//! The memory balloon, which also tells how much memory the guest uses.

use super::device::put;
use super::{Invalid, Plan};
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let none = Element::new("memballoon").with("model", "none");
    let virtio = Element::new("memballoon")
        .with("model", "virtio")
        .with("autodeflate", "on")
        .with("freePageReporting", "on")
        .child(Element::new("stats").with("period", 2));
    let (balloon, writes): (_, &[&str]) = match plan.spec.ballooning {
        true => (virtio, &["stats"]),
        false => (none, &["stats", "address", "alias"]),
    };
    put(domain, |device| device.name == "memballoon", writes, Some(balloon));
    Ok(())
}
