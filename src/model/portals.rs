//! Which iSCSI portals clients may name.

use serde::Deserialize;
use std::net::IpAddr;
use std::str::FromStr;

/// The networks in which portals may lie, when they are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Portals(pub Option<Vec<Subnet>>);

impl Portals {
    /// May an iSCSI portal of this address be named by a client? Unless configured, every address
    /// but those by which the engine would reach itself or its link's services.
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match &self.0 {
            Some(networks) => networks.iter().any(|network| network.contains(address)),
            None => {
                let own_link = match address {
                    IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
                    IpAddr::V6(v6) => v6.is_unicast_link_local(),
                };
                !own_link && !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
            }
        }
    }

    /// The same for a name or an address. What a name leads to, only its use shows; but this host's
    /// own is known.
    pub fn allow_named(&self, name: &str) -> bool {
        match name.eq_ignore_ascii_case("localhost") {
            true => self.allow(IpAddr::from([127, 0, 0, 1])),
            false => name.parse().map_or(true, |address| self.allow(address)),
        }
    }
}

/// A network such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Subnet {
    address: IpAddr,
    prefix: u32,
}

impl Subnet {
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let wrong = || format!("'{text}' is not a network such as 10.0.0.0/8");
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|p| *p <= bits).ok_or_else(wrong)?,
            None => bits,
        };
        Ok(Self { address, prefix })
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
