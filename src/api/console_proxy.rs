//! `/ovirt-engine/websocket-proxy/{ticket}`: a graphics console for browsers, which open no plain
//! sockets. Its messages carry what the console's own protocol (RFB, SPICE) says.
//!
//! The ticket is the one of `POST .../graphicsconsoles/{console}/proxyticket`. It lets in once, past
//! the console's password, and soon after it was given.

use super::app::App;
use super::fault::Fault;
use super::reply::Reply;
use crate::model::vm::Protocol;
use crate::model::{ConsoleClient, UserId, VmId};
use crate::wire::{Format, Version};
use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{Request, Response, StatusCode};
use base64::prelude::*;
use rand::RngExt;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const PATH: &str = "/ovirt-engine/websocket-proxy/";
/// How long a ticket is good for.
const EXPIRY: Duration = Duration::from_secs(120);
/// How often a client is asked whether it is still there, and how long it may be silent.
const ASK: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(100);
/// How long the last word to a side takes.
const GOODBYE: Duration = Duration::from_secs(5);
/// Bytes of a client's message.
const LARGEST_MESSAGE: usize = 1 << 20;

/// Who may open which console.
#[derive(Clone, Copy)]
struct Pass {
    vm: VmId,
    protocol: Protocol,
    user: UserId,
    until: Instant,
}

/// The tickets that were given and not used yet.
#[derive(Default)]
pub struct Passes(Mutex<BTreeMap<String, Pass>>);

impl Passes {
    pub fn issue(&self, vm: VmId, protocol: Protocol, user: UserId) -> String {
        let ticket = BASE64_URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 24]>());
        let now = Instant::now();
        let mut passes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passes.retain(|_, pass| pass.until > now);
        passes.insert(ticket.clone(), Pass { vm, protocol, user, until: now + EXPIRY });
        ticket
    }

    fn redeem(&self, ticket: &str) -> Option<Pass> {
        let pass = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(ticket)?;
        (pass.until > Instant::now()).then_some(pass)
    }
}

/// The ticket of such an address.
pub fn ticket(path: &str) -> Option<String> {
    path.strip_prefix(PATH).map(str::to_owned)
}

/// Answers a request for the web socket of a console.
pub async fn serve(app: Arc<App>, from: SocketAddr, ticket: &str, request: Request<Body>) -> Response<Body> {
    match open(app, from, ticket, request).await {
        Ok(response) => response,
        Err(fault) => Reply::from(&fault).into_response(Format::Xml, Version::V3, None),
    }
}

async fn open(
    app: Arc<App>,
    from: SocketAddr,
    ticket: &str,
    request: Request<Body>,
) -> Result<Response<Body>, Fault> {
    let (mut head, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut head, &())
        .await
        .map_err(|_| Fault::http(StatusCode::BAD_REQUEST, "This address is that of a web socket."))?;
    let unknown = || Fault::http(StatusCode::FORBIDDEN, "The proxy ticket is unknown, used or expired.");
    let pass = app.passes.redeem(ticket).ok_or_else(unknown)?;
    let console = app.engine.open_console(pass.vm, pass.protocol).await?;
    let console = stream(console).map_err(crate::error::Error::bug)?;
    let viewer = ConsoleClient {
        address: from.ip().to_string(),
        port: from.port().to_string(),
        protocol: pass.protocol,
    };
    tracing::info!(vm = %pass.vm, from = %from.ip(), "a console is looked at");
    Ok(upgrade.max_message_size(LARGEST_MESSAGE).protocols(["binary"]).on_upgrade(async move |socket| {
        app.engine.note_viewer(pass.vm, pass.user, viewer.clone(), true);
        carry(socket, console).await;
        app.engine.note_viewer(pass.vm, pass.user, viewer, false);
    }))
}

fn stream(console: OwnedFd) -> std::io::Result<UnixStream> {
    let console = std::os::unix::net::UnixStream::from(console);
    console.set_nonblocking(true)?;
    UnixStream::from_std(console)
}

/// Whether something went out in time: a side that takes nothing more is as good as gone.
async fn taken<E>(sending: impl Future<Output = Result<(), E>>) -> bool {
    matches!(tokio::time::timeout(SILENCE, sending).await, Ok(Ok(())))
}

/// Carries bytes both ways until one of the two hangs up.
async fn carry(mut socket: WebSocket, mut console: UnixStream) {
    let mut buffer = vec![0; 64 << 10];
    let mut ask = tokio::time::interval(ASK);
    let mut heard = Instant::now();
    loop {
        let sent = tokio::select! {
            said = console.read(&mut buffer) => match said {
                Ok(count) if count > 0 => {
                    taken(socket.send(Message::Binary(Bytes::copy_from_slice(&buffer[..count])))).await
                }
                _ => false,
            },
            message = socket.recv() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Binary(bytes))) => taken(console.write_all(&bytes)).await,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => true,
                    _ => false,
                }
            }
            _ = ask.tick() => {
                heard.elapsed() < SILENCE && taken(socket.send(Message::Ping(Bytes::new()))).await
            }
        };
        if !sent {
            // The other side may be gone already.
            let _ = tokio::time::timeout(GOODBYE, socket.send(Message::Close(None))).await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_lets_in_once() {
        let passes = Passes::default();
        let vm = VmId::random();
        let [one, other] = [0; 2].map(|_| passes.issue(vm, Protocol::Vnc, UserId::random()));
        assert_ne!(one, other);
        assert_eq!(passes.redeem(&one).unwrap().vm, vm);
        assert!(passes.redeem(&one).is_none() && passes.redeem("").is_none());
        passes.0.lock().unwrap().get_mut(&other).unwrap().until = Instant::now();
        assert!(passes.redeem(&other).is_none(), "it is too late");
    }

    #[test]
    fn addresses_name_their_ticket() {
        assert_eq!(ticket("/ovirt-engine/websocket-proxy/abc").as_deref(), Some("abc"));
        assert_eq!(ticket("/ovirt-engine/api/vms"), None);
    }
}
