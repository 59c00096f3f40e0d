//! `/jobs`: work as it goes on, the engine's own and what others report of theirs.

use super::app::App;
use super::fault::Fault;
use super::links;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::error::Error;
use crate::model::{Job, JobId, JobStatus, Step, StepId, StepKind};
use crate::wire::convert::{self, named};
use crate::wire::types::{self, Action};
use crate::wire::{filled, require};
use std::sync::Arc;

const ITEM: &str = "/jobs/{job}";
const STEP: &str = "/jobs/{job}/steps/{step}";

fn document(app: &App, job: &Job) -> types::Job {
    let document = convert::job(job, |user| app.engine.world().users.contains_key(&user));
    let href = document.href.clone().unwrap_or_default();
    types::Job { actions: links::actions(ITEM, &href), link: links::collections(ITEM, &href), ..document }
}

fn step_document(step: &Step, job: JobId) -> types::Step {
    let document = convert::step(step, job);
    let href = document.href.clone().unwrap_or_default();
    types::Step { actions: links::actions(STEP, &href), link: links::collections(STEP, &href), ..document }
}

fn addressed(app: &App, request: &Request) -> Result<Arc<Job>, Fault> {
    let id: JobId = request.id("job")?;
    let job = app.engine.history.job(id).filter(|job| is_shown(request, job));
    job.ok_or_else(|| Error::not_found(id).into())
}

/// Who administers something sees every job; others their own.
fn is_shown(request: &Request, job: &Job) -> bool {
    request.sees_everything() || job.owner.as_ref().is_some_and(|owner| owner.id == request.user.id)
}

fn addressed_step(app: &App, request: &Request) -> Result<(JobId, Step), Fault> {
    let job = addressed(app, request)?;
    let id: StepId = request.id("step")?;
    let step = job.steps.iter().find(|step| step.id == id).ok_or_else(|| Error::not_found(id))?;
    Ok((job.id, step.clone()))
}

/// `GET /jobs`
pub async fn list(app: Arc<App>, request: Request) -> Answer {
    let mut jobs = app.engine.history.jobs();
    jobs.retain(|job| is_shown(&request, job));
    let wanted = jobs.iter().take(request.max.unwrap_or(usize::MAX));
    Ok(Reply::ok(types::Jobs { job: wanted.map(|job| document(&app, job)).collect(), ..Default::default() }))
}

/// `GET /jobs/{job}`
pub async fn show(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(document(&app, &*addressed(&app, &request)?)))
}

/// `POST /jobs`
pub async fn add(app: Arc<App>, request: Request) -> Answer {
    let asked: types::Job = request.document().await?;
    let description = asked.description.unwrap_or_default();
    require("Job", "add", &[("description", !description.is_empty())])?;
    let id = app.engine.report_job(description, asked.auto_cleared.unwrap_or(false)).await?;
    let job = app.engine.history.job(id).ok_or_else(|| Error::bug("a new job is not there"))?;
    Ok(Reply::created(document(&app, &job)))
}

/// The status with which something ends, from either of the elements that may say it.
fn end_of(action: &Action, noun: &str) -> Result<JobStatus, Fault> {
    let said = action.status.as_deref().map(named::<JobStatus>).transpose()?;
    match (said, action.succeeded) {
        (Some(JobStatus::Started | JobStatus::Unknown), _) => {
            Err(Fault::value(format!("A {noun} ends as finished, failed or aborted.")))
        }
        (Some(status), _) => Ok(status),
        (None, Some(succeeded)) => Ok(JobStatus::ended(succeeded)),
        (None, None) => Err(crate::wire::missing(noun, &["status.state|succeeded"], "end").into()),
    }
}

/// `POST /jobs/{job}/end`
pub async fn end(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    app.engine.finish_job(id, end_of(&action, "Job")?, action.force.unwrap_or(false)).await?;
    Ok(Reply::complete(action))
}

/// `POST /jobs/{job}/clear`
pub async fn clear(app: Arc<App>, request: Request) -> Answer {
    let id = addressed(&app, &request)?.id;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    app.engine.clear_job(id).await?;
    Ok(Reply::complete(action))
}

/// `GET /jobs/{job}/steps`
pub async fn list_steps(app: Arc<App>, request: Request) -> Answer {
    let job = addressed(&app, &request)?;
    let wanted = job.steps.iter().take(request.max.unwrap_or(usize::MAX));
    let step = wanted.map(|step| step_document(step, job.id)).collect();
    Ok(Reply::ok(types::Steps { step, ..Default::default() }))
}

/// `GET /jobs/{job}/steps/{step}`
pub async fn show_step(app: Arc<App>, request: Request) -> Answer {
    let (job, step) = addressed_step(&app, &request)?;
    Ok(Reply::ok(step_document(&step, job)))
}

/// `POST /jobs/{job}/steps`
pub async fn add_step(app: Arc<App>, request: Request) -> Answer {
    let job = addressed(&app, &request)?.id;
    let asked: types::Step = request.document().await?;
    let given = [("type", filled(&asked.r#type)), ("description", filled(&asked.description))];
    require("Step", "add", &given.map(|(part, text)| (part, text.is_some())))?;
    let kind = named::<StepKind>(asked.r#type.as_deref().unwrap_or_default())?;
    let parent =
        asked.parent_step.as_ref().map(|parent| convert::id_of(parent, "Step")).transpose()?.flatten();
    let id = app.engine.report_step(job, kind, parent, asked.description.unwrap_or_default()).await?;
    let now = app.engine.history.job(job).ok_or_else(|| Error::not_found(job))?;
    let step =
        now.steps.iter().find(|step| step.id == id).ok_or_else(|| Error::bug("a new step is not there"))?;
    Ok(Reply::created(step_document(step, job)))
}

/// `POST /jobs/{job}/steps/{step}/end`
pub async fn end_step(app: Arc<App>, request: Request) -> Answer {
    let (job, step) = addressed_step(&app, &request)?;
    let action = request.optional::<Action>().await?.unwrap_or_default();
    app.engine.finish_step(job, step.id, end_of(&action, "Step")?).await?;
    Ok(Reply::complete(action))
}

/// `GET /jobs/{job}/steps/{step}/statistics`: only steps on gluster bricks have any.
pub async fn list_statistics(app: Arc<App>, request: Request) -> Answer {
    addressed_step(&app, &request)?;
    Ok(Reply::ok(types::Statistics::default()))
}

/// `GET /jobs/{job}/steps/{step}/statistics/{statistic}`
pub async fn show_statistic(app: Arc<App>, request: Request) -> Answer {
    addressed_step(&app, &request)?;
    super::statistics::one(types::Statistics::default(), &request)
}
