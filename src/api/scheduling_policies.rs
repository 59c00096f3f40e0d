//! `/schedulingpolicies`: with one host there is nothing to choose between, and one policy: none.

use super::app::App;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::wire::types::{SchedulingPolicies, SchedulingPolicy};
use std::sync::Arc;
use uuid::{Uuid, uuid};

/// As version 3 knows it everywhere.
pub const NONE: Uuid = uuid!("b4ed2332-a7ac-4d5f-9596-99a439cb2812");

fn document() -> SchedulingPolicy {
    SchedulingPolicy {
        href: Some(links::href("/schedulingpolicies/{policy}", &[&NONE])),
        id: Some(NONE.to_string()),
        name: Some("none".into()),
        locked: Some(true),
        default_policy: Some(true),
        ..Default::default()
    }
}

/// `GET /schedulingpolicies`
pub async fn list(_: Arc<App>, request: Request) -> Answer {
    let wanted = request.max.unwrap_or(usize::MAX);
    let scheduling_policy = Some(document()).into_iter().take(wanted).collect();
    Ok(Reply::ok(SchedulingPolicies { scheduling_policy, ..Default::default() }))
}

/// `GET /schedulingpolicies/{policy}`
pub async fn show(_: Arc<App>, request: Request) -> Answer {
    let id: Uuid = request.id("policy")?;
    if id == NONE { Ok(Reply::ok(document())) } else { Err(Error::not_found(id).into()) }
}
