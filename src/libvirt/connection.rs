//! The connections to libvirtd, and the thread that brings them back.
//!
//! libvirtd serves five calls of a connection at a time, so slow calls and statistics have one of
//! their own, and events come over a fourth that never carries a call which could hang. That one is
//! kept open by a thread; the others open when they are asked for.

use super::events;
use super::facts::PROBE_ID;
use super::raw::{Listener, Seen, Watch};
use super::session::Session;
use crate::engine::ports::HypervisorEvent;
use crate::error::{Error, Result};
use crate::model::VmId;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use virt::connect::Connect;

/// Which connection a call takes.
#[derive(Clone, Copy, Debug)]
pub enum Lane {
    Calls,
    /// What may take seconds: starts, saves, pools, the guest agent.
    Slow,
    Statistics,
}

/// libvirtd counts as gone when it leaves this many pings, one each so many seconds, unanswered.
const KEEPALIVE: (i32, u32) = (3, 3);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);
/// How long a call waits for the first attempt to connect.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the connection is looked at although nobody complained.
const CHECK: Duration = Duration::from_secs(5);

/// Why calls work or not.
enum Phase {
    /// The first attempt is under way.
    Opening,
    Up,
    Down(String),
}

struct Status {
    phase: Phase,
    /// Somebody met a dead connection.
    doubted: bool,
    /// The adapter is being dropped.
    ended: bool,
}

/// The way to one libvirtd.
pub struct Link {
    uri: String,
    lanes: [Mutex<Option<Arc<Session>>>; 3],
    status: Mutex<Status>,
    changed: Condvar,
    events: Mutex<Option<UnboundedSender<HypervisorEvent>>>,
}

impl Link {
    /// Returns at once; a thread connects.
    pub fn new(uri: &str) -> Arc<Self> {
        let link = Arc::new(Self {
            uri: uri.to_owned(),
            lanes: Default::default(),
            status: Mutex::new(Status { phase: Phase::Opening, doubted: false, ended: false }),
            changed: Condvar::new(),
            events: Mutex::new(None),
        });
        let kept = Arc::clone(&link);
        let started = events::start_loop().and_then(|()| {
            let thread = std::thread::Builder::new().name("libvirt-link".into());
            thread.spawn(move || kept.keep()).map(drop).map_err(|why| why.to_string())
        });
        if let Err(why) = started {
            tracing::error!("libvirt cannot be reached: {why}");
            lock(&link.status).phase = Phase::Down(why);
        }
        link
    }

    pub fn subscribe(&self, events: UnboundedSender<HypervisorEvent>) {
        *lock(&self.events) = Some(events);
        // The connection may have been there first.
        if matches!(lock(&self.status).phase, Phase::Up) {
            self.send(HypervisorEvent::Connected);
        }
    }

    /// Makes one or more calls on a lane's connection. `Unavailable` when it breaks meanwhile.
    pub fn call<T>(&self, lane: Lane, calls: impl FnOnce(&Session) -> Result<T>) -> Result<T> {
        let session = self.session(lane)?;
        calls(&session).map_err(|why| {
            if is_alive(&session) {
                return why;
            }
            self.doubt();
            Error::unavailable(why)
        })
    }

    /// The lane's connection, opened anew when the old one is dead or given up.
    fn session(&self, lane: Lane) -> Result<Arc<Session>> {
        self.wait_for_first()?;
        let mut slot = lock(&self.lanes[lane as usize]);
        match &*slot {
            Some(session) if is_alive(session) => Ok(Arc::clone(session)),
            _ => {
                let opened = self.open().inspect_err(|_| self.doubt())?;
                let session = Arc::new(Session::new(opened));
                *slot = Some(Arc::clone(&session));
                Ok(session)
            }
        }
    }

    /// Gives a lane's connection up to the calls that hang on it.
    pub fn abandon(&self, lane: Lane) {
        // A taken lock means that a new connection is being opened right now.
        if let Ok(mut slot) = self.lanes[lane as usize].try_lock() {
            let old = slot.take();
            drop(slot);
            drop(old);
        }
    }

    pub fn rotate(&self) {
        for lane in [Lane::Calls, Lane::Slow, Lane::Statistics] {
            self.abandon(lane);
        }
    }

    /// Ends the thread; the connections close with the last call on them.
    pub fn end(&self) {
        lock(&self.status).ended = true;
        self.changed.notify_all();
        self.rotate();
    }

    fn open(&self) -> Result<Connect> {
        if self.uri.contains('\0') {
            return Err(Error::unavailable("the URI of libvirt has a NUL character"));
        }
        let connect = Connect::open(Some(&self.uri)).map_err(|why| Error::unavailable(why.message()))?;
        // libvirt's own test driver has no keepalive, and needs none.
        if let Err(why) = connect.set_keep_alive(KEEPALIVE.0, KEEPALIVE.1) {
            tracing::debug!("no keepalive: {}", why.message());
        }
        Ok(connect)
    }

    fn wait_for_first(&self) -> Result<()> {
        let opening = |status: &mut Status| matches!(status.phase, Phase::Opening);
        let status = self.changed.wait_timeout_while(lock(&self.status), PATIENCE, opening);
        match &status.unwrap_or_else(PoisonError::into_inner).0.phase {
            Phase::Up => Ok(()),
            Phase::Opening => Err(Error::unavailable("libvirtd does not answer")),
            Phase::Down(why) => Err(Error::unavailable(why)),
        }
    }

    fn doubt(&self) {
        lock(&self.status).doubted = true;
        self.changed.notify_all();
    }

    fn send(&self, event: HypervisorEvent) {
        if let Some(events) = &*lock(&self.events) {
            // Nobody listens any more when the daemon ends.
            let _ = events.send(event);
        }
    }

    /// The thread: opens the connection for events, waits until it is lost, and begins again.
    fn keep(self: Arc<Self>) {
        let mut retry = FIRST_RETRY;
        loop {
            match self.watch() {
                Ok(watch) => {
                    retry = FIRST_RETRY;
                    tracing::info!(uri = self.uri, "connected to libvirt");
                    self.enter(Phase::Up);
                    self.send(HypervisorEvent::Connected);
                    let ended = self.wait_for_loss(&watch);
                    self.enter(Phase::Down("the connection was lost".into()));
                    self.rotate();
                    if ended {
                        return;
                    }
                    tracing::warn!(uri = self.uri, "lost the connection to libvirt");
                    self.send(HypervisorEvent::Disconnected);
                }
                Err(why) => {
                    if !matches!(lock(&self.status).phase, Phase::Down(_)) {
                        tracing::warn!(uri = self.uri, "libvirt is away: {why}");
                    }
                    self.enter(Phase::Down(why.why.unwrap_or(why.said)));
                    if self.rest(retry) {
                        return;
                    }
                    retry = (retry * 2).min(LAST_RETRY);
                }
            }
        }
    }

    fn watch(self: &Arc<Self>) -> Result<Watch> {
        let listener: Arc<dyn Listener> = self.clone();
        let connect = self.open()?;
        Watch::new(connect, &listener).map_err(|why| Error::unavailable(why.message()))
    }

    fn enter(&self, phase: Phase) {
        lock(&self.status).phase = phase;
        self.changed.notify_all();
    }

    /// Whether the wait ended with the adapter.
    fn wait_for_loss(&self, watch: &Watch) -> bool {
        loop {
            let quiet = |status: &mut Status| !status.doubted && !status.ended;
            let waited = self.changed.wait_timeout_while(lock(&self.status), CHECK, quiet);
            let mut status = waited.unwrap_or_else(PoisonError::into_inner).0;
            status.doubted = false;
            if status.ended || !watch.is_alive() {
                return status.ended;
            }
        }
    }

    /// Whether the pause ended with the adapter.
    fn rest(&self, pause: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(lock(&self.status), pause, |status| !status.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

impl Listener for Link {
    fn seen(&self, id: VmId, what: Seen) {
        if id != PROBE_ID
            && let Some(event) = events::translate(id, what)
        {
            self.send(event);
        }
    }

    fn closed(&self) {
        self.doubt();
    }
}

/// Known without a call to libvirtd.
pub fn is_alive(connect: &Connect) -> bool {
    connect.is_alive().unwrap_or(false)
}

/// What a panicking thread leaves behind is still whole here: single values.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
