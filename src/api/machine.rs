//! What a body says of a machine's configuration, with what it refers to.

use super::app::App;
use super::{icons, lookup};
use crate::error::Result;
use crate::model::{HostId, VmSpec};
use crate::wire::convert;
use crate::wire::types;

/// Puts what the document says over the configuration. The hardware of the instance type that it
/// newly names comes first: what the document says itself is put over that.
pub fn change(app: &App, asked: &types::Vm, spec: &mut VmSpec) -> Result<()> {
    match &asked.instance_type {
        Some(named) if convert::is_named(named) => {
            let id = lookup::instance_type(app, named)?;
            if spec.instance_type != Some(id) {
                spec.take_size(&app.engine.instance_type(id)?);
            }
        }
        Some(_) => spec.instance_type = None,
        None => {}
    }
    convert::change_vm(asked, spec)?;
    if let Some(placement) = &asked.placement_policy
        && let Some(hosts) = self::hosts(app, placement)?
    {
        spec.hosts = hosts;
    }
    icons::choose(app, asked, spec)?;
    lookup::cpu_profile(app, spec.cpu_profile)
}

/// The hosts that a placement names; `None` when it does not mention any.
pub fn hosts(app: &App, placement: &types::PlacementPolicy) -> Result<Option<Vec<HostId>>> {
    let Some(named) = &placement.hosts else { return Ok(None) };
    let hosts = named.host.iter().filter(|host| convert::is_named(host));
    hosts.map(|host| lookup::host(app, host)).collect::<Result<_>>().map(Some)
}
