//! The login: SCRAM (RFC 5802, RFC 7677) and nothing weaker.
//!
//! # Invariants
//!
//! - The password never leaves this process, not even through TLS: PLAIN is not used, whatever the server offers.
//! - The server proves that it knows the password too; one that does not is refused.

use std::collections::BTreeSet;
use std::io;

use futures::{SinkExt, StreamExt};
use sasl::client::Mechanism;
use sasl::client::mechanisms::Scram;
use sasl::common::scram::{Sha1, Sha256};
use sasl::common::{ChannelBinding, Credentials};
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio_xmpp::xmlstream::{FallibleStreamElement, ReadError, XmppStream, XmppStreamElement};
use xmpp_parsers::sasl::{Auth, DefinedCondition, Failure, Mechanism as Name, Nonza, Response};

use crate::Secret;

/// Rounds of hashing that a server may ask for: at least what RFC 5802 says, and not so many that it is an attack.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=1_000_000;

/// Why the login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The server offers no SCRAM.
    #[error("the server offers no SCRAM login, only {offered}; nothing weaker is used")]
    NoScram {
        /// What it offers.
        offered: String,
    },
    /// The server says no.
    #[error("the server refuses the login: {condition}")]
    Refused {
        /// The condition (RFC 6120 section 6.5) and the server's words.
        condition: String,
        /// Whether the server says that it may work later.
        temporary: bool,
    },
    /// The server does not know the password, so it is not the account's server.
    #[error("the server failed to prove that it knows the password: {why}")]
    Impostor {
        /// What was wrong with the proof.
        why: String,
    },
    /// The exchange broke.
    #[error("the login broke off")]
    Stream(#[from] io::Error),
}

impl LoginError {
    /// Whether the same login would fail again, whenever it is tried.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::NoScram { .. } | Self::Impostor { .. } => true,
            Self::Refused { temporary, .. } => !temporary,
            Self::Stream(_) => false,
        }
    }
}

/// Logs in, and hands back the connection, on which a new stream begins (RFC 6120 section 6.4.6).
///
/// # Errors
///
/// See [`LoginError`].
pub(crate) async fn login<S: AsyncBufRead + AsyncWrite + Unpin>(
    mut stream: XmppStream<S>,
    offered: &BTreeSet<String>,
    account: &str,
    password: &Secret,
) -> Result<S, LoginError> {
    let (name, mut mechanism) = mechanism(offered, account, password)?;
    let initial = mechanism.initial();
    let nonce = field(&initial, "r").unwrap_or_default();
    send(&mut stream, Nonza::Auth(Auth { mechanism: name, data: initial })).await?;
    loop {
        match receive(&mut stream).await? {
            Nonza::Challenge(challenge) => {
                check_challenge(&challenge.data, &nonce)?;
                let data = mechanism.response(&challenge.data).map_err(|error| impostor(&error))?;
                send(&mut stream, Nonza::Response(Response { data })).await?;
            }
            Nonza::Success(success) => {
                mechanism.success(&success.data).map_err(|error| impostor(&error))?;
                return Ok(stream.into_inner());
            }
            Nonza::Failure(failure) => return Err(refused(&failure)),
            _ => return Err(broken("the server sent a part of the login that only clients send").into()),
        }
    }
}

type Scrambler = Box<dyn Mechanism + Send + Sync>;

/// The strongest mechanism that both sides have.
fn mechanism(
    offered: &BTreeSet<String>,
    account: &str,
    password: &Secret,
) -> Result<(Name, Scrambler), LoginError> {
    let credentials = Credentials::default()
        // RFC 5802 section 5.1: a comma and an equals sign are escaped.
        .with_username(account.replace('=', "=3D").replace(',', "=2C"))
        .with_password(password.reveal())
        .with_channel_binding(ChannelBinding::None);
    let failed =
        |error: sasl::client::MechanismError| LoginError::Stream(io::Error::other(error.to_string()));
    if offered.contains("SCRAM-SHA-256") {
        let scram = Scram::<Sha256>::from_credentials(credentials).map_err(failed)?;
        Ok((Name::ScramSha256, Box::new(scram)))
    } else if offered.contains("SCRAM-SHA-1") {
        let scram = Scram::<Sha1>::from_credentials(credentials).map_err(failed)?;
        Ok((Name::ScramSha1, Box::new(scram)))
    } else {
        let offered = match offered.len() {
            0 => "nothing at all".to_owned(),
            _ => offered.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        };
        Err(LoginError::NoScram { offered })
    }
}

/// Checks what the library takes as it comes: that the nonce goes on from ours (RFC 5802 section 5.1), or an old exchange
/// could be replayed to us, and that the number of rounds is neither weak nor an attack.
fn check_challenge(challenge: &[u8], nonce: &str) -> Result<(), LoginError> {
    let wrong = |why: &str| LoginError::Impostor { why: why.to_owned() };
    let theirs = field(challenge, "r").ok_or_else(|| wrong("there is no nonce in its challenge"))?;
    if nonce.is_empty() || theirs.len() <= nonce.len() || !theirs.starts_with(nonce) {
        return Err(wrong("the nonce of its challenge is not made for this login"));
    }
    match field(challenge, "i").and_then(|count| count.parse().ok()) {
        Some(count) if ITERATIONS.contains(&count) => Ok(()),
        _ => Err(wrong("it asks for fewer than 4096 or more than a million rounds of hashing")),
    }
}

/// The value of `name` in a SCRAM message.
fn field(message: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(message).ok()?;
    text.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

fn impostor(error: &sasl::client::MechanismError) -> LoginError {
    LoginError::Impostor { why: error.to_string() }
}

fn refused(failure: &Failure) -> LoginError {
    let (condition, temporary) = match failure.defined_condition {
        DefinedCondition::NotAuthorized => ("wrong account or password (not-authorized)", false),
        DefinedCondition::AccountDisabled => ("the account is disabled", false),
        DefinedCondition::CredentialsExpired => ("the password has expired", false),
        DefinedCondition::EncryptionRequired => ("encryption is required", false),
        DefinedCondition::InvalidAuthzid => ("invalid-authzid", false),
        DefinedCondition::InvalidMechanism => ("invalid-mechanism", false),
        DefinedCondition::MechanismTooWeak => ("the mechanism is too weak", false),
        DefinedCondition::IncorrectEncoding => ("incorrect-encoding", false),
        DefinedCondition::MalformedRequest => ("malformed-request", false),
        DefinedCondition::Aborted => ("aborted", true),
        DefinedCondition::TemporaryAuthFailure => ("a temporary failure of the server", true),
    };
    let words = failure.texts.values().next().map(|text| format!(" ({text:?})")).unwrap_or_default();
    LoginError::Refused { condition: format!("{condition}{words}"), temporary }
}

async fn send<S: AsyncBufRead + AsyncWrite + Unpin>(
    stream: &mut XmppStream<S>,
    part: Nonza,
) -> io::Result<()> {
    stream.send(&XmppStreamElement::Sasl(part)).await
}

/// The next part of the exchange; anything else breaks it off.
async fn receive<S: AsyncBufRead + AsyncWrite + Unpin>(stream: &mut XmppStream<S>) -> io::Result<Nonza> {
    loop {
        let element = match stream.next().await {
            None => return Err(broken("the server closed the connection")),
            Some(element) => element.and_then(FallibleStreamElement::into_read_error),
        };
        match element {
            Ok(XmppStreamElement::Sasl(part)) => return Ok(part),
            Ok(XmppStreamElement::StreamError(error)) => return Err(io::Error::other(error)),
            Ok(_) => return Err(broken("the server sent something else in the middle of the login")),
            Err(ReadError::SoftTimeout) => {}
            Err(ReadError::StreamFooterReceived) => return Err(broken("the server closed the stream")),
            Err(ReadError::HardError(error)) => return Err(error),
            Err(ReadError::ParseError(error)) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offered(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn chosen(names: &[&str]) -> Result<Name, LoginError> {
        mechanism(&offered(names), "ada", &Secret::new("secret".into())).map(|(name, _)| name)
    }

    #[test]
    fn strongest_scram_is_chosen_and_nothing_weaker() {
        assert_eq!(chosen(&["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"]).unwrap(), Name::ScramSha256);
        assert_eq!(chosen(&["PLAIN", "SCRAM-SHA-1"]).unwrap(), Name::ScramSha1);
        for weak in [&["PLAIN"][..], &[], &["DIGEST-MD5", "ANONYMOUS"], &["SCRAM-SHA-256-PLUS"]] {
            assert!(chosen(weak).unwrap_err().is_final());
        }
        assert!(chosen(&["PLAIN"]).unwrap_err().to_string().contains("only PLAIN"));
    }

    #[test]
    fn account_with_a_comma_cannot_add_fields() {
        let (_, mut scram) =
            mechanism(&offered(&["SCRAM-SHA-1"]), "a,r=b", &Secret::new("s".into())).unwrap();
        assert!(String::from_utf8(scram.initial()).unwrap().starts_with("n,,n=a=2Cr=3Db,r="));
    }

    #[test]
    fn challenge_that_does_not_go_on_from_our_nonce_is_refused() {
        assert!(check_challenge(b"r=ours+theirs,s=AAAA,i=4096", "ours").is_ok());
        for replayed in ["r=ours,s=AAAA,i=4096", "r=other,s=AAAA,i=4096", "s=AAAA,i=4096", ""] {
            assert!(check_challenge(replayed.as_bytes(), "ours").unwrap_err().is_final(), "{replayed}");
        }
        assert!(check_challenge(b"r=anything,i=4096", "").is_err());
    }

    #[test]
    fn too_few_or_too_many_rounds_are_refused() {
        for rounds in ["1", "4095", "1000001", "4294967296", "-1", ""] {
            assert!(
                check_challenge(format!("r=ours+,s=AAAA,i={rounds}").as_bytes(), "ours").is_err(),
                "{rounds}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_challenge_breaks_the_reader(challenge in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = check_challenge(&challenge, "ours");
        }
    }
}
