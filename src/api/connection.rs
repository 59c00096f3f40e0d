//! A client's connection: how long it may keep us waiting, and how many there may be.

use super::service::Service;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response, StatusCode};
use axum_server::accept::Accept;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may take when it is its turn.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From a request's first byte to the end of its head; a TLS handshake is part of the first.
    pub head: Duration,
    /// Between a response and the next request; a response must be taken in that time too.
    pub idle: Duration,
}

/// Makes the service of each connection.
#[derive(Clone)]
pub struct Connections(pub Service);

impl tower_service::Service<SocketAddr> for Connections {
    type Response = Connection;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Connection, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, from: SocketAddr) -> Self::Future {
        std::future::ready(Ok(Connection { service: self.0.clone(), from, turn: Turn::default() }))
    }
}

/// The service of one connection.
#[derive(Clone)]
pub struct Connection {
    service: Service,
    from: SocketAddr,
    turn: Turn,
}

impl<B> tower_service::Service<Request<B>> for Connection
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let ours = self.turn.take();
        let answer = self.service.clone().answer(self.from, request.map(Body::new));
        Box::pin(async move {
            let response = answer.await;
            match response.status() {
                // From here on it is another protocol, in which nobody has a turn.
                StatusCode::SWITCHING_PROTOCOLS => std::mem::forget(ours),
                _ => drop(ours),
            }
            Ok(response)
        })
    }
}

/// Whose turn it is, counted up at each change: even is the client's, odd is ours.
#[derive(Clone, Debug, Default)]
struct Turn(Arc<AtomicU64>);

/// Our turn, until it is dropped.
struct Ours(Turn);

impl Turn {
    fn take(&self) -> Ours {
        self.0.fetch_add(1, Ordering::AcqRel);
        Ours(self.clone())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Lets connections in, up to a number.
#[derive(Clone)]
pub struct Door {
    places: Arc<Semaphore>,
    patience: Patience,
}

impl Door {
    pub fn new(connections: usize, patience: Patience) -> Self {
        Self { places: Arc::new(Semaphore::new(connections)), patience }
    }

    fn enter(&self, stream: TcpStream, turn: Turn) -> io::Result<Patient<TcpStream>> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| io::ErrorKind::ConnectionRefused)?;
        stream.set_nodelay(true)?;
        Ok(Patient::new(stream, turn, self.patience, place))
    }
}

impl Accept<TcpStream, Connection> for Door {
    type Stream = Patient<TcpStream>;
    type Service = Connection;
    type Future = std::future::Ready<io::Result<(Self::Stream, Connection)>>;

    fn accept(&self, stream: TcpStream, connection: Connection) -> Self::Future {
        let entered = self.enter(stream, connection.turn.clone());
        std::future::ready(entered.map(|stream| (stream, connection)))
    }
}

/// A stream that gives up on a client which keeps us waiting when it is its turn.
pub struct Patient<S> {
    stream: S,
    patience: Patience,
    turn: Turn,
    /// The turn that `until` and `begun` are of.
    seen: u64,
    /// The client has begun its request.
    begun: bool,
    until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl<S> Patient<S> {
    fn new(stream: S, turn: Turn, patience: Patience, place: OwnedSemaphorePermit) -> Self {
        // To connect is to begin a request.
        let until = Box::pin(sleep_until(Instant::now() + patience.head));
        Self { stream, patience, turn, seen: 0, begun: true, until, _place: place }
    }

    /// Passes a result on, unless the client's time is over.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let turn = self.turn.0.load(Ordering::Acquire);
        if turn != self.seen {
            (self.seen, self.begun) = (turn, false);
            self.until.as_mut().reset(Instant::now() + self.patience.idle);
        }
        if turn % 2 == 1 {
            return result;
        }
        let over = match result {
            Poll::Pending => self.until.as_mut().poll(cx).is_ready(),
            // Dripping bytes do not buy time.
            Poll::Ready(_) => self.until.deadline() <= Instant::now(),
        };
        if over { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { result }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let result = this.in_time(cx, read);
        if buffer.filled().len() > before && !std::mem::replace(&mut this.begun, true) {
            this.until.as_mut().reset(Instant::now() + this.patience.head);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.in_time(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const PATIENCE: Patience = Patience { head: Duration::from_millis(50), idle: Duration::from_millis(200) };

    fn pair() -> (DuplexStream, Patient<DuplexStream>, Turn) {
        let (client, server) = duplex(64);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let turn = Turn::default();
        (client, Patient::new(server, turn.clone(), PATIENCE, place), turn)
    }

    async fn gives_up_after(stream: &mut Patient<DuplexStream>) -> Duration {
        let begun = Instant::now();
        while stream.read_u8().await.is_ok() {}
        begun.elapsed()
    }

    #[tokio::test]
    async fn silence_ends_a_connection() {
        let (_client, mut server, _) = pair();
        assert!(gives_up_after(&mut server).await >= PATIENCE.head);
    }

    #[tokio::test]
    async fn dripping_buys_no_time() {
        let (mut client, mut server, _) = pair();
        let drip = tokio::spawn(async move {
            while client.write_u8(b'x').await.is_ok() {
                tokio::time::sleep(PATIENCE.head / 5).await;
            }
        });
        let took = gives_up_after(&mut server).await;
        assert!(took >= PATIENCE.head && took < PATIENCE.idle, "{took:?}");
        drop(server);
        drip.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_while_we_work_and_then_for_the_idle_time() {
        let (mut client, mut server, turn) = pair();
        let ours = turn.take();
        let byte = async {
            tokio::time::sleep(PATIENCE.head * 2).await;
            client.write_u8(b'x').await.unwrap();
        };
        assert_eq!(tokio::join!(server.read_u8(), byte).0.unwrap(), b'x');
        drop(ours);
        assert!(gives_up_after(&mut server).await >= PATIENCE.idle);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_ends_a_connection() {
        let (_client, mut server, turn) = pair();
        drop(turn.take());
        let error = server.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
