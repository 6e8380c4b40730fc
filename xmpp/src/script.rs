//! A scripted session, for the tests of a process that has one.
//!
//! The process under test gets the same [`Handle`] and [`Events`] as from [`start`](crate::start). The test says what happens
//! to the session ([`Script::happens`]), and takes what the process asks of it, one call after the other. A call that the
//! test did not expect, and one that does not come, fail the test.

#![allow(clippy::panic, reason = "a script fails the test that it is part of")]

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_xmpp::Stanza;
use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::message::Message;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::Presence;

use crate::config::{Availability, Room};
use crate::event::{Event, Events, Incoming};
use crate::handle::{Answer, Command, Delivery, Handle, Receipt, Request, SendError};

/// For a call that is expected; no test waits as long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// The test's side of a session.
#[derive(Debug)]
pub struct Script {
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
}

/// One call of the process under test. A call that wants an outcome gets it by the fields' senders; if they are dropped, the
/// process sees a session that has ended.
#[derive(Debug)]
pub enum Call {
    /// A message is to be sent.
    Message(Box<Message>, Outcome),
    /// A presence is to be sent to somebody.
    Presence(Box<Presence>, Outcome),
    /// Somebody is asked.
    Request {
        /// Who.
        to: Option<Jid>,
        /// What.
        request: Request,
        /// Where the answer goes.
        answer: Answering,
    },
    /// The session is to be seen so.
    Announce(Availability),
    /// A room is to be joined.
    Join(Room),
    /// A room is to be left.
    Leave(BareJid),
    /// The session is to end.
    Stop(Stopped),
}

/// Decides what became of a stanza.
#[derive(Debug)]
pub struct Outcome(oneshot::Sender<Result<Receipt, SendError>>);

impl Outcome {
    /// Tells the process.
    pub fn is(self, outcome: Result<Delivery, SendError>) {
        drop(self.0.send(outcome.map(Receipt::Decided)));
    }
}

/// Decides the answer to a request.
#[derive(Debug)]
pub struct Answering(oneshot::Sender<Answer>);

impl Answering {
    /// Tells the process.
    pub fn is(self, answer: Answer) {
        drop(self.0.send(answer));
    }
}

/// Lets the process go on once the session has ended.
#[derive(Debug)]
pub struct Stopped(oneshot::Sender<()>);

impl Stopped {
    /// Tells the process.
    pub fn done(self) {
        // A process that does not wait is fine.
        let _ = self.0.send(());
    }
}

impl Script {
    /// A session that does what the test says.
    #[must_use]
    pub fn start() -> (Self, Handle, Events) {
        let (commands, received) = mpsc::channel(64);
        let (events, reported) = mpsc::channel(256);
        (Self { commands: received, events }, Handle { commands }, Events(reported))
    }

    /// Something happens to the session.
    ///
    /// # Panics
    ///
    /// The process does not listen any more.
    pub async fn happens(&self, event: Event) {
        assert!(self.events.send(event).await.is_ok(), "the process under test dropped the session's events");
    }

    /// A message arrives, said just now.
    ///
    /// # Panics
    ///
    /// The process does not listen any more.
    pub async fn arrives(&self, message: Message) {
        self.happens(Event::Message(Box::new(Incoming { message, delayed: None, own: false }))).await;
    }

    /// The next call.
    ///
    /// # Panics
    ///
    /// There is none within 20 seconds, or the process dropped its handle.
    pub async fn call(&mut self) -> Call {
        match tokio::time::timeout(PATIENCE, self.commands.recv()).await {
            Ok(Some(command)) => command.into(),
            Ok(None) => panic!("the process under test dropped its handle instead of making a call"),
            Err(elapsed) => panic!("the process under test made no call within {PATIENCE:?} ({elapsed})"),
        }
    }

    /// The next call, which is a message; the server acknowledges it.
    ///
    /// # Panics
    ///
    /// It is something else, or there is none.
    pub async fn message(&mut self) -> Message {
        match self.call().await {
            Call::Message(message, outcome) => {
                outcome.is(Ok(Delivery::Acknowledged));
                *message
            }
            other => panic!("a message was expected, and this came: {other:?}"),
        }
    }

    /// The next call, which asks `to` something; `answer` is the result.
    ///
    /// # Panics
    ///
    /// It is something else, or there is none.
    pub async fn request(&mut self, answer: Option<Element>) -> (Option<Jid>, Request) {
        match self.call().await {
            Call::Request { to, request, answer: answering } => {
                answering.is(Ok(answer));
                (to, request)
            }
            other => panic!("a request was expected, and this came: {other:?}"),
        }
    }

    /// The next call, which says how available the session is.
    ///
    /// # Panics
    ///
    /// It is something else, or there is none.
    pub async fn announcement(&mut self) -> Availability {
        match self.call().await {
            Call::Announce(availability) => availability,
            other => panic!("an announcement was expected, and this came: {other:?}"),
        }
    }

    /// The test is over, and the process has nothing left to ask.
    ///
    /// # Panics
    ///
    /// There is a call that the test did not take. Dropping the script has the same effect.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if let Ok(command) = self.commands.try_recv()
            && !std::thread::panicking()
        {
            panic!("the process under test made a call that was not expected: {:?}", Call::from(command));
        }
    }
}

impl From<Command> for Call {
    fn from(command: Command) -> Self {
        match command {
            Command::Send { stanza, reply } => match *stanza {
                Stanza::Message(message) => Self::Message(Box::new(message), Outcome(reply)),
                Stanza::Presence(presence) => Self::Presence(Box::new(presence), Outcome(reply)),
                Stanza::Iq(_) => unreachable!("requests are commands of their own"),
            },
            Command::Request { to, request, reply } => {
                Self::Request { to, request, answer: Answering(reply) }
            }
            Command::Announce(availability) => Self::Announce(availability),
            Command::Join(room) => Self::Join(room),
            Command::Leave(room) => Self::Leave(room),
            Command::Stop(reply) => Self::Stop(Stopped(reply)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xmpp_parsers::message::Lang;

    fn message(text: &str) -> Message {
        Message::chat("bob@town.example".parse::<Jid>().unwrap()).with_body(Lang::new(), text.into())
    }

    #[tokio::test]
    async fn process_under_test_sees_what_the_script_decides() {
        let (mut script, handle, mut events) = Script::start();
        let process = tokio::spawn(async move {
            let outcomes = (handle.send(message("one")).await, handle.send(message("two")).await);
            let event = events.next().await;
            handle.stop().await;
            (outcomes, event)
        });
        assert_eq!(script.message().await.bodies[""], "one");
        match script.call().await {
            Call::Message(_, outcome) => outcome.is(Err(SendError::Offline)),
            other => panic!("{other:?}"),
        }
        script.arrives(message("three")).await;
        match script.call().await {
            Call::Stop(stopped) => stopped.done(),
            other => panic!("{other:?}"),
        }
        let (outcomes, event) = process.await.unwrap();
        assert_eq!(outcomes, (Ok(Delivery::Acknowledged), Err(SendError::Offline)));
        assert!(matches!(event, Some(Event::Message(_))));
        script.finish();
    }

    #[tokio::test]
    #[should_panic(expected = "a call that was not expected: Announce")]
    async fn call_that_the_test_does_not_take_fails_it() {
        let (script, handle, _events) = Script::start();
        handle.announce(Availability::default()).await.unwrap();
        script.finish();
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "made no call")]
    async fn call_that_does_not_come_fails_the_test() {
        let (mut script, _handle, _events) = Script::start();
        script.call().await;
    }

    #[tokio::test]
    async fn message_over_the_limit_never_reaches_the_session() {
        let (script, handle, _events) = Script::start();
        let error = handle.send(message(&"x".repeat(crate::STANZA_LIMIT))).await.unwrap_err();
        assert!(error.to_string().contains("65536 is the limit"), "{error}");
        assert!(matches!(handle.send(message("\u{1}")).await, Err(SendError::Unwritable { .. })));
        script.finish();
    }
}
