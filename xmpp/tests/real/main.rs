//! Sessions at a real Prosody.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail that way")]

#[path = "../support/client.rs"]
mod client;
mod foreign;
mod session;

use client::Client;
use nuketown_xmpp::jid::{BareJid, ResourcePart};
use nuketown_xmpp::{Authorities, Availability, Config, Room, Secret, Security, Server};
use nuketown_xmpp_testing::Prosody;

/// A session of `jid` at a server of the test.
fn config(prosody: &Prosody, jid: &str) -> Config {
    Config {
        server: Server::At { host: "127.0.0.1".into(), port: prosody.port() },
        security: Security::StartTls,
        authorities: Authorities::File(prosody.authority().to_owned()),
        ..Config::new(jid.parse().unwrap(), Secret::new(Prosody::PASSWORD.into()))
    }
}

impl Client {
    /// Started, and online by a fresh bind.
    async fn online(config: &Config) -> Self {
        let mut client = Self::start(config);
        client.is_online(true).await;
        client
    }
}

fn room(nick: &str) -> Room {
    Room { jid: room_jid(), nick: ResourcePart::new(nick).unwrap().into_owned() }
}

fn room_jid() -> BareJid {
    "den@rooms.localhost".parse().unwrap()
}

fn priority(priority: i8) -> Availability {
    Availability { priority, ..Availability::default() }
}
