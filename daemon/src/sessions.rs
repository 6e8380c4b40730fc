//! The runner of the daemon: real sessions, with the store as their journal.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nuketown::{DaemonFile, Problem};
use tokio::sync::mpsc;

use crate::api::{Client, MicroDollars, Patience, Usage};
use crate::config::{self, Settings};
use crate::runner::{Job, Runner, Step};
use crate::sandbox::{Confinement, base_environment};
use crate::session::{self, Agent, Context, Journal, Limits, Outcome, Tmux};
use crate::store::{Cost, Store, StoreError};
use crate::task::TaskId;

/// Reports that wait to be passed on.
const REPORTS: usize = 32;

/// What sessions are told besides the agent's files.
#[derive(Clone, Debug)]
pub struct Choices {
    /// The model of headless sessions.
    pub model: String,
    /// What runs in an interactive session; the task's text becomes its last argument.
    pub command: Vec<String>,
    /// What a task may cost.
    pub task_budget: MicroDollars,
    /// What a day may cost, in UTC.
    pub day_budget: MicroDollars,
}

/// Runs tasks in sessions.
#[derive(Debug)]
pub struct Sessions {
    context: Context,
    clock: fn() -> Timestamp,
}

impl Sessions {
    /// Sessions of the agent of these settings, with their private files below `state`.
    ///
    /// # Errors
    ///
    /// The key of the AI API cannot be used, or the home directory is not there.
    pub fn new(
        settings: &Settings,
        store: Store,
        state: &Path,
        choices: Choices,
        clock: fn() -> Timestamp,
    ) -> Result<Self, Problem> {
        let (identity, daemon) = (&settings.identity, &settings.daemon);
        let home = absolute(Path::new(&identity.home))?;
        let private = state.join("sessions");
        std::fs::create_dir_all(&private).map_err(|error| unusable(&private, &error))?;
        let client = match &daemon.api.key_file {
            Some(file) => {
                let key = config::password(Path::new(file))?;
                Some(Client::new(&daemon.api.url, key.reveal(), Patience::default())?)
            }
            None => None,
        };
        let context = Context {
            agent: Agent {
                name: identity.name.clone(),
                role: identity.role.clone(),
                email: identity.email.clone(),
                description: identity.description.clone(),
            },
            projects: home.join("projects"),
            home,
            private: absolute(&private)?,
            secrets: secrets(daemon),
            repos: daemon.repos.clone(),
            answers: Vec::new(),
            client,
            model: choices.model,
            bootstrap_model: daemon.bootstrap.model.clone(),
            limits: Limits {
                time: Duration::from_secs(daemon.headless.timeout.into()),
                task: choices.task_budget,
                day: choices.day_budget,
                ..Limits::default()
            },
            launcher: PathBuf::from("/proc/self/exe"),
            confinement: Confinement::Required,
            unix_sockets: false,
            sudo: daemon.sudo.enable.then(|| PathBuf::from("sudo")),
            tmux: Tmux {
                program: "tmux".into(),
                socket: format!("portal-{}", identity.name),
                command: choices.command,
                environment: base_environment(),
            },
            journal: Arc::new(Kept { store, clock }),
        };
        Ok(Self { context, clock })
    }
}

impl Runner for Sessions {
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let mut context = self.context.clone();
        let clock = self.clock;
        Box::pin(async move {
            let Job { task, store, steps, cancel, .. } = job;
            context.journal = Arc::new(Kept { store: store.clone(), clock });
            match store.questions(task.id) {
                Ok(questions) => {
                    context.answers = questions.into_iter().filter_map(|question| question.answer).collect();
                }
                Err(error) => return problem("cannot read the answers", &error).into(),
            }
            let (events, mut reports) = mpsc::channel(REPORTS);
            let begun = steps.clone();
            // The channel is empty when a session begins, and this is the first thing in it.
            let working = move || drop(begun.try_send(Step::Working));
            let session = session::run(&task, &context, working, events, cancel);
            tokio::pin!(session);
            loop {
                tokio::select! {
                    // What was reported is passed on before the end.
                    biased;
                    Some(progress) = reports.recv() => drop(steps.send(Step::Progress(progress)).await),
                    outcome = &mut session => return outcome,
                }
            }
        })
    }
}

/// The files that no session may read.
fn secrets(daemon: &DaemonFile) -> Vec<PathBuf> {
    let keys = daemon.keys.iter().flat_map(|keys| [&keys.ssh_key_file, &keys.gpg_key_file]).flatten();
    daemon
        .xmpp
        .iter()
        .map(|xmpp| &xmpp.password_file)
        .chain(&daemon.api.key_file)
        .chain(daemon.github.iter().map(|github| &github.token_file))
        .chain(keys)
        .chain(daemon.secrets.values())
        .map(PathBuf::from)
        .collect()
}

/// Without links, so that the sandbox compares what the kernel does.
fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    path.canonicalize().map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new("cannot use a directory", format!("{}: {error}", path.display()))
}

/// The store as a session's journal.
#[derive(Debug)]
struct Kept {
    store: Store,
    clock: fn() -> Timestamp,
}

impl Journal for Kept {
    fn journal_turn(&self, task: TaskId, turn: &str) -> Result<(), Problem> {
        let written = self.store.journal_turn(task, turn, (self.clock)());
        written.map(drop).map_err(|error| problem("cannot journal a turn", &error))
    }

    fn turns(&self, task: TaskId) -> Result<Vec<String>, Problem> {
        self.store.turns(task).map_err(|error| problem("cannot read the journal", &error))
    }

    fn add_cost(&self, task: TaskId, usage: &Usage, cost: MicroDollars) -> Result<(), Problem> {
        let cost = Cost {
            tokens_in: usage.input,
            tokens_out: usage.output,
            tokens_cache: usage.cache_read.saturating_add(usage.cache_write),
            micro_dollars: cost,
        };
        let written = self.store.add_cost(task, cost, (self.clock)());
        written.map_err(|error| problem("cannot write down what was spent", &error))
    }

    fn spent_on(&self, task: TaskId) -> Result<MicroDollars, Problem> {
        let spent =
            self.store.spent_on(task).map_err(|error| problem("cannot read what was spent", &error))?;
        Ok(spent.micro_dollars.unsigned_abs())
    }

    fn spent_today(&self) -> Result<MicroDollars, Problem> {
        let spent = self.store.spent_today((self.clock)());
        let spent = spent.map_err(|error| problem("cannot read what was spent", &error))?;
        Ok(spent.micro_dollars.unsigned_abs())
    }
}

fn problem(what: &str, error: &StoreError) -> Problem {
    let source = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
    Problem::new(what, format!("{error}{source}"))
}
