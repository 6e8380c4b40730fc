//! Messages as they come, and what they mean.

use nuketown_approval::{Code, Digest};
use nuketown_xmpp::{Delayed, parsers::minidom::Element};
use proptest::prelude::*;

use super::*;

fn incoming(xml: &str) -> Incoming {
    let xml = xml.replacen("<message", "<message xmlns='jabber:client' from='josh@6bit.com/phone'", 1);
    let element: Element = xml.parse().unwrap_or_else(|error| panic!("{xml}: {error}"));
    Incoming { message: Message::try_from(element).unwrap(), delayed: None, own: false }
}

fn meant(xml: &str) -> Meant {
    read(&incoming(xml))
}

fn response(inner: &str) -> String {
    format!("<approval-response xmlns='urn:nuketown:approval' id='a1'>{inner}</approval-response>")
}

const APPROVED: &str = "<result>approved</result>";

fn id() -> RequestId {
    "a1".parse().unwrap()
}

#[test]
fn answer_in_words_names_its_request() {
    let code: Code = "K7Q4".parse().unwrap();
    let yes = Meant::Answer(About::Code(code), Some(Answer::Approved));
    assert_eq!(meant("<message type='chat'><body>yes K7Q4</body></message>"), yes);
    assert_eq!(meant("<message><body>Yes k7q4.</body></message>"), yes);
    assert_eq!(meant("<message type='chat'><body>yes</body></message>"), Meant::NoCode(Answer::Approved));
}

#[test]
fn answer_as_an_element_names_id_and_digest() {
    let digest: Digest = "a".repeat(64).parse().unwrap();
    let named = response(&format!("{APPROVED}<digest>{digest}</digest>"));
    assert_eq!(
        meant(&format!("<message>{named}</message>")),
        Meant::Answer(About::Id(id(), Some(digest)), Some(Answer::Approved))
    );
}

#[test]
fn answer_that_cannot_be_read_is_one_without_a_word() {
    for inner in [
        "",
        "<result>maybe</result>",
        "<result>approved<b/></result>",
        "<result>approved</result><x/>",
        "<result>approved</result><result>denied</result>",
        "<result>approved</result><digest>x</digest>",
    ] {
        let xml = format!("<message>{}</message>", response(inner));
        assert_eq!(meant(&xml), Meant::Answer(About::Id(id(), None), None), "{inner}");
    }
}

#[test]
fn two_approval_elements_in_one_message_are_no_approval() {
    let second = response("<result>denied</result>");
    let xml = format!("<message>{}{second}</message>", response(APPROVED));
    assert_eq!(meant(&xml), Meant::Answer(About::Id(id(), None), None));
    let request = "<approval xmlns='urn:nuketown:approval' id='b2'><agent>ada</agent><kind>sudo</kind><command>id</command></approval>";
    assert!(matches!(
        meant(&format!("<message>{request}{request}</message>")),
        Meant::Unreadable(Some(_), _)
    ));
}

#[test]
fn what_is_wrapped_in_a_carbon_a_forward_or_an_archive_means_nothing() {
    let inner = format!(
        "<message xmlns='jabber:client' from='josh@6bit.com/phone'><body>yes K7Q4</body>{}</message>",
        response(APPROVED)
    );
    let forwarded = format!("<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded>");
    for wrapped in [
        format!("<received xmlns='urn:xmpp:carbons:2'>{forwarded}</received>"),
        format!("<sent xmlns='urn:xmpp:carbons:2'>{forwarded}</sent>"),
        format!("<result xmlns='urn:xmpp:mam:2' id='1'>{forwarded}</result>"),
        forwarded.clone(),
    ] {
        assert_eq!(meant(&format!("<message>{wrapped}</message>")), Meant::Nothing, "{wrapped}");
    }
}

#[test]
fn what_was_kept_on_its_way_is_late() {
    let delay = "<delay xmlns='urn:xmpp:delay' stamp='2026-11-24T11:00:00Z'/>";
    for content in ["<body>yes K7Q4</body>".to_owned(), response(APPROVED)] {
        let mut kept = incoming(&format!("<message type='chat'>{content}{delay}</message>"));
        kept.delayed = Some(Delayed { since: None });
        assert_eq!(read(&kept), Meant::Late, "{content}");
    }
}

#[test]
fn errors_headlines_and_rooms_decide_nothing() {
    for kind in ["headline", "groupchat"] {
        for content in ["<body>yes K7Q4</body>".to_owned(), response(APPROVED)] {
            assert_eq!(meant(&format!("<message type='{kind}'>{content}</message>")), Meant::Nothing);
        }
    }
    let bounced = format!("<message type='error' id='m1'>{}</message>", response(APPROVED));
    assert_eq!(meant(&bounced), Meant::Bounced("m1".to_owned()));
}

#[test]
fn message_with_two_bodies_says_nothing() {
    let xml = "<message type='chat'><body>yes K7Q4</body><body xml:lang='de'>nein</body></message>";
    assert_eq!(meant(xml), Meant::Nothing);
}

#[test]
fn words_beside_an_element_do_not_count() {
    let xml = format!(
        "<message type='chat'><body>yes K7Q4</body>{}</message>",
        response("<result>denied</result>")
    );
    assert_eq!(meant(&xml), Meant::Answer(About::Id(id(), None), Some(Answer::Denied)));
}

proptest! {
    #[test]
    fn any_message_is_read_without_harm(
        body in "[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\u{fffe}\u{ffff}<&>]{0,40}",
        names in prop::collection::vec("(approval|approval-response|approval-ack|approval-cancel|x)", 0..3),
        inner in "(<result>(approved|denied|x)</result>|<agent>ada</agent>|<kind>sudo</kind>|<b/>){0,3}",
        kind in "(chat|normal|error|headline|groupchat)",
    ) {
        let payloads = names
            .iter()
            .map(|name| format!("<{name} xmlns='urn:nuketown:approval' id='a1'>{inner}</{name}>"))
            .collect::<Vec<_>>()
            .concat();
        let meant = meant(&format!("<message type='{kind}'><body>{body}</body>{payloads}</message>"));
        if names.iter().any(|name| name != "x") && names.len() > 1 {
            prop_assert!(!matches!(meant, Meant::Answer(_, Some(_)) | Meant::Ask(_)));
        }
    }
}
