//! The way to requesters: one message after the other, those of the store until the server has them.

use std::sync::Arc;
use std::time::Duration;

use nuketown_xmpp::jid::Jid;
use nuketown_xmpp::parsers::message::{Id, Lang, Message, MessageType};
use nuketown_xmpp::parsers::presence::Presence;
use nuketown_xmpp::{Handle, SendError};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::store::{Form, Notice, Store};
use crate::task::Requester;
use crate::wire::Answer;

/// Replies that wait to be sent at most; beyond that they are dropped, since nobody waits for so many.
const REPLIES_MAX: usize = 64;

/// Before a message is tried again that the server did not confirm.
const PAUSE: Duration = Duration::from_secs(5);

/// What is sent once the session is online, if the daemon is still there.
#[derive(Clone)]
enum Stanza {
    Message(Box<Message>),
    /// The answer to somebody who wants to see the agent's presence.
    Presence(Box<Presence>),
}

/// Gives messages to the sending task.
#[derive(Debug)]
pub(super) struct Outbox {
    nudge: Arc<Notify>,
    replies: mpsc::Sender<Stanza>,
    task: Option<JoinHandle<()>>,
}

/// Starts the sending task; without a session there is nobody to send to.
pub(super) fn start(handle: Option<Handle>, store: Store, agent: String) -> Outbox {
    let nudge = Arc::new(Notify::new());
    let (replies, waiting) = mpsc::channel(REPLIES_MAX);
    let sending = Sending { nudge: Arc::clone(&nudge), store, agent };
    let task = handle.map(|handle| tokio::spawn(sending.run(handle, waiting)));
    Outbox { nudge, replies, task }
}

impl Outbox {
    /// There is something new in the store, or the session is online again.
    pub(super) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Sends a reply, now or when the session is online again; if the daemon ends first, nobody misses it.
    pub(super) fn reply(&self, mut message: Message) {
        // Sent twice, it has the same id twice.
        message.id.get_or_insert_with(|| Id(format!("{:032x}", rand::random::<u128>())));
        self.put(Stanza::Message(Box::new(message)));
    }

    /// Answers somebody's subscription.
    pub(super) fn subscription(&self, presence: Presence) {
        self.put(Stanza::Presence(Box::new(presence)));
    }

    fn put(&self, stanza: Stanza) {
        if self.replies.try_send(stanza).is_err() {
            tracing::warn!("a reply was dropped: too many wait");
        }
    }

    /// Sends what can be sent within `patience`, and ends.
    pub(super) async fn close(self, patience: Duration) {
        drop(self.replies);
        self.nudge.notify_one();
        if let Some(mut task) = self.task
            && tokio::time::timeout(patience, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

struct Sending {
    nudge: Arc<Notify>,
    store: Store,
    agent: String,
}

impl Sending {
    async fn run(self, handle: Handle, mut replies: mpsc::Receiver<Stanza>) {
        let mut last = false;
        let mut unsent: Option<Stanza> = None;
        loop {
            if let Some(stanza) = unsent.take() {
                unsent = attempt(&handle, stanza).await;
            }
            let retry = self.send_notices(&handle).await || unsent.is_some();
            if last {
                return;
            }
            tokio::select! {
                reply = replies.recv(), if unsent.is_none() => match reply {
                    Some(stanza) => unsent = attempt(&handle, stanza).await,
                    None => last = true,
                },
                () = self.nudge.notified() => {}
                () = tokio::time::sleep(PAUSE), if retry => {}
            }
        }
    }

    /// Sends what the store has, until one cannot be sent. Says whether to try again without being nudged.
    async fn send_notices(&self, handle: &Handle) -> bool {
        loop {
            let notice = match self.store.next_notice() {
                Ok(Some(notice)) => notice,
                Ok(None) => return false,
                Err(error) => {
                    tracing::error!(%error, "cannot read what is to be said");
                    return true;
                }
            };
            let sent = match self.message(&notice) {
                Some(message) => send(handle, message).await,
                None => Ok(()),
            };
            match sent {
                Ok(()) => {}
                // It comes again when the session is online.
                Err(SendError::Offline | SendError::Ended) => return false,
                Err(SendError::Unconfirmed) => return true,
                // It will never go, and what comes after it should.
                Err(error) => tracing::error!(task = %notice.task, %error, "a notice cannot be sent"),
            }
            if let Err(error) = self.store.said(notice.id) {
                tracing::error!(%error, "cannot write down that a notice was said");
                return true;
            }
        }
    }

    /// A notice as a message. Its id is the same each time, so that whoever gets it twice can tell.
    fn message(&self, notice: &Notice) -> Option<Message> {
        let state = self.store.task(notice.task).ok()?.state;
        let text = match notice.form {
            Form::Text => notice.text.clone(),
            Form::Json => Answer::Notice { task: notice.task, state, text: notice.text.clone() }.to_json(),
        };
        let mut message = to(&notice.requester, text)?;
        message.id = Some(Id(format!("{}-notice-{}", self.agent, notice.id)));
        Some(message)
    }
}

/// Sends a stanza; gives it back if it is to be tried again.
async fn attempt(handle: &Handle, stanza: Stanza) -> Option<Stanza> {
    let sent = match stanza.clone() {
        Stanza::Message(message) => send(handle, *message).await,
        Stanza::Presence(presence) => handle.send_presence(*presence).await.map(drop),
    };
    match sent {
        Ok(()) | Err(SendError::Ended) => None,
        Err(SendError::Offline | SendError::Unconfirmed) => Some(stanza),
        Err(error) => {
            tracing::error!(%error, "a reply cannot be sent");
            None
        }
    }
}

async fn send(handle: &Handle, message: Message) -> Result<(), SendError> {
    handle.send(message).await.map(drop)
}

/// A message to whoever asked for a task, or to the room in which they did.
fn to(requester: &Requester, text: String) -> Option<Message> {
    match requester {
        Requester::Local { .. } => None,
        Requester::Xmpp { jid, room: None } => Some(chat(jid.clone().into(), text)),
        Requester::Xmpp { room: Some(room), .. } => Some(groupchat(room.clone().into(), text)),
    }
}

/// A chat message.
pub(super) fn chat(to: Jid, text: String) -> Message {
    Message::chat(to).with_body(Lang::new(), text)
}

/// A message to a room.
pub(super) fn groupchat(to: Jid, text: String) -> Message {
    Message::new_with_type(MessageType::Groupchat, to).with_body(Lang::new(), text)
}
