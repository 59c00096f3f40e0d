//! Snapshots.

use super::*;
use crate::wire::Date;

resource! {
    /// A machine as it once was.
    Snapshot = "snapshot" {
        /// Version 3's `type`.
        snapshot_type: Option<String>,
        disks: Option<Disks>,
        initialization: Option<Initialization>,
        nics: Option<Nics>,
        /// The saved configuration.
        vm: Option<Box<Vm>>,
        date: Option<Date>,
        snapshot_status: Option<String>,
        persist_memorystate: Option<bool>,
    }
}

collection! {
    /// A list of `snapshot`.
    Snapshots = "snapshots" {
        snapshot: Vec<Snapshot>,
        /// In a request: merge all into one on import.
        collapse_snapshots: Option<bool>,
    }
}
