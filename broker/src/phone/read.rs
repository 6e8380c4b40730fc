//! What a message means, whoever sent it.

use nuketown_approval::{
    Request, RequestId, chat,
    stanza::{self, Answer, NAMESPACE, Stanza, StanzaError},
};
use nuketown_xmpp::{
    Incoming,
    parsers::message::{Message, MessageType},
};

use crate::channel::About;

/// What a message means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// An agent asks.
    Ask(Box<Request>),
    /// It no longer wants it.
    Cancel(RequestId),
    /// A broker has a request of ours.
    Ack(RequestId),
    /// Somebody answers; None: unreadably.
    Answer(About, Option<Answer>),
    /// Somebody answers without saying to what.
    NoCode(Answer),
    /// A message of ours did not arrive.
    Bounced(String),
    /// A request that cannot be read, with its id if that can.
    Unreadable(Option<RequestId>, String),
    /// Something that would mean something had it been said just now.
    Late,
    /// Nothing.
    Nothing,
}

/// Reads a message to this session.
pub(super) fn read(incoming: &Incoming) -> Meant {
    let message = &incoming.message;
    let kind = match message.type_ {
        MessageType::Error => {
            return message.id.as_ref().map_or(Meant::Nothing, |id| Meant::Bounced(id.0.clone()));
        }
        MessageType::Normal => "normal",
        MessageType::Chat => "chat",
        MessageType::Groupchat | MessageType::Headline => return Meant::Nothing,
    };
    let meant = match stanza::read_payloads(kind, &message.payloads) {
        Ok(Some(Stanza::Request(request))) => Meant::Ask(request),
        Ok(Some(Stanza::Cancel(id))) => Meant::Cancel(id),
        Ok(Some(Stanza::Ack(id))) => Meant::Ack(id),
        Ok(Some(Stanza::Response(response))) => {
            Meant::Answer(About::Id(response.id, response.digest), Some(response.result))
        }
        Ok(None) => said(incoming),
        Err(StanzaError::Delayed) => Meant::Late,
        Err(error) => unreadable(message, &error),
    };
    if incoming.delayed.is_some() && meant != Meant::Nothing { Meant::Late } else { meant }
}

fn said(incoming: &Incoming) -> Meant {
    match incoming.body().map(chat::read) {
        Some(chat::Said::Answer(answer, code)) => Meant::Answer(About::Code(code), Some(answer)),
        Some(chat::Said::WithoutCode(answer)) => Meant::NoCode(answer),
        Some(chat::Said::Other) | None => Meant::Nothing,
    }
}

/// An answer that cannot be read is a refusal of the request that it names. Whose payload is in doubt is nobody's: of two, the
/// first is as good as the second.
fn unreadable(message: &Message, error: &StanzaError) -> Meant {
    let mut ours = message.payloads.iter().filter(|payload| payload.ns() == NAMESPACE);
    let Some(payload) = ours.next() else { return Meant::Nothing };
    let id = payload.attr("id").and_then(|id| id.parse().ok());
    match (payload.name(), id) {
        ("approval-response", Some(id)) => Meant::Answer(About::Id(id, None), None),
        (_, id) => Meant::Unreadable(id, error.to_string()),
    }
}

#[cfg(test)]
mod tests;
