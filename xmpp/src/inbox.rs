//! Sorts what comes in: what is for the caller, and what it is.
//!
//! # Invariants
//!
//! - A copy of another client's message (XEP-0280) is never presented as a message, and only the account itself may bring
//!   one; whoever else does is not heard at all (CVE-2017-5589 and its kin).
//! - A message that was kept on the way is marked, also if the mark cannot be read.
//! - A message of which something had to be left out is not presented at all.
//! - A message is presented once, though a resumption may bring it again (XEP-0198).

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use xmpp_parsers::carbons::{Received, Sent};
use xmpp_parsers::date::DateTime;
use xmpp_parsers::jid::BareJid;
use xmpp_parsers::message::{Message, MessageType};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::event::{Carbon, Delayed, Direction, Event, Incoming};
use crate::size::{self, STANZA_LIMIT};
use crate::tags::{self, is_cut};

/// Messages of which the ids are remembered. More are not sent again at once: servers keep fewer for a resumption.
const REMEMBERED: usize = 1024;

/// What becomes of a message.
#[derive(Debug)]
pub(crate) enum Sorted {
    /// The caller gets it.
    Event(Event),
    /// The sender gets this back, and the caller nothing.
    Reply(Box<Message>),
    /// Nobody gets anything, for this reason.
    Dropped(&'static str),
}

/// What is remembered to sort the next message.
#[derive(Debug)]
pub(crate) struct Inbox {
    account: BareJid,
    seen: Seen,
}

impl Inbox {
    pub(crate) fn new(account: BareJid) -> Self {
        Self { account, seen: Seen::default() }
    }

    /// Sorts a message.
    pub(crate) fn message(&mut self, message: Message) -> Sorted {
        match size::of(&message) {
            Ok(size) if size <= STANZA_LIMIT => {}
            Ok(size) => {
                let text = format!("the message has {size} bytes, and {STANZA_LIMIT} is the limit");
                return refused(&message, text);
            }
            Err(_) => return Sorted::Dropped("it cannot be written as XML"),
        }
        if is_cut(&message.payloads) {
            let (depth, tag) = (tags::DEPTH, tags::TAG);
            let text = format!(
                "the message has more than {depth} levels of elements, or a tag of more than {tag} bytes"
            );
            return refused(&message, text);
        }
        if self.seen.again(&message) {
            return Sorted::Dropped("it came before");
        }
        if message.payloads.iter().any(|payload| payload.ns() == ns::CARBONS && payload.name() != "private") {
            return self.carbon(message);
        }
        let delayed = delay(&message);
        Sorted::Event(Event::Message(Box::new(Incoming { message, delayed, own: false })))
    }

    fn carbon(&self, message: Message) -> Sorted {
        let from_account = message
            .from
            .as_ref()
            .is_some_and(|from| from.resource().is_none() && from.to_bare() == self.account);
        if !from_account {
            return Sorted::Dropped("it carries a copy that the account itself did not make");
        }
        for payload in message.payloads {
            if let Ok(Received { forwarded }) = Received::try_from(payload.clone()) {
                return carbon(Direction::Received, forwarded.message);
            }
            if let Ok(Sent { forwarded }) = Sent::try_from(payload) {
                return carbon(Direction::Sent, forwarded.message);
            }
        }
        Sorted::Dropped("it carries a copy that cannot be read")
    }
}

fn carbon(direction: Direction, message: Message) -> Sorted {
    Sorted::Event(Event::Carbon(Box::new(Carbon { direction, message })))
}

/// The mark of whoever kept the message (XEP-0203, and XEP-0091 before it). Anybody can set one, which only makes a message
/// seem older than it is.
fn delay(message: &Message) -> Option<Delayed> {
    let mark = message.payloads.iter().find(|payload| {
        (payload.name() == "delay" && payload.ns() == ns::DELAY)
            || (payload.name() == "x" && payload.ns() == "jabber:x:delay")
    })?;
    let since = mark.attr("stamp").and_then(|stamp| stamp.parse::<DateTime>().ok());
    Some(Delayed { since })
}

/// The sender is told, except for an error: errors are never answered (RFC 6120 section 8.3.1).
fn refused(message: &Message, text: String) -> Sorted {
    let is_answered = !matches!(message.type_, MessageType::Error | MessageType::Groupchat);
    let Some(from) = message.from.clone().filter(|_| is_answered) else {
        return Sorted::Dropped("it is larger or deeper than the limits");
    };
    let error = StanzaError::new(ErrorType::Modify, DefinedCondition::PolicyViolation, "en", text);
    let mut reply = Message::error(from);
    reply.id.clone_from(&message.id);
    reply.payloads.push(Element::from(error));
    Sorted::Reply(Box::new(reply))
}

/// Remembers messages by sender, id and type. Only hashes are kept, with a key that nobody else knows: others can neither
/// fill the memory nor make a message seem to have come before.
#[derive(Debug, Default)]
struct Seen {
    key: RandomState,
    order: VecDeque<u64>,
    hashes: HashSet<u64>,
}

impl Seen {
    /// Whether a message with the same sender, id and type came before; remembers it. Without an id it is always new.
    fn again(&mut self, message: &Message) -> bool {
        let Some(id) = &message.id else { return false };
        let hash = self.key.hash_one((&message.from, &id.0, std::mem::discriminant(&message.type_)));
        if !self.hashes.insert(hash) {
            return true;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inbox() -> Inbox {
        Inbox::new("josh@town.example".parse().unwrap())
    }

    fn message(xml: &str) -> Message {
        let element: Element = xml.replacen("<message", "<message xmlns='jabber:client'", 1).parse().unwrap();
        Message::try_from(element).unwrap()
    }

    fn copy(from: &str, direction: &str) -> Message {
        message(&format!(
            "<message from='{from}'><body>outer</body><{direction} xmlns='urn:xmpp:carbons:2'>\
             <forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='ada@town.example/x'>\
             <body>inner</body></message></forwarded></{direction}></message>"
        ))
    }

    #[test]
    fn copy_made_by_the_account_is_a_carbon_and_no_message() {
        for (name, direction) in [("received", Direction::Received), ("sent", Direction::Sent)] {
            match inbox().message(copy("josh@town.example", name)) {
                Sorted::Event(Event::Carbon(carbon)) => {
                    assert_eq!(carbon.direction, direction);
                    assert_eq!(carbon.message.bodies[""], "inner");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn copy_made_by_anybody_else_is_not_heard_at_all() {
        for from in ["mallory@town.example", "josh@town.example/phone", "town.example", "josh@evil.example"] {
            let sorted = inbox().message(copy(from, "received"));
            assert!(matches!(sorted, Sorted::Dropped(_)), "{from}: {sorted:?}");
        }
        let mut anonymous = copy("x@y", "sent");
        anonymous.from = None;
        assert!(matches!(inbox().message(anonymous), Sorted::Dropped(_)));
    }

    #[test]
    fn unreadable_copy_is_not_a_message_either() {
        let broken = "<message from='josh@town.example'><body>x</body><received xmlns='urn:xmpp:carbons:2'/></message>";
        assert!(matches!(inbox().message(message(broken)), Sorted::Dropped(_)));
    }

    #[test]
    fn request_not_to_be_copied_does_not_make_a_message_a_copy() {
        let private = "<message from='a@b/c'><body>x</body><private xmlns='urn:xmpp:carbons:2'/></message>";
        assert!(matches!(inbox().message(message(private)), Sorted::Event(Event::Message(_))));
    }

    fn delayed(mark: &str) -> Option<Delayed> {
        match inbox().message(message(&format!("<message from='a@b/c'><body>x</body>{mark}</message>"))) {
            Sorted::Event(Event::Message(incoming)) => incoming.delayed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn kept_message_is_marked_with_its_time() {
        let mark = delayed("<delay xmlns='urn:xmpp:delay' stamp='2026-11-24T10:00:00Z'/>").unwrap();
        assert_eq!(mark.since, Some("2026-11-24T10:00:00Z".parse().unwrap()));
        assert_eq!(delayed(""), None);
    }

    #[test]
    fn kept_message_is_marked_even_if_the_mark_cannot_be_read() {
        for mark in [
            "<delay xmlns='urn:xmpp:delay'/>",
            "<delay xmlns='urn:xmpp:delay' stamp='yesterday'/>",
            "<x xmlns='jabber:x:delay' stamp='20261124T10:00:00'/>",
        ] {
            assert_eq!(delayed(mark), Some(Delayed { since: None }), "{mark}");
        }
    }

    #[test]
    fn message_that_comes_again_is_presented_once() {
        let mut inbox = inbox();
        let first = message("<message from='a@b/c' id='1'><body>x</body></message>");
        let mut again = first.clone();
        again.payloads.push("<delay xmlns='urn:xmpp:delay' stamp='2026-11-24T10:00:00Z'/>".parse().unwrap());
        assert!(matches!(inbox.message(first.clone()), Sorted::Event(_)));
        assert!(matches!(inbox.message(again), Sorted::Dropped("it came before")));
        let mut other = first;
        other.from = Some("mallory@b/c".parse().unwrap());
        assert!(matches!(inbox.message(other), Sorted::Event(_)), "ids of others are theirs");
    }

    #[test]
    fn memory_of_ids_is_bounded() {
        let mut inbox = inbox();
        for id in 0..3 * REMEMBERED {
            inbox.message(message(&format!("<message from='a@b/c' id='{id}'/>")));
        }
        assert_eq!((inbox.seen.order.len(), inbox.seen.hashes.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn sender_of_a_message_over_the_limit_is_told_so() {
        let large =
            format!("<message from='a@b/c' id='7'><body>{}</body></message>", "x".repeat(STANZA_LIMIT));
        match inbox().message(message(&large)) {
            Sorted::Reply(reply) => {
                let xml = String::from(&Element::from(*reply));
                assert!(xml.contains("65536 is the limit") && xml.contains("policy-violation"), "{xml}");
                assert!(xml.contains("a@b/c") && xml.contains('7'), "{xml}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sender_of_a_message_that_was_cut_is_told_so_and_nobody_hears_it() {
        let cut = "<message from='a@b/c' id='7'><body>yes K7Q4</body>\
            <x xmlns='urn:x'><y><cut xmlns='urn:nuketown:xmpp:cut'/></y></x></message>";
        match inbox().message(message(cut)) {
            Sorted::Reply(reply) => {
                let xml = String::from(&Element::from(*reply));
                assert!(xml.contains("more than 64 levels") && xml.contains("policy-violation"), "{xml}");
            }
            other => panic!("{other:?}"),
        }
        let nobodys = "<message><cut xmlns='urn:nuketown:xmpp:cut'/></message>";
        assert!(matches!(inbox().message(message(nobodys)), Sorted::Dropped(_)));
    }

    #[test]
    fn errors_and_rooms_are_never_answered() {
        for kind in ["error", "groupchat"] {
            let large = format!(
                "<message from='a@b/c' type='{kind}'><body>{}</body></message>",
                "x".repeat(STANZA_LIMIT)
            );
            assert!(matches!(inbox().message(message(&large)), Sorted::Dropped(_)), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn nobody_but_the_account_brings_a_carbon(
            from in prop_oneof![Just("josh@town.example".to_owned()), "[a-z]{1,4}@[a-z]{1,4}(/[a-z]{1,3})?"],
            names in prop::collection::vec(
                prop_oneof![Just("received"), Just("sent"), Just("private"), Just("enable"), Just("other")], 0..4),
            spaces in prop::collection::vec(prop_oneof![Just("urn:xmpp:carbons:2"), Just("urn:x")], 4),
        ) {
            let payloads = names.iter().zip(&spaces)
                .map(|(name, space)| format!("<{name} xmlns='{space}'/>")).collect::<Vec<_>>().concat();
            let sorted = inbox().message(message(&format!("<message from='{from}'>{payloads}</message>")));
            let copies = names.iter().zip(&spaces)
                .any(|(name, space)| *space == "urn:xmpp:carbons:2" && *name != "private");
            let is_message = matches!(sorted, Sorted::Event(Event::Message(_)));
            // None of these copies can be read, so none is presented as anything.
            prop_assert_eq!(is_message, !copies);
            let is_carbon = matches!(sorted, Sorted::Event(Event::Carbon(_)));
            prop_assert!(!is_carbon);
        }
    }
}
