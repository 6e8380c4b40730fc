//! What runs tasks, as the service sees it.

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::session::{Outcome, Progress};
use crate::store::Store;
use crate::task::Task;

/// Prepares a workspace and works in it.
///
/// # Guarantees
///
/// Runs one job at a time. A job that was begun before (its attempt is above 1) is taken up again by what the store has of it. Once
/// the job is cancelled, the future ends, and so does every process of it; the service drops a future that does not within a second.
pub trait Runner: std::fmt::Debug + Send + Sync + 'static {
    /// Runs a job to its end.
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;
}

/// A task to be run now.
#[derive(Debug)]
pub struct Job {
    /// The task.
    pub task: Task,
    /// For which time it is run, from 1.
    pub attempt: u32,
    /// Where turns, costs, questions and their answers are.
    pub store: Store,
    /// Where to report.
    pub steps: mpsc::Sender<Step>,
    /// The answers to the questions that were asked meanwhile.
    pub replies: mpsc::Receiver<Reply>,
    /// Whether to end now.
    pub cancel: CancellationToken,
}

/// What a job reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The workspace is ready, and the work begins.
    Working,
    /// Something of the session.
    Progress(Progress),
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// To which question.
    pub question: String,
    /// What was said.
    pub text: String,
}
