//! What an agent asks for: who, what, where and until when.
//!
//! # Invariants
//!
//! - A [`Request`] is well formed; nothing behind its constructor checks it again.
//! - The agent's name in it is a claim. Who asks is known from the socket or the JID, and [`crate::Book`] takes it from there.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use nuketown::values::{AgentName, Egress, HostName, Seconds, TierName};

use crate::{
    AbsolutePath, Argv, Code, Digest, Environment, Identity, Malformed, Nonce, RequestId, UnixName, visible,
};

/// The most bytes of a task that is delegated: what a person reads before the answer.
pub const TASK_BYTES_MAX: usize = 4096;

/// The most destinations of one network request.
pub const EGRESS_MAX: usize = 32;

/// A request for a human's approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Correlates the request over all channels; unique among the agent's requests.
    pub id: RequestId,
    /// Who says that it asks.
    pub agent: AgentName,
    /// For what.
    pub payload: Payload,
    /// The directory in which the agent is.
    pub cwd: Option<AbsolutePath>,
    /// The machine on which the agent is.
    pub host: Option<HostName>,
    /// Makes the digest of this request its own.
    pub nonce: Option<Nonce>,
    /// After this instant nothing is granted, however long the message was on its way.
    pub expires: Option<Timestamp>,
    /// How long the agent waits, in seconds from when it asked.
    pub timeout: Option<Seconds>,
}

impl Request {
    /// What a decision is about: SHA-256 over all that decides what is granted. See [`Digest::of`].
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }

    /// The short name of the request for people.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::of(&self.digest())
    }
}

/// What is asked for, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A command as another user.
    Sudo(Sudo),
    /// A team of other agents for a task.
    Delegate(Delegate),
    /// Another tier of resources.
    Scale(Scale),
    /// A way out of the network policy.
    Network(Network),
}

impl Payload {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Sudo(_) => Kind::Sudo,
            Self::Delegate(_) => Kind::Delegate,
            Self::Scale(_) => Kind::Scale,
            Self::Network(_) => Kind::Network,
        }
    }
}

/// The kinds of request, by the names that `<kind>` and the policy use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A command as another user.
    Sudo,
    /// A team of other agents.
    Delegate,
    /// Another tier.
    Scale,
    /// A way out.
    Network,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Sudo, Self::Delegate, Self::Scale, Self::Network];

    /// As `<kind>` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sudo => "sudo",
            Self::Delegate => "delegate",
            Self::Scale => "scale",
            Self::Network => "network",
        }
    }
}

impl FromStr for Kind {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Malformed::new("<kind>", text, "expected sudo, delegate, scale or network"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A command as another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sudo {
    /// The arguments, as they will be executed.
    pub argv: Argv,
    /// The file that will be executed: resolved by the one who executes it, in a search path that the agent cannot change,
    /// with every symbolic link followed. None: the receiver cannot know, and matches no pre-approved pattern.
    pub program: Option<AbsolutePath>,
    /// Which file that is. None: the receiver cannot know.
    pub identity: Option<Identity>,
    /// What is added to the reset environment. Whoever adds something asks a person: no pattern matches.
    pub environment: Environment,
    /// As which user.
    pub user: UnixName,
    /// As which group, if not the user's own.
    pub group: Option<UnixName>,
}

/// A team of other agents for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegate {
    /// What they are to do.
    pub task: Prose,
    /// How many of which role.
    pub agents: Team,
}

/// Another tier of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The present tier, which the controller compares with the real one.
    pub from: TierName,
    /// The tier that is asked for.
    pub to: TierName,
}

/// A way out of the network policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// To where: 1 to [`EGRESS_MAX`].
    egress: Vec<Egress>,
    /// For how long, in seconds from the approval. None: as long as the receiver's policy says.
    pub duration: Option<Seconds>,
}

impl Network {
    /// Takes the destinations.
    ///
    /// # Errors
    ///
    /// If there is none, or there are more than [`EGRESS_MAX`].
    pub fn new(egress: Vec<Egress>, duration: Option<Seconds>) -> Result<Self, Malformed> {
        if (1..=EGRESS_MAX).contains(&egress.len()) {
            return Ok(Self { egress, duration });
        }
        let expected = format!("expected 1 to {EGRESS_MAX} of them, each like pypi.org:443");
        Err(Malformed::at("<egress>", format!("stands there {} times", egress.len()), expected))
    }

    /// To where.
    #[must_use]
    pub fn egress(&self) -> &[Egress] {
        &self.egress
    }
}

/// How many agents of which role: `3 researchers`, `2 search agents`, `3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    count: u8,
    role: Option<String>,
}

impl Team {
    /// How many: 1 to 100.
    #[must_use]
    pub fn count(&self) -> u8 {
        self.count
    }

    /// What they are: words of letters, digits and hyphens.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }
}

impl FromStr for Team {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (count, role) = text.split_once(' ').map_or((text, None), |(count, role)| (count, Some(role)));
        let digits = (1..=3).contains(&count.len()) && count.bytes().all(|b| b.is_ascii_digit());
        let number =
            count.parse().ok().filter(|n| digits && !count.starts_with('0') && (1..=100).contains(n));
        let is_word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        match number {
            Some(count) if role.is_none_or(|role| role.len() <= 64 && role.split(' ').all(is_word)) => {
                Ok(Self { count, role: role.map(str::to_owned) })
            }
            _ => Err(Malformed::new(
                "<agents>",
                text,
                "expected a number from 1 to 100 and a role, like \"3 researchers\"",
            )),
        }
    }
}

impl fmt::Display for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.count)?;
        self.role.iter().try_for_each(|role| write!(f, " {role}"))
    }
}

/// A text for people: 1 to [`TASK_BYTES_MAX`] bytes, not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prose(String);

impl Prose {
    /// The text as it was written, which may hold anything. Show [`crate::shown`] of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prose {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > TASK_BYTES_MAX {
            let found = format!("has {} bytes", text.len());
            return Err(Malformed::at(
                "<task>",
                found,
                format!("a person reads at most {TASK_BYTES_MAX}; shorten it"),
            ));
        }
        if !text.chars().any(|c| c.is_alphanumeric() || (c != ' ' && visible::in_command(c))) {
            return Err(Malformed::new("<task>", text, "say in words what is to be done"));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_request_are_refused_when_malformed() {
        for bad in ["", "0", "101", "3  researchers", "3 ", "03 x", "+3", "3 <b>", "three", "3 x\n"] {
            assert!(bad.parse::<Team>().is_err(), "{bad}");
        }
        for bad in ["", " \n", "\u{200b}", &"a".repeat(TASK_BYTES_MAX + 1)] {
            assert!(bad.parse::<Prose>().is_err(), "{bad}");
        }
    }

    #[test]
    fn team_is_read_as_it_is_written() {
        for text in ["3 researchers", "2 search agents", "1", "100 x-9"] {
            assert_eq!(text.parse::<Team>().unwrap().to_string(), text);
        }
    }
}
