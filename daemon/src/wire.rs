//! What programs say to the daemon, and what it answers: JSON, one object a line on the local socket, or one object in a message
//! on XMPP.

use serde::{Deserialize, Serialize};

use crate::store::{Ending, Line, Spent};
use crate::task::{Branch, Mode, Project, State, TaskId};

/// The longest line on the socket, in bytes.
pub const LINE_MAX: usize = 64 * 1024;

/// What is wanted. Fields that are not listed are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// A task is to be done.
    Task {
        /// The project that it is about; without one it is about the machine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<Project>,
        /// The branch to work on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<Branch>,
        /// What is to be done.
        text: String,
        /// Whether a person is to work along.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<Mode>,
    },
    /// How is the agent?
    Status {},
    /// What waits?
    Queue {},
    /// A task is not wanted any more.
    Cancel {
        /// Which one; without, the one that runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
    },
    /// What happened?
    Log {
        /// In which task; without, in the newest one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        /// Whether to go on with what happens next, of every task if none is named. On the socket only.
        #[serde(default)]
        follow: bool,
    },
    /// What was asked for before?
    History {
        /// How many tasks at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// What was spent?
    Cost {},
    /// The answer to a question of a task.
    Answer {
        /// Which task; without, the one that runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        /// The answer.
        text: String,
    },
    /// Is there a way to the approver? Asks them for an approval of which nothing comes. On the socket only.
    ApproveTest {},
    /// Is the daemon alive, is it ready? On the socket only.
    Health {
        /// Which of the two.
        probe: Probe,
    },
}

/// What a probe is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// Whether the daemon does anything at all.
    Live,
    /// Whether it can be reached by those who may ask for tasks.
    Ready,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Answer {
    /// The task was accepted.
    Accepted {
        /// Its number.
        task: TaskId,
        /// Its place among those that wait, from 1; 0 if it begins at once.
        position: usize,
        /// What the agent is working on meanwhile.
        working_on: Option<String>,
        /// Whether this very message had been heard before.
        repeated: bool,
    },
    /// How the agent is.
    Status(Box<Status>),
    /// What runs and what waits, in order.
    Queue {
        /// The tasks.
        tasks: Vec<TaskView>,
    },
    /// The task ends, or has ended.
    Cancelled {
        /// Which one.
        task: TaskId,
    },
    /// What happened.
    Log {
        /// In order.
        lines: Vec<Line>,
    },
    /// What was asked for, the newest first.
    History {
        /// The tasks.
        tasks: Vec<TaskView>,
    },
    /// What was spent.
    Cost {
        /// Since midnight in UTC.
        today: Spent,
        /// Ever.
        total: Spent,
    },
    /// The question is answered.
    Answered {
        /// Of which task.
        task: TaskId,
    },
    /// The probe holds.
    Healthy {},
    /// The approver was asked.
    Decided {
        /// Whether they approved.
        approved: bool,
        /// How it went, in words.
        outcome: String,
    },
    /// Something about a task that its requester did not ask for just now.
    Notice {
        /// The task.
        task: TaskId,
        /// Its state.
        state: State,
        /// What there is to say.
        text: String,
    },
    /// It is refused, or failed.
    Error {
        /// What failed.
        what: String,
        /// Why.
        cause: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

impl Answer {
    /// A refusal without advice.
    pub fn error(what: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Error { what: what.into(), cause: cause.into(), hint: None }
    }

    /// The same refusal with advice.
    #[must_use]
    pub fn with_hint(self, advice: impl Into<String>) -> Self {
        match self {
            Self::Error { what, cause, .. } => Self::Error { what, cause, hint: Some(advice.into()) },
            other => other,
        }
    }

    /// As one line of JSON, without its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Our own types have string keys and no reason to fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// How the agent is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The agent's name.
    pub agent: String,
    /// The version of its daemon.
    pub version: String,
    /// What the contact list shows (RFC 6121 section 4.7.2.1): `chat`, `dnd` or `away`.
    pub show: String,
    /// The words beside it.
    pub words: String,
    /// Whether it is on XMPP now; nothing where it has no account.
    pub online: Option<bool>,
    /// What it is working on.
    pub task: Option<TaskView>,
    /// How many tasks wait.
    pub waiting: usize,
    /// What was spent since midnight in UTC.
    pub today: Spent,
}

/// A task, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// Its number.
    pub task: TaskId,
    /// How far it is.
    pub state: State,
    /// Who asked.
    pub requester: String,
    /// The project.
    pub project: Option<Project>,
    /// The branch.
    pub branch: Option<Branch>,
    /// What is to be done.
    pub text: String,
    /// Whether a person works along.
    pub mode: Mode,
    /// When it was accepted, RFC 3339.
    pub accepted: Option<String>,
    /// When it was begun.
    pub started: Option<String>,
    /// When it ended.
    pub ended: Option<String>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Millionths of a dollar that it cost so far.
    pub micro_dollars: i64,
}

/// Reads what a program wants.
///
/// # Errors
///
/// Says what is wrong, as an [`Answer::Error`].
pub fn read(text: &str) -> Result<Ask, Answer> {
    if text.len() > LINE_MAX {
        let cause = format!("it has {} bytes, and {LINE_MAX} is the limit", text.len());
        return Err(Answer::error("the request is too long", cause));
    }
    serde_json::from_str(text).map_err(|error| {
        Answer::error("the request cannot be read", error.to_string())
            .with_hint("send one JSON object, such as {\"type\":\"status\"}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn request_is_read_and_what_it_does_not_know_is_refused() {
        let task = r#"{"type":"task","project":"nuketown","branch":"fix/udev","text":"fix udev"}"#;
        assert!(matches!(read(task), Ok(Ask::Task { mode: None, .. })));
        for (bad, why) in [
            (r#"{"type":"task","text":"x","projct":"y"}"#, "unknown field `projct`"),
            (r#"{"type":"status","x":1}"#, "unknown field `x`"),
            (r#"{"type":"launch"}"#, "unknown variant `launch`"),
            (r#"{"type":"task","text":"x","project":"../x"}"#, "is no project"),
            (r#"{"type":"task","text":"x","branch":"-d"}"#, "is no branch"),
            (r#"{"type":"cancel","task":"1"}"#, "invalid type"),
            ("work on x", "expected value"),
        ] {
            match read(bad) {
                Err(Answer::Error { cause, .. }) => assert!(cause.contains(why), "{bad}: {cause}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
        let long = format!(r#"{{"type":"task","text":"{}"}}"#, "x".repeat(LINE_MAX));
        assert!(matches!(read(&long), Err(Answer::Error { what, .. }) if what.contains("too long")));
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused_and_what_is_read_can_be_written(text in "\\PC{0,40}|\\{\"type\":\"[a-z-]{0,8}\"\\}") {
            if let Ok(ask) = read(&text) {
                prop_assert_eq!(read(&serde_json::to_string(&ask).unwrap()).unwrap(), ask);
            }
        }
    }
}
