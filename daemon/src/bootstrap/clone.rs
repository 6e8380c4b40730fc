//! Clones of known remotes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nuketown::Problem;

use super::Search;
use crate::api::visible;
use crate::sandbox::{Action, End, Sandbox};
use crate::session::{Place, Stopped};

/// How long a clone may take.
const CLONE_MAX: Duration = Duration::from_secs(30 * 60);

/// Transports that are used: none of those that run a program of the address's choice.
const PROTOCOLS: &str = "file:git:http:https:ssh";

impl Search<'_> {
    /// Clones `url` to `path`, whole or not at all.
    ///
    /// It may read the agent's SSH keys and git configuration, as no session may. So it is a fixed command: hooks are off, and no
    /// submodules, which would be further addresses that nobody has seen.
    pub(super) async fn clone(&self, url: &str, path: &Path) -> Result<(), Stopped> {
        let beside = self.beside("clone")?;
        let sandbox = self.cloning(url)?;
        self.note(format!("cloning {}", visible(url))).await;
        let target = beside.display().to_string();
        let arguments = [
            "-c",
            "core.hooksPath=/dev/null",
            "clone",
            "--quiet",
            "--no-recurse-submodules",
            "--",
            url,
            &target,
        ];
        let done = sandbox.run(&Action::run("git", arguments), CLONE_MAX, self.cancel).await?;
        let failed =
            |cause: String| Stopped::Problem(Problem::new(format!("cannot clone {}", visible(url)), cause));
        match done.end {
            End::Exited(0) => {}
            End::Cancelled => return Err(Stopped::Cancelled),
            End::TimedOut => {
                return Err(failed(format!("it was stopped after {} seconds", CLONE_MAX.as_secs())));
            }
            End::Exited(_) | End::Signalled(_) => {
                let Stopped::Problem(problem) = failed(visible(done.output.text().trim())) else {
                    return Err(Stopped::Cancelled);
                };
                return Err(problem
                    .hint("check the address in daemon.repos, and whether the agent's key may read it")
                    .into());
            }
        }
        std::fs::rename(&beside, path).map_err(|why| failed(format!("{}: {why}", path.display())))
    }

    fn cloning(&self, url: &str) -> Result<Sandbox, Problem> {
        let context = self.context;
        let mut readable: Vec<PathBuf> =
            [".ssh", ".gitconfig", ".config/git"].map(|file| context.home.join(file)).into();
        readable.extend(url.strip_prefix("file://").map(PathBuf::from));
        let Place { mut sandbox, .. } = Place::new(context, self.task.id, &context.projects, readable)?;
        sandbox.environment.insert("HOME".to_owned(), context.home.display().to_string());
        sandbox.environment.insert("GIT_ALLOW_PROTOCOL".to_owned(), PROTOCOLS.to_owned());
        // Nobody is there to be asked for a password or about a host's key.
        sandbox.environment.insert("GIT_SSH_COMMAND".to_owned(), "ssh -o BatchMode=yes".to_owned());
        // The SSH agent, which the fixed command of a clone may ask.
        sandbox.policy.unix_sockets = true;
        if let Ok(agent) = std::env::var("SSH_AUTH_SOCK") {
            sandbox.environment.insert("SSH_AUTH_SOCK".to_owned(), agent);
        }
        Ok(sandbox)
    }
}
