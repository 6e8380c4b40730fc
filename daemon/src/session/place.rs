//! A workspace with its sandbox, and git in it.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nuketown::Problem;
use tokio_util::sync::CancellationToken;

use super::{Context, GIT_MAX, Stopped};
use crate::sandbox::{Action, End, Policy, Sandbox, base_environment};
use crate::task::TaskId;

/// How much output of a command is kept, in bytes.
const OUTPUT_MAX: usize = 32 * 1024;

/// A workspace.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Where it is, without links.
    pub(crate) path: PathBuf,
    /// The task's own directory: its home, its temporary files.
    pub(crate) own: PathBuf,
    /// Where commands run in it.
    pub(crate) sandbox: Sandbox,
}

impl Place {
    /// The workspace at `path`, for `task`. `readable` can be read too.
    ///
    /// # Errors
    ///
    /// It is not there, or the sandbox would show a secret.
    pub(crate) fn new(
        context: &Context,
        task: TaskId,
        path: &Path,
        readable: Vec<PathBuf>,
    ) -> Result<Self, Problem> {
        let cannot = |why: String| Problem::new(format!("cannot work in {}", path.display()), why);
        let path = path.canonicalize().map_err(|why| cannot(why.to_string()))?;
        let own = context.private.join(task.to_string());
        for dir in [&context.private, &own, &own.join("home"), &own.join("tmp")] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(|why| cannot(format!("{}: {why}", dir.display())))?;
        }
        let environment = environment(context, &own);
        let policy = Policy {
            root: path.clone(),
            writable: vec![own.clone()],
            readable,
            confinement: context.confinement,
            unix_sockets: context.unix_sockets,
        };
        let policy = policy.hiding(&context.secrets)?;
        let sandbox =
            Sandbox { launcher: context.launcher.clone(), policy, environment, output_max: OUTPUT_MAX };
        Ok(Self { path, own, sandbox })
    }

    /// Removes what a session needed beside its workspace.
    pub(crate) fn clean(&self) {
        for dir in ["bin", "home", "sudo", "tmp"] {
            // What cannot be removed, such as a cache that is read-only, takes some room and does no harm.
            let _ = std::fs::remove_dir_all(self.own.join(dir));
        }
    }
}

/// What commands of a session see: directories of its own, who commits, and nothing that waits for a person.
fn environment(context: &Context, own: &Path) -> BTreeMap<String, String> {
    let mut environment = base_environment();
    let agent = &context.agent;
    let own = |name: &str| own.join(name).display().to_string();
    environment.extend(
        [
            ("HOME", own("home")),
            ("TMPDIR", own("tmp")),
            ("USER", agent.name.clone()),
            ("LOGNAME", agent.name.clone()),
            ("GIT_AUTHOR_NAME", agent.name.clone()),
            ("GIT_AUTHOR_EMAIL", agent.email.clone()),
            ("GIT_COMMITTER_NAME", agent.name.clone()),
            ("GIT_COMMITTER_EMAIL", agent.email.clone()),
            ("GIT_TERMINAL_PROMPT", "0".to_owned()),
            ("GIT_EDITOR", "true".to_owned()),
            ("GIT_PAGER", "cat".to_owned()),
            ("PAGER", "cat".to_owned()),
            ("TERM", "dumb".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    environment
}

/// What git writes when it does this in a workspace; none if it does not succeed.
///
/// # Errors
///
/// It could not be run, or was cancelled.
pub(crate) async fn git(
    sandbox: &Sandbox,
    arguments: &[&str],
    cancel: &CancellationToken,
) -> Result<Option<String>, Stopped> {
    let done = sandbox
        .run(&Action::run("git", arguments.iter().copied()), GIT_MAX, cancel)
        .await
        .map_err(Stopped::Problem)?;
    match done.end {
        End::Cancelled => Err(Stopped::Cancelled),
        End::Exited(0) => Ok(Some(done.output.text().trim().to_owned())),
        _ => Ok(None),
    }
}
