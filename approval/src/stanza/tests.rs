//! Stanzas: the architecture's own, hostile ones, and any.

use proptest::prelude::*;

use super::*;
use crate::{
    Argv, Payload,
    testing::{any_request, argv, assert_pinned, sudo_request},
};

/// An element as another client would write it.
fn xml(text: &str) -> Element {
    text.parse().unwrap()
}

fn message(inner: &str) -> Result<Option<Stanza>, StanzaError> {
    read_message(&xml(&format!("<message xmlns='jabber:client' type='normal'>{inner}</message>")))
}

fn approval(inner: &str) -> Result<Stanza, StanzaError> {
    Stanza::from_element(&xml(&format!("<approval xmlns='{NAMESPACE}' id='a1b2c3'>{inner}</approval>")))
}

fn sudo(inner: &str) -> Result<Stanza, StanzaError> {
    approval(&format!("<agent>ada</agent><kind>sudo</kind>{inner}"))
}

fn argv_of(stanza: Stanza) -> Argv {
    match stanza {
        Stanza::Request(request) => match request.payload {
            Payload::Sudo(sudo) => sudo.argv,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

const ASKS: &str = "<approval xmlns='urn:nuketown:approval' id='a1b2c3'>
    <agent>ada</agent>
    <kind>sudo</kind>
    <command>nixos-rebuild switch</command>
    <timeout>120</timeout>
  </approval>";

#[test]
fn request_of_the_architecture_is_read() {
    let Ok(Some(Stanza::Request(request))) = message(ASKS) else { panic!("{:?}", message(ASKS)) };
    assert_eq!(request.id.as_str(), "a1b2c3");
    assert_eq!(request.agent.as_str(), "ada");
    assert_eq!(request.timeout.unwrap().get(), 120);
    assert_eq!((request.cwd, request.host, request.nonce, request.expires), (None, None, None, None));
    let Payload::Sudo(sudo) = request.payload else { panic!() };
    assert_eq!((sudo.argv, sudo.user.as_str()), (argv(&["nixos-rebuild", "switch"]), "root"));
}

#[test]
fn response_of_the_architecture_is_read() {
    let stanza = message(
        "<approval-response xmlns='urn:nuketown:approval' id='a1b2c3'>
           <result>approved</result>
         </approval-response>",
    );
    let id = "a1b2c3".parse().unwrap();
    let response = Response { id, result: Answer::Approved, digest: None, reason: None };
    assert_eq!(stanza, Ok(Some(Stanza::Response(response))));
}

#[test]
fn request_is_written_as_the_architecture_has_it_and_optional_parts_after() {
    let element = Stanza::Request(Box::new(sudo_request())).to_element().unwrap();
    assert_pinned("stanza", &String::from(&element).replace("><", ">\n<"));
}

#[test]
fn every_kind_has_its_own_payload() {
    let kinds = [
        ("delegate", "<task>survey XMPP client libraries</task><agents>2 search agents</agents>"),
        ("scale", "<from>standard</from><to>large</to>"),
        ("network", "<egress>pypi.org:443</egress>"),
        ("sudo", "<command>id</command>"),
    ];
    for (kind, payload) in kinds {
        let head = format!("<agent>ada</agent><kind>{kind}</kind>");
        let Ok(Stanza::Request(request)) = approval(&format!("{head}{payload}")) else { panic!("{kind}") };
        assert_eq!(request.payload.kind().as_str(), kind);
        assert!(approval(&head).is_err(), "{kind} without a payload");
        for (other, foreign) in kinds {
            let both = format!("{head}{payload}{foreign}");
            assert!(other == kind || approval(&both).is_err(), "{kind} with the payload of {other}");
        }
    }
}

#[test]
fn command_that_is_shown_and_executed_differently_is_refused() {
    let same = "<command>echo 'a b'</command><argv><arg>echo</arg><arg>a b</arg></argv>";
    assert_eq!(argv_of(sudo(same).unwrap()), argv(&["echo", "a b"]));
    for args in
        ["<arg>echo</arg><arg>a</arg><arg>b</arg>", "<arg>echo</arg>", "<arg>rm</arg><arg>a b</arg>", ""]
    {
        assert!(sudo(&format!("<command>echo 'a b'</command><argv>{args}</argv>")).is_err(), "{args}");
    }
    assert!(sudo("<argv><arg>id</arg></argv>").is_err(), "nothing to show");
}

#[test]
fn element_inside_of_a_text_is_refused() {
    for inner in [
        "<command>l<b/>s</command>",
        "<command>ls</command><argv><arg>l<b/>s</arg></argv>",
        "<command>ls</command><argv><arg>ls</arg><b/></argv>",
        "<command>ls</command><argv>x<arg>ls</arg></argv>",
        "<command x='1'>ls</command>",
    ] {
        assert!(sudo(inner).is_err(), "{inner}");
    }
}

#[test]
fn stray_and_repeated_and_unknown_parts_are_refused() {
    for extra in [
        "text",
        "<command>id</command>",
        "<agent>vox</agent>",
        "<kind>scale</kind>",
        "<scope>all</scope>",
        "<argv/><argv/>",
        "<user>root</user><user>josh</user>",
        "<timeout>0</timeout>",
        "<timeout>-1</timeout>",
        "<timeout>1e3</timeout>",
        "<cwd>home</cwd>",
        "<cwd>/a/..</cwd>",
        "<host>a b</host>",
        "<nonce>1</nonce>",
        "<digest>0</digest>",
        "<user>0</user>",
        "<program>id</program>",
        "<result>approved</result>",
    ] {
        assert!(sudo(&format!("<command>id</command>{extra}")).is_err(), "{extra}");
    }
    assert!(approval("<agent>Ada</agent><kind>sudo</kind><command>id</command>").is_err());
    assert!(approval("<agent>ada</agent><kind>root</kind><command>id</command>").is_err());
    assert!(approval("<agent>ada</agent><command>id</command>").is_err());
    assert!(approval("<kind>sudo</kind><command>id</command>").is_err());
}

#[test]
fn elements_of_other_namespaces_are_ignored() {
    let extra = "<command>id</command><command xmlns='urn:other'>rm <b/></command><x xmlns='urn:other'/>";
    assert_eq!(argv_of(sudo(extra).unwrap()), argv(&["id"]));
}

#[test]
fn expiry_is_in_utc_or_refused() {
    let expires = |text: &str| sudo(&format!("<command>id</command><expires>{text}</expires>"));
    for good in ["2026-11-24T12:00:00Z", "2026-11-24T12:00:00.5Z", "\n 2026-11-24T12:00:00Z "] {
        assert!(expires(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "tomorrow",
        "2026-11-24",
        "2026-11-24T12:00:00",
        "2026-11-24T12:00:00+01:00",
        "2026-11-24 12:00:00Z",
        "2026-13-24T12:00:00Z",
        "2026-11-24T12:00:00.Z",
        "2026-11-24T12:00:00z",
        "+02026-11-24T12:00:00Z",
        "2026-11-24T12:00Z",
    ] {
        assert!(expires(bad).is_err(), "{bad}");
    }
}

#[test]
fn digest_that_is_not_of_this_request_is_refused() {
    let text = String::from(&Stanza::Request(Box::new(sudo_request())).to_element().unwrap());
    assert!(Stanza::from_element(&xml(&text)).is_ok());
    let changed = text.replace(">ada<", ">vox<");
    assert_ne!(text, changed);
    assert!(Stanza::from_element(&xml(&changed)).is_err());
}

#[test]
fn message_with_two_approval_elements_is_refused() {
    let answers =
        "<approval-response xmlns='urn:nuketown:approval' id='a'><result>denied</result></approval-response>";
    assert_eq!(message(&format!("{ASKS}{ASKS}")), Err(StanzaError::Several(2)));
    assert_eq!(message(&format!("{ASKS}{answers}")), Err(StanzaError::Several(2)));
    assert_eq!(message(&format!("{ASKS}<future xmlns='{NAMESPACE}'/>")), Err(StanzaError::Several(2)));
    assert!(message(&format!("<future xmlns='{NAMESPACE}'/>")).is_err());
}

#[test]
fn delayed_message_is_refused() {
    let delayed = format!("{ASKS}<delay xmlns='urn:xmpp:delay' stamp='2026-11-24T12:00:00Z'/>");
    assert_eq!(message(&delayed), Err(StanzaError::Delayed));
    assert_eq!(message("<delay xmlns='urn:xmpp:delay' stamp='2026-11-24T12:00:00Z'/>"), Ok(None));
}

#[test]
fn carbons_forwards_and_archive_results_are_not_looked_into() {
    let inner = format!(
        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>{ASKS}</message></forwarded>"
    );
    for (name, namespace) in
        [("received", "urn:xmpp:carbons:2"), ("sent", "urn:xmpp:carbons:2"), ("result", "urn:xmpp:mam:2")]
    {
        assert_eq!(message(&format!("<{name} xmlns='{namespace}'>{inner}</{name}>")), Ok(None), "{name}");
    }
    assert_eq!(message(&inner), Ok(None));
}

#[test]
fn errors_rooms_and_headlines_carry_no_approval() {
    for kind in ["error", "groupchat", "headline", "", "NORMAL"] {
        let bounced = xml(&format!("<message xmlns='jabber:client' type='{kind}'>{ASKS}</message>"));
        assert_eq!(read_message(&bounced), Err(StanzaError::Type(kind.to_owned())));
    }
    let untyped = xml(&format!("<message xmlns='jabber:client'>{ASKS}</message>"));
    assert!(matches!(read_message(&untyped), Ok(Some(_))));
}

#[test]
fn response_approves_only_the_request_that_it_names() {
    let request = sudo_request();
    let response =
        |id: &str, result, digest| Response { id: id.parse().unwrap(), result, digest, reason: None };
    let other = Request { agent: "vox".parse().unwrap(), ..request.clone() };
    let digest = Some(request.digest());
    assert!(response("a1b2c3", Answer::Approved, digest).approves(&request));
    assert!(!response("a1b2c3", Answer::Denied, digest).approves(&request));
    assert!(!response("a1b2c4", Answer::Approved, digest).approves(&request));
    assert!(!response("a1b2c3", Answer::Approved, Some(other.digest())).approves(&request));
    assert!(!response("a1b2c3", Answer::Approved, None).approves(&request));
    let plain = Request { nonce: None, ..request };
    assert!(response("a1b2c3", Answer::Approved, None).approves(&plain));
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    // Built by hand: a parser of elements recurses itself.
    let nested = |depth| {
        (0..depth).fold(Element::bare("x", "urn:other"), |inner, _| {
            Element::builder("x", "urn:other").append(inner).build()
        })
    };
    let with = |child| {
        let mut element = xml(&format!(
            "<approval xmlns='{NAMESPACE}' id='a'>\
            <agent>ada</agent><kind>sudo</kind><command>id</command></approval>"
        ));
        element.append_child(child);
        Stanza::from_element(&element)
    };
    assert!(with(nested(10)).is_ok());
    assert!(with(nested(1000)).is_err());
}

#[test]
fn largest_request_stays_below_the_sessions_limit() {
    let worst = vec![b'&'; crate::ARGV_BYTES_MAX - 1];
    let worst = [vec![b"x".to_vec()], vec![worst]].concat();
    let bytes = vec![b"x".to_vec(), vec![1; crate::ARGV_BYTES_MAX - 1]];
    for arguments in [worst, bytes] {
        let mut request = sudo_request();
        if let Payload::Sudo(sudo) = &mut request.payload {
            sudo.argv = Argv::new(arguments).unwrap();
        }
        let text = String::from(&Stanza::Request(Box::new(request)).to_element().unwrap());
        assert!(text.len() < 64_000, "{}", text.len());
    }
}

#[test]
fn reason_is_written_so_that_xml_carries_it_and_the_reader_takes_it() {
    for reason in ["a\0\u{1b}[2J\u{ffff}b".to_owned(), "ä".repeat(600), "\u{1}".repeat(600)] {
        let id = "a1".parse().unwrap();
        let stanza =
            Stanza::Response(Response { id, result: Answer::Denied, digest: None, reason: Some(reason) });
        let text = String::from(&stanza.to_element().unwrap());
        let Ok(Stanza::Response(read)) = Stanza::from_element(&xml(&text)) else { panic!("{text}") };
        assert!(!read.reason.unwrap().chars().any(char::is_control));
    }
}

#[test]
fn ack_and_cancel_are_read_as_they_are_written() {
    for stanza in [Stanza::Ack("a1".parse().unwrap()), Stanza::Cancel("a1".parse().unwrap())] {
        let element = stanza.to_element().unwrap();
        assert_eq!(Stanza::from_element(&element), Ok(stanza));
    }
    assert!(Stanza::from_element(&xml(&format!("<approval-ack xmlns='{NAMESPACE}'/>"))).is_err());
    assert!(
        Stanza::from_element(&xml(&format!(
            "<approval-cancel xmlns='{NAMESPACE}' id='a'>x</approval-cancel>"
        )))
        .is_err()
    );
}

proptest! {
    #[test]
    fn any_request_comes_back_from_its_xml(request in any_request()) {
        let stanza = Stanza::Request(Box::new(request));
        let text = String::from(&stanza.to_element().unwrap());
        prop_assert_eq!(Stanza::from_element(&text.parse().unwrap()), Ok(stanza));
    }

    #[test]
    fn any_response_comes_back_from_its_xml(approved: bool, request in any_request(), reason in "[ -\\[\\]-~]{0,40}") {
        let result = if approved { Answer::Approved } else { Answer::Denied };
        let stanza =
            Stanza::Response(Response { id: request.id.clone(), result, digest: Some(request.digest()), reason: Some(reason) });
        let text = String::from(&stanza.to_element().unwrap());
        prop_assert_eq!(Stanza::from_element(&text.parse().unwrap()), Ok(stanza));
    }

    #[test]
    fn any_texts_are_read_without_harm(
        texts in proptest::collection::vec(("[a-z]{1,8}|agent|kind|command|argv|expires|cwd|user", ".{0,20}"), 0..8),
    ) {
        let mut element = xml(&format!("<approval xmlns='{NAMESPACE}' id='a1'/>"));
        for (name, text) in texts {
            let mut child = Element::bare(name, NAMESPACE);
            child.append_text_node(text);
            element.append_child(child);
        }
        if let Ok(stanza) = Stanza::from_element(&element) {
            prop_assert_eq!(Stanza::from_element(&stanza.to_element().unwrap()), Ok(stanza));
        }
    }
}
