//! XMPP: the human's own chat clients, the human's broker elsewhere, and agents that ask from elsewhere.
//!
//! # How a request reaches the human
//!
//! With the human's own account, each request becomes a chat message to the human's other clients. With an account of its own
//! (a server, a device), the request itself goes to the human's bare JID, where the server gives it to the human's broker; the
//! chat message follows where no broker acknowledges it within [`PATIENCE`].
//!
//! # Invariants
//!
//! - Only what was said just now, to this session, by the bare JID that may say it, means anything. Carbons, forwards, archives
//!   and what was kept on the way do not.
//! - Who says it is the server's word (`from`), never the message's text.
//! - Nothing of the protocol is sent to strangers.

mod read;
mod task;
mod write;

use std::{sync::Arc, time::Duration};

use nuketown::Problem;
use nuketown_approval::{Key, stanza::NAMESPACE};
use nuketown_xmpp::{
    Availability, Config as Session, Disco, Events, Handle, jid::BareJid, parsers::disco::Identity,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::{
    channel::{Channel, Offered, Outcome},
    config::Agents,
    engine::Input,
};

/// How long the human's broker has to say that it has a request, before the human gets a chat message.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Who is who on XMPP.
#[derive(Clone, Debug)]
pub struct Who {
    /// The account of this broker.
    pub own: BareJid,
    /// The human's account.
    pub approver: BareJid,
    /// The agents' accounts.
    pub agents: Agents,
}

impl Who {
    /// Whether this broker uses the human's own account.
    fn is_shared(&self) -> bool {
        self.own == self.approver
    }
}

/// XMPP as a channel to the human.
#[derive(Debug)]
pub struct Phone {
    /// Bounded by what the engine holds open.
    commands: mpsc::UnboundedSender<Command>,
}

/// The session's task, to be ended.
#[derive(Debug)]
pub struct Line {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Command {
    Offer(Arc<Offered>),
    Withdraw(Key, Outcome),
}

impl Phone {
    /// Logs in, in the current tokio runtime. What others say goes to `inputs`.
    ///
    /// # Errors
    ///
    /// The session cannot work as it is configured. That the server cannot be reached is no error: it is tried again.
    pub fn start(
        mut session: Session,
        who: Who,
        inputs: mpsc::Sender<Input>,
    ) -> Result<(Self, Line), Problem> {
        session.disco = Disco {
            features: vec![NAMESPACE.to_owned()],
            identity: Identity {
                category: "client".into(),
                type_: "bot".into(),
                lang: None,
                name: Some("Nuketown broker".into()),
            },
            ..Disco::default()
        };
        session.availability = Availability {
            show: None,
            status: "Asks for approvals".to_owned(),
            // The human's own account: never before the human's chat clients. An account of its own: the only client there.
            priority: if who.is_shared() { -1 } else { 0 },
        };
        let (handle, events) = nuketown_xmpp::start(&session)
            .map_err(|error| Problem::new("cannot log in to XMPP", error.to_string()))?;
        Ok(Self::over(handle, events, who, inputs))
    }

    /// The channel over a session that was started, or a test's script.
    #[must_use]
    pub fn over(handle: Handle, events: Events, who: Who, inputs: mpsc::Sender<Input>) -> (Self, Line) {
        let (commands, received) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(task::run(handle, events, who, inputs, received, stopped));
        (Self { commands }, Line { stop, task })
    }
}

impl Line {
    /// Says what is still to be said, and closes the session.
    pub async fn close(self) {
        // An error on either means that the session ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

impl Channel for Phone {
    fn offer(&mut self, offered: &Arc<Offered>) {
        // Fails only when the session is over, and then nobody is asked by it.
        let _ = self.commands.send(Command::Offer(Arc::clone(offered)));
    }

    fn withdraw(&mut self, key: &Key, outcome: &Outcome) {
        let _ = self.commands.send(Command::Withdraw(key.clone(), outcome.clone()));
    }
}
