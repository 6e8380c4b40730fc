//! A session under test, with its events read one by one.

use std::time::Duration;

use nuketown_xmpp::jid::Jid;
use nuketown_xmpp::parsers::message::{Lang, Message};
use nuketown_xmpp::{Config, Event, Events, Handle, Incoming, start};

/// For an event that is expected; no test waits as long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    pub(crate) handle: Handle,
    pub(crate) events: Events,
}

impl Client {
    pub(crate) fn start(config: &Config) -> Self {
        let (handle, events) = start(config).unwrap();
        Self { handle, events }
    }

    /// The next event that `wanted` takes; those before it are passed over.
    pub(crate) async fn sees<T>(&mut self, what: &str, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let mut passed = Vec::new();
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let event =
                    self.events.next().await.unwrap_or_else(|| panic!("the session ended before {what}"));
                let shown = format!("{event:?}");
                match wanted(event) {
                    Some(found) => return found,
                    None => passed.push(shown),
                }
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("{what} did not come, but {passed:#?}"))
    }

    /// The next event, whatever it is.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.events.next()).await.expect("an event, or the end")
    }

    pub(crate) async fn is_online(&mut self, expected: bool) -> Jid {
        let (jid, fresh) = self
            .sees("being online", |event| match event {
                Event::Online { jid, fresh } => Some((jid, fresh)),
                _ => None,
            })
            .await;
        assert_eq!(fresh, expected, "whether the bind is fresh");
        jid.into()
    }

    /// The next message with a body.
    pub(crate) async fn message(&mut self) -> Incoming {
        self.sees("a message", |event| match event {
            Event::Message(incoming) if !incoming.message.bodies.is_empty() => Some(*incoming),
            _ => None,
        })
        .await
    }
}

pub(crate) fn chat(to: &str, text: &str) -> Message {
    Message::chat(to.parse::<Jid>().unwrap()).with_body(Lang::new(), text.into())
}

pub(crate) fn body(incoming: &Incoming) -> &str {
    incoming.body().expect("one body")
}
