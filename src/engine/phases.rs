//! Phases that last as long as the work that they tell of, however that ends.

use super::Engine;
use super::inventory::Phase;
use crate::model::VmId;
use std::sync::Arc;

/// The VM is in the phase until this goes.
pub(super) struct InPhase {
    engine: Arc<Engine>,
    vm: VmId,
    phase: Phase,
}

impl Engine {
    pub(super) fn enter(self: &Arc<Self>, vm: VmId, phase: Phase) -> InPhase {
        self.inventory.set_phase(vm, Some(phase));
        InPhase { engine: self.clone(), vm, phase }
    }
}

impl Drop for InPhase {
    fn drop(&mut self) {
        self.engine.inventory.end_phase(self.vm, self.phase);
    }
}
