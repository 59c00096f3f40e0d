//! Port mirroring: which taps receive copies of which others' traffic, kept so while taps come and go.

use super::Engine;
use super::lane::blocking;
use super::nics::binding_of;
use super::ports::Copies;
use super::world::World;
use crate::error::Result;
use crate::model::{NetworkId, Nic, VmId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// An interface that receives copies.
struct Receiver {
    tap: String,
    /// Where the traffic is: `network:NAME` and `bridge:NAME`.
    bindings: BTreeSet<String>,
}

/// The networks whose traffic the interface sees: by its own setting, or by its profile's.
fn mirrored(world: &World, nic: &Nic) -> Vec<NetworkId> {
    let profile = nic.profile.and_then(|profile| world.vnic_profiles.get(&profile));
    let by_profile = profile.filter(|profile| profile.port_mirroring).map(|profile| profile.network);
    let by_profile = by_profile.filter(|network| !nic.port_mirroring.contains(network));
    nic.port_mirroring.iter().copied().chain(by_profile).collect()
}

impl Engine {
    /// Makes the host copy what the rows ask for, and nothing else.
    pub(super) async fn bring_mirrors(&self) -> Result<()> {
        let mut asked_before = self.mirrors_asked.lock().await;
        let wanted = self.copies();
        if wanted.is_empty() && *asked_before == Some(false) {
            return Ok(());
        }
        let asked = !wanted.is_empty();
        // Until it worked, something may be there that must go.
        *asked_before = None;
        let mirrors = self.mirrors.clone();
        blocking(move || mirrors.set(&wanted)).await?;
        *asked_before = Some(asked);
        Ok(())
    }

    /// Follows taps that come, go and move for as long as the engine lives.
    pub(super) async fn follow_taps_for_ever(self: Arc<Self>) {
        loop {
            self.taps_changed.notified().await;
            if let Err(why) = self.bring_mirrors().await {
                tracing::warn!("port mirroring does not follow the VMs: {why}");
            }
        }
    }

    fn copies(&self) -> Copies {
        let receivers = self.receivers();
        let mut copies = Copies::new();
        if receivers.is_empty() {
            return copies;
        }
        for seen in self.inventory.running().into_iter().filter_map(|vm| self.inventory.seen(vm)) {
            for tap in &seen.observed.taps {
                let (Some(target), Some(binding)) = (&tap.target, &tap.network) else { continue };
                let to: BTreeSet<String> = receivers
                    .iter()
                    .filter(|receiver| receiver.tap != *target && receiver.bindings.contains(binding))
                    .map(|receiver| receiver.tap.clone())
                    .collect();
                if !to.is_empty() {
                    let copied = copies.entry(target.clone()).or_default();
                    copied.to = to;
                    // What a receiver is sent are copies already: two receivers would feed each other.
                    copied.sent_only = receivers.iter().any(|receiver| receiver.tap == *target);
                }
            }
        }
        copies
    }

    /// The networks whose traffic the interface sees, its own setting's first.
    pub fn mirrored(&self, nic: &Nic) -> Vec<NetworkId> {
        mirrored(&self.world(), nic)
    }

    /// Whether any interface is sent what others send.
    pub(super) fn mirrors(&self) -> bool {
        let world = self.world();
        world.nics.values().any(|nic| nic.plugged && !mirrored(&world, nic).is_empty())
    }

    fn receivers(&self) -> Vec<Receiver> {
        let world = self.world();
        let plugged = world.nics.values().filter(|nic| nic.plugged);
        let receivers =
            plugged.map(|nic| (nic, mirrored(&world, nic))).filter(|(_, networks)| !networks.is_empty());
        receivers
            .filter_map(|(nic, networks)| {
                let bindings = networks.iter().filter_map(|network| binding_of(&world, *network));
                Some(Receiver { tap: self.tap_of(nic.vm, &nic.id.alias())?, bindings: bindings.collect() })
            })
            .collect()
    }

    fn tap_of(&self, vm: VmId, alias: &str) -> Option<String> {
        let seen = self.inventory.seen(vm).filter(|_| self.runs(vm))?;
        let tap = seen.observed.taps.iter().find(|tap| tap.alias.as_deref() == Some(alias))?;
        tap.target.clone()
    }
}
