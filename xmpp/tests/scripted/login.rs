//! From the first byte to the login: what a server, or somebody on the way, may try.

use nuketown_xmpp::{DialError, Event, Fatal, LoginError, Reason};

use crate::client::Client;
use crate::peer::{BIND, PROCEED, Peer, STARTTLS, Trick, mechanisms};

async fn unreachable(client: &mut Client) -> DialError {
    match client.next().await.unwrap() {
        Event::Offline { reason: Reason::Unreachable(error), .. } => error,
        other => panic!("{other:?}"),
    }
}

async fn refused(client: &mut Client) -> LoginError {
    let error = match client.next().await.unwrap() {
        Event::Fatal(Fatal::Login(DialError::Login(error))) => error,
        other => panic!("{other:?}"),
    };
    assert!(client.next().await.is_none(), "a refused login is the end");
    error
}

#[tokio::test]
async fn plaintext_after_the_start_of_encryption_is_refused() {
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept().await;
    line.open(STARTTLS).await;
    line.reads("<starttls").await;
    let injected = "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>";
    line.sends(&format!("{PROCEED}{injected}")).await;
    assert!(matches!(unreachable(&mut ada).await, DialError::Injected));
    assert!(!line.reads_to_the_end().await.contains("<auth"));
}

#[tokio::test]
async fn server_without_encryption_gets_no_login() {
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept().await;
    line.open(&mechanisms(&["PLAIN", "SCRAM-SHA-1"])).await;
    assert!(matches!(unreachable(&mut ada).await, DialError::NoEncryption));
    assert!(!line.reads_to_the_end().await.contains("<auth"));
}

#[tokio::test]
async fn refusal_of_encryption_ends_the_attempt() {
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept().await;
    line.open(STARTTLS).await;
    line.reads("<starttls").await;
    line.sends("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>").await;
    let error = unreachable(&mut ada).await.to_string();
    assert!(error.contains("did not start encryption"), "{error}");
}

#[tokio::test]
async fn certificate_for_another_name_is_refused() {
    let peer = Peer::listen("other.example").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept().await;
    line.open(STARTTLS).await;
    line.reads("<starttls").await;
    line.sends(PROCEED).await;
    let (error, line) = tokio::join!(unreachable(&mut ada), peer.encrypt(line));
    assert!(line.is_err());
    assert!(matches!(error, DialError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn password_is_not_sent_to_a_server_that_offers_plain_only() {
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept_encrypted().await;
    line.open(&mechanisms(&["PLAIN", "ANONYMOUS"])).await;
    let error = refused(&mut ada).await;
    assert!(
        matches!(error, LoginError::NoScram { .. }) && error.to_string().contains("ANONYMOUS, PLAIN"),
        "{error}"
    );
    assert!(!line.reads_to_the_end().await.contains("<auth"));
}

#[tokio::test]
async fn server_that_does_not_know_the_password_is_refused() {
    for trick in [Trick::Signature, Trick::NoSignature, Trick::Replay, Trick::OneRound] {
        let peer = Peer::listen("localhost").await;
        let mut ada = Client::start(&peer.config());
        let mut line = peer.accept_encrypted().await;
        line.open(&mechanisms(&["SCRAM-SHA-1"])).await;
        let answer = line.login(trick).await;
        line.sends(&answer).await;
        let error = refused(&mut ada).await;
        assert!(matches!(error, LoginError::Impostor { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn login_that_fails_for_now_is_tried_again() {
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept_encrypted().await;
    line.open(&mechanisms(&["SCRAM-SHA-1"])).await;
    line.reads("<auth").await;
    line.sends("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><temporary-auth-failure/></failure>").await;
    let error = unreachable(&mut ada).await;
    assert!(matches!(error, DialError::Login(LoginError::Refused { temporary: true, .. })), "{error:?}");
    let _line = peer.accept_bound().await;
    ada.is_online(true).await;
}

#[tokio::test]
async fn disabled_account_is_final_with_the_servers_words() {
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept_encrypted().await;
    line.open(&mechanisms(&["SCRAM-SHA-1"])).await;
    line.reads("<auth").await;
    line.sends(
        "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/>\
         <text xml:lang='en'>ask \u{202e}josh</text></failure>",
    )
    .await;
    let error = refused(&mut ada).await.to_string();
    assert_eq!(error, "the server refuses the login: the account is disabled (\"ask \\u{202e}josh\")");
}

#[tokio::test]
async fn redirection_is_not_followed() {
    let (peer, elsewhere) = (Peer::listen("localhost").await, Peer::listen("localhost").await);
    let nuketown_xmpp::Server::At { port, .. } = elsewhere.config().server else { panic!() };
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept_encrypted().await;
    line.reads("<stream:stream").await;
    line.sends(&format!(
        "<stream:stream xmlns='jabber:client' id='s' version='1.0' xmlns:stream='http://etherx.jabber.org/streams'>\
         <stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>127.0.0.1:{port}</see-other-host>\
         </stream:error></stream:stream>"
    ))
    .await;
    let error = unreachable(&mut ada).await.to_string();
    assert!(error.contains("see-other-host"), "{error}");
    // The next attempt comes here again.
    let _line = peer.accept_bound().await;
    ada.is_online(true).await;
}

#[tokio::test]
async fn server_without_sessions_is_an_error_and_no_panic() {
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let _line = peer.accept_login("").await;
    assert!(matches!(unreachable(&mut ada).await, DialError::NoBind));
    let mut line = peer.accept_login(BIND).await;
    line.binds().await;
    ada.is_online(true).await;
}

#[tokio::test]
async fn nothing_that_is_nested_deeply_before_the_login_ends_the_process() {
    let deep = format!("<x xmlns='urn:x'>{}{}</x>", "<x>".repeat(100_000), "</x>".repeat(100_000));
    // In the clear, where anybody on the way can put it; then inside of TLS; then after the login.
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept().await;
    line.open(&deep).await;
    assert!(matches!(unreachable(&mut ada).await, DialError::NoEncryption));
    let mut line = peer.accept_encrypted().await;
    line.open(&deep).await;
    assert!(matches!(refused(&mut ada).await, LoginError::NoScram { .. }));
    let mut ada = Client::start(&peer.config());
    let _line = peer.accept_login(&deep).await;
    assert!(matches!(unreachable(&mut ada).await, DialError::NoBind));
}

#[tokio::test]
async fn server_that_goes_on_after_the_login_without_a_new_stream_is_refused() {
    let peer = Peer::listen("localhost").await;
    let mut ada = Client::start(&peer.config());
    let mut line = peer.accept_encrypted().await;
    line.open(&mechanisms(&["SCRAM-SHA-1"])).await;
    let success = line.login(Trick::None).await;
    line.sends(&format!("{success}<message><body>early</body></message>")).await;
    let error = unreachable(&mut ada).await.to_string();
    assert!(error.contains("without a new stream"), "{error}");
}

#[tokio::test]
async fn garbage_instead_of_xmpp_is_an_error() {
    for garbage in ["HTTP/1.1 400 Bad Request\r\n\r\n", "<html>", "\u{0}\u{1}", "<stream:stream>", ""] {
        let peer = Peer::listen("localhost").await;
        let mut ada = Client::start(&peer.config());
        let mut line = peer.accept().await;
        line.sends(garbage).await;
        drop(line);
        assert!(matches!(unreachable(&mut ada).await, DialError::Stream { .. }), "{garbage:?}");
    }
}
