//! What a session reports.

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use xmpp_parsers::date::DateTime;
use xmpp_parsers::jid::{BareJid, FullJid, ResourcePart};
use xmpp_parsers::message::Message;
use xmpp_parsers::presence::Presence;

use crate::dial::DialError;

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// Stanzas go through.
    Online {
        /// The address that the server gave this session.
        jid: FullJid,
        /// False if the connection was interrupted and nothing was lost (XEP-0198). True if the session is new: others have
        /// seen it leave, and what was sent to it meanwhile may be lost.
        fresh: bool,
    },
    /// Stanzas do not go through, and it will be tried again. Sent again for each attempt that fails.
    Offline {
        /// Why.
        reason: Reason,
        /// How long until the next attempt.
        retry_in: Duration,
    },
    /// A message to this session.
    Message(Box<Incoming>),
    /// A copy of a message that was sent to another of the account's clients, or from one (XEP-0280). It is for showing
    /// only: nobody asked this session anything.
    Carbon(Box<Carbon>),
    /// A presence, also of the others in a room, and requests for subscription.
    Presence(Box<Presence>),
    /// The session's own state in a room changed.
    Room {
        /// The room.
        room: BareJid,
        /// The new state.
        state: RoomState,
    },
    /// The session is over, and will not be tried again. The last event.
    Fatal(Fatal),
}

/// A message to this session.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The message. Its `from` is what the server says.
    pub message: Message,
    /// Set if it was kept somewhere on the way (XEP-0203): it was not said just now.
    pub delayed: Option<Delayed>,
    /// Whether it is the session's own, reflected by a room (XEP-0045 section 7.4).
    pub own: bool,
}

impl Incoming {
    /// What it says, if it says one thing: a message may have a body for each language, and then nobody knows which one its
    /// sender meant.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        let mut bodies = self.message.bodies.values();
        bodies.next().filter(|_| bodies.next().is_none()).map(String::as_str)
    }
}

/// A message that was kept on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Delayed {
    /// When it was sent, or came to whoever kept it. Nothing if that cannot be read; it was kept nevertheless.
    pub since: Option<DateTime>,
}

/// A copy of another client's message.
#[derive(Clone, Debug)]
pub struct Carbon {
    /// Whether the account received or sent it.
    pub direction: Direction,
    /// The message that was copied.
    pub message: Message,
}

/// Which way a copied message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To another client of the account.
    Received,
    /// From another client of the account.
    Sent,
}

/// The session's own state in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomState {
    /// It is in the room, under this name.
    Joined {
        /// The name, which the room may have changed.
        nick: ResourcePart,
    },
    /// The room did not let it in. It is not tried again unless the caller asks for it.
    Refused {
        /// The condition, such as `conflict` (the name is taken) or `registration-required` (members only).
        condition: String,
    },
    /// It left or was removed. It is not in the room after the next bind either.
    Left {
        /// Whether it was removed: kicked, banned, or not a member any more.
        removed: bool,
    },
}

/// Why stanzas do not go through.
#[derive(Debug)]
pub enum Reason {
    /// There was no connection, or no login.
    Unreachable(DialError),
    /// The same full JID was bound by somebody else, who goes first.
    Conflict,
    /// The server ended the stream with this error.
    StreamError(String),
    /// The server closed the stream.
    Closed,
    /// The connection broke.
    Network(String),
    /// The server did not answer in time.
    Silent,
    /// The server sent something that cannot be read, and the stream was ended here.
    Malformed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => error.fmt(f),
            Self::Conflict => f.write_str("another program logged in as the same resource, and goes first"),
            Self::StreamError(error) => write!(f, "the server ended the stream: {error}"),
            Self::Closed => f.write_str("the server closed the stream"),
            Self::Network(why) => write!(f, "the connection broke: {why}"),
            Self::Silent => f.write_str("the server did not answer in time"),
            Self::Malformed => f.write_str("the server sent something that cannot be read"),
        }
    }
}

impl PartialEq for Reason {
    /// By what is said: errors of the system cannot be compared otherwise.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.to_string() == other.to_string()
    }
}

/// Why the session is over.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The login was refused, and would be again.
    #[error("cannot log in: {0}")]
    Login(DialError),
    /// The stream library failed.
    #[error("the XMPP stream ended by itself; this is a fault of the program")]
    Internal,
}

/// The events of one session. If this is dropped, the session ends as by [`Handle::stop`](crate::Handle::stop).
#[derive(Debug)]
pub struct Events(pub(crate) mpsc::Receiver<Event>);

impl Events {
    /// The next event; nothing after the session has ended. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}
