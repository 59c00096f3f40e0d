//! What lies in an export domain comes back, or goes.

use super::app::App;
use super::domain_contents::{TEMPLATE, VM, place_of};
use super::exports::IMPORT_EXPORT;
use super::fault::Fault;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::vm_actions::runs_on;
use super::{access, disks, links, lookup};
use crate::engine::Comeback;
use crate::error::Error;
use crate::model::{StorageDomainId, StorageKind, TemplateId, VmId, VmSpec};
use crate::wire::types::Action;
use crate::wire::{filled, require};
use std::sync::Arc;
use uuid::Uuid;

/// The permits that the cluster asks for.
const CREATE_VM: u16 = 1;
const CREATE_TEMPLATE: u16 = 200;

fn export_domain(app: &App, request: &Request) -> Result<StorageDomainId, Fault> {
    let refusal = "The Storage Domain is not an export domain: what lies in it is registered.";
    place_of(app, request, StorageKind::Export, refusal)
}

/// The action, and what it says of a machine that comes back.
async fn begin(app: &App, request: &Request, id: Uuid) -> Result<(Action, Comeback), Fault> {
    let from = export_domain(app, request)?;
    let action: Action = request.document().await?;
    require(
        "Action",
        "import",
        &[
            ("cluster.id|name", lookup::is_named(&action.cluster)),
            ("storageDomain.id|name", lookup::is_named(&action.storage_domain)),
        ],
    )?;
    let cluster = lookup::cluster(app, action.cluster.as_ref())?;
    let home = lookup::storage_domain(app, &action.storage_domain.clone().unwrap_or_default())?;
    let vm = action.vm.as_deref();
    let copies = disks::copies(app, vm.and_then(|vm| vm.disks.as_ref()), None)?;
    access::require(app, request, IMPORT_EXPORT, from)?;
    let hint = app.engine.exported_one(from, id).await?;
    let hint = hint.ok_or_else(|| Error::not_found(id))?;
    let (creates, spec) = match (hint.vm, hint.template) {
        (Some(vm), _) => (CREATE_VM, vm.spec),
        (None, template) => (CREATE_TEMPLATE, template.map(|it| it.spec).unwrap_or_default()),
    };
    access::require(app, request, creates, cluster)?;
    access::may_shape(app, request, cluster, (&VmSpec::default(), &spec))?;
    for place in copies.each.iter().filter_map(|copy| copy.storage_domain).chain([home]) {
        access::require(app, request, 1100, place)?;
    }
    let template = action.template.as_ref().and_then(|template| filled(&template.name));
    let name = vm.and_then(|vm| filled(&vm.name)).or(template).map(str::to_owned);
    let collapse = vm.and_then(|vm| vm.snapshots.as_ref()).and_then(|it| it.collapse_snapshots);
    let comeback = Comeback {
        from,
        id,
        cluster,
        name,
        renewed: action.clone == Some(true),
        collapse: collapse == Some(true),
        home,
        disks: copies,
    };
    Ok((action, comeback))
}

/// `POST /storagedomains/{domain}/vms/{vm}/import`
pub async fn import_vm(app: Arc<App>, request: Request) -> Answer {
    let id: VmId = request.id("vm")?;
    let (action, wanted) = begin(&app, &request, id.0).await?;
    let parent = links::href(VM, &[&wanted.from, &id]);
    let started = app.engine.import_exported_vm(wanted).await?;
    runs_on(started, action, format!("{parent}/import"), parent).await
}

/// `POST /storagedomains/{domain}/templates/{template}/import`
pub async fn import_template(app: Arc<App>, request: Request) -> Answer {
    let id: TemplateId = request.id("template")?;
    let (action, wanted) = begin(&app, &request, id.0).await?;
    let parent = links::href(TEMPLATE, &[&wanted.from, &id]);
    let started = app.engine.import_exported_template(wanted).await?;
    runs_on(started, action, format!("{parent}/import"), parent).await
}

/// `DELETE /storagedomains/{domain}/vms/{vm}`
pub async fn remove_vm(app: Arc<App>, request: Request) -> Answer {
    let id: VmId = request.id("vm")?;
    app.engine.remove_exported_vm(export_domain(&app, &request)?, id).await?;
    Ok(Reply::no_content())
}

/// `DELETE /storagedomains/{domain}/templates/{template}`
pub async fn remove_template(app: Arc<App>, request: Request) -> Answer {
    let id: TemplateId = request.id("template")?;
    app.engine.remove_exported_template(export_domain(&app, &request)?, id).await?;
    Ok(Reply::no_content())
}
