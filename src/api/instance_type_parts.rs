//! What an instance type has: network interfaces, a watchdog and graphics consoles of its VMs.

use super::app::App;
use super::fault::Fault;
use super::instance_types::addressed;
use super::lookup;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::engine::{add_console, remove_console};
use crate::error::Error;
use crate::model::vm::Protocol;
use crate::model::*;
use crate::wire::convert::{self, named};
use crate::wire::types::{self, Action};
use crate::wire::{filled, require};
use std::sync::Arc;
use uuid::Uuid;

fn nic_of(it: &InstanceType, id: NicId) -> Result<Nic, Error> {
    it.nics.iter().find(|nic| nic.id == id).cloned().ok_or_else(|| Error::not_found(id))
}

/// `GET /instancetypes/{instance_type}/nics`
pub async fn list_nics(app: Arc<App>, request: Request) -> Answer {
    let it = addressed(&app, &request)?;
    let nics = it.nics.iter().take(request.max.unwrap_or(usize::MAX));
    let nic = nics.map(|nic| convert::instance_type_nic(it.id, nic)).collect();
    Ok(Reply::ok(types::Nics { nic, ..Default::default() }))
}

/// `GET /instancetypes/{instance_type}/nics/{nic}`
pub async fn show_nic(app: Arc<App>, request: Request) -> Answer {
    let it = addressed(&app, &request)?;
    Ok(Reply::ok(convert::instance_type_nic(it.id, &nic_of(&it, request.id("nic")?)?)))
}

/// Where the document says that the interface leads.
fn lead(app: &App, asked: &types::Nic, nic: &mut Nic) -> Result<(), Error> {
    if let Some(named) = &asked.vnic_profile {
        nic.profile = match convert::is_named(named) {
            true => Some(lookup::vnic_profile(app, named)?),
            false => None,
        };
        let world = app.engine.world();
        nic.network = nic.profile.and_then(|id| world.vnic_profiles.get(&id)).map(|profile| profile.network);
    } else if let Some(named) = &asked.network {
        nic.profile = None;
        nic.network = match convert::is_named(named) {
            true => Some(lookup::any_network(app, named)?),
            false => None,
        };
    }
    Ok(())
}

/// `POST /instancetypes/{instance_type}/nics`
pub async fn add_nic(app: Arc<App>, request: Request) -> Answer {
    let owner = addressed(&app, &request)?.id;
    let asked: types::Nic = request.document().await?;
    require("NIC", "add", &[("name", filled(&asked.name).is_some())])?;
    let mut nic = InstanceType::new_nic(owner);
    convert::change_instance_type_nic(&asked, &mut nic)?;
    lead(&app, &asked, &mut nic)?;
    let document = convert::instance_type_nic(owner, &nic);
    app.engine
        .update_instance_type(owner, |it| {
            it.nics.push(nic);
            Ok(())
        })
        .await?;
    Ok(Reply::created(document))
}

/// `PUT /instancetypes/{instance_type}/nics/{nic}`
pub async fn update_nic(app: Arc<App>, request: Request) -> Answer {
    let it = addressed(&app, &request)?;
    let mut nic = nic_of(&it, request.id("nic")?)?;
    let asked: types::Nic = request.document().await?;
    lookup::same_id(asked.id.as_deref(), nic.id)?;
    convert::change_instance_type_nic(&asked, &mut nic)?;
    lead(&app, &asked, &mut nic)?;
    let document = convert::instance_type_nic(it.id, &nic);
    app.engine
        .update_instance_type(it.id, |it| {
            let there = it.nics.iter_mut().find(|other| other.id == nic.id);
            *there.ok_or_else(|| Error::not_found("network interface"))? = nic;
            Ok(())
        })
        .await?;
    Ok(Reply::ok(document))
}

/// `DELETE /instancetypes/{instance_type}/nics/{nic}`
pub async fn remove_nic(app: Arc<App>, request: Request) -> Answer {
    let it = addressed(&app, &request)?;
    let id = nic_of(&it, request.id("nic")?)?.id;
    request.optional::<Action>().await?;
    let without = |it: &mut InstanceType| {
        it.nics.retain(|nic| nic.id != id);
        Ok(())
    };
    app.engine.update_instance_type(it.id, without).await?;
    Ok(Reply::no_content())
}

/// `GET /instancetypes/{instance_type}/watchdogs`
pub async fn list_watchdogs(app: Arc<App>, request: Request) -> Answer {
    let it = addressed(&app, &request)?;
    let watchdog = it.spec.watchdog.map(|row| convert::instance_type_watchdog(it.id, row));
    Ok(Reply::ok(types::Watchdogs { watchdog: watchdog.into_iter().collect(), ..Default::default() }))
}

/// The watchdog's document: at most one, whatever id a client has for it.
fn watchdog(app: &App, request: &Request) -> Result<types::Watchdog, Fault> {
    let (it, id) = (addressed(app, request)?, request.id::<Uuid>("watchdog")?);
    let row = it.spec.watchdog.ok_or_else(|| Error::not_found(id))?;
    Ok(convert::instance_type_watchdog(it.id, row))
}

/// `GET /instancetypes/{instance_type}/watchdogs/{watchdog}`
pub async fn show_watchdog(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(watchdog(&app, &request)?))
}

/// `POST /instancetypes/{instance_type}/watchdogs`
pub async fn add_watchdog(app: Arc<App>, request: Request) -> Answer {
    let owner = addressed(&app, &request)?.id;
    let asked: types::Watchdog = request.document().await?;
    let made = convert::change_watchdog(&asked, None, "add")?;
    let add = |it: &mut InstanceType| match it.spec.watchdog.replace(made) {
        None => Ok(()),
        Some(_) => Err(Error::conflict("Cannot add a watchdog. The instance type has one already.")),
    };
    app.engine.update_instance_type(owner, add).await?;
    Ok(Reply::created(convert::instance_type_watchdog(owner, made)))
}

/// `PUT /instancetypes/{instance_type}/watchdogs/{watchdog}`
pub async fn update_watchdog(app: Arc<App>, request: Request) -> Answer {
    let owner = addressed(&app, &request)?.id;
    watchdog(&app, &request)?;
    let asked: types::Watchdog = request.document().await?;
    let change = |it: &mut InstanceType| {
        it.spec.watchdog = Some(convert::change_watchdog(&asked, it.spec.watchdog, "update")?);
        Ok(())
    };
    app.engine.update_instance_type(owner, change).await?;
    Ok(Reply::ok(watchdog(&app, &request)?))
}

/// `DELETE /instancetypes/{instance_type}/watchdogs/{watchdog}`
pub async fn remove_watchdog(app: Arc<App>, request: Request) -> Answer {
    let owner = addressed(&app, &request)?.id;
    watchdog(&app, &request)?;
    request.optional::<Action>().await?;
    let without = |it: &mut InstanceType| {
        it.spec.watchdog = None;
        Ok(())
    };
    app.engine.update_instance_type(owner, without).await?;
    Ok(Reply::no_content())
}

fn consoles(it: &InstanceType) -> Vec<Protocol> {
    let has = |protocol: &Protocol| it.spec.display.as_ref().is_some_and(|display| display.has(*protocol));
    Protocol::ALL.into_iter().filter(has).collect()
}

/// `GET /instancetypes/{instance_type}/graphicsconsoles`
pub async fn list_consoles(app: Arc<App>, request: Request) -> Answer {
    let it = addressed(&app, &request)?;
    let there = consoles(&it).into_iter().take(request.max.unwrap_or(usize::MAX));
    let graphics_console = there.map(|protocol| convert::instance_type_console(it.id, protocol)).collect();
    Ok(Reply::ok(types::GraphicsConsoles { graphics_console, ..Default::default() }))
}

/// The instance type and the console of the path, which is there.
fn console(app: &App, request: &Request) -> Result<(InstanceTypeId, Protocol), Fault> {
    let it = addressed(app, request)?;
    let id = request.text("console");
    let protocol = convert::console_protocol(id)?;
    match consoles(&it).contains(&protocol) {
        true => Ok((it.id, protocol)),
        false => Err(Error::not_found(id).into()),
    }
}

/// `GET /instancetypes/{instance_type}/graphicsconsoles/{console}`
pub async fn show_console(app: Arc<App>, request: Request) -> Answer {
    let (owner, protocol) = console(&app, &request)?;
    Ok(Reply::ok(convert::instance_type_console(owner, protocol)))
}

/// `POST /instancetypes/{instance_type}/graphicsconsoles`
pub async fn create_console(app: Arc<App>, request: Request) -> Answer {
    let owner = addressed(&app, &request)?.id;
    let asked: types::GraphicsConsole = request.document().await?;
    let protocol = filled(&asked.protocol);
    require("GraphicsConsole", "add", &[("protocol", protocol.is_some())])?;
    let protocol = named(protocol.unwrap_or_default())?;
    app.engine.update_instance_type(owner, |it| add_console(&mut it.spec, protocol)).await?;
    Ok(Reply::created(convert::instance_type_console(owner, protocol)))
}

/// `DELETE /instancetypes/{instance_type}/graphicsconsoles/{console}`
pub async fn delete_console(app: Arc<App>, request: Request) -> Answer {
    let (owner, protocol) = console(&app, &request)?;
    request.optional::<Action>().await?;
    app.engine.update_instance_type(owner, |it| remove_console(&mut it.spec, protocol)).await?;
    Ok(Reply::no_content())
}
