//! One request from the question to the end: the state machine.
//!
//! ```text
//!            valid answer                    spend
//!   open ───────────────────▶ approved ───────────────▶ spent
//!    │ │                       │   │
//!    │ └─ deadline ──▶ expired ◀───┘ not spent in time
//!    └─ anything else that ends it ──▶ denied ◀─ requester gone, cancelled, restart, clock
//! ```
//!
//! # Invariants
//!
//! - `approved` is reached by a valid answer to an open request before its deadline, and in no other way.
//! - `spent` is reached once, from `approved`, for the digest that was approved. Only then is there a [`Permit`].
//! - `denied`, `expired` and `spent` are final.
//! - Time is taken before the event: what comes at the deadline is late.

use std::time::Duration;

use jid::BareJid;
use jiff::Timestamp;

use crate::{Code, Digest, stanza::Answer};

/// How long an approval may wait for its execution. The requester waits for nothing else, so more is not needed.
pub const GRANT_LIFE: Duration = Duration::from_secs(30);

/// How far the two clocks may drift apart before neither is believed: more than NTP slews in an hour (500 ppm), less than
/// anything that would keep a request open unseen.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// The time, by two clocks.
///
/// The monotonic one should count suspended time too (`CLOCK_BOOTTIME`). With `CLOCK_MONOTONIC` a suspended host looks like a
/// wall clock that jumped, and open requests are denied when it wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since some fixed point; never goes back.
    pub monotonic: Duration,
    /// In UTC; may be set by anybody who may set clocks.
    pub wall: Timestamp,
}

/// Where a request is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nobody has answered.
    Open,
    /// Approved over this channel, and not yet spent.
    Approved(Channel),
    /// Refused.
    Denied(Denial),
    /// Nobody answered in time, or the approval was not used in time.
    Expired,
    /// Executed, once.
    Spent,
}

impl State {
    /// Whether nothing can change it any more.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Expired | Self::Spent)
    }
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Denial {
    /// A human said no over this channel.
    #[error("denied by {0}")]
    Human(Channel),
    /// The approver's answer cannot be read.
    #[error("the answer from {0} was malformed")]
    MalformedAnswer(Channel),
    /// The approver's answer names another request than this one.
    #[error("the answer from {0} was for another request")]
    OtherRequest(Channel),
    /// Whoever asked is gone.
    #[error("the requester has disconnected")]
    Disconnected,
    /// Whoever asked has withdrawn the request.
    #[error("the request was cancelled")]
    Cancelled,
    /// The broker was started anew, and nothing from before is believed.
    #[error("the broker was restarted")]
    Restarted,
    /// The clocks contradict each other, so nobody knows whether the deadline has passed.
    #[error("the clock jumped")]
    ClockJumped,
}

/// From where an answer comes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The dialog on the local desktop.
    Dialog,
    /// An XMPP account, in either form of answer. Resources prove nothing and are left out.
    Xmpp(BareJid),
    /// A rule of the configuration: a pre-approved command.
    Rule,
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dialog => f.write_str("the dialog"),
            Self::Xmpp(jid) => write!(f, "{jid}"),
            Self::Rule => f.write_str("a rule"),
        }
    }
}

/// Who may answer a request. By default nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approver {
    /// Whether there is a dialog.
    pub dialog: bool,
    /// The human's account.
    pub jid: Option<BareJid>,
    /// Whether a rule of the configuration covers this very request.
    pub rule: bool,
}

impl Approver {
    fn may_answer_by(&self, channel: &Channel) -> bool {
        match channel {
            Channel::Dialog => self.dialog,
            Channel::Xmpp(jid) => self.jid.as_ref() == Some(jid),
            Channel::Rule => self.rule,
        }
    }
}

/// What an answer names as its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The digest, as in `<digest>`, and as the dialog does that was opened for it.
    Digest(Digest),
    /// The code, as a person types it.
    Code(Code),
    /// Neither. Enough for a request without a nonce, which the architecture's plain stanza is; see [`Case::new`].
    Id,
}

/// Something that happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody answers.
    Answer {
        /// From where.
        channel: Channel,
        /// What.
        answer: Answer,
        /// To which request.
        named: Named,
    },
    /// Somebody answers, unreadably.
    MalformedAnswer(Channel),
    /// Nothing but time.
    Tick,
    /// The requester's connection is gone.
    Disconnected,
    /// The requester withdraws.
    Cancelled,
    /// The broker was started anew.
    Restarted,
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "whoever answered or waits has to be told"]
pub enum Effect {
    /// The request has another state now, which is to be recorded and told to all channels.
    Changed,
    /// Nothing has changed.
    Unchanged,
    /// The answer came too late or was the second one: its sender is to be told what holds.
    AlreadyDecided,
    /// The answer came from somebody who may not answer. It is to be recorded, and not answered.
    NotTheApprover,
}

/// The right to do once what was approved. It exists only between [`Case::spend`] and the execution.
#[derive(Debug)]
#[must_use = "what was spent and not executed is lost"]
pub struct Permit {
    digest: Digest,
    channel: Channel,
}

impl Permit {
    /// What may be done.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Who allowed it.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }
}

/// Why there is no permit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// It was used before.
    #[error("the approval was already used")]
    Spent,
    /// What is to be done is not what was approved.
    #[error("what is about to run is not what was approved")]
    OtherRequest,
    /// It is not approved.
    #[error("the request is not approved")]
    NotApproved(State),
    /// Nobody here knows of it.
    #[error("no such request was made")]
    Unknown,
}

/// One request and its state.
#[derive(Clone, Debug)]
pub struct Case {
    digest: Digest,
    approver: Approver,
    needs_name: bool,
    opened: Now,
    deadline: Now,
    last: Now,
    state: State,
}

impl Case {
    /// Opens a request with this digest.
    ///
    /// `timeout` is how long it stays open; `expires`, if any, ends it earlier. `needs_name` says that an answer has to
    /// name the request by digest or code, which is so for all but the plain stanza without a nonce.
    #[must_use]
    pub fn new(
        digest: Digest,
        approver: Approver,
        needs_name: bool,
        timeout: Duration,
        expires: Option<Timestamp>,
        now: Now,
    ) -> Self {
        let end = later(now, timeout);
        let wall = expires.map_or(end.wall, |expires| expires.min(end.wall));
        let deadline = Now { wall, ..end };
        Self { digest, approver, needs_name, opened: now, deadline, last: now, state: State::Open }
    }

    /// Where it is.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What it is about.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// When the present state ends by itself, if it does: the time for the next [`Event::Tick`].
    #[must_use]
    pub fn deadline(&self) -> Option<Now> {
        (!self.state.is_final()).then_some(self.deadline)
    }

    /// Lets something happen at `now`. The clock comes first: at or after the deadline, or when the clocks contradict each
    /// other, the event finds the request closed.
    pub fn on(&mut self, event: Event, now: Now) -> Effect {
        if self.pass(now) {
            return Effect::Changed;
        }
        match event {
            Event::Tick => Effect::Unchanged,
            Event::Answer { channel, answer, named } => self.answer(channel, answer, named),
            Event::MalformedAnswer(channel) => {
                self.decide(channel, |channel| State::Denied(Denial::MalformedAnswer(channel)))
            }
            Event::Disconnected => self.end(Denial::Disconnected),
            Event::Cancelled => self.end(Denial::Cancelled),
            Event::Restarted => self.end(Denial::Restarted),
        }
    }

    /// Takes the one permit of an approved request, right before what was asked for is done.
    ///
    /// `digest` is that of what is about to be done, computed anew.
    ///
    /// # Errors
    ///
    /// If there is no approval for this digest at `now`, or no longer. An approval that was to be used for something else
    /// stays unused: whoever tried does not get to know it, and it expires.
    pub fn spend(&mut self, digest: &Digest, now: Now) -> Result<Permit, SpendError> {
        self.pass(now);
        match &self.state {
            State::Spent => Err(SpendError::Spent),
            State::Approved(_) if *digest != self.digest => Err(SpendError::OtherRequest),
            State::Approved(channel) => {
                let permit = Permit { digest: self.digest, channel: channel.clone() };
                self.state = State::Spent;
                Ok(permit)
            }
            other => Err(SpendError::NotApproved(other.clone())),
        }
    }

    fn answer(&mut self, channel: Channel, answer: Answer, named: Named) -> Effect {
        let is_this = match named {
            Named::Digest(digest) => digest == self.digest,
            Named::Code(code) => code == Code::of(&self.digest),
            Named::Id => !self.needs_name,
        };
        self.decide(channel, |channel| match answer {
            Answer::Denied => State::Denied(Denial::Human(channel)),
            Answer::Approved if is_this => State::Approved(channel),
            Answer::Approved => State::Denied(Denial::OtherRequest(channel)),
        })
    }

    fn decide(&mut self, channel: Channel, to: impl FnOnce(Channel) -> State) -> Effect {
        if !self.approver.may_answer_by(&channel) {
            return Effect::NotTheApprover;
        }
        if self.state != State::Open {
            return Effect::AlreadyDecided;
        }
        self.state = to(channel);
        if matches!(self.state, State::Approved(_)) {
            self.deadline = later(self.last, GRANT_LIFE);
        }
        Effect::Changed
    }

    fn end(&mut self, denial: Denial) -> Effect {
        if self.state.is_final() {
            return Effect::Unchanged;
        }
        self.state = State::Denied(denial);
        Effect::Changed
    }

    /// Lets the time pass, and says whether that ended the request.
    fn pass(&mut self, now: Now) -> bool {
        let jumped = self.jumped(now);
        self.last = now;
        if self.state.is_final() {
            return false;
        }
        if jumped {
            self.state = State::Denied(Denial::ClockJumped);
            return true;
        }
        if now.monotonic >= self.deadline.monotonic || now.wall >= self.deadline.wall {
            self.state = State::Expired;
            return true;
        }
        false
    }

    /// Whether the clocks went back, or apart since the request was opened.
    fn jumped(&self, now: Now) -> bool {
        let Some(steady) = now.monotonic.checked_sub(self.opened.monotonic) else { return true };
        let wall = now.wall.duration_since(self.opened.wall).as_nanos();
        let drift = i128::try_from(steady.as_nanos()).unwrap_or(i128::MAX).abs_diff(wall);
        now.monotonic < self.last.monotonic || drift > CLOCK_TOLERANCE.as_nanos()
    }
}

/// `now` and `wait` after it; the end of time where that cannot be said.
fn later(now: Now, wait: Duration) -> Now {
    Now {
        monotonic: now.monotonic.saturating_add(wait),
        wall: now.wall.checked_add(wait).unwrap_or(Timestamp::MAX),
    }
}

#[cfg(test)]
mod tests;
