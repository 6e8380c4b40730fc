//! What is said with the broker about one request, without the I/O.
//!
//! # Invariants
//!
//! - [`Step::Run`] comes after `waiting`, `decision` and `spent`, each once and in this order, each for the same id and for
//!   the digest that was computed here. Everything else ends the conversation, and nothing runs.

use nuketown::Problem;
use nuketown_approval::{
    Answer, Digest, RequestId, shown,
    socket::{Ask, Decision, FromBroker, FromClient, Waiting},
};

/// A request and what has been said about it.
#[derive(Debug)]
pub struct Conversation {
    ask: Ask,
    state: State,
}

#[derive(Debug)]
enum State {
    Asked,
    Waits(Box<Waiting>),
    Spending(Box<Waiting>),
    Over,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the other side waits for the next step"]
pub enum Step {
    /// Wait for a decision.
    Wait(Box<Waiting>),
    /// Check what is about to run, then send this line.
    Spend(FromClient),
    /// Run it.
    Run,
}

impl Conversation {
    /// Begins one.
    #[must_use]
    pub fn new(ask: Ask) -> Self {
        Self { ask, state: State::Asked }
    }

    /// The first line.
    #[must_use]
    pub fn first(&self) -> FromClient {
        FromClient::Request(Box::new(self.ask.clone()))
    }

    /// The line that withdraws the request, once it is open.
    #[must_use]
    pub fn cancel(&self) -> Option<FromClient> {
        match &self.state {
            State::Waits(waiting) | State::Spending(waiting) => {
                Some(FromClient::Cancel { id: waiting.id.clone() })
            }
            State::Asked | State::Over => None,
        }
    }

    /// Takes a line of the broker's.
    ///
    /// # Errors
    ///
    /// If it refuses, or is not the line that comes next. The conversation is over then.
    pub fn on(&mut self, line: FromBroker) -> Result<Step, Problem> {
        match (std::mem::replace(&mut self.state, State::Over), line) {
            (_, FromBroker::Error { problem, .. }) => Err(visible(&problem)),
            (State::Asked, FromBroker::Waiting(waiting)) => self.opened(waiting),
            (State::Waits(waiting), FromBroker::Decision(decision)) => self.decided(waiting, &decision),
            (State::Spending(waiting), FromBroker::Spent { id, digest }) => {
                self.is_about(&waiting, &id, &digest)?;
                Ok(Step::Run)
            }
            (State::Asked, _) => Err(unexpected("it did not say first that the request is open")),
            (State::Waits(_), _) => Err(unexpected("it sent something else than a decision")),
            (State::Spending(_), _) => Err(unexpected("it did not confirm that the approval is recorded")),
            (State::Over, _) => Err(unexpected("it went on after the end")),
        }
    }

    fn opened(&mut self, waiting: Box<Waiting>) -> Result<Step, Problem> {
        let digest = self.digest(&waiting);
        if digest != waiting.digest {
            return Err(unexpected("the digest that it names is not that of the request"));
        }
        if waiting.code != nuketown_approval::Code::of(&digest) {
            return Err(unexpected("the code that it names is not that of the request"));
        }
        self.state = State::Waits(waiting.clone());
        Ok(Step::Wait(waiting))
    }

    fn decided(&mut self, waiting: Box<Waiting>, decision: &Decision) -> Result<Step, Problem> {
        self.is_about(&waiting, &decision.id, &decision.digest)?;
        if decision.result == Answer::Denied {
            let reason = decision.reason.as_deref().map_or_else(|| "no reason was given".to_owned(), shown);
            return Err(Problem::new(format!("the request {} was denied", waiting.code), reason));
        }
        let spend = FromClient::Spend { id: waiting.id.clone(), digest: self.digest(&waiting) };
        self.state = State::Spending(waiting);
        Ok(Step::Spend(spend))
    }

    fn is_about(&self, waiting: &Waiting, id: &RequestId, digest: &Digest) -> Result<(), Problem> {
        if *id != waiting.id {
            return Err(unexpected("it answered another request"));
        }
        if *digest != self.digest(waiting) {
            return Err(unexpected("it answered about something else than what was asked"));
        }
        Ok(())
    }

    /// Computed anew each time, from what will run.
    fn digest(&self, waiting: &Waiting) -> Digest {
        self.ask.clone().into_request(waiting).digest()
    }
}

pub(super) fn unexpected(cause: &str) -> Problem {
    Problem::new("the broker's answer cannot be used", cause).hint("nothing was run; ask again")
}

/// The broker's words with everything that could drive a terminal escaped.
fn visible(problem: &Problem) -> Problem {
    Problem {
        what: shown(&problem.what),
        cause: shown(&problem.cause),
        hint: problem.hint.as_deref().map(shown),
    }
}

#[cfg(test)]
pub(super) mod tests;
