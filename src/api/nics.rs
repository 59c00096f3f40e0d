//! The network interfaces of a VM.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::{access, links, lookup, reported_devices, statistics};
use crate::engine::NicChange;
use crate::model::*;
use crate::wire::convert::{self, NicRequest};
use crate::wire::types::{self, Action};
use crate::wire::{filled, require};
use axum::http::StatusCode;
use std::sync::Arc;

const ITEM: &str = "/vms/{vm}/nics/{nic}";
/// The permit to put interfaces on a network.
pub const USE: u16 = 9;

/// An interface as lists have it; its statistics join it by `detail`.
fn document(app: &App, nic: &Nic, request: &Request, with_statistics: bool) -> Result<types::Nic, Fault> {
    let mut document = convert::nic(nic, &app.engine.mirrored(nic));
    let href = document.href.clone().unwrap_or_default();
    document.actions = links::actions(ITEM, &href);
    document.link = links::collections(ITEM, &href);
    // Reachable, but clients of version 3 know one link only.
    document.link.retain(|link| link.rel.as_deref() != Some("reporteddevices"));
    document.statistics = with_statistics.then(|| statistics::of_nic(app, nic));
    if request.all_content {
        let list = format!("{href}/reporteddevices");
        document.reported_devices =
            Some(reported_devices::of(app, nic.vm, Some(&nic.mac.to_string()), &list)?);
    }
    Ok(document)
}

/// The interfaces of a VM, as its sub-collection has them.
pub fn of_vm(app: &App, vm: VmId, request: &Request) -> Result<types::Nics, Fault> {
    let nics = app.engine.nics(vm)?;
    let nics = nics.iter().take(request.max.unwrap_or(usize::MAX));
    let documents = nics.map(|nic| document(app, nic, request, request.detail.has("statistics")));
    Ok(types::Nics { nic: documents.collect::<Result<_, _>>()?, ..Default::default() })
}

fn addressed(app: &App, request: &Request) -> Result<Nic, Fault> {
    let (vm, id): (VmId, NicId) = (request.id("vm")?, request.id("nic")?);
    Ok(app.engine.nic(vm, id)?)
}

/// `GET /vms/{vm}/nics`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(of_vm(&app, request.id("vm")?, &request)?))
}

/// `GET /vms/{vm}/nics/{nic}`: always with its statistics.
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let nic = addressed(&app, &request)?;
    Ok(Reply::ok(document(&app, &nic, &request, true)?))
}

/// `POST /vms/{vm}/nics`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    let cluster = app.engine.vm(vm)?.vm.cluster;
    let asked: types::Nic = request.document().await?;
    require("NIC", "add", &[("name", filled(&asked.name).is_some())])?;
    let change = permitted(&app, &request, None, change(&app, Some(cluster), &asked)?)?;
    let id = app.engine.add_nic(vm, change).await?;
    let document = document(&app, &app.engine.nic(vm, id)?, &request, false)?;
    Ok(Reply::created(document))
}

/// `PUT /vms/{vm}/nics/{nic}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let before = addressed(&app, &request)?;
    let (vm, id) = (before.vm, before.id);
    let asked = request.change_of(&document(&app, &before, &request, false)?).await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    let cluster = app.engine.vm(vm)?.vm.cluster;
    let mut change = change(&app, Some(cluster), &asked)?;
    if let Some(networks) = &mut change.port_mirroring {
        // Clients send back what they were shown: what comes by the profile is not asked for.
        let shown = app.engine.mirrored(&before);
        networks.retain(|network| before.port_mirroring.contains(network) || !shown.contains(network));
    }
    let change = permitted(&app, &request, Some(&before), change)?;
    app.engine.update_nic(vm, id, change).await?;
    Ok(Reply::ok(document(&app, &app.engine.nic(vm, id)?, &request, false)?))
}

/// `DELETE /vms/{vm}/nics/{nic}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let Nic { vm, id, .. } = addressed(&app, &request)?;
    request.optional::<Action>().await?;
    app.engine.remove_nic(vm, id).await?;
    Ok(Reply::no_content())
}

/// `POST /vms/{vm}/nics/{nic}/activate`
pub async fn activate(app: Arc<App>, request: Request) -> Answer {
    plug(&app, &request, true).await
}

/// `POST /vms/{vm}/nics/{nic}/deactivate`
pub async fn deactivate(app: Arc<App>, request: Request) -> Answer {
    plug(&app, &request, false).await
}

async fn plug(app: &App, request: &Request, plugged: bool) -> Answer {
    let Nic { vm, id, .. } = addressed(app, request)?;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    let change = NicChange { plugged: Some(plugged), ..NicChange::default() };
    app.engine.update_nic(vm, id, change).await?;
    Ok(Reply::complete(action))
}

pub fn change(app: &App, cluster: Option<ClusterId>, asked: &types::Nic) -> Result<NicChange, Fault> {
    let NicRequest { name, interface, mac, plugged, linked, boot_protocol, on_boot } = asked.try_into()?;
    let network = asked.network.as_ref().map(|network| match convert::is_named(network) {
        true => lookup::network(app, cluster, network).map(Some),
        false => Ok(None),
    });
    let profile = asked.vnic_profile.as_ref().map(|profile| match convert::is_named(profile) {
        true => lookup::vnic_profile(app, profile).map(Some),
        false => Ok(None),
    });
    Ok(NicChange {
        name,
        network: network.transpose()?,
        profile: profile.transpose()?,
        interface,
        mac,
        plugged,
        linked,
        port_mirroring: asked
            .port_mirroring
            .as_ref()
            .map(|mirroring| mirrored(app, cluster, mirroring))
            .transpose()?,
        boot_protocol,
        on_boot,
    })
}

/// The change, if the user may use the networks that it leads to: the profile that it names, or one
/// of the network's. Who is to see a network's traffic needs to be trusted with its profiles.
pub fn permitted(
    app: &App,
    request: &Request,
    before: Option<&Nic>,
    mut change: NicChange,
) -> Result<NicChange, Fault> {
    let profile = change.profile.flatten().filter(|id| before.is_none_or(|nic| nic.profile != Some(*id)));
    let network = change.network.flatten().filter(|id| before.is_none_or(|nic| nic.network != Some(*id)));
    match (profile, network) {
        (Some(profile), _) => access::require(app, request, USE, profile)?,
        (None, Some(network)) => {
            let profiles: Vec<VnicProfileId> =
                app.engine.world().profiles_of_network(network).iter().map(|row| row.id).collect();
            let usable = profiles.into_iter().find(|id| access::require(app, request, USE, *id).is_ok());
            match usable {
                Some(usable) => change.profile = Some(Some(usable)),
                None => access::require(app, request, USE, network)?,
            }
        }
        (None, None) => {}
    }
    let seen_before = |id: &NetworkId| before.is_some_and(|nic| nic.port_mirroring.contains(id));
    for network in change.port_mirroring.iter().flatten().filter(|id| !seen_before(id)) {
        access::require(app, request, 1203, *network)?;
    }
    Ok(change)
}

/// The networks whose traffic the interface is to see.
fn mirrored(
    app: &App,
    cluster: Option<ClusterId>,
    mirroring: &types::PortMirroring,
) -> Result<Vec<NetworkId>, Fault> {
    let mut found: Vec<NetworkId> = Vec::new();
    for network in mirroring.networks.iter().flat_map(|networks| &networks.network) {
        if !convert::is_named(network) {
            // Clients show the detail, and know this sentence as the reason.
            let said = "Network must have name or id property for port mirroring";
            return Err(Fault::new(StatusCode::BAD_REQUEST, said, format!("[{said}]")));
        }
        let network = lookup::network(app, cluster, network)?;
        if !found.contains(&network) {
            found.push(network);
        }
    }
    Ok(found)
}

/// `GET /vms/{vm}/nics/{nic}/statistics`
pub async fn list_statistics(app: Arc<App>, request: Request) -> Answer {
    let nic = addressed(&app, &request)?;
    statistics::all(statistics::of_nic(&app, &nic), &request)
}

/// `GET /vms/{vm}/nics/{nic}/statistics/{statistic}`
pub async fn show_statistic(app: Arc<App>, request: Request) -> Answer {
    let nic = addressed(&app, &request)?;
    statistics::one(statistics::of_nic(&app, &nic), &request)
}
