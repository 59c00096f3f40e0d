//! Collections of what this server has none of, and that nobody can add: they are empty.

use super::app::App;
use super::fault::Fault;
use super::objects;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::search::{self, Searched};
use crate::wire::types::*;
use std::sync::Arc;

/// What the path names is there; a VM may be one that somebody else made.
fn parent(app: &App, request: &Request) -> Result<(), Fault> {
    match request.text("vm") {
        "" => objects::addressed(app, request).map(drop),
        _ => app.engine.vm(request.id("vm")?).map(drop).map_err(Fault::from),
    }
}

macro_rules! nothing {
    ($($list:ident: $type:ty;)+) => {$(
        /// Empty, below what is there.
        pub async fn $list(app: Arc<App>, request: Request) -> Answer {
            parent(&app, &request)?;
            Ok(Reply::ok(<$type>::default()))
        }
    )+};
}

nothing! {
    affinity_groups: AffinityGroups;
    errata: KatelloErrata;
    host_providers: ExternalHostProviders;
    image_providers: OpenStackImageProviders;
    iscsi_bonds: IscsiBonds;
    network_providers: OpenStackNetworkProviders;
    policy_units: SchedulingPolicyUnits;
    volume_providers: OpenStackVolumeProviders;
}

impl Searched for VmPool {
    const FIELDS: &'static [&'static str] =
        &["name", "id", "description", "type", "cluster", "datacenter", "architecture"];

    fn field(&self, _: &App, _: &str) -> Option<String> {
        None
    }
}

/// `GET /vmpools`
pub async fn vm_pools(app: Arc<App>, request: Request) -> Answer {
    let vm_pool = search::select(&app, &request, Vec::new())?;
    Ok(Reply::ok(VmPools { vm_pool, ..Default::default() }))
}
