//! The NUMA nodes of a VM: part of its configuration, each with an id of its own.

use super::Engine;
use crate::error::{Error, Result};
use crate::model::vm_state::Move;
use crate::model::*;
use std::sync::Arc;

impl Engine {
    /// Adds a node. Its index must be the next one.
    pub async fn add_numa_node(self: &Arc<Self>, vm: VmId, next_run: bool, node: NumaNode) -> Result<()> {
        self.change_numa_nodes(vm, next_run, |nodes| {
            nodes.push(node);
            Ok(())
        })
        .await
    }

    pub async fn update_numa_node(
        self: &Arc<Self>,
        vm: VmId,
        next_run: bool,
        id: NumaNodeId,
        change: impl FnOnce(&mut NumaNode),
    ) -> Result<()> {
        self.change_numa_nodes(vm, next_run, |nodes| {
            let node = nodes.iter_mut().find(|node| node.id == id);
            change(node.ok_or_else(|| Error::not_found(id))?);
            Ok(())
        })
        .await
    }

    pub async fn remove_numa_node(self: &Arc<Self>, vm: VmId, next_run: bool, id: NumaNodeId) -> Result<()> {
        self.change_numa_nodes(vm, next_run, |nodes| {
            let place = nodes.iter().position(|node| node.id == id);
            nodes.remove(place.ok_or_else(|| Error::not_found(id))?);
            Ok(())
        })
        .await
    }

    async fn change_numa_nodes(
        self: &Arc<Self>,
        vm: VmId,
        next_run: bool,
        change: impl FnOnce(&mut Vec<NumaNode>) -> Result<()>,
    ) -> Result<()> {
        self.own_vm(vm)?;
        self.update_vm(vm, next_run, |spec| {
            let before = spec.numa_nodes.clone();
            change(&mut spec.numa_nodes)?;
            spec.numa_nodes.sort_by_key(|node| node.index);
            // What comes back as it was read changes nothing, whatever the VM does.
            match next_run || spec.numa_nodes == before {
                true => Ok(()),
                false => self.may(vm, Move::ChangeNuma).map(drop),
            }
        })
        .await
    }
}
