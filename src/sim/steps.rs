//! Counts the calls that change something, and makes the n-th one fail.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Interruption = Box<dyn FnOnce() + Send>;

/// Of one handle, or of all of a host's: then one number names any moment of an operation.
#[derive(Default)]
pub struct Steps {
    calls: AtomicU64,
    /// How many calls fail yet, from this one on.
    refused: Mutex<(u64, u64)>,
    /// The number of the call that loses its answer; 0 is none.
    unanswered: AtomicU64,
    /// The call at which the power goes; 0 is none.
    cut: AtomicU64,
    interruption: Mutex<Option<(u64, Interruption)>>,
}

impl Steps {
    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// The n-th call from now on fails before it does anything.
    pub fn fail_at(&self, n: u64) {
        self.fail_during(n, 1);
    }

    /// So do those that follow it, as many in all.
    pub fn fail_during(&self, n: u64, count: u64) {
        *lock(&self.refused) = (self.calls() + n, count);
    }

    /// The n-th call from now on does its work and then fails: its answer was lost.
    pub fn lose_answer_at(&self, n: u64) {
        self.unanswered.store(self.calls() + n, Ordering::SeqCst);
    }

    /// The n-th call from now on and all after it do nothing and fail: who calls is dead by then.
    pub fn cut_at(&self, n: u64) {
        self.cut.store(self.calls() + n, Ordering::SeqCst);
    }

    /// Something happens right before the n-th call from now on.
    pub fn interrupt_at(&self, n: u64, by: impl FnOnce() + Send + 'static) {
        *lock(&self.interruption) = Some((self.calls() + n, Box::new(by)));
    }

    /// Forgets what is still to come, and puts the power on again.
    pub fn heal(&self) {
        *lock(&self.refused) = (0, 0);
        self.unanswered.store(0, Ordering::SeqCst);
        self.cut.store(0, Ordering::SeqCst);
        *lock(&self.interruption) = None;
    }

    /// Takes one step.
    pub fn step<T>(&self, what: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let failed = |how: &str| {
            Error::host("The host refused the operation.")
                .because(format!("simulated: {what} ({number}) {how}"))
        };
        let due = lock(&self.interruption).take_if(|(at, _)| *at == number);
        if let Some((_, interrupt)) = due {
            interrupt();
        }
        let (first, count) = *lock(&self.refused);
        if (first..first + count).contains(&number) {
            return Err(failed("is refused"));
        }
        if matches!(self.cut.load(Ordering::SeqCst), cut if cut != 0 && number >= cut) {
            return Err(failed("comes after the end"));
        }
        let done = act()?;
        if number == self.unanswered.load(Ordering::SeqCst) {
            return Err(failed("has no answer"));
        }
        Ok(done)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a handle steer the failures of what it stands for.
macro_rules! steered {
    ($handle:ty) => {
        impl $handle {
            /// Counts its calls among those of others.
            pub fn counting(self, steps: Arc<Steps>) -> Self {
                Self { steps, ..self }
            }

            /// How many calls there were that change something.
            pub fn calls(&self) -> u64 {
                self.steps.calls()
            }

            /// The n-th such call from now on fails before it does anything; 1 is the next.
            pub fn fail_at(&self, n: u64) {
                self.steps.fail_at(n);
            }

            /// The n-th such call from now on does its work, but its answer is a failure.
            pub fn lose_answer_at(&self, n: u64) {
                self.steps.lose_answer_at(n);
            }

            /// Forgets the failures that are still to come.
            pub fn heal(&self) {
                self.steps.heal();
            }
        }
    };
}
pub(super) use steered;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_call_fails_before_or_after_its_work() {
        let (steps, mut done) = (Steps::default(), 0);
        let mut call = |steps: &Steps| {
            let result = steps.step("x", || {
                done += 1;
                Ok(done)
            });
            result.ok()
        };
        assert_eq!(call(&steps), Some(1));
        steps.fail_at(2);
        assert_eq!((call(&steps), call(&steps), call(&steps)), (Some(2), None, Some(3)));
        steps.lose_answer_at(1);
        assert_eq!((call(&steps), call(&steps)), (None, Some(5)));
        steps.fail_at(1);
        steps.heal();
        assert_eq!((call(&steps), steps.calls()), (Some(6), 7));
        steps.cut_at(2);
        assert_eq!([call(&steps), call(&steps), call(&steps)], [Some(7), None, None]);
        steps.heal();
        let (tell, told) = std::sync::mpsc::channel();
        steps.interrupt_at(2, move || tell.send(()).unwrap());
        assert_eq!((call(&steps), told.try_recv().is_ok()), (Some(8), false));
        assert_eq!((call(&steps), told.try_recv().is_ok()), (Some(9), true));
    }
}
