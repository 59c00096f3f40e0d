//! Passwords of others' targets: kept sealed, opened only for libvirt, which holds them in memory.

use super::Engine;
use crate::error::{Error, Kind, Result};
use crate::model::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// The key that the engine seals with.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; SecretKey::LEN]);

impl SecretKey {
    pub const LEN: usize = 32;

    pub fn random() -> Self {
        Self(rand::random())
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn cipher(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.0);
        key.map(LessSafeKey::new).map_err(|_| Error::bug("a key of another length"))
    }

    /// Each time another text, even of the same secret.
    fn seal(&self, secret: &str) -> Result<Sealed> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut text = secret.as_bytes().to_vec();
        self.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
            .map_err(|_| Error::bug("a secret cannot be sealed"))?;
        Ok(Sealed(BASE64.encode([&nonce[..], &text].concat())))
    }

    fn open(&self, sealed: &Sealed) -> Result<String> {
        let lost = || Error::host("A password cannot be read: it was kept with another key.");
        let kept = BASE64.decode(&sealed.0).map_err(|_| lost())?;
        let (nonce, text) = kept.split_at_checked(NONCE_LEN).ok_or_else(lost)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| lost())?;
        let mut text = text.to_vec();
        let opened = self.cipher()?.open_in_place(nonce, Aad::empty(), &mut text).map_err(|_| lost())?;
        String::from_utf8(opened.to_vec()).map_err(|_| lost())
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SecretKey")
    }
}

impl Engine {
    /// The secret as rows may have it.
    pub fn seal(&self, secret: &str) -> Result<Sealed> {
        self.settings.secret_key.seal(secret)
    }

    /// libvirt knows what the LUN's target asks for.
    pub(super) async fn ensure_secret(&self, disk: &Disk) -> Result<()> {
        let Some(chap) = disk.lun.as_ref().and_then(Lun::chap) else { return Ok(()) };
        let (id, password) = (disk.id, self.settings.secret_key.open(&chap.password)?);
        self.lane.call(move |hv| hv.ensure_secret(id, &password)).await
    }

    pub(super) async fn drop_secret(&self, disk: &Disk) -> Result<()> {
        if disk.lun.as_ref().and_then(Lun::chap).is_none() {
            return Ok(());
        }
        let id = disk.id;
        self.lane.call(move |hv| hv.drop_secret(id)).await
    }

    /// libvirt forgets secrets when it ends: it hears of all of them again.
    pub(super) async fn ensure_secrets(&self) -> Result<()> {
        let disks: Vec<DiskId> = self.world().disks.keys().copied().collect();
        self.ensure_secrets_of(&disks).await
    }

    /// The same of these disks.
    pub(super) async fn ensure_secrets_of(&self, disks: &[DiskId]) -> Result<()> {
        let disks: Vec<Disk> = {
            let world = self.world();
            let disks = disks.iter().filter_map(|id| world.disks.get(id));
            disks.filter(|it| it.lun.is_some()).cloned().collect()
        };
        for disk in disks {
            match self.ensure_secret(&disk).await {
                Err(why) if why.kind == Kind::Unavailable => return Err(why),
                Err(why) => tracing::error!(disk = %disk.id, "libvirt does not know a LUN's password: {why}"),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_only() {
        let (key, other) = (SecretKey::random(), SecretKey::random());
        let (one, two) = (key.seal("canary").unwrap(), key.seal("canary").unwrap());
        assert!(one != two && !one.0.contains("canary"));
        assert_eq!((key.open(&one).unwrap(), key.open(&two).unwrap()), ("canary".into(), "canary".into()));
        assert!(other.open(&one).is_err());
        for damaged in ["", "AAAA", &one.0[4..]] {
            assert!(key.open(&Sealed(damaged.into())).is_err(), "{damaged}");
        }
        assert!(!format!("{key:?}").contains(char::is_numeric));
        assert_eq!(SecretKey::from_bytes(key.bytes()), Some(key));
    }
}
