//! A request's body, read only when someone asks for it.

use super::fault::Fault;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// No document of the API comes near this.
const LIMIT: usize = 1 << 20;
/// All of the body must be there by then: dripping it does not hold a connection.
const DEADLINE: Duration = Duration::from_secs(30);
/// What is thrown away of a body that nobody read, to keep the connection.
const LEFTOVER: usize = 64 << 10;
/// How long such a rest may take to arrive. Some clients announce a body and never send it.
const LEFTOVER_DEADLINE: Duration = Duration::from_millis(20);

/// A body on its way, or read.
#[derive(Debug)]
pub struct Incoming {
    stream: Mutex<Option<Body>>,
    read: OnceLock<Bytes>,
}

impl Incoming {
    pub fn new(body: Body) -> Self {
        Self { stream: Mutex::new(Some(body)), read: OnceLock::new() }
    }

    /// The whole body, within the limits; the same bytes when asked again.
    pub async fn bytes(&self) -> Result<Bytes, Fault> {
        if let Some(stream) = self.take() {
            let whole = tokio::time::timeout(DEADLINE, whole(stream)).await.map_err(|_| {
                Fault::http(StatusCode::REQUEST_TIMEOUT, "The body of the request did not arrive in time.")
            })??;
            // Nobody else sets it: the stream could be taken only once.
            let _ = self.read.set(whole);
        }
        Ok(self.read.get().cloned().unwrap_or_default())
    }

    /// What was read, if anyone asked.
    pub fn seen(&self) -> Option<&Bytes> {
        self.read.get()
    }

    /// Throws away what nobody read. False when more of it may come, so that the connection
    /// cannot carry another request.
    pub async fn settle(&self) -> bool {
        match self.take() {
            None => self.read.get().is_some(),
            Some(stream) if stream.is_end_stream() => true,
            Some(stream) => {
                let rest = Limited::new(stream, LEFTOVER).collect();
                matches!(tokio::time::timeout(LEFTOVER_DEADLINE, rest).await, Ok(Ok(_)))
            }
        }
    }

    /// The body as it comes, for whoever wants more than a document; once.
    pub fn take(&self) -> Option<Body> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

async fn whole(stream: Body) -> Result<Bytes, Fault> {
    let too_large =
        || Fault::http(StatusCode::PAYLOAD_TOO_LARGE, format!("A body has {LIMIT} bytes at most."));
    if stream.size_hint().lower() > LIMIT as u64 {
        return Err(too_large());
    }
    match Limited::new(stream, LIMIT).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => {
            let mut fault = Fault::http(StatusCode::BAD_REQUEST, "The body of the request broke off.");
            fault.why = Some(error.to_string());
            Err(fault)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_once_and_stays() {
        let body = Incoming::new(Body::from("<vm/>"));
        assert_eq!(body.seen(), None);
        assert_eq!(body.bytes().await.unwrap(), "<vm/>");
        assert_eq!(body.bytes().await.unwrap(), "<vm/>");
        assert!(body.settle().await);
    }

    #[tokio::test]
    async fn an_oversized_body_is_refused() {
        let fault = Incoming::new(Body::from(vec![b' '; LIMIT + 1])).bytes().await.unwrap_err();
        assert_eq!(fault.status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_small_rest_is_thrown_away_and_a_large_one_ends_the_connection() {
        assert!(Incoming::new(Body::empty()).settle().await);
        assert!(Incoming::new(Body::from("<action></action>")).settle().await);
        assert!(!Incoming::new(Body::from(vec![0; LEFTOVER + 1])).settle().await);
    }
}
