//! Counters of running domains, in bulk.
//!
//! libvirt asks the domains of one bulk call one after the other, so they are asked in shards side
//! by side. A QEMU that hangs holds the call that asks it first for ever: each shard has a deadline,
//! a stuck one is left to its thread, and what it kept from the others is asked again without the
//! domains whose monitor is occupied.

use super::connection::{Link, lock};
use super::domain;
use super::raw::{self, Record, Value};
use super::session::Session;
use crate::engine::ports::{BlockSample, Control, DomainSample, InterfaceSample};
use crate::error::{Kind, Result};
use crate::model::{KIB, VmId};
use std::collections::{BTreeMap, HashSet};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use virt::domain::Domain;
use virt::sys;

const GROUPS: u32 = sys::VIR_DOMAIN_STATS_CPU_TOTAL
    | sys::VIR_DOMAIN_STATS_BALLOON
    | sys::VIR_DOMAIN_STATS_VCPU
    | sys::VIR_DOMAIN_STATS_INTERFACE
    | sys::VIR_DOMAIN_STATS_BLOCK;
const FLAGS: u32 =
    sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
/// More calls side by side gain nothing.
const SHARDS: usize = 4;
/// What a shard may take; a domain that answers takes some 7 ms.
const DEADLINE: Duration = Duration::from_secs(2);
const DEADLINE_PER_DOMAIN: Duration = Duration::from_millis(25);

/// Asks for counters and remembers who did not answer.
pub struct Sampler {
    link: Arc<Link>,
    /// Domains that may hang: asked only when their monitor is free.
    suspects: Mutex<HashSet<VmId>>,
}

impl Sampler {
    pub fn new(link: Arc<Link>) -> Self {
        Self { link, suspects: Mutex::default() }
    }

    pub fn sample(&self, ids: &[VmId]) -> Result<Vec<(VmId, DomainSample)>> {
        let (mut records, stuck) = self.ask(self.without_suspects(ids))?;
        if !stuck.is_empty() {
            tracing::warn!("{} VMs were not sampled in time", stuck.len());
            lock(&self.suspects).extend(&stuck);
            let (more, _) = self.ask(self.without_suspects(&stuck))?;
            records.extend(more);
        }
        Ok(records.iter().map(|record| (record.id, sample_of(&record.values))).collect())
    }

    /// A suspect whose monitor is free again is none, nor is one that has stopped.
    fn without_suspects(&self, ids: &[VmId]) -> Vec<VmId> {
        let mut suspects = lock(&self.suspects);
        suspects.retain(|id| {
            let control = self.link.call(|session| domain::watch(session, *id));
            control.is_ok_and(|control| control != Control::Free)
        });
        ids.iter().filter(|id| !suspects.contains(id)).copied().collect()
    }

    /// What the domains answered, and the domains of the shards that did not.
    fn ask(&self, ids: Vec<VmId>) -> Result<(Vec<Record>, Vec<VmId>)> {
        let shards = ids.chunks(ids.len().div_ceil(SHARDS).max(1));
        let begun = Instant::now();
        let asked: Vec<_> = shards
            .map(|ids| {
                let (answer, answers) = mpsc::channel();
                let (link, asked) = (Arc::clone(&self.link), HashSet::from_iter(ids.iter().copied()));
                // Not a scoped thread: one that hangs is left behind.
                let shard = move || {
                    // Nobody waits any more when the shard was late.
                    let _ = answer.send(link.call(|session| counters(session, &asked)));
                };
                let started = std::thread::Builder::new().name("libvirt-stats".into()).spawn(shard);
                if let Err(why) = started {
                    tracing::error!("no thread for statistics: {why}");
                }
                (ids, answers)
            })
            .collect();
        let (mut records, mut stuck) = (Vec::new(), Vec::new());
        for (ids, answers) in asked {
            let deadline = DEADLINE + DEADLINE_PER_DOMAIN * ids.len() as u32;
            match answers.recv_timeout(deadline.saturating_sub(begun.elapsed())) {
                Ok(Ok(answered)) => records.extend(answered),
                Ok(Err(why)) if why.kind == Kind::Unavailable => return Err(why),
                // As when a domain of the shard stopped meanwhile: the next sample has the others.
                Ok(Err(why)) => tracing::debug!("statistics: {why}"),
                Err(RecvTimeoutError::Timeout) => stuck.extend(ids),
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        Ok((records, stuck))
    }
}

/// Those of the domains that run.
fn counters(session: &Session, of: &HashSet<VmId>) -> Result<Vec<Record>> {
    let active = session.list_all_domains(sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE)?;
    let asked = |domain: &Domain| domain.uuid().is_ok_and(|id| of.contains(&VmId(id)));
    let asked: Vec<Domain> = active.into_iter().filter(asked).collect();
    Ok(raw::stats_of(&asked, GROUPS, FLAGS)?)
}

/// Reads the values of one domain: `cpu.time`, `block.0.name`, `block.0.rd.bytes`, ...
fn sample_of(values: &[(String, Value)]) -> DomainSample {
    let mut sample = DomainSample::default();
    let mut blocks: BTreeMap<&str, (Option<&str>, Option<BlockSample>)> = BTreeMap::new();
    let mut interfaces: BTreeMap<&str, (Option<&str>, Option<InterfaceSample>)> = BTreeMap::new();
    for (field, value) in values {
        let Some((group, rest)) = field.split_once('.') else { continue };
        let (index, counter) = rest.split_once('.').unwrap_or((rest, ""));
        match (group, value) {
            ("cpu", Value::Number(number)) => match rest {
                "time" => sample.cpu_time = Some(*number),
                "user" => sample.cpu_user = Some(*number),
                "system" => sample.cpu_system = Some(*number),
                _ => {}
            },
            ("balloon", Value::Number(kib)) => {
                let bytes = Some(kib.saturating_mul(KIB));
                match rest {
                    "current" => sample.balloon_current = bytes,
                    "maximum" => sample.balloon_maximum = bytes,
                    "available" => sample.balloon_available = bytes,
                    "unused" => sample.balloon_unused = bytes,
                    "usable" => sample.balloon_usable = bytes,
                    "disk_caches" => sample.balloon_disk_caches = bytes,
                    "rss" => sample.rss = bytes,
                    _ => {}
                }
            }
            ("vcpu", Value::Number(number)) => match (rest, counter) {
                ("current", _) => sample.vcpus = *number as u32,
                (_, "time") => sample.vcpu_time = Some(sample.vcpu_time.unwrap_or(0) + number),
                _ => {}
            },
            ("block", Value::Text(name)) if counter == "name" => {
                blocks.entry(index).or_default().0 = Some(name);
            }
            ("block", Value::Number(number)) => {
                let block = &mut blocks.entry(index).or_default().1;
                if let Some(field) = block_field(counter) {
                    *field(block.get_or_insert_default()) = *number;
                }
            }
            ("net", Value::Text(name)) if counter == "name" => {
                interfaces.entry(index).or_default().0 = Some(name);
            }
            ("net", Value::Number(number)) => {
                let interface = &mut interfaces.entry(index).or_default().1;
                if let Some(field) = interface_field(counter) {
                    *field(interface.get_or_insert_default()) = *number;
                }
            }
            _ => {}
        }
    }
    // A device without counters did not answer: zeros would look like a device plugged anew.
    sample.blocks = blocks.into_values().filter_map(|(name, block)| Some((name?.into(), block?))).collect();
    sample.interfaces =
        interfaces.into_values().filter_map(|(name, counters)| Some((name?.into(), counters?))).collect();
    sample
}

fn block_field(counter: &str) -> Option<fn(&mut BlockSample) -> &mut u64> {
    Some(match counter {
        "rd.bytes" => |block| &mut block.read_bytes,
        "rd.reqs" => |block| &mut block.read_requests,
        "rd.times" => |block| &mut block.read_time,
        "wr.bytes" => |block| &mut block.write_bytes,
        "wr.reqs" => |block| &mut block.write_requests,
        "wr.times" => |block| &mut block.write_time,
        "fl.reqs" => |block| &mut block.flush_requests,
        "fl.times" => |block| &mut block.flush_time,
        _ => return None,
    })
}

fn interface_field(counter: &str) -> Option<fn(&mut InterfaceSample) -> &mut u64> {
    Some(match counter {
        "rx.bytes" => |interface| &mut interface.rx_bytes,
        "rx.errs" => |interface| &mut interface.rx_errors,
        "tx.bytes" => |interface| &mut interface.tx_bytes,
        "tx.errs" => |interface| &mut interface.tx_errors,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_a_sample() {
        let number = |field: &str, number| (field.to_owned(), Value::Number(number));
        let text = |field: &str, text: &str| (field.to_owned(), Value::Text(text.to_owned()));
        let sample = sample_of(&[
            number("cpu.time", 30),
            number("cpu.haltpoll.success.time", 9),
            number("balloon.current", 4),
            number("balloon.rss", 2),
            number("vcpu.current", 2),
            number("vcpu.0.time", 5),
            number("vcpu.3.time", 6),
            number("net.count", 1),
            text("net.0.name", "vnet0"),
            number("net.0.rx.bytes", 7),
            number("block.count", 2),
            text("block.0.name", "vda"),
            number("block.0.rd.bytes", 8),
            number("block.0.fl.times", 9),
            text("block.1.name", "sda"),
            number("block.1.capacity", 1),
        ]);
        assert_eq!(sample.cpu_time, Some(30));
        assert_eq!(sample.cpu_user, None);
        assert_eq!(sample.balloon_current, Some(4096));
        assert_eq!(sample.rss, Some(2048));
        assert_eq!((sample.vcpus, sample.vcpu_time), (2, Some(11)));
        assert_eq!(sample.interfaces["vnet0"].rx_bytes, 7);
        assert_eq!(sample.blocks.len(), 1);
        assert_eq!((sample.blocks["vda"].read_bytes, sample.blocks["vda"].flush_time), (8, 9));
    }
}
