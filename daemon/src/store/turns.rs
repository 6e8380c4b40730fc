//! The journal of a task: the model's turns, by which it is taken up again, and lines, which people read.

use jiff::Timestamp;
use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, rows};
use crate::task::TaskId;

/// A line of a task's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its number; later lines have higher ones.
    pub id: i64,
    /// The task.
    pub task: TaskId,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub text: String,
}

impl Store {
    /// Writes down a turn of the model before what it asks for is done. Returns its number, counted from 1.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; then nothing of the turn may be done.
    pub fn journal_turn(&self, task: TaskId, turn: &str, at: Timestamp) -> Result<u32, StoreError> {
        self.write(|transaction| {
            let number: u32 = transaction.query_row(
                "SELECT coalesce(max(number), 0) + 1 FROM turns WHERE task = ?1",
                [task.0],
                |row| row.get(0),
            )?;
            transaction
                .prepare("INSERT INTO turns (task, number, at, turn) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![task.0, number, at.as_millisecond(), turn])?;
            Ok(number)
        })
    }

    /// The turns of a task, the first one first.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn turns(&self, task: TaskId) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT turn FROM turns WHERE task = ?1 ORDER BY number")?;
            let turns = statement.query_map([task.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(turns)
        })
    }

    /// Adds a line to a task's log.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn log(&self, task: TaskId, text: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| add_line(transaction, task, text, at))
    }

    /// The lines of a task, or of all, after the line `after`; the last `limit` of them, in order.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn lines(&self, task: Option<TaskId>, after: i64, limit: u32) -> Result<Vec<Line>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT id, task, at, text FROM
                       (SELECT * FROM lines WHERE (?1 IS NULL OR task = ?1) AND id > ?2 ORDER BY id DESC LIMIT ?3)
                       ORDER BY id";
            let mut statement = connection.prepare(sql)?;
            let lines = statement.query_map(params![task.map(|task| task.0), after, limit], |row| {
                Ok(Line {
                    id: row.get(0)?,
                    task: TaskId(row.get(1)?),
                    at: rows::time(row, 2)?.unwrap_or_default(),
                    text: row.get(3)?,
                })
            })?;
            Ok(lines.collect::<Result<_, _>>()?)
        })
    }
}

pub(super) fn add_line(
    transaction: &Transaction<'_>,
    task: TaskId,
    text: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    transaction.prepare("INSERT INTO lines (task, at, text) VALUES (?1, ?2, ?3)")?.execute(params![
        task.0,
        at.as_millisecond(),
        text
    ])?;
    Ok(())
}
