//! Sets of CPUs as libvirt and the API spell them: `0-3,^2,7`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuSet(pub BTreeSet<u32>);

/// More CPUs than any host of one engine has; bounds what a range may name.
const MAX_CPU: u32 = 4095;

impl FromStr for CpuSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a set of CPUs");
        let number = |part: &str| -> Result<u32, String> {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(wrong());
            }
            part.parse().ok().filter(|cpu| *cpu <= MAX_CPU).ok_or_else(wrong)
        };
        let mut cpus = BTreeSet::new();
        for part in text.split(',').map(str::trim) {
            if let Some(excluded) = part.strip_prefix('^') {
                cpus.remove(&number(excluded)?);
            } else if let Some((first, last)) = part.split_once('-') {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(wrong());
                }
                cpus.extend(first..=last);
            } else {
                cpus.insert(number(part)?);
            }
        }
        if cpus.is_empty() { Err(wrong()) } else { Ok(Self(cpus)) }
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpus: Vec<u32> = self.0.iter().copied().collect();
        let mut at = 0;
        while at < cpus.len() {
            let mut end = at;
            while end + 1 < cpus.len() && cpus[end + 1] == cpus[end] + 1 {
                end += 1;
            }
            if at > 0 {
                f.write_str(",")?;
            }
            match end - at {
                0 => write!(f, "{}", cpus[at])?,
                _ => write!(f, "{}-{}", cpus[at], cpus[end])?,
            }
            at = end + 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_read_and_write() {
        for (text, same) in [("0", "0"), ("0-3,^2", "0-1,3"), (" 1, 2,3 ", "1-3"), ("7,1-2", "1-2,7")] {
            assert_eq!(text.parse::<CpuSet>().unwrap().to_string(), same);
        }
        for bad in ["", "a", "3-1", "-1", "1-", "1,,2", "+1", "99999", "0-4294967295", "0,^0", "\u{663}"] {
            assert!(bad.parse::<CpuSet>().is_err(), "{bad}");
        }
    }
}
