//! On whose behalf work runs: it follows a request into everything that the request begins.

use crate::model::UserId;
use std::future::Future;

tokio::task_local! {
    static CALLER: Caller;
}

/// Nobody but the engine itself, by default.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub user: Option<UserId>,
    /// The client's own word for the request.
    pub correlation: Option<String>,
}

impl Caller {
    /// The caller of the present task.
    pub fn present() -> Self {
        CALLER.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs work on this caller's behalf.
    pub fn run<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CALLER.scope(self, work)
    }
}
