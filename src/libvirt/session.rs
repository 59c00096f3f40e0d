//! An open connection and the domains that were looked up on it; what is known of their monitors.
//!
//! libvirtd finds the domain of each call by its UUID, whatever else the handle says: a handle
//! serves as long as its connection, and a call on a domain that is gone fails as the lookup would.

use super::connection::lock;
use crate::error::Result;
use crate::model::VmId;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use virt::connect::Connect;
use virt::domain::Domain;

/// Domains that are kept; when there are more, all are let go.
const KEPT: usize = 256;

pub struct Session {
    connect: Connect,
    /// Nobody listens to it between calls.
    socket: Option<Arc<OwnedFd>>,
    handles: RefCell<HashMap<VmId, Domain>>,
    pub monitors: Arc<Monitors>,
}

/// When the domains' monitors were last found free, whichever connection asked.
#[derive(Default)]
pub struct Monitors {
    free: Mutex<HashMap<VmId, Instant>>,
}

impl Session {
    pub fn new(connect: Connect, socket: Option<Arc<OwnedFd>>, monitors: Arc<Monitors>) -> Self {
        Self { connect, socket, handles: RefCell::default(), monitors }
    }

    /// Known without a call to libvirtd.
    pub fn is_alive(&self) -> bool {
        self.connect.is_alive().unwrap_or(false) && !self.socket.as_deref().is_some_and(is_hung_up)
    }

    /// A handle for calls. Its name may be one that the domain had before: see [`Self::look_up`].
    pub fn domain(&self, id: VmId) -> Result<Domain> {
        let known = self.handles.borrow().get(&id).cloned();
        known.map_or_else(|| self.look_up(id), Ok)
    }

    /// A handle as libvirtd knows the domain now.
    pub fn look_up(&self, id: VmId) -> Result<Domain> {
        match self.connect.lookup_domain_by_uuid(id.0) {
            Ok(domain) => {
                self.keep(id, domain.clone());
                Ok(domain)
            }
            Err(why) => {
                self.handles.borrow_mut().remove(&id);
                Err(why.into())
            }
        }
    }

    /// Keeps a handle that a call gave.
    pub fn keep(&self, id: VmId, domain: Domain) {
        let mut handles = self.handles.borrow_mut();
        if handles.len() >= KEPT {
            handles.clear();
        }
        handles.insert(id, domain);
    }
}

/// libvirtd is at the other end no more.
fn is_hung_up(socket: &OwnedFd) -> bool {
    let seen = recv(socket.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT);
    !matches!(seen, Ok(1..) | Err(Errno::EAGAIN))
}

impl Monitors {
    /// Keeps that nothing held the domain's monitor then.
    pub fn found_free(&self, id: VmId, at: Instant) {
        let mut free = lock(&self.free);
        if free.len() >= KEPT {
            free.clear();
        }
        free.insert(id, at);
    }

    /// Nothing can have held the domain's monitor for that long.
    pub fn was_free_within(&self, id: VmId, time: Duration) -> bool {
        lock(&self.free).get(&id).is_some_and(|at| at.elapsed() < time)
    }
}

impl Deref for Session {
    type Target = Connect;

    fn deref(&self) -> &Connect {
        &self.connect
    }
}
