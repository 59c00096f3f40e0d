//! The guest's memory. QEMU cannot guarantee a part of it; the balloon's floor is the engine's.

use super::{Invalid, Plan};
use crate::model::{GIB, KIB, MIB};
use crate::xml::Element;

/// Modules that a running guest can be given.
const SLOTS: u32 = 16;
/// What every CPU model can address, with the devices beside it.
const MOST: u64 = 512 * GIB;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let most = plan.spec.memory_growth().map(|times| plan.spec.memory.saturating_mul(times).min(MOST));
    // QEMU takes no slots where there is nothing to grow to.
    match most.filter(|most| *most > plan.spec.memory) {
        Some(most) => domain
            .replace(Element::new("maxMemory").with("slots", SLOTS).with("unit", "KiB").text(most / KIB)),
        None => domain.remove("maxMemory"),
    }
    for name in ["memory", "currentMemory"] {
        domain.replace(Element::new(name).with("unit", "KiB").text(plan.spec.memory / KIB));
    }
    Ok(())
}

/// In blocks of how many bytes a guest that started with so many takes more: Linux's on x86-64.
pub fn block(memory: u64) -> u64 {
    if memory < 64 * GIB { 128 * MIB } else { 2 * GIB }
}

/// A module of `bytes` for a running guest that comes to `total` by it, and the module's alias.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    #[test]
    fn a_guest_grows_while_it_has_slots() {
        let domain = |modules: usize| {
            let modules = "<memory model='dimm'/>".repeat(modules);
            let document = format!(
                "<domain><maxMemory slots='16' unit='MiB'>4096</maxMemory><memory unit='MiB'>1024</memory>\
                 <devices>{modules}</devices></domain>"
            );
            parse(document.as_bytes()).unwrap()
        };
        assert_eq!(most(&domain(0), GIB), 4 * GIB);
        assert_eq!(most(&domain(15), GIB), 4 * GIB);
        assert_eq!(most(&domain(16), GIB), GIB);
        assert_eq!(most(&parse(b"<domain><memory>1</memory></domain>").unwrap(), GIB), GIB);
    }

    #[test]
    fn a_module_is_known_by_what_the_guest_comes_to() {
        let (module, alias) = module(128 * MIB, GIB);
        assert_eq!(
            (alias.as_str(), module.value("target/size").as_deref()),
            ("ua-memory-1024", Some("131072"))
        );
        assert_eq!(module.value("alias/@name"), Some(alias));
    }
}
