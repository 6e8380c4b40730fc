//! The broker's policy file: who may ask for what, how long a human has, when nobody is asked.
//!
//! ```toml
//! approver = "josh@6bit.com"
//! timeout = 120
//!
//! [timeouts]
//! scale = 600
//!
//! [quiet_hours]
//! from = "22:00"
//! to = "07:00"
//! except = ["network"]
//!
//! [limits]
//! open = 4096
//! open_per_agent = 16
//! per_minute = 30
//!
//! [agents.ada]
//! may = ["sudo", "delegate"]
//! users = ["root"]
//! pre_approved = ["systemctl restart *"]
//! ```
//!
//! # Invariants
//!
//! - What is not declared is not allowed: an agent that the file does not name may ask for nothing.
//! - A file with a problem is no policy. Whoever starts without one refuses every request.

mod hours;

use std::{collections::BTreeMap, time::Duration};

use jid::BareJid;
use nuketown::{
    Problem,
    values::{AgentName, ApprovalTimeout},
};
use serde::Deserialize;

use crate::{Approver, Kind, Limits, Pattern, Payload, Request, Terms, UnixName, visible};
pub use hours::{Minute, QuietHours};

/// The largest policy file that is read, in bytes.
pub const POLICY_BYTES_MAX: usize = 1024 * 1024;

/// How long a human has, unless the file says otherwise: 120 seconds.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A policy, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    approver: Option<BareJid>,
    timeout: Duration,
    timeouts: BTreeMap<Kind, Duration>,
    quiet_hours: Option<QuietHours>,
    limits: Limits,
    agents: BTreeMap<AgentName, Rules>,
}

/// What one agent may ask for.
#[derive(Clone, Debug)]
struct Rules {
    may: Vec<Kind>,
    users: Vec<UnixName>,
    pre_approved: Vec<Pattern>,
    timeout: Option<Duration>,
}

/// What the policy says to a request.
#[derive(Clone, Debug)]
#[must_use = "an unread verdict would let the request be asked unchecked"]
pub enum Verdict {
    /// A human is asked, under these terms.
    Ask(Terms),
    /// It is pre-approved. The terms let [`crate::Channel::Rule`] answer, and nobody else is asked.
    PreApproved(Terms),
    /// Nobody is asked.
    Refuse(Forbidden),
}

/// Why nobody is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The agent is not named.
    #[error("the policy does not name `{0}`; add [agents.{0}]")]
    UnknownAgent(AgentName),
    /// The kind is not among the agent's.
    #[error("`{agent}` may not ask for {kind}; add it to agents.{agent}.may")]
    Kind {
        /// The agent.
        agent: AgentName,
        /// What it asked for.
        kind: Kind,
    },
    /// The user is not among the agent's.
    #[error("`{agent}` may not run commands as {user}; add it to agents.{agent}.users")]
    User {
        /// The agent.
        agent: AgentName,
        /// As whom.
        user: UnixName,
    },
    /// It is a quiet hour.
    #[error("nobody is asked in the quiet hours, {0}; ask later")]
    Quiet(QuietHours),
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// The first problem, with its place, the value found there and what was expected.
    pub fn from_toml(text: &str) -> Result<Self, Problem> {
        if text.len() > POLICY_BYTES_MAX {
            let cause = format!("it has {} bytes; at most {POLICY_BYTES_MAX} are read", text.len());
            return Err(Problem::new("the policy file is too large", cause));
        }
        let file = parsed(text)?;
        let seconds = |timeout: ApprovalTimeout| Duration::from_secs(timeout.get().into());
        let agents = file.agents.into_iter().map(|(name, rules)| Ok((name.clone(), rules.checked(&name)?)));
        Ok(Self {
            approver: file.approver.as_deref().map(approver).transpose()?,
            timeout: file.timeout.map_or(TIMEOUT, seconds),
            timeouts: file.timeouts.into_iter().map(|(kind, timeout)| (kind, seconds(timeout))).collect(),
            quiet_hours: file.quiet_hours,
            limits: file.limits.checked()?,
            agents: agents.collect::<Result<_, Problem>>()?,
        })
    }

    /// Says whether a human is asked about this request, at this minute of the human's local day.
    ///
    /// `dialog` is whether one can be shown here. Where nobody could answer, the request is opened all the same and
    /// expires: the agent learns that it was heard, and the audit log that it was made.
    pub fn decide(&self, request: &Request, local: Minute, dialog: bool) -> Verdict {
        let agent = &request.agent;
        let kind = request.payload.kind();
        let Some(rules) = self.agents.get(agent) else {
            return Verdict::Refuse(Forbidden::UnknownAgent(agent.clone()));
        };
        if let Some(forbidden) = rules.forbid(request) {
            return Verdict::Refuse(forbidden);
        }
        let timeout = rules.timeout.or_else(|| self.timeouts.get(&kind).copied()).unwrap_or(self.timeout);
        if rules.pre_approve(&request.payload) {
            return Verdict::PreApproved(Terms {
                approver: Approver { rule: true, ..Approver::default() },
                timeout,
            });
        }
        match &self.quiet_hours {
            Some(quiet) if quiet.hold(kind, local) => Verdict::Refuse(Forbidden::Quiet(quiet.clone())),
            _ => {
                let approver = Approver { dialog, jid: self.approver.clone(), rule: false };
                Verdict::Ask(Terms { approver, timeout })
            }
        }
    }

    /// The human's account, if there is one.
    #[must_use]
    pub fn approver(&self) -> Option<&BareJid> {
        self.approver.as_ref()
    }

    /// The bounds of the [`crate::Book`].
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

impl Rules {
    fn forbid(&self, request: &Request) -> Option<Forbidden> {
        let agent = request.agent.clone();
        let kind = request.payload.kind();
        if !self.may.contains(&kind) {
            return Some(Forbidden::Kind { agent, kind });
        }
        match &request.payload {
            Payload::Sudo(sudo) if !self.users.contains(&sudo.user) => {
                Some(Forbidden::User { agent, user: sudo.user.clone() })
            }
            _ => None,
        }
    }

    fn pre_approve(&self, payload: &Payload) -> bool {
        match payload {
            Payload::Sudo(sudo) => self.pre_approved.iter().any(|pattern| pattern.matches(sudo)),
            _ => false,
        }
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    approver: Option<String>,
    timeout: Option<ApprovalTimeout>,
    #[serde(default)]
    timeouts: BTreeMap<Kind, ApprovalTimeout>,
    quiet_hours: Option<QuietHours>,
    #[serde(default)]
    limits: FileLimits,
    #[serde(default)]
    agents: BTreeMap<AgentName, FileRules>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    open: Option<u32>,
    open_per_agent: Option<u32>,
    per_minute: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRules {
    may: Vec<Kind>,
    users: Option<Vec<String>>,
    #[serde(default)]
    pre_approved: Vec<String>,
    timeout: Option<ApprovalTimeout>,
}

impl FileLimits {
    /// The bounds, each from 1 to its default times 16: nobody reads more, and the memory for it is bounded.
    fn checked(self) -> Result<Limits, Problem> {
        let known = Limits::default();
        let bound = |name: &str, given: Option<u32>, default: usize| {
            let value = given.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX));
            if (1..=default * 16).contains(&value) {
                return Ok(value);
            }
            let cause = format!("limits.{name} is {value}; expected 1 to {}", default * 16);
            Err(Problem::new("the policy has a limit out of range", cause))
        };
        Ok(Limits {
            open: bound("open", self.open, known.open)?,
            open_per_agent: bound("open_per_agent", self.open_per_agent, known.open_per_agent)?,
            per_minute: bound("per_minute", self.per_minute, known.per_minute)?,
            ..known
        })
    }
}

impl FileRules {
    fn checked(self, agent: &AgentName) -> Result<Rules, Problem> {
        let wrong = |place: String, why: &crate::Malformed| {
            let found = format!("{place} {}; {}", why.found, why.expected);
            Problem::new(format!("the policy for agent `{agent}` cannot be used"), found)
        };
        let users = self.users.unwrap_or_else(|| vec!["root".to_owned()]);
        let users = users.iter().enumerate().map(|(index, user)| {
            user.parse().map_err(|why| wrong(format!("agents.{agent}.users[{index}]"), &why))
        });
        let patterns = self.pre_approved.iter().enumerate().map(|(index, pattern)| {
            pattern.parse().map_err(|why| wrong(format!("agents.{agent}.pre_approved[{index}]"), &why))
        });
        Ok(Rules {
            users: users.collect::<Result<_, _>>()?,
            pre_approved: patterns.collect::<Result<_, _>>()?,
            may: self.may,
            timeout: self.timeout.map(|timeout| Duration::from_secs(timeout.get().into())),
        })
    }
}

fn approver(text: &str) -> Result<BareJid, Problem> {
    let wrong = |why: &str| {
        let cause = format!("approver is {}; {why}", visible::quoted(text));
        Problem::new("the policy names no usable approver", cause)
            .hint("write the human's bare JID: josh@6bit.com")
    };
    let jid = BareJid::new(text).map_err(|error| wrong(&error.to_string()))?;
    if jid.node().is_some() { Ok(jid) } else { Err(wrong("the part before the @ is missing")) }
}

fn parsed(text: &str) -> Result<File, Problem> {
    let reader = toml::Deserializer::parse(text).map_err(|error| unreadable(text, None, &error))?;
    serde_path_to_error::deserialize(reader)
        .map_err(|error| unreadable(text, Some(&error.path().to_string()), error.inner()))
}

/// What the TOML reader says: the line, the option and the value there, and what was expected.
fn unreadable(text: &str, path: Option<&str>, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or_default();
    let line = text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1);
    let option =
        path.filter(|path| *path != ".").map_or(String::new(), |path| format!(", {}", visible::prose(path)));
    let found =
        text.get(span).filter(|found| !found.is_empty() && !found.starts_with('[') && !found.contains('\n'));
    let found =
        found.map_or(String::new(), |found| format!(" is {}", visible::quoted(found.trim_matches('"'))));
    let message = visible::prose(error.message());
    Problem::new("the policy file cannot be read", format!("line {line}{option}{found}: {message}"))
}

#[cfg(test)]
mod tests;
