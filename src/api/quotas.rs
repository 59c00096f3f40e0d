//! `/datacenters/{data_center}/quotas`, with the limits of each on storage and on clusters.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::{links, lookup, rows};
use crate::engine::QuotaChange;
use crate::error::{Error, Kind};
use crate::model::*;
use crate::wire::types::{self, Action};
use crate::wire::{convert, filled, require};
use std::sync::Arc;
use uuid::Uuid;

const ITEM: &str = "/datacenters/{data_center}/quotas/{quota}";

fn document(it: &Quota) -> types::Quota {
    let document = convert::quota(it);
    let href = document.href.clone().unwrap_or_default();
    let mut link = links::collections(ITEM, &href);
    // The same by the names that its description once had.
    link.retain(|link| link.rel.as_deref().is_none_or(|rel| !rel.ends_with("quotalimits")));
    types::Quota { link, ..document }
}

fn place(app: &App, request: &Request) -> Result<DataCenterId, Fault> {
    rows::one(&app.engine.world().data_centers, request, "data_center").map(|row| row.id)
}

/// The quota of the path.
fn named(app: &App, request: &Request) -> Result<Quota, Fault> {
    let place = place(app, request)?;
    let quota = rows::one(&app.engine.world().quotas, request, "quota")?;
    if quota.data_center == place { Ok(quota) } else { Err(Error::not_found(quota.id).into()) }
}

fn change(asked: types::Quota) -> Result<QuotaChange, Fault> {
    let percent = |asked: Option<i32>| {
        let wrong = |_| Error::new(Kind::Value, "The limits of a quota are given in percent, from 0 to 100.");
        asked.map(u16::try_from).transpose().map_err(wrong)
    };
    Ok(QuotaChange {
        name: asked.name,
        description: asked.description,
        cluster_soft: percent(asked.cluster_soft_limit_pct)?,
        cluster_hard: percent(asked.cluster_hard_limit_pct)?,
        storage_soft: percent(asked.storage_soft_limit_pct)?,
        storage_hard: percent(asked.storage_hard_limit_pct)?,
    })
}

/// `GET .../quotas`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let place = place(&app, &request)?;
    let mut all = rows::by_name(&app.engine.world().quotas, |row| &row.name, |row| row.data_center == place);
    all.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::Quotas { quota: all.iter().map(document).collect(), ..Default::default() }))
}

/// `GET .../quotas/{quota}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&named(&app, &request)?)))
}

/// `POST .../quotas`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let place = place(&app, &request)?;
    let asked: types::Quota = request.document().await?;
    require("Quota", "add", &[("name", filled(&asked.name).is_some())])?;
    let id = app.engine.add_quota(place, change(asked)?).await?;
    let quota = app.engine.world().quotas.get(&id).cloned().ok_or_else(|| Error::not_found(id))?;
    Ok(Reply::created(document(&quota)))
}

/// `PUT .../quotas/{quota}`
pub async fn update(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    let asked: types::Quota = request.document().await?;
    lookup::same_id(asked.id.as_deref(), id)?;
    app.engine.update_quota(id, change(asked)?).await?;
    Ok(Reply::ok(document(&named(&app, &request)?)))
}

/// `DELETE .../quotas/{quota}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id = named(&app, &request)?.id;
    request.optional::<Action>().await?;
    app.engine.remove_quota(id).await?;
    Ok(Reply::no_content())
}

/// The last segment of the collection's path.
fn collection(request: &Request) -> &str {
    let path = if request.text("limit").is_empty() { &*request.href } else { request.collection() };
    path.rsplit('/').next().unwrap_or_default()
}

fn of_storage(app: &App, request: &Request) -> Result<Vec<types::StorageQuotaLimit>, Fault> {
    let quota = named(app, request)?;
    let world = app.engine.world();
    let limit = |it: &StorageLimit| {
        let taken = quota.use_of_storage(it, world.disks.values()).taken;
        convert::storage_limit(&quota, it, taken, collection(request))
    };
    Ok(quota.storage.iter().map(limit).collect())
}

fn of_clusters(app: &App, request: &Request) -> Result<Vec<types::ClusterQuotaLimit>, Fault> {
    let quota = named(app, request)?;
    let world = app.engine.world();
    let limit = |it: &ClusterLimit| {
        let taken = quota.use_of_cluster(it, world.vms.values());
        convert::cluster_limit(&quota, it, &taken, collection(request))
    };
    Ok(quota.clusters.iter().map(limit).collect())
}

/// The limit of a list that is on that, or of the path.
fn one<T: Clone>(
    all: &[T],
    id: impl Fn(&T) -> &Option<String>,
    wanted: impl std::fmt::Display,
) -> Result<T, Fault> {
    let wanted = wanted.to_string();
    let is = |it: &&T| id(it).as_deref().is_some_and(|id| id.eq_ignore_ascii_case(&wanted));
    all.iter().find(is).cloned().ok_or_else(|| Error::not_found(&wanted).into())
}

/// `GET .../quotastoragelimits`
pub async fn list_storage(app: Arc<App>, request: Request) -> Answer {
    let mut storage_quota_limit = of_storage(&app, &request)?;
    storage_quota_limit.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::StorageQuotaLimits { storage_quota_limit, ..Default::default() }))
}

/// `GET .../quotastoragelimits/{limit}`
pub async fn show_storage(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(one(&of_storage(&app, &request)?, |it| &it.id, request.text("limit"))?))
}

/// `POST .../quotastoragelimits`: on a storage domain, or on all of them.
pub async fn add_storage(app: Arc<App>, request: Request) -> Answer {
    let quota = named(&app, &request)?;
    let asked: types::StorageQuotaLimit = request.document().await?;
    require("QuotaStorageLimit", "add", &[("limit", asked.limit.is_some())])?;
    let on = asked.storage_domain.as_ref().filter(|it| convert::is_named(it));
    let domain = on.map(|it| lookup::storage_domain(&app, it)).transpose()?;
    let bytes = convert::limit_of_storage(asked.limit.unwrap_or_default())?;
    app.engine.limit_storage(quota.id, StorageLimit { domain, bytes }).await?;
    let id = domain.map_or(quota.id.0, |domain| domain.0);
    Ok(Reply::created(one(&of_storage(&app, &request)?, |it| &it.id, id)?))
}

/// `DELETE .../quotastoragelimits/{limit}`
pub async fn remove_storage(app: Arc<App>, request: Request) -> Answer {
    let quota = named(&app, &request)?;
    let id: Uuid = request.id("limit")?;
    one(&of_storage(&app, &request)?, |it| &it.id, id)?;
    request.optional::<Action>().await?;
    let domain = Some(StorageDomainId(id)).filter(|_| id != quota.id.0);
    app.engine.unlimit_storage(quota.id, domain).await?;
    Ok(Reply::no_content())
}

/// `GET .../quotaclusterlimits`
pub async fn list_clusters(app: Arc<App>, request: Request) -> Answer {
    let mut cluster_quota_limit = of_clusters(&app, &request)?;
    cluster_quota_limit.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::ClusterQuotaLimits { cluster_quota_limit, ..Default::default() }))
}

/// `GET .../quotaclusterlimits/{limit}`
pub async fn show_cluster(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(one(&of_clusters(&app, &request)?, |it| &it.id, request.text("limit"))?))
}

/// `POST .../quotaclusterlimits`: on a cluster, or on all of them.
pub async fn add_cluster(app: Arc<App>, request: Request) -> Answer {
    let quota = named(&app, &request)?;
    let asked: types::ClusterQuotaLimit = request.document().await?;
    let either = asked.vcpu_limit.is_some() || asked.memory_limit.is_some();
    require("QuotaClusterLimit", "add", &[("vcpuLimit|memoryLimit", either)])?;
    let on = asked.cluster.as_ref().filter(|it| convert::is_named(it));
    let cluster = on.map(|it| lookup::cluster(&app, Some(it))).transpose()?;
    let limit = ClusterLimit {
        cluster,
        vcpus: asked.vcpu_limit.map(convert::limit_of_vcpus).transpose()?.flatten(),
        memory: asked.memory_limit.map(convert::limit_of_memory).transpose()?.flatten(),
    };
    app.engine.limit_cluster(quota.id, limit).await?;
    let id = cluster.map_or(quota.id.0, |cluster| cluster.0);
    Ok(Reply::created(one(&of_clusters(&app, &request)?, |it| &it.id, id)?))
}

/// `DELETE .../quotaclusterlimits/{limit}`
pub async fn remove_cluster(app: Arc<App>, request: Request) -> Answer {
    let quota = named(&app, &request)?;
    let id: Uuid = request.id("limit")?;
    one(&of_clusters(&app, &request)?, |it| &it.id, id)?;
    request.optional::<Action>().await?;
    let cluster = Some(ClusterId(id)).filter(|_| id != quota.id.0);
    app.engine.unlimit_cluster(quota.id, cluster).await?;
    Ok(Reply::no_content())
}
