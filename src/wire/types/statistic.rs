//! Statistics.

use super::*;

resource! {
    /// A measured value, of one thing.
    Statistic = "statistic" {
        values: Option<StatisticValues>,
        /// The type of the values: `integer`, `decimal` or `string`.
        r#type: Option<String>,
        /// `gauge` or `counter`; version 3's `type`.
        kind: Option<String>,
        unit: Option<String>,
        disk: Option<Ref>,
        host: Option<Ref>,
        host_nic: Option<Ref>,
        host_numa_node: Option<Ref>,
        nic: Option<Ref>,
        vm: Option<Ref>,
        step: Option<Ref>,
    }
}

collection! {
    /// A list of `statistic`.
    Statistics = "statistics" {
        statistic: Vec<Statistic>,
    }
}

part! {
    /// A list of `value`.
    StatisticValues {
        value: Vec<StatisticValue>,
    }
}

part! {
    /// One value.
    StatisticValue {
        datum: Option<f64>,
        detail: Option<String>,
    }
}
