//! Lines of the socket: pinned, hostile, and any.

use proptest::prelude::*;

use super::*;
use crate::testing::{any_request, assert_pinned, sudo_request};

fn ask_of(request: Request) -> Ask {
    Ask {
        payload: request.payload,
        cwd: request.cwd,
        nonce: request.nonce.unwrap_or(Nonce([7; 16])),
        timeout: request.timeout,
        non_interactive: false,
    }
}

fn waiting_of(request: &Request) -> Waiting {
    Waiting {
        id: request.id.clone(),
        code: request.code(),
        digest: request.digest(),
        agent: request.agent.clone(),
        host: request.host.clone(),
        expires: request.expires.unwrap_or(Timestamp::UNIX_EPOCH),
    }
}

#[test]
fn lines_are_pinned() {
    let request = sudo_request();
    let (id, digest) = (request.id.clone(), request.digest());
    let problem = Problem::new("nobody is asked", "the request says so").hint("ask without -n");
    let client = [
        FromClient::Request(Box::new(ask_of(request.clone()))),
        FromClient::Spend { id: id.clone(), digest },
        FromClient::Cancel { id: id.clone() },
    ];
    let broker = [
        FromBroker::Waiting(Box::new(waiting_of(&request))),
        FromBroker::Decision(Decision { id: id.clone(), digest, result: Answer::Approved, reason: None }),
        FromBroker::Decision(Decision {
            id: id.clone(),
            digest,
            result: Answer::Denied,
            reason: Some("denied by the dialog".to_owned()),
        }),
        FromBroker::Spent { id: id.clone(), digest },
        FromBroker::Error { id: None, problem: problem.clone() },
        FromBroker::Error { id: Some(id), problem },
    ];
    let lines = client.iter().map(FromClient::to_line).chain(broker.iter().map(FromBroker::to_line));
    assert_pinned("socket", &lines.collect::<String>());
}

#[test]
fn digest_of_an_opened_request_is_computed_on_both_sides() {
    let request = sudo_request();
    let ask = ask_of(request.clone());
    assert_eq!(ask.into_request(&waiting_of(&request)), request);
}

const NONCE: &str = "07070707070707070707070707070707";

#[test]
fn line_that_is_not_exactly_one_object_of_the_protocol_is_refused() {
    let sudo = format!(r#"{{"type":"request","kind":"sudo","argv":["id"],"nonce":"{NONCE}"}}"#);
    assert!(FromClient::from_line(sudo.as_bytes()).is_ok());
    let digest = "a".repeat(64);
    let long = format!(r#"{{"type":"cancel","id":"{}"}}"#, "a".repeat(LINE_BYTES_MAX));
    let nested = format!("{}{}", r#"{"type":"cancel","id":"#, "[".repeat(10_000));
    for bad in [
        String::new(),
        "\n".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        format!("{sudo}{sudo}"),
        format!("{sudo} x"),
        sudo.replace("request", "Request"),
        sudo.replace(r#""kind""#, r#""agent":"vox","kind""#),
        sudo.replace(r#""kind""#, r#""id":"a","kind""#),
        sudo.replace(r#""kind""#, r#""kind":"sudo","kind""#),
        sudo.replace(r#""argv""#, r#""argv":["sh"],"argv""#),
        sudo.replace(r#"["id"]"#, r#""id""#),
        sudo.replace(r#"["id"]"#, "[]"),
        sudo.replace(r#"["id"]"#, r#"["a\\q"]"#),
        sudo.replace(r#"["id"]"#, r#"["a\\x00"]"#),
        sudo.replace(r#""nonce""#, r#""task":"x","nonce""#),
        sudo.replace(r#""nonce""#, r#""env":["A"],"nonce""#),
        sudo.replace(r#""nonce""#, r#""cwd":"tmp","nonce""#),
        sudo.replace(r#""nonce""#, r#""timeout":0,"nonce""#),
        sudo.replace(r#""nonce""#, r#""user":"Root","nonce""#),
        sudo.replace(NONCE, "07"),
        sudo.replace("sudo", "delegate"),
        r#"{"type":"spend","id":"a"}"#.to_owned(),
        format!(r#"{{"type":"spend","id":"a","digest":"{digest}","result":"approved"}}"#),
        format!(r#"{{"type":"spend","id":"","digest":"{digest}"}}"#),
        format!(r#"{{"type":"spent","id":"a","digest":"{digest}"}}"#),
        long,
        nested,
    ] {
        assert!(FromClient::from_line(bad.as_bytes()).is_err(), "{bad}");
    }
    for bad in [
        format!(r#"{{"type":"decision","id":"a","digest":"{digest}","result":"Approved"}}"#),
        format!(r#"{{"type":"decision","id":"a","digest":"{digest}","result":true}}"#),
        r#"{"type":"decision","id":"a","result":"approved"}"#.to_owned(),
        format!(r#"{{"type":"decision","digest":"{digest}","result":"approved"}}"#),
        format!(r#"{{"type":"spent","id":"a","digest":"{digest}","x":1}}"#),
        format!(r#"{{"type":"spend","id":"a","digest":"{digest}"}}"#),
        r#"{"type":"error","what":"x"}"#.to_owned(),
    ] {
        assert!(FromBroker::from_line(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(FromClient::from_line(b"{\"type\":\"cancel\",\"id\":\"\xff\"}").is_err());
}

#[test]
fn error_about_a_line_repeats_nothing_that_drives_a_terminal() {
    for bad in
        ["{\"type\":\"cancel\",\"\\u001b[2J\":1}", "{\"type\":\"\\u202e\"}", "{\"\\u001b]0;x\\u0007\":1}"]
    {
        let error = FromClient::from_line(bad.as_bytes()).unwrap_err().to_string();
        assert!(!error.chars().any(|c| c.is_control() || c == '\u{202e}'), "{error:?}");
    }
}

proptest! {
    #[test]
    fn request_is_read_as_it_is_written(request in any_request(), non_interactive: bool) {
        let line = FromClient::Request(Box::new(Ask { non_interactive, ..ask_of(request) }));
        let text = line.to_line();
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert_eq!(FromClient::from_line(text.as_bytes()), Ok(line));
    }

    #[test]
    fn words_of_the_broker_are_read_as_they_are_written(request in any_request(), reason in any::<Option<String>>(), yes: bool) {
        let result = if yes { Answer::Approved } else { Answer::Denied };
        let (id, digest) = (request.id.clone(), request.digest());
        let problem = Problem { what: "x".to_owned(), cause: reason.clone().unwrap_or_default(), hint: reason.clone() };
        for line in [
            FromBroker::Waiting(Box::new(waiting_of(&request))),
            FromBroker::Decision(Decision { id: id.clone(), digest, result, reason }),
            FromBroker::Spent { id: id.clone(), digest },
            FromBroker::Error { id: yes.then_some(id), problem },
        ] {
            let text = line.to_line();
            prop_assert_eq!(text.matches('\n').count(), 1);
            prop_assert_eq!(FromBroker::from_line(text.as_bytes()), Ok(line));
        }
    }

    #[test]
    fn no_line_panics(bytes: Vec<u8>, text in r#"\{"type":"(request|spend|cancel|waiting|decision|error)"(,"[a-z]{2,6}":("[ -~]{0,8}"|[0-9]{1,3}|\[\]))*\}"#) {
        for line in [bytes.as_slice(), text.as_bytes()] {
            let _ = (FromClient::from_line(line), FromBroker::from_line(line));
        }
    }
}
