//! Collections of what this server has none of, and that nobody can add: they are empty.

use super::app::App;
use super::fault::Fault;
use super::objects;
use super::reply::{Answer, Reply};
use super::request::Request;
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
    errata: KatelloErrata;
    fence_agents: Agents;
    gluster_hooks: GlusterHooks;
    gluster_volumes: GlusterVolumes;
    hooks: Hooks;
    host_providers: ExternalHostProviders;
    image_providers: OpenStackImageProviders;
    iscsi_bonds: IscsiBonds;
    connection_extensions: StorageConnectionExtensions;
    labels: Labels;
    network_attachments: NetworkAttachments;
    network_providers: OpenStackNetworkProviders;
    networks: Networks;
    policy_units: SchedulingPolicyUnits;
    unmanaged_networks: UnmanagedNetworks;
    volume_providers: OpenStackVolumeProviders;
}
