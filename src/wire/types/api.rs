//! The entry point.

use super::*;
use crate::wire::Date;

resource! {
    /// What the server is and where its collections are.
    Api = "api" {
        special_objects: Option<SpecialObjects>,
        product_info: Option<ProductInfo>,
        summary: Option<ApiSummary>,
        time: Option<Date>,
    }
}

part! {
    /// Resources that always exist.
    SpecialObjects {
        blank_template: Option<Ref>,
        root_tag: Option<Ref>,
    }
}

resource! {
    /// The software.
    ProductInfo = "product_info" {
        vendor: Option<String>,
        /// Version 3 takes `full_version` out and puts it beside.
        version: Option<VersionNumber>,
        full_version: Slot,
    }
}

part! {
    /// How much there is of what.
    ApiSummary {
        vms: Option<ApiSummaryItem>,
        hosts: Option<ApiSummaryItem>,
        users: Option<ApiSummaryItem>,
        storage_domains: Option<ApiSummaryItem>,
    }
}

part! {
    /// All and those in use.
    ApiSummaryItem {
        total: Option<u32>,
        active: Option<u32>,
    }
}
