//! Asking the approver.

use super::*;
use nuketown_approval::stanza::{Response, Stanza, read_payloads};
use nuketown_approval::{Answer as Said, Request};
use nuketown_xmpp::parsers::message::MessageType;

/// The request as the broker sees it, and where its outcome will be.
async fn asked(agent: &mut Agent) -> (Request, oneshot::Receiver<Answer>) {
    // What comes by the socket may be heard before what happened to the session.
    let ready = Ask::Health { probe: crate::wire::Probe::Ready };
    while agent.ask(ready.clone()).await != (Answer::Healthy {}) {}
    let (reply, outcome) = oneshot::channel();
    agent.asked.send(Asked { peer: Peer::Owner(1000), ask: Ask::ApproveTest {}, reply }).await.unwrap();
    let message = agent.message().await;
    assert_eq!(message.to.unwrap().to_string(), "josh@town.example");
    assert!(message.bodies.is_empty());
    match read_payloads("normal", &message.payloads) {
        Ok(Some(Stanza::Request(request))) => (*request, outcome),
        other => panic!("{other:?}"),
    }
}

impl Agent {
    async fn gets(&mut self, from: &str, stanza: &Stanza) {
        let mut message = self.written(from, "");
        message.bodies.clear();
        message.type_ = MessageType::Normal;
        message.payloads.push(stanza.to_element().unwrap());
        self.script.arrives(message).await;
    }
}

fn response(request: &Request, result: Said) -> Stanza {
    let digest = Some(request.digest());
    Stanza::Response(Response { id: request.id.clone(), result, digest, reason: None })
}

async fn decided(outcome: oneshot::Receiver<Answer>) -> (bool, String) {
    match outcome.await.unwrap() {
        Answer::Decided { approved, outcome } => (approved, outcome),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn brokers_answer_approves_or_denies_what_it_names() {
    for (result, expected) in [(Said::Approved, true), (Said::Denied, false)] {
        let mut agent = Agent::start("cloud").await;
        let (request, outcome) = asked(&mut agent).await;
        agent.gets("josh@town.example/nuketown-broker", &Stanza::Ack(request.id.clone())).await;
        agent.gets("josh@town.example/nuketown-broker", &response(&request, result)).await;
        let said = if expected { "approved by josh@town.example" } else { "denied by josh@town.example" };
        assert_eq!(decided(outcome).await, (expected, said.to_owned()));
        agent.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_broker_the_human_is_asked_in_chat_and_a_bare_yes_is_not_enough() {
    let mut agent = Agent::start("cloud").await;
    let (request, outcome) = asked(&mut agent).await;
    let code = request.code();
    let text = agent.says_to("josh@town.example").await;
    assert!(text.contains(&format!("Reply: yes {code} or no {code}")), "{text}");
    assert_eq!(
        agent.answers(JOSH, "yes").await,
        format!("Say which request you mean: yes {code} or no {code}.")
    );
    assert_eq!(agent.answers(JOSH, &format!("Yes, {code}!")).await, "Approved.");
    assert_eq!(decided(outcome).await, (true, "approved by josh@town.example".to_owned()));
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn unanswered_request_for_approval_is_denied_at_its_deadline() {
    let mut agent = Agent::start("cloud").await;
    let start = tokio::time::Instant::now();
    let (_, outcome) = asked(&mut agent).await;
    agent.message().await;
    assert_eq!(decided(outcome).await, (false, "nobody answered in time".to_owned()));
    assert!((119..=122).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    agent.stop().await;
}

#[tokio::test]
async fn answer_of_anybody_else_or_for_anything_else_approves_nothing() {
    let mut agent = Agent::start("cloud").await;
    let (request, outcome) = asked(&mut agent).await;
    let good = response(&request, Said::Approved);
    for from in ["eve@evil.example/nuketown-broker", "vox@town.example/x", "den@rooms.town.example/josh"] {
        agent.gets(from, &good).await;
    }
    // A delayed answer, one of two payloads, one in words of somebody else.
    let mut message = agent.written(JOSH, "");
    message.bodies.clear();
    message.payloads.extend([good.to_element().unwrap(), good.to_element().unwrap()]);
    agent.script.arrives(message.clone()).await;
    message.payloads.pop();
    let delayed = nuketown_xmpp::Delayed { since: None };
    let incoming = nuketown_xmpp::Incoming { message, delayed: Some(delayed), own: false };
    agent.script.happens(Event::Message(Box::new(incoming))).await;
    agent.hears("vox@town.example/x", &format!("yes {}", request.code())).await;
    let other = Stanza::Response(Response {
        id: request.id.clone(),
        result: Said::Approved,
        digest: Some(Request { nonce: Some(nuketown_approval::Nonce([0; 16])), ..request.clone() }.digest()),
        reason: None,
    });
    agent.gets(JOSH, &other).await;
    let (approved, why) = decided(outcome).await;
    assert!(!approved && why.contains("was for another request"), "{why}");
    // It is over: the right answer comes too late.
    agent.gets(JOSH, &good).await;
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn daemon_that_stops_leaves_no_request_open() {
    let mut agent = Agent::start("cloud").await;
    let (_, outcome) = asked(&mut agent).await;
    agent.stop().await;
    assert_eq!(decided(outcome).await, (false, "the request was cancelled".to_owned()));
}
