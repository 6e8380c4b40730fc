//! The command line of `nuketown-cmp`. Argo CD sets variables rather than options, so there are few of them.

use clap::{Parser, Subcommand};

/// What `nuketown-cmp --help` ends with.
const AFTER_HELP: &str = "\
Variables of the sidecar:
  NUKETOWN_TIMEOUT      Seconds until an evaluation is stopped [default: 50]; keep it below Argo CD's own deadline (60)
  NUKETOWN_MEMORY       MiB that an evaluation may use [default: half of the container's, at most 8192]
  NUKETOWN_CONCURRENCY  Evaluations that may run at once [default: the processors, at most 4]
  NUKETOWN_WORKERS      Hosts that nix-eval-jobs evaluates at once, in the memory of one evaluation [default: the processors,
                        at most 4]
  NUKETOWN_CACHE_DIR    Where evaluations and the Nix store are kept [default: XDG_CACHE_HOME, else the temporary directory]
  NUKETOWN_ATTR, NUKETOWN_EVALUATOR, NUKETOWN_NAMESPACE, NUKETOWN_PREVIEW, NUKETOWN_SCOPE
                        Used where an Application does not set the parameter
  NUKETOWN_ALLOW_EMPTY  true lets a town without cloud agents be an empty result, which has Argo CD delete everything
An Application's plugin.env sets those of the parameters, and may lower NUKETOWN_TIMEOUT, NUKETOWN_MEMORY and
NUKETOWN_WORKERS.

Exit status: 0 rendered, 1 the town is wrong, 2 usage or parameters, 3 Nix failed, 4 timed out.";

/// Renders a town for Argo CD, as the command of a config management plugin.
///
/// Reads what Argo CD sets: ARGOCD_APP_PARAMETERS, ARGOCD_APP_REVISION, ARGOCD_APP_SOURCE_PATH, ARGOCD_ENV_NUKETOWN_*
/// and KUBE_VERSION, in the directory of an Application.
#[derive(Debug, Parser)]
#[command(name = "nuketown-cmp", version, after_help = AFTER_HELP)]
#[expect(clippy::doc_markdown, reason = "the text is shown on a terminal")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Command {
    /// Prints the manifests of the town in the current directory: all of them or, on a failure, nothing.
    Generate,
    /// Prints the announcement of the parameters, as Argo CD reads it.
    Parameters {
        /// As the table of the documentation instead.
        #[arg(long, hide = true)]
        markdown: bool,
    },
    /// Prints the name of the flake file if the current directory seems to hold a town, and otherwise nothing.
    Discover,
    /// Checks that all that generate needs is there, and prints what it found. Exit status 1 if something is missing.
    Doctor,
    /// Prints the version.
    Version,
    /// Prints the plugin's configuration, `plugin.yaml`.
    #[command(hide = true)]
    PluginYaml,
}
