//! The hypervisor port on libvirt. The only folder that names `virt`; `raw.rs` has its `unsafe`,
//! but for the event loop's.
//!
//! ```text
//! connection  connections that carry a call each, and the thread that brings them back
//! session     an open connection and the domains that were looked up on it
//! event_loop  what libvirt's watches and timers run on;  events  its events
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
mod event_loop;
mod events;
mod facts;
mod guest;
mod host_devices;
mod inventory;
mod network;
mod raw;
mod secret;
mod session;
mod stats;
mod storage;
#[cfg(test)]
mod tests;

use crate::engine::ports::{
    AgentCall, Ask, BlockJob, Control, DomainSample, DomainSeen, Hypervisor, HypervisorEvent, Lease, Scope,
    StopDetail, Telling,
};
use crate::error::Result;
use crate::model::{Accelerator, DiskId, GuestReport, HostFacts, Tune, VmId};
use connection::Link;
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
        self.link.call(|session| facts::version(session))
    }

    fn facts(&self) -> Result<HostFacts> {
        let cache = self.facts_cache.as_deref();
        self.link.call(|session| facts::facts(session, self.accelerator, cache))
    }

    fn host_uuid(&self) -> Result<String> {
        self.link.call(|session| facts::host_uuid(session))
    }

    fn domains(&self) -> Result<Vec<DomainSeen>> {
        self.link.call(inventory::all)
    }

    fn documents(&self, of: Vec<DomainSeen>, at_once: usize, tell: Telling<'_>) -> Result<()> {
        inventory::documents(&self.link, of, at_once, tell)
    }

    fn document(&self, id: VmId, persistent: bool) -> Result<Option<String>> {
        self.link.call(|session| domain::document(session, id, persistent))
    }

    fn look(&self, id: VmId, persistent: bool) -> Result<Option<(DomainSeen, String)>> {
        self.link.call(|session| inventory::look(session, id, persistent))
    }

    fn define(&self, document: &str) -> Result<()> {
        // Tests run debug builds: there a document that the schema does not know is found out.
        let validate = cfg!(debug_assertions);
        self.link.call(|session| domain::define(session, document, validate))
    }

    fn define_validated(&self, document: &str) -> Result<()> {
        self.link.call(|session| domain::define(session, document, true))
    }

    fn undefine(&self, id: VmId) -> Result<()> {
        self.link.call(|session| domain::undefine(session, id))
    }

    fn rename(&self, id: VmId, name: &str) -> Result<()> {
        self.link.call(|session| domain::rename(session, id, name))
    }

    fn start(&self, id: VmId, paused: bool) -> Result<()> {
        self.link.call(|session| domain::start(session, id, paused))
    }

    fn start_with(&self, document: &str, paused: bool) -> Result<()> {
        self.link.call(|session| domain::start_with(session, document, paused))
    }

    fn saved_document(&self, file: &Path) -> Result<String> {
        self.link.call(|session| blocks::saved_document(session, file))
    }

    fn restore(&self, file: &Path, document: &str) -> Result<()> {
        self.link.call(|session| blocks::restore(session, file, document))
    }

    fn shutdown(&self, id: VmId, ask: Ask) -> Result<()> {
        self.link.call(|session| domain::shutdown(session, id, ask))
    }

    fn reboot(&self, id: VmId, ask: Ask) -> Result<()> {
        self.link.call(|session| domain::reboot(session, id, ask))
    }

    fn destroy(&self, id: VmId) -> Result<()> {
        self.link.call(|session| domain::destroy(session, id))
    }

    fn pause(&self, id: VmId) -> Result<()> {
        self.link.call(|session| Ok(domain::responsive(session, id)?.suspend()?))
    }

    fn resume(&self, id: VmId) -> Result<()> {
        self.link.call(|session| Ok(domain::responsive(session, id)?.resume()?))
    }

    fn save(&self, id: VmId) -> Result<()> {
        self.link.call(|session| Ok(domain::responsive(session, id)?.managed_save(0)?))
    }

    fn drop_save(&self, id: VmId) -> Result<()> {
        self.link.call(|session| domain::drop_save(session, id))
    }

    fn attach(&self, id: VmId, device: &str, alias: &str, scope: Scope) -> Result<()> {
        self.link.call(|session| devices::attach(session, id, device, alias, scope))
    }

    fn detach(&self, id: VmId, alias: &str, scope: Scope) -> Result<bool> {
        self.link.call(|session| devices::detach(session, id, alias, scope))
    }

    fn update_device(&self, id: VmId, device: &str, scope: Scope) -> Result<()> {
        self.link.call(|session| devices::update(session, id, device, scope))
    }

    fn change_medium(&self, id: VmId, drive: &str, force: bool) -> Result<()> {
        self.link.call(|session| devices::change_medium(session, id, drive, force))
    }

    fn tune_block(&self, id: VmId, target: &str, tune: Tune) -> Result<()> {
        self.link.call(|session| devices::tune_block(session, id, target, tune))
    }

    fn resize_block(&self, id: VmId, target: &str, bytes: u64) -> Result<()> {
        self.link.call(|session| devices::resize_block(session, id, target, bytes))
    }

    fn snapshot(&self, id: VmId, document: &str, memory: bool) -> Result<()> {
        self.link.call(|session| blocks::snapshot(session, id, document, memory))
    }

    fn has_job(&self, id: VmId) -> Result<bool> {
        self.link.call(|session| blocks::has_job(session, id))
    }

    fn abort_job(&self, id: VmId) -> Result<()> {
        self.link.call(|session| blocks::abort_job(session, id))
    }

    fn commit_block(&self, id: VmId, target: &str, top: &str, base: &str, active: bool) -> Result<()> {
        self.link.call(|session| blocks::commit(session, id, target, top, base, active))
    }

    fn copy_block(&self, id: VmId, target: &str, document: &str, shallow: bool) -> Result<()> {
        self.link.call(|session| blocks::copy(session, id, target, document, shallow))
    }

    fn block_job(&self, id: VmId, target: &str) -> Result<Option<BlockJob>> {
        self.link.call(|session| blocks::job(session, id, target))
    }

    fn end_block_job(&self, id: VmId, target: &str, pivot: bool) -> Result<()> {
        self.link.call(|session| blocks::end_job(session, id, target, pivot))
    }

    fn set_memory(&self, id: VmId, bytes: u64, scope: Scope) -> Result<()> {
        self.link.call(|session| devices::set_memory(session, id, bytes, scope))
    }

    fn set_vcpus(&self, id: VmId, count: u32) -> Result<()> {
        self.link.call(|session| {
            Ok(domain::responsive(session, id)?.set_vcpus_flags(count, sys::VIR_DOMAIN_VCPU_LIVE)?)
        })
    }

    fn pin_vcpu(&self, id: VmId, vcpu: u32, cpus: &[bool]) -> Result<()> {
        self.link.call(|session| domain::pin_vcpu(session, id, vcpu, cpus))
    }

    fn agent(&self, id: VmId, call: AgentCall) -> Result<()> {
        self.link.call(|session| domain::agent(session, id, call))
    }

    fn guest(&self, id: VmId) -> Result<GuestReport> {
        self.link.call(|session| guest::report(session, id))
    }

    fn leases(&self) -> Result<Vec<Lease>> {
        self.link.call(|session| guest::leases(session))
    }

    fn open_console(&self, id: VmId, place: u32) -> Result<OwnedFd> {
        self.link.call(|session| domain::open_console(session, id, place))
    }

    fn last_stop(&self, id: VmId) -> Result<Option<StopDetail>> {
        self.link.call(|session| inventory::last_stop(session, id))
    }

    fn control(&self, id: VmId) -> Result<Control> {
        self.link.call(|session| domain::watch(session, id))
    }

    fn sample(&self, ids: &[VmId]) -> Result<Vec<(VmId, DomainSample)>> {
        self.sampler.sample(ids)
    }

    fn host_devices(&self) -> Result<Vec<String>> {
        self.link.call(|session| host_devices::documents(session))
    }

    fn ensure_pool(&self, name: &str, folder: &Path) -> Result<()> {
        self.link.call(|session| storage::ensure_pool(session, name, folder))
    }

    fn drop_pool(&self, name: &str) -> Result<()> {
        self.link.call(|session| storage::drop_pool(session, name))
    }

    fn refresh_pool(&self, name: &str) -> Result<()> {
        self.link.call(|session| storage::refresh(session, name))
    }

    fn ensure_network(&self, document: &str) -> Result<()> {
        self.link.call(|session| network::ensure(session, document))
    }

    fn drop_network(&self, name: &str) -> Result<()> {
        self.link.call(|session| network::drop(session, name))
    }

    fn network_active(&self, name: &str) -> Result<bool> {
        self.link.call(|session| network::active(session, name))
    }

    fn ensure_secret(&self, id: DiskId, secret: &str) -> Result<()> {
        self.link.call(|session| secret::ensure(session, id, secret))
    }

    fn drop_secret(&self, id: DiskId) -> Result<()> {
        self.link.call(|session| secret::drop(session, id))
    }
}
