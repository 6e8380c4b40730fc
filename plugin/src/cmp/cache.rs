//! Results of evaluations by what was evaluated.
//!
//! # Invariants
//!
//! - An entry is complete or not there: it is written beside its place, synced, and renamed. What a crash of the machine
//!   leaves is found by the checksum, and is no entry.
//! - An entry is valid forever: its key covers all that the result depends on. It goes only for lack of room, the one that
//!   was not asked for the longest first.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::tree::hex;
use crate::flake;

/// The first line of an entry. Another layout gets another number.
const MAGIC: &str = "nuketown-evaluation 1";

/// What the name of a file starts with that is being written.
const UNFINISHED: &str = ".new-";

/// The most bytes of an entry that are read: what an evaluation may print, and the lines above it.
const ENTRY_MAX: u64 = (32 << 20) + 1024;

/// What an evaluation printed: the JSON of [`flake::Towns`], to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Towns {
    /// One town.
    Town(Vec<u8>),
    /// An object with a town for each host that has one.
    Hosts(Vec<u8>),
}

impl From<flake::Towns<'_>> for Towns {
    fn from(towns: flake::Towns<'_>) -> Self {
        match towns {
            flake::Towns::Town(json) => Self::Town(json.to_owned()),
            flake::Towns::Hosts(json) => Self::Hosts(json.to_owned()),
        }
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// The most entries.
    pub(super) count: usize,
    /// The most bytes of all entries.
    pub(super) bytes: u64,
}

/// A town of a hundred agents takes 10 KiB, so this is the history of some hundred towns.
pub(super) const ROOM: Room = Room { count: 4096, bytes: 256 << 20 };

/// The result of this key, if it is there and whole.
pub(super) fn get(entries: &Path, key: &str) -> Option<Towns> {
    let path = entries.join(key);
    let mut file = File::open(&path).ok()?;
    let mut bytes = Vec::new();
    (&mut file).take(ENTRY_MAX + 1).read_to_end(&mut bytes).ok()?;
    let towns = decode(key, &bytes);
    // When it was asked for last; only the order matters. That it cannot be noted is no reason not to answer.
    let _ = file.set_modified(SystemTime::now());
    towns
}

/// Keeps a result, and makes room for it. The caller holds the lock of the entries.
///
/// # Errors
///
/// It cannot be written; then there is no entry.
pub(super) fn put(entries: &Path, key: &str, towns: &Towns, room: Room) -> io::Result<()> {
    remove_unfinished(entries)?;
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(entries)?;
    file.write_all(&encode(key, towns))?;
    file.as_file().sync_all()?;
    file.persist(entries.join(key)).map_err(|why| why.error)?;
    File::open(entries)?.sync_all()?;
    evict(entries, key, room)
}

/// Removes what processes were writing when they were killed: only one may write at a time, and that is this one.
fn remove_unfinished(entries: &Path) -> io::Result<()> {
    for entry in fs::read_dir(entries)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes the entries that were not asked for the longest, until the rest fits; never the one that was just written.
fn evict(entries: &Path, newest: &str, room: Room) -> io::Result<()> {
    let mut all: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
    let mut bytes = 0;
    for entry in fs::read_dir(entries)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += found.len();
        all.push((found.modified()?, entry.path(), found.len()));
    }
    all.sort();
    let mut count = all.len();
    for (_, path, len) in all.iter().filter(|(_, path, _)| !path.ends_with(newest)) {
        if count <= room.count && bytes <= room.bytes {
            break;
        }
        fs::remove_file(path)?;
        count -= 1;
        bytes = bytes.saturating_sub(*len);
    }
    Ok(())
}

fn encode(key: &str, towns: &Towns) -> Vec<u8> {
    let (kind, json) = match towns {
        Towns::Town(json) => ("town", json),
        Towns::Hosts(json) => ("hosts", json),
    };
    let mut bytes = format!("{MAGIC}\n{}\n{kind}\n", checksum(key, kind, json)).into_bytes();
    bytes.extend_from_slice(json);
    bytes
}

/// The result in an entry; none if any bit of it is not what was written.
fn decode(key: &str, bytes: &[u8]) -> Option<Towns> {
    let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
    let (magic, sum, kind, json) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
    let kind = std::str::from_utf8(kind).ok()?;
    if magic != MAGIC.as_bytes() || sum != checksum(key, kind, json).as_bytes() {
        return None;
    }
    match kind {
        "town" => Some(Towns::Town(json.to_owned())),
        "hosts" => Some(Towns::Hosts(json.to_owned())),
        _ => None,
    }
}

/// Over the key as well: an entry under another name is none.
fn checksum(key: &str, kind: &str, json: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{key}\n{kind}\n"));
    hash.update(json);
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn town(text: &str) -> Towns {
        Towns::Town(text.as_bytes().to_owned())
    }

    #[test]
    fn what_was_put_is_what_is_got_and_under_its_own_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Towns::Hosts(b"{\"a\":\n1}".to_vec());
        put(dir.path(), "k", &hosts, ROOM).unwrap();
        assert_eq!(get(dir.path(), "k"), Some(hosts));
        assert_eq!(get(dir.path(), "l"), None);
        fs::copy(dir.path().join("k"), dir.path().join("l")).unwrap();
        assert_eq!(get(dir.path(), "l"), None);
    }

    #[test]
    fn entry_that_was_not_asked_for_the_longest_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room { count: 3, bytes: 10_000 };
        for (age, key) in ["a", "b", "c"].into_iter().enumerate() {
            put(dir.path(), key, &town("{}"), room).unwrap();
            let before = SystemTime::now() - Duration::from_secs(1000 - age as u64);
            File::options().write(true).open(dir.path().join(key)).unwrap().set_modified(before).unwrap();
        }
        assert!(get(dir.path(), "a").is_some());
        put(dir.path(), "d", &town("{}"), room).unwrap();
        let kept: Vec<bool> = ["a", "b", "c", "d"].iter().map(|key| get(dir.path(), key).is_some()).collect();
        assert_eq!(kept, [true, false, true, true]);
        // What is too large for all the room together is kept alone.
        put(dir.path(), "e", &town(&"x".repeat(20_000)), room).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(get(dir.path(), "e").is_some());
    }

    #[test]
    fn what_a_killed_process_was_writing_goes_with_the_next_entry() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".new-abc"), "half").unwrap();
        put(dir.path(), "k", &town("{}"), ROOM).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    proptest! {
        #[test]
        fn torn_or_changed_entry_is_none(json in "[ -~\n]{0,80}", at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<bool>()) {
            let mut bytes = encode("k", &town(&json));
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            prop_assert_eq!(decode("k", &bytes), None);
        }
    }
}
