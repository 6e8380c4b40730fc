//! What a decision names: the digest of a request, and the short code that people read and type.
//!
//! # Invariants
//!
//! - Two requests that differ in what is granted, to whom, where or until when have different digests: every part goes in with
//!   its length before it, and an absent one differs from an empty one.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{
    Malformed, Payload, Request,
    names::{from_hexadecimal, hexadecimal},
    request::{Delegate, Network, Scale, Sudo},
};

/// Keeps these digests apart from any others, and from those of a later form.
const DOMAIN: &[u8] = b"urn:nuketown:approval digest 1";

/// SHA-256 over what a request asks. Sixty-four lower-case hexadecimal digits in text.
///
/// Compared in constant time. Two are equal only if the requests are.
#[derive(Clone, Copy)]
#[must_use = "a digest that nobody compares binds nothing"]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of kind, payload, cwd, host, agent, nonce and expiry. The id and the timeout are not part of it: a broker
    /// may pass a request on under another id, and the expiry is what ends it.
    pub fn of(request: &Request) -> Self {
        let mut form = Form(Sha256::new());
        form.bytes(DOMAIN);
        form.text(request.payload.kind().as_str());
        form.payload(&request.payload);
        form.option(request.cwd.as_ref().map(crate::AbsolutePath::as_bytes));
        form.option(request.host.as_ref().map(|host| host.as_str().as_bytes()));
        form.text(request.agent.as_str());
        form.option(request.nonce.as_ref().map(|nonce| nonce.0.as_slice()));
        let expires = request.expires.map(|at| at.as_nanosecond().to_be_bytes());
        form.option(expires.as_ref().map(<[u8; 16]>::as_slice));
        Self(form.0.finalize().into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        from_hexadecimal(text)
            .map(Self)
            .ok_or_else(|| Malformed::new("<digest>", text, "expected 64 lower-case hexadecimal digits"))
    }
}

/// The canonical form, as it is hashed: every part behind its length, 64 bits big-endian.
struct Form(Sha256);

impl Form {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn option(&mut self, bytes: Option<&[u8]>) {
        self.0.update([u8::from(bytes.is_some())]);
        self.bytes(bytes.unwrap_or_default());
    }

    fn payload(&mut self, payload: &Payload) {
        match payload {
            Payload::Sudo(Sudo { argv, program, identity, environment, user, group }) => {
                self.number(argv.arguments().len() as u64);
                argv.arguments().iter().for_each(|argument| self.bytes(argument));
                self.option(program.as_ref().map(crate::AbsolutePath::as_bytes));
                self.option(identity.map(|identity| identity.to_string()).as_deref().map(str::as_bytes));
                self.number(environment.variables().len() as u64);
                environment.variables().iter().for_each(|variable| self.bytes(&variable.assignment()));
                self.text(user.as_str());
                self.option(group.as_ref().map(|group| group.as_str().as_bytes()));
            }
            Payload::Delegate(Delegate { task, agents }) => {
                self.text(task.as_str());
                self.text(&agents.to_string());
            }
            Payload::Scale(Scale { from, to }) => {
                self.text(from.as_str());
                self.text(to.as_str());
            }
            Payload::Network(network) => self.network(network),
        }
    }

    fn network(&mut self, network: &Network) {
        self.number(network.egress().len() as u64);
        network.egress().iter().for_each(|egress| self.text(&egress.to_string()));
        let duration = network.duration.map(|seconds| seconds.get().to_be_bytes());
        self.option(duration.as_ref().map(<[u8; 4]>::as_slice));
    }
}

/// Crockford's base 32: no I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// How many characters a code has: 20 bits, which tell the requests of one hour apart. A code is a name, no secret.
const CODE_LENGTH: usize = 4;

/// A request's short name for people: `K7Q4`, the first 20 bits of its digest.
///
/// Two requests can have the same; [`crate::Book`] never opens a second one with a code that it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code([u8; CODE_LENGTH]);

impl Code {
    /// The code of a digest.
    #[must_use]
    pub fn of(digest: &Digest) -> Self {
        let [a, b, c, ..] = digest.0.map(u32::from);
        let bits = (a << 16 | b << 8 | c) >> 4;
        Self([15, 10, 5, 0].map(|shift| ALPHABET[(bits >> shift & 31) as usize]))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&byte| write!(f, "{}", char::from(byte)))
    }
}

/// Reads what a person typed: either case, `O` for `0`, `I` and `L` for `1`.
impl FromStr for Code {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters = text.bytes().map(|byte| match byte.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        });
        let known: Vec<u8> = letters.filter(|letter| ALPHABET.contains(letter)).take(text.len()).collect();
        <[u8; CODE_LENGTH]>::try_from(known)
            .ok()
            .filter(|_| text.len() == CODE_LENGTH)
            .map(Self)
            .ok_or_else(|| Malformed::new("the code", text, "expected four letters and digits such as K7Q4"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{any_request, argv, environment, sudo_request};
    use proptest::prelude::*;

    /// Every way to change one thing about a request that has everything.
    fn altered() -> Vec<Request> {
        let base = sudo_request();
        let Payload::Sudo(sudo) = base.payload.clone() else { panic!("a sudo request") };
        let with = |payload| Request { payload: Payload::Sudo(payload), ..base.clone() };
        vec![
            Request { agent: "vox".parse().unwrap(), ..base.clone() },
            Request { cwd: None, ..base.clone() },
            Request { cwd: Some(crate::AbsolutePath::new(b"/tmp".to_vec()).unwrap()), ..base.clone() },
            Request { host: None, ..base.clone() },
            Request { host: Some("liver".parse().unwrap()), ..base.clone() },
            Request { nonce: None, ..base.clone() },
            Request { nonce: Some(crate::Nonce([8; 16])), ..base.clone() },
            Request { expires: None, ..base.clone() },
            Request { expires: Some("2026-11-24T12:00:01Z".parse().unwrap()), ..base.clone() },
            with(Sudo { argv: argv(&["nixos-rebuild", "switch", ""]), ..sudo.clone() }),
            with(Sudo { argv: argv(&["nixos-rebuild switch"]), ..sudo.clone() }),
            with(Sudo { argv: argv(&["nixos-rebuilds", "witch"]), ..sudo.clone() }),
            with(Sudo { program: None, ..sudo.clone() }),
            with(Sudo { identity: None, ..sudo.clone() }),
            with(Sudo { identity: Some("2049:7".parse().unwrap()), ..sudo.clone() }),
            with(Sudo {
                identity: Some(format!("2049:131072:{}", "0".repeat(64)).parse().unwrap()),
                ..sudo.clone()
            }),
            with(Sudo { environment: environment(&["A=1"]), ..sudo.clone() }),
            with(Sudo { environment: environment(&["A=1", "B="]), ..sudo.clone() }),
            with(Sudo { environment: environment(&["B=", "A=1"]), ..sudo.clone() }),
            with(Sudo { user: "josh".parse().unwrap(), ..sudo.clone() }),
            with(Sudo { group: Some("wheel".parse().unwrap()), ..sudo }),
            base,
        ]
    }

    #[test]
    fn digest_changes_with_everything_that_is_granted() {
        let digests: std::collections::BTreeSet<String> =
            altered().iter().map(|request| request.digest().to_string()).collect();
        assert_eq!(digests.len(), altered().len());
    }

    /// Written down so that a change of the form, which breaks every other version in the field, does not go unseen.
    #[test]
    fn digest_of_a_request_is_pinned() {
        let pinned = "2bf56d341734463884db9e23b05f38c4990197ec2bb8fc7c859bc326b834750d";
        assert_eq!(sudo_request().digest().to_string(), pinned);
        assert_eq!(sudo_request().code().to_string(), "5FTP");
    }

    #[test]
    fn digest_does_not_depend_on_id_and_timeout() {
        let other = Request { id: "b".parse().unwrap(), timeout: None, ..sudo_request() };
        assert_eq!(other.digest(), sudo_request().digest());
    }

    #[test]
    fn code_is_read_as_people_type_it() {
        let code = |text: &str| text.parse::<Code>();
        assert_eq!(code("k7q4"), code("K7Q4"));
        assert_eq!(code("1O0L"), code("i001"));
        for bad in ["", "K7Q", "K7Q44", "K7QU", "K7-4", "k7q\u{ff14}", "kkkkU", "UK7Q4"] {
            assert!(code(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn different_requests_have_different_digests(a in any_request(), b in any_request()) {
            let same = Request { id: a.id.clone(), timeout: a.timeout, ..b.clone() } == a;
            prop_assert_eq!(a.digest() == b.digest(), same);
        }

        #[test]
        fn texts_of_digest_and_code_are_read_back(request in any_request()) {
            prop_assert_eq!(request.digest().to_string().parse(), Ok(request.digest()));
            prop_assert_eq!(request.code().to_string().parse(), Ok(request.code()));
        }
    }
}
