//! What the path of a request is about: the objects that permissions and tags hang on.

use super::app::App;
use super::fault::Fault;
use super::request::Request;
use crate::error::Error;
use crate::model::*;
use axum::http::Method;

/// The placeholders of routes that stand for objects, those of parts before those of wholes.
const NAMES: &[(&str, ObjectKind)] = &[
    ("disk", ObjectKind::Disk),
    ("vm", ObjectKind::Vm),
    ("template", ObjectKind::Template),
    ("user", ObjectKind::User),
    ("group", ObjectKind::Group),
    ("host", ObjectKind::Host),
    ("network", ObjectKind::Network),
    ("domain", ObjectKind::StorageDomain),
    ("pool", ObjectKind::VmPool),
    ("quota", ObjectKind::Quota),
    ("cluster", ObjectKind::Cluster),
    ("data_center", ObjectKind::DataCenter),
];

/// Every object that the path names, the innermost first.
pub fn named(request: &Request) -> Vec<Object> {
    let text = |name: &str| request.id::<uuid::Uuid>(name).ok();
    let mut found: Vec<Object> =
        NAMES.iter().filter_map(|(name, kind)| Some(Object { kind: *kind, id: text(name)? })).collect();
    let profile = |collection: &str| request.href.contains(&format!("/{collection}/"));
    let kind = match () {
        () if profile("vnicprofiles") => ObjectKind::VnicProfile,
        () if profile("diskprofiles") => ObjectKind::DiskProfile,
        () => ObjectKind::CpuProfile,
    };
    if let Some(id) = text("profile") {
        found.insert(0, Object { kind, id });
    }
    found
}

/// The innermost object of the path, which is there; the system when it names none.
pub fn addressed(app: &App, request: &Request) -> Result<Object, Fault> {
    let Some(object) = named(request).into_iter().next() else { return Ok(Object::SYSTEM) };
    let id = object.id;
    let world = || app.engine.world();
    let there = match object.kind {
        ObjectKind::System => true,
        ObjectKind::DataCenter => world().data_centers.contains_key(&DataCenterId(id)),
        ObjectKind::Cluster => world().clusters.contains_key(&ClusterId(id)),
        ObjectKind::Host => world().hosts.contains_key(&HostId(id)),
        ObjectKind::StorageDomain => world().storage_domains.contains_key(&StorageDomainId(id)),
        ObjectKind::Network => world().networks.contains_key(&NetworkId(id)),
        ObjectKind::VnicProfile => world().vnic_profiles.contains_key(&VnicProfileId(id)),
        ObjectKind::DiskProfile => world().disk_profiles.contains_key(&DiskProfileId(id)),
        ObjectKind::CpuProfile => world().cpu_profiles.contains_key(&CpuProfileId(id)),
        ObjectKind::Quota => world().quotas.contains_key(&QuotaId(id)),
        ObjectKind::Template => world().has_template(TemplateId(id)),
        // Domains of others have nothing of that, and get nothing.
        ObjectKind::Vm if request.method == Method::GET => app.engine.vm(VmId(id)).is_ok(),
        ObjectKind::Vm => {
            app.engine.own_vm(VmId(id))?;
            true
        }
        ObjectKind::Disk => match request.id::<VmId>("vm") {
            Ok(vm) => world().hung(vm, DiskId(id)).is_some(),
            Err(_) => world().disks.contains_key(&DiskId(id)),
        },
        ObjectKind::VmPool => world().vm_pools.contains_key(&VmPoolId(id)),
        ObjectKind::Group => id == EVERYONE || world().groups.contains_key(&GroupId(id)),
        ObjectKind::User => world().users.contains_key(&UserId(id)),
    };
    if there { Ok(object) } else { Err(Error::not_found(id).into()) }
}
