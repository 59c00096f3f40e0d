//! Quotas.

use super::*;

resource! {
    /// How much of a data center may be used.
    Quota = "quota" {
        data_center: Option<Ref>,
        vms: Option<VmRefs>,
        disks: Option<DiskRefs>,
        cluster_soft_limit_pct: Option<i32>,
        cluster_hard_limit_pct: Option<i32>,
        storage_soft_limit_pct: Option<i32>,
        storage_hard_limit_pct: Option<i32>,
    }
}

collection! {
    /// A list of `quota`.
    Quotas = "quotas" {
        quota: Vec<Quota>,
    }
}

resource! {
    /// The limit of a quota on storage.
    StorageQuotaLimit = "storage_quota_limit" {
        quota: Option<Ref>,
        storage_domain: Option<Ref>,
        /// GiB; -1 is none.
        limit: Option<i64>,
        /// GiB.
        usage: Option<f64>,
    }
}

collection! {
    /// A list of `storage_quota_limit`.
    StorageQuotaLimits = "storage_quota_limits" {
        storage_quota_limit: Vec<StorageQuotaLimit>,
    }
}

resource! {
    /// The limit of a quota on processors and memory.
    ClusterQuotaLimit = "cluster_quota_limit" {
        quota: Option<Ref>,
        cluster: Option<Ref>,
        vcpu_limit: Option<i32>,
        vcpu_usage: Option<i32>,
        /// GiB; -1 is none.
        memory_limit: Option<f64>,
        /// GiB.
        memory_usage: Option<f64>,
    }
}

collection! {
    /// A list of `cluster_quota_limit`.
    ClusterQuotaLimits = "cluster_quota_limits" {
        cluster_quota_limit: Vec<ClusterQuotaLimit>,
    }
}
