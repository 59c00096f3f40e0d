//! What the live tests stand on: a private host, a daemon on it, a client of the daemon, guests.
//!
//! All of it is real: libvirtd, QEMU, image files. Most tests share one host and one daemon;
//! those that hurt one of them have their own.

mod client;
mod daemon;
mod disk;
mod guest;
mod host;
mod nic;
mod vm;

pub use client::{Client, Reply};
pub use daemon::{Daemon, Options, PASSWORD, USER};
pub use disk::Disk;
pub use guest::Guest;
pub use host::{Host, Listener, run};
pub use nic::Nic;
pub use vm::{Boots, Vm, statistic};

use std::io::Write;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

pub const MIB: u64 = 1 << 20;

/// A host, its daemon, and who asks it.
pub struct Lab {
    // Dropped in this order: the daemon lives in the host's namespace and on its disk.
    pub daemon: Daemon,
    pub host: Host,
}

impl Lab {
    pub fn new(host: Host, options: &Options) -> Self {
        Self { daemon: Daemon::start(&host, options), host }
    }

    /// A lab for one test alone.
    pub fn own() -> Option<Self> {
        guests()?;
        Some(Self::new(Host::start(&[]), &Options::default()))
    }

    /// On Debian's own configuration of QEMU.
    pub fn stock() -> Option<Self> {
        guests()?;
        Some(Self::new(Host::start(&["--stock"]), &Options::default()))
    }

    /// On a host that shows a NUMA node for each of its CPUs.
    pub fn with_nodes() -> Option<Self> {
        guests()?;
        Some(Self::new(Host::start(&["--numa"]), &Options::default()))
    }

    pub fn client(&self) -> Client {
        self.daemon.client()
    }

    /// Creates a VM. It goes with the test.
    pub fn vm(&self, name: &str, boots: Boots, more: &str) -> Vm<'_> {
        Vm::create(self, name, boots, more)
    }
}

/// The lab that tests share; it goes with the last one that holds it.
pub struct Shared(Arc<Lab>);

impl Deref for Shared {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.0.daemon.tell_when_panicking();
    }
}

/// The shared lab; `None`, after having said so, where the guests are missing.
pub fn lab() -> Option<Shared> {
    static LAB: Mutex<Weak<Lab>> = Mutex::new(Weak::new());
    guests()?;
    let mut shared = LAB.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = shared.upgrade().unwrap_or_else(|| Arc::new(Lab::new(Host::start(&[]), &Options::default())));
    *shared = Arc::downgrade(&lab);
    Some(Shared(lab))
}

/// The folder of the guests that `tests/guests/build` makes.
pub fn guests() -> Option<PathBuf> {
    let folder = std::env::var_os("VIREO_TEST_GUESTS").map(PathBuf::from);
    if folder.is_none() {
        skip("live tests: VIREO_TEST_GUESTS is not set (tests/run sets it)");
    }
    folder
}

/// Says that something is not tested here, past the test runner's capture, and for its summary.
pub fn skip(why: &str) {
    let _ = std::io::stderr().write_all(format!("SKIPPED {why}\n").as_bytes());
    if let Some(file) = std::env::var_os("VIREO_TEST_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        // In one piece: others write at the same time.
        file.write_all(format!("{why}\n").as_bytes()).unwrap();
    }
}

/// Waits until something is there.
pub fn wait<T>(seconds: u64, what: &str, found: impl FnMut() -> Option<T>) -> T {
    wait_for(Duration::from_secs(seconds), what, found)
}

pub fn wait_for<T>(at_most: Duration, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + at_most;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "not within {at_most:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until something is true.
pub fn until(seconds: u64, what: &str, mut done: impl FnMut() -> bool) {
    wait(seconds, what, || done().then_some(()));
}
