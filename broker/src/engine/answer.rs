//! An answer comes in: which request is meant, what it does, what is said about it.

use nuketown_approval::{Answer as Said, Channel as From, Effect, Event, Key, Now, State};

use super::{Engine, Out};
use crate::{
    audit::{Entry, Outcome as Recorded},
    channel::{About, Answer, Heard, Outcome},
};

impl Engine {
    pub(super) fn answer(&mut self, answer: Answer, now: Now) {
        let Answer { about, said, from, heard } = answer;
        let key = self.meant(&about);
        let event = match said {
            Some(said) => Event::Answer { channel: from.clone(), answer: said, named: about.named() },
            None => Event::MalformedAnswer(from.clone()),
        };
        let effect = key.as_ref().and_then(|key| self.book.on(key, event, now));
        let told = match (&key, effect) {
            (Some(key), Some(Effect::Changed)) => {
                let outcome = self.outcome(key);
                self.decided(key, now);
                outcome.map_or(Heard::Unknown, Heard::Decided)
            }
            (Some(_), Some(Effect::NotTheApprover)) => Heard::NotTheApprover,
            (Some(key), Some(Effect::AlreadyDecided | Effect::Unchanged)) => {
                self.outcome(key).map_or(Heard::Unknown, Heard::Before)
            }
            _ => Heard::Unknown,
        };
        self.record_ignored(&from, &about, &told, now);
        if let Some(heard) = heard {
            self.out.push(Out::Heard(heard, told));
        }
    }

    fn record_ignored(&mut self, from: &From, about: &About, told: &Heard, now: Now) {
        let reason = match told {
            Heard::Before(outcome) => {
                format!("it was {} before ({})", outcome.result.as_str(), outcome.reason)
            }
            Heard::Unknown => "there is no such request".to_owned(),
            Heard::NotTheApprover => "it is not from the approver".to_owned(),
            Heard::Decided(_) | Heard::Unrecorded => return,
        };
        let (flooded, recorded) = self.quota.take(&from.to_string(), now.monotonic);
        if flooded > 0 {
            self.record(now, &Entry::Flooded { by: from.to_string(), times: flooded });
        }
        if recorded {
            let entry = Entry::Ignored { from: from.to_string(), about: about.to_string(), reason };
            self.record(now, &entry);
        }
    }

    /// The request that an answer means, open or over. None if it could be several.
    fn meant(&self, about: &About) -> Option<Key> {
        match about {
            About::Offered(key, _) => Some(key.clone()),
            About::Code(code) => self.book.by_code(*code).cloned(),
            About::Id(id, digest) => {
                let mut same = self.waiting.iter().filter(|(key, waiting)| {
                    key.id == *id && digest.is_none_or(|digest| digest == waiting.digest)
                });
                let only = same.next().filter(|_| same.next().is_none()).map(|(key, _)| key.clone());
                // An answer for another digest has to find the request that it names, to be refused there.
                only.or_else(|| {
                    let mut same = self.waiting.keys().filter(|key| key.id == *id);
                    same.next().filter(|_| same.next().is_none()).cloned()
                })
            }
        }
    }

    /// An answer changed a request. What is over is seen by [`Engine::close`]; this is for what is approved.
    pub(super) fn decided(&mut self, key: &Key, now: Now) {
        let Some(State::Approved(by)) = self.book.state(key).cloned() else { return };
        let Some(waiting) = self.waiting.get_mut(key) else { return };
        waiting.approved = true;
        let (client, digest) = (waiting.client.clone(), waiting.digest);
        let reason = format!("approved by {by}");
        self.record_decided(key, digest, Recorded::Approved, &reason, now);
        if client.remote {
            match self.book.spend(key, &digest, now) {
                Ok(permit) => self.record_spent(key, permit.digest(), now),
                // It was approved a moment ago; if it is not any more, the closing says so.
                Err(_) => return,
            }
        }
        self.say_decided(&client, key, digest, &Outcome { result: Said::Approved, reason });
    }

    /// What holds for a request that is decided.
    fn outcome(&self, key: &Key) -> Option<Outcome> {
        Some(match self.book.state(key)? {
            State::Open => return None,
            State::Approved(by) => Outcome { result: Said::Approved, reason: format!("approved by {by}") },
            State::Spent => Outcome { result: Said::Approved, reason: "approved, and done".to_owned() },
            State::Denied(denial) => Outcome { result: Said::Denied, reason: denial.to_string() },
            State::Expired => Outcome { result: Said::Denied, reason: "it is too late".to_owned() },
        })
    }
}
