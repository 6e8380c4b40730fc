//! What the session knows, and what it does with what comes in. Nothing in here waits for anything.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio_xmpp::Stanza;
use xmpp_parsers::carbons::Enable;
use xmpp_parsers::iq::{Iq, IqPayload};
use xmpp_parsers::jid::{FullJid, Jid};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::Presence;

use crate::config::{Availability, Config};
use crate::disco::Description;
use crate::event::Event;
use crate::handle::Request;
use crate::inbox::{Inbox, Sorted};
use crate::iq::{self, Pending};
use crate::line::Line;
use crate::rooms::Rooms;
use crate::tags::is_cut;

/// The session that is bound.
pub(crate) struct Bound {
    /// Whether the server acknowledges stanzas (XEP-0198).
    pub(crate) acknowledged: bool,
}

/// What the session knows.
pub(crate) struct State {
    pub(crate) jid: Jid,
    pub(crate) bound: Option<Bound>,
    last: Option<(FullJid, bool)>,
    pub(crate) line: Line,
    pub(crate) pending: Pending,
    inbox: Inbox,
    pub(crate) rooms: Rooms,
    description: Description,
    availability: Availability,
    carbons: bool,
    pub(crate) patience: Duration,
}

impl State {
    /// Nothing is bound yet.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            jid: config.jid.clone(),
            bound: None,
            last: None,
            line: Line::default(),
            pending: Pending::default(),
            inbox: Inbox::new(config.jid.to_bare()),
            rooms: Rooms::new(&config.rooms),
            description: Description::new(&config.disco),
            availability: config.availability.clone(),
            carbons: config.carbons,
            patience: config.keepalive.whole(),
        }
    }

    /// A new session: everybody has to be told of it anew.
    pub(crate) fn bound_afresh(&mut self, jid: Jid, acknowledged: bool) -> Option<Event> {
        self.pending.forget();
        self.line.clear();
        let jid = jid.try_into_full().ok()?;
        self.last = Some((jid.clone(), acknowledged));
        self.bound = Some(Bound { acknowledged });
        if self.carbons {
            let (reply, _) = oneshot::channel();
            let enable = self.pending.ask(None, Request::Set(Element::from(Enable)), reply);
            self.line.push(enable);
        }
        self.say(self.presence());
        for presence in self.rooms.entering_all() {
            self.say(presence);
        }
        Some(Event::Online { jid, fresh: true })
    }

    /// The session goes on; nobody saw it leave.
    pub(crate) fn resumed(&mut self) -> Option<Event> {
        let (jid, acknowledged) = self.last.clone()?;
        self.bound = Some(Bound { acknowledged });
        Some(Event::Online { jid, fresh: false })
    }

    /// Is seen so from now on.
    pub(crate) fn announce(&mut self, availability: Availability) {
        self.availability = availability;
        self.say(self.presence());
    }

    /// Sends a presence of the session's own. While it is offline there is nobody to say it to; it is said at the bind.
    pub(crate) fn say(&mut self, presence: Presence) {
        if self.bound.is_some() && !self.line.push(presence) {
            log::warn!("a presence was not sent: too much waits for the network");
        }
    }

    fn presence(&self) -> Presence {
        let mut presence = self.availability.presence();
        if let Some(caps) = self.description.caps() {
            presence.add_payload(caps);
        }
        presence
    }

    /// Takes a stanza; what the caller is told of it.
    pub(crate) fn received(&mut self, stanza: Stanza) -> Vec<Event> {
        match stanza {
            Stanza::Message(message) => match self.inbox.message(message) {
                Sorted::Event(event) => vec![self.marked(event)],
                Sorted::Reply(reply) => {
                    self.line.push(*reply);
                    Vec::new()
                }
                Sorted::Dropped(why) => {
                    log::info!("a message was dropped: {why}");
                    Vec::new()
                }
            },
            Stanza::Presence(presence) if is_cut(&presence.payloads) => {
                log::info!("a presence was dropped: it is deeper than the limit");
                Vec::new()
            }
            Stanza::Presence(presence) => {
                let room = self.rooms.presence(&presence).map(|(room, state)| Event::Room { room, state });
                std::iter::once(Event::Presence(Box::new(presence))).chain(room).collect()
            }
            Stanza::Iq(iq) => {
                self.iq(iq);
                Vec::new()
            }
        }
    }

    /// Marks what a room reflects of what the session itself said there.
    fn marked(&self, mut event: Event) -> Event {
        if let Event::Message(incoming) = &mut event {
            incoming.own = self.rooms.is_reflection(&incoming.message);
        }
        event
    }

    /// Answers a request, and passes an answer on to who asked.
    fn iq(&mut self, iq: Iq) {
        let (header, payload) = iq.split();
        let request = match payload {
            IqPayload::Get(payload) => Request::Get(payload),
            IqPayload::Set(payload) => Request::Set(payload),
            answer => {
                // An answer that nobody waits for is that to the library's own ping, or came too late.
                self.pending.answered(&header, answer, &self.jid.to_bare());
                return;
            }
        };
        let answer = iq::answer(header, request, &self.description);
        if !self.line.push(answer) {
            log::warn!("a request was not answered: too much waits for the network");
        }
    }
}
