//! The messages that are sent.

use nuketown_approval::{
    Answer, Digest, RequestId, render,
    stanza::{Response, Stanza},
};
use nuketown_xmpp::{
    jid::{BareJid, Jid},
    parsers::{
        message::{Id, Lang, Message},
        message_correct::Replace,
        minidom::Element,
    },
};

use crate::channel::{Offered, Outcome};

/// Wide enough that the text of a chat is never wrapped here.
const COLUMNS: usize = 100;

/// A payload of the protocol. It is kept nowhere (XEP-0334) and copied to nobody (XEP-0280).
///
/// # Errors
///
/// None that is known: see [`Stanza::to_element`].
pub(super) fn protocol(to: Jid, stanza: &Stanza) -> Result<Message, String> {
    let mut message = Message::normal(Some(to));
    message.payloads.push(stanza.to_element().map_err(|error| error.to_string())?);
    message.payloads.push(Element::bare("no-store", "urn:xmpp:hints"));
    message.payloads.push(Element::bare("private", "urn:xmpp:carbons:2"));
    Ok(message)
}

/// A decision for a remote agent.
pub(super) fn decision(
    to: Jid,
    id: RequestId,
    digest: Option<Digest>,
    result: Answer,
    reason: Option<String>,
) -> Result<Message, String> {
    protocol(to, &Stanza::Response(Response { id, result, digest, reason }))
}

/// The question to a person, with the two answers as quick responses (XEP-0439) for clients that have them.
pub(super) fn question(to: &BareJid, offered: &Offered, id: String, shared: bool) -> Message {
    let mut message = chat(to.clone().into(), render(&offered.request, COLUMNS).chat());
    private(&mut message, shared);
    message.id = Some(Id(id));
    for (word, label) in [("yes", "Approve"), ("no", "Deny")] {
        let code = offered.code;
        let response =
            format!("<response xmlns='urn:xmpp:tmp:quick-response' value='{word} {code}' label='{label}'/>");
        // Letters and digits: it can always be read. Without it, the answer is typed.
        message.payloads.extend(response.parse::<Element>().ok());
    }
    message
}

/// The question's correction (XEP-0308) once it is answered.
pub(super) fn corrected(
    to: &BareJid,
    offered: &Offered,
    outcome: &Outcome,
    id: String,
    shared: bool,
) -> Message {
    let text = render(&offered.request, COLUMNS).chat_decided(outcome.result, &outcome.reason);
    let mut message = chat(to.clone().into(), text);
    private(&mut message, shared);
    message.payloads.push(Replace { id: Id(id) }.into());
    message
}

/// From the human's own account to itself: the server would also copy it to each client as one that the human sent.
fn private(message: &mut Message, shared: bool) {
    if shared {
        message.payloads.push(Element::bare("private", "urn:xmpp:carbons:2"));
    }
}

/// Words to a person.
pub(super) fn chat(to: Jid, text: String) -> Message {
    Message::chat(Some(to)).with_body(Lang::new(), text)
}
