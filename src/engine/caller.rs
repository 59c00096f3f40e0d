//! On whose behalf work runs: it follows a request into everything that the request begins.

use crate::model::{JobId, UserId};
use std::future::Future;
use std::sync::{Arc, OnceLock};

tokio::task_local! {
    static CALLER: Caller;
}

/// Nobody but the engine itself, by default.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub user: Option<UserId>,
    /// The client's own word for the request.
    pub correlation: Option<String>,
    /// The first job that began on its behalf.
    job: Arc<OnceLock<JobId>>,
}

impl Caller {
    pub fn new(user: Option<UserId>, correlation: Option<String>) -> Self {
        Self { user, correlation, job: Arc::default() }
    }

    /// The first job that began on the caller's behalf, if one did.
    pub fn job(&self) -> Option<JobId> {
        self.job.get().copied()
    }

    /// A job begins on the caller's behalf.
    pub(super) fn began(&self, job: JobId) {
        // Only the first one counts.
        let _ = self.job.set(job);
    }

    /// The caller of the present task.
    pub fn present() -> Self {
        CALLER.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs work on this caller's behalf.
    pub fn run<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CALLER.scope(self, work)
    }
}
