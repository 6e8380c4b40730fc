//! The task that owns the session: what is said goes out, what is heard goes to the engine.

mod listen;

use std::{collections::BTreeMap, sync::Arc};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use nuketown_approval::{Answer as Said, Key, stanza::Stanza};
use nuketown_xmpp::{Event, Events, Handle, SendError, jid::Jid, parsers::message::Message};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Command, PATIENCE, Who, write};
use crate::{
    channel::{About, Heard, Offered, Outcome},
    engine::{Input, Told},
    report,
};

/// What remote agents have not been told yet at most.
const UNTOLD: usize = 4096;

pub(super) async fn run(
    handle: Handle,
    mut events: Events,
    who: Who,
    inputs: mpsc::Sender<Input>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut stop: oneshot::Receiver<()>,
) {
    let (tell, mut told) = mpsc::channel(UNTOLD);
    let mut task = Task {
        who,
        handle,
        inputs,
        tell,
        online: false,
        questions: BTreeMap::new(),
        askers: BTreeMap::new(),
        last: 0,
        sending: FuturesUnordered::new(),
        hearing: FuturesUnordered::new(),
    };
    loop {
        let fallback = task.next_fallback();
        tokio::select! {
            biased;
            Some(command) = commands.recv() => task.obey(command),
            Some((connection, said)) = told.recv() => task.tell(connection, said),
            Some(sent) = task.sending.next(), if !task.sending.is_empty() => task.sent(sent),
            Some((to, about, heard)) = task.hearing.next(), if !task.hearing.is_empty() => task.heard(to, &about, heard),
            () = until(fallback) => task.fall_back(),
            event = events.next() => {
                if !task.event(event).await {
                    return;
                }
            }
            _ = &mut stop => break,
        }
    }
    // What the engine said before it stopped.
    while let Ok(command) = commands.try_recv() {
        task.obey(command);
    }
    while let Ok((connection, said)) = told.try_recv() {
        task.tell(connection, said);
    }
    let farewell = async { while task.sending.next().await.is_some() {} };
    // The server may be gone; then so is everything that would have been said.
    let _ = tokio::time::timeout(PATIENCE, farewell).await;
    task.handle.stop().await;
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

struct Task {
    who: Who,
    handle: Handle,
    inputs: mpsc::Sender<Input>,
    tell: mpsc::Sender<(u64, Told)>,
    online: bool,
    questions: BTreeMap<Key, Question>,
    /// Remote agents that wait, by the connection that the engine knows them by.
    askers: BTreeMap<u64, Asker>,
    last: u64,
    sending: FuturesUnordered<BoxFuture<'static, Sent>>,
    hearing: FuturesUnordered<BoxFuture<'static, (Jid, About, Option<Heard>)>>,
}

/// A request and how the human was asked about it.
struct Question {
    offered: Arc<Offered>,
    /// The id of the message that carries the request itself.
    relayed: Option<String>,
    acknowledged: bool,
    /// When the chat message follows.
    fallback: Option<Instant>,
    /// The id of the chat message.
    chat: Option<String>,
}

struct Asker {
    from: Jid,
    key: Key,
}

/// What became of a message.
struct Sent {
    about: Option<(Key, String)>,
    to: String,
    result: Result<(), SendError>,
}

impl Task {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Offer(offered) => {
                let key = offered.key.clone();
                let question =
                    Question { offered, relayed: None, acknowledged: false, fallback: None, chat: None };
                self.questions.insert(key.clone(), question);
                if self.online {
                    self.ask(&key);
                }
            }
            Command::Withdraw(key, outcome) => {
                if let Some(question) = self.questions.remove(&key) {
                    self.withdraw(question, &outcome);
                }
            }
        }
    }

    /// Asks the human about a request, in the way that this account has.
    fn ask(&mut self, key: &Key) {
        if self.who.is_shared() {
            self.ask_in_chat(key);
            return;
        }
        let Some(question) = self.questions.get_mut(key) else { return };
        let request = Stanza::Request(Box::new(question.offered.request.clone()));
        match write::protocol(self.who.approver.clone().into(), &request) {
            Ok(mut message) => {
                let id = new_id(&mut message);
                question.relayed = Some(id.clone());
                question.fallback = Some(Instant::now() + PATIENCE);
                self.send(message, Some((key.clone(), id)));
            }
            Err(why) => {
                report::warn(&format!("cannot write a request as XML: {why}"));
                self.ask_in_chat(key);
            }
        }
    }

    fn ask_in_chat(&mut self, key: &Key) {
        let Some(question) = self.questions.get_mut(key) else { return };
        let id = random_id();
        question.fallback = None;
        question.chat = Some(id.clone());
        let message =
            write::question(&self.who.approver, &question.offered, id.clone(), self.who.is_shared());
        self.send(message, Some((key.clone(), id)));
    }

    fn withdraw(&mut self, question: Question, outcome: &Outcome) {
        let approver = self.who.approver.clone();
        if question.relayed.is_some() {
            let cancel = Stanza::Cancel(question.offered.key.id.clone());
            match write::protocol(approver.clone().into(), &cancel) {
                Ok(message) => self.send(message, None),
                Err(why) => report::warn(&format!("cannot write a cancellation as XML: {why}")),
            }
        }
        if let Some(id) = question.chat {
            self.send(
                write::corrected(&approver, &question.offered, outcome, id, self.who.is_shared()),
                None,
            );
        }
    }

    fn next_fallback(&self) -> Option<Instant> {
        self.questions.values().filter_map(|question| question.fallback).min()
    }

    fn fall_back(&mut self) {
        let now = Instant::now();
        let due = |question: &Question| question.fallback.is_some_and(|at| at <= now);
        let keys: Vec<Key> =
            self.questions.iter().filter(|(_, question)| due(question)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.ask_in_chat(&key);
        }
    }

    /// Tells a remote agent.
    fn tell(&mut self, connection: u64, told: Told) {
        let Some(Asker { from, key }) = self.askers.get(&connection) else { return };
        let (from, id) = (from.clone(), key.id.clone());
        let message = match told {
            Told::Waiting(waiting) => write::protocol(from, &Stanza::Ack(waiting.id)),
            Told::Decision(_, decision) => {
                self.askers.remove(&connection);
                write::decision(from, id, Some(decision.digest), decision.result, decision.reason)
            }
            Told::Refused(_, problem) => {
                self.askers.remove(&connection);
                let reason = Some(format!("{}: {}", problem.what, problem.cause));
                write::decision(from, id, None, Said::Denied, reason)
            }
            Told::Spent(..) => return,
        };
        match message {
            Ok(message) => self.send(message, None),
            Err(why) => report::warn(&format!("cannot write a decision as XML: {why}")),
        }
    }

    fn send(&self, message: Message, about: Option<(Key, String)>) {
        let handle = self.handle.clone();
        let to = message.to.as_ref().map_or(String::new(), ToString::to_string);
        let sending = async move {
            let result = handle.send(message).await.map(drop);
            Sent { about, to, result }
        };
        self.sending.push(sending.boxed());
    }

    fn sent(&mut self, sent: Sent) {
        let Sent { about, to, result: Err(error) } = sent else { return };
        report::warn(&format!("a message to {to} was not sent: {error}"));
        let Some((key, id)) = about else { return };
        self.undo(&key, &id);
    }

    /// The human was not asked by the message with this id after all: when the session is back it is tried again.
    fn undo(&mut self, key: &Key, id: &str) {
        if let Some(question) = self.questions.get_mut(key) {
            if question.relayed.as_deref() == Some(id) {
                question.relayed = None;
                question.fallback = None;
            }
            if question.chat.as_deref() == Some(id) {
                question.chat = None;
            }
        }
    }

    /// Somebody answered, and this is what became of it. Only the approver is told.
    fn heard(&mut self, to: Jid, about: &About, heard: Option<Heard>) {
        let text = match heard {
            Some(Heard::Before(outcome)) => {
                format!("{about} was {} before: {}", outcome.result.as_str(), outcome.reason)
            }
            Some(Heard::Unknown) => format!("There is no open request {about}."),
            Some(Heard::Unrecorded) => format!("{about} is denied: the audit log cannot be written."),
            // A decision is seen in the correction; strangers are told nothing.
            Some(Heard::Decided(_) | Heard::NotTheApprover) | None => return,
        };
        self.send(write::chat(to, text), None);
    }

    /// Whether the session goes on.
    async fn event(&mut self, event: Option<Event>) -> bool {
        match event {
            Some(Event::Online { jid, fresh }) => {
                report::info(&format!("online as {jid}{}", if fresh { "" } else { ", resumed" }));
                self.online = true;
                let unasked = |question: &Question| question.relayed.is_none() && question.chat.is_none();
                let keys: Vec<Key> = self
                    .questions
                    .iter()
                    .filter(|(_, question)| unasked(question))
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in keys {
                    self.ask(&key);
                }
            }
            Some(Event::Offline { reason, retry_in }) => {
                self.online = false;
                report::warn(&format!("offline: {reason}; next attempt in {} s", retry_in.as_secs()));
            }
            Some(Event::Message(incoming)) => return self.message(*incoming).await,
            Some(Event::Presence(presence)) => self.presence(&presence),
            // A copy of what others were told is nothing that was said here.
            Some(Event::Carbon(_) | Event::Room { .. }) => {}
            Some(Event::Fatal(error)) => {
                report::warn(&format!("XMPP is given up: {error}"));
                self.input(Input::Xmpp(false)).await;
                return false;
            }
            None => return false,
        }
        true
    }

    /// Whether the engine still listens.
    async fn input(&mut self, input: Input) -> bool {
        self.inputs.send(input).await.is_ok()
    }
}

fn new_id(message: &mut Message) -> String {
    let id = random_id();
    message.id = Some(nuketown_xmpp::parsers::message::Id(id.clone()));
    id
}

fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
