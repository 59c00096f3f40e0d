//! How busy the host is, measured when somebody asks.

use crate::error::Result;
use crate::host::facts::{HostSample, Meter};
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
