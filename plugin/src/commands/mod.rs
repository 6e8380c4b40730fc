//! One file per command of `nuketown-render`.

mod check;
mod diff;
mod home;
mod render;

use clap::CommandFactory as _;
use nuketown::Problem;

use crate::{
    cli::{Cli, Command, ImagesArgs},
    failure::Failure,
    output,
    progress::Progress,
    town,
};

/// Runs a command.
///
/// # Errors
///
/// The command failed; nothing was printed to standard output and no file was changed. Comparisons that found a
/// difference print it and fail without a problem.
pub fn run(cli: &Cli, progress: &Progress) -> Result<(), Failure> {
    match &cli.command {
        None => render::run(&cli.render, progress),
        Some(Command::Diff(args)) => diff::run(args, progress),
        Some(Command::Check(args)) => check::run(args, progress),
        Some(Command::Images(args)) => images(args, progress),
        Some(Command::Schema) => output::print(&format!("{:#}\n", nuketown::schema())),
        Some(Command::Home(args)) => home::run(args, progress),
        Some(Command::Completions { shell }) => completions(*shell),
        Some(Command::Man) => man(),
    }
}

fn images(args: &ImagesArgs, progress: &Progress) -> Result<(), Failure> {
    let town = town::town(&args.source, progress)?;
    let manifests = town::render(&town, &args.selection, progress)?;
    let lines = manifests.images.iter().map(|(agent, image)| format!("{agent}\t{image}\n"));
    output::print(&lines.collect::<Vec<_>>().concat())
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nuketown-render", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

/// The manual page of the command and, behind it, of each subcommand.
fn man() -> Result<(), Failure> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    let mut write = |command: &clap::Command| clap_mangen::Man::new(command.clone()).render(&mut page);
    write(&command)
        .map_err(|error| Failure::usage(Problem::new("cannot write the manual page", error.to_string())))?;
    output::print(&String::from_utf8_lossy(&page))
}
