//! Work that goes on after its answer: clients poll it by id.

use crate::error::{Error, Result};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use uuid::Uuid;

#[derive(Clone, Debug)]
pub enum JobState {
    InProgress,
    Complete,
    Failed(Error),
}

/// Finished jobs that are remembered for those who poll late.
const REMEMBERED: usize = 4096;

#[derive(Default)]
struct Table {
    states: HashMap<Uuid, watch::Receiver<JobState>>,
    /// The oldest first.
    finished: VecDeque<Uuid>,
}

impl Table {
    fn remember(&mut self, finished: Uuid) {
        self.finished.push_back(finished);
        if self.finished.len() > REMEMBERED
            && let Some(old) = self.finished.pop_front()
        {
            self.states.remove(&old);
        }
    }
}

#[derive(Clone, Default)]
pub struct Jobs {
    table: Arc<Mutex<Table>>,
}

/// A value that is there already, and the work that finishes it.
#[derive(Debug)]
pub struct Started<T> {
    pub value: T,
    pub job: Uuid,
    state: watch::Receiver<JobState>,
}

impl<T> Started<T> {
    /// Waits for the work's end.
    pub async fn finished(mut self) -> Result<T> {
        let state = self.state.wait_for(|state| !matches!(state, JobState::InProgress)).await;
        match state.map_err(Error::bug)?.clone() {
            JobState::Failed(why) => Err(why),
            _ => Ok(self.value),
        }
    }
}

impl Jobs {
    /// Runs the work in a task of its own, which no client can cancel.
    pub fn start<T>(&self, value: T, work: impl Future<Output = Result<()>> + Send + 'static) -> Started<T> {
        let job = Uuid::new_v4();
        let (tell, state) = watch::channel(JobState::InProgress);
        let table = self.table.clone();
        table.lock().expect("no panic while held").states.insert(job, state.clone());
        let work = super::caller::Caller::present().run(work);
        tokio::spawn(async move {
            let end = match tokio::spawn(work).await {
                Ok(Ok(())) => JobState::Complete,
                Ok(Err(why)) => JobState::Failed(why),
                Err(panicked) => JobState::Failed(Error::bug(panicked)),
            };
            if let JobState::Failed(why) = &end {
                tracing::warn!(%job, "a job failed: {why}");
            }
            let _ = tell.send(end);
            table.lock().expect("no panic while held").remember(job);
        });
        Started { value, job, state }
    }

    /// The state of a job; one that nobody remembers is complete.
    pub fn state(&self, job: Uuid) -> JobState {
        let table = self.table.lock().expect("no panic while held");
        table.states.get(&job).map_or(JobState::Complete, |state| state.borrow().clone())
    }

    /// Jobs that still run.
    pub fn running(&self) -> usize {
        let table = self.table.lock().expect("no panic while held");
        table.states.values().filter(|state| matches!(*state.borrow(), JobState::InProgress)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_under_way_is_not_forgotten() {
        let jobs = Jobs::default();
        let (end, ended) = tokio::sync::oneshot::channel();
        let long = jobs.start((), async move { ended.await.map_err(Error::bug) });
        for _ in 0..=REMEMBERED {
            jobs.start((), async { Ok(()) }).finished().await.unwrap();
        }
        assert!(matches!(jobs.state(long.job), JobState::InProgress));
        end.send(()).unwrap();
        let job = long.job;
        long.finished().await.unwrap();
        assert!(matches!(jobs.state(job), JobState::Complete));
    }
}
