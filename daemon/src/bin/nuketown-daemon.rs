//! Runs an agent.

use std::process::ExitCode;

use clap::Parser as _;
use nuketown_daemon::{cli::Daemon, process};

fn main() -> ExitCode {
    process::main(Daemon::parse())
}
