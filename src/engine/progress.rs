//! How far long work is: the step of its job says so.

use super::lane::blocking;
use super::locks::{Entity, Mode};
use super::{Engine, reconcile};
use crate::error::Result;
use crate::model::JobId;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often files that are being written are looked at.
const GLANCE: Duration = Duration::from_millis(500);

impl Engine {
    /// Says how much is done of the operation that has the object for itself.
    pub(super) fn tell_progress(&self, of: Entity, done: u64, total: u64) {
        let job = {
            let world = self.world();
            let mut open = world.intents.values();
            let at_work = open.find(|it| reconcile::entities(&it.operation).contains(&(of, Mode::Exclusive)));
            at_work.map(|intent| JobId(intent.id.0))
        };
        if let Some(job) = job {
            self.history.tell_progress(job, percent(done, total));
        }
    }

    /// Does work that writes these files, which will take about as much as those it reads.
    pub(super) async fn watched<T>(
        &self,
        of: Entity,
        from: &[PathBuf],
        to: &[PathBuf],
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let mut total = None;
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(GLANCE) => {}
            }
            let total = match total {
                Some(total) => total,
                None => *total.insert(self.taken(from).await),
            };
            self.tell_progress(of, self.taken(to).await, total);
        }
    }

    /// Bytes that the files take so far, and those that are going to be them.
    async fn taken(&self, files: &[PathBuf]) -> u64 {
        let (images, files) = (self.images.clone(), files.to_vec());
        let written = move |file: &Path| images.written(file).unwrap_or(0);
        blocking(move || Ok(files.iter().map(|file| written(file)).sum())).await.unwrap_or(0)
    }
}

/// What is not over is not whole.
fn percent(done: u64, total: u64) -> u8 {
    let percent = u128::from(done) * 100 / u128::from(total.max(1));
    u8::try_from(percent.min(99)).unwrap_or(99)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_before_its_end() {
        let cases =
            [(0, 0, 0), (0, 10, 0), (5, 10, 50), (10, 10, 99), (20, 10, 99), (u64::MAX, u64::MAX, 99)];
        for (done, total, expected) in cases {
            assert_eq!(percent(done, total), expected, "{done} of {total}");
        }
    }
}
