//! What anybody who has an account anywhere can have sent to the session.

use nuketown_xmpp::Event;
use nuketown_xmpp_testing::{Ejabberd, Process, Prosody, VERSIONS};

use crate::client::{Client, body, chat};
use crate::foreign::foreign;
use crate::{Place, config};

const ACCOUNTS: [&str; 3] = ["mallory", "josh", "nina"];

impl Client {
    /// The next message, which must come without an end of the connection before.
    async fn hears(&mut self, text: &str) {
        let heard = self.sees(text, |event| match event {
            Event::Message(incoming) if !incoming.message.bodies.is_empty() => {
                Some(body(&incoming).to_owned())
            }
            Event::Offline { reason, .. } => panic!("the session ended before {text:?}: {reason}"),
            _ => None,
        });
        assert_eq!(heard.await, text);
    }
}

/// A client that is there is sent `what`, and one that is not is sent `stored`. Both live on.
async fn survives(server: &impl Place, what: &str, stored: &str) {
    let (mut mallory, _input): (Process, _) = foreign(server, "mallory@localhost/x");
    let mut josh = Client::online(&config(server, "josh@localhost/desk")).await;
    for round in 0..2 {
        josh.handle.send(chat("mallory@localhost/x", &format!("{what} josh@localhost/desk"))).await.unwrap();
        josh.hears("done").await;
        josh.handle.send(chat("josh@localhost/desk", &format!("round {round}"))).await.unwrap();
        josh.hears(&format!("round {round}")).await;
        // The refusal went out before what has just come back.
        mallory.wait_for("refused: the message has more than 64 levels");
    }

    josh.handle.send(chat("mallory@localhost/x", &format!("{stored} nina@localhost"))).await.unwrap();
    josh.hears("done").await;
    josh.handle.send(chat("nina@localhost", "stored after it")).await.unwrap();
    let mut nina = Client::online(&config(server, "nina@localhost/desk")).await;
    nina.hears("stored after it").await;
}

#[tokio::test]
async fn message_of_a_stranger_with_thousands_of_nested_elements_ends_neither_process_nor_session() {
    for version in VERSIONS {
        // More than some hundred levels Prosody cannot store.
        survives(&Prosody::start(version, &ACCOUNTS), "nest 4000", "nest 100").await;
    }
    // At 4000 levels this ejabberd itself is gone.
    survives(&Ejabberd::start(&ACCOUNTS), "nest 500", "nest 500").await;
}

#[tokio::test]
async fn message_of_a_stranger_with_a_long_attribute_does_not_end_the_session() {
    for version in VERSIONS {
        survives(&Prosody::start(version, &ACCOUNTS), "stretch 20000", "stretch 20000").await;
    }
    survives(&Ejabberd::start(&ACCOUNTS), "stretch 20000", "stretch 20000").await;
}
