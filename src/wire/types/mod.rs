//! The documents as plain structs, one file per noun, in version 4's shape.
//!
//! Every field is optional, as every request says only what it wants. Fields stand in the order of
//! version 3's schema, which readers of XML may rely on. `Slot` fields hold the place of an element
//! that only version 3 has and that a rewrite fills; leave them at their default.

#[macro_use]
mod macros;

mod action;
mod affinity;
mod api;
mod base;
mod capabilities;
mod cloud_init;
mod cluster;
mod cpu;
mod data_center;
mod device;
mod disk;
mod event;
mod guest;
mod host;
mod job;
mod mac_pool;
mod network;
mod nic;
mod nothing;
mod numa;
mod operating_system;
mod profile;
mod quota;
mod rsdl;
mod snapshot;
mod statistic;
mod storage;
mod template;
mod user;
mod vm;
mod vm_parts;
mod vm_pool;

pub use action::*;
pub use affinity::*;
pub use api::*;
pub use base::*;
pub use capabilities::*;
pub use cloud_init::*;
pub use cluster::*;
pub use cpu::*;
pub use data_center::*;
pub use device::*;
pub use disk::*;
pub use event::*;
pub use guest::*;
pub use host::*;
pub use job::*;
pub use mac_pool::*;
pub use network::*;
pub use nic::*;
pub use nothing::*;
pub use numa::*;
pub use operating_system::*;
pub use profile::*;
pub use quota::*;
pub use rsdl::*;
pub use snapshot::*;
pub use statistic::*;
pub use storage::*;
pub use template::*;
pub use user::*;
pub use vm::*;
pub use vm_parts::*;
pub use vm_pool::*;
