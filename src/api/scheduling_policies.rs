//! `/schedulingpolicies`: with one host there is nothing to choose between, and one policy: none.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::wire::types::{Balances, Filters, SchedulingPolicies, SchedulingPolicy, Weights};
use std::sync::Arc;
use uuid::{Uuid, uuid};

/// As version 3 knows it everywhere.
pub const NONE: Uuid = uuid!("b4ed2332-a7ac-4d5f-9596-99a439cb2812");

const ITEM: &str = "/schedulingpolicies/{policy}";

fn document() -> SchedulingPolicy {
    let href = links::href(ITEM, &[&NONE]);
    SchedulingPolicy {
        link: links::collections(ITEM, &href),
        href: Some(href),
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
    addressed(&request)?;
    Ok(Reply::ok(document()))
}

fn addressed(request: &Request) -> Result<(), Fault> {
    let id: Uuid = request.id("policy")?;
    if id == NONE { Ok(()) } else { Err(Error::not_found(id).into()) }
}

/// `GET /schedulingpolicies/{policy}/balances`
pub async fn balances(_: Arc<App>, request: Request) -> Answer {
    addressed(&request)?;
    Ok(Reply::ok(Balances::default()))
}

/// `GET /schedulingpolicies/{policy}/filters`
pub async fn filters(_: Arc<App>, request: Request) -> Answer {
    addressed(&request)?;
    Ok(Reply::ok(Filters::default()))
}

/// `GET /schedulingpolicies/{policy}/weights`
pub async fn weights(_: Arc<App>, request: Request) -> Answer {
    addressed(&request)?;
    Ok(Reply::ok(Weights::default()))
}
