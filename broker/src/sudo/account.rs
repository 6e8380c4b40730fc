//! As whom a command runs: the target's user and group, looked up by the system's name service.

use std::{ffi::OsStr, path::PathBuf};

use nix::unistd::{Gid, Group, Uid, User};
use nuketown::Problem;
use nuketown_approval::{UnixName, shown};

use super::{caller::Caller, flags::Run};

/// The user and group of a command.
#[derive(Clone, Debug)]
pub struct Target {
    /// The user's name, as it is shown and approved.
    pub name: UnixName,
    /// The user.
    pub uid: Uid,
    /// The group: that of `-g`, or the user's own.
    pub gid: Gid,
    /// The name of the group, if it was asked for by `-g`.
    pub group: Option<UnixName>,
    /// The user's home.
    pub home: PathBuf,
    /// The user's login shell.
    pub shell: PathBuf,
}

/// The shell where the password database names none (passwd(5)).
const DEFAULT_SHELL: &str = "/bin/sh";

impl Target {
    /// Whom the flags name: `-u`, else root; with `-g` alone whoever asks, as sudo does.
    ///
    /// # Errors
    ///
    /// If there is no such user or group, or the name is one that cannot be shown without doubt.
    pub fn find(run: &Run, caller: &Caller) -> Result<Self, Problem> {
        let user = match (&run.user, &run.group) {
            (Some(name), _) => user(name)?,
            (None, Some(_)) => user(OsStr::new(caller.name.as_str()))?,
            (None, None) => user(OsStr::new("root"))?,
        };
        let group = run.group.as_deref().map(group).transpose()?;
        let named = group.as_ref().map(|group| group.name.parse()).transpose()?;
        Ok(Self {
            name: user.name.parse()?,
            uid: user.uid,
            gid: group.map_or(user.gid, |group| group.gid),
            group: named,
            home: user.dir.clone(),
            shell: login_shell(&user),
        })
    }

    #[cfg(test)]
    pub(super) fn for_test(name: &str, uid: u32) -> Self {
        Self {
            name: name.parse().unwrap(),
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(uid),
            group: None,
            home: PathBuf::from("/root"),
            shell: PathBuf::from(DEFAULT_SHELL),
        }
    }
}

/// The login shell of a user.
pub(super) fn login_shell(user: &User) -> PathBuf {
    if user.shell.as_os_str().is_empty() { PathBuf::from(DEFAULT_SHELL) } else { user.shell.clone() }
}

fn user(name: &OsStr) -> Result<User, Problem> {
    let text = name.to_string_lossy();
    let found = match number(&text, "user")? {
        Some(uid) => User::from_uid(Uid::from_raw(uid)),
        None => User::from_name(&text),
    };
    known(found, "user", &text)
}

fn group(name: &OsStr) -> Result<Group, Problem> {
    let text = name.to_string_lossy();
    let found = match number(&text, "group")? {
        Some(gid) => Group::from_gid(Gid::from_raw(gid)),
        None => Group::from_name(&text),
    };
    known(found, "group", &text)
}

fn known<T>(found: nix::Result<Option<T>>, kind: &str, text: &str) -> Result<T, Problem> {
    let what = format!("there is no {kind} {}", shown(text));
    match found {
        Ok(Some(entry)) => Ok(entry),
        Ok(None) => Err(Problem::new(what, format!("the system's database has no such {kind}"))),
        Err(errno) => {
            Err(Problem::new(what, format!("the system's database cannot be read: {}", errno.desc())))
        }
    }
}

/// `#1000` as a number. The highest one means "leave it as it is" to setresuid(2), which once made it root (CVE-2019-14287).
fn number(text: &str, kind: &str) -> Result<Option<u32>, Problem> {
    let Some(digits) = text.strip_prefix('#') else { return Ok(None) };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|&number| plain && number != u32::MAX).map(Some).ok_or_else(|| {
        let cause = "behind # stands a number from 0 to 4294967294";
        Problem::new(format!("there is no {kind} {}", shown(text)), cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(user: Option<&str>, group: Option<&str>) -> Run {
        Run { user: user.map(Into::into), group: group.map(Into::into), ..Run::default() }
    }

    #[test]
    fn numbers_that_mean_something_else_are_refused() {
        for bad in ["#", "#-1", "#4294967295", "#4294967296", "#+0", "#0x0", "# 0"] {
            assert!(Target::find(&run(Some(bad), None), &Caller::for_test("ada", 1)).is_err(), "{bad}");
        }
    }

    #[test]
    fn root_is_the_target_unless_another_is_named() {
        let caller = Caller::for_test("ada", 1);
        for user in [None, Some("root"), Some("#0")] {
            let target = Target::find(&run(user, None), &caller).unwrap();
            assert_eq!((target.name.as_str(), target.uid.as_raw(), target.group), ("root", 0, None));
        }
        let target = Target::find(&run(Some("root"), Some("#0")), &caller).unwrap();
        assert_eq!(target.group.unwrap().as_str(), "root");
        let problem = Target::find(&run(Some("no-such-user-\u{1b}"), None), &caller).unwrap_err().to_string();
        assert!(!problem.contains('\u{1b}'));
    }
}
