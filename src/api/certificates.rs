//! The certificates that clients may fetch, in the forms that they ask for.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521, Oid};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// In PEM; none without TLS.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// Of the authority that clients trust; none where the administrator brought a certificate.
    pub ca: Option<String>,
    /// The server's with its chain.
    pub engine: Option<String>,
}

/// The curves by the names that OpenSSH has for them.
const CURVES: [(&Oid<'static>, &str); 3] =
    [(&OID_EC_P256, "nistp256"), (&OID_NIST_EC_P384, "nistp384"), (&OID_NIST_EC_P521, "nistp521")];

/// The first certificate of a chain.
pub fn first(chain: &str) -> Option<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let start = chain.find("-----BEGIN CERTIFICATE-----")?;
    let end = start + chain[start..].find(END)? + END.len();
    Some(format!("{}\n", &chain[start..end]))
}

/// The public key of the first certificate as OpenSSH writes it, on one line; none of a kind that it
/// is not known to have.
pub fn openssh(chain: &str) -> Option<String> {
    let der = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let key = certificate.public_key();
    let (kind, fields) = match key.parsed().ok()? {
        PublicKey::RSA(key) => ("ssh-rsa".to_owned(), vec![number(key.exponent), number(key.modulus)]),
        PublicKey::EC(point) => {
            let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
            let (_, curve) = CURVES.into_iter().find(|(oid, _)| **oid == curve)?;
            // Points come whole.
            let whole = point.data().first() == Some(&4);
            (format!("ecdsa-sha2-{curve}"), vec![curve.into(), whole.then(|| point.data().to_vec())?])
        }
        _ => return None,
    };
    let mut blob = Vec::new();
    for field in [kind.clone().into_bytes()].into_iter().chain(fields) {
        blob.extend(u32::try_from(field.len()).ok()?.to_be_bytes());
        blob.extend(field);
    }
    Some(format!("{kind} {} ovirt-engine\n", BASE64_STANDARD.encode(blob)))
}

/// A number that is not negative in as few bytes as its sign leaves.
fn number(bytes: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    match digits.first() {
        Some(0x80..) => [vec![0], digits].concat(),
        _ => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    /// Made by `openssl req -x509 -newkey rsa:1024`.
    const RSA: &str = "\
-----BEGIN CERTIFICATE-----
MIICADCCAWmgAwIBAgIUUGkDl8/Kfu2ENOSltKuhwmd6L+YwDQYJKoZIhvcNAQEL
BQAwETEPMA0GA1UEAwwGZW5naW5lMCAXDTI2MTEzMDEyMzYwNloYDzIxMjYxMTA2
MTIzNjA2WjARMQ8wDQYDVQQDDAZlbmdpbmUwgZ8wDQYJKoZIhvcNAQEBBQADgY0A
MIGJAoGBAMrh95lka60gSzhNkiFgcEYd0G41KSWiAQUztL9QFhE/IKBJQO357HyM
0L/ncGSSZdoUpOVai91QkJmci32PQMjqzHSUJGhU4HDCbUcJy2JMToa9oew+00JN
MMfI4kDSjxmdDssVB8sPMWL7kpPIZPjWJr9DCixoCg9RhDoqF+KNAgMBAAGjUzBR
MB0GA1UdDgQWBBQ0Xomz7vWZs35Ia3J5x63XhehjtTAfBgNVHSMEGDAWgBQ0Xomz
7vWZs35Ia3J5x63XhehjtTAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUA
A4GBALNBCF7rf63vzMyQe/V7FjMXLmtiKmEpymG+YQm/1np1ruSGws48HTRGSSCV
z/0aBZcnFDZF4l7IfmVXPPApiRn/3WzCzO3jUb5X2ijntXmW0JtXjs4M1AjdDkzo
4xOzQPJGPIniVlMVIQMxu8sWO8AM0P/4/LxBfQEVknD84ruR
-----END CERTIFICATE-----
";

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> (KeyPair, String) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let pem = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        (key, pem)
    }

    #[test]
    fn keys_are_written_as_openssh_writes_them() {
        // By `ssh-keygen -i -m PKCS8` of the certificate's public key.
        let wanted = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDK4feZZGutIEs4TZIhYHBGHdBuNSklogEFM7S/UBYRPyCgSUDt+ex8j\
            NC/53BkkmXaFKTlWovdUJCZnIt9j0DI6sx0lCRoVOBwwm1HCctiTE6GvaHsPtNCTTDHyOJA0o8ZnQ7LFQfLDzFi+5KTyGT41ia/QwosaA\
            oPUYQ6KhfijQ== ovirt-engine\n";
        assert_eq!(openssh(RSA).as_deref(), Some(wanted));
        for (algorithm, curve) in
            [(&rcgen::PKCS_ECDSA_P256_SHA256, "nistp256"), (&rcgen::PKCS_ECDSA_P384_SHA384, "nistp384")]
        {
            let (key, pem) = made(algorithm);
            let line = openssh(&format!("{pem}{RSA}")).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!((words[0], words[2]), (format!("ecdsa-sha2-{curve}").as_str(), "ovirt-engine"));
            let blob = BASE64_STANDARD.decode(words[1]).unwrap();
            assert_eq!(&blob[4..23], words[0].as_bytes());
            assert_eq!(&blob[27..35], curve.as_bytes());
            assert_eq!(&blob[39..], key.public_key_raw());
        }
    }

    #[test]
    fn other_keys_and_what_is_no_certificate_have_no_such_line() {
        let (_, pem) = made(&rcgen::PKCS_ED25519);
        for other in [&pem, "", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(openssh(other), None, "{other}");
        }
        assert_eq!(first("x"), None);
        assert_eq!(first(&format!("of mine\n{RSA}{pem}")).as_deref(), Some(RSA));
    }

    #[test]
    fn numbers_have_a_sign() {
        assert_eq!(number(&[0, 0, 1, 0]), [1, 0]);
        assert_eq!(number(&[0x80]), [0, 0x80]);
        assert_eq!(number(&[0]), [0; 0]);
    }
}
