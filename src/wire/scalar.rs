//! The scalars of the API as text: what is accepted, and the sentences for what is not.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A point in time; the API knows milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(Timestamp);

impl Date {
    /// The name under which a date passes through serde, so that it is not taken for a number.
    pub(super) const MARK: &str = "$date";

    pub fn from_millis(millis: i64) -> Option<Self> {
        Timestamp::from_millisecond(millis).ok().map(Self)
    }

    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }
}

/// What is finer than a millisecond is cut off, so that a date survives the way to a client and back.
impl From<Timestamp> for Date {
    fn from(time: Timestamp) -> Self {
        Self(Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time))
    }
}

impl From<Date> for Timestamp {
    fn from(date: Date) -> Self {
        date.0
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = TimeZone::UTC.to_datetime(self.0);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+00:00",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        )
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(Self::MARK, &self.as_millis())
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Millis;
        impl de::Visitor<'_> for Millis {
            type Value = Date;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date")
            }
            fn visit_i64<E: de::Error>(self, millis: i64) -> Result<Date, E> {
                Date::from_millis(millis).ok_or_else(|| E::custom("the date is out of range"))
            }
        }
        deserializer.deserialize_newtype_struct(Self::MARK, Millis)
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(format!(
            "Value \"{text}\" isn't a valid boolean, it should be \"true\" , \"false\", \"0\" or \"1\""
        )),
    }
}

/// An integer between two bounds; `kind` is its name in the sentence.
pub(super) fn integer(text: &str, min: i128, max: i128, kind: &str) -> Result<i128, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("Value \"{text}\" isn't a valid {kind}"));
    }
    let number = text.parse::<i128>().unwrap_or(if text.starts_with('-') { i128::MIN } else { i128::MAX });
    match number {
        number if number > max => Err(format!("Value {text} is greater than maximum {kind} {max}")),
        number if number < min => Err(format!("Value {text} is less than minimum {kind} {min}")),
        number => Ok(number),
    }
}

/// A number, finite. The SDK of version 3 writes its doubles with an exponent.
pub(super) fn decimal(text: &str) -> Result<f64, String> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    match text.parse::<f64>() {
        Ok(number) if plain && number.is_finite() => Ok(number),
        _ => Err(format!("Value \"{text}\" isn't a valid decimal")),
    }
}

/// A date with or without zone (then UTC), or the number of milliseconds since 1970.
pub(super) fn date(text: &str) -> Result<Date, String> {
    let parsed = match text.parse::<i64>() {
        Ok(millis) => Date::from_millis(millis),
        Err(_) => text
            .parse::<Timestamp>()
            .or_else(|_| text.parse::<DateTime>().and_then(|at| TimeZone::UTC.to_timestamp(at)))
            .ok()
            .map(Date::from),
    };
    parsed.ok_or_else(|| format!("Value \"{text}\" isn't a valid date"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans() {
        for yes in ["true", "True", "TRUE", "1"] {
            assert_eq!(boolean(yes), Ok(true));
        }
        assert_eq!(boolean("False"), Ok(false));
        let said = boolean("yes").unwrap_err();
        assert_eq!(said, r#"Value "yes" isn't a valid boolean, it should be "true" , "false", "0" or "1""#);
    }

    #[test]
    fn integers() {
        let int = |text: &str| integer(text, i32::MIN.into(), i32::MAX.into(), "integer");
        assert_eq!(int("-7"), Ok(-7));
        assert_eq!(int("+7"), Ok(7));
        assert_eq!(
            int("2147483648").unwrap_err(),
            "Value 2147483648 is greater than maximum integer 2147483647"
        );
        let huge = "9".repeat(60);
        assert!(int(&huge).is_err() && int(&format!("-{huge}")).is_err());
        for bad in ["", "+", "1.0", "1e3", "NaN", "٣", "0x1", " 1", "--1"] {
            assert!(int(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(integer("-1", 0, u16::MAX.into(), "unsigned short").is_err());
    }

    #[test]
    fn decimals() {
        assert_eq!(decimal("12.50"), Ok(12.5));
        assert_eq!(decimal("2.500000e-01"), Ok(0.25));
        for bad in ["", ".", "NaN", "inf", "e3", "1e", "1e999", "1,5", "1-2", "٣"] {
            assert!(decimal(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(decimal(&"9".repeat(400)).is_err());
    }

    #[test]
    fn dates() {
        let wanted = date("1423490081123").unwrap();
        assert_eq!(wanted.to_string(), "2015-02-09T13:54:41.123+00:00");
        for same in ["2015-02-09T15:54:41.123+02:00", "2015-02-09T13:54:41.123Z", "2015-02-09T13:54:41.123"] {
            assert_eq!(date(same), Ok(wanted), "{same}");
        }
        assert_eq!(date("2015-02-09T13:54:41").unwrap().to_string(), "2015-02-09T13:54:41.000+00:00");
        for bad in ["", "yesterday", "2015-13-01T00:00:00Z", "99999999999999999"] {
            assert!(date(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
