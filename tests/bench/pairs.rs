//! Timing side by side: ours, libvirt's, ours, libvirt's.

use crate::harness::Daemon;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// What either left behind is over by then.
const REST: Duration = Duration::from_millis(20);

pub fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// Ours, after the same rest as libvirt's.
pub fn rested(work: impl FnOnce()) -> Duration {
    std::thread::sleep(REST);
    timed(work)
}

/// libvirt's own changes on the daemon's host: the daemon stands still meanwhile. Another libvirtd, with
/// as many domains but a shorter life, is a twelfth faster.
#[derive(Clone, Copy)]
pub struct Alone(Pid);

impl Alone {
    pub fn beside(daemon: &Daemon) -> Self {
        Self(Pid::from_raw(daemon.process.as_ref().unwrap().id() as i32))
    }

    pub fn timed(self, work: impl FnOnce()) -> Duration {
        kill(self.0, Signal::SIGSTOP).unwrap();
        let took = rested(work);
        kill(self.0, Signal::SIGCONT).unwrap();
        took
    }
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// What rounds took, in milliseconds.
#[derive(Default)]
pub struct Pairs {
    pub ours: Vec<f64>,
    pub libvirts: Vec<f64>,
    ratios: Vec<f64>,
}

impl Pairs {
    /// `each` times ours, then `each` times libvirt's, `rounds` times over. A round's ratio is that
    /// of its medians; what is told is the median of those.
    pub fn run(
        rounds: usize,
        each: usize,
        mut ours: impl FnMut() -> Duration,
        mut libvirts: impl FnMut() -> Duration,
    ) -> Self {
        let mut pairs = Self::default();
        for _ in 0..rounds {
            let a: Vec<f64> = (0..each).map(|_| ms(ours())).collect();
            let b: Vec<f64> = (0..each).map(|_| ms(libvirts())).collect();
            pairs.ratios.push(median(&a) / median(&b));
            pairs.ours.extend(a);
            pairs.libvirts.extend(b);
        }
        pairs
    }

    /// Of what was timed in turn already.
    pub fn of(ours: &[Duration], libvirts: &[Duration]) -> Self {
        let in_ms = |times: &[Duration]| times.iter().map(|time| ms(*time)).collect::<Vec<f64>>();
        let (ours, libvirts) = (in_ms(ours), in_ms(libvirts));
        let ratios = ours.iter().zip(&libvirts).map(|(a, b)| a / b).collect();
        Self { ours, libvirts, ratios }
    }

    /// What ours takes more, in milliseconds.
    pub fn difference(&self) -> f64 {
        median(&self.ours) - median(&self.libvirts)
    }

    pub fn ratio(&self) -> f64 {
        median(&self.ratios)
    }

    /// `0.42 ms to 0.51 ms`
    pub fn told(&self) -> String {
        format!("{:.3} to {:.3} ms", median(&self.ours), median(&self.libvirts))
    }
}

pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}
