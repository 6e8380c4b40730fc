//! The command line of `nuketown-render`, from which its help, man page and completions are made.

mod application;

use std::{num::NonZero, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use nuketown::{
    Scope,
    values::{AgentName, PreviewSlug},
};

use crate::flake::WORKERS_MAX;
pub use application::{ApplicationArgs, PreviewArgs};

/// Exit statuses, as every command's help ends with them.
const EXIT_STATUS: &str = "\
Exit status: 0 rendered, 1 the town is wrong, 2 usage or output, 3 Nix failed, 4 timed out.";

/// As [`EXIT_STATUS`], for commands that compare.
const EXIT_STATUS_CHECK: &str = "\
Exit status: 0 equal, 1 different or the town is wrong, 2 usage, 3 Nix failed, 4 timed out.";

const EXIT_STATUS_DIFF: &str = "\
Exit status: 0 compared (with --exit-code 1 if they differ), 1 a town is wrong, 2 usage, 3 Nix failed, 4 timed out.";

/// Renders the agents declared in a flake as Kubernetes manifests.
///
/// Evaluates the flake's `nuketown` output (else the towns of its nixosConfigurations) with Nix, and prints the
/// manifests of every cloud agent to standard output: all of them or, on a failure, nothing.
#[derive(Debug, Parser)]
#[command(name = "nuketown-render", version, after_help = EXIT_STATUS, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of rendering.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to render.
    #[command(flatten)]
    pub render: RenderArgs,
}

/// What to do instead of rendering.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Explains in words what changes between two towns.
    ///
    /// OLD and NEW are flakes, git revisions of the repository around the current directory, or what an earlier run
    /// has written: a directory of manifests or one YAML file.
    #[command(after_help = EXIT_STATUS_DIFF)]
    Diff(DiffArgs),
    /// Compares the manifests in a directory or file with what the town renders to.
    #[command(after_help = EXIT_STATUS_CHECK)]
    Check(CheckArgs),
    /// Lists the images that the cluster has to find, one a line: agent, tab, image.
    #[command(after_help = EXIT_STATUS)]
    Images(ImagesArgs),
    /// Prints the JSON Schema of a town.
    Schema,
    /// Prints the files of an agent's home, wherever it runs.
    #[command(after_help = EXIT_STATUS)]
    Home(HomeArgs),
    /// Prints an Argo CD Application that deploys the town.
    ///
    /// Argo CD needs the plugin nuketown for it. The town is evaluated: what cannot be rendered gets no Application.
    #[command(after_help = EXIT_STATUS)]
    Application(Box<ApplicationArgs>),
    /// Prints the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints a manual page, in roff.
    Man {
        /// The command of which to print the page [default: that of nuketown-render itself]
        command: Option<String>,
    },
}

/// Where the town comes from.
#[derive(Args, Clone, Debug)]
pub struct SourceArgs {
    /// The flake: a directory or whatever Nix takes as a flake reference [default: .]
    #[arg(value_name = "FLAKE", value_hint = ValueHint::AnyPath)]
    pub flake: Option<String>,
    /// Read the town's JSON from a file (- for standard input) instead of evaluating a flake; needs no Nix.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["flake", "attr"])]
    pub from_json: Option<PathBuf>,
    /// How flakes are evaluated.
    #[command(flatten)]
    pub evaluation: EvaluationArgs,
}

/// How flakes are evaluated.
#[derive(Args, Clone, Debug)]
pub struct EvaluationArgs {
    /// The output that holds the town [default: nuketown, else the towns of nixosConfigurations]
    #[arg(long, value_name = "PATH")]
    pub attr: Option<String>,
    /// Stop the evaluation after this long
    #[arg(long, value_name = "SECONDS", default_value = "50", value_parser = seconds)]
    pub timeout: Duration,
    /// Stop an evaluation that needs more memory than this [default: half of the machine's, at most 8192]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=1_048_576))]
    pub memory: Option<u64>,
    /// What evaluates the hosts of nixosConfigurations. A town that is one output is always evaluated by nix
    #[arg(long, value_enum, default_value_t)]
    pub evaluator: EvaluatorArg,
    /// How many hosts nix-eval-jobs evaluates at once; they share the memory [default: the processors, at most 4]
    #[arg(long, value_name = "NUMBER", value_parser = workers)]
    pub workers: Option<NonZero<usize>>,
    /// The Nix store to evaluate in [default: the system's where it can be used, else one in the cache directory]
    #[arg(long, value_name = "DIR", env = "NUKETOWN_STORE", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub store: Option<PathBuf>,
}

/// What evaluates hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EvaluatorArg {
    /// Nix, one host after the other.
    #[default]
    Nix,
    /// nix-eval-jobs 2.31 or later, several hosts at once, which names all bad hosts.
    NixEvalJobs,
}

/// How to render.
#[derive(Args, Debug)]
pub struct RenderArgs {
    /// Where the town comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// What is rendered of it.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How the manifests are written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Write to this file (this directory with --format dir) instead of standard output, all at once
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, required_if_eq("format", "dir"))]
    pub out: Option<PathBuf>,
}

/// What is rendered of a town.
#[derive(Args, Clone, Debug)]
pub struct SelectionArgs {
    /// Render this agent only; may be repeated. What the agents share always covers the whole town
    #[arg(long = "agent", value_name = "NAME")]
    pub agents: Vec<AgentName>,
    /// Render a preview environment: its own namespace and XMPP resource, no retained volumes, no keys at GitHub
    #[arg(long, value_name = "SLUG")]
    pub preview: Option<PreviewSlug>,
    /// Let a town without cloud agents be an empty result; otherwise it is an error
    #[arg(long)]
    pub allow_empty: bool,
    /// Which part of the town to render
    #[arg(long, value_enum, default_value_t)]
    pub scope: ScopeArg,
}

/// Which part of a town is rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ScopeArg {
    /// What the agents share, and the agents.
    #[default]
    Town,
    /// What the agents share: namespace, bounds, quota, default-deny, the list of agents.
    Namespace,
    /// The agents alone.
    Agents,
}

/// How manifests are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One YAML stream, ready for `kubectl apply --server-side -f -`.
    #[default]
    Yaml,
    /// One JSON document, a v1 List.
    Json,
    /// A directory of YAML files: 00-namespace.yaml and one per agent.
    Dir,
}

/// What to compare, and how.
#[derive(Args, Debug)]
pub struct DiffArgs {
    /// The town as it was.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub old: String,
    /// The town as it will be.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub new: String,
    /// How the differences are written
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
    /// End with status 1 if there is a difference
    #[arg(long)]
    pub exit_code: bool,
    /// How flakes are evaluated.
    #[command(flatten)]
    pub evaluation: EvaluationArgs,
}

/// How differences are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For a terminal.
    #[default]
    Text,
    /// For a comment on a pull request.
    Markdown,
    /// For a program.
    Json,
}

/// What to compare with the town.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The directory (written by --format dir) or the YAML file to compare.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub committed: PathBuf,
    /// Where the town comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// What is rendered of it.
    #[command(flatten)]
    pub selection: SelectionArgs,
}

/// Whose images to list.
#[derive(Args, Debug)]
pub struct ImagesArgs {
    /// Where the town comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// What is rendered of it.
    #[command(flatten)]
    pub selection: SelectionArgs,
}

/// Whose home to print.
#[derive(Args, Debug)]
pub struct HomeArgs {
    /// The agent.
    pub agent: AgentName,
    /// Where the town comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Write the files below this directory, which must not exist yet, instead of printing them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Town => Self::Town,
            ScopeArg::Namespace => Self::Namespace,
            ScopeArg::Agents => Self::Agents,
        }
    }
}

/// Whole seconds, from one second to one day.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected whole seconds from 1 to 86400".to_owned()),
    }
}

/// As many workers as may be asked for.
fn workers(text: &str) -> Result<NonZero<usize>, String> {
    let number = text.parse().ok().filter(|number: &NonZero<usize>| number.get() <= WORKERS_MAX);
    number.ok_or_else(|| format!("expected a whole number from 1 to {WORKERS_MAX}"))
}
