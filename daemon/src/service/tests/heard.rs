//! Who is heard, and what starts nothing.

use super::*;
use nuketown_xmpp::parsers::message::MessageType;
use nuketown_xmpp::parsers::minidom::Element;
use nuketown_xmpp::parsers::presence::{Presence, Type};
use nuketown_xmpp::{Carbon, Delayed, Direction, Incoming};

const WORK: &str = "ada, work on nuketown -- fix it";
const VOX: &str = "vox@town.example/nuketown-daemon";
const DEN: &str = "den@rooms.town.example";

fn occupant(nick: &str, real: &str) -> Event {
    let xml = format!(
        "<presence xmlns='jabber:client' from='{DEN}/{nick}'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <item affiliation='member' role='participant'{real}/></x></presence>"
    );
    Event::Presence(Box::new(Presence::try_from(xml.parse::<Element>().unwrap()).unwrap()))
}

impl Agent {
    async fn in_room(&mut self, nick: &str, text: &str) {
        let mut message = self.written(&format!("{DEN}/{nick}"), text);
        message.type_ = MessageType::Groupchat;
        self.script.arrives(message).await;
    }
}

#[tokio::test]
async fn stranger_gets_one_polite_refusal_and_no_work() {
    let mut agent = Agent::start("device").await;
    let answer = agent.answers("eve@evil.example/x", WORK).await;
    assert_eq!(answer, "Sorry, I only take requests from my approver and the agents of my town.");
    for from in ["eve@evil.example/x", "eve@evil.example/y", "eve@evil.example"] {
        agent.hears(from, WORK).await;
    }
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn address_that_only_looks_like_the_approvers_is_a_strangers() {
    let mut agent = Agent::start("device").await;
    for from in [
        "josh@town.example.evil/phone",
        "town.example/josh@town.example",
        "j\u{f6}sh@town.example/phone",
        "eve@evil.example/josh@town.example",
        "den@rooms.town.example/josh",
        // The agent does not ask itself.
        "ada@town.example/other",
    ] {
        assert!(agent.answers(from, WORK).await.starts_with("Sorry"), "{from}");
    }
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn replayed_message_is_one_task_also_after_a_restart() {
    let mut agent = Agent::start("cloud").await;
    let message = agent.written(JOSH, WORK);
    agent.script.arrives(message.clone()).await;
    assert_eq!(agent.says_to(JOSH).await, "Task 1: on it.");
    agent.job().await.done();
    assert!(agent.says_to("josh@town.example").await.starts_with("Task 1 is done"));
    agent.script.arrives(message.clone()).await;
    assert_eq!(agent.says_to(JOSH).await, "I have that already, as task 1.");
    let home = agent.stop().await;
    let mut agent = Agent::start_at(home, false).await;
    agent.script.arrives(message).await;
    assert_eq!(agent.says_to(JOSH).await, "I have that already, as task 1.");
    assert!(agent.jobs.try_recv().is_err());
    agent.stop().await;
}

#[tokio::test]
async fn delayed_message_starts_nothing_and_says_so() {
    let mut agent = Agent::start("cloud").await;
    let message = agent.written(JOSH, WORK);
    let incoming = Incoming { message, delayed: Some(Delayed { since: None }), own: false };
    agent.script.happens(Event::Message(Box::new(incoming))).await;
    assert!(agent.says_to(JOSH).await.starts_with("That came late"));
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn copies_errors_headlines_and_reflections_start_nothing() {
    let mut agent = Agent::start("device").await;
    let message = agent.written(JOSH, WORK);
    let carbon = Carbon { direction: Direction::Received, message: message.clone() };
    agent.script.happens(Event::Carbon(Box::new(carbon))).await;
    for type_ in [MessageType::Error, MessageType::Headline, MessageType::Groupchat] {
        let message = Message { type_, ..message.clone() };
        agent.script.arrives(message).await;
    }
    let own = Incoming { message: message.clone(), delayed: None, own: true };
    agent.script.happens(Event::Message(Box::new(own))).await;
    let mut two = message;
    two.bodies.insert("de".into(), "ada, work on mynix -- something else".into());
    agent.script.arrives(two).await;
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn correction_of_an_earlier_message_starts_nothing() {
    let mut agent = Agent::start("cloud").await;
    let mut message = agent.written(JOSH, WORK);
    message.payloads.push("<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>".parse().unwrap());
    agent.script.arrives(message).await;
    assert!(agent.says_to(JOSH).await.starts_with("I do not take corrections"));
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn agent_asks_by_json_and_hears_of_its_task_by_json() {
    let mut agent = Agent::start("cloud").await;
    let answer = agent.answers(VOX, r#"{"type":"task","project":"nuketown","text":"fix it"}"#).await;
    assert_eq!(answer, r#"{"type":"accepted","task":1,"position":0,"working_on":null,"repeated":false}"#);
    agent.job().await.done();
    let notice = agent.says_to("vox@town.example").await;
    assert_eq!(
        notice,
        r#"{"type":"notice","task":1,"state":"done","text":"Task 1 is done ($0.00). It works."}"#
    );
    let answer = agent.answers(VOX, r#"{"type":"task","txt":"x"}"#).await;
    assert!(answer.starts_with(r#"{"type":"error""#) && answer.contains("unknown field `txt`"), "{answer}");
    agent.stop().await;
}

#[tokio::test]
async fn agent_cannot_cancel_what_others_asked_for() {
    let mut agent = Agent::start("cloud").await;
    agent.answers(JOSH, WORK).await;
    let hand = agent.job().await;
    let answer = agent.answers(VOX, "cancel 1").await;
    assert_eq!(answer, "that is not possible: task 1 was asked for by somebody else.");
    hand.done();
    agent.stop().await;
}

#[tokio::test]
async fn agents_that_answer_each_other_stop_at_once() {
    let mut agent = Agent::start("cloud").await;
    // Nothing of what an agent says of itself is a request.
    for text in [
        "Task 3: on it.",
        "Task 3 is done ($0.10). Fixed.",
        "I did not understand that.",
        r#"{"type":"error","what":"x","cause":"y"}"#,
        r#"{"type":"accepted","task":1,"position":0,"working_on":null,"repeated":false}"#,
        r#"{"type":"status","agent":"vox","version":"1","show":"chat"}"#,
        r#"{"type":"notice","task":1,"state":"done","text":"ada, work on nuketown -- x"}"#,
    ] {
        agent.hears(VOX, text).await;
    }
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test(start_paused = true)]
async fn agent_that_never_stops_asking_is_not_answered_for_ever() {
    let mut agent = Agent::start("cloud").await;
    for _ in 0..20 {
        agent.answers(VOX, "status").await;
    }
    for _ in 0..200 {
        agent.hears(VOX, "status").await;
    }
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn in_a_room_the_agent_hears_its_name_from_those_it_knows() {
    let mut agent = Agent::start("cloud").await;
    agent.script.happens(occupant("boss", " jid='josh@town.example/phone'")).await;
    agent.in_room("boss", "vox, work on nuketown -- fix it").await;
    agent.in_room("boss", "we should work on nuketown -- some day").await;
    agent.in_room("boss", "ada: work on nuketown -- fix it").await;
    assert_eq!(agent.says_to(DEN).await, "boss: Task 1: on it.");
    agent.job().await.done();
    let message = agent.message().await;
    assert_eq!(message.type_, MessageType::Groupchat);
    assert!(message.bodies[""].starts_with("Task 1 is done"));
    agent.stop().await;
}

#[tokio::test]
async fn name_of_the_approver_in_an_anonymous_room_proves_nothing() {
    let mut agent = Agent::start("cloud").await;
    agent.script.happens(occupant("josh", "")).await;
    agent.in_room("josh", "ada, work on nuketown -- fix it").await;
    assert!(agent.says_to(DEN).await.contains("must not be anonymous"));
    agent.in_room("josh", "ada, work on nuketown -- fix it").await;
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn member_of_a_room_that_left_and_whoever_takes_the_name_are_not_mixed_up() {
    let mut agent = Agent::start("cloud").await;
    agent.script.happens(occupant("boss", " jid='josh@town.example/phone'")).await;
    agent.script.happens(occupant("boss", " jid='eve@evil.example/x'")).await;
    agent.in_room("boss", "ada, work on nuketown -- fix it").await;
    assert!(agent.says_to(DEN).await.contains("I only hear my approver"));
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn history_of_a_room_starts_nothing() {
    let mut agent = Agent::start("cloud").await;
    agent.script.happens(occupant("boss", " jid='josh@town.example/phone'")).await;
    let mut message = agent.written(&format!("{DEN}/boss"), "ada, work on nuketown -- fix it");
    message.type_ = MessageType::Groupchat;
    let incoming = Incoming { message, delayed: Some(Delayed { since: None }), own: false };
    agent.script.happens(Event::Message(Box::new(incoming))).await;
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn device_is_asked_about_itself_in_plain_words() {
    let mut agent = Agent::start("device").await;
    assert_eq!(agent.answers(JOSH, "Is the Prosody TLS cert still valid?").await, "Task 1: on it.");
    let hand = agent.job().await;
    assert_eq!(
        (hand.job.task.project.as_ref(), hand.job.task.text.as_str()),
        (None, "Is the Prosody TLS cert still valid?")
    );
    hand.progress(Progress::Question { id: "q".into(), text: "Which one?".into() }).await;
    assert_eq!(agent.says_to("josh@town.example").await, "Task 1 asks: Which one?");
    assert_eq!(agent.answers(JOSH, "the one of the web server").await, "Thank you. Task 1 goes on.");
    hand.done();
    agent.stop().await;
}

#[tokio::test]
async fn what_is_not_understood_gets_a_useful_answer() {
    let mut agent = Agent::start("cloud").await;
    let answer = agent.answers(JOSH, "good morning").await;
    assert!(answer.contains("Say: work on PROJECT -- what to do"), "{answer}");
    let answer = agent.answers(JOSH, "help").await;
    assert!(answer.contains("cancel [NUMBER]: end a task"), "{answer}");
    agent.has_done_nothing().await;
    agent.stop().await;
}

#[tokio::test]
async fn presence_is_shown_to_those_who_are_heard_and_to_nobody_else() {
    let mut agent = Agent::start("cloud").await;
    for (from, type_) in [
        ("josh@town.example", Type::Subscribed),
        ("vox@town.example", Type::Subscribed),
        ("eve@evil.example", Type::Unsubscribed),
    ] {
        let mut wish = Presence::new(Type::Subscribe);
        wish.from = Some(from.parse().unwrap());
        agent.script.happens(Event::Presence(Box::new(wish))).await;
        let answer = loop {
            match agent.script.call().await {
                Call::Presence(presence, outcome) => {
                    outcome.is(Ok(Delivery::Acknowledged));
                    break presence;
                }
                Call::Announce(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((answer.to.unwrap().to_string().as_str(), answer.type_), (from, type_));
    }
    agent.stop().await;
}
