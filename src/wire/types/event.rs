//! Events.

use super::*;
use crate::wire::Date;

resource! {
    /// Something that happened.
    Event = "event" {
        code: Option<i32>,
        severity: Option<String>,
        time: Option<Date>,
        correlation_id: Option<String>,
        user: Option<Ref>,
        vm: Option<Ref>,
        storage_domain: Option<Ref>,
        host: Option<Ref>,
        template: Option<Ref>,
        cluster: Option<Ref>,
        data_center: Option<Ref>,
        origin: Option<String>,
        custom_id: Option<i32>,
        flood_rate: Option<i32>,
        custom_data: Option<String>,
    }
}

collection! {
    /// A list of `event`.
    Events = "events" {
        event: Vec<Event>,
    }
}
