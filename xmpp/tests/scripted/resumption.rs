//! Stream management (XEP-0198): what a resumption keeps, and how a broken one is left behind.

use std::time::Duration;

use nuketown_xmpp::{Delivery, Event, Reason, SendError};

use crate::client::{Client, body, chat};
use crate::peer::{BIND_AND_MANAGEMENT, Line, Peer};

async fn is_offline(client: &mut Client) -> Reason {
    client
        .sees("being offline", |event| match event {
            Event::Offline { reason, .. } => Some(reason),
            _ => None,
        })
        .await
}

/// A session that the server acknowledged, up to the presence.
async fn session(peer: &Peer) -> (Client, Line) {
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept_managed().await;
    ada.is_online(true).await;
    line.reads("</presence>").await;
    (ada, line)
}

/// What is sent after a bind, up to the presence.
async fn bound_without_management(peer: &Peer) -> Line {
    let mut line = peer.accept_login(BIND_AND_MANAGEMENT).await;
    line.binds().await;
    let sent = line.reads("</presence>").await;
    assert!(!sent.contains("urn:xmpp:sm"), "{sent}");
    line
}

/// The connection does not count as one that died young any more.
async fn grows_old() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(6)).await;
    tokio::time::resume();
}

/// An old session whose connection was lost, up to the wish to resume it.
async fn resuming(peer: &Peer) -> (Client, Line) {
    let (mut ada, line) = session(peer).await;
    grows_old().await;
    drop(line);
    is_offline(&mut ada).await;
    (ada, resume_is_asked(peer).await)
}

async fn resume_is_asked(peer: &Peer) -> Line {
    let mut line = peer.accept_login(BIND_AND_MANAGEMENT).await;
    line.reads("<resume").await;
    assert!(line.reads(">").await.contains("stream-1"));
    line
}

#[tokio::test]
async fn resumed_session_sends_again_what_was_lost_and_no_second_presence() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = session(&peer).await;
    grows_old().await;
    let handle = ada.handle.clone();
    let sending = tokio::spawn(async move { handle.send(chat("josh@localhost", "lost?")).await });
    line.reads("lost?").await;
    drop(line);
    is_offline(&mut ada).await;

    let mut line = resume_is_asked(&peer).await;
    line.sends("<resumed xmlns='urn:xmpp:sm:3' h='1' previd='stream-1'/>").await;
    ada.is_online(false).await;
    let again = line.reads("<r ").await;
    assert!(again.contains("lost?") && !again.contains("<presence"), "{again}");
    line.sends("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    assert_eq!(sending.await.unwrap(), Ok(Delivery::Acknowledged));
}

#[tokio::test]
async fn message_that_a_resumption_brings_again_is_presented_once() {
    const ONE: &str =
        "<message xmlns='jabber:client' from='josh@localhost/x' id='1'><body>one</body></message>";
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = session(&peer).await;
    grows_old().await;
    line.sends(ONE).await;
    assert_eq!(body(&ada.message().await), "one");
    drop(line);
    let mut line = resume_is_asked(&peer).await;
    line.sends("<resumed xmlns='urn:xmpp:sm:3' h='1' previd='stream-1'/>").await;
    line.sends(&format!("{ONE}{}", ONE.replace("one", "two").replace("id='1'", "id='2'"))).await;
    assert_eq!(body(&ada.message().await), "two");
}

#[tokio::test]
async fn refused_resumption_becomes_a_new_session() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = resuming(&peer).await;
    line.sends("<failed xmlns='urn:xmpp:sm:3' h='1'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
        .await;
    line.binds().await;
    line.reads("<enable").await;
    line.sends("<enabled xmlns='urn:xmpp:sm:3' resume='true' id='stream-2'/>").await;
    ada.is_online(true).await;
    line.reads("</presence>").await;
}

#[tokio::test]
async fn refused_resumption_that_the_library_cannot_read_is_not_tried_for_ever() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = resuming(&peer).await;
    // As Prosody says it after a crash: without the count.
    line.sends("<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
        .await;
    is_offline(&mut ada).await;
    bound_without_management(&peer).await;
    ada.is_online(true).await;
}

#[tokio::test]
async fn stanza_that_ends_each_resumption_is_left_behind() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = session(&peer).await;
    grows_old().await;
    // A server sends again on each resumption what was not acknowledged.
    line.sends(poison()).await;
    is_offline(&mut ada).await;
    let mut line = resume_is_asked(&peer).await;
    line.sends(&format!("<resumed xmlns='urn:xmpp:sm:3' h='1' previd='stream-1'/>{}", poison())).await;
    is_offline(&mut ada).await;
    bound_without_management(&peer).await;
    ada.is_online(true).await;
}

/// What the library cannot read, though no server should send it: a prefix that stands for nothing.
fn poison() -> &'static str {
    "<message xmlns='jabber:client'><x:y/></message>"
}

#[tokio::test]
async fn new_session_in_answer_to_the_wish_to_resume_one_ends_the_connection_and_not_the_process() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = resuming(&peer).await;
    // The library panics at this, and then nothing would ever come back.
    line.sends("<enabled xmlns='urn:xmpp:sm:3' resume='true' id='stream-2'/>").await;
    assert_eq!(is_offline(&mut ada).await, Reason::Malformed);
    bound_without_management(&peer).await;
    ada.is_online(true).await;
}

#[tokio::test]
async fn stanza_that_had_to_be_cut_counts_as_one_that_was_received() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = session(&peer).await;
    let long = "z".repeat(20_000);
    for stanza in [
        format!("<message from='m@x/y'>{}{}</message>", "<x>".repeat(4000), "</x>".repeat(4000)),
        format!("<message from='m@x/y'><x xmlns='urn:x' y='{long}'/></message>"),
        format!("<presence from='m@x/y' id='{long}'><show>away</show></presence>"),
        format!("<iq from='m@x/y' type='get' id='{long}'><ping xmlns='urn:xmpp:ping'/></iq>"),
    ] {
        line.sends(&stanza).await;
    }
    line.sends("<message from='josh@localhost/x'><body>after</body></message><r xmlns='urn:xmpp:sm:3'/>")
        .await;
    assert_eq!(body(&ada.message().await), "after");
    assert_eq!(acknowledged(&mut line).await, 5);
}

/// How many stanzas the session says that it received.
async fn acknowledged(line: &mut Line) -> usize {
    line.reads("<a ").await;
    let attributes = line.reads(">").await.replace('"', "'");
    let count = attributes.split_once("h='").and_then(|(_, rest)| rest.split_once('\''));
    count.unwrap_or_else(|| panic!("no count: {attributes}")).0.parse().unwrap()
}

/// Well-formed, so servers may pass them on from whoever sent them.
const ODD: [&str; 23] = [
    "<message from='not@@a jid'><body>x</body></message>",
    "<message from='m@x/y' type='what'><body>x</body></message>",
    "<message from='m@x/y'>text</message>",
    "<message from='m@x/y' what='x'/>",
    "<message from='m@x/y'><body>one</body><body>two</body></message>",
    "<message from='m@x/y'><body>a<b>c</b>d</body></message>",
    "<message from='m@x/y'><thread>a</thread><thread>b</thread></message>",
    "<message from='m@x/y'><x xmlns=''/></message>",
    "<message from='m@x/y'><a:x xmlns:a='urn:a'/></message>",
    "<message from='m@x/y' xml:lang='\u{2603}' xml:space='x'><é xmlns='urn:\u{2603}'/></message>",
    "<message from='m@x/y'><error/></message>",
    "<message from='m@x/y' type='error'/>",
    "<presence from='m@x/y' type='what'/>",
    "<presence from='m@x/y'><show>what</show></presence>",
    "<presence from='m@x/y'><priority>what</priority></presence>",
    "<presence from='m@x/y'><priority>1</priority><priority>2</priority></presence>",
    "<iq from='m@x/y'/>",
    "<iq from='m@x/y' type='get' id='1'/>",
    "<iq from='m@x/y' type='what' id='2'><x xmlns='urn:x'/></iq>",
    "<iq from='m@x/y' type='set' id='3'><x xmlns='urn:x'/><x xmlns='urn:x'/></iq>",
    "<iq from='m@x/y' type='result' id='4'><x xmlns='urn:x'/><x xmlns='urn:x'/></iq>",
    "<iq from='m@x/y' type='error' id='5'/>",
    "<iq from='m@x/y' type='get' id=''><x xmlns='urn:x'/>text</iq>",
];

#[tokio::test]
async fn stanza_that_makes_no_sense_is_passed_over_and_counted() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = session(&peer).await;
    for odd in ODD {
        line.sends(&format!("{odd}<message from='josh@localhost/x'><body>after</body></message>")).await;
        ada.sees(odd, |event| match event {
            Event::Message(incoming) if incoming.body() == Some("after") => Some(()),
            Event::Offline { reason, .. } => panic!("{odd} ended the connection: {reason}"),
            _ => None,
        })
        .await;
    }
    line.sends("<r xmlns='urn:xmpp:sm:3'/>").await;
    assert_eq!(acknowledged(&mut line).await, 2 * ODD.len());
}

#[tokio::test]
async fn what_a_lost_session_did_not_get_through_is_reported() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = session(&peer).await;
    let handle = ada.handle.clone();
    let sending = tokio::spawn(async move { handle.send(chat("josh@localhost", "lost?")).await });
    line.reads("lost?").await;
    drop(line);
    is_offline(&mut ada).await;
    // The connection was young, so stream management is left out once; then the session is a new one.
    bound_without_management(&peer).await;
    ada.is_online(true).await;
    assert_eq!(sending.await.unwrap(), Err(SendError::Unconfirmed));
}

#[tokio::test]
async fn acknowledged_message_is_told_from_one_that_was_only_written() {
    let peer = Peer::listen("localhost").await;
    let (ada, mut line) = session(&peer).await;
    let (delivery, ()) = tokio::join!(ada.handle.send(chat("josh@localhost", "one")), async {
        line.reads("one").await;
        line.reads("<r ").await;
        line.sends("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    });
    assert_eq!(delivery, Ok(Delivery::Acknowledged));

    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let _line = peer.accept_bound().await;
    ada.is_online(true).await;
    assert_eq!(ada.handle.send(chat("josh@localhost", "one")).await, Ok(Delivery::Sent));
}

#[tokio::test]
async fn acknowledgement_of_what_was_never_sent_ends_the_connection_and_no_more() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = session(&peer).await;
    line.sends("<a xmlns='urn:xmpp:sm:3' h='4000'/>").await;
    is_offline(&mut ada).await;
    bound_without_management(&peer).await;
    ada.is_online(true).await;
}

#[tokio::test]
async fn refused_stream_management_is_done_without() {
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept_login(BIND_AND_MANAGEMENT).await;
    line.binds().await;
    line.reads("<enable").await;
    line.sends("<failed xmlns='urn:xmpp:sm:3' h='0'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
        .await;
    ada.is_online(true).await;
}
