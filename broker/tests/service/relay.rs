//! A broker on a server, with an account of its own: the human's broker elsewhere is asked, else the phone.

use crate::{
    broker::Place,
    peer::{NS, Peer, body, child, corrects, payload, prosody},
    phone::{BROKER, POLICY, knows_the_broker, question},
};

const LIVER: &str = "liver@localhost/nuketown-broker";

#[test]
fn broker_of_a_server_asks_the_humans_broker_which_asks_the_human() {
    let mut prosody = prosody("13");
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    // At home, the server's account speaks for agent ada.
    let home = Place::at(&prosody, "josh", "", POLICY);
    let text = std::fs::read_to_string(home.path("broker.toml")).unwrap();
    home.write("broker.toml", &text.replace("role = \"software\"\n", "jid = \"liver@localhost\"\n"));
    let mut home_broker = home.start();
    home_broker.says("online as");
    knows_the_broker(&mut prosody);
    let server = Place::at(&prosody, "liver", "", POLICY);
    let mut broker = server.start();
    broker.says("online as liver@localhost/nuketown-broker");
    phone.was_heard_by(BROKER);
    let mut client = server.connect();
    for (word, result) in [("yes", "approved"), ("no", "denied")] {
        let waiting = client.asks("reboot");
        // The same request has the same code on both: it is the same digest.
        let asked = question(&mut phone, &waiting);
        assert_eq!(asked.from.as_ref().unwrap().to_string(), BROKER);
        phone.chats(BROKER, &format!("{word} {}", waiting.code));
        if word == "yes" {
            client.is_approved();
            client.spends(&waiting);
        } else {
            client.is_denied("denied by josh@localhost");
        }
        let correction = phone.sees();
        assert!(corrects(&correction).is_some() && body(&correction).contains(result), "{correction:?}");
    }
}

#[test]
fn human_gets_a_chat_message_where_no_broker_acknowledges_the_request() {
    let prosody = prosody("13");
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    let server = Place::at(&prosody, "liver", "", POLICY);
    let mut broker = server.start();
    broker.says("online as");
    let mut client = server.connect();
    let waiting = client.asks("reboot");
    // Without a broker the server delivers the request itself, which a chat client does not show.
    let request = phone.sees();
    assert_eq!(payload(&request).name(), "approval");
    assert_eq!(child(payload(&request), "digest"), waiting.digest.to_string());
    question(&mut phone, &waiting);
    // An account of its own is reached at its bare JID too.
    phone.chats("liver@localhost", &format!("yes {}", waiting.code));
    client.is_approved();
    assert_eq!(payload(&phone.sees()).name(), "approval-cancel");
    assert!(corrects(&phone.sees()).is_some());
}

#[test]
fn humans_client_can_acknowledge_and_answer_by_stanzas() {
    let prosody = prosody("13");
    let mut desk = Peer::start(&prosody, "josh@localhost/desk");
    let mut eve = Peer::start(&prosody, "eve@localhost/x");
    let server = Place::at(&prosody, "liver", "", POLICY);
    let mut broker = server.start();
    broker.says("online as");
    let mut client = server.connect();
    let waiting = client.asks("reboot");
    let id = &waiting.id;
    assert_eq!(payload(&desk.sees()).name(), "approval");
    // An acknowledgement counts from the approver alone: this one does not keep the chat message away.
    eve.send(&format!("<message to='{LIVER}'><approval-ack xmlns='{NS}' id='{id}'/></message>"));
    question(&mut desk, &waiting);
    let response = |digest: &str| {
        format!(
            "<message to='{LIVER}'><approval-response xmlns='{NS}' id='{id}'><result>approved</result><digest>{digest}</digest>\
             </approval-response></message>"
        )
    };
    eve.send(&response(&waiting.digest.to_string()));
    eve.was_heard_by(LIVER);
    desk.send(&response(&waiting.digest.to_string()));
    client.is_approved();
    client.spends(&waiting);
    assert_eq!(payload(&desk.sees()).name(), "approval-cancel");
    assert!(corrects(&desk.sees()).is_some());
    // The next one is acknowledged, and so followed by no chat message.
    let waiting = client.asks("halt");
    let id = &waiting.id;
    assert_eq!(payload(&desk.sees()).name(), "approval");
    desk.send(&format!("<message to='{LIVER}'><approval-ack xmlns='{NS}' id='{id}'/></message>"));
    desk.was_heard_by(LIVER);
    desk.send(&format!(
        "<message to='{LIVER}'><approval-response xmlns='{NS}' id='{id}'><result>approved</result><digest>{}</digest>\
         </approval-response></message>",
        "0".repeat(64)
    ));
    client.is_denied("was for another request");
    assert_eq!(payload(&desk.sees()).name(), "approval-cancel");
}
