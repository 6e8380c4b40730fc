//! A connection of which the stream library sees only what it can carry; see [`Tags`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::tags::{Refused, Tags};

/// Bytes that are read at once.
const CHUNK: usize = 8192;
/// How the library begins to wish for a resumption (XEP-0198 section 5): the first that it writes on a new connection.
const RESUME: &[u8] = b"<resume ";

/// A connection with its own buffer.
#[derive(Debug)]
pub(crate) struct Sieve<S> {
    inner: S,
    tags: Tags,
    chunk: Box<[u8]>,
    /// What may be read, from `taken` on.
    sifted: Vec<u8>,
    taken: usize,
    refused: Option<Refused>,
}

impl<S> Sieve<S> {
    /// Sifts `inner`, on which a stream is about to begin.
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            tags: Tags::new(),
            chunk: vec![0; CHUNK].into(),
            sifted: Vec::new(),
            taken: 0,
            refused: None,
        }
    }

    /// The connection itself, unless something came that has not been read.
    pub(crate) fn into_inner(self) -> Option<S> {
        (self.tags.is_between() && self.taken == self.sifted.len() && self.refused.is_none())
            .then_some(self.inner)
    }
}

impl<S: AsyncRead + Unpin> AsyncBufRead for Sieve<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.taken == this.sifted.len() {
            if let Some(refused) = this.refused {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refused)));
            }
            this.sifted.clear();
            this.taken = 0;
            let mut chunk = ReadBuf::new(&mut this.chunk);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                break;
            }
            this.refused = this.tags.sift(chunk.filled(), &mut this.sifted).err();
        }
        Poll::Ready(Ok(&this.sifted[this.taken..]))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.taken = (self.taken + count).min(self.sifted.len());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sieve<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(context))?;
        let count = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sieve<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.starts_with(RESUME) {
            self.tags.resuming();
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_came_before_a_refusal_is_read_and_then_the_refusal_for_ever() {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"<a>text<!-- comment --></a>").await.unwrap();
        let mut sieve = Sieve::new(near);
        let mut bytes = [0; 7];
        sieve.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"<a>text");
        for _ in 0..2 {
            let error = sieve.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains("section 11.1"), "{error}");
        }
        assert!(sieve.into_inner().is_none());
    }

    #[tokio::test]
    async fn connection_with_bytes_that_were_not_read_is_not_given_back() {
        for (rest, is_given) in [("", true), ("<", false), ("x", false), ("<proceed", false), ("<b/>", false)]
        {
            let (near, mut far) = tokio::io::duplex(1024);
            far.write_all(format!("<a/>{rest}").as_bytes()).await.unwrap();
            let mut sieve = Sieve::new(near);
            sieve.read_exact(&mut [0; 4]).await.unwrap();
            assert_eq!(sieve.into_inner().is_some(), is_given, "{rest:?}");
        }
    }

    #[tokio::test]
    async fn end_of_the_connection_is_passed_on() {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"<a>").await.unwrap();
        drop(far);
        let mut bytes = Vec::new();
        Sieve::new(near).read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"<a>");
    }
}
