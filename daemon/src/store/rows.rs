//! How values of the program stand in columns.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Row, RowIndex};

use crate::task::{Mode, Requester, Task, TaskId};

/// The columns of [`task`], in this order.
pub(super) const TASK: &str = "tasks.id, requester, project, branch, tasks.text, mode, state";

pub(super) fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        id: TaskId(row.get(0)?),
        requester: parsed(row, 1)?,
        project: optional(row, 2)?,
        branch: optional(row, 3)?,
        text: row.get(4)?,
        mode: mode(row, 5)?,
        state: parsed(row, 6)?,
    })
}

pub(super) const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Interactive => "interactive",
        Mode::Headless => "headless",
    }
}

fn mode(row: &Row<'_>, column: usize) -> rusqlite::Result<Mode> {
    match row.get_ref(column)?.as_str()? {
        "interactive" => Ok(Mode::Interactive),
        "headless" => Ok(Mode::Headless),
        other => Err(unreadable(column, format!("{other:?} is no mode of a task").into())),
    }
}

pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|error| unreadable(column, Box::new(error)))
}

fn optional<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?
        .as_str_or_null()?
        .map(|text| text.parse().map_err(|error| unreadable(column, Box::new(error))))
        .transpose()
}

pub(super) fn requester(row: &Row<'_>, column: usize) -> rusqlite::Result<Requester> {
    parsed(row, column)
}

pub(super) fn time(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<Timestamp>> {
    let milliseconds: Option<i64> = row.get(column)?;
    // What jiff cannot express was never written by this program.
    Ok(milliseconds.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok()))
}

fn unreadable(column: usize, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
}
