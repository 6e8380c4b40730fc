//! The state machine, explored until nothing new is reached, and in every order of events.

use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::testing::{now, sudo_request};

const TIMEOUT: Duration = Duration::from_secs(120);

fn approver_jid() -> BareJid {
    BareJid::new("josh@6bit.com").unwrap()
}

fn channels() -> [Channel; 4] {
    // The rule is off, so that it is as good as a stranger.
    let stranger = BareJid::new("josh@6bit.com.example").unwrap();
    [Channel::Dialog, Channel::Xmpp(approver_jid()), Channel::Xmpp(stranger), Channel::Rule]
}

fn may_answer(channel: &Channel) -> bool {
    *channel == Channel::Dialog || *channel == Channel::Xmpp(approver_jid())
}

fn right() -> Digest {
    sudo_request().digest()
}

fn wrong() -> Digest {
    crate::Request { nonce: None, ..sudo_request() }.digest()
}

fn case() -> Case {
    let approver = Approver { dialog: true, jid: Some(approver_jid()), rule: false };
    Case::new(right(), approver, true, TIMEOUT, None, now(0))
}

/// What a test lets happen: an event, or an attempt to spend.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Event(Event),
    Spend(Digest),
}

fn every_step() -> Vec<Step> {
    let mut steps = vec![Step::Spend(right()), Step::Spend(wrong())];
    steps.extend([Event::Tick, Event::Disconnected, Event::Cancelled, Event::Restarted].map(Step::Event));
    for channel in channels() {
        steps.push(Step::Event(Event::MalformedAnswer(channel.clone())));
        for answer in [Answer::Approved, Answer::Denied] {
            for named in [
                Named::Digest(right()),
                Named::Digest(wrong()),
                Named::Code(Code::of(&right())),
                Named::Code(Code::of(&wrong())),
                Named::Id,
            ] {
                steps.push(Step::Event(Event::Answer { channel: channel.clone(), answer, named }));
            }
        }
    }
    steps
}

/// How the time may pass between two events, well behaved or not.
fn every_time(case: &Case) -> Vec<Now> {
    let last = case.last;
    let end = case.deadline;
    let instant = Duration::from_nanos(1);
    let before = |now: Now| Now {
        monotonic: now.monotonic.saturating_sub(instant),
        wall: now.wall.checked_sub(instant).unwrap_or(Timestamp::MIN),
    };
    let apart = CLOCK_TOLERANCE + instant;
    vec![
        last,
        later(last, instant),
        before(end),
        end,
        later(end, instant),
        Now { wall: end.wall, ..last },
        Now { monotonic: end.monotonic, ..last },
        Now { wall: last.wall.checked_add(apart).unwrap_or(Timestamp::MAX), ..last },
        Now { wall: last.wall.checked_sub(apart).unwrap_or(Timestamp::MIN), ..last },
        Now { monotonic: last.monotonic.saturating_sub(instant), ..last },
        Now { monotonic: Duration::ZERO, wall: Timestamp::MIN },
        Now { monotonic: Duration::MAX, wall: Timestamp::MAX },
    ]
}

/// The name of a state without its channel.
fn name(state: &State) -> &'static str {
    match state {
        State::Open => "open",
        State::Approved(_) => "approved",
        State::Denied(_) => "denied",
        State::Expired => "expired",
        State::Spent => "spent",
    }
}

/// Holds one transition to the rules, which are written here from the side of what must never happen.
fn check(before: &Case, step: &Step, at: Now, after: &Case, permit: Option<&Permit>) {
    let context = format!("{:?} --{step:?} at {at:?}--> {:?}", before.state, after.state);
    let in_time = at.monotonic < before.deadline.monotonic
        && at.wall < before.deadline.wall
        && at.monotonic >= before.last.monotonic;
    if before.state.is_final() {
        assert_eq!(before.state, after.state, "{context}");
    }
    if before.state != after.state && matches!(after.state, State::Approved(_)) {
        assert_eq!(before.state, State::Open, "{context}");
        assert!(in_time, "{context}");
        let Step::Event(Event::Answer { channel, answer: Answer::Approved, named }) = step else {
            panic!("{context}")
        };
        assert!(may_answer(channel), "{context}");
        assert!(*named == Named::Digest(right()) || *named == Named::Code(Code::of(&right())), "{context}");
        assert_eq!(after.state, State::Approved(channel.clone()), "{context}");
    }
    if before.state != after.state && after.state == State::Spent {
        assert!(
            matches!(before.state, State::Approved(_)) && in_time && *step == Step::Spend(right()),
            "{context}"
        );
    }
    assert_eq!(permit.is_some(), before.state != after.state && after.state == State::Spent, "{context}");
    if !in_time {
        assert!(after.state.is_final(), "{context}");
    }
    if in_time && before.state != after.state {
        // Nobody but the approver and the requester's side changes anything while there is time.
        let by_stranger = match step {
            Step::Event(Event::Answer { channel, .. } | Event::MalformedAnswer(channel)) => {
                !may_answer(channel)
            }
            _ => false,
        };
        let jumped = after.state == State::Denied(Denial::ClockJumped);
        assert!(!by_stranger || jumped, "{context}");
    }
}

fn go(case: &mut Case, step: &Step, at: Now) -> Option<Permit> {
    match step {
        Step::Event(event) => {
            let before = case.state.clone();
            let effect = case.on(event.clone(), at);
            assert_eq!(effect == Effect::Changed, before != case.state, "{event:?}");
            None
        }
        Step::Spend(digest) => case.spend(digest, at).ok(),
    }
}

#[test]
fn every_reachable_state_keeps_the_rules_and_the_set_of_states_is_closed() {
    let mut seen = BTreeSet::new();
    let mut edges = BTreeSet::new();
    let mut queue = VecDeque::from([case()]);
    let mut transitions = 0_u32;
    while let Some(from) = queue.pop_front() {
        for step in every_step() {
            for at in every_time(&from) {
                let mut to = from.clone();
                let permit = go(&mut to, &step, at);
                check(&from, &step, at, &to, permit.as_ref());
                transitions += 1;
                edges.insert((name(&from.state), name(&to.state)));
                // A final state stays whatever happens, which `check` has just held for every event; it leads nowhere.
                // Of the steps of one nanosecond the first few are as good as all of them: only the deadline matters.
                let little = to.last.monotonic.subsec_nanos() % 1_000_000 <= 3;
                if (!to.state.is_final() || !from.state.is_final())
                    && (little || to.state.is_final())
                    && seen.insert((to.state.clone(), to.last.monotonic, to.last.wall))
                {
                    queue.push_back(to);
                }
            }
        }
    }
    let expected = [
        ("open", "open"),
        ("open", "approved"),
        ("open", "denied"),
        ("open", "expired"),
        ("approved", "approved"),
        ("approved", "denied"),
        ("approved", "expired"),
        ("approved", "spent"),
        ("denied", "denied"),
        ("expired", "expired"),
        ("spent", "spent"),
    ];
    assert_eq!(edges, BTreeSet::from(expected));
    assert!(transitions > 10_000, "{transitions}");
}

#[test]
fn every_order_of_events_gives_at_most_one_permit_and_only_after_a_valid_approval() {
    let answer = |channel: &Channel, answer, digest| {
        Step::Event(Event::Answer { channel: channel.clone(), answer, named: Named::Digest(digest) })
    };
    let mut steps: Vec<Step> = Vec::new();
    for channel in channels() {
        steps.push(answer(&channel, Answer::Approved, right()));
        steps.push(answer(&channel, Answer::Denied, right()));
    }
    steps.push(answer(&Channel::Dialog, Answer::Approved, wrong()));
    steps.push(Step::Event(Event::MalformedAnswer(Channel::Xmpp(approver_jid()))));
    steps.extend([Event::Disconnected, Event::Cancelled, Event::Restarted, Event::Tick].map(Step::Event));
    steps.extend([Step::Spend(right()), Step::Spend(wrong())]);
    let count = steps.len();
    // Two events make the longest way from open to spent; two more stand before, between or after them.
    let depth = 4;
    for mut order in 0..count.pow(depth) {
        let mut case = case();
        let mut permits = 0;
        let mut sequence = Vec::new();
        for _ in 0..depth {
            let step = &steps[order % count];
            order /= count;
            // The tick is the deadline's; all others come in time.
            let at = if *step == Step::Event(Event::Tick) { case.deadline } else { case.last };
            permits += usize::from(go(&mut case, step, at).is_some());
            sequence.push(step);
        }
        assert_eq!(permits, usize::from(is_granted(&sequence)), "{sequence:?}");
    }
}

/// What the specification says about a sequence, without states: the first thing that decides is a valid approval, and it is
/// spent before anything ends it.
fn is_granted(sequence: &[&Step]) -> bool {
    let by_strangers = |step: &&&Step| match step {
        Step::Event(Event::Answer { channel, .. } | Event::MalformedAnswer(channel)) => may_answer(channel),
        Step::Spend(_) | Step::Event(_) => true,
    };
    let mut rest = sequence.iter().filter(by_strangers).skip_while(|step| matches!(step, Step::Spend(_)));
    let Some(Step::Event(Event::Answer { answer: Answer::Approved, named, .. })) = rest.next() else {
        return false;
    };
    if *named != Named::Digest(right()) {
        return false;
    }
    let ends = |step: &&&Step| {
        !matches!(step, Step::Event(Event::Answer { .. } | Event::MalformedAnswer(_)))
            && ***step != Step::Spend(wrong())
    };
    rest.find(ends).is_some_and(|step| **step == Step::Spend(right()))
}

fn approve(case: &mut Case, at: Now) -> Effect {
    let named = Named::Digest(right());
    case.on(Event::Answer { channel: Channel::Dialog, answer: Answer::Approved, named }, at)
}

#[test]
fn unanswered_request_expires_at_its_deadline() {
    let mut case = case();
    assert_eq!(case.on(Event::Tick, later(now(0), Duration::from_nanos(119_999_999_999))), Effect::Unchanged);
    assert_eq!(case.on(Event::Tick, now(120)), Effect::Changed);
    assert_eq!(*case.state(), State::Expired);
    assert_eq!(case.deadline(), None);
}

#[test]
fn answer_at_the_deadline_is_late() {
    let mut case = case();
    assert_eq!(approve(&mut case, now(120)), Effect::Changed);
    assert_eq!(*case.state(), State::Expired);
    assert_eq!(approve(&mut case, now(121)), Effect::AlreadyDecided);
    assert_eq!(case.spend(&right(), now(121)).unwrap_err(), SpendError::NotApproved(State::Expired));
}

#[test]
fn request_expires_at_its_absolute_time_even_if_the_timeout_is_longer() {
    let approver = Approver { dialog: true, ..Approver::default() };
    let mut case = Case::new(right(), approver, true, TIMEOUT, Some(now(10).wall), now(0));
    assert_eq!(approve(&mut case, now(10)), Effect::Changed);
    assert_eq!(*case.state(), State::Expired);
}

#[test]
fn approval_that_is_not_used_in_time_is_gone() {
    let mut case = case();
    assert_eq!(approve(&mut case, now(119)), Effect::Changed);
    let end = case.deadline().unwrap();
    assert_eq!(end, later(now(119), GRANT_LIFE));
    assert!(
        case.clone()
            .spend(&right(), later(now(119), GRANT_LIFE.saturating_sub(Duration::from_nanos(1))))
            .is_ok()
    );
    assert_eq!(case.spend(&right(), end).unwrap_err(), SpendError::NotApproved(State::Expired));
}

#[test]
fn clock_that_jumps_denies() {
    let at = |steady: u64, wall: u64| Now { monotonic: now(steady).monotonic, wall: now(wall).wall };
    for jump in [at(10, 16), at(16, 10), at(10, 4), at(10, 100_000)] {
        for approved in [false, true] {
            let mut case = case();
            if approved {
                assert_eq!(approve(&mut case, now(1)), Effect::Changed);
            }
            assert_eq!(approve(&mut case, jump), Effect::Changed);
            assert_eq!(*case.state(), State::Denied(Denial::ClockJumped), "{jump:?}");
            assert!(case.spend(&right(), jump).is_err());
        }
    }
    let mut slewed = case();
    assert_eq!(slewed.on(Event::Tick, at(100, 104)), Effect::Unchanged);
}

#[test]
fn request_is_answered_by_a_rule_only_if_the_rule_covers_it() {
    for (rule, state) in [(true, State::Approved(Channel::Rule)), (false, State::Open)] {
        let mut case =
            Case::new(right(), Approver { rule, ..Approver::default() }, true, TIMEOUT, None, now(0));
        let named = Named::Digest(right());
        let _ = case.on(Event::Answer { channel: Channel::Rule, answer: Answer::Approved, named }, now(1));
        assert_eq!(*case.state(), state);
    }
}

#[test]
fn plain_request_without_a_nonce_may_be_answered_by_its_id() {
    let approver = Approver { dialog: true, ..Approver::default() };
    let mut case = Case::new(right(), approver, false, TIMEOUT, None, now(0));
    let answer = Event::Answer { channel: Channel::Dialog, answer: Answer::Approved, named: Named::Id };
    assert_eq!(case.on(answer, now(1)), Effect::Changed);
    assert_eq!(*case.state(), State::Approved(Channel::Dialog));
}

#[test]
fn end_of_time_is_no_overflow() {
    let end = Now { monotonic: Duration::MAX, wall: Timestamp::MAX };
    let mut case = Case::new(right(), Approver::default(), true, Duration::MAX, None, end);
    assert_eq!(case.on(Event::Tick, end), Effect::Changed);
    assert_eq!(*case.state(), State::Expired);
}
