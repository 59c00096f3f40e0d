//! Units of SCSI targets, which VMs reach themselves.

use super::vm::is_word;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A unit of a SCSI target. What it holds is not the engine's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lun {
    /// As the client calls it; of one that the host has, its world-wide name.
    pub id: String,
    /// Bytes, as the client told them or the host knows them; 0 where neither did.
    pub size: u64,
    pub passed: Option<Passed>,
    /// The guest may reserve the unit for itself.
    #[serde(default)]
    pub reserved: bool,
    #[serde(flatten)]
    pub at: LunAt,
}

/// How a unit is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LunAt {
    /// By QEMU itself.
    Iscsi(IscsiUnit),
    /// By the host, which has a block device for it.
    Host { device: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IscsiUnit {
    /// A name or an address.
    pub address: String,
    pub port: u16,
    /// The target's qualified name.
    pub target: String,
    pub number: u32,
    #[serde(default)]
    pub chap: Option<Chap>,
}

/// Who the target lets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chap {
    pub username: String,
    pub password: Sealed,
}

/// A secret as it is kept: only who has the engine's key reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

/// The guest speaks SCSI with the unit itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    Filtered,
    Unfiltered,
}

/// A block device of the host that is a unit of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostLun {
    /// The unit's world-wide name.
    pub id: String,
    /// A link to the device that names the unit, not the place where it was found.
    pub device: String,
    /// Bytes.
    pub size: u64,
    pub vendor: String,
    pub product: String,
    pub serial: String,
    /// By how many ways the host reaches it.
    pub paths: u32,
    pub kind: HostLunKind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostLunKind {
    #[default]
    Fcp,
    Iscsi,
}

impl Lun {
    /// The number of a unit that is called `lun7`; without one it is the first that targets have for data.
    pub fn number_of(id: &str) -> u32 {
        let digits = id.len() - id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        match &id[id.len() - digits..] {
            "" => 1,
            // No unit has a number that is too large to be one.
            digits => digits.parse().unwrap_or(u32::MAX),
        }
    }

    /// The same unit, whatever it is called.
    pub fn is(&self, other: &Self) -> bool {
        match (&self.at, &other.at) {
            (LunAt::Iscsi(one), LunAt::Iscsi(two)) => {
                let name = |unit: &IscsiUnit| {
                    (unit.address.to_lowercase(), unit.port, unit.target.clone(), unit.number)
                };
                name(one) == name(two)
            }
            (LunAt::Host { device: one }, LunAt::Host { device: two }) => one == two,
            _ => false,
        }
    }

    /// The guest gets the unit itself, not a disk that holds what it holds.
    pub fn is_passed(&self) -> bool {
        self.passed.is_some() || self.reserved
    }

    pub fn chap(&self) -> Option<&Chap> {
        match &self.at {
            LunAt::Iscsi(unit) => unit.chap.as_ref(),
            LunAt::Host { .. } => None,
        }
    }

    /// Brings one that the host has to the place where the host has it.
    pub fn locate(&mut self, listed: &[HostLun]) -> Result<(), String> {
        if let LunAt::Host { device } = &mut self.at {
            let found = listed.iter().find(|listed| listed.id == self.id);
            let found =
                found.ok_or_else(|| format!("The host has no LUN {} that a VM may have.", self.id))?;
            (*device, self.size) = (found.device.clone(), found.size);
        }
        Ok(())
    }

    /// What is wrong with it by itself, in the client's words.
    pub fn check(&self) -> Result<(), String> {
        if let LunAt::Iscsi(unit) = &self.at {
            unit.check()?;
        }
        match fits(&self.id, ".-:_", 255) {
            true => Ok(()),
            false => Err(format!("'{}' is not the id of a LUN.", self.id)),
        }
    }
}

impl IscsiUnit {
    fn check(&self) -> Result<(), String> {
        let is_name = fits(&self.address, ".-", 255) && !self.address.starts_with('-');
        if !is_name && self.address.parse::<IpAddr>().is_err() {
            return Err(format!("'{}' is not the address of an iSCSI portal.", self.address));
        }
        if self.port == 0 {
            return Err("The port of an iSCSI portal is a number from 1 to 65535.".into());
        }
        if !fits(&self.target, ".-:_", 223) {
            return Err(format!("'{}' is not the name of an iSCSI target.", self.target));
        }
        if self.number > 16_383 {
            return Err("The number of a LUN is at most 16383.".into());
        }
        // It stands in an address, where a % would end the name.
        let plain = |name: &str| name.len() <= 255 && name.chars().all(|c| c.is_ascii_graphic() && c != '%');
        if self.chap.as_ref().is_some_and(|chap| chap.username.is_empty() || !plain(&chap.username)) {
            return Err("The user name of an iSCSI target may have printable ASCII characters only.".into());
        }
        Ok(())
    }
}

fn fits(text: &str, others: &str, most: usize) -> bool {
    text.len() <= most && is_word(text, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lun(address: &str, target: &str) -> Lun {
        let unit =
            IscsiUnit { address: address.into(), port: 3260, target: target.into(), number: 1, chap: None };
        Lun { id: "lun1".into(), size: 0, passed: None, reserved: false, at: LunAt::Iscsi(unit) }
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(["lun1", "lun12", "3600144f0", "x"].map(Lun::number_of), [1, 12, 0, 1]);
        assert!(lun("iscsi.example.com", "iqn.2010.05.com.example:iscsi.targetX").check().is_ok());
        assert!(lun("fd00::1", "iqn.2010-05.com.example:x").check().is_ok());
        for bad in ["", "a/b", "10.0.0.1:3260", "-oProxy", "a b"] {
            assert!(lun(bad, "iqn.x").check().is_err(), "{bad}");
        }
        for (address, target) in [("a", ""), ("a", "iqn.x/1"), ("a", "iqn x")] {
            assert!(lun(address, target).check().is_err(), "{address} {target}");
        }
        assert!(lun("A", "iqn.x").is(&lun("a", "iqn.x")) && !lun("a", "iqn.x").is(&lun("a", "iqn.y")));
    }

    #[test]
    fn user_names_of_targets() {
        for (username, fine) in [("me", true), ("a:b@c", true), ("", false), ("a b", false), ("a%b", false)] {
            let mut named = lun("a", "iqn.x");
            if let LunAt::Iscsi(unit) = &mut named.at {
                unit.chap = Some(Chap { username: username.into(), password: Sealed("x".into()) });
            }
            assert_eq!(named.check().is_ok(), fine, "{username:?}");
        }
    }

    #[test]
    fn kept_luns_read_as_they_were() {
        let before =
            r#"{"id":"lun1","address":"a","port":3260,"target":"iqn.x","number":1,"size":0,"passed":null}"#;
        assert_eq!(serde_json::from_str::<Lun>(before).unwrap(), lun("a", "iqn.x"));
        let host = Lun { at: LunAt::Host { device: "/dev/disk/by-id/x".into() }, ..lun("a", "iqn.x") };
        let kept = serde_json::to_string(&host).unwrap();
        assert_eq!(serde_json::from_str::<Lun>(&kept).unwrap(), host);
    }
}
