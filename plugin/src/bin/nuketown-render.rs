//! Renders the agents declared in a flake as Kubernetes manifests.

use std::process::ExitCode;

use clap::Parser as _;
use nuketown_plugin::{cli::Cli, commands, flake, progress::Progress, report};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    flake::launch_if_asked();
    let cli = Cli::parse();
    let progress = Progress::on_terminal();
    let result = commands::run(&cli, &progress);
    progress.clear();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::errors(&failure.problems);
            if let flake::Class::Signal(signal) = failure.class {
                flake::end_by(signal);
            }
            ExitCode::from(failure.class.status())
        }
    }
}
