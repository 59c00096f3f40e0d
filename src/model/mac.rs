//! Hardware addresses and the pool that new ones come from.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether an interface can have it: those of groups and the empty one are nobody's.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }

    fn number(self) -> u64 {
        self.0.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn of(number: u64) -> Self {
        let [_, _, bytes @ ..] = number.to_be_bytes();
        Self(bytes)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl TryFrom<String> for Mac {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Mac {
    type Err = String;

    /// Six pairs of hexadecimal digits with colons between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a MAC address: six pairs of hexadecimal digits with colons.");
        let mut mac = [0; 6];
        let mut pairs = text.split(':');
        for byte in &mut mac {
            let pair =
                pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(wrong)?;
        }
        match pairs.next() {
            None => Ok(Self(mac)),
            Some(_) => Err(wrong()),
        }
    }
}

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacRange {
    pub from: Mac,
    pub to: Mac,
}

impl MacRange {
    /// The 65,536 addresses of an installation: `00:1a:4a:xx:00:00` to `ff:ff`.
    pub fn numbered(xx: u8) -> Self {
        Self { from: Mac([0, 0x1a, 0x4a, xx, 0, 0]), to: Mac([0, 0x1a, 0x4a, xx, 0xff, 0xff]) }
    }

    /// The lowest address that nobody uses.
    pub fn free(self, used: &BTreeSet<Mac>) -> Option<Mac> {
        (self.from.number()..=self.to.number())
            .map(Mac::of)
            .find(|mac| mac.is_unicast() && !used.contains(mac))
    }
}

impl fmt::Display for MacRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

impl FromStr for MacRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) =
            text.split_once('-').ok_or_else(|| format!("'{text}' is not a range of MAC addresses."))?;
        Ok(Self { from: from.parse()?, to: to.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_strictly_and_written_in_lower_case() {
        assert_eq!("00:1A:4a:16:84:07".parse::<Mac>().unwrap().to_string(), "00:1a:4a:16:84:07");
        for bad in [
            "",
            "00:1a:4a:16:84",
            "00:1a:4a:16:84:07:08",
            "00-1a-4a-16-84-07",
            "0:1a:4a:16:84:07",
            "+0:1a:4a:16:84:07",
            "00:1a:4a:16:84:0g",
            "00:1a:4a:16:84:07 ",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
        for nobodys in ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"] {
            assert!(!nobodys.parse::<Mac>().unwrap().is_unicast(), "{nobodys}");
        }
    }

    #[test]
    fn a_pool_gives_its_lowest_free_address_until_it_has_none() {
        let pool = MacRange::numbered(0x16);
        assert_eq!(pool.to_string().parse(), Ok(pool));
        let mut used = BTreeSet::new();
        assert_eq!(pool.free(&used).unwrap().to_string(), "00:1a:4a:16:00:00");
        used.extend((0..=0xffff).map(|number| Mac::of(pool.from.number() + number)));
        assert_eq!(pool.free(&used), None);
        used.remove(&"00:1a:4a:16:00:ff".parse().unwrap());
        assert_eq!(pool.free(&used).unwrap().to_string(), "00:1a:4a:16:00:ff");
    }
}
