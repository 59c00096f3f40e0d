//! What happened: events and jobs, in memory and behind the operations in the store.
//!
//! Telling costs an operation no more than a lock: a task of its own writes what was told, a burst
//! in one transaction. A power cut may take the last moments along; `kill -9` what was told in the
//! last hundredth of a second.

use super::Engine;
use super::caller::Caller;
use super::lane::blocking;
use super::ports::HistoryEntry;
use super::telling::Telling;
use crate::error::{Error, Result};
use crate::model::*;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use uuid::Uuid;

/// How many events and ended jobs are kept, and for how long.
const MOST_EVENTS: usize = 10_000;
const MOST_JOBS: usize = 1_000;
const EVENTS_LAST: Duration = Duration::from_secs(30 * 24 * 3600);
const JOBS_LAST: Duration = Duration::from_secs(24 * 3600);

/// How long a burst is waited for.
const BURST: Duration = Duration::from_millis(10);
/// How long a store that refuses is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// The name under which the engine's own events are told.
pub const ORIGIN: &str = "vireo";

#[derive(Default)]
pub struct History {
    past: Mutex<Past>,
    told: tokio::sync::Notify,
    /// One writes at a time, so that what was told first is written first.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Past {
    events: BTreeMap<u64, Arc<Event>>,
    jobs: BTreeMap<JobId, Arc<Job>>,
    /// Those that have ended, the oldest first.
    ended: BTreeSet<(Timestamp, JobId)>,
    /// Not written yet, the last word on each: what changes often is no more to write.
    unwritten: BTreeMap<Of, HistoryEntry>,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Event(u64),
    Job(JobId),
}

impl Of {
    fn entry(entry: &HistoryEntry) -> Self {
        match entry {
            HistoryEntry::Event(event) => Self::Event(event.id),
            HistoryEntry::ForgetEvent(id) => Self::Event(*id),
            HistoryEntry::Job(job) => Self::Job(job.id),
            HistoryEntry::ForgetJob(id) => Self::Job(*id),
        }
    }
}

impl Past {
    fn put_event(&mut self, event: Event) {
        self.is_to_write(HistoryEntry::Event(event.clone()));
        self.events.insert(event.id, Arc::new(event));
    }

    fn put_job(&mut self, job: Job) {
        self.is_to_write(HistoryEntry::Job(job.clone()));
        self.keep_job(job);
    }

    fn keep_job(&mut self, job: Job) {
        self.take_job(job.id);
        self.ended.extend(job.ended.map(|end| (end, job.id)));
        self.jobs.insert(job.id, Arc::new(job));
    }

    fn take_job(&mut self, id: JobId) {
        if let Some(end) = self.jobs.remove(&id).and_then(|job| job.ended) {
            self.ended.remove(&(end, id));
        }
    }

    fn forget_job(&mut self, id: JobId) {
        self.take_job(id);
        self.is_to_write(HistoryEntry::ForgetJob(id));
    }

    fn forget_event(&mut self, id: u64) {
        self.events.remove(&id);
        self.is_to_write(HistoryEntry::ForgetEvent(id));
    }

    fn is_to_write(&mut self, entry: HistoryEntry) {
        self.unwritten.insert(Of::entry(&entry), entry);
    }

    /// Lets go what is too old or too much.
    fn age(&mut self, now: Timestamp) {
        let too_old = |event: &Event| now.duration_since(event.time).unsigned_abs() > EVENTS_LAST;
        // The last one stays: it says where the numbers go on.
        while self.events.len() > 1
            && let Some((id, oldest)) = self.events.first_key_value()
            && (self.events.len() > MOST_EVENTS || too_old(oldest))
        {
            let id = *id;
            self.forget_event(id);
        }
        while let Some((end, id)) = self.ended.first().copied()
            && (self.ended.len() > MOST_JOBS || now.duration_since(end).unsigned_abs() > JOBS_LAST)
        {
            self.forget_job(id);
        }
    }
}

impl History {
    /// The past as the store has it. Jobs that ran when the last engine ended go on only where an
    /// intent does.
    pub(super) fn load(entries: Vec<HistoryEntry>, open: impl Fn(JobId) -> bool) -> Self {
        let mut past = Past::default();
        let now = Timestamp::now();
        for entry in entries {
            match entry {
                HistoryEntry::Event(event) => drop(past.events.insert(event.id, Arc::new(event))),
                HistoryEntry::Job(mut job) => {
                    if job.status == JobStatus::Started && !job.external && !open(job.id) {
                        job.end(JobStatus::Unknown, now);
                        past.put_job(job);
                    } else {
                        past.keep_job(job);
                    }
                }
                HistoryEntry::ForgetEvent(_) | HistoryEntry::ForgetJob(_) => {}
            }
        }
        Self { past: Mutex::new(past), ..Self::default() }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().expect("no panic while held")
    }

    /// The events that are shown, the latest first.
    pub fn events(&self) -> Vec<Arc<Event>> {
        self.events_that(|_| true)
    }

    /// Those of them that are wanted.
    pub fn events_that(&self, wanted: impl Fn(&Event) -> bool) -> Vec<Arc<Event>> {
        let is_wanted = |event: &&Arc<Event>| !event.deleted && wanted(event);
        self.past().events.values().rev().filter(is_wanted).cloned().collect()
    }

    pub fn event(&self, id: u64) -> Option<Arc<Event>> {
        self.past().events.get(&id).filter(|event| !event.deleted).cloned()
    }

    /// All jobs, the latest first.
    pub fn jobs(&self) -> Vec<Arc<Job>> {
        let mut jobs: Vec<_> = self.past().jobs.values().cloned().collect();
        jobs.sort_by_key(|job| std::cmp::Reverse((job.started, job.id)));
        jobs
    }

    pub fn job(&self, id: JobId) -> Option<Arc<Job>> {
        self.past().jobs.get(&id).cloned()
    }

    pub(super) fn put_job(&self, job: Job) {
        self.past().put_job(job);
        self.told.notify_one();
    }

    /// Changes a job that is somebody else's.
    pub(super) fn change_job<T>(&self, id: JobId, change: impl FnOnce(&mut Job) -> Result<T>) -> Result<T> {
        let mut past = self.past();
        let job = past.jobs.get(&id).ok_or_else(|| Error::not_found(id))?;
        if !job.external {
            return Err(Error::conflict("Cannot change Job. It is one of the engine's own."));
        }
        let mut job = Job::clone(job);
        let changed = change(&mut job)?;
        past.put_job(job);
        Ok(changed)
    }

    /// How many jobs of others have not ended.
    pub(super) fn reported(&self) -> usize {
        self.past().jobs.values().filter(|job| job.external && job.ended.is_none()).count()
    }

    /// How much of the job's running step is done, in percent.
    pub(super) fn tell_progress(&self, id: JobId, percent: u8) {
        let mut past = self.past();
        let Some(job) = past.jobs.get(&id) else { return };
        let mut job = Job::clone(job);
        let Some(step) = job.steps.iter_mut().rfind(|step| step.status == JobStatus::Started) else { return };
        if step.progress.replace(percent) != Some(percent) {
            job.updated = Timestamp::now();
            past.put_job(job);
            drop(past);
            self.told.notify_one();
        }
    }

    pub(super) fn forget_job(&self, id: JobId) {
        self.past().forget_job(id);
    }

    /// An event that its reporter hears was not kept.
    pub(super) fn take_back_event(&self, id: u64) {
        self.past().forget_event(id);
    }

    /// Writes an event down; the number is the history's to give.
    pub(super) fn put_event(&self, make: impl FnOnce(u64) -> Event) -> u64 {
        let mut past = self.past();
        let id = past.events.last_key_value().map_or(1, |(last, _)| last + 1);
        past.put_event(make(id));
        drop(past);
        self.told.notify_one();
        id
    }

    /// Hides an event, or all that were hidden come back.
    pub(super) fn set_deleted(&self, which: Option<u64>, deleted: bool) {
        let mut past = self.past();
        let differ: Vec<Event> = past
            .events
            .values()
            .filter(|event| event.deleted != deleted && which.is_none_or(|id| id == event.id))
            .map(|event| Event { deleted, ..Event::clone(event) })
            .collect();
        differ.into_iter().for_each(|event| past.put_event(event));
        drop(past);
        self.told.notify_one();
    }
}

impl Engine {
    /// Leaves an event of what the engine did or noticed, on behalf of the present caller.
    pub(super) fn tell(&self, code: Code, about: About, text: impl Into<String>) {
        self.leave(code, about, text.into(), Caller::present());
    }

    fn leave(&self, code: Code, about: About, text: String, caller: Caller) {
        let user = self.subject(caller.user);
        self.history.put_event(|id| Event {
            id,
            code: code.0,
            severity: code.1,
            time: Timestamp::now(),
            text,
            correlation: caller.correlation,
            user,
            about,
            origin: ORIGIN.into(),
            custom_id: None,
            flood_rate: None,
            custom_data: None,
            deleted: false,
        });
    }

    pub(super) fn subject(&self, user: Option<UserId>) -> Option<Subject<UserId>> {
        let id = user?;
        Some(Subject { id, name: self.user_name(id).unwrap_or_default() })
    }

    /// A job begins, for the intent of that id or for work without one.
    pub(super) fn begin_job(&self, id: Uuid, telling: &Telling) {
        let caller = Caller::present();
        caller.began(JobId(id));
        let now = Timestamp::now();
        let mut job = Job {
            id: JobId(id),
            description: telling.doing.clone(),
            status: JobStatus::Started,
            owner: self.subject(caller.user),
            started: now,
            ended: None,
            updated: now,
            external: false,
            auto_cleared: true,
            correlation: caller.correlation,
            about: telling.about.clone(),
            steps: Vec::new(),
        };
        job.begin(StepKind::Validating, None, "Validating".into(), now);
        job.steps[0].end(JobStatus::Finished, now);
        job.begin(StepKind::Executing, None, "Executing".into(), now);
        self.history.put_job(job);
    }

    /// The job came to an end: its last step, and the event of it. What was begun before a crash
    /// ends in the name of who began it.
    pub(super) fn end_job(&self, id: Uuid, telling: Telling, failure: Option<&Error>) {
        let begun = self.history.job(JobId(id));
        let caller = match begun.as_deref() {
            Some(job) => Caller::new(job.owner.as_ref().map(|owner| owner.id), job.correlation.clone()),
            None => Caller::present(),
        };
        if let Some(job) = begun {
            let mut job = Job::clone(&job);
            job.end(JobStatus::ended(failure.is_none()), Timestamp::now());
            self.history.put_job(job);
        }
        let by = caller.user.and_then(|user| self.user_name(user));
        let (code, text) = telling.end(by.as_deref(), failure);
        self.leave(code, telling.about, text, caller);
    }

    /// How the operation of an open intent is told; its job has the intent's id.
    pub(super) fn telling_of(&self, intent: IntentId) -> Option<Telling> {
        let world = self.world();
        let operation = &world.intents.get(&intent)?.operation;
        Some(Telling::of(operation, &world))
    }

    /// Work without an intent, told as a job and by its end.
    pub(super) async fn told<T>(&self, telling: Telling, work: impl Future<Output = Result<T>>) -> Result<T> {
        let job = self.begin(&telling);
        self.told_as(job, telling, work).await
    }

    /// Work without an intent begins, perhaps to go on after the answer to who asked for it.
    pub(super) fn begin(&self, telling: &Telling) -> Uuid {
        let job = Uuid::new_v4();
        self.begin_job(job, telling);
        job
    }

    /// The same for a job that has begun.
    pub(super) async fn told_as<T>(
        &self,
        job: Uuid,
        telling: Telling,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let done = work.await;
        self.end_job(job, telling, done.as_ref().err());
        done
    }

    /// Writes what was told and not written yet.
    pub(super) async fn write_history(&self) -> Result<()> {
        let _one = self.history.writing.lock().await;
        let entries = {
            let mut past = self.history.past();
            past.age(Timestamp::now());
            std::mem::take(&mut past.unwritten).into_values().collect::<Vec<_>>()
        };
        if entries.is_empty() {
            return Ok(());
        }
        let store = self.store.clone();
        let (written, entries) = blocking(move || Ok((store.remember(&entries), entries))).await?;
        if written.is_err() {
            let mut past = self.history.past();
            for entry in entries {
                // There may be a later word.
                past.unwritten.entry(Of::entry(&entry)).or_insert(entry);
            }
        }
        written
    }

    pub(super) async fn write_history_for_ever(self: Arc<Self>) {
        loop {
            self.history.told.notified().await;
            tokio::time::sleep(BURST).await;
            if let Err(why) = self.write_history().await {
                tracing::warn!("the history cannot be written: {why}");
                tokio::time::sleep(PAUSE).await;
                self.history.told.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, time: Timestamp) -> Event {
        Event {
            id,
            code: 1,
            severity: Severity::Normal,
            time,
            text: String::new(),
            correlation: None,
            user: None,
            about: About::default(),
            origin: ORIGIN.into(),
            custom_id: None,
            flood_rate: None,
            custom_data: None,
            deleted: false,
        }
    }

    #[test]
    fn the_past_is_let_go_and_its_numbers_are_not_given_again() {
        let (old, now) = (Timestamp::UNIX_EPOCH, Timestamp::now());
        let entries = (1..=3).map(|id| HistoryEntry::Event(event(id, old))).collect();
        let history = History::load(entries, |_| false);
        history.past().age(now);
        assert_eq!(history.events().len(), 1);
        assert_eq!(history.put_event(|id| event(id, now)), 4);
        history.past().age(now);
        assert_eq!(history.events().iter().map(|event| event.id).collect::<Vec<_>>(), [4]);
        let forgotten = history.past().unwritten.clone();
        assert_eq!(forgotten[&Of::Event(3)], HistoryEntry::ForgetEvent(3));
    }

    #[test]
    fn hidden_events_come_back() {
        let history = History::default();
        let first = history.put_event(|id| event(id, Timestamp::now()));
        history.put_event(|id| event(id, Timestamp::now()));
        history.set_deleted(Some(first), true);
        assert!(history.event(first).is_none() && history.events().len() == 1);
        history.set_deleted(None, false);
        assert_eq!(history.events().len(), 2);
    }
}
