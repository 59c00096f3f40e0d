//! This machine: image files, paths that clients name, certificates, facts, the daemon's lock.

mod beneath;
mod command;
pub mod facts;
mod files;
mod folders;
mod images;
mod lock;
mod luns;
mod media;
mod memory;
mod mirror;
pub mod nics;
pub mod numa;
pub mod pki;
mod qcow2;
mod qcow2_new;

pub use beneath::beneath;
pub use files::{private_folder, write_private};
pub use images::QemuImg;
pub use lock::StateLock;
pub use memory::let_go_of_code;
pub use mirror::Tc;
