//! Renders a town for Argo CD: the config management plugin's side of the sidecar.

use std::process::ExitCode;

use clap::Parser as _;
use nuketown_plugin::{
    cmp::{self, Cli, Environment},
    flake,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    flake::launch_if_asked();
    let environment = Environment::of_process();
    match cmp::run(&Cli::parse(), &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            cmp::say("error", &failure.problems, &environment);
            if let flake::Class::Signal(signal) = failure.class {
                flake::end_by(signal);
            }
            ExitCode::from(failure.class.status())
        }
    }
}
