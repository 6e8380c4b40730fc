//! What the agent is asked to do.
//!
//! # Invariants
//!
//! - A task that was accepted ends in exactly one final [`State`].
//! - [`State`] only moves along [`State::may_become`].

use std::fmt;
use std::str::FromStr;

use nuketown_xmpp::jid::BareJid;
use serde::{Deserialize, Serialize};

/// The longest text of a task, in bytes. A longer one belongs into a file of the project.
pub const TEXT_MAX: usize = 16 * 1024;

/// The number of a task: counted from 1, never used again, short enough to be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub i64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A task that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// Who asked, and hears of it.
    pub requester: Requester,
    /// The project that it is about; without one it is about the machine, and runs in the agent's home.
    pub project: Option<Project>,
    /// The branch to work on; without one, the one that is checked out, or the remote's default.
    pub branch: Option<Branch>,
    /// What is to be done, in words. At most [`TEXT_MAX`] bytes, never empty.
    pub text: String,
    /// Whether a person is to work along.
    pub mode: Mode,
    /// How far it is.
    pub state: State,
}

/// Who asked for a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Requester {
    /// An account on XMPP; with a room, in that room, where the answers go.
    Xmpp {
        /// The account.
        jid: BareJid,
        /// The room.
        room: Option<BareJid>,
    },
    /// A user of this machine, by the local socket (`SO_PEERCRED`).
    Local {
        /// The user's id.
        uid: u32,
    },
}

/// `local:1000`, `xmpp:josh@6bit.com` or `xmpp:josh@6bit.com in:room@rooms.6bit.com`.
impl fmt::Display for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { uid } => write!(f, "local:{uid}"),
            Self::Xmpp { jid, room: None } => write!(f, "xmpp:{jid}"),
            Self::Xmpp { jid, room: Some(room) } => write!(f, "xmpp:{jid} in:{room}"),
        }
    }
}

/// A text that is none of the kind it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no {kind}: {expected}")]
pub struct Unreadable {
    kind: &'static str,
    found: String,
    expected: &'static str,
}

impl Unreadable {
    fn new(kind: &'static str, found: &str, expected: &'static str) -> Self {
        Self { kind, found: found.to_owned(), expected }
    }
}

impl FromStr for Requester {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || Unreadable::new("requester", text, "expected local:UID or xmpp:JID");
        if let Some(uid) = text.strip_prefix("local:") {
            return Ok(Self::Local { uid: uid.parse().map_err(|_| unreadable())? });
        }
        let address = text.strip_prefix("xmpp:").ok_or_else(unreadable)?;
        // A JID holds no space (RFC 7622 section 3.3).
        let (jid, room) = match address.split_once(" in:") {
            Some((jid, room)) => (jid, Some(room.parse().map_err(|_| unreadable())?)),
            None => (address, None),
        };
        Ok(Self::Xmpp { jid: jid.parse().map_err(|_| unreadable())?, room })
    }
}

/// The name of a project, which is its directory below `~/projects` and its session's name in tmux: letters, digits, `-`, `_`
/// and `.`, beginning with a letter or digit, at most 64 bytes. So it is no path, no option, and no other session's target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Project(String);

impl TryFrom<String> for Project {
    type Error = Unreadable;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Project> for String {
    fn from(name: Project) -> Self {
        name.0
    }
}

impl Project {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Project {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let whole = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.len() <= 64
            && text.chars().all(inside)
            && !text.ends_with('.');
        if whole {
            Ok(Self(text.to_owned()))
        } else {
            Err(Unreadable::new(
                "project",
                text,
                "expected at most 64 letters, digits, `-`, `_` and `.`, the first a letter or digit",
            ))
        }
    }
}

/// The name of a branch, by the rules of git-check-ref-format(1) and with fewer characters: letters, digits, `-`, `_`, `.`, `/`,
/// `+` and `#`, at most 200 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Branch(String);

impl TryFrom<String> for Branch {
    type Error = Unreadable;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Branch> for String {
    fn from(name: Branch) -> Self {
        name.0
    }
}

impl Branch {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Branch {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '#');
        let part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && !part.ends_with('.')
                && std::path::Path::new(part).extension().is_none_or(|end| end != "lock")
        };
        let whole = !text.is_empty()
            && text.len() <= 200
            && !text.starts_with('-')
            && text.chars().all(inside)
            && !text.contains("..")
            && text.split('/').all(part);
        if whole {
            Ok(Self(text.to_owned()))
        } else {
            Err(Unreadable::new(
                "branch",
                text,
                "expected at most 200 letters, digits, `-`, `_`, `.`, `/`, `+` and `#`, as git has them",
            ))
        }
    }
}

/// Whether a person is to work along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In a terminal (tmux), where a person can join.
    Interactive,
    /// By itself.
    Headless,
}

/// How far a task is.
///
/// ```text
///   accepted ─▶ bootstrapping ─▶ working ─▶ done
///                    ▲ │          ▲ │
///                    │ ▼          │ ▼
///                    blocked ─────┘
///   any of these ─▶ failed, cancelled, interrupted
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is written down, and waits for its turn.
    Accepted,
    /// Its workspace is being prepared.
    Bootstrapping,
    /// It is being worked on.
    Working,
    /// It waits for a human: an approval, or an answer to a question.
    Blocked,
    /// It was done. Final.
    Done,
    /// It could not be done. Final.
    Failed,
    /// Somebody did not want it any more. Final.
    Cancelled,
    /// The daemon was gone in the middle of it, and it could not be taken up again. Final.
    Interrupted,
}

impl State {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Bootstrapping,
        Self::Working,
        Self::Blocked,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// Its name, as it is stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Bootstrapping => "bootstrapping",
            Self::Working => "working",
            Self::Blocked => "blocked",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether nothing can change it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled | Self::Interrupted)
    }

    /// Whether the task has begun and not ended.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Bootstrapping | Self::Working | Self::Blocked)
    }

    /// Whether the step to `next` exists.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Accepted, Self::Bootstrapping | Self::Failed | Self::Cancelled)
            | (Self::Bootstrapping, Self::Working | Self::Blocked)
            | (Self::Working, Self::Blocked | Self::Done)
            | (Self::Blocked, Self::Bootstrapping | Self::Working) => true,
            _ => self.is_running() && matches!(next, Self::Failed | Self::Cancelled | Self::Interrupted),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or_else(|| Unreadable::new("state", text, "expected the name of a task's state"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_state_has_a_name_of_its_own_that_is_read_back() {
        for state in State::ALL {
            assert_eq!(state.name().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }

    #[test]
    fn final_states_lead_nowhere_and_every_other_one_can_end() {
        for state in State::ALL {
            for next in State::ALL {
                assert!(!(state.is_final() && state.may_become(next)), "{state} became {next}");
            }
            assert!(state.is_final() || state.may_become(State::Cancelled));
            assert!(state.is_final() || state.may_become(State::Failed));
        }
    }

    #[test]
    fn requester_is_read_back() {
        for text in ["local:1000", "xmpp:josh@6bit.com", "xmpp:josh@6bit.com in:town@rooms.6bit.com"] {
            assert_eq!(text.parse::<Requester>().unwrap().to_string(), text);
        }
        for text in ["", "local:", "local:-1", "josh@6bit.com", "xmpp:", "xmpp:a@b in:"] {
            assert!(text.parse::<Requester>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn project_is_no_path_and_no_option() {
        for good in ["nuketown", "mod_x", "a.b", "9front", "Rotorflight-2.2"] {
            assert_eq!(good.parse::<Project>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "-x", "a/b", "../x", "a b", "a.", ".git", "a:b", "a\0", "ä", "$HOME"] {
            assert!(bad.parse::<Project>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn branch_is_one_that_git_takes_and_no_option() {
        for good in ["main", "feature/udev", "v1.2", "fix-#12", "a+b"] {
            assert_eq!(good.parse::<Branch>().unwrap().as_str(), good);
        }
        for bad in [
            "", "-d", "a..b", "a//b", "/a", "a/", ".a", "a/.b", "a.", "x.lock", "a b", "a~1", "a^", "a:b",
            "@{u}",
        ] {
            assert!(bad.parse::<Branch>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_refused_and_what_is_taken_stays_inside(text in "[a-z./@-]{0,12}|\\PC{0,20}") {
            if let Ok(project) = text.parse::<Project>() {
                let path = std::path::Path::new("/p").join(project.as_str());
                prop_assert_eq!(path.components().count(), 3);
            }
            let _ = text.parse::<Branch>();
            let _ = text.parse::<Requester>();
        }
    }
}
