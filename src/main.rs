//! The command: everything it does is in the library.

use clap::Parser;
use std::process::ExitCode;
use vireo::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vireo::daemon::run(Cli::parse())
}
