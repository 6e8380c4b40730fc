//! Who asks, as the real sudo says it to the privileged half.

use std::{env, path::PathBuf};

use nix::unistd::{Gid, Uid, User, getegid, geteuid, getgid, getuid};
use nuketown::Problem;
use nuketown_approval::UnixName;

use super::account::login_shell;

/// The user who called sudo.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name.
    pub name: UnixName,
    /// `SUDO_UID`.
    pub uid: Uid,
    /// `SUDO_GID`.
    pub gid: Gid,
    /// The home, for `SUDO_HOME`.
    pub home: PathBuf,
    /// The login shell, for `-s`.
    pub shell: PathBuf,
}

/// Whether this process is the privileged half: wholly root, which only the real sudo makes it.
///
/// # Errors
///
/// If it is neither root nor an ordinary user, as a program that was given the setuid bit.
pub fn is_privileged() -> Result<bool, Problem> {
    match (getuid(), geteuid()) {
        (real, effective) if real != effective || getgid() != getegid() => Err(Problem::new(
            "nuketown-sudo was started with rights that are not its caller's",
            format!("the real user is {real}, the effective one {effective}"),
        )
        .hint("remove the setuid and setgid bits; the sudoers rule is all that it needs")),
        (_, effective) => Ok(effective.is_root()),
    }
}

impl Caller {
    /// Reads `SUDO_UID`, `SUDO_GID` and `SUDO_USER`, which the real sudo sets and nobody but root can forge.
    ///
    /// # Errors
    ///
    /// If they are missing, name nobody or root, or contradict the password database.
    pub fn from_environment() -> Result<Self, Problem> {
        let variable = |name: &str| env::var(name).ok();
        Self::read(variable("SUDO_UID"), variable("SUDO_GID"), variable("SUDO_USER"))
    }

    fn read(uid: Option<String>, gid: Option<String>, name: Option<String>) -> Result<Self, Problem> {
        let (Some(uid), Some(gid), Some(name)) = (uid, gid, name) else {
            let cause = "SUDO_UID, SUDO_GID and SUDO_USER are not all set";
            return Err(unknown(cause).hint("call it as the agent, not as root; root needs no approval"));
        };
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| number.to_string() == text);
        let (Some(uid), Some(gid)) = (number(&uid), number(&gid)) else {
            return Err(unknown("SUDO_UID or SUDO_GID is no number"));
        };
        if uid == 0 {
            return Err(unknown("SUDO_UID is 0").hint("root needs no approval; run the command itself"));
        }
        let user = User::from_uid(Uid::from_raw(uid))
            .ok()
            .flatten()
            .ok_or_else(|| unknown("SUDO_UID is in no password database"))?;
        if user.name != name {
            return Err(unknown("SUDO_USER is not the name of SUDO_UID"));
        }
        let shell = login_shell(&user);
        Ok(Self { name: name.parse()?, uid: user.uid, gid: Gid::from_raw(gid), home: user.dir, shell })
    }

    #[cfg(test)]
    pub(super) fn for_test(name: &str, uid: u32) -> Self {
        Self {
            name: name.parse().unwrap(),
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(uid),
            home: PathBuf::from(format!("/home/{name}")),
            shell: PathBuf::from("/bin/sh"),
        }
    }
}

fn unknown(cause: &str) -> Problem {
    Problem::new("it is not known who asks", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_who_is_missing_root_or_contradictory_is_refused() {
        let read = |uid: &str, gid: &str, name: &str| {
            let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Caller::read(given(uid), given(gid), given(name))
        };
        // `daemon` is uid 1 on every Unix.
        assert_eq!(read("1", "1", "daemon").unwrap().name.as_str(), "daemon");
        for (uid, gid, name) in [
            ("", "1", "daemon"),
            ("1", "", "daemon"),
            ("1", "1", ""),
            ("0", "0", "root"),
            ("1", "1", "root"),
            ("x", "1", "daemon"),
            ("+1", "1", "daemon"),
            ("01", "1", "daemon"),
            ("1", "-1", "daemon"),
            ("4294967294", "1", "daemon"),
        ] {
            assert!(read(uid, gid, name).is_err(), "{uid} {gid} {name}");
        }
    }
}
