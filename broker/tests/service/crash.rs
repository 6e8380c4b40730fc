//! The broker killed at every step of a request: the requester is denied, nothing is approved by the restart, the log verifies.

use nuketown_approval::socket::{FromBroker, FromClient, Waiting};

use crate::{
    broker::{Broker, Client, Place, ask},
    peer::{Peer, prosody},
    phone::{BROKER, POLICY},
};

/// What has happened when the broker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Started,
    Connected,
    Asked,
    Waiting,
    Shown,
    Answered,
    Decided,
    Spending,
    Spent,
}

const STEPS: [Step; 9] = [
    Step::Started,
    Step::Connected,
    Step::Asked,
    Step::Waiting,
    Step::Shown,
    Step::Answered,
    Step::Decided,
    Step::Spending,
    Step::Spent,
];

#[test]
fn broker_that_is_killed_at_any_step_denies_and_its_log_verifies() {
    let prosody = prosody("13");
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    for step in STEPS {
        let place = Place::at(&prosody, "josh", "", POLICY);
        let mut broker = place.start();
        broker.says("online as");
        let spent = killed_at(step, &place, broker, &mut phone);
        let before = place.recorded();
        let again = place.start();
        let after = place.recorded();
        let new = after.strip_prefix(before.as_str()).unwrap();
        assert!(!new.contains("approved") && !new.contains("spent"), "{step:?}: {new}");
        // Whoever was told "spent" has a record of it, and nobody else executes anything.
        let open = before.contains("\"requested\"") && !before.contains("\"spent\"");
        assert_eq!(new.contains("the broker was restarted"), open, "{step:?}: {before} {new}");
        assert!(!spent || before.contains("\"spent\""), "{step:?}");
        // What was approved before is worth nothing now.
        if let Some(line) = last_request(&before) {
            let mut client = place.connect();
            client.send(&line);
            client.is_refused("no such request");
        }
        drop(again);
    }
}

/// Goes as far as `step`, kills the broker, and says whether the client was told that it may execute.
fn killed_at(step: Step, place: &Place, broker: Broker, phone: &mut Peer) -> bool {
    if step == Step::Started {
        broker.kill();
        return false;
    }
    let mut client = place.connect();
    if step > Step::Connected {
        client.send(&FromClient::Request(Box::new(ask("reboot"))));
    }
    let mut waiting = None;
    if step > Step::Asked {
        match client.next() {
            Some(FromBroker::Waiting(told)) => waiting = Some(*told),
            other => panic!("{other:?}"),
        }
    }
    if let Some(waiting) = waiting.as_ref().filter(|_| step > Step::Waiting) {
        shown(phone, waiting);
        if step > Step::Shown {
            phone.chats(BROKER, &format!("yes {}", waiting.code));
        }
        if step > Step::Answered {
            client.is_approved();
        }
        if step > Step::Decided {
            client.send(&FromClient::Spend { id: waiting.id.clone(), digest: waiting.digest });
        }
        if step == Step::Spent {
            assert!(matches!(client.next(), Some(FromBroker::Spent { .. })));
        }
    }
    broker.kill();
    let spent = rest(&mut client);
    spent || step == Step::Spent
}

/// Waits for the question. What a broker that was killed sent before may come yet.
fn shown(phone: &mut Peer, waiting: &Waiting) {
    let code = waiting.code.to_string();
    while !phone.sees().bodies.values().any(|body| body.ends_with(&format!("or no {code}"))) {}
}

/// What the client still reads; whether it may execute.
fn rest(client: &mut Client) -> bool {
    let mut spent = false;
    while let Some(line) = client.next() {
        spent |= matches!(line, FromBroker::Spent { .. });
    }
    spent
}

/// A line that tries to use the last request of a log.
fn last_request(recorded: &str) -> Option<FromClient> {
    let line = recorded.lines().rfind(|line| line.contains("\"requested\""))?;
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| value[name].as_str().unwrap();
    Some(FromClient::Spend { id: text("id").parse().unwrap(), digest: text("digest").parse().unwrap() })
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        let place = |step: &Self| STEPS.iter().position(|known| known == step);
        place(self).partial_cmp(&place(other))
    }
}
