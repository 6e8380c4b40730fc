//! Runs an agent.

use std::process::ExitCode;

use clap::Parser as _;
use nuketown_daemon::{cli::Daemon, process, sandbox};

fn main() -> ExitCode {
    if let Some(status) = sandbox::enter_if_asked() {
        return status;
    }
    process::main(Daemon::parse())
}
