//! Processors by the names that clusters have them by.

use super::app::App;
use crate::model::HostFacts;
use crate::wire::types::Cpu;

/// From the plainest on, per vendor: libvirt's model, the name.
const INTEL: &[(&str, &str)] = &[
    ("Conroe", "Intel Conroe Family"),
    ("Penryn", "Intel Penryn Family"),
    ("Nehalem", "Intel Nehalem Family"),
    ("Westmere", "Intel Westmere Family"),
    ("SandyBridge", "Intel SandyBridge Family"),
    ("Haswell-noTSX", "Intel Haswell-noTSX Family"),
    ("Haswell", "Intel Haswell Family"),
];
const AMD: &[(&str, &str)] = &[
    ("Opteron_G1", "AMD Opteron G1"),
    ("Opteron_G2", "AMD Opteron G2"),
    ("Opteron_G3", "AMD Opteron G3"),
    ("Opteron_G4", "AMD Opteron G4"),
    ("Opteron_G5", "AMD Opteron G5"),
];

/// Those that the host can give to guests; all of them until it told.
pub fn all(app: &App) -> Vec<Cpu> {
    let facts = app.engine.facts().ok();
    let facts = facts.as_deref().map(|(facts, _)| facts);
    [INTEL, AMD].into_iter().flat_map(|vendor| offered(vendor, facts)).collect()
}

/// The best one of the host's own vendor: what a cluster of this host has.
pub fn best(app: &App) -> Cpu {
    let facts = app.engine.facts().ok();
    let vendor = if app.host.cpu_model.contains("AMD") { AMD } else { INTEL };
    let best = facts.and_then(|facts| offered(vendor, Some(&facts.0)).pop());
    Cpu { level: None, architecture: Some("X86_64".into()), ..best.unwrap_or_default() }
}

fn offered(vendor: &[(&str, &str)], facts: Option<&HostFacts>) -> Vec<Cpu> {
    let there = |model: &str| facts.is_none_or(|facts| facts.models(facts.accelerator).contains(model));
    let numbered = vendor.iter().zip(3..);
    numbered
        .filter(|((model, _), _)| there(model))
        .map(|((_, name), level)| Cpu {
            r#type: Some((*name).to_owned()),
            level: Some(level),
            architecture: Some("X86_64".to_owned()),
            ..Cpu::default()
        })
        .collect()
}
