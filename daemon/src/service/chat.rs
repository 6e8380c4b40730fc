//! XMPP: what happens to the session, and what people and agents write.
//!
//! # Invariants
//!
//! - A message starts work only if it was said just now, directly, by somebody who is heard. Copies, delayed messages, corrections,
//!   errors and the agent's own words start nothing.
//! - Nobody is answered who is a program that answers: agents get answers to requests alone, and of those no more than a budget.

use nuketown_xmpp::jid::{BareJid, FullJid, Jid};
use nuketown_xmpp::parsers::message::{Message, MessageType};
use nuketown_xmpp::parsers::presence::{Presence, Type};
use nuketown_xmpp::{Event, Incoming, RoomState};
use tokio::time::Instant;

use super::ServiceError;
use super::desk::{Desk, Origin, failed};
use super::outbox::{chat, groupchat};
use crate::peer::Peer;
use crate::request::{Heard, Place, hear};
use crate::store::{Form, StoreError};
use crate::task::Requester;
use crate::wire::{Answer, Ask};
use crate::{wire, words};

/// XEP-0308.
const CORRECTION: &str = "urn:xmpp:message-correct:0";
/// Types of answers, which are no requests: programs that get one are not told so.
const ANSWERS: [&str; 12] = [
    "accepted",
    "status",
    "queue",
    "cancelled",
    "log",
    "history",
    "cost",
    "answered",
    "healthy",
    "notice",
    "error",
    "decided",
];

/// A message that is heard.
struct Said<'a> {
    text: &'a str,
    peer: Peer,
    from: &'a Jid,
    /// The room in which it was said.
    room: Option<&'a BareJid>,
    /// Its id, by its sender.
    id: Option<String>,
}

impl Desk {
    pub(super) fn on_event(&mut self, event: Event) -> Result<(), ServiceError> {
        match event {
            Event::Online { jid, fresh } => {
                tracing::info!(%jid, fresh, "online");
                self.online = true;
                if fresh {
                    self.rooms.forget();
                }
                self.ties.metrics.online(true);
                self.ties.outbox.nudge();
            }
            Event::Offline { reason, retry_in } => {
                tracing::warn!(%reason, ?retry_in, "offline");
                self.online = false;
                self.ties.metrics.online(false);
            }
            Event::Room { room, state: RoomState::Refused { condition } } => {
                tracing::error!(%room, condition, "the room does not let the agent in");
            }
            Event::Room { room, state } => tracing::info!(%room, ?state, "room"),
            Event::Presence(presence) if presence.type_ == Type::Subscribe => self.on_subscription(&presence),
            Event::Presence(presence) => self.rooms.see(&presence),
            Event::Message(incoming) => self.on_message(&incoming)?,
            // For showing only. The end is no event of a session that goes on.
            Event::Carbon(_) | Event::Fatal(_) => {}
        }
        Ok(())
    }

    /// Those who are heard may see what the agent does, and nobody else (RFC 6121 section 3.1). The agent does not look back: a
    /// presence decides nothing.
    fn on_subscription(&mut self, presence: &Presence) {
        let Some(from) = presence.from.as_ref().map(Jid::to_bare) else { return };
        let answer = match self.town.peer(&from) {
            Some(_) => Type::Subscribed,
            None => Type::Unsubscribed,
        };
        tracing::info!(%from, ?answer, "subscription");
        self.ties.outbox.subscription(Presence::new(answer).with_to(from));
    }

    fn on_message(&mut self, incoming: &Incoming) -> Result<(), StoreError> {
        let Some(from) = incoming.message.from.clone() else { return Ok(()) };
        if incoming.delayed.is_none() && self.on_approval_message(&incoming.message, &from)? {
            return Ok(());
        }
        let Some(text) = incoming.body().filter(|_| !incoming.own) else { return Ok(()) };
        match incoming.message.type_ {
            MessageType::Chat | MessageType::Normal => self.on_direct(incoming, &from, text),
            MessageType::Groupchat => self.on_room(incoming, &from, text),
            MessageType::Error | MessageType::Headline => Ok(()),
        }
    }

    fn on_direct(&mut self, incoming: &Incoming, from: &Jid, text: &str) -> Result<(), StoreError> {
        let sender = from.to_bare();
        // Whoever writes from a room to the agent alone is known by the room.
        let known = if self.rooms.has(&sender) {
            from.clone().try_into_full().ok().and_then(|occupant| self.rooms.real(&occupant).cloned())
        } else {
            Some(sender.clone())
        };
        let Some(peer) = known.and_then(|jid| self.town.peer(&jid)) else {
            self.refuse(from, &sender);
            return Ok(());
        };
        let said = Said { text, peer, from, room: None, id: identity(&incoming.message, from) };
        if incoming.delayed.is_some() {
            self.say(&said, "That came late, so I do not act on it. Say it again if it still holds.");
            return Ok(());
        }
        self.on_said(&said, &incoming.message)
    }

    fn on_room(&mut self, incoming: &Incoming, from: &Jid, text: &str) -> Result<(), StoreError> {
        let room = from.to_bare();
        let occupant: Option<FullJid> = from.clone().try_into_full().ok();
        if incoming.delayed.is_some() || !self.rooms.has(&room) {
            return Ok(());
        }
        let Some(occupant) = occupant else { return Ok(()) };
        if matches!(hear(text, self.place(true)), Heard::Nothing) {
            return Ok(());
        }
        let peer = self.rooms.real(&occupant).cloned().and_then(|jid| self.town.peer(&jid));
        let Some(peer) = peer else {
            if self.budget.refuses(&room, Instant::now()) {
                let text = "I only hear my approver and the agents of my town, and have to see who is who: \
                            the room must not be anonymous.";
                self.ties.outbox.reply(groupchat(room.into(), text.to_owned()));
            }
            return Ok(());
        };
        let id = identity(&incoming.message, from);
        self.on_said(&Said { text, peer, from, room: Some(&room), id }, &incoming.message)
    }

    /// A stranger gets one polite refusal, and no work.
    fn refuse(&mut self, from: &Jid, sender: &BareJid) {
        self.ties.metrics.refused();
        if self.budget.refuses(sender, Instant::now()) {
            tracing::warn!(%sender, "a stranger is not heard");
            let text = "Sorry, I only take requests from my approver and the agents of my town.";
            self.ties.outbox.reply(chat(from.clone(), text.to_owned()));
        }
    }

    fn on_said(&mut self, said: &Said<'_>, message: &Message) -> Result<(), StoreError> {
        if message.payloads.iter().any(|payload| payload.is("replace", CORRECTION)) {
            self.say(said, "I do not take corrections. Cancel the task, if there is one, and ask again.");
            return Ok(());
        }
        if let Peer::Approver(jid) = &said.peer
            && said.room.is_none()
            && let Some(answer) = self.on_approval_words(said.text, jid)?
        {
            self.say(said, &answer);
            return Ok(());
        }
        if said.text.trim_start().starts_with('{') {
            self.on_json(said);
            return Ok(());
        }
        match hear(said.text, self.place(said.room.is_some())) {
            Heard::Nothing => {}
            Heard::Help => self.say(said, &self.help()),
            Heard::Unclear(why) => return self.on_unclear(said, &why),
            Heard::Ask(ask) => {
                if self.answers_question(said, &ask)? {
                    return Ok(());
                }
                let answer = self.answer_or_fail(said, Form::Text, ask);
                self.say(said, &words::say(&answer));
            }
        }
        Ok(())
    }

    /// What is no command may be the answer to a question. Whether it is one without the word for it is asked only of people.
    fn on_unclear(&mut self, said: &Said<'_>, why: &str) -> Result<(), StoreError> {
        let answer = Ask::Answer { task: None, text: said.text.to_owned() };
        if self.is_asked(said)? {
            let answer = self.answer_or_fail(said, Form::Text, answer);
            self.say(said, &words::say(&answer));
        } else if !matches!(said.peer, Peer::Agent(_)) {
            self.say(said, why);
        }
        Ok(())
    }

    /// On a device, any words are a task, unless the task that runs has asked something.
    fn answers_question(&mut self, said: &Said<'_>, ask: &Ask) -> Result<bool, StoreError> {
        let free =
            matches!(ask, Ask::Task { project: None, text, .. } if said.text.trim().ends_with(text.as_str()));
        let spoken = !said.text.trim_start().to_ascii_lowercase().starts_with("do ");
        if !(free && spoken && self.ties.settings.is_device() && self.is_asked(said)?) {
            return Ok(false);
        }
        self.on_unclear(said, "")?;
        Ok(true)
    }

    /// Whether the task that runs waits for an answer of this very peer.
    fn is_asked(&self, said: &Said<'_>) -> Result<bool, StoreError> {
        let Some(current) = &self.current else { return Ok(false) };
        let asked = said.peer.may_decide_on(&current.task.requester) && said.room.is_none();
        Ok(asked && self.ties.store.open_question(current.task.id)?.is_some())
    }

    fn on_json(&mut self, said: &Said<'_>) {
        let kind = serde_json::from_str::<serde_json::Value>(said.text).ok();
        let kind = kind.as_ref().and_then(|value| value.get("type")).and_then(serde_json::Value::as_str);
        let answer = match wire::read(said.text.trim()) {
            Ok(Ask::Health { .. } | Ask::ApproveTest {}) => {
                Answer::error("the request is refused", "that is asked on the machine itself")
            }
            Ok(ask) => self.answer_or_fail(said, Form::Json, ask),
            // An answer to an answer would be one too many.
            Err(_) if kind.is_some_and(|kind| ANSWERS.contains(&kind)) => return,
            Err(refusal) => refusal,
        };
        self.say(said, &answer.to_json());
    }

    fn answer_or_fail(&mut self, said: &Said<'_>, form: Form, ask: Ask) -> Answer {
        self.answer(&said.peer, origin(said, form), ask).unwrap_or_else(|error| failed(&error))
    }

    fn place(&self, crowd: bool) -> Place<'_> {
        let free = self.ties.settings.is_device();
        Place { name: &self.ties.settings.identity.name, crowd, free, projects: &self.projects }
    }

    fn help(&self) -> String {
        words::help(&self.ties.settings.identity.name, self.ties.settings.is_device())
    }

    /// Replies where something was said, as long as this peer's budget lasts.
    fn say(&mut self, said: &Said<'_>, text: &str) {
        let to = said.room.cloned().unwrap_or_else(|| said.from.to_bare());
        let human = matches!(said.peer, Peer::Approver(_)) && said.room.is_none();
        if !human && !self.budget.allows(&to, Instant::now()) {
            tracing::warn!(peer = %to, "the budget of replies is used up");
            return;
        }
        let message = match said.room {
            Some(room) => {
                let nick = said.from.resource().map_or_else(String::new, |nick| format!("{nick}: "));
                groupchat(room.clone().into(), format!("{nick}{text}"))
            }
            None => chat(said.from.clone(), text.to_owned()),
        };
        self.ties.outbox.reply(message);
    }
}

/// Who hears of what was asked for: the person in chat, or the room.
fn origin(said: &Said<'_>, form: Form) -> Origin {
    let jid = match &said.peer {
        Peer::Approver(jid) | Peer::Agent(jid) => jid.clone(),
        // Nobody on XMPP is the owner of the socket.
        Peer::Owner(_) => said.from.to_bare(),
    };
    Origin { requester: Requester::Xmpp { jid, room: said.room.cloned() }, message: said.id.clone(), form }
}

/// What tells a message that comes again: its sender and its id. Clients number messages anew in each session, so the resource counts.
fn identity(message: &Message, from: &Jid) -> Option<String> {
    message.id.as_ref().map(|id| format!("{from} {}", id.0))
}
