//! Asking the approver, over XMPP: the request goes to the bare JID, where the broker has it; if none says within five seconds that
//! it does, the human is asked in chat.
//!
//! # Invariants
//!
//! - An answer counts from the approver's bare JID, to the open request, named by its digest or code, before its deadline.
//!   [`nuketown_approval::Case`] sees to it; everything else denies.
//! - One request is open at a time. A daemon that stops leaves none open.

use std::time::Duration;

use nuketown::values::{AgentName, Seconds};
use nuketown_approval::stanza::{Stanza, read_payloads};
use nuketown_approval::{
    AbsolutePath, Answer as Said, Approver, Argv, Case, Channel, Effect, Environment, Event, Named, Nonce,
    Now, Payload, Request, RequestId, State, Sudo, UnixName, chat, render,
};
use nuketown_xmpp::jid::{BareJid, Jid};
use nuketown_xmpp::parsers::message::{Id, Message, MessageType};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::desk::Desk;
use super::outbox;
use crate::store::StoreError;
use crate::wire::Answer;

/// For the broker to say that it has the request.
const ACK: Duration = Duration::from_secs(5);
/// Columns of what is shown.
const COLUMNS: usize = 72;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Open {
    request: Request,
    case: Case,
    approver: BareJid,
    reply: oneshot::Sender<Answer>,
    /// When the human is asked in chat.
    fallback: Option<Instant>,
    deadline: Instant,
}

impl Desk {
    /// Asks the approver for something of which nothing comes.
    pub(super) fn approve_test(&mut self, reply: oneshot::Sender<Answer>) -> Result<(), StoreError> {
        let asked = match self.may_ask() {
            Ok(approver) => self.request().map(|request| (approver, request)),
            Err(why) => Err(why),
        };
        match asked {
            Ok((approver, request)) => self.open(approver, request, reply),
            Err(why) => {
                // A program that is gone wants no answer.
                drop(reply.send(Answer::error("the approver cannot be asked", why)));
                Ok(())
            }
        }
    }

    fn may_ask(&self) -> Result<BareJid, String> {
        let settings = &self.ties.settings;
        if self.open_approval.is_some() {
            return Err("they are being asked already".to_owned());
        }
        if self.ties.handle.is_none() || !self.online {
            return Err("the agent is not on XMPP".to_owned());
        }
        settings.approver.clone().ok_or_else(|| "the town has none; set `approver`".to_owned())
    }

    /// `true`, as root. Nobody runs it.
    fn request(&self) -> Result<Request, String> {
        let settings = &self.ties.settings;
        let agent: AgentName =
            settings.identity.name.parse().map_err(|error: nuketown::values::Malformed| error.to_string())?;
        let argv = Argv::new(vec![b"true".to_vec()]).map_err(|error| error.to_string())?;
        let timeout = settings.daemon.approval_timeout;
        let expires = self.now() + Duration::from_secs(timeout.into());
        Ok(Request {
            id: RequestId::from_random(random()),
            agent,
            payload: Payload::Sudo(Sudo {
                argv,
                program: None,
                identity: None,
                environment: Environment::default(),
                user: UnixName::root(),
                group: None,
            }),
            cwd: AbsolutePath::new(settings.identity.home.clone().into_bytes()).ok(),
            host: None,
            nonce: Some(Nonce(random())),
            // The wire has seconds (XEP-0082), and the digest is over what is on the wire.
            expires: expires.round(jiff::Unit::Second).ok(),
            timeout: Seconds::try_from(i64::from(timeout)).ok(),
        })
    }

    fn open(
        &mut self,
        approver: BareJid,
        request: Request,
        reply: oneshot::Sender<Answer>,
    ) -> Result<(), StoreError> {
        let now = (self.ties.clock)();
        let timeout = Duration::from_secs(self.ties.settings.daemon.approval_timeout.into());
        let who = Approver { jid: Some(approver.clone()), ..Approver::default() };
        let case = Case::new(request.digest(), who, true, timeout, request.expires, now);
        let shown = render(&request, COLUMNS).plain();
        self.ties.store.approval_asked(request.id.as_str(), None, "sudo", &shown, now.wall)?;
        self.send(&approver, request.id.as_str(), &Stanza::Request(Box::new(request.clone())));
        tracing::info!(id = %request.id, "the approver is asked");
        let deadline = Instant::now() + timeout;
        let fallback = Some(Instant::now() + ACK);
        self.open_approval = Some(Open { request, case, approver, reply, fallback, deadline });
        Ok(())
    }

    fn send(&self, to: &BareJid, id: &str, stanza: &Stanza) {
        match stanza.to_element() {
            Ok(payload) => {
                let mut message = Message::new_with_type(MessageType::Normal, Jid::from(to.clone()));
                message.id = Some(Id(id.to_owned()));
                message.payloads.push(payload);
                self.ties.outbox.reply(message);
            }
            Err(error) => tracing::error!(%error, "an approval stanza cannot be written"),
        }
    }

    /// When something is due for the open request.
    pub(super) fn approval_due(&self) -> Option<Instant> {
        let open = self.open_approval.as_ref()?;
        Some(open.fallback.map_or(open.deadline, |fallback| fallback.min(open.deadline)))
    }

    /// The time for it has come.
    pub(super) fn on_approval_due(&mut self) -> Result<(), StoreError> {
        let now = (self.ties.clock)();
        if let Some(open) = &mut self.open_approval {
            if open.fallback.is_some_and(|fallback| fallback <= Instant::now()) {
                self.ask_in_chat();
                return Ok(());
            }
            if open.case.on(Event::Tick, now) == Effect::Unchanged {
                // The timer and the clocks differ by less than a moment.
                open.deadline = Instant::now() + Duration::from_secs(1);
            }
        }
        self.settle(now)
    }

    fn ask_in_chat(&mut self) {
        if let Some(open) = &mut self.open_approval
            && open.fallback.take().is_some()
        {
            let text = format!("This is a test; nothing is run.\n{}", render(&open.request, COLUMNS).chat());
            self.ties.outbox.reply(outbox::chat(open.approver.clone().into(), text));
        }
    }

    /// Whether a message was one of the approval protocol, which is never a request for work.
    pub(super) fn on_approval_message(&mut self, message: &Message, from: &Jid) -> Result<bool, StoreError> {
        let from = from.to_bare();
        let now = (self.ties.clock)();
        if message.type_ == MessageType::Error {
            let ours = |open: &Open| {
                open.approver == from
                    && message.id.as_ref().is_some_and(|id| id.0 == open.request.id.as_str())
            };
            if self.open_approval.as_ref().is_some_and(ours) {
                self.ask_in_chat();
            }
            return Ok(false);
        }
        let kind = if message.type_ == MessageType::Normal { "normal" } else { "chat" };
        let stanza = match read_payloads(kind, &message.payloads) {
            Ok(None) => return Ok(false),
            Ok(Some(stanza)) => stanza,
            Err(error) => {
                tracing::warn!(%from, %error, "a message of the approval protocol is not read");
                return Ok(true);
            }
        };
        let Some(open) = &mut self.open_approval else { return Ok(true) };
        match stanza {
            Stanza::Ack(id) if id == open.request.id && from == open.approver => open.fallback = None,
            Stanza::Response(response) if response.id == open.request.id => {
                let named = response.digest.map_or(Named::Id, Named::Digest);
                let event = Event::Answer { channel: Channel::Xmpp(from), answer: response.result, named };
                let effect = open.case.on(event, now);
                tracing::info!(?effect, "an answer to a request");
                self.settle(now)?;
            }
            _ => {}
        }
        Ok(true)
    }

    /// Whether what somebody wrote in chat is an answer to the open request: what to say to that.
    pub(super) fn on_approval_words(
        &mut self,
        text: &str,
        from: &BareJid,
    ) -> Result<Option<String>, StoreError> {
        let now = (self.ties.clock)();
        let Some(open) = self.open_approval.as_mut().filter(|open| open.approver == *from) else {
            return Ok(None);
        };
        let code = open.request.code();
        let (answer, named) = match chat::read(text) {
            chat::Said::Other => return Ok(None),
            chat::Said::Answer(answer, named) if named == code => (answer, named),
            chat::Said::Answer(..) | chat::Said::WithoutCode(_) => {
                return Ok(Some(format!("Say which request you mean: yes {code} or no {code}.")));
            }
        };
        let event = Event::Answer { channel: Channel::Xmpp(from.clone()), answer, named: Named::Code(named) };
        let effect = open.case.on(event, now);
        self.settle(now)?;
        let said = match (effect, answer) {
            (Effect::Changed, Said::Approved) => "Approved.",
            (Effect::Changed, Said::Denied) => "Denied.",
            _ => "That was decided already.",
        };
        Ok(Some(said.to_owned()))
    }

    /// Tells whoever asked, once it is decided.
    fn settle(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(mut open) = self.open_approval.take_if(|open| *open.case.state() != State::Open) else {
            return Ok(());
        };
        let (approved, outcome) = match open.case.state().clone() {
            State::Approved(_) => match open.case.spend(&open.request.digest(), now) {
                Ok(permit) => (true, format!("approved by {}", permit.channel())),
                Err(error) => (false, error.to_string()),
            },
            State::Denied(denial) => (false, denial.to_string()),
            State::Expired => (false, "nobody answered in time".to_owned()),
            State::Open | State::Spent => (false, "the request is over".to_owned()),
        };
        self.ties.store.approval_decided(open.request.id.as_str(), &outcome, now.wall)?;
        drop(open.reply.send(Answer::Decided { approved, outcome }));
        Ok(())
    }

    /// Nothing stays open when the daemon stops.
    pub(super) fn withdraw_approval(&mut self) -> Result<(), StoreError> {
        let now = (self.ties.clock)();
        if let Some(open) = &mut self.open_approval {
            let _ = open.case.on(Event::Cancelled, now);
            let (approver, id) = (open.approver.clone(), open.request.id.clone());
            self.send(&approver, &format!("{id}-cancel"), &Stanza::Cancel(id));
        }
        self.settle(now)
    }
}

/// Bytes that nobody guesses.
fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    std::array::from_fn(|_| rand::random())
}
