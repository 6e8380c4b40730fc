//! Requests (IQ): each one that comes in is answered, and each answer finds who asked.
//!
//! # Invariants
//!
//! - Every get and set is answered, what is not served with `service-unavailable` (RFC 6120 section 8.2.3).
//! - An answer counts only if it comes from whom was asked; others cannot guess the id, but need not be able to.

use std::collections::HashMap;

use tokio::sync::oneshot;
use xmpp_parsers::disco::DiscoInfoQuery;
use xmpp_parsers::iq::{Iq, IqHeader, IqPayload};
use xmpp_parsers::jid::{BareJid, Jid};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::ns;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::disco::Description;
use crate::handle::{Answer, Request, RequestError, SendError, new_id};
use crate::rooms::name_of;
use crate::tags::is_cut;

/// The answer to a request that came in.
pub(crate) fn answer(header: IqHeader, request: Request, description: &Description) -> Iq {
    let payload = match request {
        Request::Get(payload) if payload.is("ping", ns::PING) => IqPayload::Result(None),
        Request::Get(payload) if payload.is("query", ns::DISCO_INFO) => {
            match DiscoInfoQuery::try_from(payload) {
                Ok(query) => match description.answer(query) {
                    Some(info) => IqPayload::Result(Some(Element::from(info))),
                    None => refusal(DefinedCondition::ItemNotFound, "there is no such node"),
                },
                Err(_) => refusal(DefinedCondition::BadRequest, "the query cannot be read"),
            }
        }
        _ => refusal(DefinedCondition::ServiceUnavailable, "this is not served here"),
    };
    // `from` is filled in by the server.
    IqHeader { from: None, to: header.from, id: header.id }.assemble(payload)
}

fn refusal(condition: DefinedCondition, text: &str) -> IqPayload {
    IqPayload::Error(StanzaError::new(ErrorType::Cancel, condition, "en", text))
}

/// The requests that wait for their answers.
#[derive(Debug, Default)]
pub(crate) struct Pending(HashMap<String, (Option<Jid>, oneshot::Sender<Answer>)>);

impl Pending {
    /// A request to be sent; the answer goes to `reply`.
    pub(crate) fn ask(&mut self, to: Option<Jid>, request: Request, reply: oneshot::Sender<Answer>) -> Iq {
        // Who gave up waiting is not waited for.
        self.0.retain(|_, (_, reply)| !reply.is_closed());
        let id = new_id();
        self.0.insert(id.clone(), (to.clone(), reply));
        match request {
            Request::Get(payload) => Iq::Get { from: None, to, id, payload },
            Request::Set(payload) => Iq::Set { from: None, to, id, payload },
        }
    }

    /// The request was not sent after all.
    pub(crate) fn not_sent(&mut self, id: &str, error: SendError) {
        if let Some((_, reply)) = self.0.remove(id) {
            drop(reply.send(Err(error.into())));
        }
    }

    /// An answer came in; `account` is the session's own. False if nobody waits for it.
    pub(crate) fn answered(&mut self, header: &IqHeader, answer: IqPayload, account: &BareJid) -> bool {
        let Some((asked, _)) = self.0.get(&header.id) else { return false };
        if !is_from(header.from.as_ref(), asked.as_ref(), account) {
            return false;
        }
        let answer = match answer {
            IqPayload::Result(payload) if is_cut(&payload) => Err(RequestError::Unreadable),
            IqPayload::Result(payload) => Ok(payload),
            IqPayload::Error(error) => {
                Err(RequestError::Refused { condition: name_of(&error), error: Box::new(error) })
            }
            IqPayload::Get(_) | IqPayload::Set(_) => return false,
        };
        if let Some((_, reply)) = self.0.remove(&header.id) {
            drop(reply.send(answer));
        }
        true
    }

    /// The session in which they were asked is gone, and so are the answers.
    pub(crate) fn forget(&mut self) {
        for (_, (_, reply)) in self.0.drain() {
            drop(reply.send(Err(SendError::Unconfirmed.into())));
        }
    }
}

/// Whether an answer from `from` is one of whom was `asked`. What was asked of nobody in particular, the server answers in the
/// account's name or without one (RFC 6120 section 8.1.2.1).
fn is_from(from: Option<&Jid>, asked: Option<&Jid>, account: &BareJid) -> bool {
    let own = |jid: &Jid| jid.resource().is_none() && jid.to_bare() == *account;
    match (from, asked) {
        (Some(from), Some(asked)) => from == asked,
        (None, None) => true,
        (Some(from), None) => own(from),
        (None, Some(asked)) => own(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Disco;
    use xmpp_parsers::ping::Ping;

    fn answered(payload: &str, set: bool) -> String {
        let payload: Element = payload.parse().unwrap();
        let header = IqHeader { from: Some("bob@b/x".parse().unwrap()), to: None, id: "7".into() };
        let request = if set { Request::Set(payload) } else { Request::Get(payload) };
        let iq = answer(header, request, &Description::new(&Disco::default()));
        assert_eq!((iq.id(), iq.to().unwrap().as_str()), ("7", "bob@b/x"));
        String::from(&Element::from(iq))
    }

    #[test]
    fn ping_and_disco_are_answered_and_everything_else_is_refused() {
        assert!(answered("<ping xmlns='urn:xmpp:ping'/>", false).contains("result"));
        assert!(
            answered("<query xmlns='http://jabber.org/protocol/disco#info'/>", false).contains("identity")
        );
        let unknown = answered("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>", false);
        assert!(unknown.contains("item-not-found"), "{unknown}");
        for (payload, set) in [
            ("<ping xmlns='urn:xmpp:ping'/>", true),
            ("<query xmlns='jabber:iq:version'/>", false),
            ("<command xmlns='http://jabber.org/protocol/commands'/>", true),
        ] {
            assert!(answered(payload, set).contains("service-unavailable"), "{payload}");
        }
    }

    fn ping() -> Request {
        Request::Get(Element::from(Ping))
    }

    fn result(id: &str, from: Option<&str>) -> IqHeader {
        IqHeader { from: from.map(|from| from.parse().unwrap()), to: None, id: id.to_owned() }
    }

    #[test]
    fn answer_of_somebody_else_does_not_count() {
        let account: BareJid = "josh@town.example".parse().unwrap();
        let mut pending = Pending::default();
        for (asked, others, right) in [
            (
                Some("ada@t/x"),
                vec![None, Some("ada@t"), Some("eve@t/x"), Some("josh@town.example")],
                Some("ada@t/x"),
            ),
            (
                None,
                vec![Some("eve@t/x"), Some("town.example"), Some("josh@town.example/y")],
                Some("josh@town.example"),
            ),
            (None, vec![], None),
        ] {
            let (reply, mut waiting) = oneshot::channel();
            let iq = pending.ask(asked.map(|jid| jid.parse().unwrap()), ping(), reply);
            for other in others {
                assert!(
                    !pending.answered(&result(iq.id(), other), IqPayload::Result(None), &account),
                    "{other:?}"
                );
            }
            assert!(waiting.try_recv().is_err());
            assert!(pending.answered(&result(iq.id(), right), IqPayload::Result(None), &account));
            assert_eq!(waiting.try_recv().unwrap(), Ok(None));
            assert!(
                !pending.answered(&result(iq.id(), right), IqPayload::Result(None), &account),
                "a second answer"
            );
        }
    }

    #[test]
    fn abandoned_requests_are_forgotten() {
        let mut pending = Pending::default();
        for _ in 0..10 {
            let (reply, _) = oneshot::channel();
            pending.ask(None, ping(), reply);
        }
        assert_eq!(pending.0.len(), 1);
    }
}
