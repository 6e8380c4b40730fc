//! Talks to the agent on this machine.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use nuketown_daemon::{cli, presence};

fn main() -> ExitCode {
    let client = cli::Client::parse();
    match cli::run(client, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = presence::printable(&failure.problem.to_string());
            // Nowhere is left to complain to if standard error is closed.
            let _ = writeln!(io::stderr(), "error: {text}");
            ExitCode::from(failure.status)
        }
    }
}
