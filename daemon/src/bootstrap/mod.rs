//! Finds or makes the workspace of a task, with the cheapest means that does: what is there already, a known remote, what a human
//! answered, a small model in a sandbox, and at last a question.
//!
//! # Invariants
//!
//! - A workspace that is ready costs no call of a model.
//! - A model's clone is made in a directory of its own; the other workspaces are out of its reach.
//! - Git runs in a sandbox, the one that clones with the agent's SSH keys too: nothing of a repository is executed there.

mod clone;
mod discover;
mod model;

use std::path::{Path, PathBuf};

use nuketown::{Problem, values::GitUrl};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::visible;
use crate::session::{Context, Place, Progress, Stopped, git};
use crate::task::{Branch, Project, Task};

/// How many questions a task may ask until it gives up.
const QUESTIONS_MAX: usize = 3;

/// What became of the search.
pub(crate) enum Resolution {
    /// The workspace is ready, with the branch checked out.
    Ready(Place),
    /// A human has to say.
    Ask(String),
}

/// The workspace for `task`.
pub(crate) async fn resolve(
    task: &Task,
    context: &Context,
    events: &mpsc::Sender<Progress>,
    cancel: &CancellationToken,
) -> Result<Resolution, Stopped> {
    let search = Search { task, context, events, cancel };
    let Some(project) = &task.project else {
        return search.scratch().map(Resolution::Ready).map_err(Stopped::Problem);
    };
    std::fs::create_dir_all(&context.projects).map_err(|why| {
        Problem::new("cannot prepare a workspace", format!("{}: {why}", context.projects.display()))
    })?;
    let path = context.projects.join(project.as_str());
    if path.symlink_metadata().is_ok() {
        return search.ready(&path).await;
    }
    if let Some(path) = discover::clone_of(&context.projects, project) {
        return search.ready(&path).await;
    }
    let answered = context.answers.last().and_then(|answer| answer.trim().parse::<GitUrl>().ok());
    let answered = answered.as_ref().map(GitUrl::as_str);
    if let Some(url) = answered.or_else(|| search.known(project)) {
        search.clone(url, &path).await?;
        return search.ready(&path).await;
    }
    if context.answers.len() >= QUESTIONS_MAX {
        let cause = format!("nobody could say where {project} is");
        return Err(Problem::new("there is no workspace for the task", cause)
            .hint("add it to daemon.repos of the agent")
            .into());
    }
    match &context.client {
        Some(client) => search.by_model(client, project, &path).await,
        None => Ok(Resolution::Ask(question(project))),
    }
}

/// What is asked when nothing else has helped.
fn question(project: &Project) -> String {
    format!("I know no repository called {project}. What is its git address?")
}

/// A search for one task.
struct Search<'a> {
    task: &'a Task,
    context: &'a Context,
    events: &'a mpsc::Sender<Progress>,
    cancel: &'a CancellationToken,
}

impl Search<'_> {
    /// The directory of a task that is about the machine. Not the agent's home: what a session can read, a model reads.
    fn scratch(&self) -> Result<Place, Problem> {
        let cannot = |why: String| Problem::new("cannot prepare a workspace", why);
        let own = self.context.private.join(self.task.id.to_string());
        let path = own.join("work");
        std::fs::create_dir_all(&path).map_err(|why| cannot(format!("{}: {why}", path.display())))?;
        let place = Place::new(self.context, self.task.id, &path, Vec::new())?;
        // An earlier session of the task could have put a link here.
        match own.canonicalize() {
            Ok(own) if place.path == own.join("work") => Ok(place),
            _ => Err(cannot(format!("{} leads to {}", path.display(), place.path.display()))),
        }
    }

    /// The workspace at `path`, on the task's branch.
    async fn ready(&self, path: &Path) -> Result<Resolution, Stopped> {
        let place = Place::new(self.context, self.task.id, path, Vec::new())?;
        let projects = self.context.projects.canonicalize().unwrap_or_else(|_| self.context.projects.clone());
        if place.path.parent() != Some(&projects) || !place.path.is_dir() {
            let cause = format!("{} leads to {}", path.display(), place.path.display());
            return Err(Problem::new("the workspace is none", cause)
                .hint(format!("a workspace is a directory in {}", projects.display()))
                .into());
        }
        if let Some(branch) = &self.task.branch {
            self.check_out(&place, branch).await?;
        }
        Ok(Resolution::Ready(place))
    }

    /// Checks `branch` out, unless it is: one that is here, or at the remote, or else a new one.
    async fn check_out(&self, place: &Place, branch: &Branch) -> Result<(), Stopped> {
        let run = async |arguments: &[&str]| git(&place.sandbox, arguments, self.cancel).await;
        let name = branch.as_str();
        if run(&["symbolic-ref", "--short", "HEAD"]).await?.as_deref() == Some(name) {
            return Ok(());
        }
        if run(&["checkout", "--quiet", name, "--"]).await?.is_some() {
            return Ok(());
        }
        let is_here =
            run(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{name}")]).await?.is_some()
                || run(&["rev-parse", "--verify", "--quiet", &format!("refs/remotes/origin/{name}")])
                    .await?
                    .is_some();
        if !is_here && run(&["checkout", "--quiet", "-b", name]).await?.is_some() {
            return Ok(());
        }
        let changed = run(&["status", "--porcelain"]).await?;
        let cause = match changed.as_deref() {
            None => format!("{} is no git repository", place.path.display()),
            Some("") => "git does not say why".to_owned(),
            Some(files) => format!("changes that are not committed are in the way: {}", visible(files)),
        };
        Err(Problem::new(format!("cannot check out the branch {name}"), cause)
            .hint("commit or stash the changes there")
            .into())
    }

    /// The address of a known remote of that name.
    fn known(&self, project: &Project) -> Option<&str> {
        let repos = &self.context.repos;
        let alike =
            || repos.iter().find(|(name, _)| name.eq_ignore_ascii_case(project.as_str())).map(|(_, url)| url);
        repos.get(project.as_str()).or_else(alike).map(String::as_str)
    }

    async fn note(&self, text: String) {
        let _ = self.events.send(Progress::Note(text)).await;
    }

    /// A directory beside the workspaces, for this task alone, empty.
    fn beside(&self, kind: &str) -> Result<PathBuf, Problem> {
        let path = self.context.projects.join(format!(".{kind}-{}", self.task.id));
        let cannot = |why: std::io::Error| {
            Problem::new("cannot prepare a workspace", format!("{}: {why}", path.display()))
        };
        // What an earlier attempt has left.
        match std::fs::remove_dir_all(&path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(cannot(why)),
            _ => std::fs::create_dir(&path).map_err(cannot)?,
        }
        Ok(path)
    }
}
