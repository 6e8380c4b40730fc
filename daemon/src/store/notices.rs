//! What is still to be said to somebody on XMPP. It stays here until the server has it.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Store, StoreError, rows};
use crate::task::{Requester, TaskId};

/// How a requester wants to hear of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In words.
    Text,
    /// As JSON, for programs.
    Json,
}

impl Form {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Something to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number, never used again.
    pub id: i64,
    /// The task that it is about.
    pub task: TaskId,
    /// Whom it is for.
    pub requester: Requester,
    /// In which form.
    pub form: Form,
    /// What.
    pub text: String,
}

impl Store {
    /// Leaves something to be said to the requester of a task. What is for a user of this machine is not kept: it is in the log.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn notice(&self, task: TaskId, text: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| add_notice(transaction, task, text, at))
    }

    /// What is to be said next.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn next_notice(&self) -> Result<Option<Notice>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT id, task, requester, form, text FROM notices ORDER BY id LIMIT 1";
            let notice = connection.prepare(sql)?.query_row([], |row| {
                Ok(Notice {
                    id: row.get(0)?,
                    task: TaskId(row.get(1)?),
                    requester: rows::requester(row, 2)?,
                    form: if row.get_ref(3)?.as_str()? == "json" { Form::Json } else { Form::Text },
                    text: row.get(4)?,
                })
            });
            Ok(notice.optional()?)
        })
    }

    /// It was said.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; then it may be said twice.
    pub fn said(&self, notice: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM notices WHERE id = ?1", [notice])?;
            Ok(())
        })
    }
}

pub(super) fn add_notice(
    transaction: &Transaction<'_>,
    task: TaskId,
    text: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    transaction
        .prepare(
            "INSERT INTO notices (task, requester, form, text, at)
             SELECT id, requester, form, ?2, ?3 FROM tasks WHERE id = ?1 AND requester LIKE 'xmpp:%'",
        )?
        .execute(params![task.0, text, at.as_millisecond()])?;
    Ok(())
}
