//! Pools of MAC addresses.

resource! {
    /// Where MAC addresses come from.
    MacPool = "mac_pool" {
        allow_duplicates: Option<bool>,
        default_pool: Option<bool>,
        ranges: Option<Ranges>,
    }
}

collection! {
    /// A list of `mac_pool`.
    MacPools = "mac_pools" {
        mac_pool: Vec<MacPool>,
    }
}

part! {
    /// A list of `range`.
    Ranges {
        range: Vec<Range>,
    }
}

part! {
    /// From one address to another, both included.
    Range {
        from: Option<String>,
        to: Option<String>,
    }
}
