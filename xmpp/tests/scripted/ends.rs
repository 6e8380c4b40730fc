//! How connections end, and what the session makes of it.

use std::time::Duration;

use nuketown_xmpp::{Config, Event, Keepalive, Reason, RequestError, SendError, Server};
use nuketown_xmpp_testing::free_port;

use crate::client::{Client, body, chat};
use crate::peer::Peer;

async fn online(peer: &Peer) -> (Client, crate::peer::Line) {
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept_bound().await;
    ada.is_online(true).await;
    line.reads("</presence>").await;
    (ada, line)
}

async fn reason(client: &mut Client) -> (Reason, Duration) {
    client
        .sees("being offline", |event| match event {
            Event::Offline { reason, retry_in } => Some((reason, retry_in)),
            _ => None,
        })
        .await
}

fn stream_error(condition: &str) -> String {
    format!(
        "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
    )
}

#[tokio::test]
async fn each_end_is_told_as_what_it_was() {
    for (last, expected) in [
        (stream_error("system-shutdown"), Reason::StreamError("system-shutdown".into())),
        (stream_error("conflict"), Reason::Conflict),
        ("</stream:stream>".to_owned(), Reason::Closed),
    ] {
        let peer = Peer::listen("localhost").await;
        let (mut ada, mut line) = online(&peer).await;
        line.sends(&last).await;
        let (reason, retry_in) = reason(&mut ada).await;
        assert_eq!(reason, expected);
        assert_eq!(retry_in >= Duration::from_secs(30), reason == Reason::Conflict, "{retry_in:?}");
        assert_eq!(ada.handle.send(chat("josh@localhost", "x")).await, Err(SendError::Offline));
    }
}

#[tokio::test]
async fn silent_server_is_asked_and_then_given_up() {
    let peer = Peer::listen("localhost").await;
    let second = Duration::from_secs(1);
    let mut ada =
        Client::start(&Config { keepalive: Keepalive { silence: second, answer: second }, ..peer.config() });
    let mut line = peer.accept_bound().await;
    ada.is_online(true).await;
    line.reads("urn:xmpp:ping").await;
    assert_eq!(reason(&mut ada).await.0, Reason::Silent);
    peer.accept_bound().await;
    ada.is_online(true).await;
}

#[tokio::test]
async fn requests_of_the_server_are_answered_whatever_they_are() {
    let peer = Peer::listen("localhost").await;
    let (_ada, mut line) = online(&peer).await;
    for (payload, expected) in [
        ("<ping xmlns='urn:xmpp:ping'/>", "result"),
        ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "urn:xmpp:ping"),
        ("<query xmlns='urn:x'><deep><er/></deep></query>", "service-unavailable"),
    ] {
        line.sends(&format!("<iq xmlns='jabber:client' type='get' id='q1' from='localhost'>{payload}</iq>"))
            .await;
        let answer = line.reads("</iq>").await;
        assert!(answer.contains(expected) && answer.contains("q1"), "{answer}");
    }
}

#[tokio::test]
async fn message_over_the_limit_is_refused_and_the_session_goes_on() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = online(&peer).await;
    let large = "x".repeat(300_000);
    line.sends(&format!(
        "<message xmlns='jabber:client' from='josh@localhost/x' id='7'><body>{large}</body></message>\
         <message xmlns='jabber:client' from='josh@localhost/x' id='8'><body>small</body></message>"
    ))
    .await;
    assert_eq!(body(&ada.message().await), "small");
    let refusal = line.reads("</message>").await;
    assert!(refusal.contains("65536 is the limit") && refusal.contains("josh@localhost/x"), "{refusal}");
}

#[tokio::test]
async fn whatever_is_nested_too_deeply_is_refused_and_the_session_goes_on() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = online(&peer).await;
    let deep = format!("<x xmlns='urn:x'>{}{}</x>", "<x>".repeat(100_000), "</x>".repeat(100_000));
    line.sends(&format!(
        "<presence from='josh@localhost/x'>{deep}</presence>\
         <message from='josh@localhost/x' type='chat'><body>unheard</body>{deep}</message>"
    ))
    .await;
    let refusal = line.reads("</message>").await;
    assert!(refusal.contains("more than 64 levels") && refusal.contains("josh@localhost/x"), "{refusal}");
    line.sends(&format!("<iq type='get' id='q1' from='josh@localhost/x'>{deep}</iq>")).await;
    let answer = line.reads("</iq>").await;
    assert!(answer.contains("service-unavailable") && answer.contains("q1"), "{answer}");

    let handle = ada.handle.clone();
    let asking = tokio::spawn(async move {
        let ping = nuketown_xmpp::Request::Get("<ping xmlns='urn:xmpp:ping'/>".parse().unwrap());
        handle.request(Some("josh@localhost/x".parse().unwrap()), ping, Duration::from_secs(60)).await
    });
    let request = line.reads("</iq>").await;
    let id = request.split_once("id=").unwrap().1;
    let id = id[1..].split(id.chars().next().unwrap()).next().unwrap();
    line.sends(&format!("<iq type='result' id='{id}' from='josh@localhost/x'>{deep}</iq>")).await;
    assert_eq!(asking.await.unwrap(), Err(RequestError::Unreadable));

    line.sends("<message from='josh@localhost/x'><body>after</body></message>").await;
    match ada.next().await.unwrap() {
        Event::Message(incoming) => assert_eq!(body(&incoming), "after"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn markup_that_xmpp_forbids_ends_the_connection() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = online(&peer).await;
    line.sends("<message from='josh@localhost/x'><!-- x --></message>").await;
    assert_eq!(reason(&mut ada).await.0, Reason::Malformed);
    peer.accept_bound().await;
    ada.is_online(true).await;
}

#[tokio::test]
async fn answer_of_a_stranger_to_a_request_is_not_taken() {
    let peer = Peer::listen("localhost").await;
    let (ada, mut line) = online(&peer).await;
    let asking = tokio::spawn(async move {
        let ping = nuketown_xmpp::Request::Get("<ping xmlns='urn:xmpp:ping'/>".parse().unwrap());
        let to = Some("josh@localhost/x".parse().unwrap());
        ada.handle.request(to, ping, Duration::from_secs(60)).await
    });
    let request = line.reads("</iq>").await;
    let id = request.split_once("id=").unwrap().1;
    let id = id[1..].split(id.chars().next().unwrap()).next().unwrap().to_owned();
    for from in ["mallory@localhost/x", "josh@localhost", "josh@localhost/x"] {
        let payload = format!("<who xmlns='urn:x' is='{from}'/>");
        line.sends(&format!(
            "<iq xmlns='jabber:client' type='result' id='{id}' from='{from}'>{payload}</iq>"
        ))
        .await;
    }
    let answer = asking.await.unwrap().unwrap().unwrap();
    assert_eq!(answer.attr("is"), Some("josh@localhost/x"));
}

#[tokio::test]
async fn stop_says_goodbye_and_closes_the_stream() {
    let peer = Peer::listen("localhost").await;
    let (mut ada, mut line) = online(&peer).await;
    let handle = ada.handle.clone();
    let stopping = tokio::spawn(async move { handle.stop().await });
    line.reads("unavailable").await;
    line.reads("</stream:stream>").await;
    line.sends("</stream:stream>").await;
    drop(line);
    stopping.await.unwrap();
    assert!(ada.next().await.is_none());
}

#[tokio::test]
async fn session_that_never_got_through_can_be_stopped() {
    let peer = Peer::listen("localhost").await;
    let nobody = Server::At { host: "127.0.0.1".into(), port: free_port() };
    let mut ada = Client::start(&Config { server: nobody, ..peer.config() });
    let (reason, _) = reason(&mut ada).await;
    assert!(reason.to_string().contains("cannot connect to 127.0.0.1 port"), "{reason}");
    ada.handle.stop().await;
    while ada.next().await.is_some() {}
}
