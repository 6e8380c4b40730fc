//! What the commands do, besides running the service.

mod show;

use std::{io::Write as _, path::PathBuf};

use clap::CommandFactory as _;
use nuketown::Problem;

use crate::{
    audit,
    cli::{AuditCommand, Cli, Command, ConfigArgs, LogArgs},
    config::{self, Config, DialogMode},
    desktop, dialog, service,
};

/// Runs a command.
///
/// # Errors
///
/// What went wrong, for a person.
pub fn run(cli: &Cli) -> Result<(), Problem> {
    match &cli.command {
        Command::Run(args) => service::run(&Config::read(&file(args))?),
        Command::Check(args) => check(&Config::read(&file(args))?),
        Command::Audit(AuditCommand::Verify(args)) => verify(args),
        Command::Audit(AuditCommand::Show(args)) => show::show(args, &log(&args.log)?),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "nuketown-broker", &mut std::io::stdout());
            Ok(())
        }
        Command::Man { command } => man(command.as_deref()),
    }
}

fn file(args: &ConfigArgs) -> PathBuf {
    args.config.clone().unwrap_or_else(config::default_file)
}

fn log(args: &LogArgs) -> Result<PathBuf, Problem> {
    match &args.log {
        Some(log) => Ok(log.clone()),
        None => Ok(Config::read(&file(&args.config))?.audit),
    }
}

fn check(config: &Config) -> Result<(), Problem> {
    let settings = dialog::Settings::of_this_session();
    let dialogs = match config.dialog {
        DialogMode::Never => "none",
        _ if desktop::is_there(&settings) => "on this session's desktop",
        DialogMode::Always => return Err(desktop::missing()),
        DialogMode::Auto => "none: this is no desktop session",
    };
    let xmpp = match &config.xmpp {
        None => "none".to_owned(),
        Some(xmpp) => {
            xmpp.session()?;
            format!("as {}", xmpp.account())
        }
    };
    let approver = config.policy.approver().map_or("nobody by XMPP".to_owned(), ToString::to_string);
    print(&format!(
        "socket    {}\naudit     {}\ndialogs   {dialogs}\nxmpp      {xmpp}\napprover  {approver}\n",
        config.socket.display(),
        config.audit.display(),
    ))
}

fn verify(args: &LogArgs) -> Result<(), Problem> {
    let path = log(args)?;
    let summary = audit::verify(&path, |_| {})?;
    let mut text =
        format!("{} records, none changed; the last is {}\n", summary.records, summary.last.as_str());
    if summary.torn > 0 {
        let torn = summary.torn;
        text.push_str(&torn.to_string());
        text.push_str(" bytes behind it are no whole record: a crash, or a broker that writes just now\n");
    }
    print(&text)
}

fn man(command: Option<&str>) -> Result<(), Problem> {
    let mut cli = Cli::command();
    cli.build();
    let page = match command {
        None => Some(cli),
        Some(name) => cli.find_subcommand(name).cloned(),
    };
    let page = page.ok_or_else(|| {
        Problem::new("there is no such command", format!("`{}`", command.unwrap_or_default()))
            .hint("nuketown-broker help lists them")
    })?;
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(|error| output(&error))?;
    std::io::stdout().write_all(&text).map_err(|error| output(&error))
}

fn print(text: &str) -> Result<(), Problem> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| output(&error))
}

fn output(error: &std::io::Error) -> Problem {
    Problem::new("cannot write to standard output", error.to_string())
}
