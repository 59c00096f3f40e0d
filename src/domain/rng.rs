//! The random number generator.

use super::device::{alias, put};
use super::{Invalid, Plan};
use crate::model::vm::Rng;
use crate::xml::Element;

const ALIAS: &str = "ua-rng";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    put(domain, |device| alias(device) == Some(ALIAS), &["rate", "backend"], plan.spec.rng.map(device));
    Ok(())
}

fn device(Rng { source, rate }: Rng) -> Element {
    let mut rng = Element::new("rng").with("model", "virtio");
    if let Some((bytes, period)) = rate {
        rng.push(Element::new("rate").with("bytes", bytes).with("period", period));
    }
    rng.child(Element::new("backend").with("model", "random").text(source.file()))
        .child(Element::new("alias").with("name", ALIAS))
}
