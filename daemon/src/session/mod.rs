//! A session: the work on one task, in a terminal or by itself.
//!
//! [`run`] finds or makes the workspace ([`crate::bootstrap`]), then works there: headless with the Messages API ([`talk`]), or in
//! tmux ([`interactive`]).
//!
//! # Invariants
//!
//! - A turn of the model is journaled before anything of it is run; what may have been run once is not run again by itself.
//! - No request is sent that the budget of the task or the day does not cover.
//! - What a model asks for runs in a [`crate::sandbox`]; git in a workspace too, since a workspace's git configuration can name
//!   programs.

mod budget;
mod context;
mod headless;
mod interactive;
mod place;
mod privileged;
mod prompt;
mod report;
mod talk;
mod transcript;

use std::time::Duration;

use nuketown::Problem;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use budget::Limits;
pub use context::{Agent, Context, Journal, Tmux};
pub(crate) use place::{Place, git};
pub(crate) use talk::{Part, Stopped, Talk};

use crate::bootstrap::{self, Resolution};
use crate::task::{Mode, Task};

/// What a session reports while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something that the requester may want to know.
    Note(String),
    /// The session cannot go on without an answer.
    Question {
        /// Which of its questions; asked again under the same id, it is the same question.
        id: String,
        /// What it asks.
        text: String,
    },
    /// The session waits for a human to approve this kind of thing: `sudo`, `delegation`.
    WaitingForApproval(String),
    /// The session goes on.
    Resumed,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The task is done.
    Done {
        /// What was done, in words.
        summary: String,
        /// The branch that holds the work.
        branch: Option<String>,
        /// The commits of the work, the newest last: hash and subject.
        commits: Vec<String>,
        /// Millionths of a dollar.
        cost: u64,
    },
    /// The task cannot be done.
    Failed {
        /// What failed.
        what: String,
        /// Why.
        cause: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The session was told to end, or cannot be taken up again.
    Interrupted,
    /// The session ended with a question; with the answer it begins anew.
    NeedsAnswer(String),
}

impl From<Problem> for Outcome {
    fn from(problem: Problem) -> Self {
        Self::Failed { what: problem.what, cause: problem.cause, hint: problem.hint }
    }
}

impl From<Stopped> for Outcome {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Cancelled => Self::Interrupted,
            Stopped::Problem(problem) => problem.into(),
        }
    }
}

/// Works on `task` until it is over. `working` is called once, when the workspace is ready.
///
/// A task that was begun before goes on from its journal. Reports that nobody hears are lost without harm.
pub async fn run(
    task: &Task,
    context: &Context,
    working: impl FnOnce() + Send,
    events: mpsc::Sender<Progress>,
    cancel: CancellationToken,
) -> Outcome {
    let resolved = bootstrap::resolve(task, context, &events, &cancel).await;
    let place = match resolved {
        Ok(Resolution::Ready(place)) => place,
        Ok(Resolution::Ask(question)) => return Outcome::NeedsAnswer(question),
        Err(stopped) => return stopped.into(),
    };
    working();
    let work = async {
        match task.mode {
            Mode::Headless => headless::work(task, context, &place, &events, &cancel).await,
            Mode::Interactive => interactive::work(task, context, &place, &events, &cancel).await,
        }
    };
    let outcome = work.await.unwrap_or_else(Into::into);
    if outcome != Outcome::Interrupted {
        place.clean();
    }
    outcome
}

/// How long git may take in a workspace.
pub(crate) const GIT_MAX: Duration = Duration::from_secs(120);
