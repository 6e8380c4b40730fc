//! All requests of one broker: several open at once, and the memory of those that are over.
//!
//! # Expected flow
//!
//! [`Book::open`], then whatever happens: [`Book::on`], [`Book::tick`], [`Book::spend`]. After each, [`Book::take_closed`]
//! says what ended, to be recorded and told.
//!
//! # Guarantees
//!
//! - An id or digest is opened once while it is remembered, and a code names one request.
//! - What is held is bounded: by agent, in all, and by rate. Where a bound is met the answer is no.
//!
//! # Assumptions
//!
//! - The asker is authenticated by the caller: by `SO_PEERCRED` or by the JID, never by the request.
//! - A restart begins with an empty book, where nothing is approved. [`Book::close_all`] ends one in an orderly way.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use nuketown::values::AgentName;

use crate::{
    Approver, Case, Code, Digest, Effect, Event, Now, Permit, Request, RequestId, SpendError, State,
};

/// How much one broker takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests that are open at once, in all.
    pub open: usize,
    /// Requests that one agent has open at once: what a person can still tell apart.
    pub open_per_agent: usize,
    /// Requests that one agent may make in any 60 seconds.
    pub per_minute: usize,
    /// Requests that are remembered after they are over. Each takes some 200 bytes.
    pub remembered: usize,
    /// How long a request is remembered after it is over. At least the longest timeout, or a code may come back while a
    /// person still has the old one on the screen.
    pub memory: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open: 4096,
            open_per_agent: 16,
            per_minute: 30,
            remembered: 65_536,
            memory: Duration::from_secs(3600),
        }
    }
}

/// Whose request, and which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The agent that asked, as it was authenticated.
    pub agent: AgentName,
    /// The id that it chose.
    pub id: RequestId,
}

/// A request that is not over.
#[derive(Clone, Debug)]
pub struct Entry {
    request: Request,
    case: Case,
}

impl Entry {
    /// What was asked.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Where it is.
    #[must_use]
    pub fn case(&self) -> &Case {
        &self.case
    }
}

/// Under which conditions a request is opened.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who may answer.
    pub approver: Approver,
    /// How long it stays open at most. The agent's own timeout shortens it, and so does the expiry.
    pub timeout: Duration,
}

/// Why a request is not opened. Whoever asked is told so, and nothing happens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request names another agent than the one that sent it.
    #[error("the request says that `{claimed}` asks, but `{real}` sent it")]
    NotYou {
        /// Whom the request names.
        claimed: AgentName,
        /// Who sent it.
        real: AgentName,
    },
    /// It came too late.
    #[error("the request expired at {0}; ask again")]
    Expired(Timestamp),
    /// Its id or its content was here before.
    #[error("request {0} was made before; each request needs an id and a nonce of its own")]
    Replayed(RequestId),
    /// Another request has its code. Another nonce gives another one.
    #[error("another request has the code {0}; ask again")]
    CodeTaken(Code),
    /// The agent asks for too much at once.
    #[error("`{agent}` has {open} requests open; wait for an answer")]
    TooManyOpen {
        /// The agent.
        agent: AgentName,
        /// How many.
        open: usize,
    },
    /// The agent asks too often.
    #[error("`{agent}` asked {asked} times in a minute; ask less often")]
    TooOften {
        /// The agent.
        agent: AgentName,
        /// How often.
        asked: usize,
    },
    /// There is no room for any more requests.
    #[error("the broker holds as many requests as it may ({0}); ask again later")]
    Full(usize),
}

/// A request that is over.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Which.
    pub key: Key,
    /// What was asked.
    pub request: Request,
    /// How it ended.
    pub state: State,
}

#[derive(Debug)]
struct Past {
    digest: Digest,
    state: State,
}

/// All requests of one broker.
#[derive(Debug, Default)]
pub struct Book {
    limits: Limits,
    open: BTreeMap<Key, Entry>,
    past: BTreeMap<Key, Past>,
    /// What is over, in the order in which it is forgotten.
    forgetting: VecDeque<(Duration, Key)>,
    codes: BTreeMap<Code, Key>,
    asked: BTreeMap<AgentName, VecDeque<Duration>>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Opens a request that `asker` sent.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub fn open(
        &mut self,
        asker: &AgentName,
        request: Request,
        terms: Terms,
        now: Now,
    ) -> Result<Key, Refusal> {
        self.forget(now);
        if request.agent != *asker {
            return Err(Refusal::NotYou { claimed: request.agent, real: asker.clone() });
        }
        if let Some(expires) = request.expires.filter(|expires| *expires <= now.wall) {
            return Err(Refusal::Expired(expires));
        }
        let digest = request.digest();
        let key = Key { agent: asker.clone(), id: request.id.clone() };
        self.check_new(&key, &digest)?;
        self.check_room(asker, now)?;
        let own = request.timeout.map_or(terms.timeout, |seconds| Duration::from_secs(seconds.get().into()));
        let needs_name = request.nonce.is_some();
        let case =
            Case::new(digest, terms.approver, needs_name, own.min(terms.timeout), request.expires, now);
        self.asked.entry(asker.clone()).or_default().push_back(now.monotonic);
        self.codes.insert(Code::of(&digest), key.clone());
        self.open.insert(key.clone(), Entry { request, case });
        Ok(key)
    }

    /// A request that is not over.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.open.get(key)
    }

    /// All requests that are not over.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.open.iter()
    }

    /// Where a request is or was, as long as it is remembered.
    #[must_use]
    pub fn state(&self, key: &Key) -> Option<&State> {
        self.open
            .get(key)
            .map(|entry| entry.case.state())
            .or_else(|| self.past.get(key).map(|past| &past.state))
    }

    /// The request that a person means by a code, open or over.
    #[must_use]
    pub fn by_code(&self, code: Code) -> Option<&Key> {
        self.codes.get(&code)
    }

    /// Lets something happen to one request; None if there is no such request.
    #[must_use = "whoever answered or waits has to be told"]
    pub fn on(&mut self, key: &Key, event: Event, now: Now) -> Option<Effect> {
        if let Some(entry) = self.open.get_mut(key) {
            return Some(entry.case.on(event, now));
        }
        let answered = matches!(event, Event::Answer { .. } | Event::MalformedAnswer(_));
        self.past.contains_key(key).then_some(if answered {
            Effect::AlreadyDecided
        } else {
            Effect::Unchanged
        })
    }

    /// Takes the one permit of an approved request; see [`Case::spend`].
    ///
    /// # Errors
    ///
    /// If there is no approval for this digest now.
    pub fn spend(&mut self, key: &Key, digest: &Digest, now: Now) -> Result<Permit, SpendError> {
        if let Some(entry) = self.open.get_mut(key) {
            return entry.case.spend(digest, now);
        }
        match self.past.get(key).map(|past| &past.state) {
            Some(State::Spent) => Err(SpendError::Spent),
            Some(state) => Err(SpendError::NotApproved(state.clone())),
            None => Err(SpendError::Unknown),
        }
    }

    /// Lets the time pass for all requests.
    pub fn tick(&mut self, now: Now) {
        for entry in self.open.values_mut() {
            let _ = entry.case.on(Event::Tick, now);
        }
        self.forget(now);
    }

    /// An agent is gone with all that it asked for. If only one of its connections is, [`Event::Disconnected`] ends what came
    /// over that one.
    pub fn disconnected(&mut self, agent: &AgentName, now: Now) {
        for (_, entry) in self.open.iter_mut().filter(|(key, _)| key.agent == *agent) {
            let _ = entry.case.on(Event::Disconnected, now);
        }
    }

    /// The broker stops: everything that is not over is denied.
    pub fn close_all(&mut self, now: Now) {
        for entry in self.open.values_mut() {
            let _ = entry.case.on(Event::Restarted, now);
        }
    }

    /// When [`Book::tick`] is due: the first deadline by each clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Now> {
        self.open
            .values()
            .filter_map(|entry| entry.case.deadline())
            .reduce(|a, b| Now { monotonic: a.monotonic.min(b.monotonic), wall: a.wall.min(b.wall) })
    }

    /// Takes what is over since the last call, in order of the keys.
    #[must_use = "what ended is to be recorded and told"]
    pub fn take_closed(&mut self, now: Now) -> Vec<Closed> {
        let over: Vec<Key> = self
            .open
            .iter()
            .filter(|(_, entry)| entry.case.state().is_final())
            .map(|(key, _)| key.clone())
            .collect();
        over.into_iter().filter_map(|key| self.close(key, now)).collect()
    }

    fn close(&mut self, key: Key, now: Now) -> Option<Closed> {
        let Entry { request, case } = self.open.remove(&key)?;
        let state = case.state().clone();
        self.past.insert(key.clone(), Past { digest: case.digest(), state: state.clone() });
        self.forgetting.push_back((now.monotonic.saturating_add(self.limits.memory), key.clone()));
        Some(Closed { key, request, state })
    }

    fn check_new(&self, key: &Key, digest: &Digest) -> Result<(), Refusal> {
        if self.state(key).is_some() {
            return Err(Refusal::Replayed(key.id.clone()));
        }
        let code = Code::of(digest);
        let Some(other) = self.codes.get(&code) else { return Ok(()) };
        let known = self.open.get(other).map(|entry| entry.case.digest());
        let same = known.or_else(|| self.past.get(other).map(|past| past.digest)).as_ref() == Some(digest);
        Err(if same { Refusal::Replayed(key.id.clone()) } else { Refusal::CodeTaken(code) })
    }

    fn check_room(&self, asker: &AgentName, now: Now) -> Result<(), Refusal> {
        let open = self.open.keys().filter(|key| key.agent == *asker).count();
        if open >= self.limits.open_per_agent {
            return Err(Refusal::TooManyOpen { agent: asker.clone(), open });
        }
        let lately = |at: &&Duration| now.monotonic.saturating_sub(**at) < MINUTE;
        let times = self.asked.get(asker).map_or(0, |times| times.iter().filter(lately).count());
        if times >= self.limits.per_minute {
            return Err(Refusal::TooOften { agent: asker.clone(), asked: times });
        }
        if self.open.len() >= self.limits.open {
            return Err(Refusal::Full(self.limits.open));
        }
        if self.open.len() + self.past.len() >= self.limits.remembered {
            return Err(Refusal::Full(self.limits.remembered));
        }
        Ok(())
    }

    /// Forgets what has been over for long enough, and who asked more than a minute ago.
    fn forget(&mut self, now: Now) {
        while self.forgetting.front().is_some_and(|(at, _)| *at <= now.monotonic) {
            let Some((_, key)) = self.forgetting.pop_front() else { return };
            if let Some(past) = self.past.remove(&key) {
                self.codes.remove(&Code::of(&past.digest));
            }
        }
        self.asked.retain(|_, asked| {
            asked.retain(|at| now.monotonic.saturating_sub(*at) < MINUTE);
            !asked.is_empty()
        });
    }
}

#[cfg(test)]
mod tests;
