//! Who asks: a session's cookie or Basic credentials. Settled before a body is read and before a
//! path means anything.

use super::credentials::{Credentials, Memory};
use super::fault::Fault;
use super::request::{User, listed, one};
use super::sessions::Sessions;
use crate::error::{Error, Kind};
use crate::model::UserId;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

/// The cookie of a session, and the header that repeats its id. Clients know it by this name.
const SESSION: &str = "JSESSIONID";

/// A port: who may log in. A wrong password must take as long as an unknown name.
pub trait Accounts: Send + Sync + 'static {
    fn verify(&self, name: String, profile: String, password: String) -> Verdict<'_>;

    /// Another one when the user has another password: who was known by the old one is a stranger.
    fn mark(&self, _user: UserId) -> u64 {
        0
    }
}

/// The id of the user, or `None`.
pub type Verdict<'a> = Pin<Box<dyn Future<Output = Result<Option<UserId>, Error>> + Send + 'a>>;

/// Somebody known, and the session that was opened for it just now.
#[derive(Debug)]
pub struct Identity {
    pub user: User,
    opened: Option<String>,
}

pub struct Auth {
    accounts: Arc<dyn Accounts>,
    memory: Memory,
    sessions: Sessions,
}

/// What a request says about sessions.
struct Wishes<'h> {
    cookies: Vec<&'h str>,
    persistent: bool,
    anew: bool,
    guarded: bool,
    /// Minutes.
    ttl: Option<u32>,
}

impl Auth {
    pub fn new(accounts: Arc<dyn Accounts>) -> Self {
        Self { accounts, memory: Memory::default(), sessions: Sessions::default() }
    }

    /// A living session wins, whatever credentials come along; without one they decide.
    /// A cookie without the wish for a session ends the session it names.
    pub async fn identify(&self, headers: &HeaderMap, from: IpAddr) -> Result<Identity, Fault> {
        let wishes = Wishes::of(headers);
        let now = Instant::now();
        for id in &wishes.cookies {
            if !wishes.persistent || wishes.anew {
                self.sessions.end(id);
            } else if let Some(session) =
                self.sessions.resume(id, now).filter(|session| self.is_known(&session.user))
            {
                if session.guarded && one(headers, SESSION) != Some(id) {
                    return Err(Error::new(
                        Kind::Denied,
                        "The session wants its id in the header JSESSIONID as well.",
                    )
                    .into());
                }
                return Ok(Identity { user: session.user, opened: None });
            }
        }
        let credentials = Credentials::of(headers).ok_or_else(Fault::unauthenticated)?;
        let user = self.verify(credentials, from).await?;
        let opened = wishes
            .persistent
            .then(|| self.sessions.open(user.clone(), wishes.guarded, wishes.ttl, Instant::now()));
        Ok(Identity { user, opened })
    }

    /// The password by which the user was known is still its own.
    fn is_known(&self, user: &User) -> bool {
        self.accounts.mark(user.id) == user.mark
    }

    async fn verify(&self, credentials: Credentials, from: IpAddr) -> Result<User, Fault> {
        let recall = || {
            let known = self.memory.recall(&credentials, Instant::now());
            known.filter(|user| self.is_known(user))
        };
        if let Some(user) = recall() {
            return Ok(user);
        }
        // Of many at once, who are right or wrong together, one finds out.
        let turn = self.memory.turn(&credentials).await;
        if let Some(user) = recall() {
            return Ok(user);
        }
        let delay = self.memory.attempt(&credentials, from, Instant::now());
        let _turn = if delay.is_zero() {
            turn
        } else {
            drop(turn);
            tokio::time::sleep(delay).await;
            self.memory.turn(&credentials).await
        };
        let Credentials { name, profile, password } = credentials.clone();
        let id = self.accounts.verify(name, profile, password).await?.ok_or_else(Fault::unauthenticated)?;
        let user = User { id, name: credentials.full_name(), mark: self.accounts.mark(id) };
        self.memory.forgive(&credentials, from);
        self.memory.remember(&credentials, user.clone(), Instant::now());
        Ok(user)
    }
}

impl<'h> Wishes<'h> {
    fn of(headers: &'h HeaderMap) -> Self {
        let prefers = |what: &str| listed(headers, "prefer").any(|entry| entry.eq_ignore_ascii_case(what));
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        Self {
            cookies: cookies
                .flat_map(|text| text.split(';'))
                .filter_map(|pair| pair.trim().split_once('='))
                .filter(|(name, _)| *name == SESSION)
                .map(|(_, value)| value.trim_matches('"'))
                .collect(),
            persistent: prefers("persistent-auth"),
            anew: prefers("new-auth"),
            guarded: prefers("csrf-protection"),
            ttl: one(headers, "session-ttl")
                .and_then(|text| text.trim().parse().ok())
                .filter(|minutes| *minutes > 0),
        }
    }
}

impl Identity {
    /// The headers that hand a new session to its client. It holds for the paths below `scope`.
    pub fn headers(&self, scope: &str, https: bool) -> Vec<(HeaderName, HeaderValue)> {
        let Some(id) = &self.opened else { return Vec::new() };
        let secure = if https { "; Secure" } else { "" };
        let cookie = format!("{SESSION}={id}; Path={scope}; HttpOnly; SameSite=Strict{secure}");
        let text = |text: &str| HeaderValue::try_from(text).expect("ids and paths are header text");
        vec![(header::SET_COOKIE, text(&cookie)), (HeaderName::from_static("jsessionid"), text(id))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, prelude::BASE64_STANDARD};
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Takes its time, and counts.
    #[derive(Default)]
    struct Slow(AtomicUsize);

    impl Accounts for Slow {
        fn verify(&self, _: String, _: String, password: String) -> Verdict<'_> {
            Box::pin(async move {
                self.0.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(30)).await;
                Ok((password == "right").then(|| UserId(uuid::Uuid::from_u128(1))))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_who_are_right_wait_for_one_hash() {
        let accounts = Arc::new(Slow::default());
        let auth = Arc::new(Auth::new(accounts.clone()));
        let asks = |password: &str| {
            let value = format!("Basic {}", BASE64_STANDARD.encode(format!("me@internal:{password}")));
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            let auth = auth.clone();
            tokio::spawn(async move { auth.identify(&headers, Ipv4Addr::LOCALHOST.into()).await.is_ok() })
        };
        let begun = tokio::time::Instant::now();
        for one in (0..64).map(|_| asks("right")).collect::<Vec<_>>() {
            assert!(one.await.unwrap());
        }
        assert_eq!(accounts.0.load(Ordering::Relaxed), 1);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());

        // Who guesses waits longer and longer, and each guess is looked at.
        for one in (0..20).map(|_| asks("wrong")).collect::<Vec<_>>() {
            assert!(!one.await.unwrap());
        }
        assert_eq!(accounts.0.load(Ordering::Relaxed), 21);
        assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
