//! The verbs: what clients may do, with locks, journal, undo and reconcile. Async; knows no HTTP,
//! no SQL and no `virt`.

pub mod ports;
pub mod world;
