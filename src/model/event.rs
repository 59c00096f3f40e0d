//! What happened: codes that clients know, and what an event tells.

use super::ids::*;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Normal,
    Warning,
    Error,
    Alert,
}

/// A kind of event: its number and how bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32, pub Severity);

macro_rules! codes {
    ($($name:ident = $number:literal $severity:ident;)+) => {
        impl Code {
            $(pub const $name: Self = Self($number, Severity::$severity);)+
        }
    };
}

codes! {
    ENGINE_STARTED = 1 Normal;
    HOST_LOST = 12 Error;
    HOST_DETECTED = 13 Normal;
    VM_STARTED = 32 Normal;
    VM_START_FAILED = 54 Error;
    VM_STOPPED = 33 Normal;
    VM_STOP_FAILED = 56 Error;
    VM_ADDED = 34 Normal;
    VM_ADD_FAILED = 57 Error;
    VM_IMPORTED_WITHOUT_DISKS = 175 Warning;
    VM_EXPORTED = 1150 Normal;
    VM_EXPORT_FAILED = 1151 Error;
    VM_IMPORTED = 1152 Normal;
    VM_IMPORT_FAILED = 1153 Error;
    VM_EXPORT_REMOVED = 1160 Normal;
    VM_EXPORT_REMOVE_FAILED = 1161 Error;
    VM_UPDATED = 35 Normal;
    VM_UPDATE_FAILED = 58 Error;
    VM_REMOVED = 113 Normal;
    VM_REMOVE_FAILED = 59 Error;
    VM_DOWN = 61 Normal;
    TEMPLATE_ADDED = 51 Normal;
    TEMPLATE_ADD_FAILED = 52 Error;
    TEMPLATE_EXPORT_REMOVED = 1154 Normal;
    TEMPLATE_EXPORT_REMOVE_FAILED = 1155 Error;
    TEMPLATE_EXPORTED = 1156 Normal;
    TEMPLATE_EXPORT_FAILED = 1157 Error;
    TEMPLATE_IMPORTED = 1158 Normal;
    TEMPLATE_IMPORT_FAILED = 1159 Error;
    TEMPLATE_UPDATED = 79 Normal;
    TEMPLATE_DISK_COPIED = 95 Normal;
    TEMPLATE_DISK_COPY_FAILED = 96 Error;
    TEMPLATE_REMOVED = 80 Normal;
    TEMPLATE_REMOVE_FAILED = 83 Error;
    VM_DOWN_ERROR = 119 Error;
    VM_RESUMED = 40 Normal;
    VM_RESUME_FAILED = 103 Error;
    VM_SHUTDOWN_BEGUN = 73 Normal;
    VM_SHUTDOWN_FAILED = 74 Error;
    VM_REBOOTED = 157 Normal;
    VM_REBOOT_FAILED = 158 Error;
    VM_SUSPENDED = 503 Normal;
    VM_SUSPEND_FAILED = 502 Error;
    VM_TICKET = 164 Normal;
    VM_TICKET_FAILED = 165 Error;
    VM_RESTART_FAILED = 9603 Error;
    VM_NOT_RESPONDING = 126 Warning;
    VM_PAUSED_NO_SPACE = 138 Error;
    VM_PAUSED_ERROR = 139 Error;
    VM_PAUSED_IO = 145 Error;
    VM_PAUSED_PERMISSION = 146 Error;
    SNAPSHOT_CREATED = 68 Normal;
    SNAPSHOT_CREATE_FAILED = 69 Error;
    SNAPSHOT_NOT_QUIESCED = 9690 Warning;
    SNAPSHOT_WITHOUT_DISKS = 9691 Warning;
    SNAPSHOT_PREVIEWED = 71 Normal;
    SNAPSHOT_PREVIEW_FAILED = 99 Error;
    SNAPSHOT_RESTORED = 100 Normal;
    SNAPSHOT_RESTORE_FAILED = 101 Error;
    SNAPSHOT_REMOVED = 356 Normal;
    SNAPSHOT_REMOVE_FAILED = 357 Error;
    MEDIUM_CHANGED = 38 Normal;
    MEDIUM_EJECTED = 528 Normal;
    MEDIUM_CHANGE_FAILED = 102 Error;
    QUOTA_ADDED = 3000 Normal;
    QUOTA_UPDATED = 3002 Normal;
    QUOTA_REMOVED = 3004 Normal;
    QUOTA_EXCEEDED = 3006 Warning;
    QUOTA_THRESHOLD = 3008 Warning;
    QOS_ADDED = 10120 Normal;
    QOS_REMOVED = 10122 Normal;
    QOS_UPDATED = 10124 Normal;
    QOS_UPDATE_FAILED = 10125 Error;
    DISK_PROFILE_ADDED = 10130 Normal;
    DISK_PROFILE_UPDATED = 10134 Normal;
    DISK_PROFILE_UPDATE_FAILED = 10135 Error;
    DISK_PROFILE_REMOVED = 10132 Normal;
    DISK_ADDED_TO_VM = 97 Normal;
    DISK_ADD_TO_VM_FAILED = 98 Error;
    DISK_ADDED = 2021 Normal;
    DISK_ADD_FAILED = 2022 Error;
    DISK_REMOVED = 2014 Normal;
    DISK_REMOVE_FAILED = 2015 Error;
    DISK_ATTACHED = 2016 Normal;
    DISK_ATTACH_FAILED = 2017 Error;
    DISK_DETACHED = 2018 Normal;
    DISK_DETACH_FAILED = 2019 Error;
    DISK_PLUGGED = 2000 Normal;
    DISK_PLUG_FAILED = 2001 Error;
    DISK_UNPLUGGED = 2002 Normal;
    DISK_UNPLUG_FAILED = 2003 Error;
    DISK_UPDATED = 88 Normal;
    DISK_UPDATE_FAILED = 89 Error;
    DISK_COPIED = 2006 Normal;
    DISK_COPY_FAILED = 2007 Error;
    DISK_MOVED = 2010 Normal;
    DISK_MOVE_FAILED = 2011 Error;
    MAC_POOL_UPDATED = 10703 Normal;
    DATA_CENTER_UPDATED = 952 Normal;
    CLUSTER_UPDATED = 811 Normal;
    STORAGE_ADDED = 956 Normal;
    STORAGE_ADD_FAILED = 957 Error;
    STORAGE_UPDATED = 958 Normal;
    STORAGE_UPDATE_FAILED = 959 Error;
    STORAGE_REMOVED = 960 Normal;
    STORAGE_REMOVE_FAILED = 961 Error;
    STORAGE_ATTACHED = 962 Normal;
    STORAGE_ATTACH_FAILED = 963 Error;
    STORAGE_DETACHED = 964 Normal;
    STORAGE_DETACH_FAILED = 965 Error;
    STORAGE_ACTIVATED = 966 Normal;
    STORAGE_ACTIVATE_FAILED = 967 Error;
    STORAGE_DEACTIVATED = 968 Normal;
    STORAGE_DEACTIVATE_FAILED = 969 Error;
    STORAGE_LOST = 970 Warning;
    STORAGE_SPACE_LOW = 26 Warning;
    STORAGE_SPACE_CRITICAL = 201 Error;
    NIC_REMOVED = 930 Normal;
    NIC_REMOVE_FAILED = 931 Error;
    NIC_ADDED = 932 Normal;
    NIC_ADD_FAILED = 933 Error;
    NIC_UPDATED = 934 Normal;
    NIC_UPDATE_FAILED = 935 Error;
    NETWORK_ADDED = 942 Normal;
    NETWORK_ADD_FAILED = 943 Error;
    NETWORK_REMOVED = 944 Normal;
    NETWORK_REMOVE_FAILED = 945 Error;
    NETWORK_ATTACHED = 946 Normal;
    NETWORK_DETACHED = 948 Normal;
    CLUSTER_NETWORK_UPDATED = 1100 Normal;
    NETWORK_UPDATED = 1114 Normal;
    NETWORK_UPDATE_FAILED = 1115 Error;
    VNIC_PROFILE_ADDED = 1122 Normal;
    VNIC_PROFILE_REMOVED = 1126 Normal;
    VNIC_PROFILE_UPDATED = 1124 Normal;
    VNIC_PROFILE_UPDATE_FAILED = 1125 Error;
    INSTANCE_TYPE_ADDED = 10200 Normal;
    INSTANCE_TYPE_UPDATED = 10202 Normal;
    INSTANCE_TYPE_REMOVED = 10204 Normal;
    AFFINITY_GROUP_ADDED = 10350 Normal;
    AFFINITY_GROUP_UPDATED = 10352 Normal;
    AFFINITY_GROUP_REMOVED = 10354 Normal;
    VM_POOL_ADDED = 300 Normal;
    VM_POOL_UPDATED = 304 Normal;
    VM_POOL_REMOVED = 306 Normal;
    VM_ALLOCATED = 313 Normal;
    VM_DETACHED_FROM_POOL = 308 Normal;
    USER_ADDED = 149 Normal;
    USER_REMOVED = 325 Normal;
    USER_PASSWORD = 346 Normal;
    USER_GROUPS = 148 Normal;
    TAG_UPDATED = 430 Normal;
    TAG_ADDED = 432 Normal;
    TAG_REMOVED = 434 Normal;
    TAG_ATTACHED = 440 Normal;
    TAG_DETACHED = 446 Normal;
    PERMISSION_ADDED = 850 Normal;
    PERMISSION_REMOVED = 852 Normal;
    ROLE_ADDED = 854 Normal;
    ROLE_UPDATED = 856 Normal;
    ROLE_REMOVED = 858 Normal;
    EXTERNAL_NORMAL = 9801 Normal;
    EXTERNAL_WARNING = 9802 Warning;
    EXTERNAL_ERROR = 9803 Error;
    EXTERNAL_ALERT = 9804 Alert;
}

impl Code {
    /// The kind of an event that somebody else reports.
    pub fn external(severity: Severity) -> Self {
        match severity {
            Severity::Normal => Self::EXTERNAL_NORMAL,
            Severity::Warning => Self::EXTERNAL_WARNING,
            Severity::Error => Self::EXTERNAL_ERROR,
            Severity::Alert => Self::EXTERNAL_ALERT,
        }
    }
}

/// A thing as it was called when it was told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject<I> {
    pub id: I,
    pub name: String,
}

/// What an event or a job is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vm: Option<Subject<VmId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Subject<TemplateId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Subject<DiskId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Subject<HostId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Subject<ClusterId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_center: Option<Subject<DataCenterId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_domain: Option<Subject<StorageDomainId>>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Larger ones are later.
    pub id: u64,
    pub code: i32,
    pub severity: Severity,
    pub time: Timestamp,
    pub text: String,
    pub correlation: Option<String>,
    pub user: Option<Subject<UserId>>,
    pub about: About,
    /// Who noticed it.
    pub origin: String,
    /// The number that somebody else gave it.
    pub custom_id: Option<i32>,
    pub flood_rate: Option<i32>,
    pub custom_data: Option<String>,
    /// No longer shown.
    pub deleted: bool,
}
