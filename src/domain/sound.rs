//! The sound card.

use super::device::{alias, put};
use super::{Chipset, Invalid, Plan};
use crate::xml::Element;

const ALIAS: &str = "ua-sound";

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let model = match plan.chipset() {
        Chipset::Q35 => "ich9",
        Chipset::I440fx => "ich6",
    };
    let sound = Element::new("sound").with("model", model).child(Element::new("alias").with("name", ALIAS));
    put(domain, |device| alias(device) == Some(ALIAS), &[], plan.spec.soundcard.then_some(sound));
    Ok(())
}
