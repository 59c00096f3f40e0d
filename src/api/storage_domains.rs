//! `/storagedomains`, and those of a data center.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use super::{disks, domain_contents, links, lookup, profiles, rows};
use crate::engine::{NewStorageDomain, Space};
use crate::error::Error;
use crate::model::{
    DataCenterId, Disk, DiskId, Object, StorageDomain, StorageDomainChange, StorageDomainId, StorageKind,
    StorageStatus,
};
use crate::wire::convert::{self, DiskPlace, Named, named};
use crate::wire::types;
use crate::wire::{filled, missing, require};
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

    fn status(&self) -> StorageStatus {
        self.row.status(self.space.is_some())
    }

    /// What only domains of other kinds have is not linked.
    fn has(&self, collection: &str) -> bool {
        match self.row.kind {
            StorageKind::Data => collection != "files",
            StorageKind::Export => !["disks", "disksnapshots", "diskprofiles", "files"].contains(&collection),
            StorageKind::Iso => !["disks", "disksnapshots", "vms", "templates"].contains(&collection),
        }
    }

    /// The document; the state of a domain is told where it is attached.
    fn document(&self, app: &App, data_center: Option<DataCenterId>) -> types::StorageDomain {
        let document = convert::storage_domain(&self.row, app.engine.is_master(&self.row));
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
            status: Some(self.status())
                .filter(|status| data_center.is_some() || *status == StorageStatus::Unattached)
                .map(|status| status.name().to_owned()),
            available: self.space.map(|space| space.available),
            used: self.space.map(|space| space.used),
            committed: self.space.map(|space| space.committed),
            ..document
        }
    }
}

/// What storage domains may be in.
const STATUSES: &[&str] = &[
    "active",
    "inactive",
    "locked",
    "mixed",
    "unattached",
    "maintenance",
    "preparing_for_maintenance",
    "detaching",
    "activating",
    "unknown",
];

/// What they hold, and by what they do.
const TYPES: &[&str] =
    &["data", "iso", "export", "image", "volume", "localfs", "nfs", "posixfs", "iscsi", "fcp", "glusterfs"];

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
        "external_status",
        "datacenter.name",
        "host",
        "host.name",
        "cluster",
        "cluster.name",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[
        ("status", Holds::Words(STATUSES)),
        ("type", Holds::Words(TYPES)),
        ("size", Holds::Number),
        ("used", Holds::Number),
        ("committed", Holds::Number),
        ("wipe_after_delete", Holds::Flag),
        ("external_status", Holds::Words(&["ok", "info", "warning", "error", "failure"])),
    ];

    fn object(&self) -> Option<Object> {
        Some(self.row.id.into())
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        Some(match name {
            "name" => self.row.name.clone(),
            "id" => self.row.id.to_string(),
            "status" => self.status().name().into(),
            "datacenter" | "datacenter.name" => {
                app.engine.world().data_centers.get(&self.row.data_center?)?.name.clone()
            }
            "type" => self.row.kind.name().into(),
            "comment" => self.row.comment.clone(),
            "size" => self.space.map(|space| space.available + space.used)?.to_string(),
            "used" => self.space?.used.to_string(),
            "committed" => self.space?.committed.to_string(),
            "description" => self.row.description.clone(),
            "wipe_after_delete" => self.row.wipe_after_delete.to_string(),
            "external_status" => "ok".into(),
            _ => return None,
        })
    }

    fn several(&self, app: &App, name: &str) -> Option<Vec<String>> {
        let world = app.engine.world();
        // Where it is attached, and the only host.
        let here = |of: &DataCenterId| self.row.data_center == Some(*of);
        Some(match name {
            "host" | "host.name" => {
                let hosts = world.hosts.values().filter(|_| self.row.data_center.is_some());
                hosts.map(|it| it.name.clone()).collect()
            }
            "cluster" | "cluster.name" => {
                world.clusters.values().filter(|it| here(&it.data_center)).map(|it| it.name.clone()).collect()
            }
            "type" => vec![self.row.kind.name().into(), StorageDomain::STORAGE.into()],
            _ => return None,
        })
    }
}

/// The storage domains that the request asks for: all, or those of a data center.
pub async fn some(app: &App, request: &Request, data_center: Option<DataCenterId>) -> Answer {
    let of = |row: &StorageDomain| data_center.is_none_or(|id| row.data_center == Some(id));
    let all = rows::by_name(&app.engine.world().storage_domains, |row| &row.name, of);
    let mut seen = Vec::with_capacity(all.len());
    for row in all {
        seen.push(Seen::of(app, row).await);
    }
    let found = search::select(app, request, seen)?;
    let documents = found.iter().map(|seen| seen.document(app, data_center));
    let storage_domain = documents.map(|document| for_readers(request, document)).collect();
    Ok(Reply::ok(types::StorageDomains { storage_domain, ..Default::default() }))
}

/// The storage domain of the path, if it belongs to that data center.
pub async fn one(app: &App, request: &Request, data_center: Option<DataCenterId>) -> Answer {
    let row = of_path(app, request)?;
    if data_center.is_some_and(|id| row.data_center != Some(id)) {
        return Err(Error::not_found(row.id).into());
    }
    Ok(Reply::ok(for_readers(request, shown(app, row, data_center).await)))
}

/// A user's view says nothing of where things lie.
fn for_readers(request: &Request, mut document: types::StorageDomain) -> types::StorageDomain {
    if request.filter {
        document.storage = None;
        document.link.retain(|link| link.rel.as_deref() != Some("storageconnections"));
    }
    document
}

/// The storage domain as it is now.
pub async fn shown(app: &App, row: StorageDomain, data_center: Option<DataCenterId>) -> types::StorageDomain {
    Seen::of(app, row).await.document(app, data_center)
}

/// The storage domain of the path.
pub fn of_path(app: &App, request: &Request) -> Result<StorageDomain, Fault> {
    rows::one(&app.engine.world().storage_domains, request, "domain")
}

/// The same, where only domains of that kind have what the path says.
pub fn of_kind(app: &App, request: &Request, kind: StorageKind) -> Result<StorageDomain, Fault> {
    let row = of_path(app, request)?;
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
    if request.unregistered {
        return domain_contents::list_disks(&app, &request, id).await;
    }
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
    let id = of_path(&app, &request)?.id;
    profiles::some_disk(&app, &request, |row| row.storage_domain == id)
}

/// `GET /storagedomains/{domain}/diskprofiles/{profile}`
pub async fn show_profile(app: Arc<App>, request: Request) -> Answer {
    let id = of_path(&app, &request)?.id;
    profiles::one_disk(&app, &request, |row| row.storage_domain == id)
}

/// `POST /storagedomains/{domain}/diskprofiles`
pub async fn add_profile(app: Arc<App>, request: Request) -> Answer {
    let id = of_path(&app, &request)?.id;
    let asked: types::DiskProfile = request.document().await?;
    profiles::add_disk_to(&app, id, asked).await
}

/// `DELETE /storagedomains/{domain}/diskprofiles/{profile}`
pub async fn remove_profile(app: Arc<App>, request: Request) -> Answer {
    let id = of_path(&app, &request)?.id;
    profiles::remove_disk_of(&app, &request, |row| row.storage_domain == id).await
}

/// `POST /storagedomains`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::StorageDomain = request.document().await?;
    let rest = convert::storage_domain_change(&asked)?;
    let storage = asked.storage.unwrap_or_default();
    require(
        "StorageDomain",
        "add",
        &[
            ("host.id|name", lookup::is_named(&asked.host)),
            ("type", filled(&asked.r#type).is_some()),
            ("storage", filled(&storage.r#type).is_some()),
            ("name", filled(&asked.name).is_some() || asked.r#import == Some(true)),
        ],
    )?;
    lookup::host(&app, &asked.host.unwrap_or_default())?;
    let kind = match asked.r#type.unwrap_or_default().to_lowercase().as_str() {
        other @ ("image" | "volume") => {
            return Err(Error::unsupported(format!(
                "Storage domains of the type {other} are not supported."
            ))
            .into());
        }
        kind => named::<StorageKind>(kind)?,
    };
    match storage.r#type.unwrap_or_default().to_lowercase().as_str() {
        StorageDomain::STORAGE => {}
        other @ ("nfs" | "posixfs" | "glusterfs" | "iscsi" | "fcp" | "glance" | "cinder") => {
            return Err(Error::unsupported(format!(
                "Storage of the type {other} is not supported: mount it on the host, and add it as localfs."
            ))
            .into());
        }
        other => return Err(Fault::value(format!("{other} is not a member of StorageType."))),
    }
    require("StorageDomain", "add", &[("storage.path", filled(&storage.path).is_some())])?;
    let id = app
        .engine
        .add_storage_domain(NewStorageDomain {
            name: match filled(&asked.name) {
                Some(name) => name.to_owned(),
                None => folder_name(storage.path.as_deref().unwrap_or_default()),
            },
            filled: asked.r#import.unwrap_or(false),
            rest: StorageDomainChange { name: None, ..rest },
            kind,
            folder: storage.path.unwrap_or_default(),
        })
        .await?;
    let document = shown(&app, app.engine.storage_domain(id)?, None).await;
    Ok(Reply::created(document))
}

/// `PUT /storagedomains/{domain}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id = of_path(&app, &request)?.id;
    let asked: types::StorageDomain = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    app.engine.update_storage_domain(id, convert::storage_domain_change(&asked)?).await?;
    one(&app, &request, None).await
}

/// `DELETE /storagedomains/{domain}`: the body names the host that does it.
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = of_path(&app, &request)?.id;
    let asked = request.optional::<types::StorageDomain>().await?;
    let asked = asked.ok_or_else(|| missing("StorageDomain", &["storage-domain parameter"], "remove"))?;
    require("StorageDomain", "remove", &[("host.id|name", lookup::is_named(&asked.host))])?;
    lookup::host(&app, &asked.host.unwrap_or_default())?;
    let (format, destroy) = (asked.format == Some(true), asked.destroy == Some(true));
    app.engine.remove_storage_domain(id, format, destroy).await?;
    Ok(Reply::no_content())
}

/// `POST /storagedomains/{domain}/isattached`
pub async fn is_attached(app: Arc<App>, request: Request) -> Answer {
    let row = of_path(&app, &request)?;
    let action = request.optional::<types::Action>().await?.unwrap_or_default();
    Ok(Reply::complete(types::Action { is_attached: Some(row.data_center.is_some()), ..action }))
}

/// The data center of the path, and its storage domain of the path.
fn attached(app: &App, request: &Request) -> Result<(DataCenterId, StorageDomainId), Fault> {
    let center = rows::one(&app.engine.world().data_centers, request, "data_center")?.id;
    let row = of_path(app, request)?;
    match row.data_center == Some(center) {
        true => Ok((center, row.id)),
        false => Err(Error::not_found(row.id).into()),
    }
}

/// `POST /datacenters/{data_center}/storagedomains`
pub async fn attach(app: Arc<App>, request: Request) -> Answer {
    let center = rows::one(&app.engine.world().data_centers, &request, "data_center")?.id;
    let asked: types::StorageDomain = request.document().await?;
    let named = types::Ref { id: asked.id, name: asked.name, ..types::Ref::default() };
    require("StorageDomain", "add", &[("id|name", convert::is_named(&named))])?;
    let id = lookup::storage_domain(&app, &named)?;
    app.engine.attach_storage_domain(id, center).await?;
    let document = shown(&app, app.engine.storage_domain(id)?, Some(center)).await;
    Ok(Reply::created(document))
}

/// `DELETE /datacenters/{data_center}/storagedomains/{domain}`
pub async fn detach(app: Arc<App>, request: Request) -> Answer {
    let (_, id) = attached(&app, &request)?;
    request.optional::<types::Action>().await?;
    app.engine.detach_storage_domain(id).await?;
    Ok(Reply::no_content())
}

/// `POST /datacenters/{data_center}/storagedomains/{domain}/activate`
pub async fn activate(app: Arc<App>, request: Request) -> Answer {
    let (_, id) = attached(&app, &request)?;
    let action = request.optional::<types::Action>().await?.unwrap_or_default();
    app.engine.activate_storage_domain(id).await?;
    Ok(Reply::complete(action))
}

/// `POST /datacenters/{data_center}/storagedomains/{domain}/deactivate`
pub async fn deactivate(app: Arc<App>, request: Request) -> Answer {
    let (_, id) = attached(&app, &request)?;
    let action = request.optional::<types::Action>().await?.unwrap_or_default();
    app.engine.deactivate_storage_domain(id).await?;
    Ok(Reply::complete(action))
}

/// `POST /storagedomains/{domain}/disks`: a floating disk in this domain.
pub async fn add_disk(app: Arc<App>, request: Request) -> Answer {
    let id = of_kind(&app, &request, StorageKind::Data)?.id;
    match request.unregistered {
        true => domain_contents::register_disk(&app, &request, id).await,
        false => disks::add_in(app, request, Some(id)).await,
    }
}

/// `DELETE /storagedomains/{domain}/disks/{disk}`
pub async fn remove_disk(app: Arc<App>, request: Request) -> Answer {
    let id = of_kind(&app, &request, StorageKind::Data)?.id;
    let disk: DiskId = request.id("disk")?;
    match app.engine.disk(disk)?.storage_domain == id {
        true => disks::remove(app, request).await,
        false => Err(Error::not_found(disk).into()),
    }
}

/// What an imported domain is called that nobody gives a name: as its folder.
fn folder_name(folder: &str) -> String {
    std::path::Path::new(folder).file_name().unwrap_or_default().to_string_lossy().into_owned()
}
