//! What the daemon remembers, in one SQLite file: tasks, questions, turns, costs, and what is still to be said.
//!
//! # Guarantees
//!
//! - Every function that writes is one transaction, on the disk when it returns (`synchronous = FULL`). A crash loses what was not
//!   written yet, and leaves nothing half written.
//! - A task's state moves along [`State::may_become`](crate::task::State::may_become); any other step is refused.
//!
//! # Assumptions
//!
//! One daemon has the file: [`Store::open`] holds a lock beside it, which the kernel gives back however the process ends.
//! Calls block for as long as the disk takes.

mod approvals;
mod costs;
#[cfg(test)]
pub(crate) mod crash;
mod notices;
mod questions;
mod rows;
mod tasks;
mod turns;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

pub use costs::{Cost, Spent};
pub use notices::{Form, Notice};
pub use questions::Question;
pub use tasks::{Accepted, Ending, Entry, NewTask};
pub use turns::Line;

use crate::task::{State, TaskId};

/// The file's name in the state directory.
const FILE: &str = "daemon.sqlite";

/// The form of the tables; counted up by each change of them.
const VERSION: i64 = 1;

/// Why the memory failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be used.
    #[error("cannot use the state directory {}", path.display())]
    Directory {
        /// The directory or the file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Two daemons on one file would run tasks twice.
    #[error("another daemon uses the state directory {}", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The file is of a later program.
    #[error(
        "the state was written by a later version (form {found}, this program knows {VERSION}); install that one"
    )]
    Newer {
        /// The form that was found.
        found: i64,
    },
    /// SQLite failed: the disk is full, or the file damaged.
    #[error("the state file failed")]
    Sqlite(#[from] rusqlite::Error),
    /// A step that a task cannot take; see [`State::may_become`].
    #[error("task {task} is {from} and cannot become {to}")]
    Step {
        /// The task.
        task: TaskId,
        /// Its state.
        from: State,
        /// The state that it cannot have.
        to: State,
    },
    /// There is no such task.
    #[error("there is no task {0}")]
    NoTask(TaskId),
}

/// The daemon's memory. Copies share one connection.
#[derive(Clone, Debug)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    /// Held for as long as any copy lives.
    _lock: Arc<File>,
}

impl Store {
    /// Opens the memory in `directory`, which is made (for its owner alone) if it is not there.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]. Nothing is ever deleted to make room or to mend.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let wrong = |source| StoreError::Directory { path: directory.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(wrong)?;
        let lock = File::create(directory.join("lock")).map_err(wrong)?;
        own(&lock).map_err(|error| {
            if error == Errno::WOULDBLOCK {
                StoreError::Locked { path: directory.to_owned() }
            } else {
                wrong(error.into())
            }
        })?;
        let file = directory.join(FILE);
        let connection = Connection::open(&file)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(wrong)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Small numbers: an idle daemon holds no more than it needs.
        connection.pragma_update(None, "cache_size", -512)?;
        let store = Self { connection: Arc::new(Mutex::new(connection)), _lock: Arc::new(lock) };
        store.prepare()?;
        Ok(store)
    }

    /// Makes the tables of a new file.
    fn prepare(&self) -> Result<(), StoreError> {
        self.write(|transaction| {
            let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            match found {
                0 => {
                    transaction.execute_batch(include_str!("tables.sql"))?;
                    transaction.pragma_update(None, "user_version", VERSION)?;
                    Ok(())
                }
                VERSION => Ok(()),
                _ => Err(StoreError::Newer { found }),
            }
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        look(&self.connection())
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection();
        #[cfg(test)]
        crash::point();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = change(&transaction)?;
        #[cfg(test)]
        crash::point();
        transaction.commit()?;
        #[cfg(test)]
        crash::point();
        Ok(result)
    }

    /// A panic elsewhere leaves no transaction open: it is rolled back when it is dropped.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locks the state. A child that the last daemon was just starting holds its lock too, until it has become another program; so
/// this tries again for a while.
fn own(lock: &File) -> Result<(), Errno> {
    let end = Instant::now() + Duration::from_secs(1);
    loop {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            locked => return locked,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
