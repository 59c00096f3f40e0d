//! Work as clients watch it: a job and its steps.

use super::event::{About, Subject};
use super::ids::*;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    Started,
    Finished,
    Failed,
    Aborted,
    /// It ran when the engine ended.
    Unknown,
}

impl JobStatus {
    pub fn ended(succeeded: bool) -> Self {
        if succeeded { Self::Finished } else { Self::Failed }
    }
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    Validating,
    Executing,
    Finalizing,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub description: String,
    pub status: JobStatus,
    pub owner: Option<Subject<UserId>>,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub updated: Timestamp,
    /// Somebody else's, who says how it goes.
    pub external: bool,
    pub auto_cleared: bool,
    pub correlation: Option<String>,
    pub about: About,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub id: StepId,
    pub parent: Option<StepId>,
    pub kind: StepKind,
    /// Its place among the steps of its parent.
    pub number: i32,
    pub description: String,
    pub status: JobStatus,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub external: bool,
    /// In percent, where that is known.
    #[serde(default)]
    pub progress: Option<u8>,
}

impl Job {
    /// Ends the job and the steps that still run.
    pub fn end(&mut self, status: JobStatus, now: Timestamp) {
        for step in self.steps.iter_mut().filter(|step| step.status == JobStatus::Started) {
            step.end(status, now);
        }
        (self.status, self.ended, self.updated) = (status, Some(now), now);
    }

    /// Adds a step that begins now.
    pub fn begin(
        &mut self,
        kind: StepKind,
        parent: Option<StepId>,
        description: String,
        now: Timestamp,
    ) -> StepId {
        let id = StepId::random();
        let number = self.steps.iter().filter(|step| step.parent == parent).count();
        self.steps.push(Step {
            id,
            parent,
            kind,
            number: i32::try_from(number).unwrap_or(i32::MAX),
            description,
            status: JobStatus::Started,
            started: now,
            ended: None,
            external: self.external,
            progress: None,
        });
        self.updated = now;
        id
    }
}

impl Step {
    pub fn end(&mut self, status: JobStatus, now: Timestamp) {
        (self.status, self.ended) = (status, Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_ends_with_its_steps() {
        let now = Timestamp::now();
        let mut job = Job {
            id: JobId::random(),
            description: "Work".into(),
            status: JobStatus::Started,
            owner: None,
            started: now,
            ended: None,
            updated: now,
            external: true,
            auto_cleared: false,
            correlation: None,
            about: About::default(),
            steps: Vec::new(),
        };
        let first = job.begin(StepKind::Validating, None, String::new(), now);
        job.begin(StepKind::Executing, None, String::new(), now);
        job.begin(StepKind::Executing, Some(first), String::new(), now);
        assert_eq!(job.steps.iter().map(|step| step.number).collect::<Vec<_>>(), [0, 1, 0]);
        job.steps[0].end(JobStatus::Finished, now);
        job.end(JobStatus::ended(false), now);
        let ends: Vec<_> = job.steps.iter().map(|step| step.status).collect();
        assert_eq!(ends, [JobStatus::Finished, JobStatus::Failed, JobStatus::Failed]);
        assert_eq!((job.status, job.ended), (JobStatus::Failed, Some(now)));
    }
}
