//! What the guest's clock starts with.

use super::{Invalid, Plan};
use crate::model::time_zone::iana;
use crate::xml::Element;

pub fn apply(plan: &Plan, domain: &mut Element) -> Result<(), Invalid> {
    let clock = domain.ensure("clock");
    for attribute in ["timezone", "adjustment", "basis"] {
        clock.unset(attribute);
    }
    match plan.spec.time_zone.as_deref().and_then(iana).as_deref() {
        Some("UTC" | "Etc/UTC") => clock.set("offset", "utc"),
        Some(zone) => {
            clock.set("offset", "timezone");
            clock.set("timezone", zone);
        }
        // Windows, too, which takes it for its own time: its zone is the VM's to say.
        None => clock.set("offset", "utc"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::Sample;

    #[test]
    fn a_zone_by_any_name_is_the_zone_that_it_means() {
        let clock = |kind: &str, zone: Option<&str>| {
            let mut sample = Sample::smallest();
            sample.vm.spec.os.kind = kind.into();
            sample.vm.spec.time_zone = zone.map(str::to_owned);
            let document = sample.build().unwrap();
            (document.value("clock/@offset").unwrap(), document.value("clock/@timezone"))
        };
        let zone = |name: &str| ("timezone".to_owned(), Some(name.to_owned()));
        let plain = |offset: &str| (offset.to_owned(), None);
        for kind in ["other", "windows_2019x64"] {
            assert_eq!(clock(kind, None), plain("utc"));
            assert_eq!(clock(kind, Some("Etc/UTC")), plain("utc"));
            assert_eq!(clock(kind, Some("GMT Standard Time")), zone("Europe/London"));
            assert_eq!(clock(kind, Some("Europe/Berlin")), zone("Europe/Berlin"));
        }
    }
}
