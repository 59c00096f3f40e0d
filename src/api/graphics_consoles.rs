//! `/vms/{vm}/graphicsconsoles`: those that are configured; with `;current` those of the running VM,
//! with where they are reached.

use super::access;
use super::app::App;
use super::fault::Fault;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::VmId;
use crate::model::vm::Protocol;
use crate::wire::convert::{self, named};
use crate::wire::require;
use crate::wire::types::{Action, GraphicsConsole, GraphicsConsoles, ProxyTicket};
use std::sync::Arc;

pub const ITEM: &str = "/vms/{vm}/graphicsconsoles/{console}";
/// What remote-viewer opens.
pub const VIEWER: &str = "application/x-virt-viewer";
/// How long a viewer has to open a console, in seconds.
const VIEWER_EXPIRY: u64 = 120;

fn document(vm: VmId, protocol: Protocol) -> GraphicsConsole {
    let mut document = convert::graphics_console(vm, protocol);
    document.actions = links::actions(ITEM, document.href.as_deref().unwrap_or_default());
    document
}

/// The consoles of the running VM.
fn live(app: &App, vm: VmId) -> Result<Vec<(Protocol, GraphicsConsole)>, Fault> {
    let view = app.engine.vm(vm)?;
    let Some(seen) = view.seen.filter(|_| view.status.runs()) else { return Ok(Vec::new()) };
    let live = seen.observed.graphics.iter().map(|graphics| {
        let at = GraphicsConsole {
            port: graphics.port.map(i32::from),
            tls_port: graphics.tls_port.map(i32::from),
            address: Some(app.console_address(graphics.address.as_deref().unwrap_or_default())),
            ..document(vm, graphics.protocol)
        };
        (graphics.protocol, at)
    });
    Ok(live.collect())
}

fn consoles(app: &App, vm: VmId, request: &Request) -> Result<Vec<(Protocol, GraphicsConsole)>, Fault> {
    if request.current {
        return live(app, vm);
    }
    let row = app.engine.vm(vm)?.vm;
    let display = row.configured(request.next_run).display;
    let there = Protocol::ALL.into_iter().filter(|one| display.as_ref().is_some_and(|it| it.has(*one)));
    Ok(there.map(|protocol| (protocol, document(vm, protocol))).collect())
}

/// The VM and the protocol of the path.
fn addressed(request: &Request) -> Result<(VmId, Protocol), Fault> {
    Ok((request.id("vm")?, convert::console_protocol(request.text("console"))?))
}

fn one(all: Vec<(Protocol, GraphicsConsole)>, wanted: Protocol) -> Result<GraphicsConsole, Fault> {
    let found = all.into_iter().find(|(protocol, _)| *protocol == wanted).map(|(_, document)| document);
    found.ok_or_else(|| Error::not_found(convert::console_id(wanted)).into())
}

/// `GET /vms/{vm}/graphicsconsoles`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let found = consoles(&app, request.id("vm")?, &request)?.into_iter().map(|(_, document)| document);
    let graphics_console = found.take(request.max.unwrap_or(usize::MAX)).collect();
    Ok(Reply::ok(GraphicsConsoles { graphics_console, ..Default::default() }))
}

/// `GET /vms/{vm}/graphicsconsoles/{console}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let (vm, protocol) = addressed(&request)?;
    match request.viewer {
        true => descriptor(&app, &request, vm, protocol).await,
        false => Ok(Reply::ok(one(consoles(&app, vm, &request)?, protocol)?)),
    }
}

/// The console as remote-viewer opens it, with a ticket of its own; nothing of a VM that is off.
async fn descriptor(app: &App, request: &Request, vm: VmId, protocol: Protocol) -> Answer {
    let name = app.engine.vm(vm)?.vm.spec.name;
    // It reads like a look, and is a way in.
    access::require(app, request, 7, vm)?;
    let Ok(console) = one(live(app, vm)?, protocol) else { return Ok(Reply::no_content()) };
    let ticket = app.engine.ticket(vm, request.user.id, None, Some(VIEWER_EXPIRY)).await?;
    let ports = [("port", console.port), ("tls-port", console.tls_port)];
    let ports = ports.into_iter().filter_map(|(key, port)| Some((key, port?.to_string())));
    let settings =
        [("type", convert::Named::name(protocol).to_owned()), ("host", console.address.unwrap_or_default())]
            .into_iter()
            .chain(ports)
            .chain([
                ("password", ticket.value),
                ("delete-this-file", "1".into()),
                ("fullscreen", "0".into()),
                ("title", format!("{name}:%d - Press SHIFT+F12 to Release Cursor")),
                ("toggle-fullscreen", "shift+f11".into()),
                ("release-cursor", "shift+f12".into()),
                ("secure-attention", "ctrl+alt+end".into()),
            ]);
    let lines: String = settings.map(|(key, value)| format!("{key}={value}\n")).collect();
    Ok(Reply::text(VIEWER, format!("[virt-viewer]\n{lines}")))
}

/// `POST /vms/{vm}/graphicsconsoles`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    let asked: GraphicsConsole = request.document().await?;
    let protocol = asked.protocol.filter(|protocol| !protocol.is_empty());
    require("GraphicsConsole", "add", &[("protocol", protocol.is_some())])?;
    let protocol = named(&protocol.unwrap_or_default())?;
    app.engine.add_console(vm, request.next_run, protocol).await?;
    let document = document(vm, protocol);
    Ok(Reply::created(document))
}

/// `DELETE /vms/{vm}/graphicsconsoles/{console}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let (vm, protocol) = addressed(&request)?;
    one(consoles(&app, vm, &request)?, protocol)?;
    request.optional::<Action>().await?;
    app.engine.remove_console(vm, request.next_run, protocol).await?;
    Ok(Reply::no_content())
}

/// `POST /vms/{vm}/graphicsconsoles/{console}/proxyticket`: the key to the web socket of a console
/// (`console_proxy`).
pub async fn proxy_ticket(app: Arc<App>, request: Request) -> Answer {
    let (vm, protocol) = addressed(&request)?;
    one(consoles(&app, vm, &request)?, protocol)?;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    let not_up = || Error::conflict("Cannot sign a proxy ticket. VM is not up.");
    one(live(&app, vm)?, protocol).map_err(|_| not_up())?;
    let value = Some(app.passes.issue(vm, protocol, request.user.id));
    Ok(Reply::complete(Action { proxy_ticket: Some(ProxyTicket { value }), ..action }))
}
