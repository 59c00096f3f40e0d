//! How busy the host is, measured when somebody asks.

use crate::error::Result;
use crate::host::facts::{HostSample, Meter};
use crate::host::nics::{HostInterface, Traffic};
use crate::host::numa::{NodeMeter, NodeSample};
use crate::model::HostNode;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The meters of one host with their last samples. A sample is at most one interval old: whoever
/// asks more often must not shorten the time that shares are shares of.
#[derive(Default)]
pub struct Meters {
    host: Meter,
    nodes: NodeMeter,
    last_host: Mutex<Option<(Instant, HostSample)>>,
    last_nodes: Mutex<HashMap<u32, (Instant, NodeSample)>>,
    last_traffic: Mutex<HashMap<String, Flow>>,
}

/// What an interface of the host has received and sent, and how fast; bytes in a second.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    at: Instant,
    pub traffic: Traffic,
    pub rx_rate: f64,
    pub tx_rate: f64,
}

impl Meters {
    pub fn host(&self, interval: Duration) -> Result<HostSample> {
        let mut last = self.last_host.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, sample)) if at.elapsed() < interval => Ok(sample.clone()),
            _ => {
                let sample = self.host.sample()?;
                *last = Some((Instant::now(), sample.clone()));
                Ok(sample)
            }
        }
    }

    /// Of an interface whose counters were just read. There is no rate before the second look.
    pub fn flow(&self, of: &HostInterface, interval: Duration) -> Flow {
        let mut all = self.last_traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, traffic) = (Instant::now(), of.traffic);
        let flow = match all.get(&of.name) {
            Some(last) if last.at.elapsed() < interval => return *last,
            Some(last) => {
                let seconds = (at - last.at).as_secs_f64();
                let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
                let rx_rate = rate(traffic.rx_bytes, last.traffic.rx_bytes);
                let tx_rate = rate(traffic.tx_bytes, last.traffic.tx_bytes);
                Flow { at, traffic, rx_rate, tx_rate }
            }
            None => Flow { at, traffic, rx_rate: 0.0, tx_rate: 0.0 },
        };
        all.insert(of.name.clone(), flow);
        flow
    }

    pub fn node(&self, node: &HostNode, interval: Duration) -> NodeSample {
        let mut last = self.last_nodes.lock().unwrap_or_else(PoisonError::into_inner);
        match last.get(&node.index) {
            Some((at, sample)) if at.elapsed() < interval => sample.clone(),
            _ => {
                let sample = self.nodes.sample(node);
                last.insert(node.index, (Instant::now(), sample.clone()));
                sample
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between_two_looks() {
        let meters = Meters::default();
        let at = |rx_bytes| HostInterface {
            name: "eth0".into(),
            mac: String::new(),
            mtu: 1500,
            speed: None,
            up: true,
            bridged: false,
            ip: None,
            traffic: Traffic { rx_bytes, ..Traffic::default() },
        };
        assert_eq!(meters.flow(&at(1000), Duration::ZERO).rx_rate, 0.0);
        std::thread::sleep(Duration::from_millis(20));
        let flow = meters.flow(&at(3000), Duration::ZERO);
        assert!(flow.rx_rate > 0.0 && flow.rx_rate <= 2000.0 / 0.02, "{flow:?}");
        assert_eq!(flow.traffic.rx_bytes, 3000);
        let again = meters.flow(&at(9000), Duration::from_secs(3600));
        assert_eq!((again.traffic, again.rx_rate), (flow.traffic, flow.rx_rate), "too soon");
    }
}
