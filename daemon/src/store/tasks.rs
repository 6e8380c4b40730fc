//! Tasks: accepted, in order, and how they ended.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};

use super::notices::{Form, add_notice};
use super::rows::{self, TASK};
use super::turns::add_line;
use super::{Store, StoreError};
use crate::task::{Branch, Mode, Project, Requester, State, Task, TaskId};

/// A task that is to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Who asks.
    pub requester: Requester,
    /// Which message asks, if it can come again: who sent it, and its id.
    pub origin: Option<String>,
    /// How the requester wants to hear of it.
    pub form: Form,
    /// See [`Task::project`].
    pub project: Option<Project>,
    /// See [`Task::branch`].
    pub branch: Option<Branch>,
    /// See [`Task::text`].
    pub text: String,
    /// See [`Task::mode`].
    pub mode: Mode,
}

/// What became of a [`NewTask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is a task now.
    New(TaskId),
    /// The same message asked before, for this task. Nothing was changed.
    Before(TaskId),
}

/// How a task ended. Stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ending")]
pub enum Ending {
    /// It was done.
    Done {
        /// What was done, in words.
        summary: String,
        /// The branch that holds the work.
        branch: Option<String>,
        /// The commits of the work, the newest last: hash and subject.
        commits: Vec<String>,
    },
    /// It could not be done.
    Failed {
        /// What failed.
        what: String,
        /// Why.
        cause: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Somebody did not want it any more.
    Cancelled {
        /// Who.
        by: String,
    },
    /// It was broken off and could not be taken up again.
    Interrupted,
}

impl Ending {
    /// The state of a task that ended so.
    #[must_use]
    pub const fn state(&self) -> State {
        match self {
            Self::Done { .. } => State::Done,
            Self::Failed { .. } => State::Failed,
            Self::Cancelled { .. } => State::Cancelled,
            Self::Interrupted => State::Interrupted,
        }
    }
}

/// A task with its times.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The task.
    pub task: Task,
    /// When it was accepted.
    pub accepted: Option<Timestamp>,
    /// When it was begun first.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Millionths of a dollar that it cost so far.
    pub micro_dollars: i64,
}

impl Store {
    /// Accepts a task, or finds that its message was heard before.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; then the task was not accepted.
    pub fn accept(&self, new: &NewTask, at: Timestamp) -> Result<Accepted, StoreError> {
        self.write(|transaction| {
            let before = transaction
                .prepare("SELECT id FROM tasks WHERE origin = ?1")?
                .query_row([&new.origin], |row| row.get(0))
                .optional()?;
            if let Some(before) = before {
                return Ok(Accepted::Before(TaskId(before)));
            }
            transaction
                .prepare(
                    "INSERT INTO tasks (requester, origin, form, project, branch, text, mode, state, accepted_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'accepted', ?8)",
                )?
                .execute(params![
                    new.requester.to_string(),
                    new.origin,
                    new.form.name(),
                    new.project.as_ref().map(Project::as_str),
                    new.branch.as_ref().map(Branch::as_str),
                    new.text,
                    rows::mode_name(new.mode),
                    at.as_millisecond(),
                ])?;
            Ok(Accepted::New(TaskId(transaction.last_insert_rowid())))
        })
    }

    /// The task with this number.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoTask`] among them.
    pub fn task(&self, id: TaskId) -> Result<Task, StoreError> {
        self.read(|connection| task(connection, id))
    }

    /// The next task in turn: the one that was running when a daemon was gone comes before those that wait.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn next(&self) -> Result<Option<Task>, StoreError> {
        self.read(|connection| {
            let sql = format!(
                "SELECT {TASK} FROM tasks WHERE state IN ('accepted', 'bootstrapping', 'working', 'blocked')
                 ORDER BY state = 'accepted', id LIMIT 1"
            );
            Ok(connection.prepare(&sql)?.query_row([], rows::task).optional()?)
        })
    }

    /// How many tasks wait, up to and with this one.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn position(&self, id: TaskId) -> Result<usize, StoreError> {
        self.read(|connection| {
            let sql = "SELECT count(*) FROM tasks WHERE state = 'accepted' AND id <= ?1";
            let position: i64 = connection.prepare(sql)?.query_row([id.0], |row| row.get(0))?;
            Ok(usize::try_from(position).unwrap_or(0))
        })
    }

    /// Begins the task, or takes it up again, and says for which time.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn begin(&self, id: TaskId, at: Timestamp) -> Result<u32, StoreError> {
        self.write(|transaction| {
            step(transaction, id, State::Bootstrapping)?;
            transaction.execute(
                "UPDATE tasks SET started_at = coalesce(started_at, ?2) WHERE id = ?1",
                params![id.0, at.as_millisecond()],
            )?;
            let attempt: u32 = transaction.query_row(
                "SELECT coalesce(max(attempt), 0) + 1 FROM sessions WHERE task = ?1",
                [id.0],
                |row| row.get(0),
            )?;
            transaction.execute(
                "INSERT INTO sessions (task, attempt, started_at) VALUES (?1, ?2, ?3)",
                params![id.0, attempt, at.as_millisecond()],
            )?;
            Ok(attempt)
        })
    }

    /// How many times in a row, up to now, a daemon was gone in the middle of this task.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn crashes(&self, id: TaskId) -> Result<u32, StoreError> {
        self.read(|connection| {
            let sql = "SELECT count(*) FROM sessions WHERE task = ?1 AND outcome IS NULL AND attempt >
                       (SELECT coalesce(max(attempt), 0) FROM sessions WHERE task = ?1 AND outcome IS NOT NULL)";
            Ok(connection.query_row(sql, [id.0], |row| row.get(0))?)
        })
    }

    /// Ends the current attempt at a task that goes on later: `paused` by a stop of the daemon, or for an answer.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn pause(&self, id: TaskId, at: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| end_attempt(transaction, id, "paused", at))
    }

    /// Moves a task that runs to another state in which it runs.
    ///
    /// # Errors
    ///
    /// [`StoreError::Step`] among them.
    pub fn set_state(&self, id: TaskId, state: State) -> Result<(), StoreError> {
        self.write(|transaction| step(transaction, id, state))
    }

    /// Ends a task, and leaves `text` to be said to whoever asked for it, at once.
    ///
    /// # Errors
    ///
    /// [`StoreError::Step`] among them: a task ends once.
    pub fn end(&self, id: TaskId, ending: &Ending, text: &str, at: Timestamp) -> Result<(), StoreError> {
        // Our own types without maps have no reason to fail.
        let result = serde_json::to_string(ending).unwrap_or_default();
        self.write(|transaction| {
            step(transaction, id, ending.state())?;
            transaction.execute(
                "UPDATE tasks SET ended_at = ?2, result = ?3 WHERE id = ?1",
                params![id.0, at.as_millisecond(), result],
            )?;
            end_attempt(transaction, id, ending.state().name(), at)?;
            add_line(transaction, id, text, at)?;
            add_notice(transaction, id, text, at)
        })
    }

    /// The newest tasks, the newest first.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn history(&self, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.read(|connection| entries(connection, "1 ORDER BY id DESC LIMIT ?1", i64::from(limit)))
    }

    /// The tasks that have not ended: the one that was begun, then those that wait.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn open_entries(&self) -> Result<Vec<Entry>, StoreError> {
        let open = "state IN ('accepted', 'bootstrapping', 'working', 'blocked')
                    ORDER BY state = 'accepted', id LIMIT ?1";
        self.read(|connection| entries(connection, open, 1000))
    }

    /// One task with its times.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoTask`] among them.
    pub fn entry(&self, id: TaskId) -> Result<Entry, StoreError> {
        self.read(|connection| entries(connection, "id = ?1", id.0))?.pop().ok_or(StoreError::NoTask(id))
    }

    /// How many tasks wait.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn count_waiting(&self) -> Result<usize, StoreError> {
        self.position(TaskId(i64::MAX))
    }
}

fn entries(connection: &Connection, which: &str, value: i64) -> Result<Vec<Entry>, StoreError> {
    let sql = format!(
        "SELECT {TASK}, accepted_at, started_at, ended_at, result,
         (SELECT coalesce(sum(micro_dollars), 0) FROM costs WHERE costs.task = tasks.id)
         FROM tasks WHERE {which}"
    );
    let mut statement = connection.prepare(&sql)?;
    let entries = statement.query_map([value], |row| {
        let result: Option<String> = row.get(10)?;
        Ok(Entry {
            task: rows::task(row)?,
            accepted: rows::time(row, 7)?,
            started: rows::time(row, 8)?,
            ended: rows::time(row, 9)?,
            ending: result.and_then(|json| serde_json::from_str(&json).ok()),
            micro_dollars: row.get(11)?,
        })
    })?;
    Ok(entries.collect::<Result<_, _>>()?)
}

fn task(connection: &Connection, id: TaskId) -> Result<Task, StoreError> {
    let sql = format!("SELECT {TASK} FROM tasks WHERE id = ?1");
    let found = connection.prepare(&sql)?.query_row([id.0], rows::task).optional()?;
    found.ok_or(StoreError::NoTask(id))
}

/// One step of a task's state. A task that runs may always go back to be prepared: that is how it is taken up again.
fn step(transaction: &Transaction<'_>, id: TaskId, to: State) -> Result<(), StoreError> {
    let from = task(transaction, id)?.state;
    let again = from.is_running() && (to == State::Bootstrapping || to == from);
    if !(from.may_become(to) || again) {
        return Err(StoreError::Step { task: id, from, to });
    }
    transaction.prepare("UPDATE tasks SET state = ?2 WHERE id = ?1")?.execute(params![id.0, to.name()])?;
    Ok(())
}

fn end_attempt(
    transaction: &Transaction<'_>,
    id: TaskId,
    outcome: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE sessions SET ended_at = ?2, outcome = ?3 WHERE task = ?1 AND outcome IS NULL
         AND attempt = (SELECT max(attempt) FROM sessions WHERE task = ?1)",
        params![id.0, at.as_millisecond(), outcome],
    )?;
    Ok(())
}
