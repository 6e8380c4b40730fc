//! Answers for a terminal.

use std::fmt::Write as _;

use crate::presence::{one_line, printable};
use crate::store::{Ending, Spent};
use crate::wire::{Answer, Status, TaskView};
use crate::words;

/// An answer as text that ends with a line end, or nothing.
pub(super) fn show(answer: &Answer) -> String {
    match answer {
        Answer::Status(status) => self::status(status),
        Answer::Queue { tasks } | Answer::History { tasks } => tasks_table(tasks),
        Answer::Cost { today, total } => cost(today, total),
        Answer::Log { lines } => {
            let mut text = String::new();
            for line in lines {
                let time = line.at.strftime("%Y-%m-%d %H:%M:%SZ");
                let _ = writeln!(text, "{time} task {} {}", line.task, printable(&line.text));
            }
            text
        }
        Answer::Healthy {} => String::new(),
        other => format!("{}\n", words::say(other)),
    }
}

fn status(status: &Status) -> String {
    let mut rows = vec![
        vec!["agent".to_owned(), format!("{} (daemon {})", status.agent, status.version)],
        vec!["presence".to_owned(), format!("{}: {}", status.show, status.words)],
    ];
    let xmpp = match status.online {
        None => "no account",
        Some(true) => "online",
        Some(false) => "offline",
    };
    rows.push(vec!["xmpp".to_owned(), xmpp.to_owned()]);
    if let Some(task) = &status.task {
        rows.push(vec!["task".to_owned(), format!("{} ({}) for {}", task.task, task.state, task.requester)]);
    }
    rows.push(vec!["waiting".to_owned(), status.waiting.to_string()]);
    rows.push(vec!["today".to_owned(), words::money(&status.today)]);
    columns(&rows)
}

fn tasks_table(tasks: &[TaskView]) -> String {
    let mut rows =
        vec![["TASK", "STATE", "ACCEPTED", "COST", "REQUESTER", "WHAT"].map(str::to_owned).to_vec()];
    for task in tasks {
        let cost = Spent { micro_dollars: task.micro_dollars, ..Spent::default() };
        let what = match &task.project {
            Some(project) => format!("{project}: {}", one_line(&task.text)),
            None => one_line(&task.text),
        };
        let why = match &task.ending {
            Some(Ending::Failed { what, cause, .. }) => {
                format!(" ({})", one_line(&format!("{what}: {cause}")))
            }
            _ => String::new(),
        };
        rows.push(vec![
            task.task.to_string(),
            task.state.to_string(),
            task.accepted.clone().unwrap_or_default(),
            words::money(&cost),
            task.requester.clone(),
            format!("{what}{why}"),
        ]);
    }
    columns(&rows)
}

fn cost(today: &Spent, total: &Spent) -> String {
    let mut rows = vec![["", "COST", "TOKENS IN", "TOKENS OUT", "TOKENS CACHED"].map(str::to_owned).to_vec()];
    for (name, spent) in [("today (UTC)", today), ("ever", total)] {
        rows.push(vec![
            name.to_owned(),
            words::money(spent),
            spent.tokens_in.to_string(),
            spent.tokens_out.to_string(),
            spent.tokens_cache.to_string(),
        ]);
    }
    columns(&rows)
}

/// Rows in columns, two spaces apart; the last column is as wide as it is.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
