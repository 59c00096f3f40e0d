//! The connections to libvirtd, and the thread that brings them back.
//!
//! A connection carries one call at a time: where calls share one, libvirt's client has one of their
//! threads send and receive for all, and may leave the others waiting until its own call, which may
//! hang, is answered. Connections open as they are needed and are kept for the next calls; one that
//! never carries a call brings the events, and has a keepalive: when that one is lost, all are. It is
//! kept open by a thread.

use super::facts::PROBE_ID;
use super::raw::{Listener, Seen, Watch};
use super::session::{Monitors, Session};
use super::{event_loop, events};
use crate::engine::ports::HypervisorEvent;
use crate::error::{Error, Result};
use crate::model::VmId;
use nix::sys::socket::{Shutdown, shutdown};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use virt::connect::Connect;

/// libvirtd counts as gone when it leaves this many pings, one each so many seconds, unanswered.
const KEEPALIVE: (i32, u32) = (3, 3);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);
/// How long a call waits for the first attempt to connect.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the connection is looked at although nobody complained.
const CHECK: Duration = Duration::from_secs(5);
/// How many connections wait for calls at most.
const IDLE: usize = 8;

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
    /// Connections without a call. The last one given back is the next one taken: it knows most domains.
    idle: Mutex<Vec<Session>>,
    /// The sockets of all of them, those with a call, too.
    sockets: Mutex<Vec<Weak<OwnedFd>>>,
    monitors: Arc<Monitors>,
    status: Mutex<Status>,
    changed: Condvar,
    events: Mutex<Option<UnboundedSender<HypervisorEvent>>>,
}

impl Link {
    /// Returns at once; a thread connects.
    pub fn new(uri: &str) -> Arc<Self> {
        let link = Arc::new(Self {
            uri: uri.to_owned(),
            idle: Mutex::default(),
            sockets: Mutex::default(),
            monitors: Arc::default(),
            status: Mutex::new(Status { phase: Phase::Opening, doubted: false, ended: false }),
            changed: Condvar::new(),
            events: Mutex::new(None),
        });
        let kept = Arc::clone(&link);
        let started = start_loop().and_then(|()| {
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

    /// Makes one or more calls, one after the other, on a connection that nobody else is using.
    /// `Unavailable` when it breaks meanwhile.
    pub fn call<T>(&self, calls: impl FnOnce(&Session) -> Result<T>) -> Result<T> {
        let session = self.take()?;
        let answer = calls(&session);
        if session.is_alive() {
            self.give_back(session);
            return answer;
        }
        self.doubt();
        answer.map_err(Error::unavailable)
    }

    fn take(&self) -> Result<Session> {
        self.wait_for_first()?;
        let next = || lock(&self.idle).pop();
        while let Some(session) = next() {
            if session.is_alive() {
                return Ok(session);
            }
        }
        let (opened, socket) = event_loop::apart(|| self.open());
        let opened = opened.inspect_err(|_| self.doubt())?;
        let socket = socket.map(Arc::new);
        let mut sockets = lock(&self.sockets);
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.extend(socket.as_ref().map(Arc::downgrade));
        drop(sockets);
        Ok(Session::new(opened, socket, Arc::clone(&self.monitors)))
    }

    fn give_back(&self, session: Session) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE {
            idle.push(session);
        }
    }

    fn close_idle(&self) {
        let idle = std::mem::take(&mut *lock(&self.idle));
        drop(idle);
    }

    /// No keepalive tells a call that libvirtd will not answer it any more.
    fn cut_calls(&self) {
        for socket in lock(&self.sockets).drain(..).filter_map(|socket| socket.upgrade()) {
            // It may be closed at the other end.
            let _ = shutdown(socket.as_raw_fd(), Shutdown::Both);
        }
    }

    /// Ends the thread; a connection that has a call closes after it.
    pub fn end(&self) {
        lock(&self.status).ended = true;
        self.changed.notify_all();
        self.close_idle();
    }

    fn open(&self) -> Result<Connect> {
        if self.uri.contains('\0') {
            return Err(Error::unavailable("the URI of libvirt has a NUL character"));
        }
        Connect::open(Some(&self.uri)).map_err(|why| Error::unavailable(why.message()))
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
                    self.close_idle();
                    if ended {
                        return;
                    }
                    self.cut_calls();
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
        // libvirt's own test driver has no keepalive, and needs none.
        if let Err(why) = connect.set_keep_alive(KEEPALIVE.0, KEEPALIVE.1) {
            tracing::debug!("no keepalive: {}", why.message());
        }
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

/// Once for the process.
pub fn start_loop() -> std::result::Result<(), String> {
    static STARTED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let start = || {
        virt::error::clear_error_callback();
        event_loop::start().map_err(|why| why.to_string())
    };
    STARTED.get_or_init(start).clone()
}

/// What a panicking thread leaves behind is still whole here: single values.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
