//! The blocking lane: every call that may block runs here, under permits and a deadline.
//!
//! libvirtd has twenty workers for all its clients, so a few calls go out side by side; slow
//! ones (start, save, destroy) have permits of their own. A call that takes long waits for a
//! guest rather than works, so it gives its permit back: some hung QEMUs must not hold up the
//! others. One that overruns its deadline is left to its thread.

use super::ports::Hypervisor;
use crate::error::{Error, NOT_RESPONDING, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const AT_ONCE: usize = 4;
/// libvirt itself gives up waiting for a busy domain after 30 s.
const CALL: Limits = Limits { permit: Duration::from_millis(500), deadline: Duration::from_secs(31) };
const SLOW: Limits = Limits { permit: Duration::from_secs(5), deadline: Duration::from_secs(600) };
/// One at a time: what is sampled twice at once is of no use.
const SAMPLE: Limits = Limits { permit: Duration::from_secs(20), deadline: Duration::from_secs(20) };

pub struct Lane {
    hypervisor: Arc<dyn Hypervisor>,
    calls: Semaphore,
    slow: Semaphore,
    samples: Semaphore,
}

/// How long a call keeps its permit, and how long it is waited for.
struct Limits {
    permit: Duration,
    deadline: Duration,
}

impl Lane {
    pub fn new(hypervisor: Arc<dyn Hypervisor>) -> Self {
        Self {
            hypervisor,
            calls: Semaphore::new(AT_ONCE),
            slow: Semaphore::new(AT_ONCE),
            samples: Semaphore::new(1),
        }
    }

    /// A quick call.
    pub async fn call<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Hypervisor) -> Result<T> + Send + 'static,
    {
        self.run(&self.calls, CALL, work).await
    }

    /// A call that may take long by its nature.
    pub async fn slow<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Hypervisor) -> Result<T> + Send + 'static,
    {
        self.run(&self.slow, SLOW, work).await
    }

    /// The sampler's own call.
    pub async fn sample<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Hypervisor) -> Result<T> + Send + 'static,
    {
        self.run(&self.samples, SAMPLE, work).await
    }

    async fn run<T, F>(&self, permits: &Semaphore, limits: Limits, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Hypervisor) -> Result<T> + Send + 'static,
    {
        let permit = permits.acquire().await.map_err(Error::bug)?;
        let hypervisor = self.hypervisor.clone();
        let mut call = tokio::task::spawn_blocking(move || work(hypervisor.as_ref()));
        let mut called = tokio::time::timeout(limits.permit, &mut call).await;
        drop(permit);
        if called.is_err() {
            called = tokio::time::timeout(limits.deadline - limits.permit, call).await;
        }
        match called {
            Ok(Ok(answer)) => answer,
            Ok(Err(panicked)) => Err(Error::bug(panicked)),
            Err(_) => Err(Error::conflict(NOT_RESPONDING)
                .because(format!("a hypervisor call did not come back within {:?}", limits.deadline))),
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

/// Images that are read or written as a whole, and files that come at their clients' pace: so many at a
/// time. All other work has the rest of the threads.
pub static COPIES: Semaphore = Semaphore::const_new(8);
pub static UPLOADS: Semaphore = Semaphore::const_new(8);
/// Folders of storage domains that are looked through.
pub static FOLDERS: Semaphore = Semaphore::const_new(4);

/// The same for work that lasts; whoever waits for a turn has no thread.
pub async fn lasting<T, F>(turns: &Semaphore, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    let _turn = turns.acquire().await.map_err(Error::bug)?;
    blocking(work).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Simulated;
    use std::sync::{Mutex, mpsc};

    #[tokio::test]
    async fn calls_that_hang_hold_nobody_up() {
        let lane = Arc::new(Lane::new(Arc::new(Simulated::default())));
        let (end, hung) = mpsc::channel::<()>();
        let hung = Arc::new(Mutex::new(hung));
        let hang = |_| {
            let (lane, hung) = (lane.clone(), hung.clone());
            tokio::spawn(async move { lane.call(move |_| Ok(hung.lock().unwrap().recv().is_err())).await })
        };
        let hanging: Vec<_> = (0..2 * AT_ONCE).map(hang).collect();
        tokio::task::yield_now().await;
        let answered = tokio::time::timeout(10 * CALL.permit, lane.call(|_| Ok(7))).await;
        assert_eq!(answered.unwrap().unwrap(), 7);
        assert!(hanging.iter().all(|call| !call.is_finished()));
        drop(end);
        for call in hanging {
            assert!(call.await.unwrap().unwrap());
        }
    }
}
