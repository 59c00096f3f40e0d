//! The few pages beside the API that need no credentials.

use super::app::App;
use super::path::Parameters;
use super::reply::Reply;

const TEXT: &str = "text/plain;charset=UTF-8";
const CERTIFICATE: &str = "application/x-x509-ca-cert";

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
        ["ca.crt"] => certificate(app),
        ["ovirt-engine", "services", "pki-resource"]
            if query.get("resource") == Some("ca-certificate")
                && query.get("format").is_none_or(|format| format == "X509-PEM-CA") =>
        {
            certificate(app)
        }
        _ => None,
    }
}

fn certificate(app: &App) -> Option<Reply> {
    app.ca.clone().map(|pem| Reply::text(CERTIFICATE, pem))
}
