//! What two sessions of one server see of each other, and of the server's end.

use nuketown_xmpp::parsers::disco::DiscoInfoResult;
use nuketown_xmpp::parsers::presence::{Presence, Show, Type};
use nuketown_xmpp::{
    Availability, Config, Delivery, Direction, Disco, Event, Fatal, Reason, Request, RequestError, RoomState,
    Secret, Security, SendError, Server,
};
use nuketown_xmpp_testing::{Prosody, VERSIONS};
use std::time::Duration;

use crate::client::{Client, body, chat};
use crate::{config, priority, room, room_jid};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn two_sessions_talk_and_the_server_acknowledges() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada", "josh"]);
        let ada = Client::online(&config(&prosody, "ada@localhost/work")).await;
        let mut josh = Client::online(&config(&prosody, "josh@localhost/desk")).await;
        let delivery = ada.handle.send(chat("josh@localhost/desk", "hello & <goodbye>")).await.unwrap();
        assert_eq!(delivery, Delivery::Acknowledged);
        let incoming = josh.message().await;
        assert_eq!(body(&incoming), "hello & <goodbye>");
        assert_eq!(incoming.message.from.unwrap().as_str(), "ada@localhost/work");
        assert_eq!(incoming.delayed, None);
    }
}

#[tokio::test]
async fn direct_tls_works_like_starttls() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada"]);
        let direct = Config {
            server: Server::At { host: "127.0.0.1".into(), port: prosody.direct_port() },
            security: Security::Direct,
            ..config(&prosody, "ada@localhost/work")
        };
        let ada = Client::online(&direct).await;
        ada.handle.send(chat("ada@localhost/work", "to myself")).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_password_is_fatal_and_ends_the_session() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada"]);
        let wrong =
            Config { password: Secret::new("wrong".into()), ..config(&prosody, "ada@localhost/work") };
        let mut ada = Client::start(&wrong);
        match ada.next().await.unwrap() {
            Event::Fatal(Fatal::Login(error)) => {
                let error = error.to_string();
                assert!(error.contains("wrong account or password"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert!(ada.next().await.is_none());
        assert_eq!(ada.handle.send(chat("josh@localhost", "x")).await, Err(SendError::Ended));
    }
}

#[tokio::test]
async fn server_that_the_authority_does_not_vouch_for_is_not_talked_to() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada"]);
        let other = Prosody::start(version, &["ada"]);
        let mut wrong = config(&prosody, "ada@localhost/work");
        wrong.authorities = config(&other, "ada@localhost").authorities;
        let mut ada = Client::start(&wrong);
        match ada.next().await.unwrap() {
            Event::Offline { reason: Reason::Unreachable(error), .. } => {
                assert!(error.to_string().contains("no encrypted connection for localhost"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn both_come_back_after_the_server_was_killed() {
    for version in VERSIONS {
        let mut prosody = Prosody::start(version, &["ada", "josh"]);
        let mut ada = Client::online(&config(&prosody, "ada@localhost/work")).await;
        let mut josh = Client::online(&config(&prosody, "josh@localhost/desk")).await;
        for round in 0..2 {
            prosody.kill();
            for client in [&mut ada, &mut josh] {
                client
                    .sees("being offline", |event| matches!(event, Event::Offline { .. }).then_some(()))
                    .await;
            }
            assert_eq!(ada.handle.send(chat("josh@localhost/desk", "lost")).await, Err(SendError::Offline));
            prosody.restart();
            ada.is_online(true).await;
            josh.is_online(true).await;
            ada.handle.send(chat("josh@localhost/desk", &format!("round {round}"))).await.unwrap();
            assert_eq!(body(&josh.message().await), format!("round {round}"));
        }
    }
}

#[tokio::test]
async fn presence_is_announced_changed_and_taken_back() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["josh"]);
        let mut desk = Client::online(&config(&prosody, "josh@localhost/desk")).await;
        let mut busy = config(&prosody, "josh@localhost/phone");
        busy.availability =
            Availability { show: Some(Show::Dnd), status: "working on X".into(), priority: -1 };
        let phone = Client::online(&busy).await;
        let seen = desk.sees("the phone", from("josh@localhost/phone")).await;
        assert_eq!((seen.show, seen.priority.0), (Some(Show::Dnd), -1));
        assert_eq!(seen.statuses.values().collect::<Vec<_>>(), ["working on X"]);

        phone.handle.announce(Availability::default()).await.unwrap();
        let seen = desk.sees("the change", from("josh@localhost/phone")).await;
        assert_eq!((seen.show, seen.priority.0, seen.statuses.len()), (None, 0, 0));

        phone.handle.stop().await;
        let seen = desk.sees("the end", from("josh@localhost/phone")).await;
        assert_eq!(seen.type_, Type::Unavailable);
    }
}

fn from(jid: &'static str) -> impl Fn(Event) -> Option<Presence> {
    move |event| match event {
        Event::Presence(presence) if presence.from.as_ref().is_some_and(|from| from.as_str() == jid) => {
            Some(*presence)
        }
        _ => None,
    }
}

#[tokio::test]
async fn capabilities_are_answered_to_whoever_asks() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada", "josh"]);
        let mut serving = config(&prosody, "ada@localhost/work");
        serving.disco = Disco { features: vec!["urn:example:work".into()], ..Disco::default() };
        let _ada = Client::online(&serving).await;
        let josh = Client::online(&config(&prosody, "josh@localhost/desk")).await;
        let ask = async |payload: &str| {
            let request = Request::Get(payload.parse().unwrap());
            josh.handle.request(Some("ada@localhost/work".parse().unwrap()), request, LONG).await
        };
        let info = ask("<query xmlns='http://jabber.org/protocol/disco#info'/>").await.unwrap().unwrap();
        let info = DiscoInfoResult::try_from(info).unwrap();
        assert!(info.features.contains("urn:example:work") && info.features.contains("urn:xmpp:ping"));
        assert_eq!(ask("<ping xmlns='urn:xmpp:ping'/>").await, Ok(None));
        match ask("<query xmlns='jabber:iq:version'/>").await {
            Err(RequestError::Refused { condition, .. }) => assert_eq!(condition, "service-unavailable"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn account_itself_can_be_asked() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada"]);
        let ada = Client::online(&config(&prosody, "ada@localhost/work")).await;
        let roster = Request::Get("<query xmlns='jabber:iq:roster'/>".parse().unwrap());
        let roster = ada.handle.request(None, roster, LONG).await.unwrap().unwrap();
        assert_eq!(roster.name(), "query");
    }
}

#[tokio::test]
async fn room_is_joined_and_joined_again_after_a_crash_of_the_server() {
    for version in VERSIONS {
        let mut prosody = Prosody::start(version, &["ada", "josh"]);
        let joining = |name: &str| Config {
            rooms: vec![room(name)],
            ..config(&prosody, &format!("{name}@localhost/x"))
        };
        let (ada_config, josh_config) = (joining("ada"), joining("josh"));
        let mut ada = Client::start(&ada_config);
        is_joined(&mut ada).await;
        let mut josh = Client::start(&josh_config);
        is_joined(&mut josh).await;
        for round in 0..2 {
            let mut message = chat("den@rooms.localhost", &format!("round {round}"));
            message.type_ = nuketown_xmpp::parsers::message::MessageType::Groupchat;
            ada.handle.send(message).await.unwrap();
            let (theirs, own) = (josh.message().await, ada.message().await);
            assert_eq!((body(&theirs), theirs.own), (format!("round {round}").as_str(), false));
            assert!(own.own, "a room reflects what is said in it");
            prosody.kill();
            prosody.restart();
            is_joined(&mut ada).await;
            is_joined(&mut josh).await;
        }
        ada.handle.leave(room_jid()).await.unwrap();
        assert_eq!(ada.sees("leaving", room_state).await, RoomState::Left { removed: false });
    }
}

async fn is_joined(client: &mut Client) {
    let state = client.sees("the room", room_state).await;
    assert!(matches!(state, RoomState::Joined { .. }), "{state:?}");
}

fn room_state(event: Event) -> Option<RoomState> {
    match event {
        Event::Room { state, .. } => Some(state),
        _ => None,
    }
}

#[tokio::test]
async fn name_that_is_taken_is_a_refusal_and_no_loop() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada", "josh"]);
        let mut ada = Client::online(&config(&prosody, "ada@localhost/x")).await;
        ada.handle.join(room("same")).await.unwrap();
        is_joined(&mut ada).await;
        let mut josh = Client::online(&config(&prosody, "josh@localhost/x")).await;
        josh.handle.join(room("same")).await.unwrap();
        assert_eq!(
            josh.sees("a refusal", room_state).await,
            RoomState::Refused { condition: "conflict".into() }
        );
    }
}

#[tokio::test]
async fn other_clients_conversations_arrive_as_carbons_and_never_as_messages() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada", "josh"]);
        let mut copying = config(&prosody, "josh@localhost/desk");
        copying.carbons = true;
        let mut desk = Client::online(&copying).await;
        let mut phone = Client::online(&config(&prosody, "josh@localhost/phone")).await;
        let mut ada = Client::online(&config(&prosody, "ada@localhost/work")).await;
        // The server has handled the desk's wish for copies before it handles this, which comes after it on the same stream.
        desk.handle.send(chat("josh@localhost/desk", "sync")).await.unwrap();
        assert_eq!(body(&desk.message().await), "sync");

        ada.handle.send(chat("josh@localhost/phone", "yes K7Q4?")).await.unwrap();
        assert_eq!(body(&phone.message().await), "yes K7Q4?");
        phone.handle.send(chat("ada@localhost/work", "yes K7Q4")).await.unwrap();
        assert_eq!(body(&ada.message().await), "yes K7Q4");
        ada.handle.send(chat("josh@localhost/desk", "end")).await.unwrap();

        let mut copies = Vec::new();
        desk.sees("the end", |event| match event {
            Event::Carbon(carbon) => {
                copies.push((carbon.direction, carbon.message.bodies.values().next().unwrap().clone()));
                None
            }
            Event::Message(incoming) => {
                assert_eq!(body(&incoming), "end", "a copy was presented as a message");
                Some(())
            }
            _ => None,
        })
        .await;
        assert_eq!(copies, [(Direction::Received, "yes K7Q4?".into()), (Direction::Sent, "yes K7Q4".into())]);
    }
}

#[tokio::test]
async fn forged_carbon_is_not_heard() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["mallory", "josh"]);
        let mut josh = Client::online(&config(&prosody, "josh@localhost/desk")).await;
        let mallory = Client::online(&config(&prosody, "mallory@localhost/x")).await;
        let mut forged = chat("josh@localhost/desk", "outer");
        forged.payloads.push(
        "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client' from='ada@localhost/work'><body>yes K7Q4</body></message></forwarded></received>"
            .parse()
            .unwrap(),
    );
        mallory.handle.send(forged).await.unwrap();
        mallory.handle.send(chat("josh@localhost/desk", "after")).await.unwrap();
        let heard = josh
            .sees("what came after", |event| match event {
                Event::Message(incoming) => Some(body(&incoming).to_owned()),
                Event::Carbon(carbon) => panic!("a forged copy was believed: {carbon:?}"),
                _ => None,
            })
            .await;
        assert_eq!(heard, "after");
    }
}

#[tokio::test]
async fn message_that_was_stored_while_nobody_was_there_is_marked() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada", "josh"]);
        let ada = Client::online(&config(&prosody, "ada@localhost/work")).await;
        ada.handle.send(chat("josh@localhost", "yesterday")).await.unwrap();
        let mut josh = Client::online(&config(&prosody, "josh@localhost/desk")).await;
        let incoming = josh.message().await;
        assert_eq!(body(&incoming), "yesterday");
        assert!(incoming.delayed.unwrap().since.is_some());
    }
}

#[tokio::test]
async fn negative_priority_keeps_chats_for_the_other_client() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada", "josh"]);
        let mut quiet = config(&prosody, "josh@localhost/broker");
        quiet.availability = priority(-1);
        let mut broker = Client::online(&quiet).await;
        let mut phone = Client::online(&config(&prosody, "josh@localhost/phone")).await;
        broker.sees("the phone", from("josh@localhost/phone")).await;
        let ada = Client::online(&config(&prosody, "ada@localhost/work")).await;
        ada.handle.send(chat("josh@localhost", "for the human")).await.unwrap();
        ada.handle.send(chat("josh@localhost/broker", "for the broker")).await.unwrap();
        assert_eq!(body(&phone.message().await), "for the human");
        assert_eq!(body(&broker.message().await), "for the broker");
    }
}

#[tokio::test]
async fn second_login_as_the_same_resource_makes_the_first_wait() {
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada"]);
        let same = config(&prosody, "ada@localhost/work");
        let mut first = Client::online(&same).await;
        let mut second = Client::online(&same).await;
        let (reason, retry_in) = first
            .sees("the conflict", |event| match event {
                Event::Offline { reason, retry_in } => Some((reason, retry_in)),
                _ => None,
            })
            .await;
        assert_eq!(reason, Reason::Conflict);
        assert!(retry_in >= Duration::from_secs(30), "{retry_in:?}");
        second.handle.send(chat("ada@localhost/work", "still here")).await.unwrap();
        assert_eq!(body(&second.message().await), "still here");
        first.handle.stop().await;
    }
}

#[tokio::test]
async fn thousands_of_messages_in_both_directions_arrive_once_and_in_order() {
    const COUNT: usize = 2000;
    for version in VERSIONS {
        let prosody = Prosody::start(version, &["ada", "josh"]);
        let mut ada = Client::online(&config(&prosody, "ada@localhost/x")).await;
        let mut josh = Client::online(&config(&prosody, "josh@localhost/x")).await;
        let talk = async |client: &mut Client, to: &str| {
            let handle = client.handle.clone();
            let to = to.to_owned();
            let speaker = tokio::spawn(async move {
                let mut under_way = Vec::new();
                for number in 0..COUNT {
                    let handle = handle.clone();
                    let message = chat(&to, &number.to_string());
                    under_way.push(async move { handle.send(message).await });
                    if under_way.len() == 50 {
                        for delivery in futures::future::join_all(under_way.drain(..)).await {
                            delivery.unwrap();
                        }
                    }
                }
            });
            for number in 0..COUNT {
                assert_eq!(body(&client.message().await), number.to_string());
            }
            speaker.await.unwrap();
        };
        tokio::join!(talk(&mut ada, "josh@localhost/x"), talk(&mut josh, "ada@localhost/x"));
    }
}

#[tokio::test]
async fn session_ends_when_nobody_listens_or_speaks_any_more() {
    for version in VERSIONS {
        let mut prosody = Prosody::start(version, &["ada"]);
        let Client { handle, events } = Client::online(&config(&prosody, "ada@localhost/deaf")).await;
        drop(events);
        tokio::time::timeout(LONG, handle.ended()).await.unwrap();

        let Client { handle, mut events } = Client::online(&config(&prosody, "ada@localhost/dumb")).await;
        drop(handle);
        let ended = async { while events.next().await.is_some() {} };
        tokio::time::timeout(LONG, ended).await.unwrap();
        prosody.wait_for_log("Client disconnected");
    }
}
