//! Every line that a broker could send, in every order: only one of them ends with a run.

use nuketown_approval::{Argv, Code, Environment, Nonce, Payload, Request, Sudo, UnixName};
use proptest::prelude::*;

use super::*;

pub(in crate::sudo) fn ask() -> Ask {
    let sudo = Sudo {
        argv: Argv::new(vec![b"id".to_vec()]).unwrap(),
        program: None,
        identity: None,
        environment: Environment::default(),
        user: UnixName::root(),
        group: None,
    };
    Ask {
        payload: Payload::Sudo(sudo),
        cwd: None,
        nonce: Nonce([7; 16]),
        timeout: None,
        non_interactive: false,
    }
}

/// What an honest broker makes of the request, an hour from the start of the epoch's last second that a test will see.
pub(in crate::sudo) fn waiting(ask: &Ask) -> Waiting {
    let id: RequestId = "a1b2c3".parse().unwrap();
    let expires = "2126-11-24T12:00:00Z".parse().unwrap();
    let request = Request {
        id: id.clone(),
        agent: "ada".parse().unwrap(),
        payload: ask.payload.clone(),
        cwd: ask.cwd.clone(),
        host: None,
        nonce: Some(ask.nonce),
        expires: Some(expires),
        timeout: None,
    };
    Waiting { id, code: request.code(), digest: request.digest(), agent: request.agent, host: None, expires }
}

pub(in crate::sudo) fn decision(waiting: &Waiting, result: Answer) -> FromBroker {
    FromBroker::Decision(Decision { id: waiting.id.clone(), digest: waiting.digest, result, reason: None })
}

pub(in crate::sudo) fn spent(waiting: &Waiting) -> FromBroker {
    FromBroker::Spent { id: waiting.id.clone(), digest: waiting.digest }
}

fn other_digest() -> Digest {
    "0".repeat(64).parse().unwrap()
}

/// The honest lines, and each with one thing changed.
fn lines() -> Vec<FromBroker> {
    let opened = waiting(&ask());
    let other = Waiting { id: "other".parse().unwrap(), ..opened.clone() };
    let foreign = Waiting { digest: other_digest(), ..opened.clone() };
    let late = Waiting { expires: "2126-11-24T12:00:01Z".parse().unwrap(), ..opened.clone() };
    let named = Waiting { agent: "vox".parse().unwrap(), ..opened.clone() };
    let coded = Waiting { code: Code::of(&other_digest()), ..opened.clone() };
    let problem = Problem::new("no", "because");
    vec![
        FromBroker::Waiting(Box::new(opened.clone())),
        decision(&opened, Answer::Approved),
        spent(&opened),
        decision(&opened, Answer::Denied),
        decision(&other, Answer::Approved),
        decision(&foreign, Answer::Approved),
        spent(&other),
        spent(&foreign),
        FromBroker::Waiting(Box::new(foreign)),
        FromBroker::Waiting(Box::new(late)),
        FromBroker::Waiting(Box::new(named)),
        FromBroker::Waiting(Box::new(coded)),
        FromBroker::Error { id: None, problem: problem.clone() },
        FromBroker::Error { id: Some(opened.id), problem },
    ]
}

/// Says whether these lines, in this order, make it run.
fn runs(lines: &[FromBroker]) -> bool {
    let mut conversation = Conversation::new(ask());
    lines.iter().any(|line| conversation.on(line.clone()) == Ok(Step::Run))
}

#[test]
fn only_the_three_honest_lines_in_their_order_make_it_run() {
    let lines = lines();
    let honest = &lines[..3];
    let mut tried = 0;
    for a in &lines {
        for b in &lines {
            for c in &lines {
                for d in &lines {
                    tried += 1;
                    let said = [a, b, c, d].map(Clone::clone);
                    assert_eq!(runs(&said), said.starts_with(honest), "{said:?}");
                }
            }
        }
    }
    assert_eq!(tried, lines.len().pow(4));
}

#[test]
fn conversation_is_over_after_a_wrong_line() {
    let lines = lines();
    for wrong in &lines[3..] {
        let mut conversation = Conversation::new(ask());
        assert!(conversation.on(wrong.clone()).is_err());
        for line in &lines[..3] {
            assert!(conversation.on(line.clone()).is_err(), "{line:?} after {wrong:?}");
        }
    }
}

#[test]
fn spending_names_what_was_asked_and_a_request_that_waits_can_be_withdrawn() {
    let opened = waiting(&ask());
    let mut conversation = Conversation::new(ask());
    assert_eq!(conversation.cancel(), None);
    let _ = conversation.on(FromBroker::Waiting(Box::new(opened.clone()))).unwrap();
    assert_eq!(conversation.cancel(), Some(FromClient::Cancel { id: opened.id.clone() }));
    let step = conversation.on(decision(&opened, Answer::Approved)).unwrap();
    assert_eq!(step, Step::Spend(FromClient::Spend { id: opened.id.clone(), digest: opened.digest }));
}

proptest! {
    #[test]
    fn words_of_the_broker_drive_no_terminal(reason: String) {
        let opened = waiting(&ask());
        let denied = Decision { id: opened.id.clone(), digest: opened.digest, result: Answer::Denied, reason: Some(reason.clone()) };
        let said = [
            vec![FromBroker::Waiting(Box::new(opened)), FromBroker::Decision(denied)],
            vec![FromBroker::Error { id: None, problem: Problem::new(reason.clone(), reason.clone()).hint(reason) }],
        ];
        for lines in said {
            let mut conversation = Conversation::new(ask());
            let problem = lines.into_iter().find_map(|line| conversation.on(line).err()).unwrap();
            prop_assert!(!problem.to_string().replace('\n', "").chars().any(char::is_control));
        }
    }
}
