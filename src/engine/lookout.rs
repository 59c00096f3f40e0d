//! Looks at folders that may lie on a server which does not answer: nobody waits for those for long.

use crate::error::{Error, Result};
use crate::model::{StorageDomain, StorageDomainId};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a look is waited for. A server that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Lookout {
    /// Folders of the state folder are there as long as vireo is.
    state: PathBuf,
    /// Those whose last look has not come back. None of them is looked at again before that.
    silent: Arc<Mutex<BTreeSet<StorageDomainId>>>,
}

impl Lookout {
    pub(super) fn new(state: &Path) -> Self {
        Self { state: state.to_owned(), silent: Arc::default() }
    }

    pub(super) fn is_own(&self, domain: &StorageDomain) -> bool {
        Path::new(&domain.folder).starts_with(&self.state)
    }

    /// What a look at the domain's files finds.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        domain: &StorageDomain,
        look: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match self.is_own(domain) {
            true => look(),
            false => self.wait_for(domain.id, PATIENCE, look),
        }
    }

    /// On a thread of its own: a call that hangs in the kernel can be left, not ended.
    fn wait_for<T: Send + 'static>(
        &self,
        domain: StorageDomainId,
        patience: Duration,
        look: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let away = || Error::conflict("The folder of the storage domain does not answer.");
        if lock(&self.silent).contains(&domain) {
            return Err(away());
        }
        let (tell, told) = mpsc::channel();
        let silent = self.silent.clone();
        let looking = thread::Builder::new().name("lookout".into()).spawn(move || {
            // Nobody listens any more to one that comes late.
            let _ = tell.send(look());
            lock(&silent).remove(&domain);
        });
        looking.map_err(Error::bug)?;
        let panicked = || Error::bug("a look at a storage domain ended without a word");
        match told.recv_timeout(patience) {
            Ok(found) => return found,
            Err(RecvTimeoutError::Disconnected) => return Err(panicked()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let mut silent = lock(&self.silent);
        // It tells before it is taken off the list: what has told by now is never put on.
        match told.try_recv() {
            Ok(found) => found,
            Err(TryRecvError::Disconnected) => Err(panicked()),
            Err(TryRecvError::Empty) => {
                silent.insert(domain);
                Err(away())
            }
        }
    }
}

fn lock(silent: &Mutex<BTreeSet<StorageDomainId>>) -> MutexGuard<'_, BTreeSet<StorageDomainId>> {
    silent.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn who_does_not_answer_is_waited_for_once() {
        let lookout = Lookout::new(Path::new("/state"));
        let (hung, other) = (StorageDomainId::random(), StorageDomainId::random());
        let (answer, answered) = mpsc::channel();
        let moment = Duration::from_millis(20);
        assert!(lookout.wait_for(hung, moment, move || Ok(answered.recv().is_ok())).is_err());
        assert!(lookout.wait_for(hung, PATIENCE, || Ok(true)).is_err(), "it is not looked at again");
        assert!(lookout.wait_for(other, PATIENCE, || Ok(true)).unwrap(), "another one is");

        answer.send(()).unwrap();
        let begun = Instant::now();
        while lookout.wait_for(hung, PATIENCE, || Ok(true)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it answers again");
            thread::yield_now();
        }
    }
}
