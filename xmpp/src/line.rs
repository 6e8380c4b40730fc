//! What goes out, in order, without ever waiting for the network.
//!
//! The stream library takes a bounded number of stanzas and then makes its caller wait. A session that waits cannot read, and
//! a server that is not read may stop reading too. So it is counted here how many the library still has, and what does not
//! fit stays here.

use std::collections::VecDeque;

use tokio_xmpp::Stanza;
use tokio_xmpp::stanzastream::{StanzaStage, StanzaStream, StanzaToken};

/// Stanzas that the library holds unsent at most. It has room for as many, so that it never makes us wait.
pub(crate) const DEPTH: usize = 64;
/// Answers of the session itself that wait for room at most; further ones are not given. Peers that ask faster than the
/// network carries do not fill the memory.
const BACKLOG: usize = 256;

/// The way out.
#[derive(Default)]
pub(crate) struct Line {
    unsent: VecDeque<StanzaToken>,
    backlog: VecDeque<Stanza>,
}

impl Line {
    /// Sends as soon as there is room. False if too much waits already.
    pub(crate) fn push(&mut self, stanza: impl Into<Stanza>) -> bool {
        let room = self.backlog.len() < BACKLOG;
        if room {
            self.backlog.push_back(stanza.into());
        }
        room
    }

    /// Forgets what waits: it was meant for a session that is gone.
    pub(crate) fn clear(&mut self) {
        self.backlog.clear();
    }

    /// Whether a stanza can be sent now, before nothing else that waits.
    pub(crate) fn is_free(&mut self) -> bool {
        self.backlog.is_empty() && self.has_room()
    }

    /// Sends a stanza. Only where [`is_free`](Self::is_free).
    pub(crate) async fn send(&mut self, stream: &StanzaStream, stanza: Box<Stanza>) -> StanzaToken {
        let token = stream.send(stanza).await;
        self.unsent.push_back(token.clone());
        token
    }

    /// Sends what waits, as far as there is room.
    pub(crate) async fn flush(&mut self, stream: &StanzaStream) {
        while self.has_room()
            && let Some(stanza) = self.backlog.pop_front()
        {
            self.send(stream, Box::new(stanza)).await;
        }
    }

    /// Waits until there is more room than now; for ever if nothing is under way. May be dropped and called again.
    pub(crate) async fn drained(&mut self) {
        match self.unsent.front_mut() {
            Some(token) => {
                // Nothing means that the library dropped it; that is room too.
                drop(token.wait_for(StanzaStage::Sent).await);
                self.unsent.pop_front();
            }
            None => std::future::pending().await,
        }
    }

    fn has_room(&mut self) -> bool {
        while self.unsent.front().is_some_and(|token| token.state() != StanzaStage::Queued) {
            self.unsent.pop_front();
        }
        self.unsent.len() < DEPTH
    }
}
