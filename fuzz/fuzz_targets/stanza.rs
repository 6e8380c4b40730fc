//! Any message of the approval protocol: read without harm; a request that is read is shown, and written as one that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nuketown_approval::{
    chat, render,
    stanza::{Stanza, read_message},
};
use nuketown_xmpp::parsers::minidom::Element;

fuzz_target!(|text: &str| {
    let _ = chat::read(text);
    // What arrives has been cut to 64 levels; deeper ones are a matter of xmpp/src/shallow.rs.
    if text.matches('<').count() > 128 {
        return;
    }
    let xml = format!("<message xmlns='jabber:client'>{text}</message>");
    let Ok(message) = xml.parse::<Element>() else { return };
    let Ok(Some(stanza)) = read_message(&message) else { return };
    if let Stanza::Request(request) = &stanza {
        let shown = render(request, 80);
        assert!(!shown.plain().chars().any(|c| c.is_control() && c != '\n'));
        assert!(shown.markup().len() >= shown.plain().len());
    }
    let element = stanza.to_element().expect("what was read can be written");
    let again = Stanza::from_element(&element).expect("what was written can be read");
    if let (Stanza::Request(one), Stanza::Request(other)) = (&stanza, &again) {
        assert_eq!(one.digest(), other.digest());
    }
});
