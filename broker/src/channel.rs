//! How the human is asked: over every channel at once, and the first answer wins.
//!
//! # Expected flow
//!
//! The engine offers each request to every [`Channel`]. A channel sends what the human says as an [`Answer`], and is told by
//! [`Channel::withdraw`] when a request is over, whoever ended it.
//!
//! # Invariants
//!
//! - A channel decides nothing. What it sends is judged by the engine, as is who may have sent it.

use std::sync::Arc;

use jiff::Timestamp;
use nuketown_approval::{Channel as From, Code, Digest, Key, Named, Request, RequestId, stanza};
use tokio::sync::oneshot;

/// A request as the human is to see it.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Which request.
    pub key: Key,
    /// What is asked.
    pub request: Request,
    /// What an answer names.
    pub digest: Digest,
    /// What a person names.
    pub code: Code,
    /// When silence becomes a refusal, by the wall clock.
    pub until: Timestamp,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Approved or not. What expired was denied.
    pub result: stanza::Answer,
    /// By whom or what.
    pub reason: String,
}

/// One way to the human.
pub trait Channel: Send {
    /// Shows a request. It must not block; a channel that cannot be reached now may show it later.
    fn offer(&mut self, offered: &Arc<Offered>);

    /// A request that was offered is over.
    fn withdraw(&mut self, key: &Key, outcome: &Outcome);
}

/// What somebody said about a request.
#[derive(Debug)]
pub struct Answer {
    /// Which request is meant.
    pub about: About,
    /// What was said. None: it cannot be read, and so counts as a refusal.
    pub said: Option<stanza::Answer>,
    /// Who said it, as it was authenticated.
    pub from: From,
    /// Who wants to know what became of it.
    pub heard: Option<oneshot::Sender<Heard>>,
}

/// Which request an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The one that was offered so.
    Offered(Key, Digest),
    /// The one with this code.
    Code(Code),
    /// The one with this id, and this digest if one is named.
    Id(RequestId, Option<Digest>),
}

impl About {
    /// What an answer like this names.
    #[must_use]
    pub fn named(&self) -> Named {
        match self {
            Self::Offered(_, digest) | Self::Id(_, Some(digest)) => Named::Digest(*digest),
            Self::Code(code) => Named::Code(*code),
            Self::Id(_, None) => Named::Id,
        }
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Offered(key, _) => write!(f, "{} of {}", key.id, key.agent),
            Self::Code(code) => write!(f, "{code}"),
            Self::Id(id, _) => write!(f, "{id}"),
        }
    }
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It decided the request.
    Decided(Outcome),
    /// The request was over, or had been decided: this is what holds.
    Before(Outcome),
    /// There is no such request.
    Unknown,
    /// Whoever said it may not decide. Nothing is said to them.
    NotTheApprover,
    /// It could not be recorded, so everything is denied.
    Unrecorded,
}
