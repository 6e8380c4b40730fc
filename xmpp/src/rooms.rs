//! The rooms that the session is in, or wants to be in (XEP-0045).

use std::collections::BTreeMap;

use xmpp_parsers::jid::{BareJid, Jid, ResourcePart};
use xmpp_parsers::message::Message;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::muc::muc::{History, Muc};
use xmpp_parsers::muc::user::{MucUser, Status};
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza_error::StanzaError;

use crate::config::Room;
use crate::event::RoomState;

/// The rooms by address, with the name in each.
#[derive(Debug, Default)]
pub(crate) struct Rooms(BTreeMap<BareJid, Place>);

#[derive(Debug)]
struct Place {
    nick: ResourcePart,
    joined: bool,
}

impl Rooms {
    /// Wants to be in these.
    pub(crate) fn new(rooms: &[Room]) -> Self {
        let mut all = Self::default();
        for room in rooms {
            all.join(room.clone());
        }
        all
    }

    /// Wants to be in this one too; the presence that asks for it.
    pub(crate) fn join(&mut self, room: Room) -> Presence {
        let presence = entering(&room.jid, &room.nick);
        self.0.insert(room.jid, Place { nick: room.nick, joined: false });
        presence
    }

    /// Does not want to be in it any more; the presence that says so, if it was in it.
    pub(crate) fn leave(&mut self, room: &BareJid) -> Option<Presence> {
        let place = self.0.get(room)?;
        let presence = Presence::unavailable().with_to(room.with_resource(&place.nick));
        if !place.joined {
            self.0.remove(room);
        }
        Some(presence)
    }

    /// After a fresh bind: it is in none of them, and these presences ask for all.
    pub(crate) fn entering_all(&mut self) -> Vec<Presence> {
        self.0
            .iter_mut()
            .map(|(room, place)| {
                place.joined = false;
                entering(room, &place.nick)
            })
            .collect()
    }

    /// Reads a presence that came in. What it says of the session itself is returned; it may be of others.
    pub(crate) fn presence(&mut self, presence: &Presence) -> Option<(BareJid, RoomState)> {
        let from = presence.from.as_ref()?;
        let room = from.to_bare();
        let place = self.0.get_mut(&room)?;
        if presence.type_ == Type::Error {
            // A refusal comes from the room or from the name that was asked for (XEP-0045 section 7.2).
            let ours = from.resource().is_none_or(|nick| *nick == *place.nick);
            if !ours || place.joined {
                return None;
            }
            self.0.remove(&room);
            return Some((room, RoomState::Refused { condition: condition(&presence.payloads) }));
        }
        let user = presence.payloads.iter().find_map(|payload| MucUser::try_from(payload.clone()).ok())?;
        let nick = from.resource()?.to_owned();
        // Rooms of long ago did not mark one's own presence.
        if !user.status.contains(&Status::SelfPresence) && nick != place.nick {
            return None;
        }
        match presence.type_ {
            Type::None => {
                let news = !place.joined || place.nick != nick;
                *place = Place { nick: nick.clone(), joined: true };
                news.then_some((room, RoomState::Joined { nick }))
            }
            Type::Unavailable if user.status.contains(&Status::NewNick) => {
                renamed(place, &user);
                None
            }
            Type::Unavailable => {
                self.0.remove(&room);
                Some((room, RoomState::Left { removed: is_removal(&user.status) }))
            }
            _ => None,
        }
    }

    /// Whether a message is the session's own, reflected by a room.
    pub(crate) fn is_reflection(&self, message: &Message) -> bool {
        let Some(from) = message.from.as_ref() else { return false };
        self.0
            .get(&from.to_bare())
            .is_some_and(|place| place.joined && from.resource().is_some_and(|nick| *nick == *place.nick))
    }
}

/// A presence that asks to be let in, and for none of the room's history: what was said before was not said to us.
fn entering(room: &BareJid, nick: &ResourcePart) -> Presence {
    let muc = Muc::new().with_history(History::new().with_maxstanzas(0));
    Presence::available().with_to(Jid::from(room.with_resource(nick))).with_payload(muc)
}

fn renamed(place: &mut Place, user: &MucUser) {
    let name = user.items.iter().find_map(|item| item.nick.as_deref());
    if let Some(nick) = name.and_then(|name| ResourcePart::new(name).ok()) {
        place.nick = nick.into_owned();
    }
}

fn is_removal(status: &[Status]) -> bool {
    use Status::{
        AffiliationChange, Banned, ConfigMembersOnly, Kicked, RemovalFromRoom, ServiceErrorKick,
        ServiceShutdown,
    };
    status.iter().any(|status| {
        matches!(
            status,
            Banned
                | Kicked
                | AffiliationChange
                | RemovalFromRoom
                | ConfigMembersOnly
                | ServiceShutdown
                | ServiceErrorKick
        )
    })
}

/// The name of the error's condition.
fn condition(payloads: &[Element]) -> String {
    payloads
        .iter()
        .find_map(|payload| StanzaError::try_from(payload.clone()).ok())
        .map_or_else(|| "undefined-condition".to_owned(), |error| name_of(&error))
}

/// The name of a stanza error's condition, as the standard spells it.
pub(crate) fn name_of(error: &StanzaError) -> String {
    Element::from(error.defined_condition.clone()).name().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms() -> Rooms {
        Rooms::new(&[Room {
            jid: "den@muc.example".parse().unwrap(),
            nick: ResourcePart::new("ada").unwrap().into_owned(),
        }])
    }

    fn presence(xml: &str) -> Presence {
        let element: Element = xml.replace("<presence", "<presence xmlns='jabber:client'").parse().unwrap();
        Presence::try_from(element).unwrap()
    }

    fn of(nick: &str, type_: &str, codes: &[u16]) -> Presence {
        let codes = codes.iter().map(|code| format!("<status code='{code}'/>")).collect::<Vec<_>>().concat();
        presence(&format!(
            "<presence from='den@muc.example/{nick}' {type_}><x xmlns='http://jabber.org/protocol/muc#user'>\
             <item affiliation='none' role='none' nick='eva'/>{codes}</x></presence>"
        ))
    }

    const GONE: &str = "type='unavailable'";

    #[test]
    fn history_is_not_asked_for() {
        let xml = String::from(&Element::from(rooms().entering_all().remove(0)));
        assert!(xml.contains("maxstanzas") && xml.contains("den@muc.example/ada"), "{xml}");
    }

    #[test]
    fn own_presence_is_told_from_that_of_others() {
        let mut rooms = rooms();
        assert_eq!(rooms.presence(&of("bob", "", &[])), None);
        let (_, state) = rooms.presence(&of("ada", "", &[110])).unwrap();
        assert_eq!(state, RoomState::Joined { nick: ResourcePart::new("ada").unwrap().into_owned() });
        assert_eq!(rooms.presence(&of("ada", "", &[110])), None, "a change of status is no news");
        assert_eq!(rooms.presence(&of("bob", GONE, &[307])), None);
    }

    #[test]
    fn being_removed_is_told_from_leaving_and_both_end_it() {
        for (codes, removed) in [(&[110, 307][..], true), (&[110, 301], true), (&[110], false)] {
            let mut rooms = rooms();
            rooms.presence(&of("ada", "", &[110]));
            let (_, state) = rooms.presence(&of("ada", GONE, codes)).unwrap();
            assert_eq!(state, RoomState::Left { removed });
            assert!(rooms.entering_all().is_empty());
        }
    }

    #[test]
    fn new_name_is_used_at_the_next_bind() {
        let mut rooms = rooms();
        rooms.presence(&of("ada", "", &[110]));
        assert_eq!(rooms.presence(&of("ada", GONE, &[110, 303])), None);
        let asked = rooms.entering_all().remove(0).to.unwrap();
        assert_eq!(asked.to_string(), "den@muc.example/eva");
    }

    #[test]
    fn refusal_names_the_condition() {
        let error = presence(
            "<presence from='den@muc.example/ada' type='error'><error type='cancel'>\
             <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
        );
        let mut rooms = rooms();
        let (_, state) = rooms.presence(&error).unwrap();
        assert_eq!(state, RoomState::Refused { condition: "conflict".into() });
        assert!(rooms.entering_all().is_empty());
    }

    #[test]
    fn presence_of_a_room_that_was_not_asked_for_says_nothing() {
        let mut rooms = Rooms::default();
        assert_eq!(rooms.presence(&of("ada", "", &[110])), None);
    }
}
