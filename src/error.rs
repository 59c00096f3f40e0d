//! The one error of the engine: what kind it is, what the client hears, and what only the log hears.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms that decide a reply's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The named thing does not exist.
    NotFound,
    /// A thing of that identity exists already.
    Exists,
    /// The request itself is wrong, whatever the state of the world.
    Invalid,
    /// A value that cannot be what the request wants it to be.
    Value,
    /// A mandatory part of the request is missing.
    Incomplete,
    /// An attempt to change what never changes.
    Immutable,
    /// The state of the thing does not allow it.
    Conflict,
    /// Another operation holds the thing.
    Busy,
    Denied,
    Unauthenticated,
    /// A true request that this engine or host cannot serve.
    Unsupported,
    /// libvirt is away.
    Unavailable,
    /// The host refused: libvirt, QEMU or the file system said no.
    Host,
    /// A defect of the engine.
    Bug,
}

/// What is said of a VM whose QEMU does not answer.
pub const NOT_RESPONDING: &str = "The VM is not responding.";

/// `said` is the client's sentence; `why` never leaves the log.
#[derive(Clone, Debug)]
pub struct Error {
    pub kind: Kind,
    pub said: String,
    pub why: Option<String>,
}

impl Error {
    pub fn new(kind: Kind, said: impl Into<String>) -> Self {
        Self { kind, said: said.into(), why: None }
    }
    /// Adds what only the log may know.
    pub fn because(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(match self.why {
            Some(before) => format!("{before}; {why}"),
            None => why.to_string(),
        });
        self
    }
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(Kind::NotFound, format!("Entity not found: {what}"))
    }
    pub fn invalid(said: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, said)
    }
    pub fn conflict(said: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, said)
    }
    pub fn denied() -> Self {
        Self::new(Kind::Denied, "User is not authorized to perform this action.")
    }
    pub fn unsupported(said: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, said)
    }
    pub fn unavailable(why: impl fmt::Display) -> Self {
        Self::new(Kind::Unavailable, "The hypervisor is not available. Please try again later.").because(why)
    }
    pub fn host(said: impl Into<String>) -> Self {
        Self::new(Kind::Host, said)
    }
    pub fn bug(why: impl fmt::Display) -> Self {
        Self::new(Kind::Bug, "Internal engine error.").because(why)
    }
    /// The second caller's answer where an operation is running.
    pub fn busy(running: impl fmt::Display) -> Self {
        Self::new(
            Kind::Busy,
            format!("Related operation is currently in progress ({running}). Please try again later."),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "{} ({why})", self.said),
            None => f.write_str(&self.said),
        }
    }
}

impl std::error::Error for Error {}
