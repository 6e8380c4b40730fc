//! The lines of the broker's socket: one JSON object each, UTF-8, at most [`LINE_BYTES_MAX`] bytes with the line end.
//!
//! ```text
//! client                                             broker
//!   {"type":"request","kind":"sudo",…}  ──▶
//!                                       ◀──  {"type":"waiting","id":…,"code":…,"digest":…,…}
//!                                       ◀──  {"type":"decision","id":…,"digest":…,"result":"approved"}
//!   {"type":"spend","id":…,"digest":…}  ──▶  (the record is written)
//!                                       ◀──  {"type":"spent","id":…,"digest":…}
//! ```
//!
//! # Expected flow
//!
//! A connection may carry several requests. Each `request` is answered once, in the order in which they were made, by
//! `waiting` or by an `error` without an id; the id is the broker's. Each request that waits gets one `decision`, also after a
//! `cancel`. A `spend` is answered by `spent` or by an `error` with the id. What is not spent in time is gone.
//!
//! # Guarantees
//!
//! - Who asks stands in no line that a client sends: it is the uid of the connection (`SO_PEERCRED`).
//! - A line is read whole or not at all: unknown and repeated fields, and those of another kind, are errors.
//! - [`Waiting`] says all that the broker adds to a request, so its digest can be computed on both sides
//!   ([`Ask::into_request`]).
//!
//! # Errors
//!
//! A line that cannot be read is answered by an `error`, and the connection is closed: the reader no longer knows what the
//! other side means. A closed connection withdraws its open requests.

mod raw;

use jiff::Timestamp;
use nuketown::{
    Problem,
    values::{AgentName, HostName, Seconds},
};

use crate::{AbsolutePath, Answer, Code, Digest, Malformed, Nonce, Payload, Request, RequestId};

/// The longest line, its line end included. A reader stops there.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Where the broker listens, unless it is told otherwise.
pub const SOCKET: &str = "/run/nuketown-broker/socket";

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromClient {
    /// It asks.
    Request(Box<Ask>),
    /// It is about to do what was approved.
    Spend {
        /// Which request.
        id: RequestId,
        /// The digest of what is about to be done, computed anew.
        digest: Digest,
    },
    /// It no longer wants it.
    Cancel {
        /// Which request.
        id: RequestId,
    },
}

/// What the broker sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromBroker {
    /// The request is open.
    Waiting(Box<Waiting>),
    /// It is decided.
    Decision(Decision),
    /// The approval is used and recorded: now it may be done.
    Spent {
        /// Which request.
        id: RequestId,
        /// What may be done.
        digest: Digest,
    },
    /// Something was refused.
    Error {
        /// Which request; None: the one that is made, or the line itself.
        id: Option<RequestId>,
        /// What, why, and what to do.
        problem: Problem,
    },
}

/// A request as its client makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// For what.
    pub payload: Payload,
    /// The directory in which the client is.
    pub cwd: Option<AbsolutePath>,
    /// Makes the digest of this request its own.
    pub nonce: Nonce,
    /// How long the client waits, in seconds. Only shortens what the policy says.
    pub timeout: Option<Seconds>,
    /// Nobody is asked: a rule of the policy approves it at once, or it is refused by an `error` (`sudo -n`).
    pub non_interactive: bool,
}

impl Ask {
    /// The request as the broker opened it, whose digest is what `waiting` names.
    #[must_use]
    pub fn into_request(self, waiting: &Waiting) -> Request {
        Request {
            id: waiting.id.clone(),
            agent: waiting.agent.clone(),
            payload: self.payload,
            cwd: self.cwd,
            host: waiting.host.clone(),
            nonce: Some(self.nonce),
            expires: Some(waiting.expires),
            timeout: self.timeout,
        }
    }
}

/// What the broker made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The broker's name for it, in all that follows.
    pub id: RequestId,
    /// Its name for people.
    pub code: Code,
    /// What a decision is about.
    pub digest: Digest,
    /// The agent that asks, by the uid of the connection.
    pub agent: AgentName,
    /// The machine that the broker is on.
    pub host: Option<HostName>,
    /// When it is too late.
    pub expires: Timestamp,
}

/// How a request was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which request.
    pub id: RequestId,
    /// What was decided about.
    pub digest: Digest,
    /// What was decided. Nothing may be done yet: an approval has to be spent.
    pub result: Answer,
    /// Why, for the person at the agent's terminal. Print [`crate::shown`] of it.
    pub reason: Option<String>,
}

impl FromClient {
    /// The line, with its line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        raw::line(&raw::FromClient::from(self))
    }

    /// Reads a line, with or without its line end.
    ///
    /// # Errors
    ///
    /// If it is not exactly one object of this protocol. The error repeats nothing that could drive a terminal.
    pub fn from_line(line: &[u8]) -> Result<Self, Malformed> {
        raw::read::<raw::FromClient>(line)?.try_into()
    }
}

impl FromBroker {
    /// The line, with its line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        raw::line(&raw::FromBroker::from(self))
    }

    /// Reads a line, with or without its line end.
    ///
    /// # Errors
    ///
    /// If it is not exactly one object of this protocol. The error repeats nothing that could drive a terminal.
    pub fn from_line(line: &[u8]) -> Result<Self, Malformed> {
        raw::read::<raw::FromBroker>(line)?.try_into()
    }
}

#[cfg(test)]
mod tests;
