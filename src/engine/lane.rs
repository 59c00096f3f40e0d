//! The blocking lane: every call that may block runs here, under permits and a deadline.
//!
//! libvirtd has twenty workers for all its clients, so a few calls go out side by side; slow
//! ones (start, save, destroy) have permits of their own. A call that overruns its deadline
//! gives its permit back: one hung QEMU must not hold up the others.

use super::ports::Hypervisor;
use crate::error::{Error, NOT_RESPONDING, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const CALLS_AT_ONCE: usize = 8;
const SLOW_AT_ONCE: usize = 4;
/// libvirt itself gives up waiting for a busy domain after 30 s.
const CALL_DEADLINE: Duration = Duration::from_secs(31);
const SLOW_DEADLINE: Duration = Duration::from_secs(600);
const SAMPLE_DEADLINE: Duration = Duration::from_secs(20);

pub struct Lane {
    hypervisor: Arc<dyn Hypervisor>,
    calls: Semaphore,
    slow: Semaphore,
    samples: Semaphore,
}

impl Lane {
    pub fn new(hypervisor: Arc<dyn Hypervisor>) -> Self {
        Self {
            hypervisor,
            calls: Semaphore::new(CALLS_AT_ONCE),
            slow: Semaphore::new(SLOW_AT_ONCE),
            samples: Semaphore::new(1),
        }
    }

    /// A quick call.
    pub async fn call<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Hypervisor) -> Result<T> + Send + 'static,
    {
        self.run(&self.calls, CALL_DEADLINE, work).await
    }

    /// A call that may take long by its nature.
    pub async fn slow<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Hypervisor) -> Result<T> + Send + 'static,
    {
        self.run(&self.slow, SLOW_DEADLINE, work).await
    }

    /// The sampler's own call.
    pub async fn sample<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Hypervisor) -> Result<T> + Send + 'static,
    {
        self.run(&self.samples, SAMPLE_DEADLINE, work).await
    }

    async fn run<T, F>(&self, permits: &Semaphore, deadline: Duration, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Hypervisor) -> Result<T> + Send + 'static,
    {
        let _permit = permits.acquire().await.map_err(Error::bug)?;
        let hypervisor = self.hypervisor.clone();
        let call = tokio::task::spawn_blocking(move || work(hypervisor.as_ref()));
        match tokio::time::timeout(deadline, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panicked)) => Err(Error::bug(panicked)),
            Err(_) => Err(Error::conflict(NOT_RESPONDING)
                .because(format!("a hypervisor call did not come back within {deadline:?}"))),
        }
    }
}

/// Runs blocking work that is not the hypervisor's: files, the store, password hashes.
pub async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(Error::bug)?
}
