//! What guests tell of themselves, asked of their agents and of the DHCP servers of their networks
//! every few seconds, and kept: who reads it never waits for a guest.

use super::Engine;
use super::ports::Lease;
use crate::error::Result;
use crate::model::{GuestInterface, GuestReport, VmId};
use std::sync::Arc;
use std::time::Duration;

/// An agent that is at work for longer is asked again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Seconds by which a lease may seem older than the run that it was taken in.
const CLOCKS: i64 = 2;

impl Engine {
    /// The guest's interfaces by its agent where there is one, else by the leases; nothing of a VM that is off.
    pub fn guest_interfaces(&self, vm: VmId) -> Result<Vec<GuestInterface>> {
        self.vm(vm)?;
        Ok(self.inventory.guest(vm).map_or(Vec::new(), |guest| guest.interfaces.clone()))
    }

    pub(super) async fn listen_to_guests_for_ever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.stats_interval).await;
            if self.connected() {
                self.listen_to_guests().await;
            }
        }
    }

    async fn listen_to_guests(&self) {
        let leases = match self.lane.call(|hv| hv.leases()).await {
            Ok(leases) => leases,
            Err(why) => return tracing::debug!("the leases are not known: {why}"),
        };
        for id in self.inventory.running() {
            match self.inventory.agent(id) {
                true => self.listen_to(id).await,
                false => self.inventory.set_guest(id, self.by_leases(id, &leases)),
            }
        }
    }

    /// What it told before holds as long as its agent does not answer.
    async fn listen_to(&self, id: VmId) {
        match tokio::time::timeout(PATIENCE, self.lane.slow(move |hv| hv.guest(id))).await {
            Ok(Ok(told)) => self.inventory.set_guest(id, told),
            Ok(Err(why)) => tracing::debug!(vm = %id, "the agent in the guest does not answer: {why}"),
            Err(_) => tracing::debug!(vm = %id, "the agent in the guest takes its time"),
        }
    }

    /// Leases outlive those who took them: one from before the VM's run is another's of the same address.
    fn by_leases(&self, id: VmId, leases: &[Lease]) -> GuestReport {
        let booted = self.inventory.booted(id);
        let is_old = |lease: &Lease| {
            let times = lease.taken.zip(booted);
            times.is_some_and(|(taken, booted)| taken.as_second() + CLOCKS < booted.as_second())
        };
        let seen = self.inventory.seen(id);
        let taps: Vec<&str> =
            seen.iter().flat_map(|seen| &seen.observed.taps).map(|tap| tap.mac.as_str()).collect();
        let mut interfaces: Vec<GuestInterface> = Vec::new();
        for lease in leases.iter().filter(|lease| !is_old(lease)).map(|lease| &lease.interface) {
            if !taps.contains(&lease.mac.as_str()) {
                continue;
            }
            match interfaces.iter_mut().find(|known| known.mac == lease.mac) {
                Some(known) => known.addresses.extend(&lease.addresses),
                None => interfaces.push(lease.clone()),
            }
        }
        GuestReport { interfaces, ..GuestReport::default() }
    }
}
