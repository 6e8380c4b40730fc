//! What is said once it is recorded, and what is said instead where it cannot be.

use std::{collections::BTreeSet, sync::Arc};

use nuketown::Problem;
use nuketown_approval::{Answer as Said, Key, Now, socket};
use tokio::sync::oneshot;

use super::{Client, Engine, Told, ask::unrecorded};
use crate::{
    audit::{Entry, Outcome as Recorded},
    channel::{Heard, Offered, Outcome},
};

/// Something to say.
pub(super) enum Out {
    Tell(Client, Told),
    Offer(Arc<Offered>),
    Withdraw(Key, Outcome),
    Heard(oneshot::Sender<Heard>, Heard),
}

impl Out {
    /// Whether somebody may do something after this.
    fn grants(&self) -> bool {
        match self {
            Self::Tell(_, Told::Decision(_, decision)) => decision.result == Said::Approved,
            Self::Tell(_, Told::Spent(..)) => true,
            Self::Tell(..) | Self::Offer(_) | Self::Withdraw(..) | Self::Heard(..) => false,
        }
    }
}

impl Engine {
    /// Writes the records and says what waits for them. Gives the connections that do not listen.
    pub(super) fn commit(&mut self, now: Now) -> Vec<u64> {
        let out = std::mem::take(&mut self.out);
        if !self.lost {
            let written = if out.iter().any(Out::grants) { self.log.commit() } else { self.log.flush() };
            match written {
                Ok(()) => return self.say(out),
                Err(problem) => self.broken = Some(problem),
            }
        }
        self.lost = false;
        match self.broken.clone() {
            Some(problem) => self.deny_all(out, &problem, now),
            None => self.say(out),
        }
    }

    /// Tries to go on with the log. What was decided meanwhile is recorded as denied, which it was.
    pub(super) fn mend(&mut self, now: Now) {
        if self.lost {
            return;
        }
        let Some(problem) = self.broken.take() else { return };
        self.record(now, &Entry::Interrupted { cause: format!("{}: {}", problem.what, problem.cause) });
        for (key, digest) in self.unrecorded.clone() {
            let entry = Entry::Decided {
                agent: key.agent.to_string(),
                id: key.id.to_string(),
                digest: digest.to_string(),
                outcome: Recorded::Denied,
                reason: "the audit log could not be written".to_owned(),
            };
            self.record(now, &entry);
        }
        if self.broken.is_none() {
            self.broken = self.log.commit().err();
        }
        if self.broken.is_none() {
            self.unrecorded.clear();
        } else {
            // None of what is about to be said hangs on these.
            self.lost = false;
        }
    }

    fn say(&mut self, out: Vec<Out>) -> Vec<u64> {
        let mut gone = Vec::new();
        for out in out {
            match out {
                Out::Tell(client, told) => {
                    if client.tell.try_send((client.connection, told)).is_err() {
                        gone.push(client.connection);
                    }
                }
                Out::Offer(offered) => self.channels.iter_mut().for_each(|channel| channel.offer(&offered)),
                Out::Withdraw(key, outcome) => {
                    self.channels.iter_mut().for_each(|channel| channel.withdraw(&key, &outcome));
                }
                // Whoever asked may not want to know any more.
                Out::Heard(heard, told) => drop(heard.send(told)),
            }
        }
        gone
    }

    /// The records of all this are lost, so nothing of it holds: everything that is open is denied.
    fn deny_all(&mut self, out: Vec<Out>, problem: &Problem, now: Now) -> Vec<u64> {
        let problem = unrecorded(problem);
        // Requests that nobody was told of yet: their requesters are refused, and no decision follows.
        let mut new = BTreeSet::new();
        let mut say = Vec::new();
        for out in out {
            match out {
                Out::Tell(client, told) => say.extend(self.denied(client, told, &problem, &mut new)),
                Out::Offer(_) => {}
                Out::Withdraw(key, _) => say.push(Out::Withdraw(key, outcome(&problem))),
                Out::Heard(heard, Heard::NotTheApprover) => {
                    say.push(Out::Heard(heard, Heard::NotTheApprover));
                }
                Out::Heard(heard, _) => say.push(Out::Heard(heard, Heard::Unrecorded)),
            }
        }
        self.book.close_all(now);
        for closed in self.book.take_closed(now) {
            let Some(waiting) = self.waiting.remove(&closed.key) else { continue };
            self.unrecorded.push((closed.key.clone(), waiting.digest));
            say.push(Out::Withdraw(closed.key.clone(), outcome(&problem)));
            if !waiting.approved && !new.contains(&closed.key) {
                say.push(Out::Tell(waiting.client, denial(closed.key, waiting.digest, &problem)));
            }
        }
        self.unrecorded.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.unrecorded.dedup();
        self.say(say)
    }

    /// What a client is told instead.
    fn denied(
        &mut self,
        client: Client,
        told: Told,
        problem: &Problem,
        new: &mut BTreeSet<Key>,
    ) -> Option<Out> {
        let told = match told {
            Told::Waiting(waiting) => {
                new.insert(Key { agent: client.agent.clone(), id: waiting.id.clone() });
                Told::Refused(client.remote.then_some(waiting.id), problem.clone())
            }
            Told::Decision(key, decision) => {
                self.unrecorded.push((key.clone(), decision.digest));
                if new.contains(&key) {
                    return None;
                }
                match decision.result {
                    Said::Approved => denial(key, decision.digest, problem),
                    Said::Denied => Told::Decision(key, decision),
                }
            }
            Told::Spent(id, _) => Told::Refused(Some(id), problem.clone()),
            Told::Refused(id, why) => Told::Refused(id, why),
        };
        Some(Out::Tell(client, told))
    }
}

fn outcome(problem: &Problem) -> Outcome {
    Outcome { result: Said::Denied, reason: problem.what.clone() }
}

fn denial(key: Key, digest: nuketown_approval::Digest, problem: &Problem) -> Told {
    let reason = Some(format!("{}; {}", problem.what, problem.cause));
    let decision = socket::Decision { id: key.id.clone(), digest, result: Said::Denied, reason };
    Told::Decision(key, decision)
}
