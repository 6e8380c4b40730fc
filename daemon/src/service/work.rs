//! The task that runs: begun, followed, ended, or parked until a human answers.

use std::error::Error as _;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::until;
use crate::presence::printable;
use crate::runner::{Job, Reply, Step};
use crate::session::{Outcome, Progress};
use crate::store::{Ending, StoreError};
use crate::task::{Mode, State, Task, TaskId};
use crate::words;

/// For a session to end after it was cancelled; then it is dropped, a second after the request at the latest.
const GRACE: Duration = Duration::from_millis(900);
/// Between two notes to a requester, who wants to know that it goes on and not each step.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// How often a task is taken up again after crashes in a row: one that brings the daemon down does not do so for ever.
const CRASHES_MAX: u32 = 3;
/// Before a task is tried again that could not be begun.
const RETRY: Duration = Duration::from_secs(30);
/// Reports that wait to be heard.
const STEPS: usize = 32;

/// The task that the agent is on.
pub(super) struct Current {
    pub(super) task: Task,
    /// What it waits for, in words: "sudo approval".
    pub(super) waiting_for: Option<String>,
    /// Nothing while it is parked.
    run: Option<Run>,
    /// How it is to end, once its run has.
    cancelled: Option<Ending>,
    /// Where it goes on after it was blocked.
    before: State,
    noted: Option<Instant>,
}

struct Run {
    handle: JoinHandle<Outcome>,
    steps: mpsc::Receiver<Step>,
    replies: mpsc::Sender<Reply>,
    cancel: CancellationToken,
    /// When a cancelled run is dropped.
    overdue: Option<Instant>,
}

/// What happened to the run.
pub(super) enum Happened {
    Step(Step),
    Ended(Result<Outcome, JoinError>),
    Overdue,
}

impl Desk {
    /// Begins the next task, or tries it again later: the disk may have room then.
    pub(super) fn start_or_wait(&mut self) {
        if self.retry.is_some_and(|retry| retry > Instant::now()) {
            return;
        }
        self.retry = None;
        if let Err(error) = self.start_next() {
            tracing::error!(%error, source = error.source(), "the next task cannot be begun");
            self.retry = Some(Instant::now() + RETRY);
        }
    }

    /// Begins the next task, if there is one and nothing runs.
    fn start_next(&mut self) -> Result<(), StoreError> {
        while self.current.is_none() && !self.stopping {
            let Some(task) = self.ties.store.next()? else { return Ok(()) };
            let question = self.ties.store.open_question(task.id)?;
            if task.state == State::Blocked && question.is_some() {
                self.park(task);
                return Ok(());
            }
            if self.ties.store.crashes(task.id)? >= CRASHES_MAX {
                self.end(&task, &Ending::Interrupted)?;
                continue;
            }
            self.begin(task)?;
        }
        Ok(())
    }

    fn begin(&mut self, mut task: Task) -> Result<(), StoreError> {
        let attempt = self.ties.store.begin(task.id, self.now())?;
        task.state = State::Bootstrapping;
        tracing::info!(task = %task.id, attempt, "task begun");
        let (steps_in, steps) = mpsc::channel(STEPS);
        let (replies, replies_out) = mpsc::channel(STEPS);
        let cancel = CancellationToken::new();
        let job = Job {
            task: task.clone(),
            attempt,
            store: self.ties.store.clone(),
            steps: steps_in,
            replies: replies_out,
            cancel: cancel.clone(),
        };
        let handle = tokio::spawn(self.ties.runner.run(job));
        let run = Run { handle, steps, replies, cancel, overdue: None };
        self.current = Some(Current { before: task.state, run: Some(run), ..Current::parked(task, None) });
        Ok(())
    }

    fn park(&mut self, task: Task) {
        self.current = Some(Current::parked(task, Some("an answer".to_owned())));
    }

    /// What happens to the run next; never, if there is none.
    pub(super) async fn work(&mut self) -> Happened {
        let Some(run) = self.current.as_mut().and_then(|current| current.run.as_mut()) else {
            return std::future::pending().await;
        };
        tokio::select! {
            // All that was reported is heard before the end.
            biased;
            Some(step) = run.steps.recv() => Happened::Step(step),
            ended = &mut run.handle => Happened::Ended(ended),
            () = until(run.overdue) => Happened::Overdue,
        }
    }

    pub(super) fn on_step(&mut self, step: Step) -> Result<(), StoreError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.cancelled.is_some() {
            return Ok(());
        }
        match step {
            Step::Working => {
                current.before = State::Working;
                current.waiting_for = None;
                self.set_state(State::Working)
            }
            Step::Progress(Progress::Note(text)) => self.note(&text),
            Step::Progress(Progress::Question { id, text }) => self.question(&id, &text),
            Step::Progress(Progress::WaitingForApproval(kind)) => {
                current.waiting_for = Some(format!("{kind} approval"));
                self.set_state(State::Blocked)
            }
            Step::Progress(Progress::Resumed) => {
                current.waiting_for = None;
                let before = current.before;
                self.set_state(before)
            }
        }
    }

    fn set_state(&mut self, state: State) -> Result<(), StoreError> {
        if let Some(current) = &mut self.current
            && current.task.state != state
        {
            self.ties.store.set_state(current.task.id, state)?;
            current.task.state = state;
            tracing::info!(task = %current.task.id, %state, "task goes on");
        }
        Ok(())
    }

    fn note(&mut self, text: &str) -> Result<(), StoreError> {
        let now = self.now();
        let Some(current) = &mut self.current else { return Ok(()) };
        let (id, text) = (current.task.id, words::bounded(text));
        self.ties.store.log(id, &text, now)?;
        if current.noted.is_none_or(|noted| noted.elapsed() >= NOTE_EVERY) {
            current.noted = Some(Instant::now());
            self.ties.store.notice(id, &format!("Task {id}: {text}"), now)?;
        }
        self.grew();
        Ok(())
    }

    fn question(&mut self, id: &str, text: &str) -> Result<(), StoreError> {
        let now = self.now();
        let Some(current) = &mut self.current else { return Ok(()) };
        current.waiting_for = Some("an answer".to_owned());
        self.ties.store.ask(current.task.id, id, &words::bounded(text), now)?;
        self.grew();
        self.set_state(State::Blocked)
    }

    /// A question was answered: the run that waits goes on, or a parked task begins anew.
    pub(super) fn on_answer(&mut self, id: TaskId, question: String, text: String) -> Result<(), StoreError> {
        let Some(current) = self.current.as_mut().filter(|current| current.task.id == id) else {
            return Ok(());
        };
        if let Some(run) = &current.run {
            // A run that does not listen finds the answer in the store.
            drop(run.replies.try_send(Reply { question, text }));
            current.waiting_for = None;
            let before = current.before;
            return self.set_state(before);
        }
        let task = current.task.clone();
        self.current = None;
        self.begin(task)
    }

    /// Lets the current task end so.
    pub(super) fn cancel_current(&mut self, ending: Ending) -> Result<(), StoreError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if let Some(run) = &mut current.run {
            run.cancel.cancel();
            run.overdue.get_or_insert_with(|| Instant::now() + GRACE);
            current.cancelled.get_or_insert(ending);
            return Ok(());
        }
        let task = current.task.clone();
        self.current = None;
        self.end(&task, &ending)
    }

    /// Drops a run that does not end.
    pub(super) fn abandon(&mut self) {
        if let Some(run) = self.current.as_mut().and_then(|current| current.run.as_mut()) {
            tracing::warn!("a session did not end when it was cancelled, and is dropped");
            run.overdue = None;
            run.handle.abort();
        }
    }

    /// The run has ended.
    pub(super) fn on_end(&mut self, outcome: Result<Outcome, JoinError>) -> Result<(), StoreError> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        if let Some(ending) = current.cancelled {
            return self.end(&current.task, &ending);
        }
        let ending = match outcome {
            Ok(Outcome::NeedsAnswer(question)) => {
                current.run = None;
                let asked = self.ties.store.questions(current.task.id)?.len();
                self.current = Some(current);
                self.question(&format!("outcome-{}", asked + 1), &question)?;
                return self.pause();
            }
            Ok(Outcome::Done { summary, branch, commits, .. }) => {
                // The work on a task that needed no preparation has begun all the same.
                self.current = Some(current);
                self.set_state(State::Working)?;
                let Some(ended) = self.current.take() else { return Ok(()) };
                current = ended;
                Ending::Done { summary: printable(&summary), branch, commits }
            }
            Ok(Outcome::Failed { what, cause, hint }) => Ending::Failed { what, cause, hint },
            Ok(Outcome::Interrupted) => Ending::Interrupted,
            Err(error) => {
                tracing::error!(task = %current.task.id, %error, "a session failed by a fault of this program");
                let cause = "a fault of the daemon, which its log describes".to_owned();
                Ending::Failed { what: "the session broke off".to_owned(), cause, hint: None }
            }
        };
        self.end(&current.task, &ending)
    }

    fn pause(&mut self) -> Result<(), StoreError> {
        let now = self.now();
        self.current.as_ref().map_or(Ok(()), |current| self.ties.store.pause(current.task.id, now))
    }

    /// Ends the run and leaves the task to the next daemon. One that comes to its end meanwhile has ended.
    pub(super) async fn stop_current(&mut self) -> Result<(), StoreError> {
        if let Some(current) = &mut self.current
            && let Some(run) = &mut current.run
        {
            if current.task.mode == Mode::Interactive && current.cancelled.is_none() {
                // The window is a person's too, and the next daemon finds it again.
                run.handle.abort();
            } else {
                run.cancel.cancel();
                run.overdue.get_or_insert_with(|| Instant::now() + 3 * GRACE);
            }
        }
        while self.current.as_ref().is_some_and(|current| current.run.is_some()) {
            match self.work().await {
                Happened::Step(step) => self.on_step(step)?,
                Happened::Overdue => self.abandon(),
                Happened::Ended(Ok(
                    outcome @ (Outcome::Done { .. } | Outcome::Failed { .. } | Outcome::NeedsAnswer(_)),
                )) => {
                    self.on_end(Ok(outcome))?;
                }
                Happened::Ended(outcome) => {
                    if self.current.as_ref().is_some_and(|current| current.cancelled.is_some()) {
                        self.on_end(outcome)?;
                    } else {
                        self.pause()?;
                        self.current = None;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Current {
    fn parked(task: Task, waiting_for: Option<String>) -> Self {
        Self { before: State::Bootstrapping, task, waiting_for, run: None, cancelled: None, noted: None }
    }
}
