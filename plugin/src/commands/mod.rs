//! One file per command of `nuketown-render`.

mod application;
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
        Some(Command::Application(args)) => application::run(args, progress),
        Some(Command::Completions { shell }) => completions(*shell),
        Some(Command::Man { command }) => man(command.as_deref()),
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

/// The manual page of the command, or of one of its subcommands under the name `nuketown-render-<command>`.
fn man(name: Option<&str>) -> Result<(), Failure> {
    let mut whole = Cli::command();
    whole.build();
    let command = match name {
        None => &whole,
        Some(name) => whole.find_subcommand(name).ok_or_else(|| no_such_page(name))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Failure::usage(Problem::new("cannot write the manual page", error.to_string())))?;
    output::print(&String::from_utf8_lossy(&page))
}

fn no_such_page(name: &str) -> Failure {
    let command = Cli::command();
    let known: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    let cause = format!("nuketown-render has no command {name:?}; it has {}", known.join(", "));
    Failure::usage(Problem::new("there is no such manual page", cause))
}
