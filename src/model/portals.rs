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

    /// The same for a name or an address. What a name leads to only its use shows: none is taken where
    /// networks are listed, and none that says this host by itself.
    pub fn allow_named(&self, name: &str) -> bool {
        match name.parse() {
            Ok(address) => self.allow(address),
            Err(_) => self.0.is_none() && !is_own_name(name) && !is_number(name),
        }
    }
}

fn is_own_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"].contains(&name.as_str())
        || name.ends_with(".localhost")
}

/// An address as resolvers read it beside the usual way: `127.1`, `2130706433`, `0x7f.1`.
fn is_number(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => last.bytes().all(|b| b.is_ascii_digit()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_host_itself_are_none_of_a_portal() {
        let any = Portals::default();
        for good in ["192.0.2.1", "san.example.org", "san", "0xbeef.example", "2001:db8::1"] {
            assert!(any.allow_named(good), "{good}");
        }
        for own in ["127.0.0.1", "::1", "localhost", "LOCALHOST.", "a.localhost", "ip6-localhost"] {
            assert!(!any.allow_named(own), "{own}");
        }
        for number in ["127.1", "2130706433", "0x7f000001", "0x7f.1", "127.0.0.1.", "0177.0.0.01", ""] {
            assert!(!any.allow_named(number), "{number}");
        }
    }

    #[test]
    fn listed_networks_say_all() {
        let listed = Portals(Some(vec!["192.0.2.0/24".parse().unwrap(), "127.0.0.1".parse().unwrap()]));
        assert!(listed.allow_named("192.0.2.9") && listed.allow_named("127.0.0.1"));
        assert!(!listed.allow_named("198.51.100.1") && !listed.allow_named("san.example.org"));
    }
}
