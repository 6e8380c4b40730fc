//! The session itself: one task that owns the stream, and does one thing after the other.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio_xmpp::Stanza;
use tokio_xmpp::stanzastream::{Event as Streamed, StanzaStage, StanzaStream, StreamEvent};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::presence::Presence;

use crate::config::{Config, ConfigError};
use crate::dial::{DialError, Dialled};
use crate::event::{Event, Events, Fatal};
use crate::handle::{Command, Handle, Receipt, SendError};
use crate::line::DEPTH;
use crate::link::{Link, Retrying, Slot, release};
use crate::state::State;

/// Events that the caller has not taken yet at most; then the stream is not read until it does.
const UNREAD: usize = 256;
/// For the last presence to be written.
const FAREWELL: Duration = Duration::from_secs(3);
/// For the stream to be closed by both sides.
const CLOSING: Duration = Duration::from_secs(12);

/// Starts a session in the current tokio runtime. It lives until [`Handle::stop`], or a [`Fatal`] event.
///
/// # Errors
///
/// The configuration cannot work. That the server cannot be reached is no error but an event.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn start(config: &Config) -> Result<(Handle, Events), ConfigError> {
    let link = Link::new(config)?;
    let (commands, received) = mpsc::channel(DEPTH);
    let (events, reported) = mpsc::channel(UNREAD);
    let (slots_in, slots) = mpsc::unbounded_channel();
    let connector = Box::new(move |_location: Option<String>, slot: Slot| {
        if let Err(unwanted) = slots_in.send(slot) {
            // Nobody is left to answer it; dropped, it would make the library panic.
            std::mem::forget(unwanted);
        }
    });
    let session = Session {
        stream: StanzaStream::new(connector, DEPTH),
        slots,
        link,
        commands: received,
        events,
        outbox: VecDeque::new(),
        suspended: true,
        state: State::new(config),
    };
    tokio::spawn(session.run());
    Ok((Handle { commands }, Events(reported)))
}

struct Session {
    stream: StanzaStream,
    slots: mpsc::UnboundedReceiver<Slot>,
    link: Link,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    outbox: VecDeque<Event>,
    /// Whether everything that came through the last connection has been taken. Only then is there a next one, or the events
    /// of the two would be mixed up.
    suspended: bool,
    state: State,
}

/// How the session ended.
enum End {
    Stopped(Option<oneshot::Sender<()>>),
    Failed(Fatal),
}

/// One thing that happened to the session.
enum Happened {
    Reported { heard: bool },
    Wanted(Slot),
    Attempted(Box<Result<Dialled, DialError>>),
    Streamed(Option<Box<Streamed>>),
    Asked(Option<Command>),
}

impl Session {
    async fn run(mut self) {
        let end = loop {
            if let Some(end) = self.step().await {
                break end;
            }
        };
        let jid = self.state.jid.clone();
        let Self { stream, slots, mut link, events, mut state, mut outbox, .. } = self;
        if state.bound.is_some() {
            let token = state.line.send(&stream, Box::new(Presence::unavailable().into()));
            let said = async { token.await.wait_for(StanzaStage::Sent).await };
            drop(tokio::time::timeout(FAREWELL, said).await);
        }
        close(stream, slots, link.give_up(), &jid).await;
        state.pending.forget();
        match end {
            End::Stopped(reply) => drop(reply.map(|reply| reply.send(()))),
            End::Failed(fatal) => outbox.push_back(Event::Fatal(fatal)),
        }
        for event in outbox {
            // A caller that is gone wants no events.
            drop(events.send(event).await);
        }
    }

    /// Waits for the next thing, and does it.
    async fn step(&mut self) -> Option<End> {
        let online = self.state.bound.is_some();
        if online {
            self.state.line.flush(&self.stream).await;
        }
        let free = self.state.line.is_free();
        let happened = tokio::select! {
            heard = report(&self.events, &mut self.outbox) => Happened::Reported { heard },
            Some(slot) = self.slots.recv(), if self.suspended => Happened::Wanted(slot),
            result = self.link.attempted() => Happened::Attempted(Box::new(result)),
            event = self.stream.next(), if self.outbox.len() < UNREAD => Happened::Streamed(event.map(Box::new)),
            command = self.commands.recv(), if free || !online => Happened::Asked(command),
            () = self.state.line.drained(), if !free => return None,
        };
        match happened {
            Happened::Reported { heard: true } => {}
            Happened::Reported { heard: false } | Happened::Asked(None) => return Some(End::Stopped(None)),
            Happened::Wanted(slot) => self.wanted(slot),
            Happened::Attempted(result) => return self.attempted(*result),
            Happened::Streamed(Some(event)) => match *event {
                Streamed::Stream(event) => self.streamed(event),
                Streamed::Stanza(stanza) => self.outbox.extend(self.state.received(stanza)),
            },
            Happened::Streamed(None) => {
                // Nothing can be said any more: the library panics if it is tried.
                self.state.bound = None;
                return Some(End::Failed(Fatal::Internal));
            }
            Happened::Asked(Some(command)) => return self.command(command).await,
        }
        None
    }

    fn wanted(&mut self, slot: Slot) {
        if let Some(retrying) = self.link.wanted(slot) {
            self.offline(retrying);
        }
    }

    fn attempted(&mut self, result: Result<Dialled, DialError>) -> Option<End> {
        match result {
            Ok(dialled) => {
                self.suspended = false;
                self.link.succeeded(dialled);
            }
            Err(error) if error.is_final() => return Some(End::Failed(Fatal::Login(error))),
            Err(error) => {
                let retrying = self.link.failed(error);
                self.offline(retrying);
            }
        }
        None
    }

    fn offline(&mut self, retrying: Retrying) {
        self.outbox.push_back(Event::Offline { reason: retrying.reason, retry_in: retrying.delay });
    }

    fn streamed(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Reset { bound_jid, features } => {
                let acknowledged = features.stream_management.is_some();
                self.outbox.extend(self.state.bound_afresh(bound_jid, acknowledged));
            }
            StreamEvent::Resumed => self.outbox.extend(self.state.resumed()),
            // The reason follows with the wish for a new connection.
            StreamEvent::Suspended => {
                self.suspended = true;
                self.state.bound = None;
            }
        }
    }

    async fn command(&mut self, command: Command) -> Option<End> {
        match command {
            Command::Send { stanza, reply } => {
                let receipt = self.send(stanza).await;
                drop(reply.send(receipt));
            }
            Command::Request { to, request, reply } => {
                let iq = self.state.pending.ask(to, request, reply);
                let id = iq.id().to_owned();
                if let Err(error) = self.send(Box::new(iq.into())).await {
                    self.state.pending.not_sent(&id, error);
                }
            }
            Command::Announce(availability) => self.state.announce(availability),
            Command::Join(room) => {
                let presence = self.state.rooms.join(room);
                self.state.say(presence);
            }
            Command::Leave(room) => {
                if let Some(presence) = self.state.rooms.leave(&room) {
                    self.state.say(presence);
                }
            }
            Command::Stop(reply) => return Some(End::Stopped(Some(reply))),
        }
        None
    }

    async fn send(&mut self, stanza: Box<Stanza>) -> Result<Receipt, SendError> {
        let Some(bound) = &self.state.bound else { return Err(SendError::Offline) };
        let acknowledged = bound.acknowledged;
        let token = self.state.line.send(&self.stream, stanza).await;
        Ok(Receipt::Tracked { token, acknowledged, patience: self.state.patience })
    }
}

/// Hands the next event to the caller; false if the caller is gone. May be dropped and called again.
async fn report(events: &mpsc::Sender<Event>, outbox: &mut VecDeque<Event>) -> bool {
    if outbox.is_empty() {
        events.closed().await;
        return false;
    }
    match events.reserve().await {
        Ok(permit) => {
            if let Some(event) = outbox.pop_front() {
                permit.send(event);
            }
            true
        }
        Err(_) => false,
    }
}

/// Closes the stream, and answers whatever still waits for a connection.
async fn close(
    stream: StanzaStream,
    mut slots: mpsc::UnboundedReceiver<Slot>,
    waiting: Option<Slot>,
    jid: &Jid,
) {
    let released = async {
        if let Some(slot) = waiting {
            release(slot, jid).await;
        }
        while let Some(slot) = slots.recv().await {
            release(slot, jid).await;
        }
    };
    let both = async {
        tokio::select! {
            biased;
            () = stream.close() => {}
            () = released => {}
        }
    };
    drop(tokio::time::timeout(CLOSING, both).await);
}
