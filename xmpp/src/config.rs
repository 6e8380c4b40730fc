//! What a session is told: the account, the server, and what it says of itself.

use std::path::PathBuf;
use std::time::Duration;

use xmpp_parsers::disco::Identity;
use xmpp_parsers::jid::{BareJid, Jid, ResourcePart};

use xmpp_parsers::presence::Presence;
pub use xmpp_parsers::presence::Show;

use crate::Secret;

/// One session of one account.
#[derive(Clone, Debug)]
pub struct Config {
    /// The account; with a resource, that resource is asked for.
    pub jid: Jid,
    /// The account's password.
    pub password: Secret,
    /// Where the server is.
    pub server: Server,
    /// How the connection is encrypted. It always is.
    pub security: Security,
    /// Who may vouch for the server.
    pub authorities: Authorities,
    /// When a silent connection counts as dead.
    pub keepalive: Keepalive,
    /// What the session answers to disco#info (XEP-0030) besides what it does by itself.
    pub disco: Disco,
    /// Whether copies of the account's other conversations are wanted (XEP-0280).
    pub carbons: bool,
    /// What is announced on the first bind.
    pub availability: Availability,
    /// The rooms to be in (XEP-0045).
    pub rooms: Vec<Room>,
}

impl Config {
    /// The usual session: the server by its SRV record and STARTTLS, the system's authorities, available.
    #[must_use]
    pub fn new(jid: Jid, password: Secret) -> Self {
        Self {
            jid,
            password,
            server: Server::Srv,
            security: Security::StartTls,
            authorities: Authorities::System,
            keepalive: Keepalive::default(),
            disco: Disco::default(),
            carbons: false,
            availability: Availability::default(),
            rooms: Vec::new(),
        }
    }
}

/// Where the server is. Its certificate is for the account's domain in any case (RFC 6120 section 13.7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// By the domain's SRV record (RFC 6120 section 3.2, XEP-0368), else the domain's own address.
    Srv,
    /// At this host name or address.
    At {
        /// Host name or IP address.
        host: String,
        /// TCP port.
        port: u16,
    },
}

/// How encryption starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// In the stream (RFC 6120 section 5), usually at port 5222.
    StartTls,
    /// Before the stream (XEP-0368), usually at port 5223.
    Direct,
}

/// The certificate authorities that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// Those of the system.
    System,
    /// Those of this PEM file alone.
    File(PathBuf),
}

/// Times after which a silent connection is asked, and given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence after which the server is asked whether it is there (XEP-0199, or `<r/>` of XEP-0198).
    pub silence: Duration,
    /// Further silence after which the connection counts as dead.
    pub answer: Duration,
}

impl Default for Keepalive {
    /// A minute, and 15 seconds more.
    fn default() -> Self {
        Self { silence: Duration::from_secs(60), answer: Duration::from_secs(15) }
    }
}

impl Keepalive {
    /// The time in which a living connection shows that it lives.
    pub(crate) fn whole(self) -> Duration {
        self.silence.saturating_add(self.answer)
    }
}

/// What the session is and can do.
#[derive(Clone, Debug)]
pub struct Disco {
    /// A URI that names the program, for caps (XEP-0115).
    pub node: String,
    /// What it is.
    pub identity: Identity,
    /// The namespaces that the caller serves.
    pub features: Vec<String>,
}

impl Default for Disco {
    fn default() -> Self {
        Self {
            node: "https://github.com/joshperry/nuketown".to_owned(),
            identity: Identity {
                category: "client".into(),
                type_: "bot".into(),
                lang: None,
                name: Some("Nuketown".into()),
            },
            features: Vec::new(),
        }
    }
}

/// The presence that is announced (RFC 6121 section 4.7).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Availability {
    /// Nothing means simply available.
    pub show: Option<Show>,
    /// Words for people; empty for none.
    pub status: String,
    /// With a negative priority no message to the bare JID arrives here.
    pub priority: i8,
}

impl Availability {
    /// As a stanza.
    pub(crate) fn presence(&self) -> Presence {
        let mut presence = Presence::available().with_priority(self.priority);
        presence.show.clone_from(&self.show);
        if !self.status.is_empty() {
            presence.set_status("", self.status.as_str());
        }
        presence
    }
}

/// A room to be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The room's address.
    pub jid: BareJid,
    /// The name in the room.
    pub nick: ResourcePart,
}

/// Why a session cannot even be started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no account to log in to.
    #[error("`{jid}` names a server and no account; write it as account@{jid}")]
    NoAccount {
        /// What was given.
        jid: Jid,
    },
    /// The domain is no name that a certificate can be for.
    #[error("`{domain}` cannot stand in a certificate, so the server cannot be verified")]
    Domain {
        /// The domain of the account.
        domain: String,
    },
    /// The authorities cannot be read.
    #[error("cannot read the certificate authorities in {}: {why}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The system trusts nobody, so no server could be verified.
    #[error(
        "the system has no certificate authorities{why}; install ca-certificates or name a file of authorities"
    )]
    NoAuthorities {
        /// What went wrong while looking for them, if anything.
        why: String,
    },
    /// TLS itself cannot be set up.
    #[error("cannot set up TLS: {why}")]
    Tls {
        /// What the library says.
        why: String,
    },
}
