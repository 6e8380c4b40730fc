//! A request comes in: the policy, the book, the human.

use std::time::Duration;

use jiff::Timestamp;
use nuketown::Problem;
use nuketown_approval::{
    Effect, Key, Now, Refusal, Request, RequestId, Terms, policy::Verdict, render, socket,
};

use super::{Client, Engine, Out, Told, Waiting, offered, rule, waiting};
use crate::audit::Entry;

/// How often another expiry is tried when the code is taken. Each gives another of a million codes.
const CODES_TRIED: i64 = 64;

/// The width of what is recorded, in columns.
const COLUMNS: usize = 100;

/// Why a request is not opened.
enum No {
    Forbidden(String),
    Refused(Refusal),
    NeedsHuman,
    Nobody,
}

impl Engine {
    /// A local client asks. The id, the host and the expiry are given here.
    pub(super) fn ask(&mut self, client: Client, ask: socket::Ask, now: Now) {
        let waits = !ask.non_interactive;
        let request = Request {
            id: RequestId::from_random(rand::random()),
            agent: client.agent.clone(),
            payload: ask.payload,
            cwd: ask.cwd,
            host: self.host.clone(),
            nonce: Some(ask.nonce),
            expires: None,
            timeout: ask.timeout,
        };
        self.open_or_refuse(client, request, waits, now);
    }

    /// A remote agent asks. Its id and expiry are its own.
    pub(super) fn ask_from(&mut self, client: Client, request: Request, now: Now) {
        let key = Key { agent: client.agent.clone(), id: request.id.clone() };
        let digest = request.digest();
        let known =
            self.waiting.get_mut(&key).filter(|waiting| waiting.digest == digest && waiting.client.remote);
        if let Some(known) = known {
            // Sent again, as after a lost connection: the answer goes where it is now.
            known.client = client.clone();
            self.out.push(Out::Tell(client, waiting(&request, now.wall)));
            return;
        }
        self.open_or_refuse(client, request, true, now);
    }

    fn open_or_refuse(&mut self, client: Client, request: Request, waits: bool, now: Now) {
        let id = client.remote.then(|| request.id.clone());
        self.mend(now);
        if let Some(problem) = self.broken.clone() {
            self.out.push(Out::Tell(client, Told::Refused(id, unrecorded(&problem))));
            return;
        }
        if let Err(no) = self.decide(&client, request, waits, now) {
            let problem = no.problem();
            let named = id.as_ref().map_or(String::new(), |id| format!("{id}: "));
            self.turned(&client.by, format!("{named}{}; {}", problem.what, problem.cause), now);
            self.out.push(Out::Tell(client, Told::Refused(id, problem)));
        }
    }

    fn decide(&mut self, client: &Client, request: Request, waits: bool, now: Now) -> Result<(), No> {
        if request.agent != client.agent {
            let refusal = Refusal::NotYou { claimed: request.agent, real: client.agent.clone() };
            return Err(No::Refused(refusal));
        }
        let Some(minute) = self.clock.minute() else {
            return Err(No::Forbidden(
                "the local time cannot be told, so these may be quiet hours".to_owned(),
            ));
        };
        match self.policy.decide(&request, minute, self.dialog) {
            Verdict::Refuse(forbidden) => Err(No::Forbidden(forbidden.to_string())),
            Verdict::PreApproved(terms) => {
                let (key, request, until) = self.open_request(client, &request, &terms, now)?;
                let digest = request.digest();
                self.out.push(Out::Tell(client.clone(), waiting(&request, until)));
                if self.book.on(&key, rule(digest), now) == Some(Effect::Changed) {
                    self.decided(&key, now);
                }
                Ok(())
            }
            Verdict::Ask(_) if !waits => Err(No::NeedsHuman),
            Verdict::Ask(terms) => {
                let by_xmpp = self.xmpp && terms.approver.jid.is_some();
                if !terms.approver.dialog && !by_xmpp {
                    return Err(No::Nobody);
                }
                let (key, request, until) = self.open_request(client, &request, &terms, now)?;
                self.out.push(Out::Tell(client.clone(), waiting(&request, until)));
                self.out.push(Out::Offer(offered(&key, request, until)));
                Ok(())
            }
        }
    }

    /// Opens and records it, and says until when it is open.
    fn open_request(
        &mut self,
        client: &Client,
        request: &Request,
        terms: &Terms,
        now: Now,
    ) -> Result<(Key, Request, Timestamp), No> {
        let own = request.timeout.map_or(terms.timeout, |own| Duration::from_secs(own.get().into()));
        let end = now.wall.checked_add(own.min(terms.timeout)).unwrap_or(Timestamp::MAX);
        let (key, request) =
            self.open_with_free_code(client, request, terms, end, now).map_err(No::Refused)?;
        let until = self.book.get(&key).and_then(|entry| entry.case().deadline()).map_or(end, |at| at.wall);
        let digest = request.digest();
        let waiting = Waiting { client: client.clone(), digest, approved: false };
        self.waiting.insert(key.clone(), waiting);
        let shown = render(&request, COLUMNS).plain();
        let entry = Entry::Requested {
            agent: request.agent.to_string(),
            by: client.by.clone(),
            id: request.id.to_string(),
            digest: digest.to_string(),
            code: request.code().to_string(),
            until,
            shown: shown.lines().map(str::to_owned).collect(),
        };
        self.record(now, &entry);
        Ok((key, request, until))
    }

    /// A local request gets its expiry here, a millisecond earlier each time its code is that of another request.
    fn open_with_free_code(
        &mut self,
        client: &Client,
        request: &Request,
        terms: &Terms,
        end: Timestamp,
        now: Now,
    ) -> Result<(Key, Request), Refusal> {
        let mut earlier = 0;
        loop {
            let expires = if client.remote {
                request.expires
            } else {
                let end = end.as_millisecond().saturating_sub(earlier);
                Some(Timestamp::from_millisecond(end).unwrap_or(Timestamp::MAX))
            };
            let request = Request { expires, ..request.clone() };
            match self.book.open(&client.agent, request.clone(), terms.clone(), now) {
                Ok(key) => return Ok((key, request)),
                Err(Refusal::CodeTaken(_)) if !client.remote && earlier < CODES_TRIED => earlier += 1,
                Err(refusal) => return Err(refusal),
            }
        }
    }
}

impl No {
    fn problem(&self) -> Problem {
        match self {
            Self::Forbidden(why) => Problem::new("the policy does not allow this request", why.clone()),
            Self::Refused(refusal) => Problem::new("the request is refused", refusal.to_string()),
            Self::NeedsHuman => Problem::new(
                "a human would have to be asked",
                "the request says not to wait, and no rule approves it",
            )
            .hint("ask without -n, or have the command added to pre_approved in the policy"),
            Self::Nobody => Problem::new(
                "nobody can be asked",
                "the broker can show no dialog here and has no XMPP account or no approver",
            )
            .hint("give it [xmpp] in broker.toml and `approver` in the policy, or start it in a desktop session"),
        }
    }
}

/// What a requester is told while the log cannot be written.
pub(super) fn unrecorded(problem: &Problem) -> Problem {
    let cause = format!("{}: {}", problem.what, problem.cause);
    Problem::new("nothing is approved that cannot be recorded", cause)
        .hint("mend what is said here; the broker tries again with each request")
}
