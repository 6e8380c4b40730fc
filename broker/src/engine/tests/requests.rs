//! What is asked: who may, when, how often, and how it ends without an answer.

use super::*;

#[test]
fn request_is_offered_and_waits_until_its_deadline() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "reboot");
    let offered = rig.seen.get().offered[0].clone();
    assert_eq!((offered.digest, offered.code), (waiting.digest, waiting.code));
    assert_eq!(offered.until, waiting.expires);
    assert_eq!(waiting.expires.to_string(), "2026-11-24T12:01:00Z");
    assert_eq!(rig.recorded(), ["requested"]);
    rig.passes(59);
    ada.hears_nothing();
    rig.passes(1);
    assert_eq!(ada.decision(), (Said::Denied, "nobody answered in time".to_owned()));
    assert_eq!(rig.recorded(), ["requested", "expired"]);
    assert_eq!(rig.seen.get().withdrawn[0].1.result, Said::Denied);
}

#[test]
fn client_can_compute_the_digest_from_what_it_is_told() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let asked = ask("reboot");
    rig.takes(Input::Ask(ada.client.clone(), Box::new(asked.clone())));
    let Told::Waiting(waiting) = ada.next() else { panic!("it waits") };
    assert_eq!(asked.into_request(&waiting).digest(), waiting.digest);
}

#[test]
fn pre_approved_command_is_decided_at_once_and_nobody_is_asked() {
    let mut rig = Rig::with(false, false);
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "id");
    assert_eq!(ada.decision(), (Said::Approved, "approved by a rule".to_owned()));
    assert!(rig.seen.get().offered.is_empty());
    rig.takes(Input::Spend(ada.client.clone(), waiting.id.clone(), waiting.digest));
    assert_eq!(ada.next(), Told::Spent(waiting.id, waiting.digest));
    assert_eq!(rig.recorded(), ["requested", "approved", "spent"]);
}

#[test]
fn request_that_must_not_wait_is_refused_unless_a_rule_approves_it() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let now = |program: &str| Box::new(socket::Ask { non_interactive: true, ..ask(program) });
    rig.takes(Input::Ask(ada.client.clone(), now("reboot")));
    assert_eq!(ada.refusal().what, "a human would have to be asked");
    rig.takes(Input::Ask(ada.client.clone(), now("id")));
    assert!(matches!(ada.next(), Told::Waiting(_)));
    assert_eq!(ada.decision().0, Said::Approved);
    assert!(rig.seen.get().offered.is_empty());
}

#[test]
fn where_nobody_can_be_asked_the_request_is_refused_at_once() {
    for (dialog, xmpp, opened) in [(false, false, false), (true, false, true), (false, true, true)] {
        let mut rig = Rig::with(dialog, xmpp);
        let mut ada = Asker::new("ada", 1);
        rig.takes(Input::Ask(ada.client.clone(), Box::new(ask("reboot"))));
        match ada.next() {
            Told::Waiting(_) => assert!(opened),
            Told::Refused(None, problem) => assert!(!opened && problem.what == "nobody can be asked"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn refusal_says_why_and_is_recorded() {
    let mut rig = Rig::new();
    let mut eve = Asker::new("eve", 2);
    rig.takes(Input::Ask(eve.client.clone(), Box::new(ask("id"))));
    assert!(eve.refusal().cause.contains("does not name `eve`"));
    let mut ada = Asker::new("ada", 1);
    for n in 0..4 {
        rig.waits(&mut ada, &format!("x{n}"));
    }
    rig.takes(Input::Ask(ada.client.clone(), Box::new(ask("y"))));
    assert!(ada.refusal().cause.contains("has 4 requests open"));
    assert_eq!(rig.recorded(), ["refused", "requested", "requested", "requested", "requested", "refused"]);
}

#[test]
fn agent_that_asks_too_often_is_refused_and_others_are_not() {
    let mut rig = Rig::new();
    let (mut ada, mut vox) = (Asker::new("ada", 1), Asker::new("vox", 2));
    for _ in 0..8 {
        let waiting = rig.waits(&mut ada, "x");
        rig.takes(Input::Cancel(ada.client.clone(), waiting.id));
        assert_eq!(ada.decision().1, "the request was cancelled");
    }
    rig.takes(Input::Ask(ada.client.clone(), Box::new(ask("x"))));
    assert!(ada.refusal().cause.contains("asked 8 times in a minute"));
    rig.waits(&mut vox, "x");
    rig.passes(60);
    rig.waits(&mut ada, "x");
}

#[test]
fn closed_connection_withdraws_its_own_requests_and_no_others() {
    let mut rig = Rig::new();
    let (mut one, mut two) = (Asker::new("ada", 1), Asker::new("ada", 3));
    rig.waits(&mut one, "x");
    rig.waits(&mut two, "y");
    rig.takes(Input::Gone(1));
    assert_eq!(one.decision().1, "the requester has disconnected");
    two.hears_nothing();
    assert_eq!(rig.engine.open(), 1);
}

#[test]
fn request_of_another_connection_can_be_neither_used_nor_cancelled() {
    let mut rig = Rig::new();
    let (mut one, mut two) = (Asker::new("ada", 1), Asker::new("ada", 3));
    let waiting = rig.waits(&mut one, "x");
    rig.takes(Input::Cancel(two.client.clone(), waiting.id.clone()));
    assert_eq!(two.refusal().what, "there is nothing to cancel");
    let about = About::Offered(rig.seen.get().offered[0].key.clone(), waiting.digest);
    rig.answers(about, Said::Approved, From::Dialog);
    assert_eq!(one.decision().0, Said::Approved);
    rig.takes(Input::Spend(two.client.clone(), waiting.id.clone(), waiting.digest));
    assert_eq!(two.refusal().cause, "another connection made this request");
    let mut vox = Asker::new("vox", 5);
    rig.takes(Input::Spend(vox.client.clone(), waiting.id, waiting.digest));
    assert_eq!(vox.refusal().cause, "no such request was made");
}

#[test]
fn clock_that_jumps_denies_in_either_direction() {
    for jump in [-3600_i64, -10, 10, 3600] {
        let mut rig = Rig::new();
        let mut ada = Asker::new("ada", 1);
        rig.waits(&mut ada, "x");
        {
            let mut now = rig.clock.get();
            now.wall = now.wall.checked_add(jiff::SignedDuration::from_secs(jump)).unwrap();
        }
        rig.engine.finish();
        assert_eq!(ada.decision(), (Said::Denied, "the clock jumped".to_owned()), "{jump}");
    }
}

#[test]
fn stopping_denies_what_is_open_and_says_so() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    rig.waits(&mut ada, "x");
    rig.engine.stop();
    assert_eq!(ada.decision(), (Said::Denied, "the broker is stopping".to_owned()));
    assert_eq!(rig.recorded(), ["requested", "denied", "stopped"]);
}

#[test]
fn client_that_does_not_listen_counts_as_gone() {
    let mut rig = Rig::new();
    let (tell, told) = mpsc::channel(1);
    let mut deaf = Asker::new("ada", 1);
    deaf.client.tell = tell;
    for _ in 0..2 {
        rig.takes(Input::Ask(deaf.client.clone(), Box::new(ask("x"))));
    }
    assert_eq!(rig.engine.open(), 0);
    drop(told);
    assert_eq!(rig.recorded(), ["requested", "requested", "denied", "denied"]);
}

#[test]
fn remote_agent_asks_as_itself_and_is_told_once() {
    let mut rig = Rig::new();
    let mut vox = Asker::remote("vox", 2);
    let request = Request {
        id: "a1b2c3".parse().unwrap(),
        agent: "vox".parse().unwrap(),
        payload: sudo("reboot"),
        cwd: None,
        host: None,
        nonce: None,
        expires: None,
        timeout: None,
    };
    rig.takes(Input::AskFrom(vox.client.clone(), Box::new(request.clone())));
    assert!(matches!(vox.next(), Told::Waiting(_)));
    // Sent again by the agent's next session: the answer follows it there.
    let mut again = Asker::remote("vox", 4);
    rig.takes(Input::AskFrom(again.client.clone(), Box::new(request.clone())));
    assert!(matches!(again.next(), Told::Waiting(_)));
    let other = Request { payload: sudo("halt"), ..request.clone() };
    rig.takes(Input::AskFrom(again.client.clone(), Box::new(other)));
    assert!(again.refusal().cause.contains("was made before"));
    rig.answers(About::Code(request.code()), Said::Approved, josh());
    assert_eq!(again.decision().0, Said::Approved);
    vox.hears_nothing();
    assert_eq!(rig.recorded(), ["requested", "refused", "approved", "spent"]);
    rig.takes(Input::AskFrom(again.client.clone(), Box::new(request)));
    assert!(again.refusal().cause.contains("was made before"));
    let mut ada = Asker::remote("ada", 6);
    let forged = Request { agent: "vox".parse().unwrap(), id: "x".parse().unwrap(), ..ask_as_ada() };
    rig.takes(Input::AskFrom(ada.client.clone(), Box::new(forged)));
    assert!(ada.refusal().cause.contains("says that `vox` asks, but `ada` sent it"));
}

fn ask_as_ada() -> Request {
    Request {
        id: "y".parse().unwrap(),
        agent: "ada".parse().unwrap(),
        payload: sudo("reboot"),
        cwd: None,
        host: None,
        nonce: None,
        expires: None,
        timeout: None,
    }
}

#[test]
fn many_requests_at_once_get_codes_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..100).map(|n| format!("agent{n}")).collect();
    let agents =
        names.iter().map(|name| format!("[agents.{name}]\nmay = [\"sudo\"]\n")).collect::<Vec<_>>().concat();
    let mut rig = Rig::new();
    let (log, _) = Log::open(&directory.path().join("log"), "test", rig.clock.get().wall).unwrap();
    let seen = Shared::new(Seen::default());
    rig.engine = Engine::new(Parts {
        policy: Policy::from_toml(&format!("approver = \"josh@6bit.com\"\n{agents}")).unwrap(),
        host: None,
        clock: Box::new(rig.clock.clone()),
        log,
        channels: vec![Box::new(seen.clone())],
        dialog: true,
        xmpp: true,
    });
    let mut askers: Vec<Asker> = names.iter().zip(0..).map(|(name, n)| Asker::new(name, n)).collect();
    for asker in &askers {
        for _ in 0..10 {
            rig.engine.handle(Input::Ask(asker.client.clone(), Box::new(ask("x"))));
        }
    }
    rig.engine.finish();
    let mut codes = std::collections::BTreeSet::new();
    for asker in &mut askers {
        for _ in 0..10 {
            let Told::Waiting(waiting) = asker.next() else { panic!("it waits") };
            assert!(codes.insert(waiting.code));
        }
    }
    // Every second one is approved, and each client hears of its own.
    for (n, code) in codes.iter().enumerate() {
        let said = if n % 2 == 0 { Said::Approved } else { Said::Denied };
        let answer = Answer { about: About::Code(*code), said: Some(said), from: josh(), heard: None };
        rig.engine.handle(Input::Answer(answer));
    }
    rig.engine.finish();
    let mut approved = 0;
    for asker in &mut askers {
        for _ in 0..10 {
            approved += usize::from(asker.decision().0 == Said::Approved);
        }
        asker.hears_nothing();
    }
    assert_eq!(approved, 500);
}
