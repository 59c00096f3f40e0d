//! The guest's memory. QEMU cannot guarantee a part of it; the balloon's floor is the engine's.

use super::{Invalid, Plan};
use crate::model::KIB;
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    for name in ["memory", "currentMemory"] {
        domain.replace(Element::new(name).with("unit", "KiB").text(plan.spec.memory / KIB));
    }
    Ok(())
}

/// Bytes of an element with libvirt's `unit`.
pub fn bytes(element: &Element) -> Option<u64> {
    let factor = match element.get("unit").unwrap_or("KiB") {
        "b" | "bytes" => 1,
        "KB" => 1_000,
        "k" | "KiB" => KIB,
        "MB" => 1_000_000,
        "M" | "MiB" => KIB.pow(2),
        "GB" => 1_000_000_000,
        "G" | "GiB" => KIB.pow(3),
        "TB" => 1_000_000_000_000,
        "T" | "TiB" => KIB.pow(4),
        _ => return None,
    };
    element.content().parse::<u64>().ok()?.checked_mul(factor)
}
