//! The stream library panics where its connector gives up, and a release ends the process then. Here any panic is counted:
//! a test binary of its own, since others' failures are panics too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail that way")]

use std::sync::atomic::{AtomicUsize, Ordering};

use nuketown_xmpp::{Authorities, Config, Event, Fatal, Secret, Server, start};
use nuketown_xmpp_testing::{Prosody, free_port};

static PANICS: AtomicUsize = AtomicUsize::new(0);

fn config(prosody: &Prosody, password: &str, port: u16) -> Config {
    Config {
        server: Server::At { host: "127.0.0.1".into(), port },
        authorities: Authorities::File(prosody.authority().to_owned()),
        ..Config::new("ada@localhost/x".parse().unwrap(), Secret::new(password.into()))
    }
}

#[tokio::test]
async fn giving_up_is_no_panic_in_whatever_state() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        before(panic);
    }));
    let mut prosody = Prosody::start("13", &["ada"]);
    let port = prosody.port();

    // Stopped before the first connection, and between two attempts.
    let (handle, mut events) = start(&config(&prosody, Prosody::PASSWORD, port)).unwrap();
    handle.stop().await;
    while events.next().await.is_some() {}
    let (handle, mut events) = start(&config(&prosody, Prosody::PASSWORD, free_port())).unwrap();
    assert!(matches!(events.next().await, Some(Event::Offline { .. })));
    handle.stop().await;
    while events.next().await.is_some() {}

    // Refused.
    let (_handle, mut events) = start(&config(&prosody, "wrong", port)).unwrap();
    assert!(matches!(events.next().await, Some(Event::Fatal(Fatal::Login(_)))));
    assert!(events.next().await.is_none());

    // Stopped while it is online, and after the server went away.
    for killed in [false, true] {
        let (handle, mut events) = start(&config(&prosody, Prosody::PASSWORD, port)).unwrap();
        assert!(matches!(events.next().await, Some(Event::Online { .. })));
        if killed {
            prosody.kill();
            while !matches!(events.next().await, Some(Event::Offline { .. })) {}
        }
        handle.stop().await;
        while events.next().await.is_some() {}
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}
