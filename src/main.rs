//! The command: everything it does is in the library.

use clap::Parser;
use std::process::ExitCode;
use vireo::cli::Cli;

/// glibc kept the 19 MB of a password hash, jemalloc gave them back. See tests/bench/README.md.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What a burst took is given back a moment later, by a thread of its own: else it would stay until
/// there is as much to do again. Few arenas, and little that a thread keeps for itself, since each keeps
/// some. libvirt's and SQLite's memory is of the same allocator.
#[unsafe(export_name = "malloc_conf")]
pub static SETTINGS: &[u8; 113] =
    b"background_thread:true,dirty_decay_ms:250,muzzy_decay_ms:0,narenas:2,lg_tcache_max:12,tcache_nslots_small_max:20\0";

fn main() -> ExitCode {
    vireo::daemon::run(Cli::parse())
}
