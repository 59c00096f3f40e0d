//! What others report: their events, and their jobs with steps.

use super::Engine;
use super::caller::Caller;
use super::history::ORIGIN;
use crate::error::{Error, Result};
use crate::model::*;
use jiff::Timestamp;
use std::sync::Arc;

/// An event as a client reports it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub text: String,
    pub severity: Severity,
    pub origin: String,
    pub custom_id: i32,
    pub flood_rate: Option<i32>,
    pub custom_data: Option<String>,
    pub about: About,
}

/// How many jobs may be reported at once, and how many steps of each.
const MOST_REPORTED: usize = 1000;
const MOST_STEPS: usize = 100;

/// The longest text that an event or a job takes.
const LONGEST: usize = 4000;

fn check_text(what: &str, text: &str) -> Result<()> {
    match text.chars().count() <= LONGEST
        && !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
    {
        true => Ok(()),
        false => Err(Error::invalid(format!("The {what} has at most {LONGEST} printable characters."))),
    }
}

impl Engine {
    pub async fn report_event(&self, new: NewEvent) -> Result<u64> {
        for (what, text) in [
            ("description", Some(&new.text)),
            ("origin", Some(&new.origin)),
            ("custom data", new.custom_data.as_ref()),
        ] {
            text.map_or(Ok(()), |text| check_text(what, text))?;
        }
        if new.origin.eq_ignore_ascii_case(ORIGIN) || new.origin.eq_ignore_ascii_case("oVirt") {
            return Err(Error::invalid(format!(
                "Cannot add Event. {} is the engine's own origin.",
                new.origin
            )));
        }
        let caller = Caller::present();
        let user = self.subject(caller.user);
        let id = self.history.put_event(|id| Event {
            id,
            code: Code::external(new.severity).0,
            severity: new.severity,
            time: Timestamp::now(),
            text: new.text,
            correlation: caller.correlation,
            user,
            about: new.about,
            origin: new.origin,
            custom_id: Some(new.custom_id),
            flood_rate: new.flood_rate,
            custom_data: new.custom_data,
            deleted: false,
        });
        // Who hears that it failed reports it again.
        self.write_history().await.inspect_err(|_| self.history.take_back_event(id))?;
        Ok(id)
    }

    pub async fn hide_event(&self, id: u64) -> Result<()> {
        self.history.event(id).ok_or_else(|| Error::not_found(id))?;
        self.history.set_deleted(Some(id), true);
        self.write_history().await
    }

    /// Every hidden event is shown again.
    pub async fn show_hidden_events(&self) -> Result<()> {
        self.history.set_deleted(None, false);
        self.write_history().await
    }

    pub async fn report_job(&self, description: String, auto_cleared: bool) -> Result<JobId> {
        check_text("description", &description)?;
        if self.history.reported() >= MOST_REPORTED {
            return Err(Error::conflict(format!("Cannot add Job. {MOST_REPORTED} jobs have not ended.")));
        }
        let (caller, now) = (Caller::present(), Timestamp::now());
        let id = JobId::random();
        self.history.put_job(Job {
            id,
            description,
            status: JobStatus::Started,
            owner: self.subject(caller.user),
            started: now,
            ended: None,
            updated: now,
            external: true,
            auto_cleared,
            correlation: caller.correlation,
            about: About::default(),
            steps: Vec::new(),
        });
        self.write_history().await.inspect_err(|_| self.history.forget_job(id))?;
        Ok(id)
    }

    fn job(&self, id: JobId) -> Result<Arc<Job>> {
        self.history.job(id).ok_or_else(|| Error::not_found(id))
    }

    /// Changes a job that is somebody else's.
    async fn change_job<T>(&self, id: JobId, change: impl FnOnce(&mut Job) -> Result<T>) -> Result<T> {
        let changed = self.history.change_job(id, change)?;
        self.write_history().await?;
        Ok(changed)
    }

    /// Ends a job; one that runs steps only by force.
    pub async fn finish_job(&self, id: JobId, status: JobStatus, force: bool) -> Result<()> {
        self.change_job(id, |job| {
            if job.status != JobStatus::Started {
                return Err(Error::conflict("Cannot end Job. It has ended."));
            }
            if !force && job.steps.iter().any(|step| step.status == JobStatus::Started) {
                return Err(Error::conflict("Cannot end Job. It has steps that still run."));
            }
            job.end(status, Timestamp::now());
            Ok(())
        })
        .await
    }

    pub async fn clear_job(&self, id: JobId) -> Result<()> {
        if !self.job(id)?.external {
            return Err(Error::conflict("Cannot clear Job. It is one of the engine's own."));
        }
        self.history.forget_job(id);
        self.write_history().await
    }

    pub async fn report_step(
        &self,
        id: JobId,
        kind: StepKind,
        parent: Option<StepId>,
        description: String,
    ) -> Result<StepId> {
        check_text("description", &description)?;
        self.change_job(id, |job| {
            if job.status != JobStatus::Started {
                return Err(Error::conflict("Cannot add Step. The job has ended."));
            }
            if job.steps.len() >= MOST_STEPS {
                return Err(Error::conflict(format!("Cannot add Step. The job has {MOST_STEPS}.")));
            }
            if let Some(parent) = parent
                && !job.steps.iter().any(|step| step.id == parent)
            {
                return Err(Error::not_found(format!("Step: id={parent}")));
            }
            Ok(job.begin(kind, parent, description, Timestamp::now()))
        })
        .await
    }

    pub async fn finish_step(&self, id: JobId, step: StepId, status: JobStatus) -> Result<()> {
        self.change_job(id, |job| {
            let now = Timestamp::now();
            let found =
                job.steps.iter_mut().find(|it| it.id == step).ok_or_else(|| Error::not_found(step))?;
            if found.status != JobStatus::Started {
                return Err(Error::conflict("Cannot end Step. It has ended."));
            }
            found.end(status, now);
            job.updated = now;
            Ok(())
        })
        .await
    }
}
