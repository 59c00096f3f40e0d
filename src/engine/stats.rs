//! The sampler: counters of the running guests every few seconds, rates between samples.

use super::Engine;
use super::ports::{BlockSample, DomainSample, InterfaceSample};
use crate::model::*;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

#[derive(Clone)]
struct Sampled {
    at: Instant,
    sample: Arc<DomainSample>,
}

#[derive(Clone)]
struct Pair {
    last: Sampled,
    before: Option<Sampled>,
}

#[derive(Default)]
pub(super) struct Stats {
    pairs: RwLock<HashMap<VmId, Pair>>,
}

/// A VM's figures. Bytes; percent of one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VmFigures {
    pub memory_installed: u64,
    pub memory_used: u64,
    pub memory_free: u64,
    pub memory_buffered: u64,
    pub memory_cached: u64,
    pub cpu_guest: f64,
    pub cpu_hypervisor: f64,
    pub cpu_total: f64,
    pub migration_progress: f64,
}

/// A disk's figures: bytes a second, seconds a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DiskFigures {
    pub read_rate: f64,
    pub write_rate: f64,
    pub read_latency: f64,
    pub write_latency: f64,
    pub flush_latency: f64,
}

/// A network interface's figures, as its guest sees them: bytes a second, and totals since it was plugged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NicFigures {
    pub rx_rate: f64,
    pub tx_rate: f64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
}

impl Engine {
    pub(super) async fn sample_for_ever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.settings.stats_interval).await;
            if self.connected() {
                self.sample_once().await;
            }
        }
    }

    async fn sample_once(&self) {
        let responds = |id: &VmId| {
            !matches!(self.inventory.status(*id).0, VmStatus::NotResponding | VmStatus::SavingState)
        };
        let ids: Vec<VmId> = self.inventory.running().into_iter().filter(responds).collect();
        let asked = ids.clone();
        let samples = match asked.is_empty() {
            true => Vec::new(),
            false => match self.lane.sample(move |hv| hv.sample(&asked)).await {
                Ok(samples) => samples,
                Err(why) => {
                    tracing::debug!("sampling failed: {why}");
                    return;
                }
            },
        };
        let at = Instant::now();
        let mut pairs = self.stats.pairs.write().expect("no panic while held");
        pairs.retain(|id, _| ids.contains(id));
        for (id, sample) in samples {
            let last = Sampled { at, sample: Arc::new(sample) };
            let before = pairs.remove(&id).map(|pair| pair.last);
            pairs.insert(id, Pair { last, before });
        }
    }

    /// The newest pair of samples, unless it is too old to be called current.
    fn pair(&self, id: VmId) -> Option<Pair> {
        let pairs = self.stats.pairs.read().expect("no panic while held");
        // Twice the interval, and a slow sweep's own time.
        let fresh = self.settings.stats_interval * 2 + Duration::from_secs(1);
        pairs.get(&id).filter(|pair| pair.last.at.elapsed() <= fresh).cloned()
    }

    pub fn vm_figures(&self, id: VmId) -> crate::error::Result<VmFigures> {
        let view = self.vm(id)?;
        let mut figures = VmFigures { memory_installed: view.vm.spec.memory, ..VmFigures::default() };
        // The last sample of a run outlives it a little.
        let Some(pair) = self.pair(id).filter(|_| view.status.runs()) else { return Ok(figures) };
        let now = &pair.last.sample;
        figures.memory_free = now.balloon_unused.unwrap_or(0);
        figures.memory_cached = now.balloon_disk_caches.unwrap_or(0);
        figures.memory_used = match (now.balloon_available, now.balloon_usable.or(now.balloon_unused)) {
            (Some(available), Some(free)) => available.saturating_sub(free),
            // Without a balloon driver in the guest, what QEMU itself takes is the truest figure.
            _ => now.rss.unwrap_or(0).min(figures.memory_installed),
        };
        if let Some(before) = &pair.before {
            let seconds = pair.last.at.duration_since(before.at).as_secs_f64();
            let percent = |now: Option<u64>, then: Option<u64>| match (now, then) {
                (Some(now), Some(then)) if seconds > 0.0 => {
                    now.saturating_sub(then) as f64 / 1e9 / seconds * 100.0
                }
                _ => 0.0,
            };
            figures.cpu_total = percent(now.cpu_time, before.sample.cpu_time);
            figures.cpu_guest = percent(now.vcpu_time, before.sample.vcpu_time).min(figures.cpu_total);
            figures.cpu_hypervisor = figures.cpu_total - figures.cpu_guest;
        }
        Ok(figures)
    }

    /// The figures of a disk: on one VM, or over all that have it.
    pub fn disk_figures(&self, disk: DiskId, on: Option<VmId>) -> DiskFigures {
        let attachments: Vec<Attachment> = {
            let world = self.world();
            let all = match on {
                Some(vm) => world.hung(vm, disk).into_iter().map(|(attachment, _)| attachment).collect(),
                None => world.attachments_of(disk).cloned().collect::<Vec<_>>(),
            };
            all.into_iter().filter(|it| it.active).collect()
        };
        let mut sum = DiskFigures::default();
        for attachment in attachments {
            let Some(Pair { last, before: Some(before) }) = self.pair(attachment.vm) else { continue };
            let block = |sampled: &Sampled| sampled.sample.blocks.get(&attachment.target).copied();
            if let (Some(now), Some(then)) = (block(&last), block(&before)) {
                let figures = rates(now, then, last.at.duration_since(before.at));
                sum.read_rate += figures.read_rate;
                sum.write_rate += figures.write_rate;
                sum.read_latency = sum.read_latency.max(figures.read_latency);
                sum.write_latency = sum.write_latency.max(figures.write_latency);
                sum.flush_latency = sum.flush_latency.max(figures.flush_latency);
            }
        }
        sum
    }

    /// The figures of an interface; zeros while it is not plugged into a running VM.
    pub fn nic_figures(&self, nic: &Nic) -> NicFigures {
        let Some(Pair { last, before }) = self.pair(nic.vm) else { return NicFigures::default() };
        let Some(seen) = self.inventory.seen(nic.vm) else { return NicFigures::default() };
        let mac = nic.mac.to_string();
        let tap = seen.observed.taps.iter().find(|tap| tap.mac == mac).and_then(|tap| tap.target.as_deref());
        let sample = |of: &Sampled| of.sample.interfaces.get(tap?).copied();
        let Some(now) = sample(&last) else { return NicFigures::default() };
        let then = before.and_then(|before| Some((sample(&before)?, last.at.duration_since(before.at))));
        nic_rates(now, then)
    }
}

/// As `rates`; without an earlier sample there are totals only.
fn nic_rates(now: InterfaceSample, then: Option<(InterfaceSample, Duration)>) -> NicFigures {
    let rate = |of: fn(&InterfaceSample) -> u64| match &then {
        Some((then, elapsed)) if !elapsed.is_zero() => {
            of(&now).saturating_sub(of(then)) as f64 / elapsed.as_secs_f64()
        }
        _ => 0.0,
    };
    NicFigures {
        rx_rate: rate(|it| it.rx_bytes),
        tx_rate: rate(|it| it.tx_bytes),
        rx_errors: now.rx_errors,
        tx_errors: now.tx_errors,
        rx_bytes: now.rx_bytes,
        tx_bytes: now.tx_bytes,
    }
}

/// A counter that went back belongs to a device that was plugged anew: its rate is unknown, not negative.
fn rates(now: BlockSample, then: BlockSample, elapsed: Duration) -> DiskFigures {
    let rate = |now: u64, then: u64| match elapsed.as_secs_f64() {
        seconds if seconds > 0.0 => now.saturating_sub(then) as f64 / seconds,
        _ => 0.0,
    };
    let latency = |time: (u64, u64), requests: (u64, u64)| match requests.0.saturating_sub(requests.1) {
        0 => 0.0,
        count => time.0.saturating_sub(time.1) as f64 / 1e9 / count as f64,
    };
    DiskFigures {
        read_rate: rate(now.read_bytes, then.read_bytes),
        write_rate: rate(now.write_bytes, then.write_bytes),
        read_latency: latency((now.read_time, then.read_time), (now.read_requests, then.read_requests)),
        write_latency: latency((now.write_time, then.write_time), (now.write_requests, then.write_requests)),
        flush_latency: latency((now.flush_time, then.flush_time), (now.flush_requests, then.flush_requests)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_has_rates_and_totals() {
        let then = InterfaceSample { rx_bytes: 1000, tx_bytes: 500, ..InterfaceSample::default() };
        let now = InterfaceSample { rx_bytes: 5000, rx_errors: 2, ..then };
        let figures = nic_rates(now, Some((then, Duration::from_secs(2))));
        assert_eq!((figures.rx_rate, figures.tx_rate), (2000.0, 0.0));
        assert_eq!((figures.rx_bytes, figures.tx_bytes, figures.rx_errors), (5000, 500, 2));
        assert_eq!(nic_rates(now, None).rx_rate, 0.0);
    }

    #[test]
    fn rates_are_differences_over_time() {
        let then = BlockSample {
            read_bytes: 1000,
            read_requests: 2,
            read_time: 1_000_000,
            ..BlockSample::default()
        };
        let now = BlockSample { read_bytes: 5000, read_requests: 6, read_time: 9_000_000, ..then };
        let figures = rates(now, then, Duration::from_secs(2));
        assert_eq!(figures.read_rate, 2000.0);
        assert_eq!(figures.read_latency, 0.002);
        assert_eq!(rates(then, now, Duration::from_secs(2)).read_rate, 0.0);
        assert_eq!(rates(now, then, Duration::ZERO).read_rate, 0.0);
    }
}
