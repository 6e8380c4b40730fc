//! The same sessions at ejabberd, which does many things differently from Prosody.

use std::time::Duration;

use nuketown_xmpp::parsers::disco::DiscoInfoResult;
use nuketown_xmpp::parsers::presence::Show;
use nuketown_xmpp::{
    Availability, Config, Disco, Event, Fatal, Request, RoomState, Secret, Security, Server,
};
use nuketown_xmpp_testing::Ejabberd;

use crate::client::{Client, body, chat};
use crate::foreign::foreign;
use crate::{config, room};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn sessions_at_ejabberd_talk_see_each_other_and_come_back_after_a_crash() {
    let mut server = Ejabberd::start(&["ada", "josh"]);
    let mut ada = Client::online(&config(&server, "ada@localhost/work")).await;
    let mut josh = Client::online(&config(&server, "josh@localhost/desk")).await;
    for round in 0..2 {
        ada.handle.send(chat("josh@localhost/desk", &format!("to josh {round}"))).await.unwrap();
        assert_eq!(body(&josh.message().await), format!("to josh {round}"));
        josh.handle.send(chat("ada@localhost/work", &format!("to ada {round}"))).await.unwrap();
        assert_eq!(body(&ada.message().await), format!("to ada {round}"));

        server.kill();
        for client in [&mut ada, &mut josh] {
            client.sees("being offline", |event| matches!(event, Event::Offline { .. }).then_some(())).await;
        }
        server.restart();
        ada.is_online(true).await;
        josh.is_online(true).await;
    }
    ada.handle.send(chat("josh@localhost/desk", "back")).await.unwrap();
    assert_eq!(body(&josh.message().await), "back");
}

#[tokio::test]
async fn presence_and_capabilities_are_seen_through_ejabberd() {
    let server = Ejabberd::start(&["ada", "josh"]);
    let mut desk = Client::online(&config(&server, "josh@localhost/desk")).await;
    let mut busy = config(&server, "josh@localhost/broker");
    busy.disco = Disco { features: vec!["urn:example:work".into()], ..Disco::default() };
    busy.availability = Availability { show: Some(Show::Dnd), status: "busy".into(), priority: -1 };
    let _broker = Client::online(&busy).await;
    let seen = desk
        .sees("the broker", |event| match event {
            Event::Presence(presence)
                if presence.from.as_ref().is_some_and(|from| from.as_str() == "josh@localhost/broker") =>
            {
                Some(presence)
            }
            _ => None,
        })
        .await;
    assert_eq!((seen.show, seen.priority.0), (Some(Show::Dnd), -1));

    // Anybody may ask it by its full address.
    let ada = Client::online(&config(&server, "ada@localhost/work")).await;
    let query = Request::Get("<query xmlns='http://jabber.org/protocol/disco#info'/>".parse().unwrap());
    let info = ada.handle.request(Some("josh@localhost/broker".parse().unwrap()), query, LONG).await;
    let info = DiscoInfoResult::try_from(info.unwrap().unwrap()).unwrap();
    assert!(info.features.contains("urn:example:work"), "{info:?}");
}

#[tokio::test]
async fn direct_tls_rooms_and_a_foreign_client_work_at_ejabberd() {
    let server = Ejabberd::start(&["ada", "josh"]);
    let direct = Config {
        server: Server::At { host: "127.0.0.1".into(), port: server.direct_port() },
        security: Security::Direct,
        rooms: vec![room("ada")],
        ..config(&server, "ada@localhost/work")
    };
    let mut ada = Client::online(&direct).await;
    let state = ada
        .sees("the room", |event| match event {
            Event::Room { state, .. } => Some(state),
            _ => None,
        })
        .await;
    assert!(matches!(state, RoomState::Joined { .. }), "{state:?}");
    let _phone = foreign(&server, "josh@localhost/phone");
    ada.handle.send(chat("josh@localhost/phone", "hello")).await.unwrap();
    let heard = ada.sees("the echo", |event| match event {
        Event::Message(incoming) if incoming.body() == Some("echo: hello") => Some(()),
        _ => None,
    });
    heard.await;
}

#[tokio::test]
async fn wrong_password_is_fatal_at_ejabberd_too() {
    let server = Ejabberd::start(&["ada"]);
    let wrong = Config { password: Secret::new("wrong".into()), ..config(&server, "ada@localhost/work") };
    let mut ada = Client::start(&wrong);
    match ada.next().await.unwrap() {
        Event::Fatal(Fatal::Login(error)) => {
            let error = error.to_string();
            assert!(error.contains("wrong account or password"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}
