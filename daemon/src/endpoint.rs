//! The metrics endpoint: HTTP/1.1 on the loopback interface or a Unix socket, one request a connection (RFC 9112).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::store::Store;

/// Bytes of a request's head at most.
const HEAD_MAX: usize = 8 * 1024;
/// For a request to come and its answer to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where metrics are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this address of the loopback interface.
    Loopback(SocketAddr),
    /// At this Unix socket.
    Socket(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Socket(path.into()))
            } else {
                Err("expected an absolute path behind unix:".to_owned())
            };
        }
        let address: SocketAddr = text
            .parse()
            .map_err(|_| "expected ADDRESS:PORT, such as 127.0.0.1:9187, or unix:PATH".to_owned())?;
        // What an agent spends and does is nobody's business on the network.
        if address.ip().is_loopback() {
            Ok(Self::Loopback(address))
        } else {
            Err(format!("{} is no loopback address", address.ip()))
        }
    }
}

/// What is told.
#[derive(Clone, Debug)]
pub struct Source {
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// What is waiting and was spent.
    pub store: Store,
}

/// A listener at a [`Place`].
#[derive(Debug)]
pub enum Listening {
    /// On the loopback interface.
    Loopback(TcpListener),
    /// On a Unix socket.
    Socket(UnixListener),
}

impl Listening {
    /// Listens.
    ///
    /// # Errors
    ///
    /// The place is taken or cannot be used.
    pub async fn at(place: &Place) -> std::io::Result<Self> {
        match place {
            Place::Loopback(address) => TcpListener::bind(address).await.map(Self::Loopback),
            Place::Socket(path) => {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
                UnixListener::bind(path).map(Self::Socket)
            }
        }
    }

    /// Tells until it is told to stop.
    pub async fn serve(self, source: Source, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.answer(&source) => accepted,
            };
            if let Err(error) = accepted {
                tracing::debug!(%error, "a scrape failed");
                tokio::task::yield_now().await;
            }
        }
    }

    /// One connection after the other: scrapes are rare and short.
    async fn answer(&self, source: &Source) -> std::io::Result<()> {
        match self {
            Self::Loopback(listener) => tell(listener.accept().await?.0, source).await,
            Self::Socket(listener) => tell(listener.accept().await?.0, source).await,
        }
    }
}

async fn tell(mut stream: impl AsyncRead + AsyncWrite + Unpin, source: &Source) -> std::io::Result<()> {
    let exchange = async {
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_MAX {
            let mut part = [0; 1024];
            match stream.read(&mut part).await? {
                0 => break,
                read => head.extend_from_slice(&part[..read]),
            }
        }
        stream.write_all(response(&head, source).as_bytes()).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|elapsed| Err(elapsed.into()))
}

fn response(head: &[u8], source: &Source) -> String {
    let (status, body) = match target(head) {
        Some(("GET", "/metrics")) => match body(source) {
            Ok(body) => ("200 OK", body),
            Err(error) => ("500 Internal Server Error", format!("{error}\n")),
        },
        Some(("GET", _)) => ("404 Not Found", "the metrics are at /metrics\n".to_owned()),
        Some(_) => ("405 Method Not Allowed", "only GET\n".to_owned()),
        None => ("400 Bad Request", "no request of HTTP/1.1\n".to_owned()),
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn body(source: &Source) -> Result<String, crate::store::StoreError> {
    Ok(source.metrics.text(source.store.count_waiting()?, &source.store.spent_ever()?))
}

/// Method and path of a whole head; a query does not matter.
fn target(head: &[u8]) -> Option<(&str, &str)> {
    let end = head.windows(4).position(|end| end == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&head[..end]).ok()?;
    let mut words = head.lines().next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let whole = words.next().is_none() && version.starts_with("HTTP/1.") && target.starts_with('/');
    whole.then(|| (method, target.split('?').next().unwrap_or(target)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn metrics_are_told_on_the_machine_only() {
        assert_eq!("127.0.0.1:9187".parse(), Ok(Place::Loopback("127.0.0.1:9187".parse().unwrap())));
        assert_eq!("unix:/run/x".parse(), Ok(Place::Socket("/run/x".into())));
        assert!("[::1]:9187".parse::<Place>().is_ok());
        for bad in ["0.0.0.0:9187", "10.0.0.1:1", "localhost:1", "9187", "unix:x", ""] {
            assert!(bad.parse::<Place>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_a_whole_request_for_the_metrics_gets_them() {
        let directory = tempfile::tempdir().unwrap();
        let source =
            Source { metrics: Arc::new(Metrics::default()), store: Store::open(directory.path()).unwrap() };
        let said = |head: &str| response(head.as_bytes(), &source);
        let told = said("GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(
            told.starts_with("HTTP/1.1 200 OK\r\n") && told.contains("\nnuketown_tasks_waiting 0\n"),
            "{told}"
        );
        for line in told.split("\r\n\r\n").nth(1).unwrap().lines() {
            assert!(
                line.starts_with("# ") || line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(),
                "{line}"
            );
        }
        assert!(said("GET / HTTP/1.1\r\n\r\n").contains("404"));
        assert!(said("POST /metrics HTTP/1.1\r\n\r\n").contains("405"));
        for bad in ["GET /metrics HTTP/1.1\r\n", "GET /metrics\r\n\r\n", "GET /metrics HTTP/2\r\n\r\n", ""] {
            assert!(said(bad).contains("400"), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_head_is_read_or_refused_without_a_panic(head in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = target(&head);
        }
    }
}
