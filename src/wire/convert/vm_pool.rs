//! Pools of VMs.

use super::{Named, RunState, reference, unless_empty};
use crate::error::Result;
use crate::model::{PoolHardware, VmPool, VmSpec};
use crate::wire::types;

/// Puts what the document says over the hardware of the pool's VMs; `spec` is their template's.
pub fn change_pool_hardware(
    document: &types::VmPool,
    mut spec: VmSpec,
    hardware: &mut PoolHardware,
) -> Result<()> {
    hardware.over(&mut spec);
    let vm = types::Vm {
        soundcard_enabled: document.soundcard_enabled,
        rng_device: document.rng_device.clone(),
        display: document.display.clone(),
        ..types::Vm::default()
    };
    super::change_vm(&vm, &mut spec)?;
    hardware.soundcard = document.soundcard_enabled.or(hardware.soundcard);
    if document.rng_device.is_some() {
        hardware.rng = spec.rng;
    }
    if document.display.is_some() {
        hardware.display = spec.display;
    }
    Ok(())
}

/// The pool as a document, with how many VMs it has; links and actions are the caller's.
pub fn vm_pool(it: &VmPool, size: usize) -> types::VmPool {
    let count = |count: u32| i32::try_from(count).ok();
    types::VmPool {
        href: reference("vmpools", it.id).href,
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        comment: unless_empty(&it.comment),
        size: i32::try_from(size).ok(),
        cluster: Some(reference("clusters", it.cluster)),
        template: Some(reference("templates", it.template)),
        prestarted_vms: count(it.prestarted_vms),
        max_user_vms: count(it.max_user_vms),
        r#type: Some(it.kind.name().into()),
        use_latest_template_version: Some(it.newest_version),
        display: it
            .hardware
            .display
            .as_ref()
            .map(|display| super::vm::display(display, &RunState::default())),
        rng_device: it.hardware.rng.map(super::vm::rng),
        soundcard_enabled: it.hardware.soundcard,
        ..Default::default()
    }
}
