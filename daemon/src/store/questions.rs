//! What a task asked a human, and what they said.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::notices::add_notice;
use super::turns::add_line;
use super::{Store, StoreError};
use crate::task::TaskId;

/// A question of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The task.
    pub task: TaskId,
    /// Which of its questions.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// What was answered.
    pub answer: Option<String>,
}

impl Store {
    /// Writes down a question, and leaves it to be asked of whoever asked for the task. A question that was asked before, by the
    /// same id, is not asked again.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn ask(&self, task: TaskId, id: &str, text: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let added = transaction.execute(
                "INSERT INTO questions (task, id, text, asked_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING",
                params![task.0, id, text, at.as_millisecond()],
            )?;
            if added == 0 {
                return Ok(());
            }
            add_line(transaction, task, &format!("question: {text}"), at)?;
            add_notice(transaction, task, &format!("Task {task} asks: {text}"), at)
        })
    }

    /// The oldest question of a task without an answer.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn open_question(&self, task: TaskId) -> Result<Option<Question>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT task, id, text, answer FROM questions WHERE task = ?1 AND answer IS NULL
                       ORDER BY asked_at, id LIMIT 1";
            Ok(connection.query_row(sql, [task.0], question).optional()?)
        })
    }

    /// All that a task asked, the first one first.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn questions(&self, task: TaskId) -> Result<Vec<Question>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT task, id, text, answer FROM questions WHERE task = ?1 ORDER BY asked_at, id";
            let mut statement = connection.prepare(sql)?;
            let questions = statement.query_map([task.0], question)?.collect::<Result<_, _>>()?;
            Ok(questions)
        })
    }

    /// Answers a question, once; a second answer changes nothing.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn answer(&self, task: TaskId, id: &str, answer: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "UPDATE questions SET answer = ?3, answered_at = ?4
                 WHERE task = ?1 AND id = ?2 AND answer IS NULL",
                params![task.0, id, answer, at.as_millisecond()],
            )?;
            add_line(transaction, task, &format!("answer: {answer}"), at)
        })
    }
}

fn question(row: &Row<'_>) -> rusqlite::Result<Question> {
    Ok(Question { task: TaskId(row.get(0)?), id: row.get(1)?, text: row.get(2)?, answer: row.get(3)? })
}
