//! What a request is made of besides the town's own values: ids, nonces, paths, users.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use crate::{Malformed, command};

/// An absolute path of at most 4096 bytes (`PATH_MAX`), not necessarily UTF-8, without NUL and without `.` and `..`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AbsolutePath(Vec<u8>);

impl AbsolutePath {
    /// Takes a path.
    ///
    /// # Errors
    ///
    /// If it is not absolute, has a component `.` or `..`, or no system call would take it.
    pub fn new(path: Vec<u8>) -> Result<Self, Malformed> {
        let steps = path.split(|&b| b == b'/').any(|part| part == b"." || part == b"..");
        if path.first() == Some(&b'/') && path.len() <= 4096 && !path.contains(&0) && !steps {
            return Ok(Self(path));
        }
        Err(Malformed::new(
            "the path",
            &command::to_wire(&path),
            "expected an absolute path without . and ..",
        ))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&command::word(&self.0))
    }
}

/// A user or group of the system: a lower-case letter or `_`, then those, digits and hyphens, at most 31 (useradd(8)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixName(String);

impl UnixName {
    /// The user of uid 0.
    #[must_use]
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnixName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if first && text.len() <= 31 && text.bytes().all(inner) {
            return Ok(Self(text.to_owned()));
        }
        Err(Malformed::new("<user> or <group>", text, "expected a name like root or www-data, no number"))
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request's id, as in the stanza's `id`: 1 to 64 letters, digits, `-`, `_`; short and hexadecimal where it is ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// An id from six random bytes, which the caller brings: twelve hexadecimal digits.
    #[must_use]
    pub fn from_random(bytes: [u8; 6]) -> Self {
        Self(hexadecimal(&bytes))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(Malformed::new("id", text, "expected 1 to 64 letters, digits, \"-\" and \"_\""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Sixteen random bytes, which the caller brings. Thirty-two lower-case hexadecimal digits in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

impl FromStr for Nonce {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        from_hexadecimal(text)
            .map(Self)
            .ok_or_else(|| Malformed::new("<nonce>", text, "expected 32 lower-case hexadecimal digits"))
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

pub(crate) fn from_hexadecimal<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    if text.len() != 2 * N || !text.as_bytes().iter().all(digit) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_refused_when_malformed() {
        for bad in ["", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(bad.parse::<RequestId>().is_err(), "{bad}");
        }
        for bad in ["", "0", "#0", "-u", "ROOT", "a b", "root\n", &"a".repeat(32)] {
            assert!(bad.parse::<UnixName>().is_err(), "{bad}");
        }
        for bad in ["", "home", "/a/../b", "/a/.", "/a\0"] {
            assert!(AbsolutePath::new(bad.into()).is_err(), "{bad}");
        }
        for bad in ["", "00", &"A".repeat(32), &"0".repeat(31)] {
            assert!(bad.parse::<Nonce>().is_err(), "{bad}");
        }
    }

    #[test]
    fn id_and_nonce_are_read_as_they_are_written() {
        let id = RequestId::from_random([0, 1, 2, 0xa1, 0xb2, 0xc3]);
        assert_eq!(id.as_str(), "000102a1b2c3");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(Nonce([0xab; 16]).to_string().parse(), Ok(Nonce([0xab; 16])));
    }
}
