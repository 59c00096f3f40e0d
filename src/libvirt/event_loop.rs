//! The loop for libvirt's watches and timers, of which a process has one.
//!
//! What only carries calls does without: libvirt's client tells the loop of each step of a call, and
//! then both want the client's lock (a call among pauses took 0.2 ms instead of 0.13). A connection
//! that is opened by [`apart`] is refused its watch, which libvirt takes for a program without events.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use virt::sys::{self, virEventHandleCallback, virEventTimeoutCallback, virFreeCallback};

/// What libvirt wants to have back with a call. It guards it by itself.
#[derive(Clone, Copy)]
struct Opaque(*mut c_void);

// SAFETY: libvirt's own loops hand it from thread to thread, too.
unsafe impl Send for Opaque {}

struct Handle {
    watch: c_int,
    fd: c_int,
    events: c_int,
    call: virEventHandleCallback,
    opaque: Opaque,
    free: virFreeCallback,
}

struct Timer {
    number: c_int,
    /// Milliseconds; none when it rests.
    every: Option<u64>,
    due: Instant,
    call: virEventTimeoutCallback,
    opaque: Opaque,
    free: virFreeCallback,
}

impl Timer {
    fn set(&mut self, every: c_int) {
        self.every = u64::try_from(every).ok();
        self.due = Instant::now() + Duration::from_millis(self.every.unwrap_or(0));
    }
}

struct Table {
    last: c_int,
    handles: Vec<Handle>,
    timers: Vec<Timer>,
    /// Removed, and freed by the loop: a call that it has begun may still use it.
    removed: Vec<(virFreeCallback, Opaque)>,
}

impl Table {
    fn next(&mut self) -> c_int {
        self.last += 1;
        self.last
    }
}

static TABLE: Mutex<Table> =
    Mutex::new(Table { last: 0, handles: Vec::new(), timers: Vec::new(), removed: Vec::new() });
static ALARM: OnceLock<EventFd> = OnceLock::new();

thread_local! {
    /// The socket of the connection that this thread opens apart from the loop.
    static APART: RefCell<Option<Option<OwnedFd>>> = const { RefCell::new(None) };
}

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes the table, and has the loop look at it again.
fn change<T>(change: impl FnOnce(&mut Table) -> T) -> T {
    let changed = change(&mut table());
    if let Some(alarm) = ALARM.get() {
        // It fails only when it rings already.
        let _ = alarm.write(1);
    }
    changed
}

/// Opens a connection that the loop knows nothing of: it has no events and no keepalive. Its socket
/// tells whether it is gone, and may be shut down under a call.
pub fn apart<T>(open: impl FnOnce() -> T) -> (T, Option<OwnedFd>) {
    APART.set(Some(None));
    let opened = open();
    (opened, APART.take().flatten())
}

/// Registers the loop with libvirt, ahead of the first connection, and starts its thread.
pub fn start() -> std::io::Result<()> {
    let alarm = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    let alarm = ALARM.get_or_init(|| alarm);
    // SAFETY: the functions keep to what libvirt asks of them: they may be called from any thread,
    // and what is removed is freed later, by the loop.
    unsafe {
        sys::virEventRegisterImpl(
            Some(add_handle),
            Some(update_handle),
            Some(remove_handle),
            Some(add_timer),
            Some(update_timer),
            Some(remove_timer),
        );
    }
    let run = move || loop {
        turn(alarm);
    };
    std::thread::Builder::new().name("libvirt-events".into()).spawn(run).map(drop)
}

/// Waits for something to do, and does it. libvirt's functions are called without the table's lock.
fn turn(alarm: &EventFd) {
    let (watches, wait) = {
        let mut table = table();
        let removed = std::mem::take(&mut table.removed);
        let watched = table.handles.iter().filter(|handle| handle.events != 0);
        let watches: Vec<(c_int, c_int, c_int)> =
            watched.map(|handle| (handle.watch, handle.fd, handle.events)).collect();
        let due = table.timers.iter().filter(|timer| timer.every.is_some()).map(|timer| timer.due).min();
        drop(table);
        for (free, opaque) in removed {
            if let Some(free) = free {
                // SAFETY: it was removed, and the last call of it is over.
                unsafe { free(opaque.0) };
            }
        }
        (watches, due.map(|due| due.saturating_duration_since(Instant::now())))
    };
    // A whole millisecond more, or the last one would be spent asking.
    let wait = wait.map_or(PollTimeout::NONE, |wait| {
        PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    });
    let mut polled = vec![PollFd::new(alarm.as_fd(), PollFlags::POLLIN)];
    polled.extend(watches.iter().map(|(_, fd, events)| {
        // SAFETY: libvirt removes a watch before it closes its file, and one that it closes all the same
        // is only said to be none.
        PollFd::new(unsafe { BorrowedFd::borrow_raw(*fd) }, flags(*events))
    }));
    if poll(&mut polled, wait).is_err() {
        // Interrupted.
        return;
    }
    let _ = alarm.read();
    for (number, call, opaque) in due() {
        if let Some(call) = call
            && table().timers.iter().any(|timer| timer.number == number)
        {
            // SAFETY: the timer is not freed before the next turn.
            unsafe { call(number, opaque.0) };
        }
    }
    for ((watch, fd, _), polled) in watches.into_iter().zip(&polled[1..]) {
        let happened = events(polled.revents().unwrap_or(PollFlags::empty()));
        let handle =
            table().handles.iter().find(|handle| handle.watch == watch).map(|it| (it.call, it.opaque));
        if let Some((Some(call), opaque)) = handle.filter(|_| happened != 0) {
            // SAFETY: the handle is not freed before the next turn.
            unsafe { call(watch, fd, happened, opaque.0) };
        }
    }
}

/// The timers whose time has come; it comes again.
fn due() -> Vec<(c_int, virEventTimeoutCallback, Opaque)> {
    let now = Instant::now();
    let mut table = table();
    let mut due = Vec::new();
    for timer in table.timers.iter_mut().filter(|timer| timer.due <= now) {
        if let Some(every) = timer.every {
            timer.due = now + Duration::from_millis(every);
            due.push((timer.number, timer.call, timer.opaque));
        }
    }
    due
}

const EVENTS: [(sys::virEventHandleType, PollFlags); 5] = [
    (sys::VIR_EVENT_HANDLE_READABLE, PollFlags::POLLIN),
    (sys::VIR_EVENT_HANDLE_WRITABLE, PollFlags::POLLOUT),
    (sys::VIR_EVENT_HANDLE_ERROR, PollFlags::POLLERR),
    (sys::VIR_EVENT_HANDLE_HANGUP, PollFlags::POLLHUP),
    (sys::VIR_EVENT_HANDLE_ERROR, PollFlags::POLLNVAL),
];

fn flags(events: c_int) -> PollFlags {
    let wanted = EVENTS.iter().filter(|(event, _)| events as u32 & event != 0);
    wanted.fold(PollFlags::empty(), |flags, (_, flag)| flags | *flag)
}

fn events(flags: PollFlags) -> c_int {
    let happened = EVENTS.iter().filter(|(_, flag)| flags.contains(*flag));
    happened.fold(0, |events, (event, _)| events | *event as c_int)
}

unsafe extern "C" fn add_handle(
    fd: c_int,
    events: c_int,
    call: virEventHandleCallback,
    opaque: *mut c_void,
    free: virFreeCallback,
) -> c_int {
    let is_apart = APART.with_borrow_mut(|apart| {
        if let Some(socket) = apart {
            // SAFETY: libvirt has the file open as long as this lasts.
            *socket = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned().ok();
        }
        apart.is_some()
    });
    if is_apart {
        return -1;
    }
    change(|table| {
        let watch = table.next();
        table.handles.push(Handle { watch, fd, events, call, opaque: Opaque(opaque), free });
        watch
    })
}

unsafe extern "C" fn update_handle(watch: c_int, events: c_int) {
    change(|table| {
        if let Some(handle) = table.handles.iter_mut().find(|handle| handle.watch == watch) {
            handle.events = events;
        }
    });
}

unsafe extern "C" fn remove_handle(watch: c_int) -> c_int {
    change(|table| {
        let Some(at) = table.handles.iter().position(|handle| handle.watch == watch) else { return -1 };
        let Handle { free, opaque, .. } = table.handles.swap_remove(at);
        table.removed.push((free, opaque));
        0
    })
}

unsafe extern "C" fn add_timer(
    every: c_int,
    call: virEventTimeoutCallback,
    opaque: *mut c_void,
    free: virFreeCallback,
) -> c_int {
    change(|table| {
        let number = table.next();
        let mut timer =
            Timer { number, every: None, due: Instant::now(), call, opaque: Opaque(opaque), free };
        timer.set(every);
        table.timers.push(timer);
        number
    })
}

unsafe extern "C" fn update_timer(number: c_int, every: c_int) {
    change(|table| {
        if let Some(timer) = table.timers.iter_mut().find(|timer| timer.number == number) {
            timer.set(every);
        }
    });
}

unsafe extern "C" fn remove_timer(number: c_int) -> c_int {
    change(|table| {
        let Some(at) = table.timers.iter().position(|timer| timer.number == number) else { return -1 };
        let Timer { free, opaque, .. } = table.timers.swap_remove(at);
        table.removed.push((free, opaque));
        0
    })
}

#[cfg(test)]
mod tests {
    use super::super::connection::start_loop;
    use super::*;
    use std::os::fd::AsRawFd;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

    const SOON: Duration = Duration::from_secs(10);
    const A_WHILE: Duration = Duration::from_millis(50);

    fn opaque() -> (*mut c_void, Receiver<c_int>) {
        let (sender, receiver) = channel::<c_int>();
        (Box::into_raw(Box::new(sender)).cast(), receiver)
    }

    unsafe extern "C" fn seen(_watch: c_int, fd: c_int, events: c_int, opaque: *mut c_void) {
        // SAFETY: the file is open, and the sender is what `opaque` made.
        unsafe {
            nix::unistd::read(BorrowedFd::borrow_raw(fd), &mut [0; 8]).unwrap();
            (*opaque.cast::<Sender<c_int>>()).send(events).unwrap();
        }
    }

    unsafe extern "C" fn rang(_number: c_int, opaque: *mut c_void) {
        // SAFETY: it is what `opaque` made.
        unsafe { (*opaque.cast::<Sender<c_int>>()).send(0).unwrap() };
    }

    unsafe extern "C" fn free(opaque: *mut c_void) {
        // SAFETY: it is what `opaque` made, and is freed once.
        drop(unsafe { Box::from_raw(opaque.cast::<Sender<c_int>>()) });
    }

    #[test]
    fn watches_are_served_until_they_are_removed() {
        start_loop().unwrap();
        let ((read, write), (opaque, calls)) = (nix::unistd::pipe().unwrap(), opaque());
        let readable = sys::VIR_EVENT_HANDLE_READABLE as c_int;
        let watch = unsafe { add_handle(read.as_raw_fd(), 0, Some(seen), opaque, Some(free)) };
        nix::unistd::write(&write, b"1").unwrap();
        assert_eq!(calls.recv_timeout(A_WHILE), Err(RecvTimeoutError::Timeout), "it asks for nothing");
        unsafe { update_handle(watch, readable) };
        assert_eq!(calls.recv_timeout(SOON), Ok(readable));
        nix::unistd::write(&write, b"2").unwrap();
        assert_eq!(calls.recv_timeout(SOON), Ok(readable));
        assert_eq!(unsafe { (remove_handle(watch), remove_handle(watch)) }, (0, -1));
        assert_eq!(calls.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected), "it is freed");
    }

    #[test]
    fn timers_ring_until_they_rest() {
        start_loop().unwrap();
        let (opaque, calls) = opaque();
        let number = unsafe { add_timer(-1, Some(rang), opaque, Some(free)) };
        assert_eq!(calls.recv_timeout(A_WHILE), Err(RecvTimeoutError::Timeout));
        unsafe { update_timer(number, 1) };
        for _ in 0..3 {
            assert_eq!(calls.recv_timeout(SOON), Ok(0));
        }
        unsafe { update_timer(number, -1) };
        // One may be on its way.
        while calls.recv_timeout(A_WHILE).is_ok() {}
        assert_eq!(calls.recv_timeout(A_WHILE), Err(RecvTimeoutError::Timeout));
        assert_eq!(unsafe { remove_timer(number) }, 0);
        assert_eq!(calls.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected), "it is freed");
    }

    #[test]
    fn what_is_opened_apart_has_no_watch() {
        let (_read, write) = nix::unistd::pipe().unwrap();
        let add = || unsafe { add_handle(write.as_raw_fd(), 1, Some(seen), std::ptr::null_mut(), None) };
        let (watch, socket) = apart(add);
        assert_eq!(watch, -1);
        assert_ne!(socket.unwrap().as_raw_fd(), write.as_raw_fd());
        assert!(apart(|| ()).1.is_none());
        assert!(APART.take().is_none(), "only while it lasts");
    }
}
