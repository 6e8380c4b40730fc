//! What a process asks of its session.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_xmpp::Stanza;
use tokio_xmpp::stanzastream::{StanzaStage, StanzaState, StanzaToken};
use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::message::{Id, Message};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::Presence;
use xmpp_parsers::stanza_error::StanzaError;
use xso::AsXml;

use crate::config::{Availability, Room};
use crate::size::{self, STANZA_LIMIT};

/// Speaks to the session; copies speak to the same one. When the last copy is dropped, the session ends as by
/// [`stop`](Self::stop).
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
}

/// How far a stanza got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The server has it (XEP-0198).
    Acknowledged,
    /// It was written to a connection that was alive; this server does not acknowledge.
    Sent,
}

/// Why a stanza was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no connection. Nothing is kept for later: what arrives later than its sender believes can do harm.
    #[error("the session is offline")]
    Offline,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// It is too large.
    #[error("the stanza has {size} bytes, and {STANZA_LIMIT} is the limit")]
    TooLarge {
        /// Its bytes as XML.
        size: usize,
    },
    /// XML cannot carry it.
    #[error("the stanza holds something that XML cannot carry: {why}")]
    Unwritable {
        /// What the writer says.
        why: String,
    },
    /// The connection ended, or stalled, before the server acknowledged it. It may have arrived or not, or arrive yet.
    #[error("the connection ended before the server acknowledged the stanza")]
    Unconfirmed,
}

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// It was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The answer is an error.
    #[error("the answer is an error: {condition}")]
    Refused {
        /// The condition's name.
        condition: String,
        /// The whole error.
        error: Box<StanzaError>,
    },
    /// The answer is nested too deeply, or has a tag that is too long, to be read as a whole.
    #[error("the answer has more than 64 levels of elements, or a tag of more than 8192 bytes")]
    Unreadable,
    /// Nobody answered in time.
    #[error("there was no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
}

/// A request (IQ, RFC 6120 section 8.2.3).
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Asks.
    Get(Element),
    /// Changes something.
    Set(Element),
}

/// A request's result, with the payload that it has.
pub type Answer = Result<Option<Element>, RequestError>;

/// What the session's task is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Send { stanza: Box<Stanza>, reply: oneshot::Sender<Result<Receipt, SendError>> },
    Request { to: Option<Jid>, request: Request, reply: oneshot::Sender<Answer> },
    Announce(Availability),
    Join(Room),
    Leave(BareJid),
    Stop(oneshot::Sender<()>),
}

/// Where the fate of a stanza is seen.
pub(crate) enum Receipt {
    /// In the stream library.
    Tracked {
        token: StanzaToken,
        /// Whether the server acknowledges.
        acknowledged: bool,
        /// For how long to wait; a living connection shows within that time that it lives.
        patience: Duration,
    },
    /// Already here: a test's script decided.
    #[cfg(any(test, feature = "script"))]
    Decided(Delivery),
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receipt")
    }
}

impl Handle {
    /// Sends a message, and waits until the server has it. A message without an id gets one.
    ///
    /// If the future is dropped, the message may be sent or not.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. Nothing is queued while the session is offline.
    pub async fn send(&self, mut message: Message) -> Result<Delivery, SendError> {
        message.id.get_or_insert_with(|| Id(new_id()));
        check_size(&message)?;
        self.dispatch(Stanza::Message(message)).await
    }

    /// Sends a presence to somebody: a subscription or the answer to one. The session's own availability is a matter of
    /// [`announce`](Self::announce).
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub async fn send_presence(&self, presence: Presence) -> Result<Delivery, SendError> {
        check_size(&presence)?;
        self.dispatch(Stanza::Presence(presence)).await
    }

    /// Asks `to`, or the account itself, and waits for the answer.
    ///
    /// # Errors
    ///
    /// See [`RequestError`]. An answer that comes after `patience` is ignored.
    pub async fn request(&self, to: Option<Jid>, request: Request, patience: Duration) -> Answer {
        let (Request::Get(payload) | Request::Set(payload)) = &request;
        check_size(payload)?;
        let (reply, answer) = oneshot::channel();
        let exchange = async {
            self.command(Command::Request { to, request, reply }).await?;
            answer.await.unwrap_or(Err(RequestError::Send(SendError::Ended)))
        };
        tokio::time::timeout(patience, exchange).await.unwrap_or(Err(RequestError::TimedOut(patience)))
    }

    /// Announces how available the session is, now or as soon as it is online, and again after each fresh bind.
    ///
    /// # Errors
    ///
    /// The session has ended, or the words are too many or cannot be written as XML.
    pub async fn announce(&self, availability: Availability) -> Result<(), SendError> {
        check_size(&availability.presence())?;
        self.command(Command::Announce(availability)).await
    }

    /// Joins a room, now or as soon as the session is online, and again after each fresh bind. The outcome is an event.
    ///
    /// # Errors
    ///
    /// The session has ended.
    pub async fn join(&self, room: Room) -> Result<(), SendError> {
        self.command(Command::Join(room)).await
    }

    /// Leaves a room.
    ///
    /// # Errors
    ///
    /// The session has ended.
    pub async fn leave(&self, room: BareJid) -> Result<(), SendError> {
        self.command(Command::Leave(room)).await
    }

    /// Ends the session: says that it is unavailable, closes the stream, and waits until that is
    /// done: 15 seconds at most, but where the network stands still as long as the keepalive bears it.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.command(Command::Stop(reply)).await.is_ok() {
            // An error means that the session had ended already.
            drop(done.await);
        }
    }

    /// Waits until the session has ended, for whatever reason.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }

    async fn dispatch(&self, stanza: Stanza) -> Result<Delivery, SendError> {
        let (reply, receipt) = oneshot::channel();
        self.command(Command::Send { stanza: Box::new(stanza), reply }).await?;
        receipt.await.unwrap_or(Err(SendError::Ended))?.outcome().await
    }

    async fn command(&self, command: Command) -> Result<(), SendError> {
        self.commands.send(command).await.map_err(|_| SendError::Ended)
    }
}

impl Receipt {
    async fn outcome(self) -> Result<Delivery, SendError> {
        match self {
            Self::Tracked { mut token, acknowledged, patience } => {
                let whole = async {
                    reached(&mut token, StanzaStage::Sent).await?;
                    if acknowledged {
                        reached(&mut token, StanzaStage::Acked).await
                    } else {
                        Ok(Delivery::Sent)
                    }
                };
                tokio::time::timeout(patience, whole).await.unwrap_or(Err(SendError::Unconfirmed))
            }
            #[cfg(any(test, feature = "script"))]
            Self::Decided(delivery) => Ok(delivery),
        }
    }
}

async fn reached(token: &mut StanzaToken, stage: StanzaStage) -> Result<Delivery, SendError> {
    match token.wait_for(stage).await {
        Some(StanzaState::Acked { .. }) => Ok(Delivery::Acknowledged),
        Some(StanzaState::Sent { .. } | StanzaState::Queued) => Ok(Delivery::Sent),
        Some(StanzaState::Failed { .. } | StanzaState::Dropped) | None => Err(SendError::Unconfirmed),
    }
}

/// An id that nobody guesses, 128 bits in hexadecimal.
pub(crate) fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn check_size(stanza: &impl AsXml) -> Result<(), SendError> {
    match size::of(stanza) {
        Ok(size) if size <= STANZA_LIMIT => Ok(()),
        Ok(size) => Err(SendError::TooLarge { size }),
        Err(why) => Err(SendError::Unwritable { why }),
    }
}
