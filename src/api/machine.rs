//! What a body says of a machine's configuration, with what it refers to.

use super::app::App;
use super::{icons, lookup};
use crate::error::Result;
use crate::model::VmSpec;
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
    icons::choose(app, asked, spec)?;
    lookup::cpu_profile(app, spec.cpu_profile)
}
