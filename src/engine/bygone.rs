//! What is removed is named by nobody any more: not by the next configuration of a VM, nor by templates,
//! nor by what snapshots keep, which would bring it back.

use super::world::{Change, Operation, World};
use crate::error::{Error, Result};
use crate::model::{Disk, VmSpec};

impl World {
    /// A configuration that was read a moment ago: its size may have been removed since.
    pub(super) fn drop_what_is_gone(&self, spec: &mut VmSpec) {
        spec.instance_type.take_if(|id| !self.instance_types.contains_key(id));
    }

    /// The rows of all that named something, without it.
    pub(super) fn rows_without(&self, spec: impl Fn(&mut VmSpec), disk: impl Fn(&mut Disk)) -> Vec<Change> {
        let vms = self.vms.values().filter_map(|before| {
            let mut vm = before.clone();
            std::iter::once(&mut vm.spec).chain(vm.next_run.as_deref_mut()).for_each(&spec);
            (vm != *before).then(|| Change::Vm(Box::new(vm)))
        });
        let templates = self.templates.values().filter_map(|before| {
            let mut template = before.clone();
            spec(&mut template.spec);
            template.copies.iter_mut().for_each(&disk);
            (template != *before).then(|| Change::Template(Box::new(template)))
        });
        let snapshots = self.snapshots.values().filter_map(|before| {
            let mut snapshot = before.clone();
            spec(&mut snapshot.spec);
            snapshot.disks.iter_mut().for_each(|saved| disk(&mut saved.disk));
            (snapshot != *before).then(|| Change::Snapshot(Box::new(snapshot)))
        });
        vms.chain(templates).chain(snapshots).collect()
    }
}

/// Refuses what an operation under way would name again if it came to be undone.
pub(super) fn check_idle(world: &World, names_it: impl Fn(&Operation) -> bool) -> Result<()> {
    match world.intents.values().any(|intent| names_it(&intent.operation)) {
        true => Err(Error::busy("another operation")),
        false => Ok(()),
    }
}
