//! Locks are named operations: who comes second hears what is running.
//!
//! An operation takes all it needs at once or nothing, so that none waits holding another.
//! Operations on disks and NICs share their VM and own the device; what changes its configuration shares
//! it, too, and owns that; what the VM does or becomes as a whole owns it.

use crate::error::{Error, Result};
use crate::model::{
    DiskId, DiskProfileId, InstanceTypeId, NetworkId, NicId, QosId, StorageDomainId, TemplateId, VmId,
    VmPoolId,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    /// The VM with all that it has: what changes its configuration alone shares it, and owns that.
    Vm(VmId),
    Config(VmId),
    Disk(DiskId),
    Nic(NicId),
    Network(NetworkId),
    StorageDomain(StorageDomainId),
    Template(TemplateId),
    InstanceType(InstanceTypeId),
    VmPool(VmPoolId),
    DiskProfile(DiskProfileId),
    Qos(QosId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Shared,
    Exclusive,
}

#[derive(Default)]
struct Held {
    /// The operations that hold the entity; more than one only when all of them share it.
    by: Vec<&'static str>,
    exclusive: bool,
}

impl Held {
    fn is_in_the_way_of(&self, mode: Mode) -> bool {
        self.exclusive || mode == Mode::Exclusive
    }
}

/// Operations that no client asked for.
pub const RECOVERY: &str = "recovery";
pub const END_OF_RUN: &str = "end of run";
pub const LET_GO: &str = "unplugged by the guest";
const BY_ITSELF: [&str; 3] = [RECOVERY, END_OF_RUN, LET_GO];

/// Operations of clients that wait for no guest.
pub const UPDATE_VM: &str = "update VM";
pub const UPDATE_DISK: &str = "update disk";
pub const UPDATE_NIC: &str = "update network interface";
pub const ADD_NIC: &str = "add network interface";
pub const ATTACH_DISK: &str = "attach disk";
pub const ACTIVATE_DISK: &str = "activate disk";
pub const CHANGE_MEDIUM: &str = "change CD";
pub const TICKET: &str = "ticket";
pub const UPDATE_INSTANCE_TYPE: &str = "update instance type";
const BRIEF: [&str; 9] = [
    UPDATE_VM,
    UPDATE_DISK,
    UPDATE_NIC,
    ADD_NIC,
    ATTACH_DISK,
    ACTIVATE_DISK,
    CHANGE_MEDIUM,
    TICKET,
    UPDATE_INSTANCE_TYPE,
];

#[derive(Clone, Default)]
pub struct Locks {
    held: Arc<Mutex<HashMap<Entity, Held>>>,
}

/// Releases on drop; moves into the task that does the work.
pub struct Guard {
    locks: Locks,
    entities: Vec<Entity>,
    operation: &'static str,
}

impl Locks {
    /// All of the entities or none.
    pub fn hold(&self, operation: &'static str, wanted: &[(Entity, Mode)]) -> Result<Guard> {
        let mut held = self.held.lock().expect("no panic while held");
        for (entity, mode) in wanted {
            if let Some(holder) = held.get(entity)
                && holder.is_in_the_way_of(*mode)
            {
                return Err(Error::busy(holder.by.last().copied().unwrap_or("another operation")));
            }
        }
        for (entity, mode) in wanted {
            let holder = held.entry(*entity).or_default();
            holder.by.push(operation);
            holder.exclusive |= *mode == Mode::Exclusive;
        }
        Ok(Guard {
            locks: self.clone(),
            entities: wanted.iter().map(|(entity, _)| *entity).collect(),
            operation,
        })
    }

    /// That operation holds the entity.
    pub fn has(&self, entity: Entity, operation: &str) -> bool {
        let held = self.held.lock().expect("no panic while held");
        held.get(&entity).is_some_and(|holder| holder.by.contains(&operation))
    }

    /// Whether all that stands in the way is what the engine does by itself, or is over in a moment;
    /// `None` where nothing does.
    pub fn are_brief(&self, wanted: &[(Entity, Mode)]) -> Option<bool> {
        let held = self.held.lock().expect("no panic while held");
        let in_the_way = |(entity, mode): &(Entity, Mode)| {
            held.get(entity).filter(|holder| holder.is_in_the_way_of(*mode))
        };
        let mut holders = wanted.iter().filter_map(in_the_way).flat_map(|holder| &holder.by).peekable();
        holders.peek()?;
        Some(holders.all(|by| BY_ITSELF.contains(by) || BRIEF.contains(by)))
    }
}

/// Could the two not be held at once?
pub fn clash(one: &[(Entity, Mode)], other: &[(Entity, Mode)]) -> bool {
    one.iter().any(|(entity, mode)| {
        let same = other.iter().filter(|(its, _)| its == entity);
        same.into_iter().any(|(_, its)| Mode::Exclusive == *mode || Mode::Exclusive == *its)
    })
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut held = self.locks.held.lock().expect("no panic while held");
        for entity in &self.entities {
            if let Some(holder) = held.get_mut(entity) {
                if let Some(at) = holder.by.iter().position(|by| *by == self.operation) {
                    holder.by.swap_remove(at);
                }
                if holder.by.is_empty() {
                    held.remove(entity);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn all_or_none_and_named() {
        let locks = Locks::default();
        let (a, b) = (Entity::Vm(VmId::random()), Entity::Disk(DiskId::random()));
        let first = locks.hold("start", &[(a, Mode::Exclusive)]).unwrap();
        let second = locks.hold("attach", &[(b, Mode::Exclusive), (a, Mode::Shared)]).err().unwrap();
        assert_eq!(second.kind, Kind::Busy);
        assert!(second.said.contains("start"), "{}", second.said);
        assert!(locks.hold("detach", &[(b, Mode::Exclusive)]).is_ok(), "all or none");
        drop(first);
        let shared = locks.hold("attach", &[(a, Mode::Shared)]).unwrap();
        let also = locks.hold("attach", &[(a, Mode::Shared)]).unwrap();
        drop(shared);
        assert!(locks.hold("stop", &[(a, Mode::Exclusive)]).is_err());
        drop(also);
        assert!(locks.hold("stop", &[(a, Mode::Exclusive)]).is_ok());
    }
}
