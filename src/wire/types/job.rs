//! Jobs.

use super::*;
use crate::wire::Date;

resource! {
    /// An operation that runs or ran.
    Job = "job" {
        status: Option<String>,
        owner: Option<Ref>,
        start_time: Option<Date>,
        end_time: Option<Date>,
        last_updated: Option<Date>,
        external: Option<bool>,
        auto_cleared: Option<bool>,
    }
}

collection! {
    /// A list of `job`.
    Jobs = "jobs" {
        job: Vec<Job>,
    }
}

resource! {
    /// A part of a job.
    Step = "step" {
        parent_step: Option<Ref>,
        job: Option<Ref>,
        r#type: Option<String>,
        number: Option<i32>,
        status: Option<String>,
        start_time: Option<Date>,
        end_time: Option<Date>,
        external: Option<bool>,
        external_type: Option<String>,
    }
}

collection! {
    /// A list of `step`.
    Steps = "steps" {
        step: Vec<Step>,
    }
}
