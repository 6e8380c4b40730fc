//! An agent with a home, its journal, and remotes on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nuketown::Problem;
use nuketown_daemon::api::{Client, MicroDollars, Patience, Usage};
use nuketown_daemon::sandbox::{Confinement, base_environment};
use nuketown_daemon::session::{self, Agent, Context, Journal, Limits, Outcome, Progress, Tmux};
use nuketown_daemon::task::{Mode, Requester, State, Task, TaskId};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::server::{KEY, Server};

/// A journal in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) turns: Mutex<Vec<String>>,
    pub(crate) cost: Mutex<MicroDollars>,
    /// Spent by other tasks of the day.
    pub(crate) others: Mutex<MicroDollars>,
    /// Fails the write that makes the journal longer than this.
    pub(crate) full_at: Mutex<Option<usize>>,
}

impl Journal for Memory {
    fn journal_turn(&self, _: TaskId, turn: &str) -> Result<(), Problem> {
        let mut turns = self.turns.lock().unwrap();
        if self.full_at.lock().unwrap().is_some_and(|most| turns.len() >= most) {
            return Err(Problem::new("cannot journal a turn", "the disk is full"));
        }
        turns.push(turn.to_owned());
        Ok(())
    }

    fn turns(&self, _: TaskId) -> Result<Vec<String>, Problem> {
        Ok(self.turns.lock().unwrap().clone())
    }

    fn add_cost(&self, _: TaskId, _: &Usage, cost: MicroDollars) -> Result<(), Problem> {
        *self.cost.lock().unwrap() += cost;
        Ok(())
    }

    fn spent_on(&self, _: TaskId) -> Result<MicroDollars, Problem> {
        Ok(*self.cost.lock().unwrap())
    }

    fn spent_today(&self) -> Result<MicroDollars, Problem> {
        Ok(*self.cost.lock().unwrap() + *self.others.lock().unwrap())
    }
}

pub(crate) struct Town {
    pub(crate) dir: TempDir,
    pub(crate) home: PathBuf,
    pub(crate) memory: Arc<Memory>,
    pub(crate) context: Context,
}

/// A patience that loses no time.
pub(crate) fn patience() -> Patience {
    Patience {
        pause: Duration::from_millis(1),
        pause_max: Duration::from_millis(2),
        attempts: 4,
        ..Patience::default()
    }
}

impl Town {
    /// An agent without the API.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap().join("home");
        std::fs::create_dir_all(home.join("projects")).unwrap();
        std::fs::write(home.join("api-key"), KEY).unwrap();
        let memory = Arc::new(Memory::default());
        let agent = Agent {
            name: "ada".to_owned(),
            role: "software".to_owned(),
            email: "ada@6bit.com".to_owned(),
            description: "Works with josh.".to_owned(),
        };
        let mut environment = base_environment();
        environment.insert("TMUX_TMPDIR".to_owned(), home.display().to_string());
        let tmux = Tmux {
            program: "tmux".into(),
            socket: "portal-ada".to_owned(),
            command: vec![
                "sh".to_owned(),
                "-c".to_owned(),
                "echo $$ > pid; echo \"$0\" > told; exec sleep 1000".to_owned(),
            ],
            environment,
        };
        let context = Context {
            agent,
            projects: home.join("projects"),
            private: home.join("sessions"),
            secrets: vec![home.join("api-key")],
            home: home.clone(),
            repos: BTreeMap::new(),
            answers: Vec::new(),
            client: None,
            model: "claude-sonnet-5-5".to_owned(),
            bootstrap_model: "claude-haiku-4-5-20251001".to_owned(),
            limits: Limits::default(),
            launcher: env!("CARGO_BIN_EXE_nuketown-daemon").into(),
            confinement: Confinement::Required,
            unix_sockets: false,
            sudo: None,
            tmux,
            journal: memory.clone(),
        };
        Self { dir, home, memory, context }
    }

    /// An agent with a workspace `nuketown`, which uses this server.
    pub(crate) fn with(server: &Server) -> Self {
        let mut town = Self::new();
        town.context.client = Some(Client::new(&server.url, KEY, patience()).unwrap());
        repository(&town.workspace());
        town
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.home.join("projects/nuketown")
    }

    /// Runs a task to its end: how it ended, and what was reported.
    pub(crate) async fn run(&self, task: &Task) -> (Outcome, Vec<Progress>) {
        self.run_until(task, CancellationToken::new()).await
    }

    pub(crate) async fn run_until(&self, task: &Task, cancel: CancellationToken) -> (Outcome, Vec<Progress>) {
        let (sender, mut receiver) = mpsc::channel(1000);
        let outcome = session::run(task, &self.context, || {}, sender, cancel).await;
        let mut heard = Vec::new();
        while let Ok(progress) = receiver.try_recv() {
            heard.push(progress);
        }
        (outcome, heard)
    }
}

pub(crate) fn task(project: Option<&str>, branch: Option<&str>) -> Task {
    Task {
        id: TaskId(7),
        requester: Requester::Local { uid: 1000 },
        project: project.map(|name| name.parse().unwrap()),
        branch: branch.map(|name| name.parse().unwrap()),
        text: "fix the udev rule".to_owned(),
        mode: Mode::Headless,
        state: State::Bootstrapping,
    }
}

pub(crate) fn git(dir: &Path, arguments: &[&str]) -> String {
    let done = Command::new("git")
        .current_dir(dir)
        .args(["-c", "user.name=josh", "-c", "user.email=josh@6bit.com"])
        .args(arguments)
        .output()
        .expect("git is needed: apt-get install git");
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit, on `main`.
pub(crate) fn repository(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
    git(path, &["init", "--quiet", "--initial-branch", "main"]);
    std::fs::write(path.join("README"), "A town.\n").unwrap();
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "-m", "begin"]);
}

pub(crate) fn problem(outcome: Outcome) -> (String, String) {
    match outcome {
        Outcome::Failed { what, cause, .. } => (what, cause),
        other => panic!("it did not fail: {other:?}"),
    }
}
