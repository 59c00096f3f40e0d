//! `/storagedomains/{domain}/disksnapshots`: the images there that snapshots keep.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::{access, snapshots, storage_domains};
use crate::error::Error;
use crate::model::*;
use crate::wire::convert;
use crate::wire::types::{self, Action};
use std::sync::Arc;

/// The permit that changing a VM's snapshots asks for.
const MANIPULATE_SNAPSHOTS: u16 = 12;

/// The images of the domain that the user may see, those of one VM together and the oldest first.
fn images(app: &App, request: &Request) -> Result<Vec<(Snapshot, SavedDisk)>, Fault> {
    let domain = storage_domains::of_kind(app, request, StorageKind::Data)?.id;
    let mut all: Vec<Snapshot> = app.engine.world().snapshots.values().cloned().collect();
    all.sort_by_key(|snapshot| (snapshot.vm, snapshot.date, snapshot.id));
    let there = |saved: &&SavedDisk| {
        saved.disk.storage_domain == domain && access::shows(app, request, saved.disk.id)
    };
    let of = |snapshot: Snapshot| -> Vec<(Snapshot, SavedDisk)> {
        snapshot.disks.iter().filter(there).map(|saved| (snapshot.clone(), saved.clone())).collect()
    };
    Ok(all.into_iter().flat_map(of).collect())
}

fn image(app: &App, request: &Request) -> Result<(Snapshot, SavedDisk), Fault> {
    let id: ImageId = request.id("disk_snapshot")?;
    let found = images(app, request)?.into_iter().find(|(_, saved)| saved.disk.image == id);
    Ok(found.ok_or_else(|| Error::not_found(id))?)
}

fn document(app: &App, (snapshot, saved): &(Snapshot, SavedDisk)) -> types::DiskSnapshot {
    convert::disk_snapshot(snapshot, saved, app.engine.image_size(&saved.disk))
}

/// `GET /storagedomains/{domain}/disksnapshots`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut found = images(&app, &request)?;
    found.truncate(request.max.unwrap_or(usize::MAX));
    let disk_snapshot = found.iter().map(|image| document(&app, image)).collect();
    Ok(Reply::ok(types::DiskSnapshots { disk_snapshot, ..Default::default() }))
}

/// `GET /storagedomains/{domain}/disksnapshots/{disk_snapshot}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&app, &image(&app, &request)?)))
}

/// `DELETE /storagedomains/{domain}/disksnapshots/{disk_snapshot}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let (snapshot, saved) = image(&app, &request)?;
    access::require(&app, &request, MANIPULATE_SNAPSHOTS, snapshot.vm)?;
    request.optional::<Action>().await?;
    let started = app.engine.remove_disk_snapshot(snapshot.vm, snapshot.id, saved.disk.id).await?;
    snapshots::removed(&request, started).await
}
