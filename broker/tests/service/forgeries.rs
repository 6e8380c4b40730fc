//! Answers that are not the human's, over a real server: none decides, and the human still can.

use nuketown_approval::socket::Waiting;
use nuketown_xmpp_testing::Prosody;

use crate::{
    broker::{Broker, Client, Place},
    peer::{NS, Peer, body, corrects, prosody},
    phone::{BROKER, POLICY, VOX, question},
};

/// A request that waits, with the human's phone and a stranger who knows everything about it.
struct Scene {
    prosody: Prosody,
    phone: Peer,
    eve: Peer,
    place: Place,
    _broker: Broker,
    client: Client,
    waiting: Waiting,
}

impl Scene {
    fn new() -> Self {
        let prosody = prosody("13");
        let mut phone = Peer::start(&prosody, "josh@localhost/phone");
        let eve = Peer::start(&prosody, "eve@localhost/nuketown-broker");
        let place = Place::at(&prosody, "josh", VOX, POLICY);
        let mut broker = place.start();
        broker.says("online as");
        let mut client = place.connect();
        let waiting = client.asks("reboot");
        question(&mut phone, &waiting);
        Self { prosody, phone, eve, place, _broker: broker, client, waiting }
    }

    fn response(&self, result: &str, digest: &str) -> String {
        let id = &self.waiting.id;
        format!(
            "<approval-response xmlns='{NS}' id='{id}'><result>{result}</result><digest>{digest}</digest></approval-response>"
        )
    }

    /// A stranger sends this and the broker has read it.
    fn eve_sends(&mut self, content: &str) {
        self.eve.send(&format!("<message to='{BROKER}' type='chat'>{content}</message>"));
        self.eve.was_heard_by(BROKER);
    }

    /// Nothing was decided: the human decides now.
    fn is_still_open(&mut self) {
        self.phone.chats(BROKER, &format!("yes {}", self.waiting.code));
        self.client.is_approved();
        assert!(corrects(&self.phone.sees()).is_some());
    }
}

#[test]
fn answer_of_another_account_decides_nothing_whatever_its_form_and_resource() {
    let mut scene = Scene::new();
    let digest = scene.waiting.digest.to_string();
    for result in ["approved", "denied"] {
        let response = scene.response(result, &digest);
        scene.eve_sends(&response);
    }
    let code = scene.waiting.code;
    scene.eve_sends(&format!("<body>yes {code}</body>"));
    scene.eve_sends(&format!("<body>no {code}</body>"));
    scene.place.comes_to_record("it is not from the approver", 4);
    scene.is_still_open();
}

#[test]
fn carbon_of_the_humans_answer_that_a_stranger_made_up_decides_nothing() {
    let mut scene = Scene::new();
    let response = scene.response("approved", &scene.waiting.digest.to_string());
    for kind in ["received", "sent"] {
        scene.eve_sends(&format!(
            "<{kind} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
             <message xmlns='jabber:client' from='josh@localhost/phone' to='{BROKER}' type='chat'><body>yes {}</body>{response}\
             </message></forwarded></{kind}>",
            scene.waiting.code
        ));
    }
    scene.is_still_open();
}

#[test]
fn forwarded_and_archived_answers_decide_nothing_even_from_the_human() {
    let mut scene = Scene::new();
    let response = scene.response("approved", &scene.waiting.digest.to_string());
    let inner = format!(
        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='josh@localhost/phone' type='chat'>\
         <body>yes {}</body>{response}</message></forwarded>",
        scene.waiting.code
    );
    for wrapped in
        [inner.clone(), format!("<result xmlns='urn:xmpp:mam:2' id='1' queryid='q'>{inner}</result>")]
    {
        scene.phone.send(&format!("<message to='{BROKER}' type='chat'>{wrapped}</message>"));
    }
    scene.phone.was_heard_by(BROKER);
    scene.is_still_open();
}

#[test]
fn answer_that_was_stored_for_later_decides_nothing() {
    let mut scene = Scene::new();
    let response = scene.response("approved", &scene.waiting.digest.to_string());
    let delay = "<delay xmlns='urn:xmpp:delay' stamp='2026-11-24T10:00:00Z' from='localhost'/>";
    let code = scene.waiting.code;
    for content in [response, format!("<body>yes {code}</body>")] {
        scene.phone.send(&format!("<message to='{BROKER}' type='chat'>{content}{delay}</message>"));
    }
    scene.phone.was_heard_by(BROKER);
    scene.place.comes_to_record("kept on its way", 2);
    scene.is_still_open();
}

#[test]
fn answer_for_another_digest_denies_the_request_that_it_names() {
    let mut scene = Scene::new();
    let other = scene.client.asks("halt");
    question(&mut scene.phone, &other);
    let response = scene.response("approved", &other.digest.to_string());
    scene.phone.send(&format!("<message to='{BROKER}'>{response}</message>"));
    scene.client.is_denied("was for another request");
    assert!(corrects(&scene.phone.sees()).is_some());
    scene.phone.chats(BROKER, &format!("yes {}", other.code));
    scene.client.is_approved();
}

#[test]
fn two_answers_in_one_message_deny() {
    let mut scene = Scene::new();
    let digest = scene.waiting.digest.to_string();
    let both = scene.response("approved", &digest) + &scene.response("approved", &digest);
    scene.phone.send(&format!("<message to='{BROKER}'>{both}</message>"));
    scene.client.is_denied("malformed");
}

#[test]
fn wrong_and_replayed_codes_decide_nothing() {
    let mut scene = Scene::new();
    let wrong = if scene.waiting.code.to_string() == "0000" { "1111" } else { "0000" };
    scene.phone.chats(BROKER, &format!("yes {wrong}"));
    assert!(body(&scene.phone.sees()).contains("There is no open request"));
    scene.phone.chats(BROKER, &format!("no {}", scene.waiting.code));
    scene.client.is_denied("denied by");
    assert!(corrects(&scene.phone.sees()).is_some());
    // The same command again: yesterday's yes is for yesterday's request.
    let again = scene.client.asks("reboot");
    question(&mut scene.phone, &again);
    scene.phone.chats(BROKER, &format!("yes {}", scene.waiting.code));
    assert!(body(&scene.phone.sees()).contains("was denied before"));
    scene.phone.chats(BROKER, &format!("yes {}", again.code));
    scene.client.is_approved();
}

#[test]
fn stranger_who_asks_is_not_answered_and_does_not_reach_the_human() {
    let mut scene = Scene::new();
    scene.eve_sends(&format!(
        "<approval xmlns='{NS}' id='e1'><agent>vox</agent><kind>sudo</kind><command>reboot</command></approval>"
    ));
    // The pong was the first thing that the stranger saw, and the human sees only the decision.
    scene.place.comes_to_record("eve@localhost is not the account of agent vox", 1);
    scene.is_still_open();
}

#[test]
fn request_in_the_name_of_another_agent_is_denied() {
    let mut scene = Scene::new();
    let mut vox = Peer::start(&scene.prosody, "vox@localhost/work");
    vox.send(&format!(
        "<message to='{BROKER}'><approval xmlns='{NS}' id='v1'><agent>ada</agent><kind>sudo</kind><command>reboot</command>\
         </approval></message>"
    ));
    let denied = vox.sees();
    assert!(
        crate::peer::child(crate::peer::payload(&denied), "reason").contains("not the account of agent ada")
    );
    scene.is_still_open();
}

#[test]
fn deeply_nested_stanza_of_a_stranger_does_not_end_the_broker() {
    let mut scene = Scene::new();
    // From what one stack holds easily to what a server's limit of 256 KiB a stanza lets through.
    for depth in [1000, 4000, 8000, 30_000] {
        let deep = "<a>".repeat(depth) + &"</a>".repeat(depth);
        scene.eve.send(&format!("<message to='{BROKER}'><x xmlns='urn:x'>{deep}</x></message>"));
        scene.eve.was_heard_by(BROKER);
    }
    scene.is_still_open();
}
