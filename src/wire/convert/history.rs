//! Events, jobs and steps as documents.

use super::{API, Named, reference};
use crate::model::*;
use crate::wire::types::{self, Ref};
use std::fmt::Display;

/// A reference to what an event is about: with an address as long as it is there.
fn subject<I: Copy + Display>(
    collection: &str,
    subject: &Option<Subject<I>>,
    there: impl Fn(I) -> bool,
) -> Option<Ref> {
    let id = subject.as_ref()?.id;
    Some(if there(id) { reference(collection, id) } else { Ref::bare(id) })
}

/// `vm`, `template`, `user` say whether those are still there; places do not go.
pub fn event(
    it: &Event,
    vm: impl Fn(VmId) -> bool,
    template: impl Fn(TemplateId) -> bool,
    user: impl Fn(UserId) -> bool,
) -> types::Event {
    types::Event {
        href: reference("events", it.id).href,
        id: Some(it.id.to_string()),
        description: Some(it.text.clone()),
        code: Some(it.code),
        severity: Some(it.severity.name().into()),
        time: Some(it.time.into()),
        correlation_id: it.correlation.clone(),
        user: subject("users", &it.user, user),
        vm: subject("vms", &it.about.vm, vm),
        storage_domain: subject("storagedomains", &it.about.storage_domain, |_| true),
        host: subject("hosts", &it.about.host, |_| true),
        template: subject("templates", &it.about.template, template),
        cluster: subject("clusters", &it.about.cluster, |_| true),
        data_center: subject("datacenters", &it.about.data_center, |_| true),
        origin: Some(it.origin.clone()),
        custom_id: it.custom_id,
        flood_rate: it.flood_rate,
        custom_data: it.custom_data.clone(),
        ..Default::default()
    }
}

pub fn job(it: &Job, user: impl Fn(UserId) -> bool) -> types::Job {
    types::Job {
        href: reference("jobs", it.id).href,
        id: Some(it.id.to_string()),
        description: Some(it.description.clone()),
        status: Some(it.status.name().into()),
        owner: subject("users", &it.owner, user),
        start_time: Some(it.started.into()),
        end_time: it.ended.map(Into::into),
        last_updated: Some(it.updated.into()),
        external: Some(it.external),
        auto_cleared: Some(it.auto_cleared),
        ..Default::default()
    }
}

pub fn step(it: &Step, job: JobId) -> types::Step {
    let steps = format!("{API}/jobs/{job}/steps");
    types::Step {
        href: Some(format!("{steps}/{}", it.id)),
        id: Some(it.id.to_string()),
        description: Some(match it.progress.filter(|_| it.status == JobStatus::Started) {
            // Version 3 has no element for it.
            Some(percent) => format!("{}: {percent} %", it.description),
            None => it.description.clone(),
        }),
        parent_step: it.parent.map(|parent| Ref::at(format!("{steps}/{parent}"), parent)),
        job: Some(reference("jobs", job)),
        r#type: Some(it.kind.name().into()),
        number: Some(it.number),
        status: Some(it.status.name().into()),
        start_time: Some(it.started.into()),
        end_time: it.ended.map(Into::into),
        external: Some(it.external),
        ..Default::default()
    }
}
