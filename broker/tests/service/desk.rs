//! The dialog on a real desktop beside the phone: whichever answers first wins, and the other one is told.

#[allow(dead_code, reason = "the dialog's own tests use all of it")]
#[path = "../dialog/desktop.rs"]
mod desktop;

use std::time::Duration;

use desktop::{Desktop, Part};
use nuketown_approval::{
    Answer,
    socket::{FromBroker, Waiting},
};
use nuketown_xmpp_testing::Prosody;

use crate::{
    broker::{Broker, Client, Place},
    peer::{Peer, body, corrects, prosody},
    phone::{BROKER, POLICY, question},
};

/// The title of a request's dialog.
fn title(waiting: &Waiting) -> String {
    let host = waiting.host.as_ref().map_or(String::new(), |host| format!(" on {host}"));
    format!("ada (software){host} asks: sudo")
}

struct Home {
    desktop: Desktop,
    phone: Peer,
    client: Client,
    broker: Broker,
    prosody: Prosody,
    _place: Place,
}

impl Home {
    fn new() -> Self {
        let prosody = prosody("13");
        let phone = Peer::start(&prosody, "josh@localhost/phone");
        let desktop = Desktop::start();
        let place = Place::at(&prosody, "josh", "", POLICY);
        let text = std::fs::read_to_string(place.path("broker.toml")).unwrap();
        place.write("broker.toml", &text.replace("\"never\"", "\"always\""));
        let mut command = place.command();
        command.env_clear().envs(desktop.environment());
        let mut broker = Broker::start(command);
        broker.says("online as");
        let client = place.connect();
        Self { desktop, phone, client, broker, prosody, _place: place }
    }
}

#[test]
fn dialog_that_denies_first_is_seen_on_the_phone() {
    let mut home = Home::new();
    let waiting = home.client.asks("reboot");
    question(&mut home.phone, &waiting);
    home.desktop.focused(&title(&waiting));
    home.desktop.click(Part::Deny);
    home.client.is_denied("denied by the dialog");
    let correction = home.phone.sees();
    assert!(corrects(&correction).is_some() && body(&correction).contains("denied by the dialog"));
    home.phone.chats(BROKER, &format!("yes {}", waiting.code));
    assert!(body(&home.phone.sees()).contains("was denied before"));
}

#[test]
fn phone_that_answers_first_closes_the_dialog() {
    let mut home = Home::new();
    let waiting = home.client.asks("reboot");
    question(&mut home.phone, &waiting);
    home.desktop.focused(&title(&waiting));
    home.phone.chats(BROKER, &format!("yes {}", waiting.code));
    home.client.is_approved();
    home.desktop.wait_until_empty();
    home.client.spends(&waiting);
}

#[test]
fn dialog_that_approves_lets_the_request_be_used_once() {
    let mut home = Home::new();
    let waiting = home.client.asks("reboot");
    // An approval that comes too soon is asked for again, so it may take a second one.
    let decision = desktop::until("approval", || {
        home.desktop.focused(&title(&waiting));
        home.desktop.click(Part::Tick);
        home.desktop.click(Part::Approve);
        home.client.next_within(Duration::from_secs(3))
    });
    match decision {
        FromBroker::Decision(decision) => {
            assert_eq!(decision.result, Answer::Approved, "{:?}", decision.reason);
        }
        other => panic!("{other:?}"),
    }
    home.client.spends(&waiting);
}

#[test]
fn dialog_that_cannot_be_shown_leaves_the_request_to_the_phone() {
    let mut home = Home::new();
    let place = Place::at(&home.prosody, "josh", "zenity = \"/nonexistent/zenity\"\n", POLICY);
    drop(std::mem::replace(&mut home.broker, {
        let text = std::fs::read_to_string(place.path("broker.toml")).unwrap();
        // The option belongs to the top of the file.
        let text = text.replace("zenity = \"/nonexistent/zenity\"\n", "").replace("\"never\"", "\"always\"");
        place.write("broker.toml", &format!("zenity = \"/nonexistent/zenity\"\n{text}"));
        let mut command = place.command();
        command.env_clear().envs(home.desktop.environment());
        Broker::start(command)
    }));
    home.broker.says("online as");
    let mut client = place.connect();
    let waiting = client.asks("reboot");
    home.broker.says("cannot show a dialog");
    question(&mut home.phone, &waiting);
    home.phone.chats(BROKER, &format!("yes {}", waiting.code));
    client.is_approved();
}
