//! Who is who: which user of this machine and which XMPP account is which agent.

use std::collections::BTreeMap;

use nuketown::{Problem, values::AgentName};
use nuketown_xmpp::jid::BareJid;
use serde::Deserialize;

/// What the configuration says of the agents.
#[derive(Clone, Debug, Default)]
pub struct Agents {
    known: BTreeMap<AgentName, Agent>,
}

#[derive(Clone, Debug)]
struct Agent {
    role: String,
    user: Option<User>,
    jid: Option<BareJid>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum User {
    Name(String),
    Uid(u32),
}

/// One agent as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default)]
    role: String,
    user: Option<String>,
    uid: Option<u32>,
    jid: Option<String>,
}

/// What the system calls its users: a lookup in the user database, or a test's own.
pub trait Users {
    /// The name of the user with this uid, if it has one.
    ///
    /// # Errors
    ///
    /// The user database cannot be read. Nobody is authenticated then.
    fn name(&self, uid: u32) -> Result<Option<String>, String>;
}

impl Agents {
    pub(super) fn checked(written: BTreeMap<AgentName, Written>) -> Result<Self, Problem> {
        let known = written.into_iter().map(|(name, agent)| Ok((name.clone(), agent.checked(&name)?)));
        let agents = Self { known: known.collect::<Result<_, Problem>>()? };
        agents.check_apart()?;
        Ok(agents)
    }

    /// The agent that a user of this machine is: the one whose `user` or `uid` says so, else the one of the same name, unless
    /// that one is somebody else by its own `user` or `uid`.
    ///
    /// # Errors
    ///
    /// Why this user is no agent.
    pub fn by_uid(&self, uid: u32, users: &dyn Users) -> Result<AgentName, String> {
        let by_number = self.known.iter().find(|(_, agent)| agent.user == Some(User::Uid(uid)));
        if let Some((name, _)) = by_number {
            return Ok(name.clone());
        }
        let user =
            users.name(uid)?.ok_or_else(|| format!("uid {uid} is no user of this machine and no agent"))?;
        let by_name = self.known.iter().find(|(_, agent)| agent.user == Some(User::Name(user.clone())));
        if let Some((name, _)) = by_name {
            return Ok(name.clone());
        }
        let same: AgentName =
            user.parse().map_err(|_| format!("user {} is no agent", nuketown_approval::shown(&user)))?;
        match self.known.get(&same) {
            Some(Agent { user: Some(_), .. }) => {
                Err(format!("user {same} is not agent {same}: agents.{same} names another user"))
            }
            _ => Ok(same),
        }
    }

    /// Whether an XMPP account may speak for this agent.
    #[must_use]
    pub fn is_account_of(&self, jid: &BareJid, agent: &AgentName) -> bool {
        self.known.get(agent).is_some_and(|known| known.jid.as_ref() == Some(jid))
    }

    /// Whether an XMPP account is an agent's.
    #[must_use]
    pub fn has_account(&self, jid: &BareJid) -> bool {
        self.known.values().any(|known| known.jid.as_ref() == Some(jid))
    }

    /// The role that is shown beside an agent's name.
    #[must_use]
    pub fn role(&self, agent: &AgentName) -> &str {
        self.known.get(agent).map_or("", |known| &known.role)
    }

    /// One user is one agent: else what it asks would be somebody else's, too.
    fn check_apart(&self) -> Result<(), Problem> {
        let mut seen: Vec<(&User, &AgentName)> = Vec::new();
        for (name, agent) in &self.known {
            let Some(user) = &agent.user else { continue };
            if let Some((_, other)) = seen.iter().find(|(known, _)| *known == user) {
                let cause = format!("agents.{other} and agents.{name} are the same user");
                return Err(
                    Problem::new("two agents are one user", cause).hint("give each agent a user of its own")
                );
            }
            seen.push((user, name));
        }
        Ok(())
    }
}

impl Written {
    fn checked(self, name: &AgentName) -> Result<Agent, Problem> {
        let wrong = |cause: String| Problem::new("the configuration cannot be used", cause);
        let user = match (self.user, self.uid) {
            (Some(_), Some(_)) => {
                return Err(wrong(format!(
                    "agents.{name} has both user and uid; one of them says who it is"
                )));
            }
            (Some(user), None) => Some(User::Name(user)),
            (None, uid) => uid.map(User::Uid),
        };
        let jid = self.jid.map(|text| {
            let place = format!("agents.{name}.jid is \"{}\"", nuketown_approval::shown(&text));
            let jid = BareJid::new(&text).map_err(|error| wrong(format!("{place}; {error}")))?;
            match jid.node() {
                Some(_) => Ok(jid),
                None => Err(wrong(format!("{place}; the part before the @ is missing"))),
            }
        });
        if self.role.len() > 64 || self.role.chars().any(char::is_control) {
            return Err(wrong(format!("agents.{name}.role is not a few words on one line")));
        }
        Ok(Agent { role: self.role, user, jid: jid.transpose()? })
    }
}
