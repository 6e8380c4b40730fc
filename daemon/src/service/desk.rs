//! The desk: what is asked for is answered here, whichever way it comes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nuketown_approval::Now;
use nuketown_xmpp::{Availability, Handle, SendError};
use tokio::sync::watch;
use tokio::time::Instant;

use super::approval::Open;
use super::outbox::Outbox;
use super::rooms::Rooms;
use super::work::Current;
use crate::config::Settings;
use crate::metrics::Metrics;
use crate::peer::{Budget, Peer, Town};
use crate::presence::{self, Doing};
use crate::runner::Runner;
use crate::store::{Accepted, Ending, Entry, Form, NewTask, Store, StoreError};
use crate::task::{Mode, Requester, TEXT_MAX, Task, TaskId};
use crate::wire::{Answer, Ask, Probe, Status, TaskView};
use crate::words;

/// Tasks that wait at most; beyond that, whoever asks is told so.
const WAITING_MAX: usize = 10_000;
/// Lines that are shown at once.
const LINES_MAX: u32 = 50;
/// Tasks that are listed at once.
const HISTORY_MAX: u32 = 1000;

/// What the desk is tied to.
pub(super) struct Ties {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) handle: Option<Handle>,
    pub(super) outbox: Outbox,
    pub(super) grown: watch::Sender<u64>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: fn() -> Now,
}

pub(super) struct Desk {
    pub(super) ties: Ties,
    pub(super) town: Town,
    pub(super) budget: Budget,
    pub(super) rooms: Rooms,
    pub(super) projects: Vec<String>,
    pub(super) current: Option<Current>,
    pub(super) online: bool,
    pub(super) stopping: bool,
    pub(super) open_approval: Option<Open>,
    /// When the next task is tried again that could not be begun.
    pub(super) retry: Option<Instant>,
    requests: u64,
    announced: Option<Availability>,
}

/// Where a request comes from.
pub(super) struct Origin {
    /// Who hears of it.
    pub(super) requester: Requester,
    /// Which message it is.
    pub(super) message: Option<String>,
    /// How they want to hear of it.
    pub(super) form: Form,
}

impl Desk {
    pub(super) fn new(ties: Ties) -> Self {
        let account = ties.settings.account.as_ref();
        Self {
            town: Town::new(&ties.settings),
            budget: Budget::default(),
            rooms: Rooms::new(account.map(|account| account.rooms.clone()).unwrap_or_default()),
            projects: ties.settings.daemon.repos.keys().cloned().collect(),
            current: None,
            online: false,
            stopping: false,
            open_approval: None,
            retry: None,
            requests: 0,
            announced: None,
            ties,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.ties.clock)().wall
    }

    /// Answers a program of this machine.
    pub(super) fn ask(&mut self, peer: &Peer, ask: Ask) -> Result<Answer, StoreError> {
        let Peer::Owner(uid) = *peer else {
            return Ok(Answer::error("the request is refused", "it did not come by the local socket"));
        };
        let origin = Origin { requester: Requester::Local { uid }, message: None, form: Form::Text };
        self.answer(peer, origin, ask)
    }

    /// Answers whoever is heard.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written; then nothing was accepted.
    pub(super) fn answer(&mut self, peer: &Peer, origin: Origin, ask: Ask) -> Result<Answer, StoreError> {
        self.requests += 1;
        let span = tracing::info_span!("request", id = self.requests, peer = peer.name());
        let _within = span.enter();
        tracing::debug!(?ask, "request");
        let store = &self.ties.store;
        match ask {
            Ask::Task { project, branch, text, mode } => {
                let mode = mode.unwrap_or_else(|| self.usual_mode(peer));
                let Origin { requester, message, form } = origin;
                self.accept(NewTask { requester, origin: message, form, project, branch, text, mode })
            }
            Ask::Status {} => self.status(),
            Ask::Queue {} => {
                let entries = store.open_entries()?;
                Ok(Answer::Queue { tasks: entries.into_iter().map(view).collect() })
            }
            Ask::Cancel { task } => self.cancel(peer, task),
            Ask::Log { task, .. } => {
                let newest = || Ok(store.history(1)?.first().map(|entry| entry.task.id));
                let task = task.map_or_else(newest, |task| Ok::<_, StoreError>(Some(task)))?;
                let Some(task) = task else { return Ok(Answer::Log { lines: Vec::new() }) };
                found(store.task(task).and_then(|_| store.lines(Some(task), 0, LINES_MAX)), |lines| {
                    Answer::Log { lines }
                })
            }
            Ask::History { limit } => {
                let entries = store.history(limit.unwrap_or(20).min(HISTORY_MAX))?;
                Ok(Answer::History { tasks: entries.into_iter().map(view).collect() })
            }
            Ask::Cost {} => {
                Ok(Answer::Cost { today: store.spent_today(self.now())?, total: store.spent_ever()? })
            }
            Ask::Answer { task, text } => self.reply(peer, task, &text),
            Ask::Health { probe } => Ok(self.health(probe)),
            // Its answer comes later, so it is not asked here.
            Ask::ApproveTest {} => {
                Ok(Answer::error("the request is refused", "it is asked on the machine itself"))
            }
        }
    }

    /// A person at the machine may sit down beside the agent; whoever writes from afar does not.
    fn usual_mode(&self, peer: &Peer) -> Mode {
        let beside = matches!(peer, Peer::Owner(_)) && self.ties.settings.identity.model == "workstation";
        if beside { Mode::Interactive } else { Mode::Headless }
    }

    fn accept(&mut self, mut new: NewTask) -> Result<Answer, StoreError> {
        new.text = presence::printable(new.text.trim());
        let refused = |why: String| Ok(Answer::error("the task is not accepted", why));
        if new.text.is_empty() {
            return refused("it does not say what is to be done".to_owned());
        }
        if new.text.len() > TEXT_MAX {
            return refused(format!("it has {} bytes, and {TEXT_MAX} is the limit", new.text.len()));
        }
        if self.stopping || self.ties.store.count_waiting()? >= WAITING_MAX {
            return refused(format!("{WAITING_MAX} tasks wait already, or the daemon is about to stop"));
        }
        let accepted = self.ties.store.accept(&new, self.now())?;
        let (Accepted::New(task) | Accepted::Before(task)) = accepted;
        let repeated = matches!(accepted, Accepted::Before(_));
        if !repeated {
            self.ties.metrics.accepted();
            tracing::info!(%task, requester = %new.requester, "task accepted");
        }
        let working_on = self.current.as_ref().map(|current| words::about(&current.task));
        let position = if working_on.is_some() { self.ties.store.position(task)? } else { 0 };
        Ok(Answer::Accepted { task, position, working_on, repeated })
    }

    fn status(&self) -> Result<Answer, StoreError> {
        let doing = self.doing();
        let task = match &self.current {
            Some(current) => self.ties.store.entry(current.task.id).map(view).map(Some)?,
            None => None,
        };
        Ok(Answer::Status(Box::new(Status {
            agent: self.ties.settings.identity.name.clone(),
            version: nuketown::VERSION.to_owned(),
            show: presence::show_name(&doing).to_owned(),
            words: presence::availability(&doing).status,
            online: self.ties.handle.as_ref().map(|_| self.online),
            task,
            waiting: self.ties.store.count_waiting()?,
            today: self.ties.store.spent_today(self.now())?,
        })))
    }

    fn health(&self, probe: Probe) -> Answer {
        let hidden = self.ties.handle.is_some() && !self.online;
        if probe == Probe::Ready && hidden {
            return Answer::error("the daemon is not ready", "it is not on XMPP yet, or not any more");
        }
        Answer::Healthy {}
    }

    /// The task that is meant, if this peer may decide on it.
    fn meant(&self, peer: &Peer, task: Option<TaskId>) -> Result<TaskId, Answer> {
        let refused = |cause: String| Answer::error("that is not possible", cause);
        let running = self.current.as_ref().map(|current| current.task.id);
        let id = task
            .or(running)
            .ok_or_else(|| refused("no task is running; name one by its number".to_owned()))?;
        let task = self.ties.store.task(id).map_err(|error| refused(error.to_string()))?;
        if !peer.may_decide_on(&task.requester) {
            return Err(refused(format!("task {id} was asked for by somebody else")));
        }
        if task.state.is_final() {
            return Err(refused(format!("task {id} is {} already", task.state)));
        }
        Ok(id)
    }

    fn cancel(&mut self, peer: &Peer, task: Option<TaskId>) -> Result<Answer, StoreError> {
        let id = match self.meant(peer, task) {
            Ok(id) => id,
            Err(refusal) => return Ok(refusal),
        };
        let ending = Ending::Cancelled { by: peer.name() };
        if self.current.as_ref().is_some_and(|current| current.task.id == id) {
            self.cancel_current(ending)?;
        } else {
            let task = self.ties.store.task(id)?;
            self.end(&task, &ending)?;
        }
        Ok(Answer::Cancelled { task: id })
    }

    fn reply(&mut self, peer: &Peer, task: Option<TaskId>, text: &str) -> Result<Answer, StoreError> {
        let id = match self.meant(peer, task) {
            Ok(id) => id,
            Err(refusal) => return Ok(refusal),
        };
        let Some(question) = self.ties.store.open_question(id)? else {
            return Ok(Answer::error("that is not possible", format!("task {id} has not asked anything")));
        };
        let text = presence::printable(text.trim());
        if text.is_empty() || text.len() > TEXT_MAX {
            return Ok(Answer::error("that is not possible", "the answer is empty or too long"));
        }
        self.ties.store.answer(id, &question.id, &text, self.now())?;
        self.grew();
        self.on_answer(id, question.id, text)?;
        Ok(Answer::Answered { task: id })
    }

    /// A task's log has grown, or something waits to be said.
    pub(super) fn grew(&self) {
        self.ties.grown.send_modify(|count| *count += 1);
        self.ties.outbox.nudge();
    }

    /// Ends a task that is not running any more, and lets its requester know.
    pub(super) fn end(&mut self, task: &Task, ending: &Ending) -> Result<(), StoreError> {
        let text = words::ended(task, ending, &self.ties.store.spent_on(task.id)?);
        self.ties.store.end(task.id, ending, &text, self.now())?;
        self.ties.metrics.ended(ending.state());
        tracing::info!(task = %task.id, state = %ending.state(), "task ended");
        self.grew();
        Ok(())
    }

    pub(super) fn doing(&self) -> Doing {
        match &self.current {
            None => Doing::Idle,
            Some(current) => match &current.waiting_for {
                Some(what) => Doing::Waiting(what.clone()),
                None => Doing::Working(words::about(&current.task)),
            },
        }
    }

    /// Lets everybody see what the agent does, if that has changed.
    pub(super) async fn announce(&mut self) -> Result<(), SendError> {
        let availability = presence::availability(&self.doing());
        self.ties.metrics.doing(&self.doing());
        if let Some(handle) = &self.ties.handle
            && self.announced.as_ref() != Some(&availability)
        {
            handle.announce(availability.clone()).await?;
            self.announced = Some(availability);
        }
        Ok(())
    }

    /// Stops what runs, says what can still be said, and leaves.
    pub(super) async fn close(mut self, patience: Duration) {
        self.stopping = true;
        if let Err(error) = self.stop_current().await {
            tracing::error!(%error, "cannot write down that the task was stopped");
        }
        if let Err(error) = self.withdraw_approval() {
            tracing::error!(%error, "cannot write down that a request was withdrawn");
        }
        self.ties.outbox.close(patience).await;
        if let Some(handle) = self.ties.handle {
            handle.stop().await;
        }
    }
}

/// What was asked for cannot be written down, so it is not done. The disk may have room again by the next request.
pub(super) fn failed(error: &StoreError) -> Answer {
    let source = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
    tracing::error!(%error, source, "a request failed");
    Answer::error("the request failed, and nothing was done", format!("{error}{source}"))
}

/// What was looked up; that there is no such task is an answer.
fn found<T>(looked: Result<T, StoreError>, answer: impl FnOnce(T) -> Answer) -> Result<Answer, StoreError> {
    match looked {
        Ok(value) => Ok(answer(value)),
        Err(error @ StoreError::NoTask(_)) => Ok(Answer::error("that is not possible", error.to_string())),
        Err(error) => Err(error),
    }
}

/// A task, as it is shown.
fn view(entry: Entry) -> TaskView {
    let Entry { task, accepted, started, ended, ending, micro_dollars } = entry;
    let time = |time: Option<Timestamp>| time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    TaskView {
        task: task.id,
        state: task.state,
        requester: task.requester.to_string(),
        project: task.project,
        branch: task.branch,
        text: task.text,
        mode: task.mode,
        accepted: time(accepted),
        started: time(started),
        ended: time(ended),
        ending,
        micro_dollars,
    }
}
