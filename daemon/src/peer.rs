//! Who is heard: the approver, the town's agents, and the owner of the socket. Nobody else.
//!
//! # Invariants
//!
//! - Addresses are compared as parsed JIDs, without resources, which prove nothing.
//! - A list of agents that cannot be read is an empty one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use nuketown::TownFile;
use nuketown_xmpp::jid::BareJid;
use tokio::time::Instant;

use crate::config::Settings;
use crate::task::Requester;

/// Somebody who is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The human whose word counts.
    Approver(BareJid),
    /// Another agent of the town.
    Agent(BareJid),
    /// The user that the daemon runs as.
    Owner(u32),
}

impl Peer {
    /// Whether they may end or answer what this requester asked for.
    #[must_use]
    pub fn may_decide_on(&self, requester: &Requester) -> bool {
        match self {
            Self::Approver(_) | Self::Owner(_) => true,
            Self::Agent(jid) => matches!(requester, Requester::Xmpp { jid: asked, .. } if asked == jid),
        }
    }

    /// In words.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Approver(jid) | Self::Agent(jid) => jid.to_string(),
            Self::Owner(uid) => format!("user {uid}"),
        }
    }
}

/// Who lives in the town. The file is read anew when it changes.
#[derive(Debug)]
pub struct Town {
    approver: Option<BareJid>,
    own: Option<BareJid>,
    file: PathBuf,
    seen: Option<(SystemTime, u64)>,
    agents: BTreeMap<BareJid, String>,
}

impl Town {
    /// As the settings have it.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            approver: settings.approver.clone(),
            own: settings.account.as_ref().map(|account| account.jid.to_bare()),
            file: settings.daemon.town_file.clone().into(),
            seen: None,
            agents: BTreeMap::new(),
        }
    }

    /// Who this address is, if it is heard. The agent does not hear itself.
    pub fn peer(&mut self, jid: &BareJid) -> Option<Peer> {
        if self.own.as_ref() == Some(jid) {
            return None;
        }
        if self.approver.as_ref() == Some(jid) {
            return Some(Peer::Approver(jid.clone()));
        }
        self.refresh();
        self.agents.contains_key(jid).then(|| Peer::Agent(jid.clone()))
    }

    fn refresh(&mut self) {
        // A ConfigMap changes by a link to another file, so both are looked at.
        let found = fs::metadata(&self.file).ok().and_then(|file| Some((file.modified().ok()?, file.len())));
        if found.is_some() && found == self.seen {
            return;
        }
        self.seen = found;
        self.agents = match fs::read_to_string(&self.file)
            .map_err(|error| error.to_string())
            .and_then(|text| parse(&text))
        {
            Ok(agents) => agents,
            Err(why) => {
                tracing::error!(file = %self.file.display(), why, "the list of the town's agents cannot be read; none of them is heard");
                BTreeMap::new()
            }
        };
    }
}

fn parse(text: &str) -> Result<BTreeMap<BareJid, String>, String> {
    let town: TownFile = toml::from_str(text).map_err(|error| error.to_string())?;
    town.agents
        .into_iter()
        .map(|(name, jid)| {
            let jid: BareJid = jid.parse().map_err(|error| format!("agents.{name} is {jid:?}: {error}"))?;
            if jid.node().is_none() {
                return Err(format!("agents.{name} is {jid}, which is a server"));
            }
            Ok((jid, name))
        })
        .collect()
}

/// Replies to one peer within [`Budget::PERIOD`].
const REPLIES_MAX: usize = 20;
/// Peers that are remembered.
const PEERS_MAX: usize = 1000;

/// How many replies each peer still gets: two agents that answer each other stop.
#[derive(Debug, Default)]
pub struct Budget {
    given: HashMap<BareJid, VecDeque<Instant>>,
    refused: HashMap<BareJid, Instant>,
}

impl Budget {
    /// The time in which [`REPLIES_MAX`] replies are enough for anybody who is no program gone wild.
    pub const PERIOD: Duration = Duration::from_secs(600);
    /// A stranger is told once in this time that they are not heard.
    pub const SILENCE: Duration = Duration::from_secs(24 * 3600);

    /// Whether one more reply may go to this peer.
    pub fn allows(&mut self, peer: &BareJid, now: Instant) -> bool {
        let given = self.given.entry(peer.clone()).or_default();
        while given.front().is_some_and(|at| now.duration_since(*at) >= Self::PERIOD) {
            given.pop_front();
        }
        let allowed = given.len() < REPLIES_MAX;
        if allowed {
            given.push_back(now);
        }
        allowed
    }

    /// Whether a stranger is to be told that they are not heard: once, and nobody at all while too many strangers write.
    pub fn refuses(&mut self, stranger: &BareJid, now: Instant) -> bool {
        if self.refused.len() >= PEERS_MAX {
            self.refused.retain(|_, at| now.duration_since(*at) < Self::SILENCE);
        }
        if self.refused.len() >= PEERS_MAX {
            return false;
        }
        let last = self.refused.get(stranger).copied();
        if last.is_some_and(|at| now.duration_since(at) < Self::SILENCE) {
            return false;
        }
        self.refused.insert(stranger.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::home;

    fn jid(text: &str) -> BareJid {
        text.parse().unwrap()
    }

    #[test]
    fn approver_and_agents_are_heard_and_nobody_else() {
        let home = home("cloud");
        let mut town = Town::new(&Settings::read(home.path()).unwrap());
        assert_eq!(town.peer(&jid("josh@town.example")), Some(Peer::Approver(jid("josh@town.example"))));
        assert_eq!(town.peer(&jid("vox@town.example")), Some(Peer::Agent(jid("vox@town.example"))));
        for stranger in ["josh@town.example.evil", "josh@other.example", "town.example", "ada@town.example"] {
            assert_eq!(town.peer(&jid(stranger)), None, "{stranger}");
        }
    }

    #[test]
    fn list_of_agents_is_read_anew_and_a_broken_one_is_empty() {
        let home = home("cloud");
        let mut town = Town::new(&Settings::read(home.path()).unwrap());
        let (vox, eve) = (jid("vox@town.example"), jid("eve@town.example"));
        assert!(town.peer(&vox).is_some() && town.peer(&eve).is_none());
        let file = home.path().join("town.toml");
        fs::write(&file, "[agents]\neve-the-new-one = \"eve@town.example\"\n").unwrap();
        assert!(town.peer(&vox).is_none() && town.peer(&eve).is_some());
        fs::write(&file, "[agents]\nx = \"eve@town.example\"\ny = \"@\"\n").unwrap();
        assert!(town.peer(&eve).is_none());
        fs::remove_file(&file).unwrap();
        assert!(town.peer(&vox).is_none() && town.peer(&jid("josh@town.example")).is_some());
    }

    #[test]
    fn agent_decides_on_its_own_tasks_alone() {
        let of = |text: &str| Requester::Xmpp { jid: jid(text), room: None };
        let vox = Peer::Agent(jid("vox@town.example"));
        assert!(vox.may_decide_on(&of("vox@town.example")));
        assert!(!vox.may_decide_on(&of("josh@town.example")));
        assert!(!vox.may_decide_on(&Requester::Local { uid: 0 }));
        assert!(Peer::Approver(jid("josh@town.example")).may_decide_on(&of("vox@town.example")));
    }

    #[tokio::test(start_paused = true)]
    async fn replies_run_out_and_come_back() {
        let (mut budget, vox) = (Budget::default(), jid("vox@town.example"));
        let given = (0..100).filter(|_| budget.allows(&vox, Instant::now())).count();
        assert_eq!(given, REPLIES_MAX);
        assert!(budget.allows(&jid("rex@town.example"), Instant::now()));
        tokio::time::advance(Budget::PERIOD).await;
        assert!(budget.allows(&vox, Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn stranger_is_refused_once_a_day_and_a_flood_of_them_not_at_all() {
        let mut budget = Budget::default();
        let strangers: Vec<_> = (0..=PEERS_MAX).map(|n| jid(&format!("s{n}@x.example"))).collect();
        let refused =
            strangers.iter().chain(&strangers).filter(|s| budget.refuses(s, Instant::now())).count();
        assert_eq!(refused, PEERS_MAX);
        tokio::time::advance(Budget::SILENCE).await;
        assert!(budget.refuses(&strangers[0], Instant::now()));
    }
}
