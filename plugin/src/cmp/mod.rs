//! `nuketown-cmp`: what Argo CD's repo-server runs in a sidecar to turn a repository into manifests.
//!
//! Expected flow: Argo CD unpacks the repository, sets the variables that `environment` reads, and runs
//! `nuketown-cmp generate` in the Application's directory. `settings` and `values` say what is wanted, `source` which flake
//! that is, `service` has it evaluated once for all Applications (`cache`, `locks`, `place`), and `generate` prints.
//!
//! # Invariants
//!
//! - Standard output gets all manifests or nothing, and never silently none.
//! - A repository can fail, and nothing else: what it evaluates to is kept apart by trust level and by content.
//! - Nothing is remembered by time: the same content gives the same answer, other content never does.
//! - Standard error is short and holds no secret of the environment: Argo CD shows all of it to everyone.

mod cache;
mod cli;
mod discover;
mod doctor;
mod environment;
mod generate;
mod locks;
pub mod parameters;
mod place;
mod said;
mod service;
mod settings;
mod source;
mod tree;
mod values;

pub use cli::Cli;
pub use environment::Environment;
pub use said::say;

use crate::{failure::Failure, output};
use cli::Command;

/// Runs a command.
///
/// # Errors
///
/// The command failed, and nothing was printed to standard output; `doctor` prints its table all the same.
pub fn run(cli: &Cli, environment: &Environment) -> Result<(), Failure> {
    match cli.command {
        Command::Generate => generate::run(environment),
        Command::Parameters { markdown: false } => output::print(&parameters::announcement()),
        Command::Parameters { markdown: true } => output::print(&parameters::markdown()),
        Command::Discover => discover::run(),
        Command::Doctor => doctor::run(environment),
        Command::Version => output::print(&format!("nuketown-cmp {}\n", nuketown::VERSION)),
        Command::PluginYaml => output::print(&parameters::plugin_yaml()),
    }
}
