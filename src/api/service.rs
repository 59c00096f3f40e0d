//! From an HTTP request to an HTTP response.

use super::access;
use super::app::App;
use super::auth::Identity;
use super::body::Incoming;
use super::console_proxy;
use super::fault::Fault;
use super::graphics_consoles;
use super::links;
use super::negotiate;
use super::pages;
use super::path::{Parameters, Path};
use super::reply::{Answer, Reply};
use super::request::{Request, listed, one};
use super::routes::{Captures, Place};
use crate::engine::caller::Caller;
use crate::error::Error;
use crate::model::JobId;
use crate::wire::{self, Format, Version, types::Action};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{RwLock, oneshot};

/// Bytes of a request's head. The HTTP library looks at it only when its buffer is full, so the
/// exact limit is drawn here.
pub const LARGEST_HEAD: usize = 64 << 10;

/// What an action is refused for is known within that time, as a rule.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The API on one listener.
#[derive(Clone)]
pub struct Service {
    app: Arc<App>,
    https: bool,
    /// Each request holds it for reading until it is done.
    running: Arc<RwLock<()>>,
}

impl Service {
    pub fn new(app: Arc<App>, https: bool) -> Self {
        Self { app, https, running: Arc::default() }
    }

    /// Answers a request. The work goes on when the client hangs up: a change is never cancelled
    /// half way.
    pub async fn answer(self, from: SocketAddr, request: axum::http::Request<Body>) -> Response<Body> {
        if request.version() == axum::http::Version::HTTP_2 {
            let fault = Fault::http(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here.");
            return Reply::from(&fault).into_response(Format::Xml, Version::V3, None);
        }
        if let Some(ticket) = console_proxy::ticket(request.uri().path()) {
            return console_proxy::serve(self.app, from, &ticket, request).await;
        }
        let running = self.running.clone().read_owned().await;
        let task = tokio::spawn(async move {
            let response = self.exchange(from, request).await;
            drop(running);
            response
        });
        task.await.unwrap_or_else(|panic| {
            tracing::error!(%panic, "a handler broke down");
            let fault = Fault::from(Error::bug("a handler broke down"));
            Reply::from(&fault).into_response(Format::Xml, Version::V3, None)
        })
    }

    /// Waits until no request runs any more, or the time is over.
    pub async fn rest(&self, at_most: Duration) {
        if tokio::time::timeout(at_most, self.running.write()).await.is_err() {
            tracing::warn!("requests still run; their intents are left to the next start");
        }
    }

    async fn exchange(&self, from: SocketAddr, request: axum::http::Request<Body>) -> Response<Body> {
        let begun = Instant::now();
        let (head, body) = request.into_parts();
        let exchange = Exchange {
            service: self,
            from,
            origin: origin(&head, self.https),
            body: Arc::new(Incoming::new(body)),
            head,
        };
        let mut heard = Heard::default();
        let outcome = exchange.answer(&mut heard).await;
        let why = outcome.as_ref().err().and_then(|fault| fault.why.clone());
        let reply = match outcome {
            Ok(reply) => reply,
            Err(fault) => exchange.refuse(&fault, &heard),
        };
        // A fault is written in the format that was asked for, as far as that made sense.
        let format = negotiate::accept(&exchange.head.headers, exchange.accept_parameter().as_deref(), None)
            .map_or(Format::Xml, |accepted| accepted.format);
        let mut response = reply.into_response(format, Version::V3, exchange.origin.as_deref());
        response.headers_mut().extend(heard.headers);
        exchange.settle(&mut response).await;
        exchange.log(&response, heard.user.as_deref(), begun.elapsed(), why.as_deref());
        response
    }
}

/// One request on its way.
struct Exchange<'s> {
    service: &'s Service,
    from: SocketAddr,
    head: Parts,
    origin: Option<String>,
    body: Arc<Incoming>,
}

/// What turned out about a request while it was answered, whatever became of it.
#[derive(Default)]
struct Heard {
    user: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The route is an action's, and its handler had the word.
    acted: bool,
    /// The job that the request began.
    job: Option<JobId>,
}

impl Exchange<'_> {
    async fn answer(&self, heard: &mut Heard) -> Answer {
        let nothing = || Fault::http(StatusCode::NOT_FOUND, "There is nothing at this address.");
        if size(&self.head) > LARGEST_HEAD {
            return Err(Fault::http(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                format!("The head of a request has {LARGEST_HEAD} bytes at most."),
            ));
        }
        // The HTTP library takes chunks apart, and leaves what is in them as it is.
        let whole = |coding: &&str| coding.is_empty() || coding.eq_ignore_ascii_case("chunked");
        if let Some(coding) = listed(&self.head.headers, "transfer-encoding").find(|coding| !whole(coding)) {
            return Err(Fault::http(
                StatusCode::NOT_IMPLEMENTED,
                format!("The Transfer-Encoding '{coding}' is not understood."),
            ));
        }
        let path = Path::parse(self.head.uri.path()).ok_or_else(nothing)?;
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        let (scope, below) = match segments.as_slice() {
            ["ovirt-engine", "api", below @ ..] => (links::ROOT, below),
            // The cookie of a client that comes in here must reach the addresses it is sent to.
            ["api", below @ ..] => ("/", below),
            elsewhere => {
                let query = Parameters::query(self.head.uri.query().unwrap_or_default()).unwrap_or_default();
                let read = matches!(self.head.method, Method::GET | Method::HEAD);
                return pages::find(&self.service.app, elsewhere, &query)
                    .filter(|_| read)
                    .ok_or_else(nothing);
            }
        };
        // Strangers learn nothing, not even what there is.
        let identity = self.service.app.auth.identify(&self.head.headers, self.from.ip()).await?;
        heard.user = Some(identity.user.name.clone());
        heard.headers = identity.headers(scope, self.service.https);
        let (place, captures) = self.service.app.routes.find(below).ok_or_else(nothing)?;
        if self.head.method == Method::OPTIONS {
            return Ok(Reply::allow(place.allow()));
        }
        self.handle(place, path, captures, identity, heard).await
    }

    async fn handle(
        &self,
        place: &Place,
        path: Path,
        captures: Captures,
        identity: Identity,
        heard: &mut Heard,
    ) -> Answer {
        let route = place.route(&self.head.method).ok_or_else(|| {
            Fault::http(StatusCode::METHOD_NOT_ALLOWED, "This address does not know that method.")
                .with(header::ALLOW, place.allow())
        })?;
        let (origin, body) = (self.origin.clone(), self.body.clone());
        let offered = (route.path == graphics_consoles::ITEM).then_some(graphics_consoles::VIEWER);
        let mut request = Request::new(&self.head, path, captures, origin, identity.user, body, offered)?;
        request.reach = self.service.app.engine.world().reach(request.user.id);
        let correlation = request.correlation.as_deref().and_then(|text| HeaderValue::try_from(text).ok());
        heard.headers.extend(correlation.map(|value| (HeaderName::from_static("correlation-id"), value)));
        heard.acted = place.is_action() && route.method == Method::POST;
        access::check(&self.service.app, route, &request)?;
        let caller = Caller::new(Some(request.user.id), request.correlation.clone());
        let background = request.background && (heard.acted || route.method == Method::DELETE);
        let work = caller.clone().run((route.handler)(self.service.app.clone(), request));
        let answer = if background { self.behind(work).await } else { work.await };
        heard.job = caller.job();
        answer.map(|reply| reply.of_job(heard.job))
    }

    /// What a client does not wait for the end of, which hears of what is refused at once.
    async fn behind(&self, work: impl Future<Output = Answer> + Send + 'static) -> Answer {
        // It may take its time on the way.
        self.body.bytes().await?;
        let (tell, told) = oneshot::channel();
        self.service.app.engine.jobs.start((), async move {
            if let Err(Err(fault)) = tell.send(work.await) {
                tracing::warn!("what nobody waited for was refused: {}", fault.detail);
            }
            Ok(())
        });
        match tokio::time::timeout(AT_ONCE, told).await {
            Ok(answer) => answer.map_err(|_| Error::bug("a handler broke down"))?.map(Reply::not_waited_for),
            Err(_) => Ok(Reply::pending(self.action().unwrap_or_default())),
        }
    }

    /// A refused action comes back as it was sent, with the fault in it.
    fn refuse(&self, fault: &Fault, heard: &Heard) -> Reply {
        let action = heard.acted.then(|| self.action()).flatten();
        action.map_or_else(|| Reply::from(fault), |action| Reply::failed(action, fault).of_job(heard.job))
    }

    fn action(&self) -> Option<Action> {
        let sent = self.body.seen()?;
        if sent.is_empty() {
            return Some(Action::default());
        }
        let format = negotiate::content(&self.head.headers).ok()?;
        wire::read(sent, format, Version::V3).ok()
    }

    fn accept_parameter(&self) -> Option<String> {
        Parameters::query(self.head.uri.query()?)?.get("accept").map(str::to_owned)
    }

    /// Makes the response fit for its connection.
    async fn settle(&self, response: &mut Response<Body>) {
        if self.head.method == Method::HEAD {
            let length = axum::body::HttpBody::size_hint(response.body()).lower();
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
            *response.body_mut() = Body::empty();
        }
        if !self.body.settle().await {
            // What still comes would be taken for the next request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// One line: never a query, a header's credentials or a body.
    fn log(&self, response: &Response<Body>, user: Option<&str>, took: Duration, why: Option<&str>) {
        let status = response.status().as_u16();
        let (method, path) = (&self.head.method, self.head.uri.path());
        let correlation = response.headers().get("correlation-id").and_then(|value| value.to_str().ok());
        let ms = took.as_micros() as f64 / 1000.0;
        let from = self.from.ip();
        match response.status() {
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(%method, path, status, ms, user, %from, correlation, why, "request");
            }
            _ => tracing::info!(%method, path, status, ms, user, %from, correlation, why, "request"),
        }
    }
}

/// Scheme and host as the client names them; `None` when it does not, or not in a way to repeat.
fn origin(head: &Parts, https: bool) -> Option<String> {
    let host =
        head.uri.authority().map(|authority| authority.as_str()).or_else(|| one(&head.headers, "host"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let scheme = if https { "https" } else { "http" };
    (!host.is_empty() && host.chars().all(plain)).then(|| format!("{scheme}://{host}"))
}

fn size(head: &Parts) -> usize {
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    headers.sum::<usize>() + head.uri.path().len() + head.uri.query().unwrap_or_default().len()
}
