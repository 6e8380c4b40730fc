//! The command lines of `nuketown-daemon` and `nuketown`, from which help, man pages and completions are made.

mod ask;
mod table;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::api::MicroDollars;
use crate::endpoint::Place;
use crate::sessions::Choices;
use crate::task::{Branch, Project, TaskId};
use crate::wire::Probe;

pub use ask::run;

const DAEMON_EXIT_STATUS: &str = "\
Exit status: 0 stopped as it was told to, or with --check all is well; 1 it cannot work; 2 usage or configuration.";

const EXIT_STATUS: &str = "\
Exit status: 0 done, 1 refused or failed, 2 usage, 3 the daemon does not answer.";

/// Runs an agent: hears requests on XMPP and on the local socket, keeps them in order, and works on them.
///
/// Reads identity.toml and daemon.toml, as nuketown writes them. One daemon runs per state directory; killed at any moment, the
/// next one goes on where it was.
#[derive(Debug, Parser)]
#[command(name = "nuketown-daemon", version, after_help = DAEMON_EXIT_STATUS)]
pub struct Daemon {
    /// The directory of identity.toml and daemon.toml [default: ~/.config/nuketown]
    #[arg(long, value_name = "DIR", env = "NUKETOWN_CONFIG", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub config: Option<PathBuf>,
    /// The directory of the daemon's state [default: ~/.local/state/nuketown]
    #[arg(long, value_name = "DIR", env = "NUKETOWN_STATE", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// The local socket [default: socket in the state directory]
    #[arg(long, value_name = "PATH", env = "NUKETOWN_SOCKET", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Check the configuration and the secrets that it names, and do nothing else
    #[arg(long)]
    pub check: bool,
    /// How log lines look, on standard error
    #[arg(
        long,
        value_name = "FORMAT",
        env = "NUKETOWN_LOG_FORMAT",
        hide_env_values = true,
        value_enum,
        default_value_t
    )]
    pub log_format: LogFormat,
    /// What is logged, as a level or as directives such as `info,nuketown_daemon=debug`
    #[arg(long, value_name = "FILTER", env = "NUKETOWN_LOG", hide_env_values = true, default_value = "info")]
    pub log: String,
    /// Tell Prometheus metrics here: `127.0.0.1:PORT`, `[::1]:PORT` or `unix:PATH`
    #[arg(long, value_name = "PLACE", env = "NUKETOWN_METRICS", hide_env_values = true)]
    pub metrics: Option<Place>,
    /// What sessions may do.
    #[command(flatten)]
    pub sessions: SessionArgs,
}

/// What sessions may do.
#[derive(Args, Debug)]
pub struct SessionArgs {
    /// The model of headless sessions
    #[arg(
        long,
        value_name = "NAME",
        env = "NUKETOWN_MODEL",
        hide_env_values = true,
        default_value = "claude-sonnet-5-5"
    )]
    pub model: String,
    /// End a headless session before its task costs more than this
    #[arg(long, value_name = "DOLLARS", env = "NUKETOWN_TASK_BUDGET", hide_env_values = true, default_value = "10", value_parser = dollars)]
    pub task_budget: MicroDollars,
    /// Begin no request to the model by which all tasks of a day (UTC) could cost more than this
    #[arg(long, value_name = "DOLLARS", env = "NUKETOWN_DAY_BUDGET", hide_env_values = true, default_value = "50", value_parser = dollars)]
    pub day_budget: MicroDollars,
    /// What runs in an interactive session, split at spaces; the task's text becomes its last argument
    #[arg(long, value_name = "COMMAND", env = "NUKETOWN_INTERACTIVE_COMMAND", hide_env_values = true, default_value = "claude",
        value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub interactive_command: String,
}

impl SessionArgs {
    /// For [`crate::sessions`].
    #[must_use]
    pub fn choices(&self) -> Choices {
        Choices {
            model: self.model.clone(),
            command: self.interactive_command.split_whitespace().map(str::to_owned).collect(),
            task_budget: self.task_budget,
            day_budget: self.day_budget,
        }
    }
}

/// `10` or `0.50`, in millionths.
fn dollars(text: &str) -> Result<MicroDollars, String> {
    let expected = || "expected dollars such as 10 or 0.50".to_owned();
    let (whole, cents) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(cents) || whole.len() > 6 || cents.len() > 6 {
        return Err(expected());
    }
    let whole: MicroDollars = whole.parse().map_err(|_| expected())?;
    let cents: MicroDollars = format!("{cents:0<6}").parse().map_err(|_| expected())?;
    Ok(whole * 1_000_000 + cents)
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Talks to the agent on this machine.
///
/// The daemon answers the user that it runs as.
#[derive(Debug, Parser)]
#[command(name = "nuketown", version, after_help = EXIT_STATUS)]
pub struct Client {
    /// The daemon's socket [default: ~/.local/state/nuketown/socket]
    #[arg(long, value_name = "PATH", env = "NUKETOWN_SOCKET", hide_env_values = true, global = true, value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Print the daemon's answer as JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to say to the agent.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Asks for a task
    #[command(after_help = EXIT_STATUS)]
    Task {
        /// What is to be done
        #[arg(value_name = "TEXT", required = true, num_args = 1..)]
        text: Vec<String>,
        /// The project to work on; without one, the task is about the machine
        #[arg(long, short, value_name = "NAME")]
        project: Option<Project>,
        /// The branch to work on
        #[arg(long, short, value_name = "NAME", requires = "project")]
        branch: Option<Branch>,
        /// Work in a terminal (tmux) that a person can join [default on a workstation]
        #[arg(long, conflicts_with = "headless")]
        interactive: bool,
        /// Work without a terminal [default elsewhere]
        #[arg(long)]
        headless: bool,
    },
    /// Says what the agent does
    #[command(after_help = EXIT_STATUS)]
    Status,
    /// Lists the task that runs and those that wait
    #[command(after_help = EXIT_STATUS)]
    Queue,
    /// Ends a task
    #[command(after_help = EXIT_STATUS)]
    Cancel {
        /// Its number [default: the task that runs]
        #[arg(value_name = "NUMBER", value_parser = number)]
        task: Option<TaskId>,
    },
    /// Answers a question of a task
    #[command(after_help = EXIT_STATUS)]
    Answer {
        /// The answer
        #[arg(value_name = "TEXT", required = true, num_args = 1..)]
        text: Vec<String>,
        /// The task's number [default: the task that runs]
        #[arg(long, short, value_name = "NUMBER", value_parser = number)]
        task: Option<TaskId>,
    },
    /// Shows what happened
    #[command(after_help = EXIT_STATUS)]
    Logs {
        /// The task's number [default: the newest, with --follow all]
        #[arg(value_name = "NUMBER", value_parser = number)]
        task: Option<TaskId>,
        /// Go on with what happens next
        #[arg(long, short)]
        follow: bool,
    },
    /// Lists the newest tasks
    #[command(after_help = EXIT_STATUS)]
    History {
        /// How many
        #[arg(long, short = 'n', value_name = "NUMBER", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Says what was spent
    #[command(after_help = EXIT_STATUS)]
    Cost,
    /// Asks the approver for an approval of which nothing comes, and waits for it
    #[command(after_help = EXIT_STATUS)]
    ApproveTest,
    /// Joins the session of the task that runs, in tmux
    #[command(after_help = EXIT_STATUS)]
    Attach,
    /// For probes: succeeds if the daemon is alive, or ready
    #[command(after_help = EXIT_STATUS)]
    Health {
        /// live: its loop turns; ready: it can be reached by those who may ask for tasks
        probe: ProbeArg,
    },
    /// Prints the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page, in roff
    Man {
        /// The page of nuketown-daemon instead
        #[arg(long)]
        daemon: bool,
    },
}

/// A probe on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbeArg {
    /// Its loop turns.
    Live,
    /// It can be reached.
    Ready,
}

impl From<ProbeArg> for Probe {
    fn from(probe: ProbeArg) -> Self {
        match probe {
            ProbeArg::Live => Self::Live,
            ProbeArg::Ready => Self::Ready,
        }
    }
}

fn number(text: &str) -> Result<TaskId, String> {
    match text.trim_start_matches('#').parse() {
        Ok(number) if number > 0 => Ok(TaskId(number)),
        _ => Err("expected a task's number; `nuketown queue` lists them".to_owned()),
    }
}

/// The state directory where none is named.
///
/// # Errors
///
/// There is no home directory.
pub fn state_directory(named: Option<PathBuf>) -> Result<PathBuf, nuketown::Problem> {
    named.map_or_else(|| Ok(home()?.join(".local/state/nuketown")), Ok)
}

/// The directory of the configuration where none is named.
///
/// # Errors
///
/// There is no home directory.
pub fn config_directory(named: Option<PathBuf>) -> Result<PathBuf, nuketown::Problem> {
    named.map_or_else(|| Ok(home()?.join(nuketown::CONFIG_DIR)), Ok)
}

fn home() -> Result<PathBuf, nuketown::Problem> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    home.ok_or_else(|| {
        nuketown::Problem::new("cannot find the home directory", "HOME is not set")
            .hint("set HOME, or name the paths by options")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn help_of_both_programs_is_pinned() {
        let mut text = Daemon::command().term_width(100).render_long_help().to_string();
        let mut client = Client::command().term_width(100);
        text += &client.render_long_help().to_string();
        for command in client.get_subcommands_mut() {
            text += &command.render_long_help().to_string();
        }
        insta::with_settings!({ snapshot_path => "../../../snapshots/messages", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("daemon-help", text);
        });
    }

    #[test]
    fn budget_is_dollars_and_cents() {
        assert_eq!(dollars("10"), Ok(10_000_000));
        assert_eq!(dollars("0.05"), Ok(50_000));
        for bad in ["", "-1", "1e9", ".5", "1.", "1.0000001", "$1", "9999999"] {
            assert!(dollars(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn command_lines_are_well_formed() {
        Daemon::command().debug_assert();
        Client::command().debug_assert();
    }
}
