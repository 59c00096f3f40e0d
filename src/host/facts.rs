//! What this machine is and how busy it is.

use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// What does not change while the daemon runs.
#[derive(Clone, Debug, PartialEq)]
pub struct HostInfo {
    pub name: String,
    /// `Debian GNU/Linux`.
    pub os: String,
    /// `12`.
    pub os_version: String,
    pub kernel: String,
    pub cpu_model: String,
    pub cpu_mhz: u64,
    pub sockets: u32,
    /// In each socket.
    pub cores: u32,
    /// In each core.
    pub threads: u32,
    /// Bytes.
    pub memory: u64,
    /// Seconds since 1970.
    pub boot_time: u64,
    /// The kernel joins pages to large ones where it can.
    pub huge_pages: bool,
    /// It joined equal pages when the daemon began.
    pub shares_pages: bool,
    /// The mode of SELinux: `enforcing`, `permissive`, or `disabled`, also where the kernel has none.
    pub selinux: String,
}

/// How busy the machine is: bytes, and percent of all of its processors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostSample {
    pub memory_total: u64,
    /// What neither is free nor serves as a cache.
    pub memory_used: u64,
    /// All but the used.
    pub memory_free: u64,
    pub memory_shared: u64,
    pub memory_buffers: u64,
    pub memory_cached: u64,
    pub swap_total: u64,
    pub swap_free: u64,
    pub swap_used: u64,
    pub swap_cached: u64,
    pub cpu_user: f64,
    pub cpu_system: f64,
    pub cpu_idle: f64,
    /// Of one CPU, by the kernel's search for equal pages.
    pub cpu_ksm: f64,
    /// The mean number of processes that wanted to run in the last five minutes.
    pub load_5m: f64,
}

impl HostInfo {
    /// Looks at this machine; what it does not tell is empty or zero.
    pub fn read() -> Self {
        let cpu = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_frequency());
        let system = System::new_with_specifics(cpu).ok();
        let first = system.as_ref().and_then(|system| system.cpus().first());
        let (sockets, cores, threads) = topology(Path::new("/sys/devices/system/cpu"));
        Self {
            name: System::host_name().unwrap_or_default(),
            os: System::name().unwrap_or_default(),
            os_version: System::os_version().unwrap_or_default(),
            kernel: System::kernel_version().unwrap_or_default(),
            cpu_model: first.map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default(),
            cpu_mhz: first.map(|cpu| cpu.frequency()).unwrap_or_default(),
            sockets,
            cores,
            threads,
            memory: fs::read_to_string("/proc/meminfo").map_or(0, |text| meminfo(&text, "MemTotal")),
            boot_time: System::boot_time().unwrap_or_default(),
            huge_pages: fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
                .is_ok_and(|modes| !modes.contains("[never]")),
            shares_pages: fs::read_to_string("/sys/kernel/mm/ksm/run").is_ok_and(|run| run.trim() == "1"),
            selinux: match fs::read_to_string("/sys/fs/selinux/enforce").as_deref().map(str::trim) {
                Ok("0") => "permissive",
                Ok(_) => "enforcing",
                Err(_) => "disabled",
            }
            .to_owned(),
        }
    }
}

/// Sockets, cores per socket and threads per core of the CPUs that are there.
fn topology(folder: &Path) -> (u32, u32, u32) {
    let (mut sockets, mut cores, mut cpus) = (BTreeSet::new(), BTreeSet::new(), 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let read = |file: &str| fs::read_to_string(entry.path().join("topology").join(file));
        if let (Ok(socket), Ok(core)) = (read("physical_package_id"), read("core_id")) {
            cores.insert((socket.clone(), core));
            sockets.insert(socket);
            cpus += 1;
        }
    }
    let (sockets, cores) = ((sockets.len() as u32).max(1), (cores.len() as u32).max(1));
    (sockets, cores.div_ceil(sockets), u32::max(cpus, 1).div_ceil(cores))
}

/// Samples of the host. Keeps the sample before: shares of time are those since then, at first
/// those since the boot.
#[derive(Default)]
pub struct Meter {
    before: Mutex<(CpuTimes, u64)>,
    /// The kernel's thread that looks for equal pages.
    ksm: OnceLock<Option<PathBuf>>,
}

impl Meter {
    pub fn sample(&self) -> Result<HostSample> {
        let read = |file: &str| {
            fs::read_to_string(file).map_err(|why| {
                Error::host("The host does not tell how busy it is.").because(format!("{file}: {why}"))
            })
        };
        let (memory, stat, load) = (read("/proc/meminfo")?, read("/proc/stat")?, read("/proc/loadavg")?);
        let mut sample = memory_sample(&memory);
        let (now, ksm) = (CpuTimes::of(&stat), self.ksm_ticks());
        let mut last = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, ksm_before) = std::mem::replace(&mut *last, (now, ksm));
        drop(last);
        (sample.cpu_user, sample.cpu_system, sample.cpu_idle) = now.shares_since(before);
        let cpus = stat.lines().filter(|line| line.starts_with("cpu")).count().saturating_sub(1).max(1);
        let of_one_cpu = (now.all().saturating_sub(before.all()) as f64 / cpus as f64).max(1.0);
        sample.cpu_ksm = ksm.saturating_sub(ksm_before) as f64 * 100.0 / of_one_cpu;
        let five_minutes: f64 = load.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
        sample.load_5m = five_minutes;
        Ok(sample)
    }

    fn ksm_ticks(&self) -> u64 {
        let stat = self.ksm.get_or_init(|| thread("ksmd"));
        stat.as_ref().and_then(|stat| fs::read_to_string(stat).ok()).map_or(0, |stat| ticks(&stat))
    }
}

/// The `stat` file of a kernel's thread.
fn thread(name: &str) -> Option<PathBuf> {
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let is = |path: &PathBuf| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name);
    processes.into_iter().find(is).map(|path| path.join("stat"))
}

/// User and system time of a process: the fields 14 and 15, two of which are before its name's end.
fn ticks(stat: &str) -> u64 {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn memory_sample(text: &str) -> HostSample {
    let [total, free, shared, buffers, cached] =
        ["MemTotal", "MemFree", "Shmem", "Buffers", "Cached"].map(|key| meminfo(text, key));
    let [swap_total, swap_free, swap_cached] =
        ["SwapTotal", "SwapFree", "SwapCached"].map(|key| meminfo(text, key));
    let used = total.saturating_sub(free + buffers + cached);
    HostSample {
        memory_total: total,
        memory_used: used,
        memory_free: total - used,
        memory_shared: shared,
        memory_buffers: buffers,
        memory_cached: cached,
        swap_total,
        swap_free,
        swap_used: swap_total.saturating_sub(swap_free),
        swap_cached,
        ..HostSample::default()
    }
}

/// A value of `/proc/meminfo` in bytes.
pub(super) fn meminfo(text: &str, key: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// Ticks since the boot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CpuTimes {
    user: u64,
    system: u64,
    idle: u64,
}

impl CpuTimes {
    /// From a line of `/proc/stat`, or the first one of all: user nice system idle iowait irq softirq steal.
    pub(super) fn of(stat: &str) -> Self {
        let ticks: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        let sum = |fields: &[usize]| fields.iter().filter_map(|field| ticks.get(*field)).sum();
        Self { user: sum(&[0, 1]), system: sum(&[2, 5, 6, 7]), idle: sum(&[3, 4]) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            user: self.user + other.user,
            system: self.system + other.system,
            idle: self.idle + other.idle,
        }
    }

    fn all(self) -> u64 {
        self.user + self.system + self.idle
    }

    /// Percent of user, system and idle time. Between two looks within a tick nothing was done.
    pub(super) fn shares_since(self, before: Self) -> (f64, f64, f64) {
        let [user, system, idle] =
            [(self.user, before.user), (self.system, before.system), (self.idle, before.idle)]
                .map(|(now, before)| now.saturating_sub(before) as f64);
        match user + system + idle {
            0.0 => (0.0, 0.0, 100.0),
            all => (user * 100.0 / all, system * 100.0 / all, idle * 100.0 / all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells() {
        let info = HostInfo::read();
        assert!(!info.name.is_empty() && !info.kernel.is_empty() && !info.os.is_empty(), "{info:?}");
        assert!(!info.cpu_model.is_empty() && info.memory > 1 << 20 && info.boot_time > 0, "{info:?}");
        assert!(info.sockets * info.cores * info.threads > 0, "{info:?}");
        let meter = Meter::default();
        for _ in 0..2 {
            let sample = meter.sample().unwrap();
            assert!(sample.memory_used > 0 && sample.memory_used < sample.memory_total);
            let all = sample.cpu_user + sample.cpu_system + sample.cpu_idle;
            assert!((99.9..100.1).contains(&all), "{sample:?}");
        }
    }

    #[test]
    fn memory() {
        let sample = memory_sample(
            "MemTotal: 1000 kB\nMemFree: 400 kB\nBuffers: 50 kB\nCached: 150 kB\nSwapCached: 1 kB\n\
             SwapTotal: 10 kB\nSwapFree: 4 kB\nShmem: 7 kB\n",
        );
        assert_eq!((sample.memory_used, sample.memory_free), (400 * 1024, 600 * 1024));
        assert_eq!((sample.swap_used, sample.swap_cached, sample.memory_shared), (6 * 1024, 1024, 7 * 1024));
        assert_eq!(memory_sample("").memory_used, 0);
    }

    #[test]
    fn time_of_a_thread() {
        assert_eq!(ticks("37 (a ) b) S 2 0 0 0 -1 2129984 0 0 0 0 3 4 0 0 25 5 1"), 7);
        assert_eq!(ticks(""), 0);
    }

    #[test]
    fn shares_of_time() {
        let before = CpuTimes::of("cpu  10 0 10 100 0 0 0 0 0 0\ncpu0 1 1");
        let now = CpuTimes::of("cpu  20 10 20 150 10 5 3 2 0 0");
        assert_eq!(now.shares_since(before), (20.0, 20.0, 60.0));
        assert_eq!(now.shares_since(now), (0.0, 0.0, 100.0));
        assert_eq!(CpuTimes::of(""), CpuTimes::default());
    }

    #[test]
    fn sockets_cores_threads() {
        let dir = tempfile::tempdir().unwrap();
        for cpu in 0..16 {
            let topology = dir.path().join(format!("cpu{cpu}/topology"));
            fs::create_dir_all(&topology).unwrap();
            fs::write(topology.join("physical_package_id"), format!("{}\n", cpu / 8)).unwrap();
            fs::write(topology.join("core_id"), format!("{}\n", cpu % 8 / 2)).unwrap();
        }
        assert_eq!(topology(dir.path()), (2, 4, 2));
        assert_eq!(topology(Path::new("/nonexistent")), (1, 1, 1));
    }
}
