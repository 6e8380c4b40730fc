//! The head file: how far the log went, so that one that was cut off is noticed.
//!
//! It is written after the log and is small enough to be written in one piece, so it may be behind the log and is never ahead of
//! it.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::{Damage, Hash};

/// Digits of the number, a space, digits of the hash, a line end.
const LENGTH: usize = 20 + 1 + 64 + 1;

/// The last record that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: Hash,
}

/// The head file of the log at `log`.
pub(super) fn path_of(log: &Path) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(".head");
    PathBuf::from(path)
}

pub(super) fn write(file: &File, head: &Head) -> io::Result<()> {
    file.write_all_at(format!("{:020} {}\n", head.seq, head.hash.as_str()).as_bytes(), 0)
}

/// Reads the head file, if there is one. An empty one was made and never written.
pub(super) fn read(path: &Path) -> Result<Option<Head>, Damage> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Damage::Head(error.to_string())),
    };
    let mut text = String::new();
    let limit = LENGTH as u64 + 1;
    file.take(limit).read_to_string(&mut text).map_err(|error| Damage::Head(error.to_string()))?;
    if text.is_empty() { Ok(None) } else { parse(&text).map(Some) }
}

fn parse(text: &str) -> Result<Head, Damage> {
    let wrong = || Damage::Head("expected the number and the hash of the last record".to_owned());
    let line = text.strip_suffix('\n').filter(|_| text.len() == LENGTH).ok_or_else(wrong)?;
    let (seq, hash) = line.split_once(' ').ok_or_else(wrong)?;
    let digits = seq.len() == 20 && seq.bytes().all(|b| b.is_ascii_digit());
    let seq = seq.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
    let hash = Hash::try_from(hash.to_owned()).map_err(|_| wrong())?;
    Ok(Head { seq, hash })
}

/// Compares the head with a log that has so many records, of which the one that the head names has the hash `found`.
pub(super) fn agree(head: Option<&Head>, found: Option<&Hash>, records: u64) -> Result<(), Damage> {
    match head {
        Some(head) if head.seq > records => Err(Damage::Shortened { found: records, known: head.seq }),
        Some(head) if head.seq > 0 && found != Some(&head.hash) => Err(Damage::Replaced { seq: head.seq }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn head_is_read_as_it_was_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(read(file.path()).unwrap(), None);
        for seq in [7, u64::MAX, 1] {
            let head = Head { seq, hash: Hash::of(b"x") };
            write(file.as_file(), &head).unwrap();
            assert_eq!(read(file.path()).unwrap(), Some(head));
        }
    }

    #[test]
    fn log_that_is_shorter_or_another_than_the_head_says_is_found() {
        let head = Head { seq: 3, hash: Hash::of(b"x") };
        assert!(agree(Some(&head), Some(&Hash::of(b"x")), 3).is_ok());
        assert!(agree(Some(&head), Some(&Hash::of(b"x")), 9).is_ok());
        assert!(matches!(agree(Some(&head), None, 2), Err(Damage::Shortened { found: 2, known: 3 })));
        assert!(matches!(agree(Some(&head), Some(&Hash::of(b"y")), 3), Err(Damage::Replaced { seq: 3 })));
        assert!(agree(None, None, 5).is_ok());
    }

    proptest! {
        #[test]
        fn any_head_is_read_without_harm(text in ".{0,90}") {
            prop_assert!(parse(&text).is_err());
        }
    }
}
