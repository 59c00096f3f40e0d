//! This machine: image files, paths that clients name, certificates, facts, the daemon's lock.

mod beneath;
mod command;
mod images;
mod qcow2;

pub use beneath::{beneath, beneath_any};
pub use images::QemuImg;
