//! `/macpools`: the one pool that interfaces get their addresses from.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::lookup::{self, differs};
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::{Mac, MacRange};
use crate::wire::types::{MacPool, MacPools, Range, Ranges};
use std::sync::Arc;
use uuid::{Uuid, uuid};

/// Every installation has its one pool, and every pool this id.
pub const POOL: Uuid = uuid!("5b8cf3c6-6f0e-4a1d-9a3e-6d0c0f4a17e1");

fn document(app: &App) -> Result<MacPool, Error> {
    let MacRange { from, to } = app.engine.mac_pool()?;
    let upper = |mac: Mac| Some(mac.to_string().to_uppercase());
    Ok(MacPool {
        href: Some(links::href("/macpools/{pool}", &[&POOL])),
        id: Some(POOL.to_string()),
        name: Some("Default".into()),
        description: Some("Default MAC pool".into()),
        allow_duplicates: Some(false),
        default_pool: Some(true),
        ranges: Some(Ranges { range: vec![Range { from: upper(from), to: upper(to) }] }),
        ..Default::default()
    })
}

fn addressed(request: &Request) -> Result<(), Fault> {
    let id: Uuid = request.id("pool")?;
    if id == POOL { Ok(()) } else { Err(Error::not_found(id).into()) }
}

/// `GET /macpools`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let wanted = request.max.unwrap_or(usize::MAX);
    let mac_pool = Some(document(&app)?).into_iter().take(wanted).collect();
    Ok(Reply::ok(MacPools { mac_pool, ..Default::default() }))
}

/// `GET /macpools/{pool}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    addressed(&request)?;
    Ok(Reply::ok(document(&app)?))
}

/// `PUT /macpools/{pool}`: another range. Interfaces that are there keep their addresses.
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    addressed(&request)?;
    let asked: MacPool = request.document().await?;
    lookup::same_id(asked.id.as_deref(), POOL)?;
    let now = document(&app)?;
    let told = |it: &MacPool| [it.name.clone(), it.description.clone()];
    let flags = |it: &MacPool| [it.allow_duplicates, it.default_pool];
    if differs(told(&now), told(&asked)) || differs(flags(&now), flags(&asked)) {
        return Err(Fault::value(
            "The one MAC pool keeps its name and description, and gives no address twice.",
        ));
    }
    if let Some(ranges) = asked.ranges {
        let [range] = ranges.range.as_slice() else {
            return Err(Fault::value("The MAC pool has exactly one range."));
        };
        let end = |text: &Option<String>| -> Result<Mac, Fault> {
            text.as_deref().unwrap_or_default().parse().map_err(Fault::value)
        };
        app.engine.set_mac_pool(MacRange { from: end(&range.from)?, to: end(&range.to)? }).await?;
    }
    Ok(Reply::ok(document(&app)?))
}
