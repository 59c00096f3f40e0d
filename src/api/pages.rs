//! The few pages beside the API that need no credentials.

use super::app::App;
use super::certificates::{self, Certificates};
use super::path::Parameters;
use super::reply::Reply;

const TEXT: &str = "text/plain;charset=UTF-8";
const CERTIFICATE: &str = "application/x-x509-cert";
const AUTHORITY: &str = "application/x-x509-ca-cert";

/// The page at that path, if there is one.
pub fn find(app: &App, path: &[&str], query: &Parameters) -> Option<Reply> {
    match path {
        ["ovirt-engine", "services", "health"] => Some(Reply::text(
            TEXT,
            match app.health() {
                Ok(()) => "ok\n".to_owned(),
                Err(why) => format!("degraded: {why}\n"),
            },
        )),
        ["ca.crt"] => certificate(app, "ca-certificate", None),
        ["ovirt-engine", "services", "pki-resource"] => {
            certificate(app, query.get("resource")?, query.get("format"))
        }
        _ => None,
    }
}

/// A certificate, or its public key.
fn certificate(app: &App, resource: &str, format: Option<&str>) -> Option<Reply> {
    let Certificates { ca, engine } = &*app.certificates.read().expect("no panic while held");
    let (chain, usual) = match resource {
        "ca-certificate" => (ca.as_deref()?, "X509-PEM-CA"),
        "engine-certificate" => (engine.as_deref()?, "X509-PEM"),
        _ => return None,
    };
    match format.unwrap_or(usual) {
        "X509-PEM" => Some(Reply::text(CERTIFICATE, certificates::first(chain)?)),
        "X509-PEM-CA" => Some(Reply::text(AUTHORITY, certificates::first(chain)?)),
        "OPENSSH-PUBKEY" => Some(Reply::text(TEXT, certificates::openssh(chain)?)),
        _ => None,
    }
}
