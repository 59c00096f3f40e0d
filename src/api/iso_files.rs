//! The files of ISO domains. Version 3 lists them only; upload and removal are vireo's own.

use super::app::App;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::storage_domains::of_kind;
use crate::error::{Error, Result};
use crate::model::{StorageDomain, StorageKind};
use crate::wire::convert;
use crate::wire::types;
use axum::body::Body;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A client that sends nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// Parts that wait to be written.
const AHEAD: usize = 16;

/// The files of the ISO domain of the path, by name. What no address can name is left out.
async fn files(app: &App, row: &StorageDomain) -> Result<Vec<types::File>, Fault> {
    let files = app.engine.files(row).await?;
    let named = files.iter().filter(|file| !file.name.contains(char::is_control));
    Ok(named.map(|file| convert::file(&file.name, row)).collect())
}

/// `GET /storagedomains/{domain}/files`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut file = files(&app, &of_kind(&app, &request, StorageKind::Iso)?).await?;
    file.truncate(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::Files { file, ..Default::default() }))
}

/// `GET /storagedomains/{domain}/files/{file}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let wanted = request.text("file");
    let mut files = files(&app, &of_kind(&app, &request, StorageKind::Iso)?).await?.into_iter();
    let found = files.find(|file| file.id.as_deref() == Some(wanted));
    found.map(Reply::ok).ok_or_else(|| Error::not_found(wanted).into())
}

/// `PUT /storagedomains/{domain}/files/{file}`: the body is the file's content.
pub async fn upload(app: Arc<App>, request: Request) -> Answer {
    let row = of_kind(&app, &request, StorageKind::Iso)?;
    let name = request.text("file").to_owned();
    let there = files(&app, &row).await?.iter().any(|file| file.id.as_deref() == Some(&name));
    let (tell, mut told) = mpsc::channel(AHEAD);
    let body = request.stream()?;
    let sending = tokio::spawn(send(body, tell));
    let parts = move || told.blocking_recv().transpose().map(Option::flatten);
    let written = app.engine.upload_file(row.id, &name, request.content_length(), parts).await;
    sending.abort();
    written?;
    let document = convert::file(&name, &row);
    Ok(if there { Reply::ok(document) } else { Reply::created(document) })
}

/// Hands the parts of a body on as they come; `None` is its end. Without that it broke off.
async fn send(mut body: Body, to: mpsc::Sender<Result<Option<Vec<u8>>>>) {
    let broken = || Error::invalid("The body of the request broke off.");
    loop {
        let part = match tokio::time::timeout(PATIENCE, body.frame()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Ok(Some(data.to_vec())),
                // Trailers say nothing about the file.
                Err(_) => continue,
            },
            Ok(Some(Err(why))) => Err(broken().because(why)),
            Err(_) => Err(broken().because("it came to a halt")),
        };
        let last = !matches!(part, Ok(Some(_)));
        if to.send(part).await.is_err() || last {
            return;
        }
    }
}

/// `DELETE /storagedomains/{domain}/files/{file}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let row = of_kind(&app, &request, StorageKind::Iso)?;
    let name = request.text("file");
    if !files(&app, &row).await?.iter().any(|file| file.id.as_deref() == Some(name)) {
        return Err(Error::not_found(name).into());
    }
    app.engine.remove_file(row.id, name).await?;
    Ok(Reply::no_content())
}
