//! A simulated host: a hypervisor, images and a store in memory, for tests and `vireo serve --sim`.
//!
//! Each is a handle: a test keeps a clone of what the engine has. It proves nothing about libvirt;
//! it shows what the engine does when a step fails, when its answer is lost, when a guest does not
//! cooperate.

mod domain;
mod hypervisor;
mod images;
mod mirrors;
mod settings;
mod steps;
mod store;
#[cfg(test)]
mod tests;

pub use hypervisor::Simulated;
pub use images::SimImages;
pub use mirrors::SimMirrors;
pub use settings::settings;
pub use steps::Steps;
pub use store::MemoryStore;
