//! Storage domains and their storage.

use super::*;

resource! {
    /// Storage for disks, or for ISO images.
    StorageDomain = "storage_domain" {
        data_center: Option<Ref>,
        data_centers: Option<DataCenterRefs>,
        r#type: Option<String>,
        status: Option<String>,
        external_status: Option<String>,
        master: Option<bool>,
        storage: Option<HostStorage>,
        host: Option<Ref>,
        format: Option<bool>,
        destroy: Option<bool>,
        /// Bytes.
        available: Option<u64>,
        /// Bytes.
        used: Option<u64>,
        /// Bytes.
        committed: Option<u64>,
        storage_format: Option<String>,
        wipe_after_delete: Option<bool>,
        r#import: Option<bool>,
        warning_low_space_indicator: Option<i32>,
        critical_space_action_blocker: Option<i32>,
    }
}

collection! {
    /// A list of `storage_domain`.
    StorageDomains = "storage_domains" {
        storage_domain: Vec<StorageDomain>,
    }
}

resource! {
    /// Where storage is and how it is reached.
    HostStorage = "storage" {
        address: Option<String>,
        r#type: Option<String>,
        path: Option<String>,
        mount_options: Option<String>,
        vfs_type: Option<String>,
        nfs_version: Option<String>,
        nfs_timeo: Option<u16>,
        nfs_retrans: Option<u16>,
        logical_units: Option<LogicalUnits>,
        volume_group: Option<VolumeGroup>,
        override_luns: Option<bool>,
        port: Option<u16>,
        target: Option<String>,
        username: Option<String>,
        password: Option<String>,
        portal: Option<String>,
        host: Option<Ref>,
    }
}

part! {
    /// Units of SCSI targets.
    LogicalUnits {
        logical_unit: Vec<LogicalUnit>,
    }
}

part! {
    /// A unit of a SCSI target.
    LogicalUnit {
        id: Option<String>,
        port: Option<u16>,
        target: Option<String>,
        username: Option<String>,
        password: Option<String>,
        portal: Option<String>,
        address: Option<String>,
        serial: Option<String>,
        vendor_id: Option<String>,
        product_id: Option<String>,
        lun_mapping: Option<i32>,
        /// Bytes.
        size: Option<u64>,
        paths: Option<i32>,
        status: Option<String>,
        volume_group_id: Option<String>,
        storage_domain_id: Option<String>,
        disk_id: Option<String>,
    }
}

part! {
    /// Units that are one LVM volume group.
    VolumeGroup {
        id: Option<String>,
        name: Option<String>,
        logical_units: Option<LogicalUnits>,
    }
}

resource! {
    /// A connection to storage.
    StorageConnection = "storage_connection" {
        address: Option<String>,
        r#type: Option<String>,
        path: Option<String>,
        mount_options: Option<String>,
        vfs_type: Option<String>,
        nfs_version: Option<String>,
        nfs_timeo: Option<u16>,
        nfs_retrans: Option<u16>,
        port: Option<u16>,
        target: Option<String>,
        username: Option<String>,
        password: Option<String>,
        portal: Option<String>,
        host: Option<Ref>,
    }
}

collection! {
    /// A list of `storage_connection`.
    StorageConnections = "storage_connections" {
        storage_connection: Vec<StorageConnection>,
    }
}

resource! {
    /// A file, of an ISO domain or for a guest.
    File = "file" {
        content: Option<String>,
        r#type: Option<String>,
        storage_domain: Option<Ref>,
    }
}

collection! {
    /// A list of `file`.
    Files = "files" {
        file: Vec<File>,
    }
}
