//! The statistics of a host.

use super::app::App;
use super::fault::Fault;
use super::statistics::{Entry, entry, statistics};
use crate::wire::types::{Statistic, Statistics};

const HOST: [Entry; 16] = [
    entry("7816602b-c05c-3db7-a4da-3769f7ad8896", "memory.total", "Total memory", "bytes", false),
    entry("b7499508-c1c3-32f0-8174-c1783e57bb08", "memory.used", "Used memory", "bytes", false),
    entry("5a0fba9d-33d7-3cbf-addd-ba462040c946", "memory.free", "Free memory", "bytes", false),
    entry("ffc0e1fd-fa34-3f85-9862-8a841c1658bc", "memory.shared", "Shared memory", "bytes", false),
    entry("c81c86f0-bc61-3c78-a543-898b8339d03f", "memory.buffers", "IO buffers", "bytes", false),
    entry("1b6244ee-8dbd-365d-8762-482ddc05ee11", "memory.cached", "OS caches", "bytes", false),
    entry("c43847d7-3bc1-3aaf-b92c-902e64bbdb5b", "swap.total", "Total swap", "bytes", false),
    entry("1a4c1c9b-f3cc-301e-82ce-47d4b9fb5a46", "swap.free", "Free swap", "bytes", false),
    entry("27686b4e-ba8d-3576-bc70-d68cbd8a2ba9", "swap.used", "Used swap", "bytes", false),
    entry("ea00da15-de2d-3393-a7cb-810c4b19ed07", "swap.cached", "Swap also in memory", "bytes", false),
    entry("f740b9ad-14a7-3f6c-9b80-efff44777169", "ksm.cpu.current", "KSM CPU usage", "percent", true),
    entry("a1fab379-66e2-3b1d-9914-81a9e79cb719", "cpu.current.user", "User CPU usage", "percent", true),
    entry("a98c1e11-078c-3593-a57e-4b12c1ce9815", "cpu.current.system", "System CPU usage", "percent", true),
    entry("4ae97794-f56d-3f05-a9e7-8798887cd1ac", "cpu.current.idle", "Idle CPU usage", "percent", true),
    entry(
        "65860dae-c890-312e-9314-5c01f31225ab",
        "cpu.load.avg.5m",
        "CPU 5 minute load average",
        "percent",
        true,
    ),
    entry("3ceb2072-a5a5-3b21-9bb2-e966471fd81c", "boot.time", "Boot time of the machine", "none", false),
];

/// The statistics of the host at that address.
pub fn of(app: &App, href: &str, owner: impl Fn(&mut Statistic)) -> Result<Statistics, Fault> {
    let it = app.meters.host(app.engine.settings.stats_interval)?;
    let values = [
        it.memory_total as f64,
        it.memory_used as f64,
        it.memory_free as f64,
        it.memory_shared as f64,
        it.memory_buffers as f64,
        it.memory_cached as f64,
        it.swap_total as f64,
        it.swap_free as f64,
        it.swap_used as f64,
        it.swap_cached as f64,
        it.cpu_ksm,
        it.cpu_user,
        it.cpu_system,
        it.cpu_idle,
        it.load_5m,
        app.host.boot_time as f64,
    ];
    Ok(statistics(&HOST, values, href, owner))
}
