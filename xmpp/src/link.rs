//! Gives the stream a new connection whenever it wants one: after a delay, and with a reason for the last end.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_xmpp::stanzastream::Connection;
use tokio_xmpp::xmlstream::{StreamHeader, Timeouts, initiate_stream};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::ns::JABBER_CLIENT;

use crate::config::{Config, ConfigError};
use crate::dial::{DialError, Dialled, Dialler};
use crate::event::Reason;
use crate::schedule::{Ended, Schedule};
use crate::tap::Record;

/// Where the stream waits for its next connection. The stream library takes it for a fault of its own if this is dropped,
/// and panics; so it is always answered, at the end by [`release`].
pub(crate) type Slot = oneshot::Sender<Connection>;

type Attempt = Pin<Box<dyn Future<Output = Result<Dialled, DialError>> + Send>>;

/// The connections of one session, one after the other.
pub(crate) struct Link {
    dialler: Arc<Dialler>,
    jid: Jid,
    answer: Duration,
    schedule: Schedule,
    slot: Option<Slot>,
    attempt: Option<Attempt>,
    current: Option<(Instant, Arc<Record>)>,
}

/// A new attempt is under way.
pub(crate) struct Retrying {
    pub(crate) reason: Reason,
    pub(crate) delay: Duration,
}

impl Link {
    /// Nothing is dialled yet.
    ///
    /// # Errors
    ///
    /// The configuration cannot work.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            dialler: Arc::new(Dialler::new(config)?),
            jid: config.jid.clone(),
            answer: config.keepalive.answer,
            schedule: Schedule::new(),
            slot: None,
            attempt: None,
            current: None,
        })
    }

    /// The stream wants a connection. Says why the last one ended, if there was one.
    pub(crate) fn wanted(&mut self, slot: Slot) -> Option<Retrying> {
        self.slot = Some(slot);
        let Some((since, record)) = self.current.take() else {
            self.dial_after(Duration::ZERO);
            return None;
        };
        let reason = record.reason(self.answer);
        let ended = match reason {
            Reason::Conflict => Ended::Conflict(since.elapsed()),
            _ => Ended::Lost(since.elapsed()),
        };
        Some(self.again(reason, ended))
    }

    /// Waits for the attempt under way; for ever if there is none. May be dropped and called again.
    pub(crate) async fn attempted(&mut self) -> Result<Dialled, DialError> {
        match &mut self.attempt {
            Some(attempt) => {
                let result = attempt.await;
                self.attempt = None;
                result
            }
            None => std::future::pending().await,
        }
    }

    /// The attempt succeeded: the stream gets its connection.
    pub(crate) fn succeeded(&mut self, dialled: Dialled) {
        let Dialled { stream, mut features, record } = dialled;
        if !self.schedule.management() {
            // What is not offered is not resumed: the library forgets what it would have sent again.
            features.stream_management = None;
        }
        self.current = Some((Instant::now(), record));
        if let Some(slot) = self.slot.take() {
            // If the stream is gone, so is the wish for a connection.
            drop(slot.send(Connection { stream, features, identity: self.jid.clone() }));
        }
    }

    /// The attempt failed, and there will be another one.
    pub(crate) fn failed(&mut self, error: DialError) -> Retrying {
        self.again(Reason::Unreachable(error), Ended::Unreachable)
    }

    /// Gives up: what was waiting for a connection.
    pub(crate) fn give_up(&mut self) -> Option<Slot> {
        self.attempt = None;
        self.slot.take()
    }

    fn again(&mut self, reason: Reason, ended: Ended) -> Retrying {
        let delay = self.schedule.next(ended, rand::random_range(0.0..=1.0)).delay;
        self.dial_after(delay);
        Retrying { reason, delay }
    }

    fn dial_after(&mut self, delay: Duration) {
        let dialler = Arc::clone(&self.dialler);
        self.attempt = Some(Box::pin(async move {
            tokio::time::sleep(delay).await;
            dialler.dial().await
        }));
    }
}

/// Answers a slot for which there will be no connection, with one in memory that ends at once. The library's worker then
/// sees that it is not wanted any more, and ends.
pub(crate) async fn release(slot: Slot, jid: &Jid) {
    match ended(jid).await {
        Ok(connection) => drop(slot.send(connection)),
        // Rather a worker that waits for ever than one that panics.
        Err(_) => std::mem::forget(slot),
    }
}

async fn ended(jid: &Jid) -> io::Result<Connection> {
    let (near, mut far) = tokio::io::duplex(4096);
    far.write_all(
        b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>\
          <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>",
    )
    .await?;
    let header = StreamHeader { to: None, from: None, id: None };
    let stream = initiate_stream(BufReader::new(near), JABBER_CLIENT, header, Timeouts::default()).await?;
    let (features, stream) = stream.recv_features().await.map_err(io::Error::other)?;
    drop(far);
    Ok(Connection { stream: stream.box_stream(), features, identity: jid.clone() })
}
