//! The guest's memory. QEMU cannot guarantee a part of it; the balloon's floor is the engine's.

use super::{Invalid, Plan};
use crate::model::{KIB, MIB};
use crate::xml::Element;

/// Guests take memory in blocks of this size: Linux's on x86-64.
pub const BLOCK: u64 = 128 * MIB;
/// Modules that a running guest can be given.
const SLOTS: u32 = 16;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    match plan.spec.memory_growth() {
        Some(times) => {
            let most = plan.spec.memory.saturating_mul(times) / KIB;
            domain.replace(Element::new("maxMemory").with("slots", SLOTS).with("unit", "KiB").text(most));
        }
        None => domain.remove("maxMemory"),
    }
    for name in ["memory", "currentMemory"] {
        domain.replace(Element::new(name).with("unit", "KiB").text(plan.spec.memory / KIB));
    }
    Ok(())
}

/// A module by which a running guest comes to that many bytes, and its alias.
pub fn module(bytes: u64, total: u64) -> (Element, String) {
    let alias = format!("ua-memory-{}", total / MIB);
    let size = Element::new("size").with("unit", "KiB").text(bytes / KIB);
    let target = Element::new("target").child(size).child(Element::new("node").text(0));
    let named = Element::new("alias").with("name", &alias);
    (Element::new("memory").with("model", "dimm").child(target).child(named), alias)
}

/// To how many bytes the guest of the document can grow while it runs.
pub fn most(domain: &Element, now: u64) -> u64 {
    let modules = domain.every("devices/memory").len();
    match domain.first("maxMemory") {
        Some(most) if domain.number("maxMemory/@slots").is_some_and(|slots: usize| slots > modules) => {
            bytes(most).unwrap_or(now)
        }
        _ => now,
    }
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
