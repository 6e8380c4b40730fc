//! What tasks cost.

use jiff::{Timestamp, tz::TimeZone};
use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::task::TaskId;

/// What one answer of the model cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Tokens that were read, without those from the cache.
    pub tokens_in: u64,
    /// Tokens that were written.
    pub tokens_out: u64,
    /// Tokens that were read from the cache or written to it.
    pub tokens_cache: u64,
    /// Money, in millionths of a dollar.
    pub micro_dollars: u64,
}

/// A sum of costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// See [`Cost::tokens_in`].
    pub tokens_in: i64,
    /// See [`Cost::tokens_out`].
    pub tokens_out: i64,
    /// See [`Cost::tokens_cache`].
    pub tokens_cache: i64,
    /// See [`Cost::micro_dollars`].
    pub micro_dollars: i64,
}

impl Store {
    /// Writes down what an answer cost. Numbers beyond what SQLite counts (`i64`) are cut to that.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn add_cost(&self, task: TaskId, cost: Cost, at: Timestamp) -> Result<(), StoreError> {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO costs (task, at, tokens_in, tokens_out, tokens_cache, micro_dollars)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    task.0,
                    at.as_millisecond(),
                    count(cost.tokens_in),
                    count(cost.tokens_out),
                    count(cost.tokens_cache),
                    count(cost.micro_dollars),
                ],
            )?;
            Ok(())
        })
    }

    /// What was spent since midnight, in UTC.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn spent_today(&self, now: Timestamp) -> Result<Spent, StoreError> {
        let midnight = now.to_zoned(TimeZone::UTC).start_of_day();
        let since = midnight.map_or(i64::MIN, |midnight| midnight.timestamp().as_millisecond());
        self.spent("at >= ?1", since)
    }

    /// What a task cost so far.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn spent_on(&self, task: TaskId) -> Result<Spent, StoreError> {
        self.spent("task = ?1", task.0)
    }

    /// What was ever spent.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    pub fn spent_ever(&self) -> Result<Spent, StoreError> {
        self.spent("at >= ?1", i64::MIN)
    }

    fn spent(&self, condition: &str, value: i64) -> Result<Spent, StoreError> {
        // total() adds as floating point and never overflows; sum() of integers fails then.
        let sql = format!(
            "SELECT total(tokens_in), total(tokens_out), total(tokens_cache), total(micro_dollars)
             FROM costs WHERE {condition}"
        );
        self.read(|connection| {
            let spent = connection.prepare(&sql)?.query_row([value], |row| {
                Ok(Spent {
                    tokens_in: whole(row.get(0)?),
                    tokens_out: whole(row.get(1)?),
                    tokens_cache: whole(row.get(2)?),
                    micro_dollars: whole(row.get(3)?),
                })
            });
            Ok(spent?)
        })
    }
}

/// A sum as a whole number; exact up to 2^53, which is nine thousand million dollars.
#[allow(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, which is what a sum that large should do"
)]
fn whole(sum: f64) -> i64 {
    sum as i64
}
