//! `/events`: what happened, the latest first.

use super::access;
use super::app::App;
use super::fault::Fault;
use super::lookup;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use crate::engine::NewEvent;
use crate::error::Error;
use crate::model::{About, Event, Severity, Subject};
use crate::wire::convert::{self, Named, named};
use crate::wire::types::{self, Action, Ref};
use crate::wire::{filled, require};
use std::sync::Arc;

fn document(app: &App, event: &Event) -> types::Event {
    let user = |id| app.engine.world().users.contains_key(&id);
    let template = |id| app.engine.world().has_template(id);
    convert::event(event, |vm| app.engine.knows(vm).is_ok(), template, user)
}

pub const SEVERITIES: &[&str] = &["normal", "warning", "error", "alert"];

impl Searched for Arc<Event> {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "type",
        "severity",
        "message",
        "time",
        "usrname",
        "event_host",
        "event_vm",
        "event_template",
        "event_storage",
        "event_datacenter",
        "event_volume",
        "event_cluster",
        "correlation_id",
        "origin",
        "custom_event_id",
        "deleted",
        "vm",
        "vm.name",
        "vm.status",
        "host.name",
        "user",
        "user.name",
        "user.usrname",
        "storage.name",
        "cluster",
        "cluster.name",
        "template",
        "template.name",
        "host",
        "storage",
        "datacenter",
        "datacenter.name",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[
        ("id", Holds::Number),
        ("type", Holds::Number),
        ("custom_event_id", Holds::Number),
        ("severity", Holds::Words(SEVERITIES)),
        ("time", Holds::Time),
        ("deleted", Holds::Flag),
    ];

    fn field(&self, app: &App, name: &str) -> Option<String> {
        fn called<I>(subject: &Option<Subject<I>>) -> Option<String> {
            subject.as_ref().map(|subject| subject.name.clone())
        }
        match name {
            "id" => Some(self.id.to_string()),
            "type" => Some(self.code.to_string()),
            "severity" => Some(self.severity.name().into()),
            "message" => Some(self.text.clone()),
            "time" => Some(self.time.to_string()),
            "usrname" | "user" | "user.name" | "user.usrname" => called(&self.user),
            "event_host" | "host" | "host.name" => called(&self.about.host),
            "event_vm" | "vm" | "vm.name" => called(&self.about.vm),
            "vm.status" => {
                let vm = app.engine.vm(self.about.vm.as_ref()?.id).ok()?;
                Some(vm.status.name().into())
            }
            "event_template" | "template" | "template.name" => called(&self.about.template),
            "event_storage" | "storage" | "storage.name" => called(&self.about.storage_domain),
            "event_datacenter" | "datacenter" | "datacenter.name" => called(&self.about.data_center),
            "event_cluster" | "cluster" | "cluster.name" => called(&self.about.cluster),
            "correlation_id" => self.correlation.clone(),
            "origin" => Some(self.origin.clone()),
            "custom_event_id" => self.custom_id.map(|id| id.to_string()),
            "deleted" => Some(self.deleted.to_string()),
            _ => None,
        }
    }
}

fn addressed(app: &App, request: &Request) -> Result<Arc<Event>, Fault> {
    let text = request.text("event");
    let event = text.parse().ok().and_then(|id| app.engine.history.event(id));
    let event = event.filter(|event| is_shown(app, request, event));
    event.ok_or_else(|| Error::not_found(text).into())
}

/// Who does not see everything sees the events of its VMs.
fn is_shown(app: &App, request: &Request, event: &Event) -> bool {
    let vm = event.about.vm.as_ref();
    request.sees_everything() || vm.is_some_and(|vm| access::shows(app, request, vm.id))
}

/// `GET /events`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut all = app.engine.history.events();
    all.retain(|event| is_shown(&app, &request, event));
    if let Some(from) = request.from {
        all.retain(|event| event.id > from);
    }
    let event = search::select(&app, &request, all)?.iter().map(|event| document(&app, event)).collect();
    Ok(Reply::ok(types::Events { event, ..Default::default() }))
}

/// `GET /events/{event}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&app, &*addressed(&app, &request)?)))
}

/// `POST /events`: what somebody else reports.
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::Event = request.document().await?;
    require(
        "Event",
        "add",
        &[
            ("description", filled(&asked.description).is_some()),
            ("severity", filled(&asked.severity).is_some()),
            ("origin", filled(&asked.origin).is_some()),
            ("customId", asked.custom_id.is_some()),
        ],
    )?;
    let id = app
        .engine
        .report_event(NewEvent {
            about: about(&app, &asked)?,
            severity: named::<Severity>(asked.severity.as_deref().unwrap_or_default())?,
            text: asked.description.unwrap_or_default(),
            origin: asked.origin.unwrap_or_default(),
            custom_id: asked.custom_id.unwrap_or_default(),
            flood_rate: asked.flood_rate,
            custom_data: asked.custom_data,
        })
        .await?;
    let event = app.engine.history.event(id).ok_or_else(|| Error::bug("a new event is not there"))?;
    let document = document(&app, &event);
    Ok(Reply::created(document))
}

/// What the event is about; all of it must be there.
fn about(app: &App, asked: &types::Event) -> Result<About, Error> {
    fn found<I, T>(
        reference: &Option<Ref>,
        find: impl FnOnce(&Ref) -> Result<I, Error>,
        called: impl FnOnce(&I) -> Option<T>,
    ) -> Result<Option<Subject<I>>, Error>
    where
        T: Into<String>,
    {
        let Some(reference) = reference.as_ref().filter(|_| lookup::is_named(reference)) else {
            return Ok(None);
        };
        let id = find(reference)?;
        let name = called(&id).map(Into::into).unwrap_or_default();
        Ok(Some(Subject { id, name }))
    }
    let engine = &app.engine;
    Ok(About {
        vm: found(
            &asked.vm,
            |it| lookup::vm(app, it),
            |id| engine.vm(*id).ok().map(|view| view.vm.spec.name),
        )?,
        template: found(
            &asked.template,
            |it| lookup::template(app, Some(it)),
            |id| engine.world().template_name(*id).map(str::to_owned),
        )?,
        host: found(
            &asked.host,
            |it| lookup::host(app, it),
            |id| engine.world().hosts.get(id).map(|it| it.name.clone()),
        )?,
        cluster: found(
            &asked.cluster,
            |it| lookup::cluster(app, Some(it)),
            |id| engine.world().clusters.get(id).map(|it| it.name.clone()),
        )?,
        data_center: found(
            &asked.data_center,
            |it| lookup::data_center(app, it),
            |id| engine.world().data_centers.get(id).map(|it| it.name.clone()),
        )?,
        storage_domain: found(
            &asked.storage_domain,
            |it| lookup::storage_domain(app, it),
            |id| engine.world().storage_domains.get(id).map(|it| it.name.clone()),
        )?,
        disk: None,
    })
}

/// `DELETE /events/{event}`: it is shown no longer.
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.hide_event(id).await?;
    Ok(Reply::no_content())
}

/// `POST /events/undelete`
pub async fn undelete(app: Arc<App>, request: Request) -> Answer {
    let action = request.optional::<Action>().await?.unwrap_or_default();
    app.engine.show_hidden_events().await?;
    Ok(Reply::complete(action))
}
