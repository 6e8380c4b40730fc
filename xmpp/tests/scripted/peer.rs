//! A server that does what the test says, byte by byte.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nuketown_xmpp::{Authorities, Config, Keepalive, Secret, Server};
use nuketown_xmpp_testing::Certificates;
use sasl::common::Password;
use sasl::common::scram::{ScramProvider, Sha1};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// For what is expected of the client; no test waits as long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";
pub(crate) const PROCEED: &str = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
pub(crate) const BIND: &str = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
pub(crate) const BIND_AND_MANAGEMENT: &str =
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>";

pub(crate) fn mechanisms(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("<mechanism>{name}</mechanism>")).collect();
    format!("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</mechanisms>", names.concat())
}

pub(crate) struct Peer {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    directory: TempDir,
}

impl Peer {
    /// Listens, with a certificate for `name`.
    pub(crate) async fn listen(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = Certificates::new(directory.path(), &[name]);
        let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), directory }
    }

    /// A session of `ada@localhost/work` here.
    pub(crate) fn config(&self) -> Config {
        Config {
            server: Server::At { host: "127.0.0.1".into(), port: self.listener.local_addr().unwrap().port() },
            authorities: Authorities::File(self.directory.path().join("authority.pem")),
            keepalive: Keepalive { silence: Duration::from_secs(30), answer: Duration::from_secs(30) },
            ..Config::new("ada@localhost/work".parse().unwrap(), Secret::new("correct horse".into()))
        }
    }

    /// The client's next connection.
    pub(crate) async fn accept(&self) -> Line {
        let accepted = tokio::time::timeout(PATIENCE, self.listener.accept()).await;
        let (stream, _) = accepted.expect("the client connects").unwrap();
        stream.set_nodelay(true).unwrap();
        Line { stream: Box::new(stream), received: String::new() }
    }

    /// The next connection, encrypted.
    pub(crate) async fn accept_encrypted(&self) -> Line {
        let mut line = self.accept().await;
        line.open(STARTTLS).await;
        line.reads("<starttls").await;
        line.sends(PROCEED).await;
        self.encrypt(line).await.unwrap()
    }

    /// Starts TLS; an error if the client does not want it.
    pub(crate) async fn encrypt(&self, line: Line) -> io::Result<Line> {
        let encrypted = tokio::time::timeout(PATIENCE, self.acceptor.accept(line.stream)).await;
        Ok(Line { stream: Box::new(encrypted.expect("TLS")?), received: String::new() })
    }

    /// The next connection, with the login behind it, and these features.
    pub(crate) async fn accept_login(&self, features: &str) -> Line {
        let mut line = self.accept_encrypted().await;
        line.open(&mechanisms(&["SCRAM-SHA-1"])).await;
        let login = line.login(Trick::None).await;
        line.sends(&login).await;
        line.open(features).await;
        line
    }

    /// The next connection, bound, without stream management.
    pub(crate) async fn accept_bound(&self) -> Line {
        let mut line = self.accept_login(BIND).await;
        line.binds().await;
        line
    }

    /// The next connection, bound, with stream management that can be resumed.
    pub(crate) async fn accept_managed(&self) -> Line {
        let mut line = self.accept_login(BIND_AND_MANAGEMENT).await;
        line.binds().await;
        line.reads("<enable").await;
        line.sends("<enabled xmlns='urn:xmpp:sm:3' resume='true' id='stream-1'/>").await;
        line
    }
}

/// What is wrong with the server's side of the login.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    None,
    /// The nonce is not made for this login.
    Replay,
    /// The signature is not made with the password.
    Signature,
    /// There is no signature.
    NoSignature,
    /// The client is to hash once only.
    OneRound,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One connection of the client.
pub(crate) struct Line {
    stream: Box<dyn Stream>,
    received: String,
}

impl Line {
    pub(crate) async fn sends(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Reads up to `text`; what came until then, with it.
    pub(crate) async fn reads(&mut self, text: &str) -> String {
        loop {
            if let Some(place) = self.received.find(text) {
                let rest = self.received.split_off(place + text.len());
                return std::mem::replace(&mut self.received, rest);
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await;
            let count = read.unwrap_or_else(|_| panic!("no {text:?} came, but {:?}", self.received)).unwrap();
            assert_ne!(count, 0, "the client ended the connection without {text:?}, but {:?}", self.received);
            self.received.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    }

    /// Reads until the client ends the connection, which it must; everything that came.
    pub(crate) async fn reads_to_the_end(mut self) -> String {
        let mut bytes = Vec::new();
        // However it ends the connection is fine.
        drop(tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await.expect("the end"));
        self.received + &String::from_utf8_lossy(&bytes)
    }

    /// Answers the client's stream header.
    pub(crate) async fn open(&mut self, features: &str) {
        self.reads("<stream:stream").await;
        self.reads(">").await;
        self.sends(&format!(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='s' from='localhost' version='1.0' \
             xmlns:stream='http://etherx.jabber.org/streams'><stream:features>{features}</stream:features>"
        ))
        .await;
    }

    /// The server's side of SCRAM-SHA-1 (RFC 5802), up to the answer to be sent.
    pub(crate) async fn login(&mut self, trick: Trick) -> String {
        let first = self.reads_base64("<auth").await;
        let first = first.strip_prefix("n,,").expect("no channel binding").to_owned();
        let nonce = first.split_once("r=").unwrap().1;
        let nonce = if trick == Trick::Replay { "replayed" } else { nonce };
        let rounds = if trick == Trick::OneRound { 1 } else { 4096 };
        let challenge = format!("r={nonce}theirs,s={},i={rounds}", STANDARD.encode("salt"));
        let encoded = STANDARD.encode(&challenge);
        self.sends(&format!("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{encoded}</challenge>"))
            .await;
        if matches!(trick, Trick::Replay | Trick::OneRound) {
            return String::new();
        }
        let last = self.reads_base64("<response").await;
        let bare = last.rsplit_once(",p=").unwrap().0;
        let password = if trick == Trick::Signature { "guessed" } else { "correct horse" };
        let salted = Sha1::derive(&Password::Plain(password.into()), b"salt", 4096).unwrap();
        let key = Sha1::hmac(b"Server Key", &salted).unwrap();
        let signature = Sha1::hmac(format!("{first},{challenge},{bare}").as_bytes(), &key).unwrap();
        let proof = match trick {
            Trick::NoSignature => String::new(),
            _ => STANDARD.encode(format!("v={}", STANDARD.encode(signature))),
        };
        format!("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{proof}</success>")
    }

    async fn reads_base64(&mut self, element: &str) -> String {
        self.reads(element).await;
        self.reads(">").await;
        let text = self.reads("<").await;
        String::from_utf8(STANDARD.decode(text.trim_end_matches('<')).unwrap()).unwrap()
    }

    pub(crate) async fn binds(&mut self) {
        self.reads("resource-binding").await;
        self.reads("</iq>").await;
        self.sends(
            "<iq xmlns='jabber:client' type='result' id='resource-binding'>\
             <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>ada@localhost/work</jid></bind></iq>",
        )
        .await;
    }
}
