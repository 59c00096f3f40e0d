//! Sessions that spare a client its credentials: unguessable, bounded in number and in time.

use super::request::User;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a session may rest when its client did not say.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// The longest rest that a client may ask for.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The session that rested longest goes when there is one more.
const MOST: usize = 1024;

/// The key is a digest of the id, so that neither a memory dump nor the time of a look-up helps to
/// find an id.
type Key = [u8; 32];

#[derive(Clone, Debug)]
pub struct Session {
    pub user: User,
    /// Later requests must repeat the id in a header, which no foreign page can.
    pub guarded: bool,
    idle: Duration,
    used: Instant,
}

#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<Key, Session>>);

impl Sessions {
    /// Opens a session and returns its id. `minutes` is how long it may rest.
    pub fn open(&self, user: User, guarded: bool, minutes: Option<u32>, now: Instant) -> String {
        let id = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let idle = minutes.map_or(IDLE, |minutes| Duration::from_secs(u64::from(minutes) * 60).min(LONGEST));
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.lives(now));
        if sessions.len() >= MOST
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(key(&id), Session { user, guarded, idle, used: now });
        id
    }

    /// The session of that id, if it lives; from now on it is as if just opened.
    pub fn resume(&self, id: &str, now: Instant) -> Option<Session> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(&key(id)).filter(|session| session.lives(now))?;
        session.used = now;
        Some(session.clone())
    }

    /// Ends the session of that id, if there is one.
    pub fn end(&self, id: &str) {
        self.lock().remove(&key(id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn lives(&self, now: Instant) -> bool {
        now.duration_since(self.used) < self.idle
    }
}

fn key(id: &str) -> Key {
    Sha256::digest(id).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    fn user() -> User {
        User { id: UserId::random(), name: "admin@internal".into(), mark: 0 }
    }

    #[test]
    fn a_session_lives_while_it_is_used() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let id = sessions.open(user(), false, Some(1), start);
        assert_eq!(id.len(), 43);
        assert!(sessions.resume(&id, start + Duration::from_secs(59)).is_some());
        assert!(sessions.resume(&id, start + Duration::from_secs(118)).is_some());
        assert!(sessions.resume(&id, start + Duration::from_secs(179)).is_none());
    }

    #[test]
    fn an_ended_or_invented_session_is_none() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let id = sessions.open(user(), false, None, now);
        sessions.end(&id);
        assert!(sessions.resume(&id, now).is_none());
        assert!(sessions.resume("mine", now).is_none());
    }

    #[test]
    fn the_longest_resting_session_makes_room() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let ids: Vec<_> = (0..=MOST)
            .map(|n| sessions.open(user(), false, None, start + Duration::from_millis(n as u64)))
            .collect();
        let end = start + Duration::from_secs(2);
        assert!(sessions.resume(&ids[0], end).is_none());
        assert!(sessions.resume(&ids[1], end).is_some());
        assert!(sessions.resume(&ids[MOST], end).is_some());
    }
}
