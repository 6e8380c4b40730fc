//! One XMPP session that stays.
//!
//! A process [`start`]s a session with a [`Config`], gives orders through a [`Handle`], and reads [`Events`]. The session dials,
//! encrypts, logs in and binds; it comes back by itself after whatever ends the connection; it announces presence, joins its
//! rooms, answers pings and disco queries. It knows nothing of what its caller talks about.
//!
//! ```no_run
//! use nuketown_xmpp::{Config, Event, Secret, start};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let password = Secret::read("/run/secrets/xmpp".as_ref())?;
//! let (handle, mut events) = start(&Config::new("ada@town.example/work".parse()?, password))?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Message(incoming) => println!("{:?}", incoming.message.bodies),
//!         Event::Fatal(error) => return Err(error.into()),
//!         _ => {}
//!     }
//! }
//! handle.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! - Nothing secret leaves unencrypted, the server is always verified, and the password is never sent at all.
//! - Nothing is kept for later: what is sent while the session is offline fails at once.
//! - What others' clients were told (carbons), and what was said before now (delays), is never mistaken for what was said
//!   to this session now.
//! - A refused login is final. Everything else is tried again, ever more slowly.
//!
//! # Assumptions
//!
//! The server is trusted with whom a stanza is `from`, as everywhere in XMPP.

mod config;
mod dial;
mod disco;
mod dns;
mod event;
mod handle;
mod inbox;
mod iq;
mod line;
mod link;
mod login;
#[cfg(test)]
mod name_server;
mod rooms;
mod schedule;
#[cfg(any(test, feature = "script"))]
pub mod script;
mod secret;
mod session;
mod sieve;
mod size;
mod state;
mod tags;
mod tap;
mod tls;

pub use config::{
    Authorities, Availability, Config, ConfigError, Disco, Keepalive, Room, Security, Server, Show,
};
pub use dial::DialError;
pub use dns::DnsError;
pub use event::{Carbon, Delayed, Direction, Event, Events, Fatal, Incoming, Reason, RoomState};
pub use handle::{Answer, Delivery, Handle, Request, RequestError, SendError};
pub use login::LoginError;
pub use secret::{Secret, SecretError};
pub use session::start;
pub use size::STANZA_LIMIT;
/// The stanzas and payloads themselves.
pub use xmpp_parsers as parsers;
pub use xmpp_parsers::jid;
