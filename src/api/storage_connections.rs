//! `/storageconnections`: how storage domains reach their storage, which is a folder of the host.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::{access, links, rows, storage_domains};
use crate::error::Error;
use crate::model::StorageDomain;
use crate::wire::types::{StorageConnection, StorageConnections};
use std::sync::Arc;

/// Each domain has a folder of its own, so its connection has its id.
fn document(it: &StorageDomain, href: String) -> StorageConnection {
    StorageConnection {
        href: Some(href),
        id: Some(it.id.to_string()),
        r#type: Some("localfs".into()),
        path: Some(it.folder.clone()),
        ..Default::default()
    }
}

fn top(it: &StorageDomain) -> StorageConnection {
    document(it, links::href("/storageconnections/{domain}", &[&it.id]))
}

fn of_domain(it: &StorageDomain) -> StorageConnection {
    document(it, links::href("/storagedomains/{domain}/storageconnections/{connection}", &[&it.id, &it.id]))
}

fn listed(storage_connection: Vec<StorageConnection>) -> Answer {
    Ok(Reply::ok(StorageConnections { storage_connection, ..Default::default() }))
}

/// `GET /storageconnections`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut all = rows::by_name(&app.engine.world().storage_domains, |row| &row.name, |_| true);
    all.retain(|row| access::shows(&app, &request, row.id));
    listed(all.iter().take(request.max.unwrap_or(usize::MAX)).map(top).collect())
}

/// `GET /storageconnections/{domain}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(top(&storage_domains::of_path(&app, &request)?)))
}

/// `GET /storagedomains/{domain}/storageconnections`
pub async fn list_of_domain(app: Arc<App>, request: Request) -> Answer {
    let domain = storage_domains::of_path(&app, &request)?;
    listed(Some(of_domain(&domain)).into_iter().take(request.max.unwrap_or(usize::MAX)).collect())
}

fn named(app: &App, request: &Request) -> Result<StorageDomain, Fault> {
    let domain = storage_domains::of_path(app, request)?;
    let wanted = request.text("connection");
    let same = domain.id.to_string().eq_ignore_ascii_case(wanted);
    if same { Ok(domain) } else { Err(Error::not_found(wanted).into()) }
}

/// `GET /storagedomains/{domain}/storageconnections/{connection}`
pub async fn show_of_domain(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(of_domain(&named(&app, &request)?)))
}
