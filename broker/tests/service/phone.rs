//! The human's phone: requests as chat messages, answered by any client; remote agents as SEED's stanzas.

use nuketown_approval::socket::Waiting;
use nuketown_xmpp::parsers::message::Message;
use nuketown_xmpp_testing::{Prosody, VERSIONS};

use crate::{
    broker::{Client, Place},
    peer::{NS, Peer, body, child, corrects, id, payload, prosody},
};

pub(crate) const POLICY: &str = "approver = \"josh@localhost\"\n\
    [agents.ada]\nmay = [\"sudo\"]\npre_approved = [\"id\"]\n\
    [agents.vox]\nmay = [\"sudo\", \"delegate\", \"scale\", \"network\"]\n";

pub(crate) const VOX: &str = "[agents.vox]\njid = \"vox@localhost\"\n";

pub(crate) const BROKER: &str = "josh@localhost/nuketown-broker";

/// The chat message about a request.
pub(crate) fn question(phone: &mut Peer, waiting: &Waiting) -> Message {
    let message = phone.sees();
    let text = body(&message);
    let code = waiting.code;
    assert!(text.contains(&format!("Reply: yes {code} or no {code}")), "{text}");
    let values: Vec<_> = message
        .payloads
        .iter()
        .filter(|payload| payload.is("response", "urn:xmpp:tmp:quick-response"))
        .filter_map(|response| response.attr("value"))
        .collect();
    assert_eq!(values, [format!("yes {code}"), format!("no {code}")]);
    message
}

fn is_corrected(phone: &mut Peer, question: &Message, result: &str) {
    let message = phone.sees();
    assert_eq!(corrects(&message), Some(id(question)), "{message:?}");
    assert!(body(&message).contains(result), "{message:?}");
}

#[test]
fn local_request_is_answered_from_the_phone() {
    for version in VERSIONS {
        let prosody = prosody(version);
        let mut phone = Peer::start(&prosody, "josh@localhost/phone");
        let place = Place::at(&prosody, "josh", "", POLICY);
        let mut broker = place.start();
        broker.says("online as josh@localhost/nuketown-broker");
        let mut client = place.connect();
        for (word, result) in [("yes", "approved"), ("no", "denied")] {
            let waiting = client.asks("reboot");
            let question = question(&mut phone, &waiting);
            let from = question.from.as_ref().unwrap().to_string();
            assert_eq!(from, BROKER);
            assert!(body(&question).contains("reboot"));
            phone.chats(&from, &format!("{word} {}", waiting.code));
            if word == "yes" {
                client.is_approved();
                client.spends(&waiting);
            } else {
                client.is_denied("denied by josh@localhost");
            }
            is_corrected(&mut phone, &question, result);
        }
        assert_eq!(broker.terminate(), 0);
        let recorded = place.recorded();
        assert!(
            recorded.contains("approved by josh@localhost") && recorded.contains("\"stopped\""),
            "{recorded}"
        );
    }
}

#[test]
fn answer_without_its_code_decides_nothing_and_is_answered() {
    let prosody = prosody("13");
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    let place = Place::at(&prosody, "josh", "", POLICY);
    let mut broker = place.start();
    broker.says("online as");
    let mut client = place.connect();
    let waiting = client.asks("reboot");
    question(&mut phone, &waiting);
    phone.chats(BROKER, "yes");
    assert!(body(&phone.sees()).contains(&format!("Reply: yes {0} or no {0}", waiting.code)));
    phone.chats(BROKER, &format!("no {}", waiting.code));
    client.is_denied("denied by");
    assert!(corrects(&phone.sees()).is_some());
    phone.chats(BROKER, &format!("yes {}", waiting.code));
    assert!(body(&phone.sees()).contains("was denied before"));
    phone.chats(BROKER, "yes");
    assert!(body(&phone.sees()).contains("No request is open"));
}

fn request(kind: &str, payload: &str) -> String {
    format!(
        "<message to='josh@localhost' type='normal' id='{:x}'><approval xmlns='{NS}' id='a1b2c3'><agent>vox</agent>\
         <kind>{kind}</kind>{payload}<nonce>{}</nonce><timeout>120</timeout></approval></message>",
        rand::random::<u64>(),
        "ab".repeat(16)
    )
}

#[test]
fn remote_agent_is_served_at_the_bare_jid_and_told_by_a_stanza() {
    let kinds = [
        ("delegate", "<task>survey XMPP libraries</task><agents>2 search agents</agents>", "2 search agents"),
        ("scale", "<from>standard</from><to>large</to>", "large"),
        ("network", "<egress>pypi.org:443</egress>", "pypi.org:443"),
    ];
    for (version, (kind, asked, shown)) in
        VERSIONS.into_iter().flat_map(|version| kinds.map(|kind| (version, kind)))
    {
        let mut prosody = prosody(version);
        let mut phone = Peer::start(&prosody, "josh@localhost/phone");
        let mut vox = Peer::start(&prosody, "vox@localhost/work");
        let place = Place::at(&prosody, "josh", VOX, POLICY);
        let mut broker = place.start();
        broker.says("online as");
        knows_the_broker(&mut prosody);
        vox.send(&request(kind, asked));
        let ack = vox.sees();
        assert_eq!((payload(&ack).name(), payload(&ack).attr("id")), ("approval-ack", Some("a1b2c3")));
        assert_eq!(ack.from.as_ref().unwrap().to_string(), BROKER);
        // The phone sees the question and never the request itself.
        let question = phone.sees();
        assert!(question.payloads.iter().all(|payload| payload.ns() != NS));
        let code = body(&question).split_whitespace().last().unwrap().to_owned();
        assert!(body(&question).contains(shown), "{}", body(&question));
        phone.chats(BROKER, &format!("yes {code}"));
        let decision = vox.sees();
        let response = payload(&decision);
        assert_eq!((response.name(), response.attr("id")), ("approval-response", Some("a1b2c3")));
        assert_eq!(child(response, "result"), "approved");
        assert_eq!(child(response, "digest").len(), 64);
        is_corrected(&mut phone, &question, "approved");
        assert!(place.recorded().contains("\"by\":\"vox@localhost\""));
    }
}

/// A message to the bare JID goes to the broker once the server has asked it what it serves, and has heard the answer.
pub(crate) fn knows_the_broker(prosody: &mut Prosody) {
    prosody.wait_for_log(&format!("{BROKER} serves approvals: true"));
}

#[test]
fn remote_agent_is_told_clearly_why_not() {
    let prosody = prosody("13");
    let mut vox = Peer::start(&prosody, "vox@localhost/work");
    let place = Place::at(&prosody, "josh", VOX, POLICY);
    let mut broker = place.start();
    broker.says("online as");
    for (request, why) in [
        (
            request("sudo", "<command>reboot</command><user>postgres</user>"),
            "may not run commands as postgres",
        ),
        (request("sudo", "<command>a | b</command>"), "must stand in quotes"),
        (
            request("sudo", "<command>reboot</command>").replace(">vox<", ">ada<"),
            "is not the account of agent ada",
        ),
        (request("sudo", "<command>reboot</command><expires>2020-01-01T00:00:00Z</expires>"), "expired at"),
    ] {
        vox.send(&request.replace("to='josh@localhost'", &format!("to='{BROKER}'")));
        let decision = vox.sees();
        assert_eq!(child(payload(&decision), "result"), "denied");
        let reason = child(payload(&decision), "reason");
        assert!(reason.contains(why), "{reason}");
    }
}

#[test]
fn remote_agent_can_withdraw_its_request() {
    let prosody = prosody("13");
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    let mut vox = Peer::start(&prosody, "vox@localhost/work");
    let mut eve = Peer::start(&prosody, "eve@localhost/x");
    let place = Place::at(&prosody, "josh", VOX, POLICY);
    let mut broker = place.start();
    broker.says("online as");
    let to_broker = |xml: &str| xml.replace("to='josh@localhost'", &format!("to='{BROKER}'"));
    vox.send(&to_broker(&request("sudo", "<command>reboot</command>")));
    assert_eq!(payload(&vox.sees()).name(), "approval-ack");
    let question = phone.sees();
    let cancel = format!("<message to='{BROKER}'><approval-cancel xmlns='{NS}' id='a1b2c3'/></message>");
    eve.send(&cancel);
    eve.was_heard_by(BROKER);
    assert!(!place.recorded().contains("cancelled"));
    vox.send(&cancel);
    assert!(child(payload(&vox.sees()), "reason").contains("was cancelled"));
    is_corrected(&mut phone, &question, "denied");
}

#[test]
fn pre_approved_command_needs_no_human() {
    let prosody = prosody("13");
    let mut phone = Peer::start(&prosody, "josh@localhost/phone");
    let place = Place::at(&prosody, "josh", "", POLICY);
    let mut broker = place.start();
    broker.says("online as");
    let mut client: Client = place.connect();
    let waiting = client.asks("id");
    client.is_approved();
    client.spends(&waiting);
    // The next thing that the phone sees is about the next request.
    let waiting = client.asks("reboot");
    question(&mut phone, &waiting);
}
