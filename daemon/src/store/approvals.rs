//! What a human was asked to approve, and what became of it.

use jiff::Timestamp;
use rusqlite::params;

use super::{Store, StoreError};
use crate::task::TaskId;

impl Store {
    /// Writes down a request before it goes out.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; then it may not go out.
    pub fn approval_asked(
        &self,
        id: &str,
        task: Option<TaskId>,
        kind: &str,
        shown: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO approvals (id, task, kind, shown, asked_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id, task.map(|task| task.0), kind, shown, at.as_millisecond()],
            )?;
            Ok(())
        })
    }

    /// Writes down the decision before anything comes of it. The first one stays.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; then nothing may come of it.
    pub fn approval_decided(&self, id: &str, outcome: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "UPDATE approvals SET decided_at = ?2, outcome = ?3 WHERE id = ?1 AND outcome IS NULL",
                params![id, at.as_millisecond(), outcome],
            )?;
            Ok(())
        })
    }
}
