//! Requests as clients send them, through the service and through real sockets.

use super::app::App;
use super::auth::{Accounts, Verdict};
use super::certificates::Certificates;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::routes::{ROUTES, Route, Routes};
use super::server;
use super::service::Service;
use crate::engine::Settings;
use crate::error::Error;
use crate::host::facts::HostInfo;
use crate::model::{UserId, VmId};
use crate::sim;
use crate::wire::types::{Action, Api, Vm};
use axum::body::Body;
use axum::http::{Method, Response};
use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::BodyExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

const VM: &str = "fabe0451-701f-4235-8f7e-e20e458819ed";
const PROLOG: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;

static TABLE: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/",
        handler: |_, _| Box::pin(async { Ok(Reply::ok(Api::default())) }),
    },
    Route { method: Method::GET, path: "/vms", handler: |_, request| Box::pin(echo(request)) },
    Route { method: Method::POST, path: "/vms", handler: |_, request| Box::pin(add(request)) },
    Route { method: Method::GET, path: "/vms/{vm}", handler: |_, request| Box::pin(show(request)) },
    Route { method: Method::DELETE, path: "/vms/{vm}", handler: |_, request| Box::pin(remove(request)) },
    Route { method: Method::POST, path: "/vms/{vm}/start", handler: |_, request| Box::pin(start(request)) },
    Route { method: Method::POST, path: "/break", handler: |_, _| Box::pin(async { panic!("broken") }) },
];

/// Tells what was understood.
async fn echo(request: Request) -> Answer {
    Ok(Reply::ok(Vm {
        name: request.search.clone(),
        description: Some(format!(
            "max {:?} case {} filter {} content {} current {} nics {} from {:?} expect {} background {}",
            request.max,
            request.case_sensitive,
            request.filter,
            request.all_content,
            request.current,
            request.detail.has("nics"),
            request.from,
            request.expect_created,
            request.background,
        )),
        ..Vm::default()
    }))
}

async fn add(request: Request) -> Answer {
    let vm: Vm = request.document().await?;
    Ok(Reply::created(Vm { href: Some("/ovirt-engine/api/vms/1".into()), ..vm }))
}

async fn show(request: Request) -> Answer {
    let id: VmId = request.id("vm")?;
    Ok(Reply::ok(Vm { id: Some(id.to_string()), ..Vm::default() }))
}

async fn remove(request: Request) -> Answer {
    let action: Option<Action> = request.optional().await?;
    DONE.fetch_add(1, Ordering::SeqCst);
    match action.and_then(|action| action.force) {
        Some(true) => Err(Error::host("refused").because("secret").into()),
        _ => Ok(Reply::no_content()),
    }
}

async fn start(request: Request) -> Answer {
    let action: Action = request.document().await?;
    match action.pause {
        Some(true) => Ok(Reply::complete(action)),
        _ => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            STARTED.store(1, Ordering::SeqCst);
            Err(Error::conflict("Cannot run VM. VM is running.").into())
        }
    }
}

static DONE: AtomicUsize = AtomicUsize::new(0);
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// One account: `admin@internal`, password `secret`.
#[derive(Default)]
struct OneAccount(AtomicUsize);

impl Accounts for OneAccount {
    fn verify(&self, name: String, profile: String, password: String) -> Verdict<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let known = (name.as_str(), profile.as_str(), password.as_str()) == ("admin", "internal", "secret");
        Box::pin(async move {
            Ok(known.then(|| "fdfc627c-d875-11e0-90f0-83df133b58cc".parse::<UserId>().unwrap()))
        })
    }
}

struct Client {
    service: Service,
    accounts: Arc<OneAccount>,
}

/// An answer, read to its end.
struct Got {
    head: Response<()>,
    body: String,
}

impl Got {
    fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|value| value.to_str().unwrap())
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// An engine whose libvirt is away. All tests share it: nothing here asks it for more.
async fn engine() -> Arc<crate::engine::Engine> {
    static ENGINE: OnceCell<Arc<crate::engine::Engine>> = OnceCell::const_new();
    let open = || async {
        let settings = Settings {
            hotunplug_timeout: Duration::from_secs(1),
            stats_interval: Duration::from_secs(1),
            ..sim::settings("/nonexistent")
        };
        let (hypervisor, images) = (sim::Simulated::default(), sim::SimImages::default());
        hypervisor.disconnect();
        let store = Arc::new(sim::MemoryStore::new().unwrap());
        let mirrors = Arc::new(sim::SimMirrors::default());
        crate::engine::Engine::open(settings, store, Arc::new(hypervisor), Arc::new(images), mirrors)
            .await
            .unwrap()
    };
    ENGINE.get_or_init(open).await.clone()
}

async fn app() -> (Arc<App>, Arc<OneAccount>) {
    let accounts = Arc::new(OneAccount::default());
    let pem = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem();
    let certificates = Certificates { ca: Some(pem("ca")), engine: Some(pem("localhost") + &pem("ca")) };
    let app = App::new(engine().await, accounts.clone(), certificates, HostInfo::read());
    (Arc::new(App { routes: Routes::new(TABLE), ..app }), accounts)
}

impl Client {
    async fn new() -> Self {
        let (app, accounts) = app().await;
        Self { service: Service::new(app, true), accounts }
    }

    /// Sends a request as it is.
    async fn bare(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let mut request = axum::http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let from = SocketAddr::from(([10, 0, 0, 1], 1234));
        let (head, body) = self.service.clone().answer(from, request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got { head: Response::from_parts(head, ()), body: String::from_utf8(body.into()).unwrap() }
    }

    /// Sends a request to the API with good credentials.
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let credentials = basic("admin@internal", "secret");
        let mut all = vec![("authorization", credentials.as_str()), ("host", "vireo:8443")];
        all.extend(headers);
        self.bare(method, &format!("/ovirt-engine/api{path}"), &all, body).await
    }

    async fn get(&self, path: &str) -> Got {
        self.send("GET", path, &[], "").await
    }
}

const XML: (&str, &str) = ("content-type", "application/xml");

#[tokio::test]
async fn parameters_are_understood_wherever_clients_put_them() {
    let client = Client::new().await;
    let plain = client.get("/vms").await.body;
    assert!(
        plain.contains(
            "max None case true filter false content false current false nics false from None expect false"
        ),
        "{plain}"
    );
    let got = client
        .send(
            "GET",
            "/vms;max=1;case_sensitive=False;from=7;detail=disks+nics;current;async=True?search=name%3Dx%2A+page+2",
            &[("filter", "True"), ("All-Content", "True"), ("X-Ovirt-Expect", "201-created"), ("expect", "201-created")],
            "",
        )
        .await;
    assert_eq!(got.status(), 200);
    assert!(got.body.contains("<name>name=x* page 2</name>"), "{}", got.body);
    assert!(
        got.body.contains(
            "max Some(1) case false filter true content true current true nics true from Some(7) expect true background true"
        ),
        "{}",
        got.body
    );
    for (path, headers) in
        [("/vms?detail=disks+nics", &[][..]), ("/vms", &[("accept", "application/xml; detail=nics")][..])]
    {
        assert!(client.send("GET", path, headers, "").await.body.contains("nics true"), "{path}");
    }
    // Empty means absent, and a negative limit is none.
    let got = client.get("/vms;max=-1;current=False?search=&follow=").await;
    assert!(got.body.contains("max None") && got.body.contains("current false"), "{}", got.body);
    assert!(!got.body.contains("<name>"), "{}", got.body);
}

#[tokio::test]
async fn illegal_values_are_refused_in_the_words_that_clients_know() {
    let client = Client::new().await;
    for (path, detail) in [
        ("/vms;max=x", "Max number of results is not a valid number: x"),
        (
            "/vms;async=maybe",
            "Illegal value 'maybe' for matrix param: 'async'. Acceptable values are 'true' or 'false'",
        ),
    ] {
        let got = client.get(path).await;
        assert_eq!(got.status(), 400, "{path}");
        assert!(got.body.contains(&format!("<detail>{detail}</detail>")), "{}", got.body);
    }
    assert_eq!(client.send("GET", "/", &[("version", "3")], "").await.status(), 200);
    let newer = client.send("GET", "/", &[("version", "4")], "").await;
    assert_eq!(newer.status(), 400);
    assert!(newer.body.contains("<title>Error</title>"), "{}", newer.body);
    assert_eq!(client.send("GET", "/", &[("correlation-id", &"x".repeat(129))], "").await.status(), 400);
    let got = client.send("GET", "/", &[("correlation-id", "job 7")], "").await;
    assert_eq!(got.header("correlation-id"), Some("job 7"));
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_said_by_a_fault() {
    let client = Client::new().await;
    for path in [
        "/nothing",
        "/vms/1/2/3",
        "/vms//x",
        "/vms%2F1",
        "/vms/my%20vm",
        &format!("/vms/{{{VM}}}").replace(['{', '}'], "%7B"),
    ] {
        let got = client.get(path).await;
        assert_eq!(got.status(), 404, "{path}");
        assert!(got.body.starts_with(PROLOG) && got.body.contains("<fault>"), "{path}: {}", got.body);
    }
    let got = client.send("PUT", "/vms", &[XML], "<vm/>").await;
    assert_eq!((got.status(), got.header("allow")), (405, Some("GET, POST, HEAD, OPTIONS")));
    assert!(got.body.contains("<fault>"), "{}", got.body);
    assert_eq!(client.send("BREW", "/vms", &[], "").await.status(), 405);
    let got = client.send("OPTIONS", "/vms", &[], "").await;
    assert_eq!((got.status(), got.header("allow")), (200, Some("GET, POST, HEAD, OPTIONS")));
    for path in ["/vms/", "", "/", &format!("/vms/{VM}"), &format!("/vms/{}", VM.to_uppercase())] {
        assert_eq!(client.get(path).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_head_is_a_get_that_keeps_its_body() {
    let client = Client::new().await;
    let (get, head) = (client.get("/vms").await, client.send("HEAD", "/vms", &[], "").await);
    assert_eq!((head.status(), head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
    assert_eq!(head.header("content-type"), Some("application/xml"));
}

#[tokio::test]
async fn formats_are_negotiated_in_faults_as_well() {
    let client = Client::new().await;
    let json = ("accept", "application/json");
    let got = client.send("GET", &format!("/vms/{VM}"), &[json], "").await;
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert!(got.body.starts_with('{') && got.body.contains(VM), "{}", got.body);
    let got = client.send("GET", "/vms/7?accept=application/json", &[], "").await;
    assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
    assert!(got.body.contains("\"detail\"") && got.body.contains("Entity not found: 7"), "{}", got.body);
    let got = client.bare("GET", "/api", &[json], "").await;
    assert!(got.status() == 401 && got.body.starts_with('{'), "{}", got.body);
    let got = client.send("GET", "/vms", &[("accept", "text/html")], "").await;
    assert_eq!(got.status(), 406);
    assert!(got.body.starts_with(PROLOG) && got.body.contains("<fault>"), "{}", got.body);
}

#[tokio::test]
async fn bodies_are_judged_by_type_and_size_and_sense() {
    let client = Client::new().await;
    let got = client.send("POST", "/vms", &[XML], "<vm><name>a</name></vm>").await;
    assert_eq!(got.status(), 201);
    assert_eq!(got.header("location"), Some("https://vireo:8443/ovirt-engine/api/vms/1"));
    assert!(got.body.contains("<name>a</name>"), "{}", got.body);
    let got = client
        .send("POST", "/vms", &[("content-type", "application/json; charset=UTF-8")], r#"{"name":"b"}"#)
        .await;
    assert!(got.status() == 201 && got.body.contains("<name>b</name>"), "{}", got.body);
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(client.send("POST", "/vms", &[("content-type", media)], "<vm/>").await.status(), 415);
    }
    assert_eq!(client.send("POST", "/vms", &[], "<vm/>").await.status(), 415);
    let coded = async |coding: &str| {
        client.send("POST", "/vms", &[XML, ("content-encoding", coding)], "<vm><name>a</name></vm>").await
    };
    let got = coded("identity, gzip").await;
    assert!(got.status() == 415 && got.body.contains("'gzip'"), "{}", got.body);
    assert_eq!(coded("Identity").await.status(), 201);
    assert_eq!(client.send("POST", "/vms", &[XML], &" ".repeat((1 << 20) + 1)).await.status(), 413);
    for broken in ["", "<vm>", "<vm/><vm/>", "<disk/>", "<!DOCTYPE vm><vm/>", "vm"] {
        let got = client.send("POST", "/vms", &[XML], broken).await;
        assert_eq!(got.status(), 400, "{broken}");
        assert!(got.body.starts_with(PROLOG) && got.body.contains("<fault>"), "{broken}: {}", got.body);
    }
}

#[tokio::test]
async fn a_refused_action_comes_back_with_its_fault() {
    let client = Client::new().await;
    let path = format!("/vms/{VM}/start");
    let got = client.send("POST", &path, &[XML], "<action><use_sysprep>true</use_sysprep></action>").await;
    assert_eq!(got.status(), 409);
    assert!(got.body.starts_with(PROLOG) && got.body.contains("<action>"), "{}", got.body);
    for part in [
        "<use_sysprep>true</use_sysprep>",
        "<state>failed</state>",
        "<fault>",
        "<detail>[Cannot run VM. VM is running.]</detail>",
    ] {
        assert!(got.body.contains(part), "{part}: {}", got.body);
    }
    let got = client.send("POST", &path, &[XML], "<action><pause>true</pause></action>").await;
    assert_eq!(got.status(), 200);
    assert!(got.body.contains("<state>complete</state>") && got.body.contains("<pause>true"), "{}", got.body);
    // What cannot be read cannot be echoed.
    let got = client.send("POST", &path, &[XML], "<action>").await;
    assert!(got.status() == 400 && got.body.contains("<fault>"), "{}", got.body);
}

#[tokio::test]
async fn a_broken_handler_is_a_fault_and_no_reason_leaves_the_log() {
    let client = Client::new().await;
    let got = client.send("POST", "/break", &[], "").await;
    assert_eq!(got.status(), 500);
    assert!(got.body.starts_with(PROLOG) && got.body.contains("<fault>"), "{}", got.body);
    let forced = "<action><force>true</force></action>";
    let got = client.send("DELETE", &format!("/vms/{VM}"), &[XML], forced).await;
    assert_eq!(got.status(), 409);
    assert!(got.body.contains("[refused]") && !got.body.contains("secret"), "{}", got.body);
}

#[tokio::test]
async fn a_removal_may_come_with_a_body_or_without() {
    let client = Client::new().await;
    let path = format!("/vms/{VM}");
    assert_eq!(client.send("DELETE", &path, &[XML], "<action/>").await.status(), 204);
    // Some clients announce a type and send nothing.
    assert_eq!(client.send("DELETE", &path, &[XML, ("content-length", "0")], "").await.status(), 204);
}

#[tokio::test]
async fn nothing_is_done_or_told_without_good_credentials() {
    let client = Client::new().await;
    let encode = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
    let bad: Vec<String> = vec![
        String::new(),
        "Basic".into(),
        "Basic ".into(),
        "Basic ====".into(),
        "Bearer secret".into(),
        encode(""),
        encode(":"),
        encode("admin@internal"),
        encode("admin:secret"),
        encode("admin@:secret"),
        encode("@internal:secret"),
        encode("admin@internal:"),
        encode("admin@internal:Secret"),
        encode("admin@internal:secret "),
        encode("ADMIN@internal:secret"),
        encode("admin@ldap:secret"),
    ];
    let before = DONE.load(Ordering::SeqCst);
    for authorization in &bad {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/vms"),
            ("POST", "/vms"),
            ("DELETE", &*format!("/vms/{VM}")),
            ("OPTIONS", "/vms"),
            ("HEAD", "/vms"),
            ("PUT", "/nothing"),
        ] {
            let headers: &[(&str, &str)] =
                if authorization.is_empty() { &[] } else { &[("authorization", authorization.as_str())] };
            // Each attempt is that of another client: guessing is slowed down elsewhere.
            let client = Client::new().await;
            let got = client.bare(method, &format!("/ovirt-engine/api{path}"), headers, "<vm/>").await;
            assert_eq!(got.status(), 401, "{authorization} {method} {path}");
            assert_eq!(got.header("www-authenticate"), Some("Basic realm=\"RESTAPI\""));
            assert!(method == "HEAD" || got.body.contains("<fault>"), "{}", got.body);
        }
    }
    let double = [basic("admin@internal", "secret"), basic("admin@internal", "secret")];
    let headers = [("authorization", &*double[0]), ("authorization", &*double[1])];
    assert_eq!(client.bare("GET", "/ovirt-engine/api", &headers, "").await.status(), 401);
    assert_eq!(DONE.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn right_credentials_are_verified_once_and_guessing_slows_down() {
    let client = Client::new().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    assert_eq!(client.accounts.0.load(Ordering::SeqCst), 1);
    let wrong = basic("admin@internal", "guess");
    let begun = Instant::now();
    for _ in 0..11 {
        let got = client.bare("GET", "/api", &[("authorization", &wrong)], "").await;
        assert_eq!(got.status(), 401);
    }
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(client.get("/").await.status(), 200);
    assert!(begun.elapsed() < Duration::from_millis(500), "who is known does not wait");
}

/// What the answer's cookie holds.
fn session_of(got: &Got) -> String {
    let cookie = got.header("set-cookie").expect("a session was asked for");
    cookie.strip_prefix("JSESSIONID=").unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_lives_from_the_first_wish_to_the_last_request() {
    let client = Client::new().await;
    let got = client.send("GET", "", &[("prefer", "Persistent-Auth"), ("session-ttl", "60")], "").await;
    let cookie = got.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/ovirt-engine/api; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let id = session_of(&got);
    assert_eq!(got.header("jsessionid"), Some(id.as_str()));
    let cookie = format!("other=1; JSESSIONID={id}");
    let with = |prefer: &'static str| [("cookie", cookie.clone()), ("prefer", prefer.to_owned())];
    let bare = async |target: &str, headers: &[(&str, String)]| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.bare("GET", target, &headers, "").await
    };
    let got = bare("/ovirt-engine/api/vms", &with("persistent-auth")).await;
    assert_eq!((got.status(), got.header("set-cookie")), (200, None));
    // Some clients send both on and on; the session wins.
    let wrong = basic("admin@internal", "wrong");
    let both = [&with("persistent-auth")[..], &[("authorization", wrong)]].concat();
    assert_eq!(bare("/ovirt-engine/api", &both).await.status(), 200);
    // The last request has no wish any more: it needs credentials of its own, and ends the session.
    assert_eq!(bare("/ovirt-engine/api", &with("")).await.status(), 401);
    assert_eq!(bare("/ovirt-engine/api", &with("persistent-auth")).await.status(), 401);
    // With good credentials beside it, a dead cookie is no error, and its id is not taken over.
    let good = basic("admin@internal", "secret");
    let got = bare("/api", &[&with("persistent-auth")[..], &[("authorization", good)]].concat()).await;
    assert_eq!(got.status(), 200);
    assert_ne!(session_of(&got), id);
}

#[tokio::test]
async fn a_clients_own_session_id_is_never_adopted() {
    let client = Client::new().await;
    let mine = ("cookie", "JSESSIONID=mine");
    let got = client.send("GET", "", &[mine, ("prefer", "persistent-auth")], "").await;
    assert_ne!(session_of(&got), "mine");
    let got = client.bare("GET", "/api", &[mine, ("prefer", "persistent-auth")], "").await;
    assert_eq!(got.status(), 401);
    // A page elsewhere can make a browser send the cookie, but no preference.
    let got = client.send("GET", "", &[("prefer", "persistent-auth")], "").await;
    let cookie = format!("JSESSIONID={}", session_of(&got));
    let got = client.bare("POST", "/api/vms", &[("cookie", &cookie), XML], "<vm/>").await;
    assert_eq!(got.status(), 401);
}

#[tokio::test]
async fn a_guarded_session_wants_its_id_twice() {
    let client = Client::new().await;
    let prefer = ("prefer", "persistent-auth, csrf-protection");
    let id = session_of(&client.send("GET", "", &[prefer], "").await);
    let cookie = format!("JSESSIONID={id}");
    let (cookie, prefer) = (("cookie", cookie.as_str()), ("prefer", "persistent-auth"));
    assert_eq!(client.bare("GET", "/api", &[cookie, prefer], "").await.status(), 403);
    assert_eq!(client.bare("GET", "/api", &[cookie, prefer, ("jsessionid", "x")], "").await.status(), 403);
    assert_eq!(client.bare("GET", "/api", &[cookie, prefer, ("jsessionid", &id)], "").await.status(), 200);
}

#[tokio::test]
async fn a_few_pages_are_open_to_all() {
    let client = Client::new().await;
    let got = client.bare("GET", "/ovirt-engine/services/health", &[], "").await;
    assert_eq!((got.status(), got.body.as_str()), (200, "degraded: libvirt is not available\n"));
    let pki = "/ovirt-engine/services/pki-resource?resource=";
    for (page, media, text) in [
        ("/ca.crt", "application/x-x509-ca-cert", "-----BEGIN CERTIFICATE-----\n"),
        (&format!("{pki}ca-certificate"), "application/x-x509-ca-cert", "-----BEGIN CERTIFICATE-----\n"),
        (
            &format!("{pki}ca-certificate&format=X509-PEM-CA"),
            "application/x-x509-ca-cert",
            "-----BEGIN CERTIFICATE-----\n",
        ),
        (
            &format!("{pki}engine-certificate&format=X509-PEM"),
            "application/x-x509-cert",
            "-----BEGIN CERTIFICATE-----\n",
        ),
        (
            &format!("{pki}engine-certificate&format=OPENSSH-PUBKEY"),
            "text/plain;charset=UTF-8",
            "ecdsa-sha2-nistp256 AAAA",
        ),
    ] {
        let got = client.bare("GET", page, &[], "").await;
        assert_eq!((got.status(), got.header("content-type")), (200, Some(media)), "{page}");
        assert!(got.body.starts_with(text) && got.body.matches("BEGIN").count() <= 1, "{page}: {}", got.body);
    }
    assert_eq!(
        client.bare("GET", &format!("{pki}ca-certificate&format=PKCS12"), &[], "").await.status(),
        404
    );
    assert_eq!(client.bare("POST", "/ca.crt", &[], "").await.status(), 404);
    for page in ["/", "/ovirt-engine", "/ovirt-engine/services/pki-resource?resource=key", "/etc/passwd"] {
        assert_eq!(client.bare("GET", page, &[], "").await.status(), 404, "{page}");
    }
}

#[tokio::test]
async fn the_entry_point_leads_to_what_there_is() {
    let (app, accounts) = app().await;
    let app = Arc::try_unwrap(app).map_err(drop).unwrap();
    let app = Arc::new(App { routes: Routes::new(&ROUTES), ..app });
    let client = Client { service: Service::new(app, false), accounts };
    let got = client.get("").await;
    let all = got.header("link").unwrap();
    assert!(all.contains("<http://vireo:8443/ovirt-engine/api/capabilities>; rel=capabilities"), "{all}");
    assert!(got.body.contains(r#"<version major="3" minor="6" build="0" revision="0"/>"#), "{}", got.body);
    for link in got.body.split("href=\"/ovirt-engine/api").skip(1) {
        let path = link.split(['"', ';', '?']).next().unwrap();
        assert_eq!(client.get(path).await.status(), 200, "{path}");
    }
    let got = client.get("/capabilities").await;
    assert!(got.body.contains("<vm_state>powering_up</vm_state>"), "{}", got.body);
    let id = got.body.split("id=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(client.get(&format!("/capabilities/{id}")).await.status(), 200);
    assert_eq!(client.get(&format!("/capabilities/{VM}")).await.status(), 404);
}

/// A daemon on a port of its own; it stops when the sender goes.
async fn daemon()
-> (SocketAddr, tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (app, _) = app().await;
    let task = tokio::spawn(server::serve(listener, None, app, async move { drop(stopped.await) }));
    (address, stop, task)
}

/// What comes back, until the other side closes or falls silent.
async fn talk(address: SocketAddr, request: &str) -> (String, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may hang up before it has heard all.
    let _ = stream.write_all(request.as_bytes()).await;
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match tokio::time::timeout(Duration::from_millis(500), stream.read(&mut part)).await {
            Err(_) => return (String::from_utf8_lossy(&all).into(), false),
            Ok(Ok(0) | Err(_)) => return (String::from_utf8_lossy(&all).into(), true),
            Ok(Ok(length)) => all.extend(&part[..length]),
        }
    }
}

#[tokio::test]
async fn a_body_that_never_comes_holds_nobody() {
    let (address, _stop, _) = daemon().await;
    let credentials = basic("admin@internal", "secret");
    let head = format!(
        "GET /ovirt-engine/api/vms HTTP/1.1\r\nHost: h\r\nAuthorization: {credentials}\r\nContent-Type: application/xml\r\nContent-Length: 17\r\n\r\n"
    );
    let (got, closed) = talk(address, &head).await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    assert!(got.contains("connection: close") && closed, "{got}");
    let (got, closed) = talk(address, &format!("{head}<action></action>")).await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && !got.contains("connection: close") && !closed, "{got}");
    // Whoever is refused is refused without his body.
    let post = "POST /api/vms HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n<vm>";
    let (got, closed) = talk(address, post).await;
    assert!(got.starts_with("HTTP/1.1 401 Unauthorized\r\n") && closed, "{got}");
}

#[tokio::test]
async fn expectations_and_smuggling_and_large_heads() {
    let (address, _stop, _) = daemon().await;
    let credentials = basic("admin@internal", "secret");
    let vm = "<vm><name>a</name></vm>";
    let post = |headers: &str, body: &str| {
        format!(
            "POST /ovirt-engine/api/vms HTTP/1.1\r\nHost: h\r\nAuthorization: {credentials}\r\nContent-Type: application/xml\r\n{headers}\r\n\r\n{body}"
        )
    };
    let expects = format!("Expect: 201-created\r\nContent-Length: {}", vm.len());
    let (got, _) = talk(address, &post(&expects, vm)).await;
    assert!(got.starts_with("HTTP/1.1 201 Created\r\n"), "{got}");
    assert!(got.contains("location: http://h/ovirt-engine/api/vms/1\r\n"), "{got}");
    let continues = format!("Expect: 100-continue\r\nContent-Length: {}", vm.len());
    let (got, _) = talk(address, &post(&continues, vm)).await;
    assert!(got.contains("HTTP/1.1 201 Created\r\n"), "{got}");
    let packed = post("Transfer-Encoding: gzip, chunked", "17\r\n<vm><name>a</name></vm>\r\n0\r\n\r\n");
    let (got, _) = talk(address, &packed).await;
    assert!(got.starts_with("HTTP/1.1 501") && got.contains("'gzip'"), "{got}");
    let smuggled =
        ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5\r\nTransfer-Encoding: chunked"];
    for headers in smuggled {
        let (got, closed) =
            talk(address, &post(headers, "0\r\n\r\nGET /api/vms HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        assert!(closed || got.starts_with("HTTP/1.1 4"), "{got}");
        assert!(got.matches("HTTP/1.1").count() <= 1, "{got}");
    }
    let large = format!("GET /api HTTP/1.1\r\nHost: h\r\nX-Large: {}\r\n\r\n", "x".repeat(70 << 10));
    let (got, _) = talk(address, &large).await;
    assert!(got.starts_with("HTTP/1.1 431"), "{got}");
    // What is far too large is not even read to its end.
    let huge = format!("GET /api HTTP/1.1\r\nHost: h\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(talk(address, &huge).await.1);
}

#[tokio::test]
async fn a_change_goes_on_when_its_client_hangs_up_and_the_daemon_waits_for_it() {
    let (address, stop, task) = daemon().await;
    let credentials = basic("admin@internal", "secret");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /api/vms/{VM}/start HTTP/1.1\r\nHost: h\r\nAuthorization: {credentials}\r\nContent-Type: application/xml\r\nContent-Length: 9\r\n\r\n<action/>"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    STARTED.store(0, Ordering::SeqCst);
    drop(stream);
    drop(stop);
    let ended = tokio::time::timeout(Duration::from_secs(5), task).await;
    ended.expect("the daemon stops").unwrap().unwrap();
    assert_eq!(STARTED.load(Ordering::SeqCst), 1);
    assert!(TcpStream::connect(address).await.is_err());
}

/// A certificate of its own for `localhost`, as it is served and as a client trusts it.
fn self_signed() -> (server::Tls, rustls::pki_types::CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = server::Tls::new(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes());
    (tls.unwrap(), made.cert.der().clone())
}

/// What a client that trusts the certificate is answered, and in which protocol.
async fn over_tls(
    address: SocketAddr,
    trusted: &rustls::pki_types::CertificateDer<'static>,
) -> std::io::Result<(Option<Vec<u8>>, String)> {
    let trusted = trusted.clone();
    let client = tokio::task::spawn_blocking(move || {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(trusted).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let connection =
            rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, std::net::TcpStream::connect(address)?);
        let request = "GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        std::io::Write::write_all(&mut stream, request.as_bytes())?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer)?;
        Ok((stream.conn.alpn_protocol().map(<[u8]>::to_vec), answer))
    });
    client.await.unwrap()
}

#[tokio::test]
async fn over_tls_the_protocol_is_http_1_1_and_the_certificate_may_change() {
    let (tls, first) = self_signed();
    let (other, second) = self_signed();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let app = app().await.0;
    let serving = tokio::spawn(server::serve(listener, Some(tls.clone()), app, std::future::pending()));
    let (protocol, answer) = over_tls(address, &first).await.unwrap();
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(over_tls(address, &second).await.is_err());
    tls.replace(&other);
    assert!(over_tls(address, &first).await.is_err());
    assert_eq!(over_tls(address, &second).await.unwrap().0, protocol);
    serving.abort();
}
