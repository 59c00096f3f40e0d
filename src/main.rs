//! The command: everything it does is in the library.

use clap::Parser;
use std::process::ExitCode;
use vireo::cli::Cli;

/// glibc kept the 19 MB of a password hash, jemalloc gave them back. See tests/bench/README.md.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    vireo::daemon::run(Cli::parse())
}
