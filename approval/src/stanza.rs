//! The payloads of `urn:nuketown:approval`, and which messages may carry them.
//!
//! # Guarantees
//!
//! - What is read is whole and consistent: kind and payload fit, `<command>` and `<argv>` are the same command, a `<digest>`
//!   is that of the request it stands in.
//! - Elements of other namespaces are ignored. Unknown ones of this namespace are errors: they could limit or widen
//!   what is asked, unseen.

mod raw;
mod request;

pub(crate) use request::instant;

use minidom::Element;
use nuketown::values::Seconds;

use crate::{Digest, Malformed, Request, RequestId, visible};

/// The namespace of all payloads, and the feature that a broker advertises (XEP-0030).
pub const NAMESPACE: &str = "urn:nuketown:approval";

/// The most bytes of a denial's reason.
const REASON_BYTES_MAX: usize = 512;

/// How deep the elements of a payload may be nested, it included. Ours take three levels.
const DEPTH_MAX: usize = 16;

/// One payload of the approval protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stanza {
    /// `<approval/>`: an agent asks.
    Request(Box<Request>),
    /// `<approval-response/>`: a decision.
    Response(Response),
    /// `<approval-ack/>`: the broker has the request, and a human will be asked.
    Ack(RequestId),
    /// `<approval-cancel/>`: the request is withdrawn, or has been decided elsewhere.
    Cancel(RequestId),
}

/// A decision about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Which request.
    pub id: RequestId,
    /// What was decided.
    pub result: Answer,
    /// The digest of what was decided about. Whoever asked accepts no approval without it; see [`Response::approves`].
    pub digest: Option<Digest>,
    /// Why, for the person at the agent's terminal. It comes from outside: print [`crate::shown`] of it. Written so, and
    /// cut to 512 bytes.
    pub reason: Option<String>,
}

/// What a human says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// Do it.
    Approved,
    /// Do not.
    Denied,
}

impl Answer {
    /// As `<result>` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }
}

impl Response {
    /// Whether this approves exactly `request`: same id, same digest. A response that names no digest approves only a
    /// request that never had one to name, which is one without a nonce.
    #[must_use]
    pub fn approves(&self, request: &Request) -> bool {
        let bound = match &self.digest {
            Some(digest) => *digest == request.digest(),
            None => request.nonce.is_none(),
        };
        self.result == Answer::Approved && self.id == request.id && bound
    }
}

/// Why a message carries nothing that may be acted on. Whoever reads one acts as if nobody had answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StanzaError {
    /// Two payloads in one message: a reader that takes the first and one that takes the last would see two requests.
    #[error("a message carries {0} elements of {NAMESPACE}; send one per message")]
    Several(usize),
    /// The payload is not what it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The XML of the payload is not what it should be.
    #[error("<{element}> is not as {NAMESPACE} has it: {reason}")]
    Xml {
        /// The element's name.
        element: String,
        /// What the XML reader says.
        reason: String,
    },
    /// The message was kept somewhere for a while (XEP-0203).
    #[error("the message was delayed on its way; approvals are never taken from storage: ask again")]
    Delayed,
    /// The message comes from a room, or is an error that carries our own words back (RFC 6120, section 8.3.1).
    #[error("the message has type {0:?}; approvals are of type \"normal\" or \"chat\"")]
    Type(String),
}

/// Reads the one payload of a whole `<message/>`; none is `Ok(None)`.
///
/// Only the message's own children count. What a carbon (XEP-0280), a forward (XEP-0297) or an archive (XEP-0313) wraps is
/// somebody else's message and is not looked into.
///
/// # Errors
///
/// See [`StanzaError`]; all of them mean that nothing was asked and nothing answered.
pub fn read_message(message: &Element) -> Result<Option<Stanza>, StanzaError> {
    read_payloads(message.attr("type").unwrap_or("normal"), message.children())
}

/// Reads the one payload among the children of a message of this type, for readers that have taken the message apart.
///
/// # Errors
///
/// As [`read_message`].
pub fn read_payloads<'e>(
    message_type: &str,
    children: impl IntoIterator<Item = &'e Element>,
) -> Result<Option<Stanza>, StanzaError> {
    let mut ours = Vec::new();
    let mut delayed = false;
    for child in children {
        delayed |= child.is("delay", "urn:xmpp:delay") || child.is("x", "jabber:x:delay");
        if child.has_ns(NAMESPACE) {
            ours.push(child);
        }
    }
    let Some(payload) = ours.first() else { return Ok(None) };
    if !matches!(message_type, "normal" | "chat") {
        return Err(StanzaError::Type(message_type.to_owned()));
    }
    if delayed {
        return Err(StanzaError::Delayed);
    }
    if ours.len() > 1 {
        return Err(StanzaError::Several(ours.len()));
    }
    Stanza::from_element(payload).map(Some)
}

impl Stanza {
    /// The element to put into a message.
    ///
    /// # Errors
    ///
    /// None that is known: every text is in a form that XML can carry.
    pub fn to_element(&self) -> Result<Element, StanzaError> {
        match self {
            Self::Request(request) => element(&request::to_raw(request)),
            Self::Response(response) => element(&raw::ApprovalResponse {
                id: response.id.to_string(),
                result: response.result.as_str().to_owned().into(),
                digest: response.digest.map(|digest| digest.to_string().into()),
                reason: response.reason.as_deref().map(|reason| short(reason).into()),
                others: Vec::new(),
            }),
            Self::Ack(id) => element(&raw::ApprovalAck { id: id.to_string(), others: Vec::new() }),
            Self::Cancel(id) => element(&raw::ApprovalCancel { id: id.to_string(), others: Vec::new() }),
        }
    }

    /// Reads one payload.
    ///
    /// # Errors
    ///
    /// See [`StanzaError`].
    pub fn from_element(element: &Element) -> Result<Self, StanzaError> {
        if !is_shallow(element) {
            let expected = format!("at most {DEPTH_MAX} levels are read");
            return Err(Malformed::at("the payload", "is nested too deeply", expected).into());
        }
        match element.name() {
            "approval" => request::from_raw(parsed(element)?).map(|request| Self::Request(Box::new(request))),
            "approval-response" => response(parsed(element)?).map(Self::Response),
            "approval-ack" => {
                let ack: raw::ApprovalAck = parsed(element)?;
                only_foreign(&ack.others)?;
                Ok(Self::Ack(ack.id.parse()?))
            }
            "approval-cancel" => {
                let cancel: raw::ApprovalCancel = parsed(element)?;
                only_foreign(&cancel.others)?;
                Ok(Self::Cancel(cancel.id.parse()?))
            }
            other => {
                Err(Malformed::new("the payload", other, "expected approval, -response, -ack or -cancel")
                    .into())
            }
        }
    }
}

/// Whether no element is nested deeper than [`DEPTH_MAX`]. The XML reader recurses, so deep ones would end the process.
fn is_shallow(element: &Element) -> bool {
    let mut level: Vec<&Element> = vec![element];
    for _ in 0..DEPTH_MAX {
        level = level.into_iter().flat_map(Element::children).collect();
        if level.is_empty() {
            return true;
        }
    }
    false
}

fn response(raw: raw::ApprovalResponse) -> Result<Response, StanzaError> {
    only_foreign(&raw.others)?;
    let result = match raw.result.text.trim() {
        "approved" => Answer::Approved,
        "denied" => Answer::Denied,
        other => return Err(Malformed::new("<result>", other, "expected approved or denied").into()),
    };
    let reason = raw.reason.map(|reason| reason.text);
    if let Some(long) = reason.as_ref().filter(|reason| reason.len() > REASON_BYTES_MAX) {
        let expected = format!("at most {REASON_BYTES_MAX} bytes are shown");
        return Err(Malformed::new("<reason>", long, expected).into());
    }
    let digest = raw.digest.map(|digest| digest.text.trim().parse()).transpose()?;
    Ok(Response { id: raw.id.parse()?, result, digest, reason })
}

/// A reason in characters that XML can carry and a terminal show, as long as its reader takes it.
fn short(reason: &str) -> String {
    let shown = visible::prose(reason);
    let more = "…";
    let end = (0..=REASON_BYTES_MAX - more.len()).rev().find(|&at| shown.is_char_boundary(at));
    match end.and_then(|end| shown.get(..end)) {
        Some(head) if shown.len() > REASON_BYTES_MAX => format!("{head}{more}"),
        _ => shown,
    }
}

/// Elements of other namespaces may stand anywhere; unknown ones of this one may not.
fn only_foreign(others: &[Element]) -> Result<(), Malformed> {
    match others.iter().find(|other| other.has_ns(NAMESPACE)) {
        Some(ours) => {
            let found = format!("has <{}>", ours.name());
            Err(Malformed::at(
                "the payload",
                found,
                "expected each known element once and no other of this namespace",
            ))
        }
        None => Ok(()),
    }
}

fn parsed<T: xso::FromXml>(element: &Element) -> Result<T, StanzaError> {
    xso::transform(element)
        .map_err(|error| StanzaError::Xml { element: element.name().to_owned(), reason: error.to_string() })
}

fn element<T: xso::AsXml>(raw: &T) -> Result<Element, StanzaError> {
    xso::transform(raw)
        .map_err(|error| StanzaError::Xml { element: "message".to_owned(), reason: error.to_string() })
}

/// Whole seconds, in digits only.
fn seconds(place: &str, text: &str) -> Result<Seconds, Malformed> {
    let text = text.trim();
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let number: i64 = if digits { text.parse().unwrap_or(0) } else { 0 };
    Seconds::try_from(number).map_err(|why| Malformed::new(place, text, why.to_string()))
}

#[cfg(test)]
mod tests;
