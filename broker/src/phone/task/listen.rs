//! What others say: requests of agents, answers of the human, and what is neither.

use futures::FutureExt as _;
use nuketown_approval::{Answer as Said, Channel as From, Key, Request, RequestId};
use nuketown_xmpp::{
    Incoming,
    jid::{BareJid, Jid},
    parsers::presence::{Presence, Type as PresenceType},
};
use tokio::sync::oneshot;

use super::{
    super::{
        read::{Meant, read},
        write,
    },
    Asker, Sent, Task,
};
use crate::{
    channel::{About, Answer},
    engine::{Client, Input},
    report,
};

/// Requests of remote agents that wait at once at most; the engine bounds them by agent.
const ASKERS_MAX: usize = 4096;

impl Task {
    pub(super) async fn message(&mut self, incoming: Incoming) -> bool {
        let Some(from) = incoming.message.from.clone() else { return true };
        let bare = from.to_bare();
        match read(&incoming) {
            Meant::Ask(request) => self.asked(from, *request).await,
            Meant::Cancel(id) => self.cancelled(&bare, &id).await,
            Meant::Ack(id) => {
                if bare == self.who.approver {
                    self.acknowledged(&id);
                }
                true
            }
            Meant::Answer(about, said) => self.answered(from, about, said).await,
            Meant::NoCode(_) => {
                if bare == self.who.approver {
                    self.ask_for_code(from);
                }
                true
            }
            Meant::Bounced(id) => {
                self.bounced(&id);
                true
            }
            Meant::Unreadable(id, why) => self.unreadable(from, id, why).await,
            Meant::Late => {
                let reason = "it was kept on its way, and only what is said just now counts".to_owned();
                self.input(Input::Turned { by: bare.to_string(), reason }).await
            }
            Meant::Nothing => true,
        }
    }

    async fn asked(&mut self, from: Jid, request: Request) -> bool {
        let bare = from.to_bare();
        if !self.who.agents.is_account_of(&bare, &request.agent) {
            let reason = format!("{bare} is not the account of agent {}", request.agent);
            if self.who.agents.has_account(&bare) {
                self.deny(from, request.id, &reason);
            }
            return self.input(Input::Turned { by: bare.to_string(), reason }).await;
        }
        if self.askers.len() >= ASKERS_MAX {
            self.deny(from, request.id, "the broker holds as many requests as it may");
            return true;
        }
        let key = Key { agent: request.agent.clone(), id: request.id.clone() };
        let client = self.client(&key, &bare);
        self.askers.insert(client.connection, Asker { from, key });
        self.input(Input::AskFrom(client, Box::new(request))).await
    }

    /// A new connection, as the engine sees it: even numbers, the local ones are odd.
    fn client(&mut self, key: &Key, bare: &BareJid) -> Client {
        self.last += 2;
        Client {
            connection: self.last,
            agent: key.agent.clone(),
            by: bare.to_string(),
            tell: self.tell.clone(),
            remote: true,
        }
    }

    async fn cancelled(&mut self, bare: &BareJid, id: &RequestId) -> bool {
        let own = |asker: &Asker| asker.key.id == *id && asker.from.to_bare() == *bare;
        let Some((connection, asker)) = self.askers.iter().rev().find(|(_, asker)| own(asker)) else {
            return true;
        };
        let client = Client {
            connection: *connection,
            agent: asker.key.agent.clone(),
            by: bare.to_string(),
            tell: self.tell.clone(),
            remote: true,
        };
        self.input(Input::Cancel(client, id.clone())).await
    }

    fn acknowledged(&mut self, id: &RequestId) {
        for question in self.questions.values_mut().filter(|question| question.offered.key.id == *id) {
            question.acknowledged = question.relayed.is_some();
            if question.acknowledged {
                question.fallback = None;
            }
        }
    }

    async fn answered(&mut self, from: Jid, about: About, said: Option<Said>) -> bool {
        let bare = from.to_bare();
        let (heard, hear) = oneshot::channel();
        if bare == self.who.approver {
            let meant = about.clone();
            self.hearing.push(async move { (from, meant, hear.await.ok()) }.boxed());
        }
        let heard = (bare == self.who.approver).then_some(heard);
        self.input(Input::Answer(Answer { about, said, from: From::Xmpp(bare), heard })).await
    }

    fn ask_for_code(&mut self, to: Jid) {
        let codes: Vec<String> =
            self.questions.values().map(|question| question.offered.code.to_string()).collect();
        let text = match codes.as_slice() {
            [] => "No request is open.".to_owned(),
            [code] => format!("Which request? Reply: yes {code} or no {code}"),
            codes => format!("Which request? Reply yes or no with one of: {}", codes.join(", ")),
        };
        self.send(write::chat(to, text), None);
    }

    /// The server or somebody else sent a message of ours back. The human still gets the chat message.
    fn bounced(&mut self, id: &str) {
        let relayed = self
            .questions
            .iter()
            .find(|(_, question)| question.relayed.as_deref() == Some(id))
            .map(|(key, _)| key);
        if let Some(key) = relayed.cloned()
            && self.questions.get(&key).is_some_and(|question| question.chat.is_none())
        {
            self.ask_in_chat(&key);
        }
    }

    async fn unreadable(&mut self, from: Jid, id: Option<RequestId>, why: String) -> bool {
        let bare = from.to_bare();
        if let Some(id) = id.filter(|_| self.who.agents.has_account(&bare)) {
            self.deny(from, id, &why);
        }
        self.input(Input::Turned { by: bare.to_string(), reason: why }).await
    }

    fn deny(&mut self, to: Jid, id: RequestId, why: &str) {
        match write::decision(to, id, None, Said::Denied, Some(why.to_owned())) {
            Ok(message) => self.send(message, None),
            Err(why) => report::warn(&format!("cannot write a decision as XML: {why}")),
        }
    }

    /// The human may see whether this broker is there.
    pub(super) fn presence(&mut self, presence: &Presence) {
        let Some(from) = presence.from.as_ref().map(Jid::to_bare) else { return };
        if presence.type_ == PresenceType::Subscribe && from == self.who.approver && !self.who.is_shared() {
            let handle = self.handle.clone();
            let answer = Presence::new(PresenceType::Subscribed).with_to(from.clone());
            let sending = async move {
                let result = handle.send_presence(answer).await.map(drop);
                Sent { about: None, to: from.to_string(), result }
            };
            self.sending.push(sending.boxed());
        }
    }
}
