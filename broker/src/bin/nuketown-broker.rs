//! Asks a human before an agent does what it may not do by itself.

use std::process::ExitCode;

use clap::Parser as _;
use nuketown_broker::{cli::Cli, commands, report};

fn main() -> ExitCode {
    match commands::run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            report::error(&problem);
            ExitCode::FAILURE
        }
    }
}
