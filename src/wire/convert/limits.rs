//! Quotas with their limits, and qualities of service.

use super::{API, reference, unless_empty};
use crate::error::{Error, Kind, Result};
use crate::model::*;
use crate::wire::types::{self, Ref};

/// What clients say for no limit.
const NONE: i32 = -1;

fn data_center(id: DataCenterId) -> Option<Ref> {
    Some(reference("datacenters", id))
}

fn address(it: &Quota) -> String {
    format!("{API}/datacenters/{}/quotas/{}", it.data_center, it.id)
}

/// A quota has no collection of its own: what names it has no address.
fn named(it: &Quota) -> Option<Ref> {
    Some(Ref::at(address(it), it.id))
}

pub fn quota(it: &Quota) -> types::Quota {
    types::Quota {
        href: Some(address(it)),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        data_center: data_center(it.data_center),
        cluster_soft_limit_pct: Some(it.cluster_soft.into()),
        cluster_hard_limit_pct: Some(it.cluster_hard.into()),
        storage_soft_limit_pct: Some(it.storage_soft.into()),
        storage_hard_limit_pct: Some(it.storage_hard.into()),
        ..Default::default()
    }
}

/// A limit is known by what it is of; that of all places by its quota.
pub fn storage_limit(quota: &Quota, it: &StorageLimit, taken: u64, list: &str) -> types::StorageQuotaLimit {
    let id = it.domain.map_or(quota.id.0, |domain| domain.0);
    types::StorageQuotaLimit {
        href: Some(format!("{}/{list}/{id}", address(quota))),
        id: Some(id.to_string()),
        quota: named(quota),
        storage_domain: it.domain.map(|domain| reference("storagedomains", domain)),
        limit: Some(it.bytes.map_or(NONE.into(), |bytes| i64::try_from(bytes / GIB).unwrap_or(i64::MAX))),
        usage: Some(gib(taken)),
        ..Default::default()
    }
}

pub fn cluster_limit(
    quota: &Quota,
    it: &ClusterLimit,
    taken: &[Use; 2],
    list: &str,
) -> types::ClusterQuotaLimit {
    let id = it.cluster.map_or(quota.id.0, |cluster| cluster.0);
    let whole = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
    let [vcpus, memory] = taken;
    types::ClusterQuotaLimit {
        href: Some(format!("{}/{list}/{id}", address(quota))),
        id: Some(id.to_string()),
        quota: named(quota),
        cluster: it.cluster.map(|cluster| reference("clusters", cluster)),
        vcpu_limit: Some(it.vcpus.map_or(NONE, whole)),
        vcpu_usage: Some(whole(vcpus.taken)),
        memory_limit: Some(it.memory.map_or(NONE.into(), gib)),
        memory_usage: Some(gib(memory.taken)),
        ..Default::default()
    }
}

/// To nine digits: what is asked for need not be whole bytes, and reads back as it was.
fn gib(bytes: u64) -> f64 {
    (bytes as f64 / GIB as f64 * 1e9).round() / 1e9
}

/// Whole GiB; -1 is no limit.
pub fn limit_of_storage(asked: i64) -> Result<Option<u64>> {
    match u64::try_from(asked) {
        Ok(limit) => limit.checked_mul(GIB).map(Some).ok_or_else(|| wrong("limit")),
        Err(_) if asked == i64::from(NONE) => Ok(None),
        Err(_) => Err(wrong("limit")),
    }
}

pub fn limit_of_vcpus(asked: i32) -> Result<Option<u64>> {
    match u64::try_from(asked) {
        Ok(limit) => Ok(Some(limit)),
        Err(_) if asked == NONE => Ok(None),
        Err(_) => Err(wrong("vcpu_limit")),
    }
}

pub fn limit_of_memory(asked: f64) -> Result<Option<u64>> {
    match asked {
        none if none == f64::from(NONE) => Ok(None),
        // A host has less than that.
        limit if (0.0..=1_048_576.0).contains(&limit) => Ok(Some((limit * GIB as f64).round() as u64)),
        _ => Err(wrong("memory_limit")),
    }
}

fn wrong(name: &str) -> Error {
    Error::new(Kind::Value, format!("The {name} of a quota is a number of at least 0, or -1 for none."))
}

pub fn qos(it: &Qos) -> types::Qos {
    let rate = |rate: Option<u32>| rate.map(|rate| i32::try_from(rate).unwrap_or(i32::MAX));
    let Tune { throughput, requests } = it.tune;
    types::Qos {
        href: Some(format!("{API}/datacenters/{}/qoss/{}", it.data_center, it.id)),
        id: Some(it.id.to_string()),
        name: Some(it.name.clone()),
        description: unless_empty(&it.description),
        r#type: Some("storage".into()),
        data_center: data_center(it.data_center),
        max_throughput: rate(throughput.total),
        max_read_throughput: rate(throughput.read),
        max_write_throughput: rate(throughput.write),
        max_iops: rate(requests.total),
        max_read_iops: rate(requests.read),
        max_write_iops: rate(requests.write),
        ..Default::default()
    }
}
