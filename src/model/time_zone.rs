//! Time zones: clients name them as IANA does or, for guests that know no other names, as Windows does.

/// What stands before ` Standard Time`, and the zone that is meant.
const WINDOWS: &[(&str, &str)] = &[
    ("Afghanistan", "Asia/Kabul"),
    ("Alaskan", "America/Anchorage"),
    ("Arab", "Asia/Riyadh"),
    ("Arabian", "Asia/Dubai"),
    ("Arabic", "Asia/Baghdad"),
    ("Argentina", "America/Argentina/Buenos_Aires"),
    ("Armenian", "Asia/Yerevan"),
    ("Atlantic", "America/Halifax"),
    ("AUS Central", "Australia/Darwin"),
    ("AUS Eastern", "Australia/Sydney"),
    ("Azerbaijan", "Asia/Baku"),
    ("Azores", "Atlantic/Azores"),
    ("Bahia", "America/Bahia"),
    ("Bangladesh", "Asia/Dhaka"),
    ("Canada Central", "America/Regina"),
    ("Cape Verde", "Atlantic/Cape_Verde"),
    ("Caucasus", "Asia/Yerevan"),
    ("Cen. Australia", "Australia/Adelaide"),
    ("Central", "America/Chicago"),
    ("Central America", "America/Guatemala"),
    ("Central Asia", "Asia/Almaty"),
    ("Central Brazilian", "America/Cuiaba"),
    ("Central Europe", "Europe/Budapest"),
    ("Central European", "Europe/Warsaw"),
    ("Central Pacific", "Pacific/Guadalcanal"),
    ("China", "Asia/Shanghai"),
    ("Dateline", "Etc/GMT+12"),
    ("E. Africa", "Africa/Nairobi"),
    ("E. Australia", "Australia/Brisbane"),
    ("E. Europe", "Europe/Chisinau"),
    ("E. South America", "America/Sao_Paulo"),
    ("Eastern", "America/New_York"),
    ("Egypt", "Africa/Cairo"),
    ("Ekaterinburg", "Asia/Yekaterinburg"),
    ("Fiji", "Pacific/Fiji"),
    ("FLE", "Europe/Kiev"),
    ("Georgian", "Asia/Tbilisi"),
    ("GMT", "Europe/London"),
    ("Greenland", "America/Godthab"),
    ("Greenwich", "Atlantic/Reykjavik"),
    ("GTB", "Europe/Bucharest"),
    ("Hawaiian", "Pacific/Honolulu"),
    ("India", "Asia/Kolkata"),
    ("Iran", "Asia/Tehran"),
    ("Israel", "Asia/Jerusalem"),
    ("Jordan", "Asia/Amman"),
    ("Kaliningrad", "Europe/Kaliningrad"),
    ("Kamchatka", "Asia/Kamchatka"),
    ("Korea", "Asia/Seoul"),
    ("Magadan", "Asia/Magadan"),
    ("Mauritius", "Indian/Mauritius"),
    ("Mexico", "America/Mexico_City"),
    ("Mid-Atlantic", "Etc/GMT+2"),
    ("Middle East", "Asia/Beirut"),
    ("Montevideo", "America/Montevideo"),
    ("Morocco", "Africa/Casablanca"),
    ("Mountain", "America/Denver"),
    ("Myanmar", "Asia/Yangon"),
    ("N. Central Asia", "Asia/Novosibirsk"),
    ("Namibia", "Africa/Windhoek"),
    ("Nepal", "Asia/Kathmandu"),
    ("New Zealand", "Pacific/Auckland"),
    ("Newfoundland", "America/St_Johns"),
    ("North Asia", "Asia/Krasnoyarsk"),
    ("North Asia East", "Asia/Irkutsk"),
    ("Pacific", "America/Los_Angeles"),
    ("Pacific SA", "America/Santiago"),
    ("Pakistan", "Asia/Karachi"),
    ("Paraguay", "America/Asuncion"),
    ("Romance", "Europe/Paris"),
    ("Russian", "Europe/Moscow"),
    ("SA Eastern", "America/Cayenne"),
    ("SA Pacific", "America/Bogota"),
    ("SA Western", "America/La_Paz"),
    ("Samoa", "Pacific/Apia"),
    ("SE Asia", "Asia/Bangkok"),
    ("Singapore", "Asia/Singapore"),
    ("South Africa", "Africa/Johannesburg"),
    ("Sri Lanka", "Asia/Colombo"),
    ("Syria", "Asia/Damascus"),
    ("Taipei", "Asia/Taipei"),
    ("Tasmania", "Australia/Hobart"),
    ("Tokyo", "Asia/Tokyo"),
    ("Tonga", "Pacific/Tongatapu"),
    ("Turkey", "Europe/Istanbul"),
    ("Ulaanbaatar", "Asia/Ulaanbaatar"),
    ("US Eastern", "America/Indiana/Indianapolis"),
    ("US Mountain", "America/Phoenix"),
    ("Venezuela", "America/Caracas"),
    ("Vladivostok", "Asia/Vladivostok"),
    ("W. Australia", "Australia/Perth"),
    ("W. Central Africa", "Africa/Lagos"),
    ("W. Europe", "Europe/Berlin"),
    ("West Asia", "Asia/Tashkent"),
    ("West Pacific", "Pacific/Port_Moresby"),
    ("Yakutsk", "Asia/Yakutsk"),
];

/// The other names that Windows has.
const WINDOWS_WHOLE: &[(&str, &str)] = &[
    ("UTC", "Etc/UTC"),
    ("Central Standard Time (Mexico)", "America/Mexico_City"),
    ("Mountain Standard Time (Mexico)", "America/Chihuahua"),
    ("Pacific Standard Time (Mexico)", "America/Tijuana"),
];

/// Former names of zones that Windows has.
const FORMER: &[(&str, &str)] = &[
    ("Asia/Calcutta", "Asia/Kolkata"),
    ("Asia/Katmandu", "Asia/Kathmandu"),
    ("Asia/Rangoon", "Asia/Yangon"),
    ("America/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ("America/Indianapolis", "America/Indiana/Indianapolis"),
    ("Europe/Kyiv", "Europe/Kiev"),
];

fn second(table: &[(&str, &'static str)], first: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == first).map(|(_, other)| *other)
}

/// The IANA name of a zone, whichever way it is named and spelled; `None` when there is no such zone.
pub fn iana(name: &str) -> Option<String> {
    let stem = name.strip_suffix(" Standard Time");
    let of_windows = stem.and_then(|stem| second(WINDOWS, stem)).or(second(WINDOWS_WHOLE, name));
    let named = of_windows.unwrap_or(name);
    let plain = named.len() <= 64
        && !named.contains("..")
        && named.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
    // Guests and the host's own library tell capitals apart.
    let zone = plain.then(|| jiff::tz::TimeZone::get(named).ok())??;
    zone.iana_name().map(str::to_owned)
}

/// The name by which Windows knows a zone, whichever way it is named; `None` where it knows none.
pub fn windows(name: &str) -> Option<String> {
    let zone = iana(name)?;
    if name.ends_with(" Standard Time") || second(WINDOWS_WHOLE, name).is_some() {
        return Some(name.to_owned());
    }
    let zone = second(FORMER, &zone).unwrap_or(&zone);
    let is = |(_, its): &&(&str, &str)| *its == zone;
    let stem = WINDOWS.iter().find(is).map(|(stem, _)| format!("{stem} Standard Time"));
    stem.or_else(|| WINDOWS_WHOLE.iter().find(is).map(|(name, _)| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_by_both_of_their_names() {
        for name in ["Europe/Berlin", "europe/BERLIN", "W. Europe Standard Time"] {
            assert_eq!(iana(name).as_deref(), Some("Europe/Berlin"), "{name}");
        }
        assert_eq!(iana("Central Standard Time (Mexico)").as_deref(), Some("America/Mexico_City"));
        for bad in ["", "Standard Time", "Moon Standard Time", "W. Europe", "../etc/passwd", "Europe/None"] {
            assert_eq!(iana(bad), None, "{bad}");
        }
        for (name, zone) in WINDOWS {
            assert_eq!(iana(&format!("{name} Standard Time")).as_deref(), Some(*zone));
        }
        for (name, known) in [("Etc/UTC", "UTC"), ("UTC", "UTC"), ("Asia/Calcutta", "India Standard Time")] {
            assert_eq!(windows(name).as_deref(), Some(known));
        }
        assert_eq!(windows("Europe/Berlin").as_deref(), Some("W. Europe Standard Time"));
        assert_eq!(windows("Tokyo Standard Time").as_deref(), Some("Tokyo Standard Time"));
        assert_eq!(windows("Moon Standard Time").or(windows("Europe/None")), None);
    }
}
