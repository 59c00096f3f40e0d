//! `/vms/{vm}/snapshots`: the present state, and those that were kept.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::ovf;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::engine::{NewSnapshot, Restored};
use crate::error::{Error, Kind};
use crate::model::*;
use crate::wire::convert::{self, CDROM};
use crate::wire::types::{self, Action};
use crate::wire::{filled, missing, require};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

const ITEM: &str = "/vms/{vm}/snapshots/{snapshot}";

fn document(
    app: &App,
    snapshot: &Snapshot,
    previous: Option<SnapshotId>,
    all_content: bool,
) -> Result<types::Snapshot, Fault> {
    let row = app.engine.vm(snapshot.vm)?.vm;
    let mut document = convert::snapshot(snapshot, &row, previous);
    document.initialization = all_content.then(|| ovf::of_snapshot(app, &row, snapshot));
    let href = document.href.clone().unwrap_or_default();
    document.actions = links::actions(ITEM, &href);
    document.link.extend(links::collections(ITEM, &href));
    Ok(document)
}

/// All of the VM's: the active one first, then the oldest; those that keep the last ones take the end.
fn documents(app: &App, vm: VmId, all_content: bool) -> Result<Vec<types::Snapshot>, Fault> {
    let kept = app.engine.snapshots(vm)?;
    let view = app.engine.vm(vm)?;
    let busy = kept.iter().any(|snapshot| snapshot.status == SnapshotStatus::Locked);
    let mut active = convert::active_snapshot(&view.vm, kept.last().map(|snapshot| snapshot.id), busy);
    active.actions = links::actions(ITEM, active.href.as_deref().unwrap_or_default());
    active.initialization = if all_content { ovf::of_vm(app, &view) } else { None };
    let mut all = vec![active];
    for (index, snapshot) in kept.iter().enumerate() {
        let previous = index.checked_sub(1).map(|index| kept[index].id);
        all.push(document(app, snapshot, previous, all_content)?);
    }
    Ok(all)
}

fn shown(app: &App, vm: VmId, id: SnapshotId, all_content: bool) -> Result<types::Snapshot, Fault> {
    let name = id.to_string();
    let found =
        documents(app, vm, all_content)?.into_iter().find(|document| document.id.as_deref() == Some(&name));
    Ok(found.ok_or_else(|| Error::not_found(id))?)
}

/// The snapshot of the path, if it keeps anything.
fn kept(app: &App, request: &Request) -> Result<Option<Snapshot>, Fault> {
    let (vm, id): (VmId, SnapshotId) = (request.id("vm")?, request.id("snapshot")?);
    app.engine.vm(vm)?;
    match id == SnapshotId::active(vm) {
        true => Ok(None),
        false => Ok(Some(app.engine.snapshot(vm, id)?)),
    }
}

/// `GET /vms/{vm}/snapshots`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut snapshot = documents(&app, request.id("vm")?, request.all_content)?;
    snapshot.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::Snapshots { snapshot, ..Default::default() }))
}

/// `GET /vms/{vm}/snapshots/{snapshot}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(shown(&app, request.id("vm")?, request.id("snapshot")?, request.all_content)?))
}

/// `POST /vms/{vm}/snapshots`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    let asked: types::Snapshot = request.document().await?;
    require("Snapshot", "add", &[("description", filled(&asked.description).is_some())])?;
    let new = NewSnapshot {
        description: asked.description.unwrap_or_default(),
        memory: asked.persist_memorystate.unwrap_or(false),
        disks: asked.disks.as_ref().map(disk_ids).transpose()?,
    };
    let started = app.engine.create_snapshot(vm, new).await?;
    let id = started.value;
    // Without images there is nothing to wait for.
    let waits = request.expect_created || app.engine.snapshot(vm, id)?.disks.is_empty();
    super::vm_actions::made(started, waits, || shown(&app, vm, id, true)).await
}

fn disk_ids(disks: &types::Disks) -> Result<Vec<DiskId>, Fault> {
    let unknown = |_| Error::invalid("Cannot use Snapshot. A disk is named that the VM does not have.");
    let ids = disks.disk.iter().map(|disk| {
        let id = disk.id.as_deref().ok_or_else(|| missing("Disk", &["id"], "add"))?;
        Ok(convert::parse_id(id, "Disk").map_err(unknown)?)
    });
    ids.collect()
}

/// `DELETE /vms/{vm}/snapshots/{snapshot}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let (vm, id): (VmId, SnapshotId) = (request.id("vm")?, request.id("snapshot")?);
    app.engine.vm(vm)?;
    request.optional::<Action>().await?;
    let started = app.engine.remove_snapshot(vm, id).await?;
    removed(&request, started).await
}

/// A merge takes its time: only who says so waits for it.
pub async fn removed(request: &Request, started: crate::engine::jobs::Started<()>) -> Answer {
    if request.matrix.get("async").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        started.finished().await?;
        return Ok(Reply::no_content());
    }
    Ok(Reply::pending(Action { id: Some(started.job.to_string()), ..Action::default() }))
}

/// `POST /vms/{vm}/snapshots/{snapshot}/restore`
pub async fn restore(app: Arc<App>, request: Request) -> Answer {
    let (vm, id): (VmId, SnapshotId) = (request.id("vm")?, request.id("snapshot")?);
    let action = request.optional::<Action>().await?.unwrap_or_default();
    preview_as(&app, vm, id, &action, true).await?;
    let document = types::Snapshot {
        id: Some(id.to_string()),
        href: Some(links::href(ITEM, &[&vm, &id])),
        ..types::Snapshot::default()
    };
    Ok(Reply::complete(Action { snapshot: Some(Box::new(document)), ..action }))
}

async fn preview_as(app: &App, vm: VmId, id: SnapshotId, action: &Action, commit: bool) -> Result<(), Fault> {
    app.engine.vm(vm)?;
    if id == SnapshotId::active(vm) {
        return Err(Error::conflict("Cannot revert to Snapshot. It is the VM's present state.").into());
    }
    let disks = action.disks.as_ref().filter(|disks| !disks.disk.is_empty());
    let only = disks.map(|disks| restored(app, vm, id, disks)).transpose()?;
    let wanted = Restored { only, memory: action.restore_memory == Some(true) };
    app.engine.preview_snapshot(vm, id, wanted, commit).await.map_err(|why| match why.kind {
        Kind::NotFound => Error::invalid("Cannot revert to Snapshot. VM's Snapshot does not exist.").into(),
        _ => Fault::from(why),
    })
}

/// The named disks with the snapshots whose images they get, but for those whose present image is
/// named: they stay.
fn restored(
    app: &App,
    vm: VmId,
    id: SnapshotId,
    named: &types::Disks,
) -> Result<BTreeMap<DiskId, SnapshotId>, Fault> {
    let ids = disk_ids(named)?;
    let world = app.engine.world();
    let mut restored = BTreeMap::new();
    for (disk, named) in ids.into_iter().zip(&named.disk) {
        let of = named.snapshot.as_ref().and_then(|it| it.id.as_deref());
        let of = of.map(|of| convert::parse_id::<SnapshotId>(of, "Snapshot")).transpose()?;
        let image = named.image_id.as_deref().map(|image| convert::parse_id::<ImageId>(image, "Disk"));
        let of = match image.transpose()? {
            None => of.unwrap_or(id),
            Some(image) if world.disks.get(&disk).is_some_and(|it| it.image == image) => {
                SnapshotId::active(vm)
            }
            Some(image) => {
                let has = |it: &&Snapshot| it.disk(disk).is_some_and(|saved| saved.disk.image == image);
                let found = world.snapshots_of(vm).into_iter().find(has).map(|it| it.id);
                found.filter(|found| of.is_none_or(|of| of == *found)).ok_or_else(|| {
                    Error::invalid(format!(
                        "Cannot revert to Snapshot. It has no image {image} of disk {disk}."
                    ))
                })?
            }
        };
        if of != SnapshotId::active(vm) {
            restored.insert(disk, of);
        }
    }
    Ok(restored)
}

/// `POST /vms/{vm}/preview_snapshot`
pub async fn preview(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    let id = action.snapshot.as_ref().and_then(|snapshot| snapshot.id.as_deref());
    let id = id.ok_or_else(|| missing("Action", &["snapshot.id"], "previewSnapshot"))?;
    let unknown = |_| Error::invalid("Cannot preview Snapshot. VM's Snapshot does not exist.");
    let id: SnapshotId = convert::parse_id(id, "Snapshot").map_err(unknown)?;
    preview_as(&app, vm, id, &action, false).await?;
    acted(vm, action)
}

/// `POST /vms/{vm}/commit_snapshot`
pub async fn commit(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    app.engine.commit_snapshot(vm).await?;
    acted(vm, action)
}

/// `POST /vms/{vm}/undo_snapshot`
pub async fn undo(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    app.engine.undo_snapshot(vm).await?;
    acted(vm, action)
}

fn acted(vm: VmId, action: Action) -> Answer {
    let document = types::Vm {
        id: Some(vm.to_string()),
        href: Some(links::href("/vms/{vm}", &[&vm])),
        ..types::Vm::default()
    };
    Ok(Reply::complete(Action { vm: Some(Box::new(document)), ..action }))
}

fn disk(app: &App, snapshot: &Snapshot, saved: &SavedDisk) -> types::Disk {
    convert::saved_disk(snapshot, saved, app.engine.image_size(&saved.disk))
}

/// `GET /vms/{vm}/snapshots/{snapshot}/disks`
pub async fn list_disks(app: Arc<App>, request: Request) -> Answer {
    let disk = kept(&app, &request)?
        .map(|snapshot| snapshot.disks.iter().map(|saved| disk(&app, &snapshot, saved)).collect());
    Ok(Reply::ok(types::Disks { disk: disk.unwrap_or_default(), ..Default::default() }))
}

/// `GET /vms/{vm}/snapshots/{snapshot}/disks/{disk}`
pub async fn show_disk(app: Arc<App>, request: Request) -> Answer {
    let id: DiskId = request.id("disk")?;
    let snapshot = kept(&app, &request)?.ok_or_else(|| Error::not_found(id))?;
    let saved = snapshot.disk(id).ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::ok(disk(&app, &snapshot, saved)))
}

/// `DELETE /vms/{vm}/snapshots/{snapshot}/disks/{disk}`
pub async fn remove_disk(app: Arc<App>, request: Request) -> Answer {
    let id: DiskId = request.id("disk")?;
    let snapshot = kept(&app, &request)?.ok_or_else(|| Error::not_found(id))?;
    request.optional::<Action>().await?;
    snapshot.disk(id).ok_or_else(|| Error::not_found(id))?;
    let started = app.engine.remove_disk_snapshot(snapshot.vm, snapshot.id, id).await?;
    removed(&request, started).await
}

/// `GET /vms/{vm}/snapshots/{snapshot}/nics`
pub async fn list_nics(app: Arc<App>, request: Request) -> Answer {
    let nic = kept(&app, &request)?
        .map(|snapshot| snapshot.nics.iter().map(|nic| convert::saved_nic(&snapshot, nic)).collect());
    Ok(Reply::ok(types::Nics { nic: nic.unwrap_or_default(), ..Default::default() }))
}

/// `GET /vms/{vm}/snapshots/{snapshot}/nics/{nic}`
pub async fn show_nic(app: Arc<App>, request: Request) -> Answer {
    let id: NicId = request.id("nic")?;
    let snapshot = kept(&app, &request)?.ok_or_else(|| Error::not_found(id))?;
    let saved = snapshot.nics.iter().find(|nic| nic.id == id).ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::ok(convert::saved_nic(&snapshot, saved)))
}

/// `GET /vms/{vm}/snapshots/{snapshot}/cdroms`
pub async fn list_cdroms(app: Arc<App>, request: Request) -> Answer {
    let cdrom = kept(&app, &request)?.iter().map(convert::saved_cdrom).collect();
    Ok(Reply::ok(types::Cdroms { cdrom, ..Default::default() }))
}

/// `GET /vms/{vm}/snapshots/{snapshot}/cdroms/{cdrom}`
pub async fn show_cdrom(app: Arc<App>, request: Request) -> Answer {
    let id: Uuid = request.id("cdrom")?;
    let snapshot = kept(&app, &request)?.filter(|_| id == CDROM).ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::ok(convert::saved_cdrom(&snapshot)))
}
