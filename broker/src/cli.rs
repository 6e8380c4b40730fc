//! The command line of `nuketown-broker`, from which its help, man page and completions are made.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

/// Exit statuses, as every command's help ends with them.
const EXIT_STATUS: &str = "\
Exit status: 0 all is well, 1 a problem, which is said on standard error, 2 usage.";

/// Asks a human before an agent does what it may not do by itself.
///
/// Agents ask on a local socket or by XMPP; the human answers in a dialog or from any chat client; the first answer wins, and
/// silence means no. What was asked and answered stands in a log that cannot be changed unseen.
#[derive(Debug, Parser)]
#[command(name = "nuketown-broker", version, after_help = EXIT_STATUS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the service until it is told to stop by SIGTERM or SIGINT, which denies what is open.
    #[command(after_help = EXIT_STATUS)]
    Run(ConfigArgs),
    /// Checks the configuration and the policy, and says how the service would run.
    #[command(after_help = EXIT_STATUS)]
    Check(ConfigArgs),
    /// Reads the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Prints the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page, in roff.
    Man {
        /// The command of which to print the page [default: that of nuketown-broker itself]
        command: Option<String>,
    },
}

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Checks that no record was changed, removed or put elsewhere, and that the end was not cut off.
    ///
    /// It prints the number and the hash of the last record. Who can write the log and its head file can write another history;
    /// the hashes that the service said at its starts and stops, in the system's journal, tell the two apart.
    #[command(after_help = EXIT_STATUS)]
    Verify(LogArgs),
    /// Prints the records, and checks them as `verify` does.
    #[command(after_help = EXIT_STATUS)]
    Show(ShowArgs),
}

/// The configuration.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// The configuration [default: ~/.config/nuketown/broker.toml, else /etc/nuketown/broker.toml]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

/// Which log.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// The log itself, instead of the one that the configuration names.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log: Option<PathBuf>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What to show.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Only records from this time on: an instant (2026-11-24T12:00:00Z) or a duration before now (90m, 2h, 7d).
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}
