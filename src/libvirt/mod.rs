//! The hypervisor port on libvirt. The only folder that names `virt`; `raw.rs` has all of its `unsafe`.
//!
//! ```text
//! connection  one connection per kind of call, and the thread that brings them back
//! events      libvirt's event loop and its events
//! errors      libvirt's errors as the engine's
//! facts       what the host offers to guests
//! inventory   which domains there are and how they are
//! domain      definition and power of one;  devices  its devices;  stats  counters of many
//! host_devices  the host's own
//! blocks      snapshots and jobs on disks of running domains
//! guest       what guests tell of themselves
//! storage     directory pools;  network  libvirt's networks;  secret  what disks' targets ask for
//! raw         the calls that `virt` lacks
//! ```
//!
//! Every call blocks its thread. A call that needs the monitor of a QEMU which hangs is refused.

mod blocks;
mod connection;
mod devices;
mod domain;
mod errors;
mod events;
mod facts;
mod guest;
mod host_devices;
mod inventory;
mod network;
mod raw;
mod secret;
mod stats;
mod storage;
#[cfg(test)]
mod tests;

use crate::engine::ports::{
    AgentCall, Ask, BlockJob, Control, DomainSample, DomainSeen, Hypervisor, HypervisorEvent, Scope, Telling,
};
use crate::error::Result;
use crate::model::{Accelerator, DiskId, GuestInterface, GuestReport, HostFacts, Tune, VmId};
use connection::{Lane, Link};
use stats::Sampler;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use virt::sys;

/// One libvirtd. Works, and says so with `Unavailable`, while that is away.
pub struct Libvirt {
    link: Arc<Link>,
    sampler: Sampler,
    accelerator: Option<Accelerator>,
    facts_cache: Option<PathBuf>,
}

impl Libvirt {
    /// Returns at once and connects in the background. No accelerator means the one that suits the
    /// host; `facts_cache` is a file that keeps what was probed.
    pub fn new(uri: &str, accelerator: Option<Accelerator>, facts_cache: Option<PathBuf>) -> Self {
        let link = Link::new(uri);
        Self { sampler: Sampler::new(Arc::clone(&link)), link, accelerator, facts_cache }
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        self.link.end();
    }
}

impl Hypervisor for Libvirt {
    fn subscribe(&self, events: UnboundedSender<HypervisorEvent>) {
        self.link.subscribe(events);
    }

    fn version(&self) -> Result<String> {
        self.link.call(Lane::Calls, facts::version)
    }

    fn facts(&self) -> Result<HostFacts> {
        let cache = self.facts_cache.as_deref();
        self.link.call(Lane::Slow, |connect| facts::facts(connect, self.accelerator, cache))
    }

    fn host_uuid(&self) -> Result<String> {
        self.link.call(Lane::Calls, facts::host_uuid)
    }

    fn domains(&self) -> Result<Vec<DomainSeen>> {
        self.link.call(Lane::Calls, inventory::all)
    }

    fn each_domain(&self, tell: Telling<'_>) -> Result<()> {
        self.link.call(Lane::Calls, |connect| inventory::each(connect, tell))
    }

    fn domain(&self, id: VmId) -> Result<Option<DomainSeen>> {
        self.link.call(Lane::Calls, |connect| inventory::one(connect, id))
    }

    fn document(&self, id: VmId, persistent: bool) -> Result<Option<String>> {
        self.link.call(Lane::Calls, |connect| domain::document(connect, id, persistent))
    }

    fn look(&self, id: VmId, persistent: bool) -> Result<Option<(DomainSeen, String)>> {
        self.link.call(Lane::Calls, |connect| inventory::with_document(connect, id, persistent))
    }

    fn define(&self, document: &str) -> Result<()> {
        self.link.call(Lane::Calls, |connect| domain::define(connect, document, true))
    }

    fn redefine(&self, document: &str) -> Result<()> {
        // Tests run debug builds: there an edit that the schema does not know is found out.
        let validate = cfg!(debug_assertions);
        self.link.call(Lane::Calls, |connect| domain::define(connect, document, validate))
    }

    fn undefine(&self, id: VmId) -> Result<()> {
        self.link.call(Lane::Calls, |connect| domain::undefine(connect, id))
    }

    fn rename(&self, id: VmId, name: &str) -> Result<()> {
        self.link.call(Lane::Calls, |connect| domain::rename(connect, id, name))
    }

    fn start(&self, id: VmId, paused: bool) -> Result<()> {
        self.link.call(Lane::Slow, |connect| domain::start(connect, id, paused))
    }

    fn start_with(&self, document: &str, paused: bool) -> Result<()> {
        self.link.call(Lane::Slow, |connect| domain::start_with(connect, document, paused))
    }

    fn saved_document(&self, file: &Path) -> Result<String> {
        self.link.call(Lane::Calls, |connect| blocks::saved_document(connect, file))
    }

    fn restore(&self, file: &Path, document: &str) -> Result<()> {
        self.link.call(Lane::Slow, |connect| blocks::restore(connect, file, document))
    }

    fn shutdown(&self, id: VmId, ask: Ask) -> Result<()> {
        self.link.call(Lane::Calls, |connect| domain::shutdown(connect, id, ask))
    }

    fn reboot(&self, id: VmId, ask: Ask) -> Result<()> {
        self.link.call(Lane::Calls, |connect| domain::reboot(connect, id, ask))
    }

    fn reset(&self, id: VmId) -> Result<()> {
        self.link.call(Lane::Calls, |connect| Ok(domain::responsive(connect, id)?.reset()?))
    }

    fn destroy(&self, id: VmId) -> Result<()> {
        self.link.call(Lane::Calls, |connect| domain::destroy(connect, id))
    }

    fn pause(&self, id: VmId) -> Result<()> {
        self.link.call(Lane::Calls, |connect| Ok(domain::responsive(connect, id)?.suspend()?))
    }

    fn resume(&self, id: VmId) -> Result<()> {
        self.link.call(Lane::Calls, |connect| Ok(domain::responsive(connect, id)?.resume()?))
    }

    fn save(&self, id: VmId) -> Result<()> {
        self.link.call(Lane::Slow, |connect| Ok(domain::responsive(connect, id)?.managed_save(0)?))
    }

    fn drop_save(&self, id: VmId) -> Result<()> {
        self.link.call(Lane::Calls, |connect| domain::drop_save(connect, id))
    }

    fn attach(&self, id: VmId, device: &str, alias: &str, scope: Scope) -> Result<()> {
        self.link.call(Lane::Calls, |connect| devices::attach(connect, id, device, alias, scope))
    }

    fn detach(&self, id: VmId, alias: &str, scope: Scope) -> Result<bool> {
        self.link.call(Lane::Calls, |connect| devices::detach(connect, id, alias, scope))
    }

    fn update_device(&self, id: VmId, device: &str, scope: Scope) -> Result<()> {
        self.link.call(Lane::Calls, |connect| devices::update(connect, id, device, scope))
    }

    fn change_medium(&self, id: VmId, drive: &str, force: bool) -> Result<()> {
        self.link.call(Lane::Calls, |connect| devices::change_medium(connect, id, drive, force))
    }

    fn tune_block(&self, id: VmId, target: &str, tune: Tune) -> Result<()> {
        self.link.call(Lane::Calls, |connect| devices::tune_block(connect, id, target, tune))
    }

    fn resize_block(&self, id: VmId, target: &str, bytes: u64) -> Result<()> {
        self.link.call(Lane::Calls, |connect| devices::resize_block(connect, id, target, bytes))
    }

    fn snapshot(&self, id: VmId, document: &str, memory: bool) -> Result<()> {
        self.link.call(Lane::Slow, |connect| blocks::snapshot(connect, id, document, memory))
    }

    fn has_job(&self, id: VmId) -> Result<bool> {
        self.link.call(Lane::Calls, |connect| blocks::has_job(connect, id))
    }

    fn abort_job(&self, id: VmId) -> Result<()> {
        self.link.call(Lane::Calls, |connect| blocks::abort_job(connect, id))
    }

    fn commit_block(&self, id: VmId, target: &str, top: &str, base: &str, active: bool) -> Result<()> {
        self.link.call(Lane::Calls, |connect| blocks::commit(connect, id, target, top, base, active))
    }

    fn copy_block(&self, id: VmId, target: &str, document: &str, shallow: bool) -> Result<()> {
        self.link.call(Lane::Calls, |connect| blocks::copy(connect, id, target, document, shallow))
    }

    fn block_job(&self, id: VmId, target: &str) -> Result<Option<BlockJob>> {
        self.link.call(Lane::Calls, |connect| blocks::job(connect, id, target))
    }

    fn end_block_job(&self, id: VmId, target: &str, pivot: bool) -> Result<()> {
        self.link.call(Lane::Slow, |connect| blocks::end_job(connect, id, target, pivot))
    }

    fn set_memory(&self, id: VmId, bytes: u64, scope: Scope) -> Result<()> {
        self.link.call(Lane::Calls, |connect| devices::set_memory(connect, id, bytes, scope))
    }

    fn set_vcpus(&self, id: VmId, count: u32) -> Result<()> {
        self.link.call(Lane::Calls, |connect| {
            Ok(domain::responsive(connect, id)?.set_vcpus_flags(count, sys::VIR_DOMAIN_VCPU_LIVE)?)
        })
    }

    fn pin_vcpu(&self, id: VmId, vcpu: u32, cpus: &[bool]) -> Result<()> {
        self.link.call(Lane::Calls, |connect| domain::pin_vcpu(connect, id, vcpu, cpus))
    }

    fn set_cpu_shares(&self, id: VmId, shares: u32) -> Result<()> {
        self.link.call(Lane::Calls, |connect| {
            Ok(raw::set_cpu_shares(&domain::responsive(connect, id)?, shares.into())?)
        })
    }

    fn agent(&self, id: VmId, call: AgentCall) -> Result<()> {
        self.link.call(Lane::Slow, |connect| domain::agent(connect, id, call))
    }

    fn guest(&self, id: VmId) -> Result<GuestReport> {
        self.link.call(Lane::Slow, |connect| guest::report(connect, id))
    }

    fn leases(&self) -> Result<Vec<GuestInterface>> {
        self.link.call(Lane::Calls, guest::leases)
    }

    fn open_console(&self, id: VmId, place: u32) -> Result<OwnedFd> {
        self.link.call(Lane::Calls, |connect| domain::open_console(connect, id, place))
    }

    fn control(&self, id: VmId) -> Result<Control> {
        self.link.call(Lane::Calls, |connect| domain::control(&domain::lookup(connect, id)?))
    }

    fn sample(&self, ids: &[VmId]) -> Result<Vec<(VmId, DomainSample)>> {
        self.sampler.sample(ids)
    }

    fn host_devices(&self) -> Result<Vec<String>> {
        self.link.call(Lane::Slow, host_devices::documents)
    }

    fn ensure_pool(&self, name: &str, folder: &Path) -> Result<()> {
        self.link.call(Lane::Slow, |connect| storage::ensure_pool(connect, name, folder))
    }

    fn drop_pool(&self, name: &str) -> Result<()> {
        self.link.call(Lane::Slow, |connect| storage::drop_pool(connect, name))
    }

    fn refresh_pool(&self, name: &str) -> Result<()> {
        self.link.call(Lane::Slow, |connect| storage::refresh(connect, name))
    }

    fn pool_space(&self, name: &str) -> Result<(u64, u64)> {
        self.link.call(Lane::Calls, |connect| storage::space(connect, name))
    }

    fn ensure_network(&self, document: &str) -> Result<()> {
        self.link.call(Lane::Slow, |connect| network::ensure(connect, document))
    }

    fn drop_network(&self, name: &str) -> Result<()> {
        self.link.call(Lane::Slow, |connect| network::drop(connect, name))
    }

    fn network_active(&self, name: &str) -> Result<bool> {
        self.link.call(Lane::Calls, |connect| network::active(connect, name))
    }

    fn ensure_secret(&self, id: DiskId, secret: &str) -> Result<()> {
        self.link.call(Lane::Calls, |connect| secret::ensure(connect, id, secret))
    }

    fn drop_secret(&self, id: DiskId) -> Result<()> {
        self.link.call(Lane::Calls, |connect| secret::drop(connect, id))
    }

    fn rotate(&self) {
        self.link.rotate();
    }
}
