//! Nothing is granted that is not recorded.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

/// Makes every write of the log fail, as a full disk or a lost mount would, and gives what undoes it.
fn breaks(rig: &Rig) -> impl FnOnce() + use<> {
    let log = rig.directory.path().join("audit.jsonl");
    let aside = rig.directory.path().join("aside");
    fs::rename(&log, &aside).unwrap();
    move || fs::rename(&aside, &log).unwrap()
}

#[test]
fn request_that_cannot_be_recorded_is_refused_and_nobody_is_asked() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let mend = breaks(&rig);
    for program in ["x", "id"] {
        rig.takes(Input::Ask(ada.client.clone(), Box::new(ask(program))));
        assert_eq!(ada.refusal().what, "nothing is approved that cannot be recorded");
        ada.hears_nothing();
    }
    assert!(rig.seen.get().offered.is_empty());
    assert_eq!(rig.engine.open(), 0);
    mend();
    rig.waits(&mut ada, "y");
    assert_eq!(rig.recorded()[0], "interrupted");
}

#[test]
fn approval_that_cannot_be_recorded_is_a_denial_of_everything_open() {
    let mut rig = Rig::new();
    let (mut ada, mut vox) = (Asker::new("ada", 1), Asker::new("vox", 3));
    let waiting = rig.waits(&mut ada, "x");
    rig.waits(&mut vox, "y");
    let mend = breaks(&rig);
    let heard = rig.answers(About::Code(waiting.code), Said::Approved, josh());
    assert_eq!(heard, Heard::Unrecorded);
    for asker in [&mut ada, &mut vox] {
        let (result, reason) = asker.decision();
        assert_eq!((result, reason.contains("cannot be recorded")), (Said::Denied, true));
        asker.hears_nothing();
    }
    assert!(rig.seen.get().withdrawn.iter().all(|(_, outcome)| outcome.result == Said::Denied));
    mend();
    // What was decided meanwhile is recorded as what it was: a denial.
    rig.waits(&mut ada, "z");
    assert_eq!(rig.recorded(), ["requested", "requested", "interrupted", "denied", "denied", "requested"]);
    rig.takes(Input::Spend(ada.client.clone(), waiting.id, waiting.digest));
    assert_eq!(ada.refusal().cause, "the request is not approved");
}

#[test]
fn approval_is_not_used_if_its_use_cannot_be_recorded() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "x");
    rig.answers(About::Code(waiting.code), Said::Approved, josh());
    assert_eq!(ada.decision().0, Said::Approved);
    let mend = breaks(&rig);
    rig.takes(Input::Spend(ada.client.clone(), waiting.id.clone(), waiting.digest));
    assert_eq!(ada.refusal().what, "nothing is approved that cannot be recorded");
    mend();
    rig.takes(Input::Spend(ada.client.clone(), waiting.id, waiting.digest));
    assert_eq!(ada.refusal().cause, "the approval was already used");
}

#[test]
fn remote_approval_that_cannot_be_recorded_is_sent_as_a_denial() {
    let mut rig = Rig::new();
    let mut vox = Asker::remote("vox", 2);
    let request = Request {
        id: "a1".parse().unwrap(),
        agent: "vox".parse().unwrap(),
        payload: sudo("x"),
        cwd: None,
        host: None,
        nonce: Some(Nonce([1; 16])),
        expires: None,
        timeout: None,
    };
    rig.takes(Input::AskFrom(vox.client.clone(), Box::new(request.clone())));
    assert!(matches!(vox.next(), Told::Waiting(_)));
    let _mend = breaks(&rig);
    rig.answers(About::Code(request.code()), Said::Approved, josh());
    assert_eq!(vox.decision().0, Said::Denied);
    vox.hears_nothing();
}

#[test]
fn denial_is_said_even_if_it_cannot_be_recorded() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "x");
    let _mend = breaks(&rig);
    rig.answers(About::Code(waiting.code), Said::Denied, josh());
    assert_eq!(ada.decision().0, Said::Denied);
    ada.hears_nothing();
}

#[test]
fn records_name_who_asked_what_and_who_decided() {
    let mut rig = Rig::new();
    let mut ada = Asker::new("ada", 1);
    let waiting = rig.waits(&mut ada, "reboot");
    rig.answers(About::Code(waiting.code), Said::Approved, josh());
    let records = rig.records();
    let Entry::Requested { agent, by, id, digest, code, shown, .. } = &records[1].entry else { panic!() };
    assert_eq!((agent.as_str(), by.as_str(), id), ("ada", "user ada", &waiting.id.to_string()));
    assert_eq!((digest, code), (&waiting.digest.to_string(), &waiting.code.to_string()));
    assert!(shown.iter().any(|line| line.contains("run") && line.contains("reboot")), "{shown:?}");
    let Entry::Decided { reason, .. } = &records[2].entry else { panic!() };
    assert_eq!(reason, "approved by josh@6bit.com");
    let mode = fs::metadata(rig.directory.path().join("audit.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
