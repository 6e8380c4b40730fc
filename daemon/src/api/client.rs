//! Sends a request and reads the answer's stream, again where that may help.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client as Http, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use nuketown::Problem;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring;

use super::{
    answer::{Answer, Assembly, StreamError},
    failure::{Failure, visible},
    price::Usage,
    retry::{Patience, retry_after},
    sse::Parser,
};

/// The protocol's version, which the API wants to be told.
const VERSION: &str = "2023-06-01";
/// The most that is read of an error's body.
const ERROR_MAX: usize = 64 * 1024;

/// A connection to the API. Clones share it.
#[derive(Clone)]
pub struct Client {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Uri,
    host: String,
    key: HeaderValue,
    patience: Patience,
}

/// Without the key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the API at `base` (`https://api.anthropic.com`) with the account's `key`.
    ///
    /// # Errors
    ///
    /// The address is none of HTTPS, or of HTTP on this machine; the key cannot be sent in a header; or the system trusts no
    /// certificate authority.
    pub fn new(base: &str, key: &str, patience: Patience) -> Result<Self, Problem> {
        let wrong = |why: String| Problem::new("cannot use the AI API", why);
        let endpoint = endpoint(base).map_err(|why| wrong(format!("api.url is {base:?}: {why}")))?;
        let mut key = HeaderValue::from_str(key.trim())
            .map_err(|_| wrong("the key has characters that no key has".to_owned()))?;
        if key.is_empty() {
            return Err(wrong("the key is empty".to_owned())
                .hint("check the file that api.key_file of daemon.toml names"));
        }
        key.set_sensitive(true);
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(patience.connect));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(ring::default_provider())
            .map_err(|why| wrong(format!("no certificate authority is trusted: {why}")))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http =
            Http::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(30)).build(connector);
        let host = endpoint.host().unwrap_or_default().to_owned();
        Ok(Self { http, endpoint, host, key, patience })
    }

    /// Sends `request` (the body of `POST /v1/messages`, streaming) until there is a whole answer.
    ///
    /// `spent` grows by what every attempt took, those that failed or were dropped in the middle too. `on_retry` hears why there
    /// is another attempt, and after which pause.
    ///
    /// # Errors
    ///
    /// The last attempt's failure.
    pub async fn ask(
        &self,
        request: &Value,
        spent: &mut Usage,
        on_retry: &mut (dyn FnMut(&Failure, Duration) + Send),
    ) -> Result<Answer, Failure> {
        let body = Bytes::from(request.to_string());
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failure = match self.attempt(body.clone(), spent).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = self.patience.pause_after(attempt, failure.retry_after(), rand::random());
            let Some(pause) = pause.filter(|_| failure.is_transient()) else {
                return Err(failure);
            };
            on_retry(&failure, pause);
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, body: Bytes, spent: &mut Usage) -> Result<Answer, Failure> {
        let response = self.send(body).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let mut reading = Reading { assembly: Assembly::default(), spent, before: Usage::default() };
        self.read(response.into_body(), &mut reading).await?;
        reading.assembly.finish().map_err(|why| self.unusable(&why))
    }

    async fn send(&self, body: Bytes) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::post(self.endpoint.clone())
            .body(Full::new(body))
            .map_err(|why| self.unreachable(&why))?;
        let headers = request.headers_mut();
        headers.insert("x-api-key", self.key.clone());
        headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("nuketown/", env!("CARGO_PKG_VERSION"))));
        let limit = self.patience.first_byte;
        let answered = timeout(limit, self.http.request(request)).await.map_err(|_| self.stalled(limit))?;
        answered.map_err(|why| self.unreachable(&why))
    }

    async fn read(&self, mut body: Incoming, reading: &mut Reading<'_>) -> Result<(), Failure> {
        let mut parser = Parser::default();
        let limit = self.patience.stall;
        while !reading.assembly.is_over() {
            let Some(frame) = timeout(limit, body.frame()).await.map_err(|_| self.stalled(limit))? else {
                break;
            };
            let frame = frame.map_err(|why| self.cut(&why))?;
            let Some(bytes) = frame.data_ref() else { continue };
            let events = parser.push(bytes).map_err(|_| self.unusable(&StreamError::TooLarge))?;
            for event in &events {
                let taken = reading.assembly.take(event);
                reading.count();
                taken.map_err(|why| self.unusable(&why))?;
            }
        }
        Ok(())
    }

    /// The failure that an answer with another status than 200 is.
    async fn refusal(&self, response: Response<Incoming>) -> Failure {
        let (status, asked) = (response.status().as_u16(), asked(response.headers()));
        let mut text = Vec::new();
        let mut body = response.into_body();
        while text.len() < ERROR_MAX {
            let Ok(Some(Ok(frame))) = timeout(self.patience.stall, body.frame()).await else { break };
            text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        text.truncate(ERROR_MAX);
        let Refusal { error } = serde_json::from_slice(&text).unwrap_or_else(|_| Refusal {
            error: Reason {
                kind: "no message of the API".to_owned(),
                message: String::from_utf8_lossy(&text).into_owned(),
            },
        });
        Failure::Status {
            host: self.host.clone(),
            status,
            kind: visible(&error.kind),
            message: visible(&error.message),
            retry_after: asked,
        }
    }

    fn unreachable(&self, why: &dyn std::error::Error) -> Failure {
        Failure::Unreachable { host: self.host.clone(), why: chain(why) }
    }

    fn stalled(&self, after: Duration) -> Failure {
        Failure::Stalled { host: self.host.clone(), after }
    }

    fn cut(&self, why: &hyper::Error) -> Failure {
        let why = format!("the stream broke off: {}", chain(why));
        Failure::Unusable { host: self.host.clone(), why, is_transient: true }
    }

    fn unusable(&self, why: &StreamError) -> Failure {
        let is_transient = match why {
            StreamError::Reported { kind, .. } => {
                matches!(
                    kind.as_str(),
                    "overloaded_error" | "api_error" | "rate_limit_error" | "timeout_error"
                )
            }
            StreamError::Malformed(_) => true,
            StreamError::TooLarge => false,
        };
        Failure::Unusable { host: self.host.clone(), why: visible(&why.to_string()), is_transient }
    }
}

/// An answer on its way. What it took is counted as it is told, since the reader may be dropped at any time.
struct Reading<'a> {
    assembly: Assembly,
    spent: &'a mut Usage,
    /// What of this answer is in `spent` already.
    before: Usage,
}

impl Reading<'_> {
    fn count(&mut self) {
        let now = self.assembly.usage();
        *self.spent = self.spent.plus(&Usage {
            input: now.input - self.before.input,
            output: now.output - self.before.output,
            cache_write: now.cache_write - self.before.cache_write,
            cache_read: now.cache_read - self.before.cache_read,
        });
        self.before = now;
    }
}

/// The body of an error.
#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

/// What the headers ask to wait.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    headers.get(hyper::header::RETRY_AFTER)?.to_str().ok().and_then(retry_after)
}

/// Where messages are sent to, below the address `base`.
fn endpoint(base: &str) -> Result<Uri, String> {
    let endpoint: Uri =
        format!("{}/v1/messages", base.trim_end_matches('/')).parse().map_err(|why| format!("{why}"))?;
    let host = endpoint.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let is_here =
        host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    match endpoint.scheme_str() {
        Some("https") => Ok(endpoint),
        Some("http") if is_here => Ok(endpoint),
        Some("http") => Err("the key would cross the network unencrypted; use https".to_owned()),
        _ => Err("expected an address that begins with https://".to_owned()),
    }
}

/// An error with all its causes, for there is nothing else that shows them.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    visible(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_sent_over_tls_or_to_this_machine_only() {
        for base in [
            "https://api.anthropic.com",
            "https://proxy.example/x/",
            "http://127.0.0.1:80",
            "http://[::1]:8080",
            "http://localhost:1",
        ] {
            assert!(endpoint(base).unwrap().path().ends_with("/v1/messages"), "{base}");
        }
        for base in [
            "http://api.anthropic.com",
            "http://127.0.0.1.evil.example",
            "ftp://x",
            "api.anthropic.com",
            "",
            "http://10.0.0.1",
        ] {
            assert!(endpoint(base).is_err(), "{base}");
        }
    }

    #[test]
    fn client_does_not_show_its_key() {
        let client = Client::new("https://api.anthropic.com", "sk-secret", Patience::default()).unwrap();
        assert!(!format!("{client:?}").contains("secret"));
        for key in ["", " \n", "a\nb: c"] {
            let problem = Client::new("https://api.anthropic.com", key, Patience::default()).unwrap_err();
            assert!(!problem.to_string().contains("b: c"));
        }
    }
}
