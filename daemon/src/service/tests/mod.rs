//! The service with a scripted session and a scripted runner.

mod approvals;
mod crash;
mod heard;
mod life;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nuketown_approval::Now;
use nuketown_xmpp::parsers::message::{Id, Message};
use nuketown_xmpp::script::{Call, Script};
use nuketown_xmpp::{Availability, Delivery, Event, SendError};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::outbox::chat;
use super::{Asked, Parts, ServiceError, run};
use crate::config::{Settings, tests::home};
use crate::metrics::Metrics;
use crate::peer::Peer;
use crate::runner::{Job, Runner, Step};
use crate::session::{Outcome, Progress};
use crate::store::Store;
use crate::wire::{Answer, Ask};

/// The time, which a test may pause.
pub(super) fn now() -> Now {
    thread_local!(static START: (tokio::time::Instant, Timestamp) = (tokio::time::Instant::now(), Timestamp::now()));
    let (start, wall) = START.with(|start| *start);
    let monotonic = start.elapsed();
    Now { monotonic, wall: wall + monotonic }
}

pub(super) const JOSH: &str = "josh@town.example/phone";

/// A runner whose jobs the test does by hand.
#[derive(Debug)]
pub(super) struct ByHand {
    jobs: mpsc::UnboundedSender<Hand>,
    /// Whether jobs take no notice of being cancelled.
    deaf: bool,
}

/// A job in the test's hand.
pub(super) struct Hand {
    pub(super) job: Job,
    outcome: oneshot::Sender<Outcome>,
}

impl Runner for ByHand {
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let (outcome, decided) = oneshot::channel();
        let cancel = job.cancel.clone();
        drop(self.jobs.send(Hand { job, outcome }));
        let deaf = self.deaf;
        Box::pin(async move {
            tokio::select! {
                outcome = decided => outcome.expect("a session that broke off"),
                () = cancel.cancelled(), if !deaf => Outcome::Interrupted,
            }
        })
    }
}

impl Hand {
    pub(super) async fn step(&self, step: Step) {
        self.job.steps.send(step).await.unwrap();
    }

    pub(super) async fn progress(&self, progress: Progress) {
        self.step(Step::Progress(progress)).await;
    }

    pub(super) fn ends(self, outcome: Outcome) {
        self.outcome.send(outcome).unwrap();
    }

    pub(super) fn done(self) {
        self.ends(Outcome::Done { summary: "It works.".into(), branch: None, commits: Vec::new(), cost: 0 });
    }

    /// Waits until the service has let go of the job, whose future is dropped with it.
    pub(super) async fn dropped(mut self) {
        self.outcome.closed().await;
    }
}

/// An agent under test.
pub(super) struct Agent {
    pub(super) script: Script,
    pub(super) jobs: mpsc::UnboundedReceiver<Hand>,
    pub(super) asked: mpsc::Sender<Asked>,
    pub(super) store: Store,
    home: TempDir,
    stop: CancellationToken,
    service: JoinHandle<Result<(), ServiceError>>,
    messages: VecDeque<Message>,
    seen: VecDeque<Availability>,
    /// What the next message meets.
    pub(super) fate: VecDeque<Result<Delivery, SendError>>,
    count: u32,
}

impl Agent {
    pub(super) async fn start(model: &str) -> Self {
        Self::start_at(home(model), false).await
    }

    pub(super) async fn deaf() -> Self {
        Self::start_at(home("cloud"), true).await
    }

    async fn start_at(home: TempDir, deaf: bool) -> Self {
        let (script, handle, events) = Script::start();
        let (jobs_in, jobs) = mpsc::unbounded_channel();
        let (asked, asked_out) = mpsc::channel(64);
        let store = Store::open(&home.path().join("state")).unwrap();
        let stop = CancellationToken::new();
        let parts = Parts {
            settings: Settings::read(home.path()).unwrap(),
            store: store.clone(),
            runner: Arc::new(ByHand { jobs: jobs_in, deaf }),
            session: Some((handle, events)),
            asked: asked_out,
            grown: watch::channel(0).0,
            metrics: Arc::new(Metrics::default()),
            clock: now,
        };
        let service = tokio::spawn(run(parts, stop.clone()));
        let (messages, seen, fate) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let mut agent =
            Self { script, jobs, asked, store, home, stop, service, messages, seen, fate, count: 0 };
        agent.online(true).await;
        agent
    }

    pub(super) async fn online(&mut self, fresh: bool) {
        let jid = "ada@town.example/nuketown-daemon".parse().unwrap();
        self.script.happens(Event::Online { jid, fresh }).await;
    }

    async fn take(&mut self) {
        match self.script.call().await {
            Call::Message(message, outcome) => {
                let fate = self.fate.pop_front().unwrap_or(Ok(Delivery::Acknowledged));
                if fate.is_ok() {
                    self.messages.push_back(*message);
                }
                outcome.is(fate);
            }
            Call::Announce(availability) => self.seen.push_back(availability),
            other => panic!("the agent was to talk, and did {other:?}"),
        }
    }

    /// The next message of the agent.
    pub(super) async fn message(&mut self) -> Message {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return message;
            }
            self.take().await;
        }
    }

    /// The text of its next message, which is for `to`.
    pub(super) async fn says_to(&mut self, to: &str) -> String {
        let message = self.message().await;
        assert_eq!(message.to.unwrap().to_string(), to);
        message.bodies[""].clone()
    }

    /// The words of its next presence.
    pub(super) async fn shows(&mut self) -> String {
        loop {
            if let Some(availability) = self.seen.pop_front() {
                let show = availability.show.map(|show| format!("{show:?}").to_lowercase());
                return format!("{} {}", show.unwrap_or_default(), availability.status);
            }
            self.take().await;
        }
    }

    /// A message to the agent, said just now.
    pub(super) async fn hears(&mut self, from: &str, text: &str) {
        let message = self.written(from, text);
        self.script.arrives(message).await;
    }

    /// A message with an id of its own.
    pub(super) fn written(&mut self, from: &str, text: &str) -> Message {
        self.count += 1;
        let mut message = chat("ada@town.example".parse().unwrap(), text.to_owned());
        message.from = Some(from.parse().unwrap());
        message.id = Some(Id(format!("m{}", self.count)));
        message
    }

    /// What the agent answers in chat.
    pub(super) async fn answers(&mut self, from: &str, text: &str) -> String {
        self.hears(from, text).await;
        self.says_to(from).await
    }

    /// What it answers to a program of the machine.
    pub(super) async fn ask(&self, ask: Ask) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.asked.send(Asked { peer: Peer::Owner(1000), ask, reply }).await.unwrap();
        answer.await.unwrap()
    }

    pub(super) async fn job(&mut self) -> Hand {
        tokio::time::timeout(Duration::from_secs(60), self.jobs.recv()).await.expect("a job").unwrap()
    }

    /// Nothing was started and nothing said, as what the agent answers next shows.
    pub(super) async fn has_done_nothing(&mut self) {
        assert_eq!(self.answers(JOSH, "queue").await, "There is no task.");
        assert!(self.jobs.try_recv().is_err());
        assert!(self.messages.is_empty());
    }

    /// Stops the service, and gives what is needed for the next one.
    pub(super) async fn stop(mut self) -> TempDir {
        self.stop.cancel();
        loop {
            match self.script.call().await {
                Call::Stop(stopped) => {
                    stopped.done();
                    break;
                }
                Call::Message(_, outcome) => outcome.is(Ok(Delivery::Acknowledged)),
                Call::Announce(_) => {}
                other => panic!("the agent was to stop, and did {other:?}"),
            }
        }
        self.service.await.unwrap().unwrap();
        self.home
    }
}
