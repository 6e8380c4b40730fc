//! From nothing to a stream that is encrypted and logged in, ready to be bound.
//!
//! # Invariants
//!
//! - Nothing but the request for encryption goes through an unencrypted connection, and what came through it is not
//!   believed: bytes that follow the answer in the clear end the attempt (they could have been put there by anybody).
//! - A redirection (`see-other-host`) is not followed: it would send the login to a host that the user did not name.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_xmpp::xmlstream::{
    FallibleStreamElement, PendingFeaturesRecv, ReadError, RecvFeaturesError, StreamHeader, Timeouts,
    XmppStream, XmppStreamElement, initiate_stream,
};
use xmpp_parsers::jid::Jid;
use xmpp_parsers::ns::JABBER_CLIENT;
use xmpp_parsers::starttls::{Nonza, Request};
use xmpp_parsers::stream_features::StreamFeatures;

use crate::config::{Config, ConfigError, Keepalive, Security, Server};
use crate::dns::{DnsError, NameServers, Target, targets};
use crate::login::{LoginError, login};
use crate::sieve::Sieve;
use crate::tap::{Record, Tap};
use crate::{Secret, tls};

/// For everything from the address to the login.
const PATIENCE: Duration = Duration::from_secs(30);
/// For one address to accept a connection, so that a second one gets its turn.
const CONNECTION: Duration = Duration::from_secs(10);

/// A stream with the login behind it.
pub(crate) struct Dialled {
    pub(crate) stream: tokio_xmpp::stanzastream::XmppStream,
    pub(crate) features: StreamFeatures,
    pub(crate) record: Arc<Record>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The server's address is not known.
    #[error("cannot find the server of {domain}: {source}")]
    Address {
        /// The account's domain.
        domain: String,
        /// What the lookup says.
        source: DnsError,
    },
    /// Nobody answers.
    #[error("cannot connect to {place}: {source}")]
    Connect {
        /// Host and port.
        place: String,
        /// What the system says.
        source: io::Error,
    },
    /// The server offers no encryption, or somebody on the way took the offer out.
    #[error("the server offers no encryption (STARTTLS); nothing was sent to it")]
    NoEncryption,
    /// Data in the clear followed the answer to STARTTLS.
    #[error("unencrypted data followed the start of encryption; somebody on the way may have put it there")]
    Injected,
    /// The server could not be verified, or TLS failed otherwise.
    #[error("no encrypted connection for {domain}: {source}")]
    Tls {
        /// The account's domain, which the certificate must be for.
        domain: String,
        /// What the TLS library says.
        source: io::Error,
    },
    /// The login failed.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The stream could not be opened.
    #[error("the stream to the server broke while it was opened: {why}")]
    Stream {
        /// The server's stream error, or the system's.
        why: String,
    },
    /// The server is no client's server.
    #[error("the server offers no session after the login (RFC 6120 section 7)")]
    NoBind,
    /// Nothing happened for too long.
    #[error("the server did not finish the login within 30 seconds")]
    TimedOut,
}

impl DialError {
    /// Whether to give up: the login would be refused again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Login(error) if error.is_final())
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Stream { why: error.to_string() }
    }
}

impl From<RecvFeaturesError> for DialError {
    fn from(error: RecvFeaturesError) -> Self {
        Self::Stream { why: error.to_string() }
    }
}

type Encrypted = Sieve<Tap<TlsStream<TcpStream>>>;

/// Dials one account's server, again and again.
pub(crate) struct Dialler {
    name_servers: NameServers,
    server: Server,
    security: Security,
    tls: TlsConnector,
    name: ServerName<'static>,
    domain: String,
    account: String,
    password: Secret,
    timeouts: Timeouts,
}

impl Dialler {
    /// Prepares what does not change from one attempt to the next.
    ///
    /// # Errors
    ///
    /// The account names no user, its domain cannot be verified, or the authorities cannot be read.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let account = config.jid.node().ok_or_else(|| ConfigError::NoAccount { jid: config.jid.clone() })?;
        Ok(Self {
            name_servers: NameServers::System,
            server: config.server.clone(),
            security: config.security,
            tls: tls::connector(&config.authorities, config.security)?,
            name: server_name(&config.jid)?,
            domain: config.jid.domain().to_string(),
            account: account.to_string(),
            password: config.password.clone(),
            timeouts: timeouts(config.keepalive),
        })
    }

    /// One attempt, within half a minute.
    ///
    /// # Errors
    ///
    /// See [`DialError`].
    pub(crate) async fn dial(&self) -> Result<Dialled, DialError> {
        tokio::time::timeout(PATIENCE, self.attempt()).await.map_err(|_| DialError::TimedOut)?
    }

    async fn attempt(&self) -> Result<Dialled, DialError> {
        let connection = self.connect().await?;
        let plain = match self.security {
            Security::StartTls => self.request_encryption(connection).await?,
            Security::Direct => connection,
        };
        let encrypted = self
            .tls
            .connect(self.name.clone(), plain)
            .await
            .map_err(|source| DialError::Tls { domain: self.domain.clone(), source })?;
        let (tap, record) = Tap::new(encrypted);
        let (features, stream): (_, XmppStream<Encrypted>) =
            self.open(Sieve::new(tap)).await?.recv_features().await?;
        let sieve = login(stream, &features.sasl_mechanisms, &self.account, &self.password).await?;
        let tap = sieve.into_inner().ok_or_else(|| DialError::Stream {
            why: "the server went on after the login without a new stream (RFC 6120 section 6.4.6)"
                .to_owned(),
        })?;
        let (features, stream): (_, XmppStream<Encrypted>) =
            self.open(Sieve::new(tap)).await?.recv_features().await?;
        if !features.can_bind() {
            return Err(DialError::NoBind);
        }
        Ok(Dialled { stream: stream.box_stream(), features, record })
    }

    /// A connection to the first target that takes it.
    async fn connect(&self) -> Result<TcpStream, DialError> {
        let targets = targets(self.name_servers, &self.server, self.security, &self.domain)
            .await
            .map_err(|source| DialError::Address { domain: self.domain.clone(), source })?;
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        let mut place = self.domain.clone();
        for Target { host, port } in targets {
            let connected = tokio::time::timeout(CONNECTION, TcpStream::connect((host.as_str(), port)));
            place = format!("{host} port {port}");
            match connected.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => {
                    // Stanzas are small, and each is waited for: Nagle's algorithm would hold every second one back.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(DialError::Connect { place, source: last })
    }

    /// Asks for encryption in the clear, and hands the bare connection back once the server agrees.
    async fn request_encryption(&self, connection: TcpStream) -> Result<TcpStream, DialError> {
        let (features, mut stream): (_, XmppStream<Sieve<TcpStream>>) =
            self.open(Sieve::new(connection)).await?.recv_features().await?;
        if !features.can_starttls() {
            return Err(DialError::NoEncryption);
        }
        stream.send(&XmppStreamElement::Starttls(Nonza::Request(Request))).await?;
        loop {
            let element =
                stream.next().await.map(|element| element.and_then(FallibleStreamElement::into_read_error));
            match element {
                Some(Ok(XmppStreamElement::Starttls(Nonza::Proceed(_)))) => break,
                Some(Err(ReadError::SoftTimeout)) => {}
                Some(Ok(_)) | None => return Err(refused_encryption("it answered with something else")),
                Some(Err(error)) => return Err(refused_encryption(&error.to_string())),
            }
        }
        stream.into_inner().into_inner().ok_or(DialError::Injected)
    }

    async fn open<S>(&self, connection: S) -> Result<PendingFeaturesRecv<S>, DialError>
    where
        S: tokio::io::AsyncBufRead + tokio::io::AsyncWrite + Unpin,
    {
        Ok(initiate_stream(connection, JABBER_CLIENT, self.header(), self.timeouts).await?)
    }

    fn header(&self) -> StreamHeader<'_> {
        StreamHeader { to: Some(Cow::Borrowed(&self.domain)), from: None, id: None }
    }
}

fn refused_encryption(why: &str) -> DialError {
    DialError::Stream { why: format!("the server did not start encryption: {why}") }
}

/// The name that the certificate must be for: the account's domain, in the form of DNS.
fn server_name(jid: &Jid) -> Result<ServerName<'static>, ConfigError> {
    let domain = jid.domain().as_str();
    let ascii = hickory_resolver::proto::rr::Name::from_utf8(domain).map(|name| name.to_ascii());
    let bare = domain.trim_matches(['[', ']']);
    let name = match (bare.parse::<std::net::IpAddr>(), ascii) {
        (Ok(address), _) => Some(ServerName::from(address)),
        (_, Ok(ascii)) => ServerName::try_from(ascii.trim_end_matches('.').to_owned()).ok(),
        _ => None,
    };
    name.ok_or_else(|| ConfigError::Domain { domain: domain.to_owned() })
}

fn timeouts(keepalive: Keepalive) -> Timeouts {
    Timeouts { read_timeout: keepalive.silence, response_timeout: keepalive.answer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Authorities;
    use crate::name_server::{NameServer, Reply};
    use nuketown_xmpp_testing::{Certificates, free_port};

    /// The targets of the domain are these ports here, in this order.
    async fn dialler(ports: &[u16]) -> (Dialler, NameServer) {
        let directory = tempfile::tempdir().unwrap();
        let authority = Certificates::new(directory.path(), &["chat.example"]).authority;
        let config = Config {
            authorities: Authorities::File(authority),
            ..Config::new("ada@chat.example".parse().unwrap(), Secret::new("x".into()))
        };
        let records = (1..).zip(ports).map(|(priority, &port)| (priority, 0, port, "127.0.0.1."));
        let names = NameServer::start(Reply::Records(records.collect())).await;
        let mut dialler = Dialler::new(&config).unwrap();
        dialler.name_servers = names.asked();
        (dialler, names)
    }

    #[tokio::test]
    async fn target_that_nobody_listens_at_is_followed_by_the_next_one() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (dialler, _names) = dialler(&[free_port(), port]).await;
        assert_eq!(dialler.connect().await.unwrap().peer_addr().unwrap().port(), port);
    }

    #[tokio::test]
    async fn last_target_is_named_when_nobody_listens_at_any() {
        let (first, last) = (free_port(), free_port());
        let (dialler, _names) = dialler(&[first, last]).await;
        let error = dialler.connect().await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot connect to 127.0.0.1 port {last}: ")), "{error}");
    }

    #[test]
    fn certificate_is_for_the_domain_in_the_form_of_dns() {
        let name = |jid: &str| server_name(&jid.parse().unwrap()).map(|name| name.to_str().into_owned());
        assert_eq!(name("ada@chat.example/x").unwrap(), "chat.example");
        assert_eq!(name("ada@bücher.example").unwrap(), "xn--bcher-kva.example");
        assert_eq!(name("ada@[::1]").unwrap(), "::1");
    }

    #[test]
    fn account_without_a_user_is_refused_with_the_fix() {
        let config = Config::new("chat.example".parse().unwrap(), Secret::new("x".into()));
        let error = Dialler::new(&config).err().unwrap().to_string();
        assert_eq!(error, "`chat.example` names a server and no account; write it as account@chat.example");
    }
}
