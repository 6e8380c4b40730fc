//! What a session is given: who the agent is, where things are, and what it may take.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use nuketown::Problem;

use super::Limits;
use crate::api::{Client, MicroDollars, Usage};
use crate::sandbox::Confinement;
use crate::task::TaskId;

/// Where turns and costs are written down. Every write is on disk when it returns.
pub trait Journal: fmt::Debug + Send + Sync {
    /// Writes down a turn.
    ///
    /// # Errors
    ///
    /// It is not written; then nothing of the turn may be done.
    fn journal_turn(&self, task: TaskId, turn: &str) -> Result<(), Problem>;

    /// The turns of a task, the first one first.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    fn turns(&self, task: TaskId) -> Result<Vec<String>, Problem>;

    /// Writes down what an answer took and cost.
    ///
    /// # Errors
    ///
    /// It is not written; then nothing more may be spent.
    fn add_cost(&self, task: TaskId, usage: &Usage, cost: MicroDollars) -> Result<(), Problem>;

    /// What a task cost so far.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn spent_on(&self, task: TaskId) -> Result<MicroDollars, Problem>;

    /// What all tasks cost since midnight, in UTC.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn spent_today(&self) -> Result<MicroDollars, Problem>;
}

/// Who the agent is.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// What it does, in a word.
    pub role: String,
    /// The mail address of its commits.
    pub email: String,
    /// Its knowledge of itself.
    pub description: String,
}

/// How interactive sessions are started.
#[derive(Clone, Debug)]
pub struct Tmux {
    /// The program.
    pub program: PathBuf,
    /// The server's socket, as in `tmux -L`: `portal-<agent>`.
    pub socket: String,
    /// What runs in a session; the task's text becomes its last argument.
    pub command: Vec<String>,
    /// The whole environment of the server, if it is started.
    pub environment: BTreeMap<String, String>,
}

/// What all sessions are given.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who the agent is.
    pub agent: Agent,
    /// The agent's home. Read by git where it clones, never by a session.
    pub home: PathBuf,
    /// Where workspaces are: `~/projects`.
    pub projects: PathBuf,
    /// Where each task has a directory of its own, for its temporary files. Nobody else's.
    pub private: PathBuf,
    /// Files that no session may read.
    pub secrets: Vec<PathBuf>,
    /// Known remotes by project name.
    pub repos: BTreeMap<String, String>,
    /// What was answered to the task's questions, the first one first.
    pub answers: Vec<String>,
    /// The AI API, or none without a key.
    pub client: Option<Client>,
    /// The model of headless sessions.
    pub model: String,
    /// The model that prepares workspaces.
    pub bootstrap_model: String,
    /// What a session may take.
    pub limits: Limits,
    /// The program whose `main` calls [`crate::sandbox::enter_if_asked`]; usually `/proc/self/exe`.
    pub launcher: PathBuf,
    /// Whether sandboxes need the kernel's help.
    pub confinement: Confinement,
    /// Whether sessions may use Unix sockets; see [`crate::sandbox::Policy::unix_sockets`].
    pub unix_sockets: bool,
    /// The `sudo` that the daemon runs for a headless session, which asks a human; none where the agent may not ask.
    pub sudo: Option<PathBuf>,
    /// How interactive sessions are started.
    pub tmux: Tmux,
    /// Where turns and costs are.
    pub journal: Arc<dyn Journal>,
}
