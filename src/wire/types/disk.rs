//! Disks.

use super::*;

/// A disk, and what follows it.
macro_rules! disk {
    ($(#[$meta:meta])* $name:ident = $root:literal { $($field:ident: $type:ty),* $(,)? }) => {
        resource! {
            $(#[$meta])*
            $name = $root {
                template: Option<Ref>,
                instance_type: Option<Ref>,
                vms: Option<VmRefs>,
                vm: Option<Ref>,
                /// The same as `name`.
                alias: Option<String>,
                image_id: Option<String>,
                storage_domain: Option<Ref>,
                storage_domains: Option<StorageDomainRefs>,
                size: Slot,
                /// Bytes.
                provisioned_size: Option<u64>,
                /// Bytes.
                actual_size: Option<u64>,
                /// Bytes; all snapshots together.
                total_size: Option<u64>,
                status: Option<String>,
                interface: Option<String>,
                format: Option<String>,
                content_type: Option<String>,
                qcow_version: Option<String>,
                sparse: Option<bool>,
                bootable: Option<bool>,
                shareable: Option<bool>,
                wipe_after_delete: Option<bool>,
                propagate_errors: Option<bool>,
                statistics: Option<Statistics>,
                /// Plugged.
                active: Option<bool>,
                read_only: Option<bool>,
                quota: Option<Ref>,
                lun_storage: Option<HostStorage>,
                sgio: Option<String>,
                uses_scsi_reservation: Option<bool>,
                snapshot: Option<DiskSnapshotRef>,
                disk_profile: Option<Ref>,
                logical_name: Option<String>,
                storage_type: Option<String>,
                openstack_volume_type: Option<Ref>,
                $($field: $type),*
            }
        }
    };
}

disk! {
    /// A disk, of a machine or floating.
    Disk = "disk" {}
}

disk! {
    /// An image of a disk that a snapshot keeps.
    DiskSnapshot = "disk_snapshot" {
        disk: Option<Ref>,
    }
}

collection! {
    /// A list of `disk_snapshot`.
    DiskSnapshots = "disk_snapshots" {
        disk_snapshot: Vec<DiskSnapshot>,
    }
}

collection! {
    /// A list of `disk`.
    Disks = "disks" {
        disk: Vec<Disk>,
        /// In a request: copy the template's disks.
        clone: Option<bool>,
        /// In a request: keep the disks of a machine that is deleted.
        detach_only: Option<Presence>,
    }
}

part! {
    /// The snapshot that a disk is of.
    DiskSnapshotRef {
        href: Option<String>,
        id: Option<String>,
        vm: Option<Ref>,
    }
}
