//! What the guest's clock starts with.

use super::{Invalid, Plan};
use crate::model::time_zone::iana;
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let clock = domain.ensure("clock");
    for attribute in ["timezone", "adjustment", "basis"] {
        clock.unset(attribute);
    }
    match plan.spec.time_zone.as_deref().and_then(iana) {
        Some(zone) => {
            clock.set("offset", "timezone");
            clock.set("timezone", zone);
        }
        // Windows takes the clock of its machine for local time.
        None if plan.spec.os.kind.starts_with("windows") => clock.set("offset", "localtime"),
        None => clock.set("offset", "utc"),
    }
    Ok(())
}
