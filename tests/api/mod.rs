//! The API over the simulated host: whole requests, whole answers.

mod access;
mod bad_input;
mod borrowed;
mod capabilities;
mod cdrom;
mod consoles;
mod contents;
mod crawl;
mod disks;
mod exports;
mod guests;
mod history;
mod imports;
mod initialization;
mod limits;
mod networks;
mod nics;
mod numa;
mod operations;
mod places;
mod pools;
mod searches;
mod sizes;
mod snapshots;
mod statistics;
mod storage;
mod templates;
mod vms;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::BodyExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use vireo::api::app::App;
use vireo::api::auth::{Accounts, Verdict};
use vireo::api::certificates::Certificates;
use vireo::api::service::Service;
use vireo::engine::{Engine, Settings};
use vireo::host::facts::HostInfo;
use vireo::model::{DiskId, GIB, HostLun, VmId};
use vireo::sim::{MemoryStore, SimImages, SimMirrors, Simulated, settings};
use vireo::xml::{self, Element};

const PROLOG: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;
const DATA: &str = "fabe0451-701f-4235-8f7e-e20e458819ed";
const CLUSTER: &str = "99408929-82cf-4dc7-a532-9d998063fa95";
const BLANK: &str = "00000000-0000-0000-0000-000000000000";
const UNKNOWN: &str = "deadbeef-dead-4ead-8ead-deadbeefdead";
const ADMIN: &str = "fdfc627c-d875-11e0-90f0-83df133b58cc";
const CREATED: (&str, &str) = ("expect", "201-created");

/// The engine's users, without the work that a real password is: everybody's is `secret`.
struct Secret(Arc<Engine>);

impl Accounts for Secret {
    fn verify(&self, name: String, profile: String, password: String) -> Verdict<'_> {
        let known = {
            let world = self.0.world();
            let user = world.users.values().find(|user| (&user.name, &user.profile) == (&name, &profile));
            user.map(|user| user.id).filter(|_| password == "secret")
        };
        Box::pin(async move { Ok(known) })
    }
}

/// A daemon on a simulated host.
struct Sim {
    hypervisor: Simulated,
    images: SimImages,
    mirrors: SimMirrors,
    engine: Arc<Engine>,
    service: Service,
}

/// An answer, read to its end.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The answer, which has that status.
    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    #[track_caller]
    fn xml(&self) -> Element {
        assert!(self.body.starts_with(PROLOG), "{}", self.body);
        let mut document = xml::parse(self.body.as_bytes()).unwrap();
        without_layout(&mut document);
        document
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }

    /// The text under a path of the document; empty when there is none.
    #[track_caller]
    fn at(&self, path: &str) -> String {
        self.xml().value(path).unwrap_or_default()
    }

    /// The values of an element of all items.
    #[track_caller]
    fn each(&self, item: &str, path: &str) -> Vec<String> {
        self.xml().all(item).map(|item| item.value(path).unwrap_or_default()).collect()
    }

    /// A refusal: its status, and the reason and detail of its fault, in an action or not.
    #[track_caller]
    fn refused(&self, status: u16, reason: &str, detail: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        let document = self.xml();
        let fault = document.at("fault").unwrap_or(&document);
        assert_eq!(fault.value("reason").unwrap_or_default(), reason, "{}", self.body);
        assert_eq!(fault.value("detail").unwrap_or_default(), detail, "{}", self.body);
    }
}

impl Sim {
    async fn start() -> Self {
        let images = SimImages::default();
        images.put("/sim/isos/debian-12.iso", GIB);
        images.put("/sim/isos/a b;c?.iso", 1);
        let hypervisor = Simulated::with_images(images.clone());
        let settings = Settings {
            hotunplug_timeout: Duration::from_millis(200),
            stats_interval: Duration::from_millis(50),
            ..settings("/sim")
        };
        let store = Arc::new(MemoryStore::new().unwrap());
        let mirrors = SimMirrors::default();
        let engine = Engine::open(
            settings,
            store,
            Arc::new(hypervisor.clone()),
            Arc::new(images.clone()),
            Arc::new(mirrors.clone()),
        );
        let engine = engine.await.unwrap();
        let host = HostInfo {
            name: "host.example.com".into(),
            os: "Debian GNU/Linux".into(),
            os_version: "12".into(),
            kernel: "6.1.0".into(),
            cpu_model: "Intel(R) Xeon(R)".into(),
            cpu_mhz: 2400,
            sockets: 1,
            cores: 8,
            threads: 2,
            memory: 64 * GIB,
            boot_time: 1_700_000_000,
            huge_pages: true,
            shares_pages: false,
            selinux: "disabled".into(),
        };
        let app = App::new(engine.clone(), Arc::new(Secret(engine.clone())), Certificates::default(), host);
        let sim = Self { hypervisor, images, mirrors, engine, service: Service::new(Arc::new(app), true) };
        sim.until("connected", || sim.engine.connected()).await;
        sim
    }

    /// Waits until something is so.
    async fn until(&self, what: &str, so: impl Fn() -> bool) {
        for _ in 0..500 {
            if so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {what}");
    }

    /// Sends a request as it is, to a path below the API's root.
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Got {
        let credentials = format!("Basic {}", BASE64_STANDARD.encode("admin@internal:secret"));
        self.send_as(&credentials, method, path, headers, body).await
    }

    async fn send_as(
        &self,
        credentials: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Got {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/ovirt-engine/api{path}"))
            .header("authorization", credentials)
            .header("host", "vireo:8443");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let from = SocketAddr::from(([10, 0, 0, 1], 1234));
        let (head, body) = self.service.clone().answer(from, request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.into()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Got {
        self.send("GET", path, &[], "").await
    }

    async fn with_body(&self, method: &str, path: &str, body: &str) -> Got {
        self.send(method, path, &[("content-type", "application/xml")], body.to_owned()).await
    }

    async fn post(&self, path: &str, body: &str) -> Got {
        self.with_body("POST", path, body).await
    }

    async fn put(&self, path: &str, body: &str) -> Got {
        self.with_body("PUT", path, body).await
    }

    async fn delete(&self, path: &str) -> Got {
        self.send("DELETE", path, &[], "").await
    }

    /// A VM of the plainest kind.
    async fn vm(&self, name: &str) -> VmId {
        let body = format!(
            "<vm><name>{name}</name><cluster><name>Default</name></cluster><template><name>Blank</name></template></vm>"
        );
        self.post("/vms", &body).await.is(201).at("@id").parse().unwrap()
    }

    /// A disk of 1 GiB, finished: on a VM (`/vms/{id}/disks`) or floating (`/disks`).
    async fn disk(&self, at: &str, alias: &str) -> DiskId {
        let body = disk_body(alias);
        let headers = [("content-type", "application/xml"), CREATED];
        self.send("POST", at, &headers, body).await.is(201).at("@id").parse().unwrap()
    }

    /// The VM's definition.
    fn defined(&self, vm: VmId) -> Element {
        let document = vireo::engine::ports::Hypervisor::document(&self.hypervisor, vm, true).unwrap();
        xml::parse(document.unwrap().as_bytes()).unwrap()
    }

    async fn start_vm(&self, id: VmId) {
        self.post(&format!("/vms/{id}/start"), "<action/>").await.is(200);
        self.is_in(id, "up").await;
    }

    /// Follows a job to its end: an address below the API's root, or a whole one.
    async fn complete(&self, href: &str) {
        let path = href.strip_prefix("/ovirt-engine/api").unwrap_or(href);
        for _ in 0..500 {
            let got = self.get(path).await.is(200);
            match got.at("status/state").as_str() {
                "complete" => return,
                "in_progress" => tokio::time::sleep(Duration::from_millis(10)).await,
                _ => panic!("{}", got.body),
            }
        }
        panic!("never complete: {path}");
    }

    /// Waits until the VM is in that state.
    async fn is_in(&self, id: VmId, state: &str) {
        let status = || self.engine.vm(id).map(|view| view.status.name()).unwrap_or_default();
        self.until(state, || status() == state).await;
    }
}

/// Takes out the blanks between elements, so that documents are compared by what they say.
fn without_layout(element: &mut Element) {
    if element.elements().next().is_some() {
        element.children.retain(|child| matches!(child, xml::Node::Element(_)));
    }
    element.elements_mut().for_each(without_layout);
}

fn disk_body(alias: &str) -> String {
    format!(
        "<disk><alias>{alias}</alias><storage_domains><storage_domain id='{DATA}'/></storage_domains>\
         <provisioned_size>{GIB}</provisioned_size><interface>virtio</interface><format>cow</format></disk>"
    )
}

/// The text with every id that differs from run to run, and every time, replaced by a word: two
/// answers can be compared as wholes.
fn masked(text: &str, ids: &[(&str, String)]) -> String {
    let mut masked = text.to_owned();
    for (word, id) in ids {
        masked = masked.replace(id.as_str(), word);
    }
    for element in ["creation_time", "start_time", "stop_time", "time"] {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        if let Some((before, rest)) = masked.split_once(&open)
            && let Some((_, after)) = rest.split_once(&close)
        {
            masked = format!("{before}{open}TIME{close}{after}");
        }
    }
    masked
}

/// Compares an answer with the one kept in `tests/api/golden`; `VIREO_REGENERATE=1` keeps it anew.
#[track_caller]
/// A document without its OVF, which tells the moment when it was made.
fn without_ovf(body: &str) -> String {
    const END: &str = "</initialization>";
    let mut body = body.to_owned();
    while let (Some(start), Some(end)) = (body.find("<initialization>"), body.find(END)) {
        let start = body[..start].trim_end().len();
        body.replace_range(start..end + END.len(), "");
    }
    body
}

fn golden(name: &str, got: &str) {
    let file = format!("{}/tests/api/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("VIREO_REGENERATE").is_some() {
        std::fs::write(&file, got).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(got, kept, "{name} differs from the one that is kept");
}
