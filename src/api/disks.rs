//! `/disks`, and the disks of a VM.

use super::access;
use super::app::App;
use super::fault::Fault;
use super::links;
use super::lookup;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Holds, Searched};
use super::{statistics, vm_actions};
use crate::engine::jobs::Started;
use crate::engine::{DiskChange, DiskCopies, DiskCopy, NewAttachment, NewDisk};
use crate::error::{Error, Kind};
use crate::model::*;
use crate::wire::convert::{self, DiskPlace, DiskRequest};
use crate::wire::types::{self, Action};
use crate::wire::{missing, require};
use std::sync::Arc;

pub const FLOATING: &str = "/disks/{disk}";
pub const ATTACHED: &str = "/vms/{vm}/disks/{disk}";
const CANNOT: &str = "Cannot attach Virtual Machine Disk";

pub fn document(app: &App, disk: &Disk, place: DiskPlace<'_>, request: &Request) -> types::Disk {
    let attached: Vec<VmId> = match place {
        DiskPlace::Floating if request.all_content => {
            let mut all: Vec<VmId> =
                app.engine.world().attachments_of(disk.id).map(|attachment| attachment.vm).collect();
            all.retain(|vm| access::shows(app, request, *vm));
            all
        }
        _ => Vec::new(),
    };
    let lender = match place {
        DiskPlace::On(Attachment { vm, .. }) => lender(app, *vm, disk.id),
        DiskPlace::Floating => None,
    };
    let size = match lender {
        // What it wrote is the VM's own; all else is the lender's.
        Some(_) => app.engine.image_size(disk),
        None => app.engine.actual_size(disk),
    };
    let mut document = convert::disk(disk, place, size, &attached);
    if let DiskPlace::On(Attachment { vm, .. }) = place
        && app.engine.status(*vm).runs()
    {
        let guest = app.engine.inventory.guest(*vm);
        document.logical_name = guest.and_then(|guest| guest.device_of(disk.id).map(str::to_owned));
    }
    document.status = while_copied(app, disk.id).or(document.status);
    document.snapshot = lender.map(|(vm, snapshot)| convert::snapshot_of_disk(vm, snapshot));
    let href = document.href.clone().unwrap_or_default();
    let (path, vm) = match place {
        DiskPlace::Floating => (FLOATING, None),
        DiskPlace::On(attachment) => (ATTACHED, Some(attachment.vm)),
    };
    document.template = app.engine.world().template_with(disk.id).map(|template| types::Ref {
        id: Some(template.id.to_string()),
        href: Some(links::href("/templates/{template}", &[&template.id])),
        ..types::Ref::default()
    });
    document.actions = links::actions(path, &href);
    document.link = links::collections(path, &href);
    if request.detail.has("statistics") {
        document.statistics = Some(statistics::of_disk(app, disk.id, vm));
    }
    document
}

/// The status of a template's disk that is being copied.
pub fn while_copied(app: &App, disk: DiskId) -> Option<String> {
    app.engine.is_copied(disk).then(|| convert::Named::name(DiskStatus::Locked).into())
}

/// The snapshot that a VM's disk is of, and its VM, where it is another one's.
fn lender(app: &App, vm: VmId, disk: DiskId) -> Option<(VmId, SnapshotId)> {
    let world = app.engine.world();
    let snapshot = world.borrowed.get(&(vm, disk))?.snapshot;
    Some((world.snapshots.get(&snapshot)?.vm, snapshot))
}

/// The disks of a VM, as its sub-collection has them.
pub fn of_vm(app: &App, vm: VmId, request: &Request) -> types::Disks {
    let rows = app.engine.world().hung_on(vm);
    let disk = rows.iter().map(|(attachment, disk)| document(app, disk, DiskPlace::On(attachment), request));
    types::Disks { disk: disk.take(request.max.unwrap_or(usize::MAX)).collect(), ..types::Disks::default() }
}

impl Searched for Disk {
    const FIELDS: &'static [&'static str] = &[
        "alias",
        "name",
        "id",
        "description",
        "status",
        "bootable",
        "shareable",
        "format",
        "provisioned_size",
        "vm_names",
        "number_of_vms",
        "storage.name",
        "storage",
        "disk_type",
        "size",
        "wipe_after_delete",
        "creation_date",
        "actual_size",
        "quota",
        "datacenter",
        "datacenter.name",
        "storage.type",
    ];
    const KINDS: &'static [(&'static str, Holds)] = &[
        ("status", Holds::Words(&["ok", "locked", "illegal"])),
        ("disk_type", Holds::Words(&["image", "lun", "cinder"])),
        ("format", Holds::Words(&["cow", "raw"])),
        ("bootable", Holds::Flag),
        ("shareable", Holds::Flag),
        ("wipe_after_delete", Holds::Flag),
        ("size", Holds::Number),
        ("provisioned_size", Holds::Number),
        ("number_of_vms", Holds::Number),
        ("actual_size", Holds::Number),
        ("storage.type", Holds::Words(&["data", "iso", "export", "image", "volume"])),
        ("creation_date", Holds::Time),
    ];

    fn object(&self) -> Option<Object> {
        Some(self.id.into())
    }

    fn field(&self, app: &App, name: &str) -> Option<String> {
        let world = app.engine.world();
        Some(match name {
            "alias" | "name" => self.alias.clone(),
            "id" => self.id.to_string(),
            "description" => self.description.clone(),
            "status" => convert::Named::name(self.status).into(),
            "bootable" => self.bootable.to_string(),
            "shareable" => self.shareable.to_string(),
            "format" => convert::Named::name(self.format).into(),
            "size" | "provisioned_size" => self.size.to_string(),
            "wipe_after_delete" => self.wipe_after_delete.to_string(),
            "creation_date" => self.created.to_string(),
            "datacenter" | "datacenter.name" => {
                let domain = world.storage_domains.get(&self.storage_domain)?;
                world.data_centers.get(&domain.data_center?)?.name.clone()
            }
            "storage.type" => {
                convert::Named::name(world.storage_domains.get(&self.storage_domain)?.kind).into()
            }
            "actual_size" => {
                drop(world);
                app.engine.actual_size(self).to_string()
            }
            "storage" | "storage.name" => world.storage_domains.get(&self.storage_domain)?.name.clone(),
            // Templates are counted, too: what nobody has can be removed.
            "number_of_vms" => {
                let template = world.template_with(self.id).is_some();
                (world.attachments_of(self.id).count() + usize::from(template)).to_string()
            }
            "quota" => world.quotas.get(&self.quota?)?.name.clone(),
            "disk_type" => if self.lun.is_some() { "lun" } else { "image" }.into(),
            _ => return None,
        })
    }

    fn several(&self, app: &App, name: &str) -> Option<Vec<String>> {
        if name != "vm_names" {
            return None;
        }
        let world = app.engine.world();
        let vms = world.attachments_of(self.id).filter_map(|attachment| world.vms.get(&attachment.vm));
        Some(vms.map(|vm| vm.spec.name.clone()).collect())
    }
}

/// `GET /disks`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut all: Vec<Disk> = app.engine.world().disks.values().cloned().collect();
    all.sort_by(|a, b| (&a.alias, a.id).cmp(&(&b.alias, b.id)));
    let found = search::select(&app, &request, all)?;
    let disk = found.iter().map(|disk| document(&app, disk, DiskPlace::Floating, &request)).collect();
    Ok(Reply::ok(types::Disks { disk, ..types::Disks::default() }))
}

/// `GET /disks/{disk}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    let disk = app.engine.disk(request.id("disk")?)?;
    Ok(Reply::ok(document(&app, &disk, DiskPlace::Floating, &request)))
}

/// `POST /disks`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    add_in(app, request, None).await
}

/// A new floating disk; in that storage domain, whatever its document says.
pub async fn add_in(app: Arc<App>, request: Request, domain: Option<StorageDomainId>) -> Answer {
    let asked: types::Disk = request.document().await?;
    let mut new = new_disk(&app, &asked)?;
    new.storage_domain = domain.or(new.storage_domain);
    if asked.active.is_some() {
        return Err(Error::conflict(
            "Cannot add Virtual Machine Disk. A floating disk cannot be active or inactive.",
        )
        .into());
    }
    may_create(&app, &request, &mut new, None)?;
    let started = app.engine.add_disk(new, None).await?;
    made(&app, &request, started, None).await
}

/// `DELETE /disks/{disk}`
pub async fn remove(app: Arc<App>, request: Request) -> Answer {
    let id: DiskId = request.id("disk")?;
    app.engine.disk(id)?;
    remove_for_good(&app, id, &request.optional::<Action>().await?.unwrap_or_default()).await?;
    Ok(Reply::no_content())
}

/// By force also where its storage is gone.
async fn remove_for_good(app: &App, id: DiskId, asked: &Action) -> Result<(), Error> {
    match asked.force {
        Some(true) => app.engine.remove_disk_by_force(id).await,
        _ => app.engine.remove_disk(id).await,
    }
}

/// Disks are made where the body says, else where the VM's first one is, and count on a quota.
fn may_create(app: &App, request: &Request, new: &mut NewDisk, vm: Option<VmId>) -> Result<(), Fault> {
    if new.lun.is_none() {
        new.quota = access::quota(app, request, new.quota)?;
    }
    let first =
        vm.and_then(|vm| app.engine.world().disks_of(vm).first().map(|(_, disk)| disk.storage_domain));
    let place = new.storage_domain.or(first).filter(|_| new.lun.is_none());
    let place = place.map_or(Object::SYSTEM, Object::from);
    access::require(app, request, 1100, place)
}

fn new_disk(app: &App, document: &types::Disk) -> Result<NewDisk, Fault> {
    let asked = DiskRequest::try_from(document)?;
    let image = document.lun_storage.is_none();
    require(
        "Disk",
        "add",
        &[
            ("provisionedSize|size", !image || asked.size.is_some()),
            ("format", !image || asked.format.is_some()),
            ("interface", asked.interface.is_some()),
        ],
    )?;
    let seal = |password: &str| app.engine.seal(password);
    let lun =
        document.lun_storage.as_ref().map(|storage| convert::lun(document, storage, seal)).transpose()?;
    // A LUN brings its size, and knows no format.
    let (size, format) = match &lun {
        Some(lun) => (Some(lun.size), Some(DiskFormat::Raw)),
        None => (asked.size, asked.format),
    };
    let (Some(size), Some(format), Some(interface)) = (size, format, asked.interface) else {
        return Err(Error::bug("mandatory parts were checked").into());
    };
    let place = asked.storage_domain.as_ref().filter(|_| image);
    Ok(NewDisk {
        alias: asked.alias.filter(|alias| !alias.is_empty()),
        description: asked.description.unwrap_or_default(),
        storage_domain: place.map(|domain| lookup::storage_domain(app, domain)).transpose()?,
        format,
        sparse: asked.sparse.filter(|_| image),
        size,
        interface,
        bootable: asked.bootable.unwrap_or(false),
        shareable: asked.shareable.unwrap_or(false),
        wipe_after_delete: asked.wipe_after_delete,
        propagate_errors: asked.propagate_errors.unwrap_or(false),
        profile: asked.profile.filter(|_| image),
        quota: asked.quota.filter(|_| image),
        lun,
    })
}

/// What a request says of the disks of a machine that is made from another one.
pub fn copies(
    app: &App,
    disks: Option<&types::Disks>,
    storage_domain: Option<&types::Ref>,
) -> Result<DiskCopies, Fault> {
    let place = |it: Option<&types::Ref>| it.map(|it| lookup::storage_domain(app, it)).transpose();
    let copy = |document: &types::Disk| {
        let asked = DiskRequest::try_from(document)?;
        let image = document.image_id.as_deref().map(|id| convert::parse_id(id, "Disk")).transpose()?;
        let of = asked.id.map(|id| id.0).or(image).ok_or_else(|| missing("Disk", &["id"], "add"))?;
        Ok(DiskCopy {
            of,
            alias: asked.alias.filter(|alias| !alias.is_empty()),
            format: asked.format,
            sparse: asked.sparse,
            storage_domain: place(asked.storage_domain.as_ref())?,
            profile: asked.profile,
        })
    };
    let each = disks.into_iter().flat_map(|disks| &disks.disk).map(copy).collect::<Result<_, Fault>>()?;
    Ok(DiskCopies { each, storage_domain: place(storage_domain)? })
}

/// The answer to a creation: at once with its state, or at its end where the client waits.
pub async fn made(app: &App, request: &Request, started: Started<DiskId>, on: Option<VmId>) -> Answer {
    let id = started.value;
    // A LUN is there already.
    let at_once = app.engine.disk(id)?.lun.is_some();
    vm_actions::made(started, at_once || request.expect_created, || shown(app, request, id, on)).await
}

fn shown(app: &App, request: &Request, id: DiskId, on: Option<VmId>) -> Result<types::Disk, Fault> {
    Ok(match on {
        None => document(app, &app.engine.disk(id)?, DiskPlace::Floating, request),
        Some(vm) => {
            let (attachment, disk) = app.engine.hung(vm, id)?;
            document(app, &disk, DiskPlace::On(&attachment), request)
        }
    })
}

/// `GET /vms/{vm}/disks`
pub async fn list_of_vm(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    Ok(Reply::ok(of_vm(&app, vm, &request)))
}

/// `GET /vms/{vm}/disks/{disk}`
pub async fn show_of_vm(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(shown(&app, &request, request.id("disk")?, Some(request.id("vm")?))?))
}

/// A snapshot of which a disk may be attached to another VM, by whoever may make a VM of it, too.
fn readable_snapshot(
    app: &App,
    request: &Request,
    asked: &types::DiskSnapshotRef,
) -> Result<SnapshotId, Fault> {
    let id = asked.id.as_deref().ok_or_else(|| missing("Disk", &["snapshot.id"], "attach"))?;
    let gone = || Error::invalid(format!("{CANNOT}. The Snapshot with the disk doesn't exist."));
    let id: SnapshotId = convert::parse_id(id, "Snapshot").map_err(|_| gone())?;
    let of = app.engine.world().snapshots.get(&id).map(|snapshot| snapshot.vm);
    let of = of.filter(|vm| access::shows(app, request, *vm)).ok_or_else(gone)?;
    access::require(app, request, 12, of)?;
    Ok(id)
}

/// `POST /vms/{vm}/disks`: a new disk, or one that exists by its id.
pub async fn add_to_vm(app: Arc<App>, request: Request) -> Answer {
    let vm: VmId = request.id("vm")?;
    app.engine.vm(vm)?;
    let asked: types::Disk = request.document().await?;
    let id = asked.id.as_deref().filter(|id| !id.is_empty());
    let read_only = asked.read_only.unwrap_or(false);
    if let Some(id) = id {
        // An id that names nothing is a wrong value of the body, not a wrong address.
        let gone = || Error::invalid(format!("{CANNOT}. The VM's Image doesn't exist."));
        let id: DiskId = convert::parse_id(id, "Disk").map_err(|_| gone())?;
        access::require(&app, &request, 1101, id)?;
        let onto = NewAttachment { vm, active: Some(asked.active.unwrap_or(false)), read_only };
        match &asked.snapshot {
            None => app.engine.attach_disk(id, onto).await?,
            Some(snapshot) => {
                let snapshot = readable_snapshot(&app, &request, snapshot)?;
                // The guest may write: it is an image of its own that takes it.
                app.engine.borrow_disk(id, snapshot, NewAttachment { read_only: false, ..onto }).await?;
            }
        }
        return Ok(Reply::ok(shown(&app, &request, id, Some(vm))?));
    }
    if asked.snapshot.is_some() {
        return Err(missing("Disk", &["id"], "attach").into());
    }
    let mut new = new_disk(&app, &asked)?;
    may_create(&app, &request, &mut new, Some(vm))?;
    // Running guests get a new disk only when asked to.
    let started =
        app.engine.add_disk(new, Some(NewAttachment { vm, active: asked.active, read_only })).await?;
    made(&app, &request, started, Some(vm)).await
}

/// `PUT /vms/{vm}/disks/{disk}`
pub async fn update_of_vm(app: Arc<App>, request: Request) -> Answer {
    let (vm, id): (VmId, DiskId) = (request.id("vm")?, request.id("disk")?);
    app.engine.attachment(vm, id)?;
    let document = request.change_of(&shown(&app, &request, id, Some(vm))?).await?;
    lookup::same_id(document.id.as_deref(), id)?;
    if convert::has_password(&document) {
        return Err(Error::conflict(
            "Cannot edit Virtual Machine Disk. The user name and password of a LUN stay as they were added.",
        )
        .into());
    }
    let asked = DiskRequest::try_from(&document)?;
    if let Some(profile) = asked.profile
        && !app.engine.world().disk_profiles.contains_key(&profile)
    {
        return Err(Error::new(
            Kind::Invalid,
            "Cannot edit Virtual Machine Disk. The disk profile doesn't exist.",
        )
        .into());
    }
    let before = app.engine.disk(id)?;
    if asked.quota.is_some() && asked.quota != before.quota {
        access::quota(&app, &request, asked.quota)?;
    }
    // Who sends back what it read before a move names the profile of where the disk was.
    let named = asked.storage_domain.and_then(|it| it.id);
    let is_there = named.is_none_or(|named| named == before.storage_domain.to_string());
    let change = DiskChange {
        alias: asked.alias,
        description: asked.description,
        size: asked.size,
        bootable: asked.bootable,
        shareable: asked.shareable,
        wipe_after_delete: asked.wipe_after_delete,
        propagate_errors: asked.propagate_errors,
        interface: asked.interface,
        profile: asked.profile.filter(|_| is_there),
        quota: asked.quota,
        passed: asked.passed,
        reserved: asked.reserved,
        read_only: asked.read_only,
    };
    app.engine.update_disk(id, Some(vm), change).await?;
    Ok(Reply::ok(shown(&app, &request, id, Some(vm))?))
}

/// `DELETE /vms/{vm}/disks/{disk}`: for good, or only off the VM.
pub async fn remove_of_vm(app: Arc<App>, request: Request) -> Answer {
    let (vm, id): (VmId, DiskId) = (request.id("vm")?, request.id("disk")?);
    app.engine.hung(vm, id)?;
    let asked = request.optional::<Action>().await?.unwrap_or_default();
    // In the address it can mean nothing but that the disk is to be kept.
    let keep = asked.detach == Some(true) || request.flag("detach")? || request.flag("detach_only")?;
    if keep {
        access::require(&app, &request, 10, vm)?;
        app.engine.detach_disk(vm, id).await?;
    } else {
        app.engine.attachment(vm, id)?;
        access::require(&app, &request, 1104, id)?;
        remove_for_good(&app, id, &asked).await?;
    }
    Ok(Reply::no_content())
}

/// `POST /vms/{vm}/disks/{disk}/activate`
pub async fn activate(app: Arc<App>, request: Request) -> Answer {
    let (vm, id) = (request.id("vm")?, request.id("disk")?);
    app.engine.hung(vm, id)?;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    app.engine.activate_disk(vm, id).await?;
    Ok(Reply::complete(acted(vm, id, action)))
}

/// `POST /vms/{vm}/disks/{disk}/deactivate`
pub async fn deactivate(app: Arc<App>, request: Request) -> Answer {
    let (vm, id) = (request.id("vm")?, request.id("disk")?);
    app.engine.hung(vm, id)?;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    app.engine.deactivate_disk(vm, id).await?;
    Ok(Reply::complete(acted(vm, id, action)))
}

fn acted(vm: VmId, id: DiskId, action: Action) -> Action {
    let disk = types::Disk {
        id: Some(id.to_string()),
        href: Some(links::href(ATTACHED, &[&vm, &id])),
        ..types::Disk::default()
    };
    Action { disk: Some(Box::new(disk)), ..action }
}
