//! Watches a connection, so that its end can be explained.
//!
//! The stream library says that a connection ended and not why, and a conflict must be told from a crash. So what comes out
//! of TLS is watched: the last bytes are kept, and the error or end of file.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stream_error::{DefinedCondition, StreamError};

use crate::event::Reason;

/// Bytes that are kept: a stream error with its words.
const TAIL: usize = 2048;

/// What is known of a connection from outside of the library.
#[derive(Debug)]
pub(crate) struct Record(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    tail: VecDeque<u8>,
    heard: Instant,
    end: Option<End>,
}

#[derive(Clone, Debug)]
enum End {
    Closed,
    Failed(String),
}

impl Record {
    fn new() -> Self {
        Self(Mutex::new(Seen { tail: VecDeque::new(), heard: Instant::now(), end: None }))
    }

    /// Why the connection ended, now that it has. `answer` is the time in which the server had to answer.
    pub(crate) fn reason(&self, answer: Duration) -> Reason {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = stream_error(seen.tail.make_contiguous()) {
            return match error.condition {
                DefinedCondition::Conflict => Reason::Conflict,
                _ => Reason::StreamError(error.to_string()),
            };
        }
        let is_closed = seen.tail.make_contiguous().trim_ascii_end().ends_with(b"</stream:stream>");
        match &seen.end {
            _ if is_closed => Reason::Closed,
            Some(End::Closed) => Reason::Closed,
            Some(End::Failed(why)) => Reason::Network(why.clone()),
            None if seen.heard.elapsed() >= answer => Reason::Silent,
            None => Reason::Malformed,
        }
    }

    fn heard(&self, bytes: &[u8]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &bytes[bytes.len().saturating_sub(TAIL)..];
        let excess = (seen.tail.len() + kept.len()).saturating_sub(TAIL);
        seen.tail.drain(..excess);
        seen.tail.extend(kept);
        seen.heard = Instant::now();
    }

    fn ended(&self, end: End) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).end.get_or_insert(end);
    }
}

/// The stream error (RFC 6120 section 4.9) that a connection ended with.
///
/// Only as the very last element: a stanza may carry an element of that name, and then its own end tag follows.
fn stream_error(tail: &[u8]) -> Option<StreamError> {
    let text = String::from_utf8_lossy(tail);
    let text = text.trim_end();
    let text = text.strip_suffix("</stream:stream>").unwrap_or(text).trim_end();
    if !text.ends_with("</stream:error>") {
        return None;
    }
    let error = &text[text.rfind("<stream:error")?..];
    let whole = format!(
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>{error}</stream:stream>"
    );
    let root: Element = whole.parse().ok()?;
    let element = root.children().next()?.clone();
    StreamError::try_from(element).ok()
}

/// A connection that is watched.
#[derive(Debug)]
pub(crate) struct Tap<S> {
    inner: S,
    record: Arc<Record>,
}

impl<S> Tap<S> {
    /// Watches `inner`; what is seen is in the record.
    pub(crate) fn new(inner: S) -> (Self, Arc<Record>) {
        let record = Arc::new(Record::new());
        (Self { inner, record: Arc::clone(&record) }, record)
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| self.record.ended(End::Failed(error.to_string())))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        self.note(result)?;
        match &buffer.filled()[before..] {
            [] if buffer.remaining() > 0 => self.record.ended(End::Closed),
            bytes => self.record.heard(bytes),
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write(context, bytes));
        Poll::Ready(self.note(result))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.inner).poll_flush(context));
        Poll::Ready(self.note(result))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const CONFLICT: &str = "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
        <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced</text></stream:error>";

    async fn reason_after(bytes: &str) -> Reason {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let (mut tap, record) = Tap::new(near);
        far.write_all(bytes.as_bytes()).await.unwrap();
        drop(far);
        tap.read_to_end(&mut Vec::new()).await.unwrap();
        record.reason(Duration::from_secs(15))
    }

    #[tokio::test]
    async fn conflict_is_told_from_other_ends() {
        for end in ["", "</stream:stream>", "\n</stream:stream>\n"] {
            assert_eq!(reason_after(&format!("<presence/>{CONFLICT}{end}")).await, Reason::Conflict);
        }
        let other = CONFLICT.replace("conflict", "system-shutdown");
        assert_eq!(reason_after(&other).await, Reason::StreamError("system-shutdown (\"Replaced\")".into()));
        assert_eq!(reason_after("<presence/></stream:stream>").await, Reason::Closed);
    }

    #[tokio::test]
    async fn stanza_that_carries_a_stream_error_is_no_stream_error() {
        let inside = format!("<message>{CONFLICT}</message>");
        assert_eq!(reason_after(&inside).await, Reason::Closed);
        assert_eq!(reason_after(&format!("{inside}</stream:stream>")).await, Reason::Closed);
    }

    #[tokio::test]
    async fn only_the_end_is_kept_and_it_is_enough() {
        let long = format!("<message><body>{}</body></message>{CONFLICT}", "x".repeat(50_000));
        assert_eq!(reason_after(&long).await, Reason::Conflict);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader_of_stream_errors(bytes in prop::collection::vec(any::<u8>(), 0..100), tail in ".{0,80}") {
            stream_error(&bytes);
            stream_error(format!("<stream:error{tail}</stream:error>").as_bytes());
        }
    }
}
