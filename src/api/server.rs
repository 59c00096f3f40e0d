//! Serving on a listener, with TLS or without.

use super::app::App;
use super::connection::{Connections, Door, Patience};
use super::service::{LARGEST_HEAD, Service};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// How long requests may run on when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(10);
/// How many clients may be connected; one more is hung up on.
const CONNECTIONS: usize = 1024;
const PATIENCE: Patience = Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60) };

/// The certificate that is served, which may change meanwhile.
#[derive(Clone)]
pub struct Tls(RustlsConfig);

impl Tls {
    /// Of a certificate with its chain, and its key, in PEM.
    pub fn new(certificates: &[u8], key: &[u8]) -> io::Result<Self> {
        let other =
            |error: rustls::pki_types::pem::Error| io::Error::other(format!("no usable PEM: {error}"));
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<_, _>>().map_err(other)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(io::Error::other)?;
        // Clients print the reason phrase, which HTTP/2 does not have.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(RustlsConfig::from_config(Arc::new(config))))
    }

    /// Serves that one to whoever connects from now on.
    pub fn replace(&self, with: &Self) {
        self.0.reload_from_config(with.0.get_inner());
    }
}

/// Serves until `stop`, then lets running requests end.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    app: Arc<App>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = Service::new(app, tls.is_some());
    let handle = Handle::new();
    let server = tuned(axum_server::from_tcp(listener)?).handle(handle.clone());
    let connections = Connections(service.clone());
    let door = Door::new(CONNECTIONS, PATIENCE);
    let serving = async {
        match tls {
            Some(Tls(tls)) => {
                server.acceptor(RustlsAcceptor::new(tls).acceptor(door)).serve(connections).await
            }
            None => server.acceptor(door).serve(connections).await,
        }
    };
    let farewell = async {
        stop.await;
        handle.graceful_shutdown(Some(FAREWELL));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = serving => served?,
        () = farewell => {}
    }
    // Connections are gone by now; work whose client hung up may not be done.
    service.rest(FAREWELL).await;
    Ok(())
}

/// The library upgrades no connection (`console_proxy`) that may speak HTTP/1 only, so `Service`
/// refuses the clients that begin with HTTP/2 unasked.
fn tuned(mut server: Server<SocketAddr>) -> Server<SocketAddr> {
    // The stream itself watches how long heads take: it can tell that from idling.
    server.http_builder().http1().max_buf_size(LARGEST_HEAD);
    server
}
