//! Units of SCSI targets, which VMs reach themselves.

use super::vm::is_word;
use serde::{Deserialize, Serialize};

/// A unit of an iSCSI target. What it holds is not the engine's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lun {
    /// As the client calls it.
    pub id: String,
    /// A name or an address.
    pub address: String,
    pub port: u16,
    /// The target's qualified name.
    pub target: String,
    pub number: u32,
    /// Bytes, as the client told them; 0 where it did not.
    pub size: u64,
    pub passed: Option<Passed>,
}

/// The guest speaks SCSI with the unit itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    Filtered,
    Unfiltered,
}

impl Lun {
    /// The number of a unit that is called `lun7`; without one it is the first that targets have for data.
    pub fn number_of(id: &str) -> u32 {
        let digits = id.len() - id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        id[id.len() - digits..].parse().unwrap_or(1)
    }

    /// The same unit, whatever it is called.
    pub fn is(&self, other: &Self) -> bool {
        let name = |lun: &Self| (lun.address.to_lowercase(), lun.port, lun.target.clone(), lun.number);
        name(self) == name(other)
    }

    /// What is wrong with it by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        let within = |text: &str, others: &str, most: usize| text.len() <= most && is_word(text, others);
        if !within(&self.address, ".-:", 255) {
            return Err(format!("'{}' is not the address of an iSCSI portal.", self.address));
        }
        if self.port == 0 {
            return Err("The port of an iSCSI portal is a number from 1 to 65535.".into());
        }
        if !within(&self.target, ".-:_", 223) {
            return Err(format!("'{}' is not the name of an iSCSI target.", self.target));
        }
        if self.number > 16_383 {
            return Err("The number of a LUN is at most 16383.".into());
        }
        match within(&self.id, ".-:_", 255) {
            true => Ok(()),
            false => Err(format!("'{}' is not the id of a LUN.", self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lun(address: &str, target: &str) -> Lun {
        let (id, size, passed) = ("lun1".to_owned(), 0, None);
        Lun { id, address: address.into(), port: 3260, target: target.into(), number: 1, size, passed }
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(["lun1", "lun12", "3600144f0", "x"].map(Lun::number_of), [1, 12, 0, 1]);
        assert!(lun("iscsi.example.com", "iqn.2010.05.com.example:iscsi.targetX").check().is_ok());
        assert!(lun("fd00::1", "iqn.2010-05.com.example:x").check().is_ok());
        for (address, target) in
            [("", "iqn.x"), ("a/b", "iqn.x"), ("a", ""), ("a", "iqn.x/1"), ("a", "iqn x")]
        {
            assert!(lun(address, target).check().is_err(), "{address} {target}");
        }
        assert!(lun("A", "iqn.x").is(&lun("a", "iqn.x")) && !lun("a", "iqn.x").is(&lun("a", "iqn.y")));
    }
}
