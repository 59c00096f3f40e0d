//! Enumerations: one table each, for reading (in any case) and writing.

use crate::error::{Error, Kind, Result};
use crate::model::vm::*;
use crate::model::{
    BootProtocol, DiskFormat, DiskInterface, DiskStatus, JobStatus, NicInterface, Passed, PayloadKind,
    PoolKind, QuotaMode, Severity, SnapshotKind, SnapshotStatus, StepKind, StorageKind, StorageStatus,
    TemplateStatus,
};

/// A value that the API knows by a name.
pub trait Named: Copy + PartialEq + 'static {
    /// What a refusal calls the enumeration.
    const KIND: &'static str;
    const NAMES: &'static [(Self, &'static str)];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(value, _)| *value == self).map_or("", |(_, name)| *name)
    }
}

/// Reads a name in any case.
pub fn named<T: Named>(text: &str) -> Result<T> {
    let found = T::NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text.trim()));
    found.map(|(value, _)| *value).ok_or_else(|| {
        let names: Vec<String> = T::NAMES.iter().map(|(_, name)| name.to_lowercase()).collect();
        Error::new(
            Kind::Value,
            format!(
                "{text} is not a member of {kind}. Possible values for {kind} are: {}",
                names.join(", "),
                kind = T::KIND
            ),
        )
    })
}

macro_rules! names {
    ($($type:ty, $kind:literal: $($value:path = $name:literal),+;)+) => {$(
        impl Named for $type {
            const KIND: &'static str = $kind;
            const NAMES: &'static [(Self, &'static str)] = &[$(($value, $name)),+];
        }
    )+};
}

names! {
    PoolKind, "VmPoolType": PoolKind::Automatic = "automatic", PoolKind::Manual = "manual";
    DiskFormat, "DiskFormat": DiskFormat::Cow = "cow", DiskFormat::Raw = "raw";
    DiskInterface, "DiskInterface":
        DiskInterface::Ide = "ide", DiskInterface::VirtioScsi = "virtio_scsi", DiskInterface::Virtio = "virtio";
    DiskStatus, "DiskStatus": DiskStatus::Illegal = "illegal", DiskStatus::Locked = "locked", DiskStatus::Ok = "ok";
    QuotaMode, "QuotaModeType":
        QuotaMode::Disabled = "disabled", QuotaMode::Audit = "audit", QuotaMode::Enabled = "enabled";
    Passed, "ScsiGenericIO": Passed::Filtered = "filtered", Passed::Unfiltered = "unfiltered";
    StorageKind, "StorageDomainType": StorageKind::Data = "data", StorageKind::Iso = "iso",
        StorageKind::Export = "export";
    StorageStatus, "StorageDomainStatus":
        StorageStatus::Unattached = "unattached", StorageStatus::Maintenance = "maintenance",
        StorageStatus::Active = "active", StorageStatus::Inactive = "inactive";
    SnapshotKind, "SnapshotType":
        SnapshotKind::Regular = "regular", SnapshotKind::Preview = "preview",
        SnapshotKind::Stateless = "stateless";
    SnapshotStatus, "SnapshotStatus":
        SnapshotStatus::Ok = "ok", SnapshotStatus::Locked = "locked", SnapshotStatus::InPreview = "in_preview";
    TemplateStatus, "TemplateStatus":
        TemplateStatus::Illegal = "illegal", TemplateStatus::Locked = "locked", TemplateStatus::Ok = "ok";
    NicInterface, "NicInterface":
        NicInterface::E1000 = "e1000", NicInterface::Virtio = "virtio", NicInterface::Rtl8139 = "rtl8139",
        NicInterface::Rtl8139Virtio = "rtl8139_virtio";
    BootProtocol, "BootProtocol":
        BootProtocol::Dhcp = "dhcp", BootProtocol::None = "none", BootProtocol::Static = "static";
    PayloadKind, "VmDeviceType": PayloadKind::Cdrom = "cdrom", PayloadKind::Floppy = "floppy";
    UsbType, "UsbType": UsbType::Legacy = "legacy", UsbType::Native = "native";
    Inheritable, "InheritableBoolean":
        Inheritable::Inherit = "inherit", Inheritable::True = "true", Inheritable::False = "false";
    VmKind, "VmType": VmKind::Desktop = "desktop", VmKind::Server = "server";
    CpuMode, "CpuMode":
        CpuMode::Custom = "custom", CpuMode::HostModel = "host_model", CpuMode::HostPassthrough = "host_passthrough";
    BootDevice, "BootDevice": BootDevice::Cdrom = "cdrom", BootDevice::Hd = "hd", BootDevice::Network = "network";
    Protocol, "DisplayType": Protocol::Vnc = "vnc", Protocol::Spice = "spice";
    WatchdogModel, "WatchdogModel": WatchdogModel::I6300esb = "i6300esb";
    WatchdogAction, "WatchdogAction":
        WatchdogAction::None = "none", WatchdogAction::Reset = "reset", WatchdogAction::Poweroff = "poweroff",
        WatchdogAction::Pause = "pause", WatchdogAction::Dump = "dump";
    DisconnectAction, "DisplayDisconnectAction":
        DisconnectAction::None = "NONE", DisconnectAction::LockScreen = "LOCK_SCREEN",
        DisconnectAction::Reboot = "REBOOT", DisconnectAction::Logout = "LOGOUT",
        DisconnectAction::Shutdown = "SHUTDOWN";
    RngSource, "RngSource": RngSource::Random = "RANDOM", RngSource::Hwrng = "HWRNG";
    Affinity, "VmAffinity":
        Affinity::Migratable = "migratable", Affinity::UserMigratable = "user_migratable", Affinity::Pinned = "pinned";
    Severity, "AuditLogSeverity":
        Severity::Normal = "normal", Severity::Warning = "warning", Severity::Error = "error",
        Severity::Alert = "alert";
    JobStatus, "JobExecutionStatus":
        JobStatus::Started = "started", JobStatus::Finished = "finished", JobStatus::Failed = "failed",
        JobStatus::Aborted = "aborted", JobStatus::Unknown = "unknown";
    StepKind, "StepEnum":
        StepKind::Validating = "validating", StepKind::Executing = "executing",
        StepKind::Finalizing = "finalizing", StepKind::Unknown = "unknown";
    SsoMethod, "SsoMethod": SsoMethod::GuestAgent = "guest_agent";
    NumaTune, "NumaTuneMode":
        NumaTune::Strict = "strict", NumaTune::Interleave = "interleave", NumaTune::Preferred = "preferred";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_in_any_case_and_refusals_list_them() {
        assert_eq!(named::<DiskFormat>("COW").unwrap(), DiskFormat::Cow);
        assert_eq!(DiskInterface::VirtioScsi.name(), "virtio_scsi");
        let refused = named::<DiskInterface>("floppy").unwrap_err();
        assert!(refused.said.ends_with("are: ide, virtio_scsi, virtio"), "{}", refused.said);
    }
}
