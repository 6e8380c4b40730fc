//! Sessions at real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail that way")]

#[path = "../support/client.rs"]
mod client;
mod foreign;
mod interoperability;
mod session;
mod strangers;

use client::Client;
use nuketown_xmpp::jid::{BareJid, ResourcePart};
use nuketown_xmpp::{Authorities, Availability, Config, Room, Secret, Security, Server};
use nuketown_xmpp_testing::{Ejabberd, Prosody};
use std::path::Path;

/// A server of the test, whatever it is.
trait Place {
    fn port(&self) -> u16;
    fn authority(&self) -> &Path;
    fn password(&self) -> &'static str;
}

impl Place for Prosody {
    fn port(&self) -> u16 {
        self.port()
    }

    fn authority(&self) -> &Path {
        self.authority()
    }

    fn password(&self) -> &'static str {
        Self::PASSWORD
    }
}

impl Place for Ejabberd {
    fn port(&self) -> u16 {
        self.port()
    }

    fn authority(&self) -> &Path {
        self.authority()
    }

    fn password(&self) -> &'static str {
        Self::PASSWORD
    }
}

/// A session of `jid` at a server of the test.
fn config(server: &impl Place, jid: &str) -> Config {
    Config {
        server: Server::At { host: "127.0.0.1".into(), port: server.port() },
        security: Security::StartTls,
        authorities: Authorities::File(server.authority().to_owned()),
        ..Config::new(jid.parse().unwrap(), Secret::new(server.password().into()))
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
