//! Who answers what: the first valid answer wins, over every channel.

use super::*;

fn offered(rig: &Rig) -> Arc<crate::channel::Offered> {
    rig.seen.get().offered.last().unwrap().clone()
}

/// The three ways in which a human says the same.
fn ways(rig: &Rig) -> [(About, From); 3] {
    let offered = offered(rig);
    [
        (About::Offered(offered.key.clone(), offered.digest), From::Dialog),
        (About::Code(offered.code), josh()),
        (About::Id(offered.key.id.clone(), Some(offered.digest)), josh()),
    ]
}

#[test]
fn first_answer_wins_in_each_order_of_channels_and_answers() {
    for first in 0..3 {
        for second in 0..3 {
            for (said, then) in [(Said::Approved, Said::Denied), (Said::Denied, Said::Approved)] {
                let mut rig = Rig::new();
                let mut ada = Asker::new("ada", 1);
                rig.waits(&mut ada, "x");
                let (about, from) = ways(&rig)[first].clone();
                let heard = rig.answers(about, said, from);
                assert!(
                    matches!(heard, Heard::Decided(Outcome { result, .. }) if result == said),
                    "{heard:?}"
                );
                let (about, from) = ways(&rig)[second].clone();
                let heard = rig.answers(about, then, from);
                let late = match &heard {
                    Heard::Before(outcome) => outcome.result == said,
                    // What is over is found by its code and by what was offered, but its id alone may be another one's.
                    Heard::Unknown => second == 2 && said == Said::Denied,
                    _ => false,
                };
                assert!(late, "{first} {second} {heard:?}");
                assert_eq!(ada.decision().0, said);
                ada.hears_nothing();
                let withdrawn = &rig.seen.get().withdrawn;
                assert_eq!((withdrawn.len(), withdrawn[0].1.result), (1, said));
            }
        }
    }
}

#[test]
fn approval_is_used_once_for_the_digest_that_was_approved() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "x");
    let other = rig.waits(&mut ada, "y");
    rig.answers(About::Code(waiting.code), Said::Approved, josh());
    assert_eq!(ada.decision().0, Said::Approved);
    rig.takes(Input::Spend(ada.client.clone(), waiting.id.clone(), other.digest));
    assert_eq!(ada.refusal().cause, "what is about to run is not what was approved");
    rig.takes(Input::Spend(ada.client.clone(), other.id.clone(), other.digest));
    assert_eq!(ada.refusal().cause, "the request is not approved");
    rig.takes(Input::Spend(ada.client.clone(), waiting.id.clone(), waiting.digest));
    assert_eq!(ada.next(), Told::Spent(waiting.id.clone(), waiting.digest));
    rig.takes(Input::Spend(ada.client.clone(), waiting.id, waiting.digest));
    assert_eq!(ada.refusal().cause, "the approval was already used");
}

#[test]
fn approval_that_is_not_used_in_time_is_void() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "x");
    rig.answers(About::Code(waiting.code), Said::Approved, josh());
    assert_eq!(ada.decision().0, Said::Approved);
    rig.passes(30);
    ada.hears_nothing();
    rig.takes(Input::Spend(ada.client.clone(), waiting.id, waiting.digest));
    assert_eq!(ada.refusal().cause, "the request is not approved");
    assert_eq!(rig.recorded(), ["requested", "approved", "expired", "refused"]);
}

#[test]
fn answer_of_anybody_but_the_approver_changes_nothing_and_is_recorded() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    rig.waits(&mut ada, "x");
    for jid in ["eve@6bit.com", "josh@evil.example", "ada@6bit.com", "josh@6bit.com.evil.example"] {
        for (about, _) in ways(&rig) {
            let heard = rig.answers(about, Said::Approved, From::Xmpp(jid.parse().unwrap()));
            assert_eq!(heard, Heard::NotTheApprover, "{jid}");
        }
    }
    for (about, _) in ways(&rig) {
        assert_eq!(rig.answers(about, Said::Approved, From::Rule), Heard::NotTheApprover);
    }
    ada.hears_nothing();
    assert_eq!(rig.engine.open(), 1);
    assert!(rig.recorded().iter().skip(1).all(|kind| kind == "ignored"));
    rig.answers(About::Code(offered(&rig).code), Said::Approved, josh());
    assert_eq!(ada.decision().0, Said::Approved);
}

#[test]
fn approval_that_names_another_digest_denies() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    rig.waits(&mut ada, "x");
    let other = rig.waits(&mut ada, "y");
    let first = rig.seen.get().offered[0].clone();
    rig.answers(About::Id(first.key.id.clone(), Some(other.digest)), Said::Approved, josh());
    let (result, reason) = ada.decision();
    assert_eq!((result, reason.contains("was for another request")), (Said::Denied, true));
    assert_eq!(rig.engine.open(), 1);
}

#[test]
fn approval_by_id_alone_denies_a_request_that_has_a_nonce() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "x");
    rig.answers(About::Id(waiting.id, None), Said::Approved, josh());
    assert_eq!(ada.decision().0, Said::Denied);
}

#[test]
fn unreadable_answer_of_the_approver_denies_and_of_a_stranger_does_nothing() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "x");
    let unreadable = |from| {
        Input::Answer(Answer { about: About::Id(waiting.id.clone(), None), said: None, from, heard: None })
    };
    rig.takes(unreadable(From::Xmpp("eve@6bit.com".parse().unwrap())));
    ada.hears_nothing();
    rig.takes(unreadable(josh()));
    assert!(ada.decision().1.contains("malformed"));
}

#[test]
fn late_replayed_and_unknown_answers_change_nothing() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "x");
    rig.passes(60);
    assert_eq!(ada.decision().0, Said::Denied);
    let heard = rig.answers(About::Code(waiting.code), Said::Approved, josh());
    assert!(matches!(heard, Heard::Before(Outcome { result: Said::Denied, .. })), "{heard:?}");
    let unknown: Code = "0000".parse().unwrap();
    if unknown != waiting.code {
        assert_eq!(rig.answers(About::Code(unknown), Said::Approved, josh()), Heard::Unknown);
    }
    let id = About::Id(waiting.id.clone(), Some(waiting.digest));
    assert_eq!(rig.answers(id, Said::Approved, josh()), Heard::Unknown);
    ada.hears_nothing();
    // The same command again is another request: the old answer does not fit it.
    rig.waits(&mut ada, "x");
    rig.answers(About::Code(waiting.code), Said::Approved, josh());
    ada.hears_nothing();
}

#[test]
fn answer_that_comes_at_the_deadline_is_late() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "x");
    {
        let mut now = rig.clock.get();
        now.monotonic += Duration::from_secs(60);
        now.wall = now.wall.checked_add(Duration::from_secs(60)).unwrap();
    }
    rig.answers(About::Code(waiting.code), Said::Approved, josh());
    assert_eq!(ada.decision().0, Said::Denied);
}
