//! The connection with a scripted broker, which fails on a line that is missing or too many.

use std::{
    io::{BufRead as _, BufReader},
    thread,
};

use nix::sys::signal::raise;
use nuketown_approval::{Answer, socket::Ask};

use super::*;
use crate::sudo::conversation::tests::{ask, decision, spent, waiting};

/// The broker's side of a connection.
struct Broker {
    lines: BufReader<UnixStream>,
}

impl Broker {
    fn line(&mut self) -> FromClient {
        let mut line = Vec::new();
        self.lines.read_until(b'\n', &mut line).unwrap();
        FromClient::from_line(&line).unwrap()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.lines.get_mut().write_all(bytes).unwrap();
    }

    /// Takes the request, and gives what an honest broker makes of it.
    fn request(&mut self) -> Waiting {
        let FromClient::Request(asked) = self.line() else { panic!("a request") };
        assert_eq!(*asked, ask());
        waiting(&ask())
    }

    fn spend(&mut self, opened: &Waiting) {
        assert_eq!(self.line(), FromClient::Spend { id: opened.id.clone(), digest: opened.digest });
    }

    /// Nothing more is said.
    fn end(mut self) {
        let mut rest = Vec::new();
        self.lines.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), "");
    }
}

/// Has the conversation with a broker that does this, and says how it ended.
fn with(broker: impl FnOnce(Broker) + Send + 'static) -> Result<(), Ended> {
    with_all(broker, |_| (), || Ok(()))
}

fn with_all(
    broker: impl FnOnce(Broker) + Send + 'static,
    tell: impl FnMut(&Waiting),
    ready: impl Fn() -> Result<(), Problem>,
) -> Result<(), Ended> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let peer = thread::spawn(move || broker(Broker { lines: BufReader::new(theirs) }));
    let mut session = Session::new(ours).unwrap();
    let asked: Ask = ask();
    let outcome = session.converse(Conversation::new(asked), tell, ready, Some(Duration::from_secs(60)));
    session.close();
    peer.join().unwrap();
    outcome
}

fn refused(outcome: Result<(), Ended>) -> String {
    match outcome {
        Err(Ended::Refused(problem)) => problem.to_string(),
        other => panic!("{other:?}"),
    }
}

fn open(broker: &mut Broker) -> Waiting {
    let opened = broker.request();
    broker.send(FromBroker::Waiting(Box::new(opened.clone())).to_line().as_bytes());
    opened
}

fn approve(broker: &mut Broker) -> Waiting {
    let opened = open(broker);
    broker.send(decision(&opened, Answer::Approved).to_line().as_bytes());
    broker.spend(&opened);
    opened
}

#[test]
fn approved_and_recorded_request_may_run() {
    let outcome = with(|mut broker| {
        let opened = approve(&mut broker);
        broker.send(spent(&opened).to_line().as_bytes());
        broker.end();
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn lines_may_come_in_pieces() {
    let outcome = with(|mut broker| {
        let opened = broker.request();
        for byte in FromBroker::Waiting(Box::new(opened.clone())).to_line().bytes() {
            broker.send(&[byte]);
        }
        broker.send(decision(&opened, Answer::Approved).to_line().as_bytes());
        broker.spend(&opened);
        broker.send(spent(&opened).to_line().as_bytes());
        broker.end();
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn connection_that_closes_at_any_step_runs_nothing() {
    for steps in 0..4 {
        let outcome = with(move |mut broker| {
            if steps == 0 {
                return;
            }
            let opened = broker.request();
            if steps == 1 {
                return;
            }
            broker.send(FromBroker::Waiting(Box::new(opened.clone())).to_line().as_bytes());
            if steps == 2 {
                return;
            }
            broker.send(decision(&opened, Answer::Approved).to_line().as_bytes());
            broker.spend(&opened);
        });
        assert!(refused(outcome).contains("gone"), "after {steps} steps");
    }
}

#[test]
fn last_line_that_is_cut_off_runs_nothing() {
    let outcome = with(|mut broker| {
        let opened = approve(&mut broker);
        let line = spent(&opened).to_line();
        broker.send(line.trim_end().as_bytes());
    });
    refused(outcome);
}

#[test]
fn broker_that_goes_on_after_the_end_runs_nothing() {
    let outcome = with(|mut broker| {
        let opened = approve(&mut broker);
        let line = spent(&opened).to_line();
        broker.send(format!("{line}{line}").as_bytes());
        broker.end();
    });
    refused(outcome);
}

#[test]
fn decision_that_is_sent_again_instead_of_the_confirmation_runs_nothing() {
    let outcome = with(|mut broker| {
        let opened = approve(&mut broker);
        broker.send(decision(&opened, Answer::Approved).to_line().as_bytes());
        broker.end();
    });
    assert!(refused(outcome).contains("recorded"));
}

#[test]
fn line_that_cannot_be_read_runs_nothing() {
    for bad in [
        "\n",
        "{}\n",
        "approved\n",
        "{\"type\":\"decision\"}\n",
        "\u{0}\n",
        "{\"type\":\"spent\",\"id\":\"a1b2c3\"}\n",
    ] {
        let outcome = with(move |mut broker| {
            open(&mut broker);
            broker.send(bad.as_bytes());
            broker.end();
        });
        refused(outcome);
    }
}

#[test]
fn line_without_an_end_is_given_up() {
    let outcome = with(|mut broker| {
        open(&mut broker);
        // The other side stops reading, so the rest cannot be sent.
        let _ = broker.lines.get_mut().write_all(&vec![b' '; 4 * LINE_BYTES_MAX]);
    });
    assert!(refused(outcome).contains("does not end"));
}

#[test]
fn what_changed_while_a_human_thought_is_not_spent() {
    let outcome = with_all(
        |mut broker| {
            let opened = open(&mut broker);
            broker.send(decision(&opened, Answer::Approved).to_line().as_bytes());
            broker.end();
        },
        |_| (),
        || Err(Problem::new("the program was replaced", "test")),
    );
    assert!(refused(outcome).contains("replaced"));
}

/// A session that waits for so long, with a broker that opens the request, or not, and says nothing more.
fn with_silence(prompt: Duration, patience: Option<Duration>, opens: bool) -> String {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut broker = Broker { lines: BufReader::new(theirs) };
    if opens {
        broker.send(FromBroker::Waiting(Box::new(waiting(&ask()))).to_line().as_bytes());
    }
    let mut session = Session { prompt, ..Session::new(ours).unwrap() };
    let outcome = session.converse(Conversation::new(ask()), |_| (), || Ok(()), patience);
    session.close();
    broker.request();
    broker.end();
    refused(outcome)
}

#[test]
fn broker_that_says_nothing_is_given_up() {
    let moment = Duration::from_millis(1);
    for (patience, opens) in [(None, false), (None, true), (Some(moment), false), (Some(moment), true)] {
        let said = with_silence(moment, patience, opens);
        assert!(said.contains("nobody has answered in time"), "{said}");
    }
}

#[test]
fn signal_withdraws_the_request() {
    for signal in WITHDRAWS {
        let outcome = with_all(
            |mut broker| {
                let opened = open(&mut broker);
                assert_eq!(broker.line(), FromClient::Cancel { id: opened.id });
                broker.end();
            },
            |_| raise(signal).unwrap(),
            || Ok(()),
        );
        assert!(matches!(outcome, Err(Ended::Withdrawn(sent)) if sent == signal), "{outcome:?}");
    }
}

#[test]
fn nobody_approves_their_own_requests() {
    let caller = Caller::for_test("ada", 1100);
    let problem = connect_as(&caller, Path::new("/none"), caller.uid).unwrap_err();
    assert!(problem.what.contains("own requests"), "{problem}");
}

#[test]
fn listener_of_another_user_is_not_the_approver() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let own = nix::unistd::geteuid();
    assert!(listener_is(&ours, own).is_ok());
    let other = Uid::from_raw(own.as_raw() + 1);
    assert_eq!(listener_is(&ours, other).is_ok(), own.is_root(), "root is always believed");
}
