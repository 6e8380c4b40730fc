//! One record: what it says, and how it is chained to the one before.
//!
//! ```text
//! {"seq":7,"time":"2026-11-24T11:58:00Z","prev":"…64 digits…","entry":{"event":"spent",…},"hash":"…64 digits…"}
//! ```
//!
//! The hash is SHA-256 over the line up to and without `,"hash":`, and the closing brace after it.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256, as 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(String);

impl Hash {
    /// What the first record has before it.
    #[must_use]
    pub fn none() -> Self {
        Self("0".repeat(64))
    }

    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digits = |mut text: String, byte: &u8| {
            let _ = write!(text, "{byte:02x}");
            text
        };
        Self(Sha256::digest(bytes).iter().fold(String::new(), digits))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if text.len() == 64 && digits {
            Ok(Self(text))
        } else {
            Err("expected 64 lower-case hexadecimal digits")
        }
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.0
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number. The first is 1, and none is left out.
    pub seq: u64,
    /// When it was written, by the wall clock.
    pub time: Timestamp,
    /// What happened.
    pub entry: Entry,
    /// Its hash.
    pub hash: Hash,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A valid answer, in time.
    Approved,
    /// Refused, by a human or by what happened.
    Denied,
    /// Nobody answered in time, or the approval was not used in time.
    Expired,
}

/// What happened. All texts are in characters that are shown as themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Entry {
    /// A broker was started.
    Started {
        /// Its version.
        version: String,
    },
    /// The end of the log could not be read as a record, as after a crash, and was put into a file of its own.
    Torn {
        /// How many bytes.
        bytes: u64,
        /// Their SHA-256.
        sha256: Hash,
        /// The file's name, beside the log.
        kept: String,
    },
    /// Records could not be written for a while. Everything was denied meanwhile.
    Interrupted {
        /// Why.
        cause: String,
    },
    /// A request was opened.
    Requested {
        /// Who asks, as it was authenticated.
        agent: String,
        /// How it was authenticated: a user of this system or a JID.
        by: String,
        /// The request's id.
        id: String,
        /// Its digest.
        digest: String,
        /// The code that people name it by.
        code: String,
        /// When silence becomes a refusal.
        until: Timestamp,
        /// The request as people are shown it.
        shown: Vec<String>,
    },
    /// A request was not opened, so nobody was asked.
    Refused {
        /// Who asked.
        by: String,
        /// Why.
        reason: String,
    },
    /// More was refused to somebody than is recorded one by one.
    Flooded {
        /// Who asked.
        by: String,
        /// How often since the last record.
        times: u64,
    },
    /// An answer that changed nothing.
    Ignored {
        /// From where it came.
        from: String,
        /// What it was about, as it said.
        about: String,
        /// Why it changed nothing.
        reason: String,
    },
    /// A request was decided.
    Decided {
        /// Who asked.
        agent: String,
        /// The request's id.
        id: String,
        /// Its digest.
        digest: String,
        /// How.
        outcome: Outcome,
        /// By whom or what.
        reason: String,
    },
    /// An approval was used, once. What was approved is done after this.
    Spent {
        /// Who asked.
        agent: String,
        /// The request's id.
        id: String,
        /// Its digest.
        digest: String,
    },
    /// The broker ended in an orderly way.
    Stopped {},
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<E> {
    seq: u64,
    time: Timestamp,
    prev: Hash,
    entry: E,
}

/// What stands between the body and the hash.
const HASH_MARK: &str = ",\"hash\":\"";

/// Behind the body: the mark, the hash and `"}`.
const HASH_LENGTH: usize = HASH_MARK.len() + 64 + 2;

/// Writes a record as a line, with its line end, and gives its hash.
///
/// # Errors
///
/// None that is known: every field is text or a number.
pub(super) fn line(
    seq: u64,
    time: Timestamp,
    prev: &Hash,
    entry: &Entry,
) -> Result<(String, Hash), serde_json::Error> {
    let mut line = serde_json::to_string(&Body { seq, time, prev: prev.clone(), entry })?;
    let hash = Hash::of(line.as_bytes());
    line.pop();
    line.push_str(HASH_MARK);
    line.push_str(hash.as_str());
    line.push_str("\"}\n");
    Ok((line, hash))
}

/// Reads a line, without its line end, as the record that follows `prev` and has this number.
///
/// # Errors
///
/// Why it is not that record.
pub(super) fn read(line: &[u8], seq: u64, prev: &Hash) -> Result<Record, String> {
    let text = std::str::from_utf8(line).map_err(|_| "is not UTF-8".to_owned())?;
    let cut = text.len().checked_sub(HASH_LENGTH).and_then(|at| text.split_at_checked(at));
    let (body, tail) = cut.ok_or("is too short to be a record")?;
    let hash = tail.strip_prefix(HASH_MARK).and_then(|tail| tail.strip_suffix("\"}"));
    let hash = Hash::try_from(hash.ok_or("does not end with its hash")?.to_owned())?;
    let body = format!("{body}}}");
    if Hash::of(body.as_bytes()) != hash {
        return Err("is not what its hash was made of: it was changed".to_owned());
    }
    let read: Body<Entry> =
        serde_json::from_str(&body).map_err(|error| format!("cannot be read: {error}"))?;
    if read.seq != seq {
        return Err(format!("has number {}: records were removed, added or put elsewhere", read.seq));
    }
    if read.prev != *prev {
        return Err("does not follow the record before it: one of them was replaced".to_owned());
    }
    // One text per record: no field twice, no other spelling of the same.
    let same = serde_json::to_string(&read).is_ok_and(|again| again == body);
    if !same {
        return Err("is not written as this log is".to_owned());
    }
    Ok(Record { seq, time: read.time, entry: read.entry, hash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(text: &str) -> Entry {
        Entry::Refused { by: "ada".to_owned(), reason: text.to_owned() }
    }

    fn written(text: &str) -> (String, Hash) {
        line(1, Timestamp::UNIX_EPOCH, &Hash::none(), &entry(text)).unwrap()
    }

    #[test]
    fn record_is_read_as_it_was_written() {
        let (line, hash) = written("a \"b\" \\ \u{1f980}");
        let record = read(line.trim_end().as_bytes(), 1, &Hash::none()).unwrap();
        assert_eq!((record.entry, record.hash), (entry("a \"b\" \\ \u{1f980}"), hash));
        assert!(!line.trim_end_matches('\n').contains('\n'));
    }

    #[test]
    fn record_in_another_place_or_another_spelling_is_refused() {
        let (line, hash) = written("x");
        let line = line.trim_end();
        assert!(read(line.as_bytes(), 2, &Hash::none()).unwrap_err().contains("has number 1"));
        assert!(read(line.as_bytes(), 1, &hash).unwrap_err().contains("does not follow"));
        for body in [
            line[..line.len() - HASH_LENGTH].replace("\"seq\":1", "\"seq\": 1") + "}",
            line[..line.len() - HASH_LENGTH].replace("\"seq\":1", "\"seq\":1,\"seq\":1") + "}",
            line[..line.len() - HASH_LENGTH].replace("\"by\"", "\"x\":1,\"by\"") + "}",
        ] {
            let hash = Hash::of(body.as_bytes());
            let forged = format!("{}{HASH_MARK}{}\"}}", body.strip_suffix('}').unwrap(), hash.as_str());
            assert!(read(forged.as_bytes(), 1, &Hash::none()).is_err(), "{forged}");
        }
    }

    proptest! {
        #[test]
        fn every_changed_byte_is_found(at in 0..250_usize, to in any::<u8>()) {
            let (line, _) = written("some words that make it long enough");
            let mut bytes = line.trim_end().as_bytes().to_vec();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            prop_assert!(read(&bytes, 1, &Hash::none()).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes, 1, &Hash::none()).is_err());
        }
    }
}
