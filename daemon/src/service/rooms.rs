//! Who is who in the rooms. A room shows its members by a name that anybody can take; who is heard is decided by the address
//! behind it, which the room tells where it is not anonymous (XEP-0045 section 7.2.3).

use std::collections::HashMap;

use nuketown_xmpp::jid::{BareJid, FullJid, Jid};
use nuketown_xmpp::parsers::muc::MucUser;
use nuketown_xmpp::parsers::presence::{Presence, Type};

/// Occupants that are remembered, over all rooms.
const OCCUPANTS_MAX: usize = 10_000;

/// The addresses behind the names, in the rooms that the agent was told to join.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    joined: Vec<BareJid>,
    occupants: HashMap<FullJid, BareJid>,
}

impl Rooms {
    pub(super) fn new(joined: Vec<BareJid>) -> Self {
        Self { joined, occupants: HashMap::new() }
    }

    /// Whether this is one of the rooms.
    pub(super) fn has(&self, room: &BareJid) -> bool {
        self.joined.contains(room)
    }

    /// The address behind a name.
    pub(super) fn real(&self, occupant: &FullJid) -> Option<&BareJid> {
        self.occupants.get(occupant)
    }

    /// After a fresh bind all rooms are joined anew, and tell anew who is in them.
    pub(super) fn forget(&mut self) {
        self.occupants.clear();
    }

    /// A presence from a room.
    pub(super) fn see(&mut self, presence: &Presence) {
        let Some(Ok(occupant)) = presence.from.clone().map(Jid::try_into_full) else { return };
        if !self.has(&occupant.to_bare()) {
            return;
        }
        self.occupants.remove(&occupant);
        if presence.type_ != Type::None || self.occupants.len() >= OCCUPANTS_MAX {
            return;
        }
        let user = presence.payloads.iter().find_map(|payload| MucUser::try_from(payload.clone()).ok());
        let real = user.and_then(|user| user.items.into_iter().find_map(|item| item.jid));
        if let Some(real) = real {
            self.occupants.insert(occupant, real.to_bare());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nuketown_xmpp::parsers::minidom::Element;

    fn presence(xml: &str) -> Presence {
        let element: Element = xml.parse().unwrap();
        Presence::try_from(element).unwrap()
    }

    fn seen(room: &str, kind: &str, jid: &str) -> Presence {
        presence(&format!(
            "<presence xmlns='jabber:client' from='{room}/boss'{kind}>\
             <x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'{jid}/></x></presence>"
        ))
    }

    #[test]
    fn name_in_a_room_is_whoever_the_room_says_until_they_leave() {
        let mut rooms = Rooms::new(vec!["den@rooms.town.example".parse().unwrap()]);
        let boss: FullJid = "den@rooms.town.example/boss".parse().unwrap();
        rooms.see(&seen("den@rooms.town.example", "", " jid='josh@town.example/phone'"));
        assert_eq!(rooms.real(&boss).unwrap().to_string(), "josh@town.example");
        rooms.see(&seen("den@rooms.town.example", " type='unavailable'", ""));
        assert_eq!(rooms.real(&boss), None);
        rooms.see(&seen("den@rooms.town.example", "", ""));
        assert_eq!(rooms.real(&boss), None, "an anonymous room tells nothing");
    }

    #[test]
    fn room_that_was_not_joined_tells_nothing() {
        let mut rooms = Rooms::new(vec!["den@rooms.town.example".parse().unwrap()]);
        rooms.see(&seen("evil@rooms.other.example", "", " jid='josh@town.example/phone'"));
        assert!(rooms.occupants.is_empty());
    }
}
