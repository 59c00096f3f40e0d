//! The certificate authority and the server's certificate of an installation that brings none.
//!
//! Beside the certificate lies what it was made of, so that a later look sees whether it still fits.

use super::files::{private_folder, write_private};
use crate::error::{Error, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use x509_parser::pem::parse_x509_pem;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CA_DAYS: u32 = 3650;
/// With the day before, within the 398 that browsers accept.
const SERVER_DAYS: u32 = 396;
const RENEW_DAYS: u32 = 30;

/// The PEM files that serve HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pki {
    pub ca: PathBuf,
    /// The server's certificate, then the CA's.
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// What a server certificate was made of.
#[derive(PartialEq, Serialize, Deserialize)]
struct Made {
    names: BTreeSet<String>,
    expires: u64,
    /// Of the CA's certificate.
    ca_sha256: Vec<u8>,
}

impl Pki {
    /// Makes what is missing in the folder, and anew the server's certificate when it does not fit
    /// these names or soon expires, and the authority when it would expire before that one.
    pub fn ensure(folder: &Path, names: &BTreeSet<String>) -> Result<Self> {
        Self::ensure_at(folder, names, SystemTime::now()).map_err(|why| {
            Error::host(format!("The certificates in {} cannot be made: {why}", folder.display()))
        })
    }

    fn ensure_at(folder: &Path, names: &BTreeSet<String>, now: SystemTime) -> io::Result<Self> {
        private_folder(folder)?;
        let file = |name: &str| folder.join(name);
        let pki = Self { ca: file("ca.pem"), chain: file("server.pem"), key: file("server.key") };
        let ca_key = file("ca.key");
        match read(&pki.ca)? {
            None => pki.make_ca(&ca_key, now)?,
            // Without the key another authority would be trusted by nobody: that is not for us to decide.
            Some(ca) if !outlasts_servers(&ca, now)? && ca_key.try_exists()? => {
                pki.make_ca(&ca_key, now)?;
                tracing::warn!(
                    "the certificate authority is made anew in {}: clients must trust it by the time that \
                     the one before expires",
                    pki.ca.display()
                );
            }
            Some(_) => {}
        }
        let made = file("server.json");
        if !pki.fits(&made, names, now)? {
            pki.make_server(&ca_key, &made, names, now)?;
        }
        Ok(pki)
    }

    /// The CA's key is written first: a key without its certificate is used for a new one. So is the
    /// key of one that ends: who trusts that one trusts what the new one signs until then.
    fn make_ca(&self, key_file: &Path, now: SystemTime) -> io::Result<()> {
        let key = match read(key_file)? {
            Some(pem) => key_of(&pem)?,
            None => {
                let key = KeyPair::generate().map_err(io::Error::other)?;
                write_private(key_file, key.serialize_pem().as_bytes())?;
                key
            }
        };
        // Two installations' authorities in one trust store must not share a name.
        let mark: String =
            Sha256::digest(key.public_key_raw())[..4].iter().map(|b| format!("{b:02x}")).collect();
        let mut params = params(&format!("vireo CA {mark}"), BTreeSet::new(), CA_DAYS, now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Without a word it follows from the key, and clients refuse two certificates of one number.
        params.serial_number = Some(seconds(now).into());
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        write_private(&self.ca, certificate.pem().as_bytes())
    }

    fn fits(&self, made: &Path, names: &BTreeSet<String>, now: SystemTime) -> io::Result<bool> {
        let Some(text) = read(made)? else { return Ok(false) };
        let Ok(made) = serde_json::from_str::<Made>(&text) else { return Ok(false) };
        let days_left = made.expires.saturating_sub(seconds(now)) / DAY.as_secs();
        Ok(made.names == *names
            && made.ca_sha256 == self.ca_sha256()?
            // More days than it was made for: the clock was wrong, then or now.
            && (u64::from(RENEW_DAYS)..=u64::from(SERVER_DAYS)).contains(&days_left)
            && self.chain.try_exists()?
            && self.key.try_exists()?)
    }

    fn make_server(
        &self,
        ca_key: &Path,
        made: &Path,
        names: &BTreeSet<String>,
        now: SystemTime,
    ) -> io::Result<()> {
        let Some(ca_key) = read(ca_key)? else {
            let why = "ca.key is missing: bring it back, or remove ca.pem for a new authority";
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        };
        let ca_pem = fs::read_to_string(&self.ca)?;
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, key_of(&ca_key)?).map_err(io::Error::other)?;
        // The host's own name reads best; the names that count are the alternative ones.
        let subject = names.iter().find(|name| !is_local(name)).map_or("localhost", String::as_str);
        let mut params = params(subject, names.clone(), SERVER_DAYS, now)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &issuer).map_err(io::Error::other)?;
        // Between the two files they do not belong together: without this one, a look makes them anew.
        match fs::remove_file(made) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        write_private(&self.key, key.serialize_pem().as_bytes())?;
        write_private(&self.chain, format!("{}{ca_pem}", certificate.pem()).as_bytes())?;
        let expires = seconds(now + DAY * SERVER_DAYS);
        let of = Made { names: names.clone(), expires, ca_sha256: self.ca_sha256()? };
        write_private(made, &serde_json::to_vec(&of)?)?;
        tracing::info!("made the server's certificate for {names:?}");
        Ok(())
    }

    fn ca_sha256(&self) -> io::Result<Vec<u8>> {
        Ok(Sha256::digest(fs::read(&self.ca)?).to_vec())
    }
}

fn params(
    subject: &str,
    names: BTreeSet<String>,
    days: u32,
    now: SystemTime,
) -> io::Result<CertificateParams> {
    let names: Vec<String> = names.into_iter().collect();
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "vireo");
    // X.520 bounds a common name.
    params.distinguished_name.push(DnType::CommonName, subject.chars().take(64).collect::<String>());
    // Clients' clocks differ.
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
    Ok(params)
}

/// Whether an authority is valid, and as long as a server's certificate that would be made now.
fn outlasts_servers(ca: &str, now: SystemTime) -> io::Result<bool> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "ca.pem is no certificate");
    let (_, pem) = parse_x509_pem(ca.as_bytes()).map_err(|_| wrong())?;
    let certificate = pem.parse_x509().map_err(|_| wrong())?;
    let [from, to] = [certificate.validity().not_before, certificate.validity().not_after]
        .map(|time| SystemTime::from(time.to_datetime()));
    Ok(from <= now && now + DAY * SERVER_DAYS <= to)
}

fn read(file: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

fn key_of(pem: &str) -> io::Result<KeyPair> {
    KeyPair::from_pem(pem).map_err(io::Error::other)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn is_local(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}

/// The names and addresses by which this host is reached: its own ones and the loopback's.
pub fn local_names() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if let Ok(Ok(host)) = nix::unistd::gethostname().map(|name| name.into_string()) {
        names.extend(host_names(&host, &fs::read_to_string("/etc/hosts").unwrap_or_default()));
    }
    for interface in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        let address = interface.address.and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        });
        match address {
            // Means another host on each link.
            Some(IpAddr::V6(v6)) if v6.is_unicast_link_local() => {}
            Some(address) => drop(names.insert(address.to_string())),
            None => {}
        }
    }
    names
}

/// The host's name and what the hosts file calls it besides: its full name above all.
fn host_names(host: &str, hosts_file: &str) -> BTreeSet<String> {
    let lines = hosts_file.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines
        .map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>())
        .filter(|names| names.contains(&host))
        .flatten()
        .chain([host])
        .filter(|name| {
            (1..=253).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|name| name.to_string()).collect()
    }

    /// As a client that trusts the CA sees the server under a name at a time.
    fn trusted(pki: &Pki, name: &str, now: SystemTime) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&pki.ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let chain: Vec<_> = CertificateDer::pem_file_iter(&pki.chain).unwrap().map(Result::unwrap).collect();
        assert_eq!(chain.len(), 2);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds(now)));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now).is_ok()
    }

    #[test]
    fn clients_trust_the_server_under_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let pki =
            Pki::ensure(dir.path(), &names(&["localhost", "host.example", "192.0.2.1", "::1"])).unwrap();
        for name in ["localhost", "host.example", "192.0.2.1", "::1"] {
            assert!(trusted(&pki, name, now), "{name}");
        }
        assert!(!trusted(&pki, "other.example", now) && !trusted(&pki, "192.0.2.2", now));
        assert!(!trusted(&pki, "localhost", now + DAY * 397));
        for file in fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        }
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let provider = rustls::crypto::ring::default_provider();
        let key = rustls::pki_types::PrivateKeyDer::from_pem_file(&pki.key).unwrap();
        let chain = CertificateDer::pem_file_iter(&pki.chain).unwrap().map(Result::unwrap).collect();
        rustls::sign::CertifiedKey::from_der(chain, key, &provider).unwrap().keys_match().unwrap();
    }

    #[test]
    fn what_fits_is_kept_and_what_does_not_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let own = names(&["localhost"]);
        let start = |names: &BTreeSet<String>, now: SystemTime| {
            let pki = Pki::ensure_at(dir.path(), names, now).unwrap();
            (fs::read(&pki.ca).unwrap(), fs::read(&pki.chain).unwrap())
        };
        let first = start(&own, now);
        assert_eq!(start(&own, now + DAY * 300), first);
        let mut before = first.clone();
        for (names, now) in [
            (names(&["localhost", "192.0.2.7"]), now),
            (own.clone(), now),
            (own.clone(), now + DAY * 380),
            (own.clone(), now),
        ] {
            let next = start(&names, now);
            assert_eq!(next.0, first.0);
            assert_ne!(next.1, before.1);
            before = next;
        }
        fs::remove_file(dir.path().join("server.key")).unwrap();
        assert_ne!(start(&own, now).1, before.1);

        // An authority whose certificate was not written yet, and a new one.
        fs::remove_file(dir.path().join("ca.pem")).unwrap();
        let second = start(&own, now);
        assert!(second.0 != first.0 && second.1 != before.1);
        fs::remove_file(dir.path().join("ca.key")).unwrap();
        assert_eq!(start(&own, now), second);
        for (names, now) in [(names(&["x"]), now), (own, now + DAY * CA_DAYS)] {
            let error = Pki::ensure_at(dir.path(), &names, now).unwrap_err().to_string();
            assert!(error.contains("ca.key is missing"), "{error}");
        }
    }

    #[test]
    fn clients_trust_what_is_looked_after() {
        let dir = tempfile::tempdir().unwrap();
        let start = SystemTime::now();
        let look = |now| Pki::ensure_at(dir.path(), &names(&["localhost"]), now).unwrap();
        let first = dir.path().join("first.pem");
        fs::copy(look(start).ca, &first).unwrap();
        let mut authorities = BTreeSet::new();
        for day in (0..CA_DAYS + 500).step_by(14) {
            let now = start + DAY * day;
            let pki = look(now);
            let made: Made =
                serde_json::from_slice(&fs::read(dir.path().join("server.json")).unwrap()).unwrap();
            let ca = fs::read(&pki.ca).unwrap();
            let (_, pem) = parse_x509_pem(&ca).unwrap();
            // The verifier does not look at the dates of what it is told to trust.
            let until = pem.parse_x509().unwrap().validity().not_after.timestamp();
            assert!(i64::try_from(made.expires).unwrap() <= until, "day {day}");
            let before = Pki { ca: first.clone(), ..pki.clone() };
            for pki in [pki, before] {
                assert!(trusted(&pki, "localhost", now), "day {day}");
                assert!(trusted(&pki, "localhost", now + DAY * 14), "day {day}");
            }
            authorities.insert(ca);
        }
        assert_eq!(authorities.len(), 2);

        // That was a clock gone wrong.
        let pki = look(start);
        assert!(trusted(&pki, "localhost", start));
        assert!(outlasts_servers(&fs::read_to_string(&pki.ca).unwrap(), start).unwrap());
        fs::write(look(start).ca, "x").unwrap();
        let error = Pki::ensure(dir.path(), &names(&["localhost"])).unwrap_err();
        assert!(error.said.contains("ca.pem is no certificate"), "{error}");
    }

    #[test]
    fn names_of_this_host() {
        let hosts =
            "127.0.0.1 localhost\n127.0.1.1 web.example.com web # here\n10.0.0.1 other.example.com other";
        assert_eq!(host_names("web", hosts), names(&["web", "web.example.com"]));
        assert_eq!(host_names("wéb", hosts), names(&[]));
        let names = local_names();
        assert!(names.contains("localhost") && names.contains("127.0.0.1") && names.contains("::1"));
        assert!(!names.iter().any(|name| name.starts_with("fe80")));
        let dir = tempfile::tempdir().unwrap();
        Pki::ensure(dir.path(), &names).unwrap();
    }
}
