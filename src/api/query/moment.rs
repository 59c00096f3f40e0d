//! Dates and durations as searches write them.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The seconds of `[days.]hours:minutes[:seconds]`, or of a number of minutes.
pub fn span(text: &str) -> Option<f64> {
    if let Ok(minutes) = text.parse::<u32>() {
        return Some(f64::from(minutes) * 60.0);
    }
    let (days, time) = match text.split_once('.') {
        Some((days, time)) => (days.parse::<u32>().ok()?, time),
        None => (0, text),
    };
    let parts: Vec<u32> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] => (*hours, *minutes, 0),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return None,
    };
    let [days, hours, minutes, seconds] = [days, hours, minutes, seconds].map(f64::from);
    Some(days * 86400.0 + hours * 3600.0 + minutes * 60.0 + seconds)
}

/// What a date names: a day, a second, or an instant.
pub fn moment(text: &str, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let at = |time: DateTime| TimeZone::UTC.to_timestamp(time).ok();
    let day = |date: Date| -> Option<(Timestamp, Timestamp)> {
        let midnight = |date: Date| at(date.at(0, 0, 0, 0));
        Some((midnight(date)?, midnight(date.tomorrow().ok()?)?))
    };
    let second = |at: Timestamp| Some((at, at.checked_add(SignedDuration::from_secs(1)).ok()?));
    let today = TimeZone::UTC.to_datetime(now).date();
    let weekdays = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let lower = text.to_lowercase();
    if let Some((_, wanted)) = weekdays.iter().find(|(name, _)| *name == lower) {
        let days = today.weekday().since(*wanted);
        return day(today.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).ok()?);
    }
    match lower.as_str() {
        "today" => return day(today),
        "yesterday" => return day(today.yesterday().ok()?),
        _ => {}
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return second(at);
    }
    let text = american(text).unwrap_or_else(|| text.to_owned());
    match text.contains([':', 'T']) {
        false => day(text.parse().ok()?),
        true => second(at(text.parse().ok()?)?),
    }
}

/// `month/day/year`, with or without a time, as the international way writes it.
fn american(text: &str) -> Option<String> {
    let (date, time) = text.split_once(' ').map_or((text, None), |(date, time)| (date, Some(time)));
    let mut numbers = date.splitn(3, '/').map(|part| part.parse::<u16>().ok());
    let (month, day, year) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let year = if year < 100 { 2000 + year } else { year };
    let date = format!("{year:04}-{month:02}-{day:02}");
    Some(time.map_or(date.clone(), |time| format!("{date}T{time}")))
}
