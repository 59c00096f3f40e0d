//! The command: everything it does is in the library.

use clap::Parser;
use std::process::ExitCode;
use vireo::cli::Cli;

/// glibc keeps what a password hash took (19 MB) and what each thread once had; jemalloc gives it
/// back, and serves half as many small requests more. See tests/bench/README.md for the figures.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    vireo::daemon::run(Cli::parse())
}
