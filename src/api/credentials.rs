//! Names and passwords: reading them, remembering the right ones, slowing down the guessing of others.

use super::request::User;
use crate::engine::turns::{Turn, Turns};
use axum::http::{HeaderMap, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long right credentials spare their hash, and wrong ones count.
const MINUTE: Duration = Duration::from_secs(60);
/// So many wrong attempts a minute cost nothing; each one more costs a second more.
const FREE_FAILURES: u32 = 10;
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// How many entries each memory keeps at most.
const MOST: usize = 4096;

/// What a client sends to say who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub name: String,
    pub profile: String,
    pub password: String,
}

impl Credentials {
    /// The Basic credentials of a request; `None` when there are none, or two, or broken ones.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
        let text = String::from_utf8(decoded).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let (user, password) = text.split_once(':')?;
        let (name, profile) = match user.rsplit_once('@') {
            Some(parts) => parts,
            None => user.split_once('\\').map(|(profile, name)| (name, profile))?,
        };
        Some(Self { name: name.to_owned(), profile: profile.to_owned(), password: password.to_owned() })
    }

    pub fn full_name(&self) -> String {
        format!("{}@{}", self.name, self.profile)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?})", self.full_name())
    }
}

/// A digest under a key of this process: it says nothing to anyone else.
type Fingerprint = [u8; 32];

/// Who was right a moment ago and who was wrong.
#[derive(Debug)]
pub struct Memory {
    key: [u8; 32],
    right: Mutex<HashMap<Fingerprint, (User, Instant)>>,
    wrong: Mutex<HashMap<Fingerprint, (u32, Instant)>>,
    checks: Turns<Fingerprint>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            key: rand::random(),
            right: Mutex::default(),
            wrong: Mutex::default(),
            checks: Turns::default(),
        }
    }
}

impl Memory {
    /// Whose credentials these are, if they were right less than a minute ago.
    pub fn recall(&self, credentials: &Credentials, now: Instant) -> Option<User> {
        let print = self.whole(credentials);
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right
            .get(&print)
            .filter(|(_, since)| now.duration_since(*since) < MINUTE)
            .map(|(user, _)| user.clone())
    }

    pub fn remember(&self, credentials: &Credentials, user: User, now: Instant) {
        let print = self.whole(credentials);
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut right, now, |(_, since)| *since);
        right.insert(print, (user, now));
    }

    /// For who is about to check the very same credentials: the others may recall then what came of it.
    pub async fn turn(&self, credentials: &Credentials) -> Turn {
        self.checks.take(self.whole(credentials)).await
    }

    /// Counts an attempt before it is made, so that attempts side by side count too, and says how
    /// long it must wait. Attempts of other users, or from elsewhere, do not wait for it.
    pub fn attempt(&self, credentials: &Credentials, from: IpAddr, now: Instant) -> Duration {
        let print = self.whence(credentials, from);
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut wrong, now, |(_, since)| *since);
        let (count, since) = wrong.entry(print).or_insert((0, now));
        if now.duration_since(*since) >= MINUTE {
            (*count, *since) = (0, now);
        }
        *count += 1;
        Duration::from_secs(u64::from(count.saturating_sub(FREE_FAILURES))).min(LONGEST_DELAY)
    }

    /// The attempt was right: what came before it is forgiven.
    pub fn forgive(&self, credentials: &Credentials, from: IpAddr) {
        let print = self.whence(credentials, from);
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).remove(&print);
    }

    fn whole(&self, credentials: &Credentials) -> Fingerprint {
        self.print(&[&credentials.name, &credentials.profile, &credentials.password])
    }

    fn whence(&self, credentials: &Credentials, from: IpAddr) -> Fingerprint {
        // Whoever has one address of an IPv6 network has all of its last 64 bits.
        let network = match from {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => address.to_string(),
                None => format!("{:x?}", &address.segments()[..4]),
            },
        };
        self.print(&[&credentials.name, &credentials.profile, &network])
    }

    fn print(&self, parts: &[&str]) -> Fingerprint {
        let mut hash = Sha256::new_with_prefix(self.key);
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

/// Drops what is over, and all of it should that not do.
fn make_room<V>(entries: &mut HashMap<Fingerprint, V>, now: Instant, since: impl Fn(&V) -> Instant) {
    if entries.len() >= MOST {
        entries.retain(|_, entry| now.duration_since(since(entry)) < MINUTE);
    }
    if entries.len() >= MOST {
        entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    fn credentials(user_and_password: &str) -> Option<Credentials> {
        let value = format!("Basic {}", BASE64_STANDARD.encode(user_and_password));
        Credentials::of(&HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]))
    }

    fn parts(user_and_password: &str) -> Option<(String, String, String)> {
        credentials(user_and_password).map(|c| (c.name, c.profile, c.password))
    }

    #[test]
    fn a_user_is_name_at_profile_or_profile_and_name() {
        let three = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(parts("admin@internal:pa:ss"), three("admin", "internal", "pa:ss"));
        assert_eq!(parts("a@b.c@ldap:grün"), three("a@b.c", "ldap", "grün"));
        assert_eq!(parts("internal\\admin:x"), three("admin", "internal", "x"));
        assert_eq!(parts("admin:x"), None);
        assert_eq!(parts("admin@internal"), None);
    }

    #[test]
    fn two_or_broken_headers_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Credentials::of(&headers), None);
        for broken in ["Basic", "Basic ?", "Bearer YTph", "Basic /////w=="] {
            headers.insert(header::AUTHORIZATION, broken.parse().unwrap());
            assert_eq!(Credentials::of(&headers), None, "{broken}");
        }
        headers.insert(header::AUTHORIZATION, "Basic YUBiOmM=".parse().unwrap());
        assert!(Credentials::of(&headers).is_some());
        headers.append(header::AUTHORIZATION, "Basic YUBiOmM=".parse().unwrap());
        assert_eq!(Credentials::of(&headers), None);
    }

    #[test]
    fn right_credentials_are_known_for_a_minute() {
        let (memory, now) = (Memory::default(), Instant::now());
        let (right, wrong) = (credentials("a@b:c").unwrap(), credentials("a@b:d").unwrap());
        let user = User { id: UserId::random(), name: right.full_name(), mark: 0 };
        memory.remember(&right, user.clone(), now);
        assert_eq!(memory.recall(&right, now + MINUTE / 2), Some(user));
        assert_eq!(memory.recall(&right, now + MINUTE), None);
        assert_eq!(memory.recall(&wrong, now), None);
    }

    #[test]
    fn guessing_slows_down_for_the_guesser_alone() {
        let (memory, now) = (Memory::default(), Instant::now());
        let (here, there): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let (victim, other) = (credentials("a@b:x").unwrap(), credentials("c@b:x").unwrap());
        for _ in 0..FREE_FAILURES {
            assert_eq!(memory.attempt(&victim, here, now), Duration::ZERO);
        }
        assert_eq!(memory.attempt(&victim, here, now), Duration::from_secs(1));
        assert_eq!(memory.attempt(&victim, here, now), Duration::from_secs(2));
        assert_eq!(memory.attempt(&victim, there, now), Duration::ZERO);
        assert_eq!(memory.attempt(&other, here, now), Duration::ZERO);
        for _ in 0..100 {
            assert!(memory.attempt(&victim, here, now) <= LONGEST_DELAY);
        }
        assert_eq!(memory.attempt(&victim, here, now + MINUTE), Duration::ZERO);
        for _ in 0..FREE_FAILURES {
            memory.attempt(&victim, here, now + MINUTE);
        }
        memory.forgive(&victim, here);
        assert_eq!(memory.attempt(&victim, here, now + MINUTE), Duration::ZERO);
    }
}
