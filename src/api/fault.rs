//! Refusals: the one place where a kind of error gets its status, reason and wording.

use crate::error::{Error, Kind};
use crate::wire::{Format, Version, types, write};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};

/// Seconds after which a client may ask an engine again whose hypervisor is away.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

const FAILED: &str = "Operation Failed";

/// A refusal as the client reads it.
#[derive(Clone, Debug)]
pub struct Fault {
    pub status: StatusCode,
    pub reason: &'static str,
    pub detail: String,
    /// What stands behind an XML document of it.
    pub remark: Option<&'static str>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What only the log may know.
    pub why: Option<String>,
}

impl Fault {
    pub fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { status, reason, detail: detail.into(), remark: None, headers: Vec::new(), why: None }
    }

    /// A refusal by HTTP's own rules: its reason is that of the status.
    pub fn http(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, status.canonical_reason().unwrap_or(FAILED), detail)
    }

    /// A value that cannot be what the request wants it to be.
    pub fn value(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Invalid value", detail)
    }

    /// The API is not spoken in that version. Engines of version 3 said so by a page; fence_rhevm looks
    /// for its title and goes on with version 3.
    pub fn version(other: &str) -> Self {
        let detail = format!("Version {other:?} of the API is not supported; version 3 is.");
        let remark = Some("<!-- <title>Error</title> -->\n");
        Self { remark, ..Self::http(StatusCode::BAD_REQUEST, detail) }
    }

    /// Nobody is known by these credentials, or there were none.
    pub fn unauthenticated() -> Self {
        Error::new(Kind::Unauthenticated, "The credentials are missing or not valid.").into()
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The `fault` element.
    pub fn document(&self) -> types::Fault {
        types::Fault { reason: Some(self.reason.to_owned()), detail: Some(self.detail.clone()) }
    }

    /// The body of an answer that is nothing but this fault.
    pub fn body(&self, format: Format, version: Version) -> Vec<u8> {
        let mut body = write(&self.document(), format, version);
        if let (Format::Xml, Some(remark)) = (format, self.remark) {
            body.extend_from_slice(remark.as_bytes());
        }
        body
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        // What a business rule says stands in brackets: it was a list of messages once, and
        // clients take the brackets off.
        let listed = |said: &str| format!("[{said}]");
        let (status, reason, detail) = match error.kind {
            Kind::NotFound => (StatusCode::NOT_FOUND, FAILED, error.said),
            Kind::Exists | Kind::Invalid => (StatusCode::BAD_REQUEST, FAILED, listed(&error.said)),
            Kind::Value => (StatusCode::BAD_REQUEST, "Invalid value", error.said),
            Kind::Incomplete => (StatusCode::BAD_REQUEST, "Incomplete parameters", error.said),
            Kind::Immutable => (StatusCode::CONFLICT, "Broken immutability constraint", error.said),
            // The request is a true one; this engine, host or moment is not made for it.
            Kind::Conflict | Kind::Busy | Kind::Unsupported | Kind::Host => {
                (StatusCode::CONFLICT, FAILED, listed(&error.said))
            }
            Kind::Denied => (StatusCode::FORBIDDEN, FAILED, listed(&error.said)),
            Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, FAILED, listed(&error.said)),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, FAILED, listed(&error.said)),
            Kind::Bug => (StatusCode::INTERNAL_SERVER_ERROR, FAILED, error.said),
        };
        let mut fault = Self::new(status, reason, detail);
        fault.why = error.why;
        match error.kind {
            Kind::Unauthenticated => fault.with(header::WWW_AUTHENTICATE, CHALLENGE),
            Kind::Unavailable => fault.with(header::RETRY_AFTER, RETRY_AFTER),
            _ => fault,
        }
    }
}

/// Clients that never send credentials unasked wait for this.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"RESTAPI\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status_and_shape() {
        let of = |kind| {
            let fault = Fault::from(Error::new(kind, "said").because("why"));
            assert_eq!(fault.why.as_deref(), Some("why"));
            (fault.status.as_u16(), fault.reason, fault.detail)
        };
        assert_eq!(of(Kind::NotFound), (404, FAILED, "said".into()));
        assert_eq!(of(Kind::Exists), (400, FAILED, "[said]".into()));
        assert_eq!(of(Kind::Incomplete), (400, "Incomplete parameters", "said".into()));
        assert_eq!(of(Kind::Immutable), (409, "Broken immutability constraint", "said".into()));
        assert_eq!(of(Kind::Busy), (409, FAILED, "[said]".into()));
        assert_eq!(of(Kind::Denied), (403, FAILED, "[said]".into()));
        assert_eq!(of(Kind::Unavailable), (503, FAILED, "[said]".into()));
        assert_eq!(of(Kind::Bug), (500, FAILED, "said".into()));
    }

    #[test]
    fn a_refused_stranger_is_challenged() {
        let fault = Fault::unauthenticated();
        assert_eq!(fault.status, StatusCode::UNAUTHORIZED);
        assert_eq!(fault.headers, [(header::WWW_AUTHENTICATE, CHALLENGE)]);
    }

    #[test]
    fn the_body_begins_as_clients_expect() {
        let body = Fault::value("<b>&").body(Format::Xml, Version::V3);
        let text = String::from_utf8(body).unwrap();
        assert!(text.starts_with(r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#), "{text}");
        assert!(text.contains("\n<fault>") && text.contains("&lt;b"), "{text}");
    }
}
