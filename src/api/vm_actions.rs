//! The actions of a VM, and how far those are that go on after their answer.

use super::access;
use super::app::App;
use super::fault::Fault;
use super::links;
use super::machine;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::engine::jobs::{JobState, Started};
use crate::engine::ports::AgentCall;
use crate::engine::{NewVm, RunOnce, Source, StartOptions};
use crate::error::{Error, Kind};
use crate::model::vm::check_text;
use crate::model::{Initialization, Move, VmId, VmStatus};
use crate::wire::convert::{self, named};
use crate::wire::types::{self, Action, Creation, Link};
use crate::wire::{Resource, filled, require};
use std::sync::Arc;
use std::time::Duration;

/// Longer graces would outlive what clients wait for.
const LONGEST_GRACE: Duration = Duration::from_secs(600);

/// The VM, and what the request's body says; after the grace that it asks for. What the VM's state
/// does not allow is refused at once.
async fn begin(
    app: &App,
    request: &Request,
    wanted: impl Into<Option<Move>>,
) -> Result<(VmId, Action), Fault> {
    let id: VmId = request.id("vm")?;
    app.engine.vm(id)?;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    if let Some(grace) = action.grace_period.as_ref().and_then(|grace| grace.expiry) {
        if let Some(wanted) = wanted.into() {
            app.engine.may(id, wanted)?;
        }
        tokio::time::sleep(Duration::from_millis(grace).min(LONGEST_GRACE)).await;
    }
    Ok((id, action))
}

/// The end of an action, with the VM that it was about.
pub fn done(id: VmId, action: Action) -> Answer {
    let vm = types::Vm {
        id: Some(id.to_string()),
        href: Some(links::href("/vms/{vm}", &[&id])),
        ..types::Vm::default()
    };
    Ok(Reply::complete(Action { vm: Some(Box::new(vm)), ..action }))
}

/// `POST /vms/{vm}/start`
pub async fn start(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Start).await?;
    if action.use_sysprep == Some(true) && action.use_cloud_init == Some(true) {
        return Err(Fault::new(
            axum::http::StatusCode::CONFLICT,
            "Cannot use sysprep and cloud_init tags simultaneously when running VM.",
            "[Cannot use sysprep and cloud_init tags simultaneously when running VM.]",
        ));
    }
    if let Some(placement) = action.vm.as_deref().and_then(|vm| vm.placement_policy.as_ref()) {
        // There is one host; another one is refused.
        if machine::hosts(&app, placement)?.is_some_and(|hosts| !hosts.is_empty()) {
            access::require(&app, &request, 15, id)?;
        }
    }
    if action.vm.as_deref().is_some_and(|vm| vm.custom_properties.is_some()) {
        access::require(&app, &request, 14, id)?;
    }
    let options = StartOptions {
        pause: action.pause.unwrap_or(false),
        once: action.vm.as_deref().map(run_once).transpose()?.flatten(),
        sysprep: action.use_sysprep,
        cloud_init: action.use_cloud_init,
        initialization: initialization(&app, id, action.vm.as_deref())?,
        by_pool: false,
    };
    let lasts = options.once.as_ref().is_some_and(|once| once.stateless == Some(false));
    if lasts && app.engine.world().pool_of(id).is_some() {
        // What is written into a VM of a pool is there for whoever has it next.
        access::require(&app, &request, access::EDIT, id)?;
    }
    app.engine.start_vm(id, options).await?;
    done(id, action)
}

/// What the guest of this run is told: the document's words over the VM's own.
fn initialization(app: &App, id: VmId, vm: Option<&types::Vm>) -> Result<Option<Initialization>, Error> {
    let Some(given) = vm.and_then(|vm| vm.initialization.as_ref()) else { return Ok(None) };
    let mut wanted = app.engine.vm(id)?.vm.spec.initialization.unwrap_or_default();
    convert::change_initialization(given, &mut wanted)?;
    Ok(Some(*wanted))
}

/// The overrides of a start; `None` when the document has none, as when it only mentions the VM.
fn run_once(vm: &types::Vm) -> Result<Option<RunOnce>, Error> {
    let os = vm.os.as_ref();
    let display = vm.display.clone().unwrap_or_default();
    let mut keyboard_layout = None;
    convert::set_keyboard_layout(&display.keyboard_layout, &mut keyboard_layout)?;
    let cdrom =
        vm.cdroms.as_ref().and_then(|cdroms| cdroms.cdrom.first()).and_then(|cdrom| cdrom.file.as_ref());
    let floppy = vm.floppies.as_ref().and_then(|floppies| floppies.floppy.first());
    let floppy = floppy.and_then(|floppy| floppy.file.as_ref());
    let shares = vm.cpu_shares.map(u32::try_from).transpose();
    let once = RunOnce {
        stateless: vm.stateless,
        boot: os.map(convert::boot_devices).transpose()?.flatten(),
        kernel: os.and_then(|os| os.kernel.clone()),
        initrd: os.and_then(|os| os.initrd.clone()),
        cmdline: os.and_then(|os| os.cmdline.clone()),
        display: display.r#type.as_deref().map(named).transpose()?,
        keyboard_layout,
        cdrom: cdrom.map(|file| file.id.clone().unwrap_or_default()),
        floppy: floppy.map(|file| file.id.clone().unwrap_or_default()),
        boot_menu: vm.bios.as_ref().and_then(|bios| bios.boot_menu.as_ref()).and_then(|menu| menu.enabled),
        custom_properties: vm.custom_properties.as_ref().map(convert::custom_properties),
        cpu_model: vm.custom_cpu_model.clone(),
        machine: vm.custom_emulated_machine.clone(),
        cpu_shares: shares.map_err(|_| Error::new(Kind::Value, "cpu_shares is negative."))?,
    };
    Ok((once != RunOnce::default()).then_some(once))
}

/// `POST /vms/{vm}/stop`
pub async fn stop(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Stop).await?;
    let reason = reason_of(&app, id, &action)?;
    app.engine.stop_vm(id).await?;
    keep_reason(&app, id, reason).await?;
    done(id, action)
}

/// `POST /vms/{vm}/shutdown`
pub async fn shutdown(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Shutdown).await?;
    let reason = reason_of(&app, id, &action)?;
    app.engine.shutdown_vm(id).await?;
    keep_reason(&app, id, reason).await?;
    done(id, action)
}

/// Why somebody stops a VM that is not down yet.
fn reason_of(app: &App, id: VmId, action: &Action) -> Result<Option<String>, Error> {
    let reason = filled(&action.reason).map(str::to_owned);
    check_text("reason", reason.as_deref().unwrap_or_default(), 4000).map_err(Error::invalid)?;
    Ok(reason.filter(|_| app.engine.status(id) != VmStatus::Down))
}

async fn keep_reason(app: &App, id: VmId, reason: Option<String>) -> Result<(), Error> {
    match reason {
        Some(reason) => app.engine.note_stop_reason(id, reason).await,
        None => Ok(()),
    }
}

/// `POST /vms/{vm}/reboot`
pub async fn reboot(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Reboot).await?;
    app.engine.reboot_vm(id).await?;
    done(id, action)
}

/// `POST /vms/{vm}/suspend`
pub async fn suspend(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Suspend).await?;
    let started = app.engine.suspend_vm(id).await?;
    let (href, parent) = (links::href("/vms/{vm}/suspend", &[&id]), links::href("/vms/{vm}", &[&id]));
    runs_on(started, action, href, parent).await
}

/// An action that runs on: answered at once, unless its body wants to wait for the end.
pub async fn runs_on<T>(started: Started<T>, action: Action, href: String, parent: String) -> Answer {
    if action.r#async == Some(false) {
        started.finished().await?;
        return Ok(Reply::complete(action));
    }
    let job = started.job;
    Ok(Reply::pending(Action {
        id: Some(job.to_string()),
        href: Some(format!("{href}/{job}")),
        link: vec![Link::new("parent", parent), Link::new("replay", href.clone())],
        r#async: Some(true),
        ..action
    }))
}

/// The answer to a creation that runs on: with its state at once, or at its end where the client waits.
pub async fn made<V, T: Resource + Send + 'static>(
    started: Started<V>,
    waits: bool,
    shown: impl Fn() -> Result<T, Fault>,
) -> Answer {
    let job = started.job;
    if waits {
        started.finished().await?;
        return Ok(Reply::created(shown()?));
    }
    Ok(Reply::accepted(shown()?.in_the_making(job)))
}

/// `POST /vms/{vm}/clone`
pub async fn clone(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Clone).await?;
    let asked = action.vm.clone().unwrap_or_default();
    require("Action", "clone", &[("vm.name", filled(&asked.name).is_some())])?;
    let (cluster, source) = (app.engine.vm(id)?.vm.cluster, Source::Vm(id));
    let mut spec = app.engine.spec_of(source)?;
    super::machine::change(&app, &asked, &mut spec)?;
    let disks = super::disks::copies(&app, asked.disks.as_ref(), action.storage_domain.as_ref())?;
    let started = super::vms::create(
        &app,
        &request,
        NewVm { cluster, source, spec, disks, grants_of: None, pool: None },
    )
    .await?;
    let made = types::Vm {
        id: Some(started.value.to_string()),
        href: Some(links::href("/vms/{vm}", &[&started.value])),
        name: asked.name,
        ..types::Vm::default()
    };
    let action = Action { vm: Some(Box::new(made)), ..action };
    let (href, parent) = (links::href("/vms/{vm}/clone", &[&id]), links::href("/vms/{vm}", &[&id]));
    runs_on(started, action, href, parent).await
}

/// `POST /vms/{vm}/ticket`
pub async fn ticket(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Ticket).await?;
    let asked = action.ticket.clone().unwrap_or_default();
    let set = app.engine.ticket(id, request.user.id, asked.value, asked.expiry.map(u64::from)).await?;
    let ticket = types::Ticket { value: Some(set.value), expiry: u32::try_from(set.expiry).ok() };
    done(id, Action { ticket: Some(ticket), ..action })
}

/// `POST /vms/{vm}/migrate`: there is one host, and nowhere to go.
pub async fn migrate(app: Arc<App>, request: Request) -> Answer {
    let (id, _) = begin(&app, &request, None).await?;
    Err(Error::conflict(match app.engine.status(id).runs() {
        true => "Cannot migrate VM. There is no host that satisfies current scheduling constraints.",
        false => "Cannot migrate VM. The VM is not running.",
    })
    .into())
}

/// `POST /vms/{vm}/cancelmigration`: nothing migrates from the only host.
pub async fn cancel_migration(app: Arc<App>, request: Request) -> Answer {
    begin(&app, &request, None).await?;
    Err(Error::conflict("Cannot cancel migration for non migrating VM.").into())
}

/// `POST /vms/{vm}/maintenance`: is for the VM in which an engine runs.
pub async fn maintenance(app: Arc<App>, request: Request) -> Answer {
    let (_, action) = begin(&app, &request, None).await?;
    require("Action", "maintenance", &[("maintenance_enabled", action.maintenance_enabled.is_some())])?;
    Err(Error::invalid(
        "Moving to maintenance mode is currently only available for the VM containing the hosted engine.",
    )
    .into())
}

/// `POST /vms/{vm}/freezefilesystems`
pub async fn freeze(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Freeze).await?;
    app.engine.freeze_or_thaw(id, AgentCall::Freeze).await?;
    done(id, action)
}

/// `POST /vms/{vm}/thawfilesystems`
pub async fn thaw(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Freeze).await?;
    app.engine.freeze_or_thaw(id, AgentCall::Thaw).await?;
    done(id, action)
}

/// `POST /vms/{vm}/reordermacaddresses`
pub async fn reorder_mac_addresses(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::ReorderMacs).await?;
    app.engine.reorder_mac_addresses(id).await?;
    done(id, action)
}

/// `POST /vms/{vm}/logon`
pub async fn logon(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, Move::Logon).await?;
    app.engine.logon(id)?;
    done(id, action)
}

/// `POST /vms/{vm}/detach`
pub async fn detach(app: Arc<App>, request: Request) -> Answer {
    let (id, action) = begin(&app, &request, None).await?;
    app.engine.detach_from_pool(id).await?;
    done(id, action)
}

/// `GET .../{action}/{operation}`: how far an action is. Jobs that nobody remembers are complete.
pub async fn progress(app: Arc<App>, request: Request) -> Answer {
    let operation = request.text("operation");
    let (status, fault) = outcome(&app, operation);
    Ok(Reply::ok(Action {
        id: Some(operation.to_owned()),
        href: Some(request.href.clone()),
        status: Some(status.into()),
        fault,
        ..Action::default()
    }))
}

/// `GET .../creation_status/{job}`: how far a creation is.
pub async fn creation(app: Arc<App>, request: Request) -> Answer {
    let job = request.text("job");
    let (status, fault) = outcome(&app, job);
    Ok(Reply::ok(Creation {
        id: Some(job.to_owned()),
        href: Some(request.href.clone()),
        status: Some(status.into()),
        fault,
        ..Creation::default()
    }))
}

fn outcome(app: &App, job: &str) -> (&'static str, Option<types::Fault>) {
    // The id may be a list, of which the last is the slowest.
    let job = job.rsplit(',').next().and_then(|text| text.parse().ok());
    match job.map_or(JobState::Complete, |job| app.engine.jobs.state(job)) {
        JobState::InProgress => ("in_progress", None),
        JobState::Complete => ("complete", None),
        JobState::Failed(why) => ("failed", Some(Fault::from(why).document())),
    }
}
