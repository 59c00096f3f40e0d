//! Data centers.

use super::*;

resource! {
    /// Clusters that share storage and networks.
    DataCenter = "data_center" {
        /// Before `local`: `localfs` or anything else.
        storage_type: Option<String>,
        local: Option<bool>,
        storage_format: Option<String>,
        version: Option<VersionNumber>,
        supported_versions: Option<SupportedVersions>,
        status: Option<String>,
        mac_pool: Option<Ref>,
        quota_mode: Option<String>,
    }
}

collection! {
    /// A list of `data_center`.
    DataCenters = "data_centers" {
        data_center: Vec<DataCenter>,
    }
}
