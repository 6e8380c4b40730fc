//! The one that decides: every request, answer and approval goes through here, one after the other.
//!
//! # Expected flow
//!
//! [`Engine::handle`] for each [`Input`], [`Engine::finish`] after a few of them: it writes what happened to the audit log, and
//! only then says it to anybody.
//!
//! # Guarantees
//!
//! - Nothing is said before its record is written, and nothing is granted before it is on the disk. If that fails, everything that is open is denied and so are all requests
//!   after it, until the log can be written again.
//! - A request that waits gets one decision. An approval that is not used in time, or whose requester is gone, is void.
//!
//! # Assumptions
//!
//! - Who asks and who answers was authenticated by whoever brings the input.

mod answer;
mod ask;
mod out;
mod quota;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use nuketown::{
    Problem,
    values::{AgentName, HostName},
};
use nuketown_approval::{
    Answer as Said, Book, Channel as From, Closed, Digest, Event, Key, Named, Now, Policy, Request,
    RequestId, State, socket,
};
use tokio::sync::mpsc;

use crate::{
    audit::{Entry, Log, Outcome as Recorded},
    channel::{Answer, Channel, Outcome},
    clock::Clock,
};
use out::Out;
use quota::Quota;

/// The longest time between two looks at the clocks while a request is open: a clock that jumps is noticed that fast.
const LOOK: Duration = Duration::from_secs(5);

/// What happens to the broker.
#[derive(Debug)]
pub enum Input {
    /// A local client asks.
    Ask(Client, Box<socket::Ask>),
    /// A remote agent asks, as this agent.
    AskFrom(Client, Box<Request>),
    /// An approval is about to be used, for what has this digest.
    Spend(Client, RequestId, Digest),
    /// A request is withdrawn by who made it.
    Cancel(Client, RequestId),
    /// A connection is closed: what came over it is withdrawn.
    Gone(u64),
    /// Somebody asks who may not ask for anything, or something that cannot be read: it is recorded.
    Turned {
        /// Who, as it was authenticated.
        by: String,
        /// Why.
        reason: String,
    },
    /// A human, or somebody who wants to be one, answers.
    Answer(Answer),
    /// Whether the human can be asked by XMPP at all.
    Xmpp(bool),
}

/// Who asks, and where the answers go.
#[derive(Clone, Debug)]
pub struct Client {
    /// The connection: answers and closing refer to it.
    pub connection: u64,
    /// The agent, as it was authenticated.
    pub agent: AgentName,
    /// How it was authenticated.
    pub by: String,
    /// What it is told, with the connection. One that is full is a client that does not listen, and counts as gone.
    pub tell: mpsc::Sender<(u64, Told)>,
    /// Whether an approval counts as used as soon as it is sent: remote agents have no second step.
    pub remote: bool,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its request is open.
    Waiting(Box<socket::Waiting>),
    /// Its request is decided.
    Decision(Key, socket::Decision),
    /// Its approval is used and recorded.
    Spent(RequestId, Digest),
    /// Something was refused: the request with this id, or the one that it just made.
    Refused(Option<RequestId>, Problem),
}

/// See the [module](self).
pub struct Engine {
    policy: Policy,
    host: Option<HostName>,
    clock: Box<dyn Clock>,
    log: Log,
    book: Book,
    channels: Vec<Box<dyn Channel>>,
    /// Whether somebody can be asked by a dialog, and by XMPP.
    dialog: bool,
    xmpp: bool,
    waiting: BTreeMap<Key, Waiting>,
    quota: Quota,
    out: Vec<Out>,
    /// Why the log cannot be written, since it cannot.
    broken: Option<Problem>,
    /// Whether a record of what is about to be said is lost.
    lost: bool,
    /// What was decided while the log could not be written.
    unrecorded: Vec<(Key, Digest)>,
}

/// What is known of a request besides its case.
struct Waiting {
    client: Client,
    digest: Digest,
    approved: bool,
}

/// What an engine is made of.
pub struct Parts {
    /// Who may ask for what.
    pub policy: Policy,
    /// The machine's name, as it stands in requests.
    pub host: Option<HostName>,
    /// The time.
    pub clock: Box<dyn Clock>,
    /// The audit log, opened.
    pub log: Log,
    /// The ways to the human.
    pub channels: Vec<Box<dyn Channel>>,
    /// Whether a dialog can be shown now.
    pub dialog: bool,
    /// Whether the human can be asked by XMPP.
    pub xmpp: bool,
}

impl Engine {
    /// An engine that has nothing open.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { policy, host, clock, log, channels, dialog, xmpp } = parts;
        Self {
            book: Book::new(policy.limits()),
            policy,
            host,
            clock,
            log,
            channels,
            dialog,
            xmpp,
            waiting: BTreeMap::new(),
            quota: Quota::default(),
            out: Vec::new(),
            broken: None,
            lost: false,
            unrecorded: Vec::new(),
        }
    }

    /// Takes one input. What follows from it is said by [`Engine::finish`].
    pub fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        match input {
            Input::Ask(client, ask) => self.ask(client, *ask, now),
            Input::AskFrom(client, request) => self.ask_from(client, *request, now),
            Input::Spend(client, id, digest) => self.spend(&client, &id, &digest, now),
            Input::Cancel(client, id) => self.cancel(&client, &id, now),
            Input::Gone(connection) => self.gone(connection, now),
            Input::Turned { by, reason } => self.turned(&by, reason, now),
            Input::Answer(answer) => self.answer(answer, now),
            Input::Xmpp(can) => self.xmpp = can,
        }
        self.close(now, None);
    }

    /// Lets the time pass, writes the records, and says what is to be said.
    pub fn finish(&mut self) {
        let now = self.clock.now();
        self.book.tick(now);
        self.close(now, None);
        for gone in self.commit(now) {
            self.gone(gone, now);
        }
        self.close(now, None);
        self.commit(now);
    }

    /// The broker ends: everything that is open is denied.
    pub fn stop(&mut self) {
        let now = self.clock.now();
        self.book.close_all(now);
        self.close(now, Some("the broker is stopping"));
        self.record(now, &Entry::Stopped {});
        self.commit(now);
        if self.broken.is_none() {
            // The end, and the head with it.
            self.broken = self.log.commit().err();
        }
    }

    /// How long nothing has to be done unless something comes in; None: for ever.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        let deadline = self.book.next_deadline()?;
        let now = self.clock.now();
        let steady = deadline.monotonic.saturating_sub(now.monotonic);
        let wall = Duration::try_from(deadline.wall.duration_since(now.wall)).unwrap_or_default();
        Some(steady.min(wall).min(LOOK))
    }

    /// The number and the hash of the newest record.
    #[must_use]
    pub fn newest(&self) -> (u64, String) {
        let (seq, hash) = self.log.newest();
        (seq, hash.as_str().to_owned())
    }

    /// How many requests are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.book.iter().count()
    }

    fn spend(&mut self, client: &Client, id: &RequestId, digest: &Digest, now: Now) {
        let key = Key { agent: client.agent.clone(), id: id.clone() };
        let own =
            self.waiting.get(&key).is_some_and(|waiting| waiting.client.connection == client.connection);
        let refused = match self.book.spend(&key, digest, now) {
            Ok(permit) if own => {
                let digest = permit.digest();
                self.record_spent(&key, digest, now);
                self.out.push(Out::Tell(client.clone(), Told::Spent(id.clone(), digest)));
                return;
            }
            // The permit is gone with this: nobody gets it.
            Ok(_) => "another connection made this request".to_owned(),
            Err(error) => error.to_string(),
        };
        self.turned(&client.by, format!("{id}: {refused}"), now);
        let problem = Problem::new("the approval cannot be used", refused).hint("ask again");
        self.out.push(Out::Tell(client.clone(), Told::Refused(Some(id.clone()), problem)));
    }

    fn record_spent(&mut self, key: &Key, digest: Digest, now: Now) {
        let (agent, id) = (key.agent.to_string(), key.id.to_string());
        self.record(now, &Entry::Spent { agent, id, digest: digest.to_string() });
    }

    fn cancel(&mut self, client: &Client, id: &RequestId, now: Now) {
        let key = Key { agent: client.agent.clone(), id: id.clone() };
        let own =
            self.waiting.get(&key).is_some_and(|waiting| waiting.client.connection == client.connection);
        if own {
            let _ = self.book.on(&key, Event::Cancelled, now);
        } else if !client.remote {
            let problem =
                Problem::new("there is nothing to cancel", format!("no open request has the id {id}"));
            self.out.push(Out::Tell(client.clone(), Told::Refused(Some(id.clone()), problem)));
        }
    }

    fn gone(&mut self, connection: u64, now: Now) {
        let over: Vec<Key> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.client.connection == connection)
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            let _ = self.book.on(&key, Event::Disconnected, now);
        }
    }

    /// Somebody was turned away. Recorded as long as it is not too often.
    fn turned(&mut self, by: &str, reason: String, now: Now) {
        let (flooded, recorded) = self.quota.take(by, now.monotonic);
        if flooded > 0 {
            self.record(now, &Entry::Flooded { by: by.to_owned(), times: flooded });
        }
        if recorded {
            self.record(now, &Entry::Refused { by: by.to_owned(), reason });
        }
    }

    /// Records and says what is over. `why` replaces the reason.
    fn close(&mut self, now: Now, why: Option<&str>) {
        for Closed { key, state, .. } in self.book.take_closed(now) {
            let Some(Waiting { client, digest, approved }) = self.waiting.remove(&key) else { continue };
            let (recorded, reason) = match &state {
                State::Spent | State::Open | State::Approved(_) => continue,
                State::Denied(denial) => (Recorded::Denied, why.map_or(denial.to_string(), str::to_owned)),
                State::Expired if approved => {
                    (Recorded::Expired, "the approval was not used in time".to_owned())
                }
                State::Expired => (Recorded::Expired, "nobody answered in time".to_owned()),
            };
            self.record_decided(&key, digest, recorded, &reason, now);
            // Each request gets one decision; whoever was told of an approval learns the rest when it wants to use it.
            if !approved {
                self.say_decided(&client, &key, digest, &Outcome { result: Said::Denied, reason });
            }
        }
    }

    fn record_decided(&mut self, key: &Key, digest: Digest, outcome: Recorded, reason: &str, now: Now) {
        let entry = Entry::Decided {
            agent: key.agent.to_string(),
            id: key.id.to_string(),
            digest: digest.to_string(),
            outcome,
            reason: reason.to_owned(),
        };
        self.record(now, &entry);
    }

    fn say_decided(&mut self, client: &Client, key: &Key, digest: Digest, outcome: &Outcome) {
        let decision = socket::Decision {
            id: key.id.clone(),
            digest,
            result: outcome.result,
            reason: Some(outcome.reason.clone()),
        };
        self.out.push(Out::Tell(client.clone(), Told::Decision(key.clone(), decision)));
        self.out.push(Out::Withdraw(key.clone(), outcome.clone()));
    }

    fn record(&mut self, now: Now, entry: &Entry) {
        if self.broken.is_none() {
            self.broken = self.log.append(now.wall, entry).err();
        }
        self.lost |= self.broken.is_some();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("book", &self.book).finish_non_exhaustive()
    }
}

/// A rule of the policy approves a request that was just opened.
fn rule(digest: Digest) -> Event {
    Event::Answer { channel: From::Rule, answer: Said::Approved, named: Named::Digest(digest) }
}

/// A request as its requester is told that it waits.
fn waiting(request: &Request, until: Timestamp) -> Told {
    Told::Waiting(Box::new(socket::Waiting {
        id: request.id.clone(),
        code: request.code(),
        digest: request.digest(),
        agent: request.agent.clone(),
        host: request.host.clone(),
        expires: request.expires.unwrap_or(until),
    }))
}

/// A request as it is offered to the human.
fn offered(key: &Key, request: Request, until: Timestamp) -> Arc<crate::channel::Offered> {
    let (digest, code) = (request.digest(), request.code());
    Arc::new(crate::channel::Offered { key: key.clone(), request, digest, code, until })
}

#[cfg(test)]
mod tests;
