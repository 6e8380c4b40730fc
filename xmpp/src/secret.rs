//! A password that is not shown by accident and does not stay in memory.
//!
//! # Invariants
//!
//! - Neither `Debug` nor an error shows any part of it.
//! - The memory is wiped when the last copy is dropped. The SCRAM library keeps a copy of its own while a login is under way,
//!   which is freed but not wiped.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Bytes of a password file at most: a longer file is some other file.
const LIMIT: usize = 4096;

/// A password.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// Why a password cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the password file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not one line of text.
    #[error("the password file {} {why}; it must hold the password on one line and nothing else", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, without any of its contents.
        why: &'static str,
    },
}

impl Secret {
    /// A password that is already in memory.
    #[must_use]
    pub fn new(password: String) -> Self {
        Self(Zeroizing::new(password))
    }

    /// Reads the password file: one line, with or without a line break at its end.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds anything but one line of text. An empty password is refused too.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
        File::open(path)
            .and_then(|file| file.take(LIMIT as u64 + 1).read_to_end(&mut bytes))
            .map_err(|source| SecretError::Read { path: path.to_owned(), source })?;
        let malformed = |why| SecretError::Malformed { path: path.to_owned(), why };
        if bytes.len() > LIMIT {
            return Err(malformed("is longer than 4096 bytes"));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| malformed("is not UTF-8 text"))?;
        let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        if line.is_empty() {
            return Err(malformed("is empty"));
        }
        if line.contains(char::is_control) {
            return Err(malformed("has more than one line, or control characters"));
        }
        Ok(Self::new(line.to_owned()))
    }

    /// The password itself, for the login alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Secret, SecretError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Secret::read(file.path())
    }

    #[test]
    fn one_line_is_the_password_with_or_without_its_line_break() {
        for content in ["pä ss", "pä ss\n", "pä ss\r\n"] {
            assert_eq!(read(content.as_bytes()).unwrap().reveal(), "pä ss");
        }
    }

    #[test]
    fn anything_but_one_line_of_text_is_refused_without_being_shown() {
        for content in [&b""[..], b"\n", b"hunter2\nhunter2\n", b"hunter2\0", b"hunter2\xff", &[b'x'; 5000]] {
            let error = read(content).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("xxx"), "{error}");
            assert!(error.contains("one line"), "{error}");
        }
    }

    #[test]
    fn missing_password_file_is_named() {
        let error = Secret::read(Path::new("/nonexistent/password")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the password file /nonexistent/password");
    }

    #[test]
    fn password_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2".into()))), "Some(Secret(…))");
    }
}
