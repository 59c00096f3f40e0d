//! Users and their passwords.

use super::Engine;
use super::lane::blocking;
use crate::error::{Error, Result};
use crate::model::UserId;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tokio::sync::Semaphore;

/// Argon2 takes memory and a core by design: one at a time.
pub(super) struct Verifier {
    one: Semaphore,
}

impl Default for Verifier {
    fn default() -> Self {
        Self { one: Semaphore::new(1) }
    }
}

impl Engine {
    /// The user of that name, profile and password. Takes as long for a name that does not exist.
    pub async fn verify_password(&self, name: &str, profile: &str, password: &str) -> Result<Option<UserId>> {
        let found = self
            .world()
            .users
            .values()
            .find(|user| user.name == name && user.profile == profile)
            .map(|user| (user.id, user.password.clone()));
        let any = self.world().users.values().next().map(|user| user.password.clone());
        let (id, hash) = match (found, any) {
            (Some((id, hash)), _) => (Some(id), hash),
            (None, Some(hash)) => (None, hash),
            (None, None) => return Ok(None),
        };
        let _one_at_a_time = self.accounts.one.acquire().await.map_err(Error::bug)?;
        let password = password.to_owned();
        let right = blocking(move || {
            let hash = PasswordHash::new(&hash).map_err(Error::bug)?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await?;
        Ok(id.filter(|_| right))
    }

    /// Another one for another password of the user; of no use to anybody else.
    pub fn password_mark(&self, id: UserId) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.world().users.get(&id).map(|user| &user.password).hash(&mut hasher);
        hasher.finish()
    }

    /// A user's name with its profile: `admin@internal`.
    pub fn user_name(&self, id: UserId) -> Option<String> {
        self.world().users.get(&id).map(|user| format!("{}@{}", user.name, user.profile))
    }
}

/// The shortest password of a user.
const SHORTEST: usize = 6;

pub(super) fn check_password(password: &str) -> Result<()> {
    match password.chars().count() < SHORTEST || password.len() > 256 {
        true => Err(Error::invalid(format!("A password has {SHORTEST} to 256 characters."))),
        false => Ok(()),
    }
}

/// What is kept of a password.
pub(super) fn hashed(password: &str) -> Result<String> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(Error::bug)
}

pub(super) async fn hash(password: String) -> Result<String> {
    blocking(move || hashed(&password)).await
}

pub(super) fn generated_password() -> String {
    use rand::RngExt;
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..20).map(|_| LETTERS[random.random_range(0..LETTERS.len())] as char).collect()
}

/// Writes a secret that only its owner reads.
pub(super) fn write_secret(file: &Path, secret: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let _ = std::fs::remove_file(file);
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        writeln!(out, "{secret}")?;
        out.sync_all()
    };
    write().map_err(|why| Error::host(format!("The file {} cannot be written.", file.display())).because(why))
}
