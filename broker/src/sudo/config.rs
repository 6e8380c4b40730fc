//! `/etc/nuketown/sudo.toml`: whom nuketown-sudo believes.
//!
//! ```toml
//! approver = "josh"
//! socket = "/run/nuketown-broker/socket"
//! secure_path = "/usr/sbin:/usr/bin:/sbin:/bin"
//! sudo = "/usr/bin/sudo"
//! timeout = 120
//! ```
//!
//! # Invariants
//!
//! - A file that somebody else than root could have written is no configuration, and without one nothing runs.

use std::{
    fs::File,
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use nix::{
    sys::stat::SFlag,
    unistd::{Uid, User},
};
use nuketown::{
    Problem,
    values::{ApprovalTimeout, Seconds},
};
use nuketown_approval::{AbsolutePath, shown, socket::SOCKET};
use serde::Deserialize;

use super::walk::walk;

/// Where the configuration is.
pub const CONFIG: &str = "/etc/nuketown/sudo.toml";

/// The largest file that is read, in bytes.
const BYTES_MAX: u64 = 64 * 1024;

/// sudo's own `secure_path`, as distributions have it.
const SECURE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the file says, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose broker is believed, besides root's.
    pub approver: Uid,
    /// Where it listens.
    pub socket: PathBuf,
    /// Where programs are found, and `PATH` of each command. No empty parts, which would be the working directory.
    pub secure_path: String,
    /// The real sudo.
    pub sudo: PathBuf,
    /// How long to wait, in seconds; the broker's own limit if there is none.
    pub timeout: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    approver: Approver,
    #[serde(default)]
    socket: Option<String>,
    #[serde(default)]
    secure_path: Option<String>,
    #[serde(default)]
    sudo: Option<String>,
    #[serde(default)]
    timeout: Option<ApprovalTimeout>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Approver {
    Uid(u32),
    Name(String),
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// If it is not there, is not root's alone, or does not say what it should.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let cannot = |cause: String| {
            Problem::new(format!("the configuration {} cannot be used", path.display()), cause)
        };
        let found =
            walk(path).map_err(|error| cannot(error.to_string()).hint("an administrator has to write it"))?;
        if found.kind() != SFlag::S_IFREG {
            return Err(cannot("it is no file".to_owned()));
        }
        if !found.fixed {
            let hint = "it and every directory above belong to root, and only root can write there";
            return Err(cannot("somebody else than root can change it".to_owned()).hint(hint));
        }
        // Only root could have put another file there since.
        let mut text = String::new();
        let file = File::open(&found.path).map_err(|error| cannot(error.to_string()))?;
        let read =
            file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| cannot(error.to_string()))?;
        if read as u64 > BYTES_MAX {
            return Err(cannot(format!("it has more than {BYTES_MAX} bytes")));
        }
        Self::from_toml(&text).map_err(cannot)
    }

    /// Reads the text; the error says what is wrong with which line.
    fn from_toml(text: &str) -> Result<Self, String> {
        let raw: Raw = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let secure_path = raw.secure_path.unwrap_or_else(|| SECURE_PATH.to_owned());
        for part in secure_path.split(':') {
            absolute("secure_path", part)?;
        }
        let timeout = raw.timeout.map(|timeout| i64::from(timeout.get()));
        Ok(Self {
            approver: approver(raw.approver)?,
            socket: absolute("socket", raw.socket.as_deref().unwrap_or(SOCKET))?,
            secure_path,
            sudo: absolute("sudo", raw.sudo.as_deref().unwrap_or("/usr/bin/sudo"))?,
            timeout: timeout
                .map(Seconds::try_from)
                .transpose()
                .map_err(|error| format!("timeout: {error}"))?,
        })
    }
}

fn approver(raw: Approver) -> Result<Uid, String> {
    match raw {
        Approver::Uid(u32::MAX) => Err("approver: 4294967295 is no uid".to_owned()),
        Approver::Uid(uid) => Ok(Uid::from_raw(uid)),
        Approver::Name(name) => match User::from_name(&name) {
            Ok(Some(user)) => Ok(user.uid),
            Ok(None) => Err(format!("approver: there is no user {}", shown(&name))),
            Err(errno) => Err(format!("approver: users cannot be looked up: {}", errno.desc())),
        },
    }
}

fn absolute(place: &str, text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match AbsolutePath::new(path.as_os_str().as_bytes().to_vec()) {
        Ok(_) => Ok(path),
        Err(_) => Err(format!("{place}: \"{}\" is no absolute path without . and ..", shown(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_approver_has_to_be_named() {
        let config = Config::from_toml("approver = 1000").unwrap();
        assert_eq!((config.approver.as_raw(), config.socket.to_str()), (1000, Some(SOCKET)));
        assert_eq!(Config::from_toml("approver = \"root\"\ntimeout = 60").unwrap().approver.as_raw(), 0);
    }

    #[test]
    fn configuration_that_says_something_else_is_refused() {
        for bad in [
            "",
            "approver = -1",
            "approver = 4294967295",
            "approver = \"no-such-user\"",
            "approver = true",
            "approver = 1\nunknown = 1",
            "approver = 1\nsocket = \"run\"",
            "approver = 1\nsocket = 1",
            "approver = 1\nsecure_path = \"\"",
            "approver = 1\nsecure_path = \"/bin:\"",
            "approver = 1\nsecure_path = \"/bin::/sbin\"",
            "approver = 1\nsecure_path = \"/bin:.\"",
            "approver = 1\nsecure_path = \"/bin:/usr/../home\"",
            "approver = 1\nsudo = \"sudo\"",
            "approver = 1\ntimeout = 0",
            "approver = 1\ntimeout = 1000000",
            "approver = 1\napprover = 2",
        ] {
            assert!(Config::from_toml(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn configuration_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sudo.toml");
        std::fs::write(&file, "approver = 1").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        let problem = Config::load(&file).unwrap_err().to_string();
        assert!(problem.contains("somebody else than root can change it"), "{problem}");
        assert!(Config::load(&folder.path().join("none")).is_err());
        assert!(Config::load(folder.path()).is_err());
    }

    proptest! {
        #[test]
        fn no_configuration_panics(text in "(approver|socket|sudo|timeout|x) ?= ?\\PC{0,20}\n?") {
            let _ = Config::from_toml(&text);
        }
    }
}
