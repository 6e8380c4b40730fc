//! Answers in words, for chat.

use std::fmt::Write as _;

use crate::presence::{one_line, printable};
use crate::store::{Ending, Spent};
use crate::task::{Project, Task};
use crate::wire::{Answer, Status, TaskView};

/// The most that is said at once, in bytes: far below what a server passes on (64 KiB), and as much as anybody reads in a chat.
const SAID_MAX: usize = 8 * 1024;

/// Lines of a list at most.
const LISTED_MAX: usize = 20;

/// An answer, as the agent says it.
#[must_use]
pub fn say(answer: &Answer) -> String {
    let text = match answer {
        Answer::Accepted { task, position: 0, repeated: false, .. } => format!("Task {task}: on it."),
        Answer::Accepted { task, repeated: true, .. } => format!("I have that already, as task {task}."),
        Answer::Accepted { task, position, working_on, .. } => match working_on {
            Some(work) => {
                format!("Currently working on {work}. Yours is number {position} in the queue (task {task}).")
            }
            None => format!("Yours is number {position} in the queue (task {task})."),
        },
        Answer::Status(status) => self::status(status),
        Answer::Queue { tasks } | Answer::History { tasks } if tasks.is_empty() => {
            "There is no task.".to_owned()
        }
        Answer::Queue { tasks } | Answer::History { tasks } => list(tasks),
        Answer::Cancelled { task } => format!("Task {task} is cancelled."),
        Answer::Log { lines } if lines.is_empty() => "Nothing has happened yet.".to_owned(),
        Answer::Log { lines } => {
            let line = |line: &crate::store::Line| format!("{} {}", line.at.strftime("%H:%M:%S"), line.text);
            lines.iter().map(line).collect::<Vec<_>>().join("\n")
        }
        Answer::Cost { today, total } => {
            format!("Today {}, ever {} (days are of UTC).", money(today), money(total))
        }
        Answer::Answered { task } => format!("Thank you. Task {task} goes on."),
        Answer::Healthy {} => "Yes.".to_owned(),
        Answer::Decided { outcome, .. } => outcome.clone(),
        Answer::Notice { text, .. } => text.clone(),
        Answer::Error { what, cause, hint } => {
            format!("{what}: {cause}.{}", hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})")))
        }
    };
    bounded(&text)
}

/// What can be said to the agent.
#[must_use]
pub fn help(name: &str, free: bool) -> String {
    let free = if free { "Anything else is a task about this machine.\n" } else { "" };
    format!(
        "work on PROJECT[@BRANCH] -- what to do\n\
         do what to do on the machine\n\
         status: what I do now\n\
         queue: what waits\n\
         cancel [NUMBER]: end a task\n\
         log [NUMBER]: what happened\n\
         history, cost: what was, and what it cost\n\
         answer [NUMBER] your words: answer a question\n\
         {free}In a room, begin with \"{name},\"."
    )
}

/// What a task is about, in a few words.
#[must_use]
pub fn about(task: &Task) -> String {
    titled(task.project.as_ref(), &task.text)
}

fn titled(project: Option<&Project>, text: &str) -> String {
    match project {
        Some(project) => format!("{project}: {}", one_line(text)),
        None => one_line(text),
    }
}

/// How a task ended, for whoever asked for it.
#[must_use]
pub fn ended(task: &Task, ending: &Ending, spent: &Spent) -> String {
    let id = task.id;
    let text = match ending {
        Ending::Done { summary, branch, commits } => {
            let mut text = format!("Task {id} is done ({}). {summary}", money(spent));
            if let Some(branch) = branch {
                let _ = write!(text, "\nBranch: {branch}");
            }
            for commit in commits.iter().take(LISTED_MAX) {
                let _ = write!(text, "\nCommit: {commit}");
            }
            if commits.len() > LISTED_MAX {
                let _ = write!(text, "\nand {} more commits", commits.len() - LISTED_MAX);
            }
            text
        }
        Ending::Failed { what, cause, hint } => {
            let hint = hint.as_ref().map_or_else(String::new, |hint| format!("\n{hint}"));
            format!("Task {id} failed: {what}: {cause}.{hint}")
        }
        Ending::Cancelled { by } => format!("Task {id} was cancelled by {by}."),
        Ending::Interrupted => format!(
            "Task {id} was interrupted and not taken up again: {}. Ask for it again if it is still wanted.",
            about(task)
        ),
    };
    bounded(&text)
}

fn status(status: &Status) -> String {
    let mut text = status.words.clone();
    if let Some(task) = &status.task {
        let _ = write!(text, "\nTask {} ({}), for {}", task.task, task.state, task.requester);
    }
    let _ = write!(text, "\n{} waiting, {} spent today", status.waiting, money(&status.today));
    text
}

fn list(tasks: &[TaskView]) -> String {
    let line = |task: &TaskView| {
        format!("{} {}: {}", task.task, task.state, titled(task.project.as_ref(), &task.text))
    };
    let mut text = tasks.iter().take(LISTED_MAX).map(line).collect::<Vec<_>>().join("\n");
    if tasks.len() > LISTED_MAX {
        let _ = write!(text, "\nand {} more", tasks.len() - LISTED_MAX);
    }
    text
}

/// Money, in dollars and cents; less than a cent is not hidden.
#[must_use]
pub fn money(spent: &Spent) -> String {
    let micro = spent.micro_dollars;
    if micro > 0 && micro < 10_000 {
        "less than $0.01".to_owned()
    } else {
        format!("${}.{:02}", micro / 1_000_000, micro / 10_000 % 100)
    }
}

/// The text as XML carries it, cut where nobody would read on; what is cut is said.
#[must_use]
pub fn bounded(text: &str) -> String {
    let text = printable(text);
    if text.len() <= SAID_MAX {
        return text;
    }
    let end = (0..=SAID_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…\n({} bytes more are in the log on the machine)", &text[..end], text.len() - end)
}
