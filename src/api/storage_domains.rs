//! `/storagedomains`, and those of a data center.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Searched};
use super::{disks, links, profiles, rows};
use crate::engine::Space;
use crate::error::Error;
use crate::model::{DataCenterId, Disk, Object, StorageDomain, StorageKind};
use crate::wire::convert::{self, DiskPlace};
use crate::wire::types;
use std::sync::Arc;

const ITEM: &str = "/storagedomains/{domain}";
const ATTACHED: &str = "/datacenters/{data_center}/storagedomains/{domain}";

/// A storage domain as it is right now; no space is known when its folder cannot be looked at.
struct Seen {
    row: StorageDomain,
    space: Option<Space>,
}

impl Seen {
    async fn of(app: &App, row: StorageDomain) -> Self {
        let space = app.engine.space(&row).await.ok();
        Self { row, space }
    }

    fn status(&self) -> &'static str {
        if self.space.is_some() { "active" } else { "inactive" }
    }

    /// What only domains of the other kind have is not linked.
    fn has(&self, collection: &str) -> bool {
        match self.row.kind {
            StorageKind::Data => collection != "files",
            StorageKind::Iso => collection != "disks",
        }
    }

    /// The document; the state of a domain is told where it is attached.
    fn document(&self, data_center: Option<DataCenterId>) -> types::StorageDomain {
        let document = convert::storage_domain(&self.row);
        let (path, href) = match data_center {
            None => (ITEM, document.href.clone().unwrap_or_default()),
            Some(id) => (ATTACHED, links::href(ATTACHED, &[&id, &self.row.id])),
        };
        let mut link = links::collections(path, &href);
        link.retain(|link| link.rel.as_deref().is_some_and(|rel| self.has(rel)));
        types::StorageDomain {
            actions: links::actions(path, &href),
            link,
            href: Some(href),
            data_center: data_center.map(|id| convert::reference("datacenters", id)),
            status: data_center.map(|_| self.status().to_owned()),
            available: self.space.map(|space| space.available),
            used: self.space.map(|space| space.used),
            committed: self.space.map(|space| space.committed),
            ..document
        }
    }
}

impl Searched for Seen {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "id",
        "status",
        "datacenter",
        "type",
        "size",
        "used",
        "committed",
        "comment",
        "description",
        "wipe_after_delete",
    ];

    fn object(&self) -> Option<Object> {
        Some(self.row.id.into())
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        Some(match name {
            "name" => self.row.name.clone(),
            "id" => self.row.id.to_string(),
            "status" => self.status().into(),
            "datacenter" => app.engine.world().data_centers.get(&self.row.data_center)?.name.clone(),
            "type" => convert::storage_domain(&self.row).r#type?,
            "size" => self.space.map(|space| space.available + space.used)?.to_string(),
            "used" => self.space?.used.to_string(),
            "committed" => self.space?.committed.to_string(),
            "description" => self.row.description.clone(),
            "wipe_after_delete" => false.to_string(),
            _ => return None,
        })
    }
}

/// The storage domains that the request asks for: all, or those of a data center.
pub async fn some(app: &App, request: &Request, data_center: Option<DataCenterId>) -> Answer {
    let of = |row: &StorageDomain| data_center.is_none_or(|id| row.data_center == id);
    let all = rows::by_name(&app.engine.world().storage_domains, |row| &row.name, of);
    let mut seen = Vec::with_capacity(all.len());
    for row in all {
        seen.push(Seen::of(app, row).await);
    }
    let found = search::select(app, request, seen)?;
    let storage_domain = found.iter().map(|seen| seen.document(data_center)).collect();
    Ok(Reply::ok(types::StorageDomains { storage_domain, ..Default::default() }))
}

/// The storage domain of the path, if it belongs to that data center.
pub async fn one(app: &App, request: &Request, data_center: Option<DataCenterId>) -> Answer {
    let row = named(app, request)?;
    if data_center.is_some_and(|id| row.data_center != id) {
        return Err(Error::not_found(row.id).into());
    }
    Ok(Reply::ok(Seen::of(app, row).await.document(data_center)))
}

/// The storage domain of the path.
fn named(app: &App, request: &Request) -> Result<StorageDomain, Fault> {
    rows::one(&app.engine.world().storage_domains, request, "domain")
}

/// The same, where only domains of that kind have what the path says.
fn of_kind(app: &App, request: &Request, kind: StorageKind) -> Result<StorageDomain, Fault> {
    let row = named(app, request)?;
    if row.kind == kind { Ok(row) } else { Err(Error::not_found(&request.href).into()) }
}

/// `GET /storagedomains`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    some(&app, &request, None).await
}

/// `GET /storagedomains/{domain}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    one(&app, &request, None).await
}

/// `GET /storagedomains/{domain}/disks`
pub async fn list_disks(app: Arc<App>, request: Request) -> Answer {
    let id = of_kind(&app, &request, StorageKind::Data)?.id;
    let all: Vec<Disk> =
        rows::by_name(&app.engine.world().disks, |row| &row.alias, |row| row.storage_domain == id);
    let found = search::select(&app, &request, all)?;
    let disk = found.iter().map(|row| disks::document(&app, row, DiskPlace::Floating, &request)).collect();
    Ok(Reply::ok(types::Disks { disk, ..Default::default() }))
}

/// `GET /storagedomains/{domain}/disks/{disk}`
pub async fn show_disk(app: Arc<App>, request: Request) -> Answer {
    let id = of_kind(&app, &request, StorageKind::Data)?.id;
    let row = rows::one(&app.engine.world().disks, &request, "disk")?;
    match row.storage_domain == id {
        true => Ok(Reply::ok(disks::document(&app, &row, DiskPlace::Floating, &request))),
        false => Err(Error::not_found(row.id).into()),
    }
}

/// `GET /storagedomains/{domain}/diskprofiles`
pub async fn list_profiles(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    profiles::some_disk(&app, &request, |row| row.storage_domain == id)
}

/// `GET /storagedomains/{domain}/diskprofiles/{profile}`
pub async fn show_profile(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    profiles::one_disk(&app, &request, |row| row.storage_domain == id)
}

/// The files of the ISO domain of the path, by name. What no address can name is left out.
async fn files(app: &App, request: &Request) -> Result<Vec<types::File>, Fault> {
    let row = of_kind(app, request, StorageKind::Iso)?;
    let files = app.engine.files(&row).await?;
    let named = files.iter().filter(|file| !file.name.contains(char::is_control));
    Ok(named.map(|file| convert::file(&file.name, &row)).collect())
}

/// `GET /storagedomains/{domain}/files`
pub async fn list_files(app: Arc<App>, request: Request) -> Answer {
    let mut file = files(&app, &request).await?;
    file.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::Files { file, ..Default::default() }))
}

/// `GET /storagedomains/{domain}/files/{file}`
pub async fn show_file(app: Arc<App>, request: Request) -> Answer {
    let wanted = request.text("file");
    let mut files = files(&app, &request).await?.into_iter();
    let found = files.find(|file| file.id.as_deref() == Some(wanted));
    found.map(Reply::ok).ok_or_else(|| Error::not_found(wanted).into())
}
