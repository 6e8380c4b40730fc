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
    line.reads("<a ").await;
    let acknowledged = line.reads(">").await.replace('"', "'");
    assert!(acknowledged.contains("h='5'"), "{acknowledged}");
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
