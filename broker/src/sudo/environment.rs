//! The environment of an approved command: made anew, as sudo's `env_reset` does, never the caller's.
//!
//! # Invariants
//!
//! - From the caller come only the terminal's name and the language, where they are plain words, and what was approved by name.
//! - Variables that make a program load or run something else are refused by name. The list cannot be whole, so every
//!   variable that is taken is also shown to whoever approves.

use std::{
    ffi::{CString, OsStr},
    os::unix::ffi::OsStrExt as _,
};

use nuketown::Problem;
use nuketown_approval::{Environment, Variable};

use super::{account::Target, caller::Caller};

/// Names that decide what a program loads, runs or reads as its code: sudo's `initial_badenv_table`, the dynamic loader's
/// (ld.so(8)), and those of shells, interpreters, pagers and editors.
const REFUSED: [&str; 58] = [
    "BASHOPTS",
    "BASH_ENV",
    "BROWSER",
    "CDPATH",
    "CLASSPATH",
    "EDITOR",
    "ENV",
    "FPATH",
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLOBIGNORE",
    "GLIBC_TUNABLES",
    "GTK_MODULES",
    "HOSTALIASES",
    "IFS",
    "JDK_JAVA_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "KRB5_CONFIG",
    "LESS",
    "LESSCLOSE",
    "LESSOPEN",
    "LOCALDOMAIN",
    "LOCPATH",
    "MAILCAPS",
    "NLSPATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NULLCMD",
    "PAGER",
    "PATH_LOCALE",
    "PERL5DB",
    "PERL5LIB",
    "PERL5OPT",
    "PERLIO_DEBUG",
    "PERLLIB",
    "PROMPT_COMMAND",
    "PS4",
    "QT_PLUGIN_PATH",
    "READNULLCMD",
    "RES_OPTIONS",
    "RUBYLIB",
    "RUBYOPT",
    "SHELLOPTS",
    "SYSTEMD_LESS",
    "SYSTEMD_PAGERSECURE",
    "TERMCAP",
    "TERMINFO",
    "TERMINFO_DIRS",
    "TERMPATH",
    "TMPPREFIX",
    "VISUAL",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
    "BASH_LOADABLES_PATH",
    "INPUTRC",
    "LUA_PATH",
    "LUA_CPATH",
    "TZDIR",
];

/// Beginnings of such names.
const REFUSED_BEGINNINGS: [&str; 11] = [
    "LD_",
    "DYLD_",
    "_RLD",
    "LDR_",
    "MALLOC_",
    "GIT_",
    "PYTHON",
    "OPENSSL_",
    "NIX_LD",
    "BASH_FUNC_",
    "LUA_INIT",
];

/// Ends of such names.
const REFUSED_ENDS: [&str; 2] = ["_PAGER", "_EDITOR"];

/// Names that are always set here.
const SET_HERE: [&str; 8] = ["HOME", "LOGNAME", "MAIL", "MANPAGER", "PATH", "SHELL", "TERM", "USER"];

/// Pagers run what their user types, so no command gets one: pagers' names of less(1), systemd and git.
const NO_PAGERS: [(&str, &str); 6] = [
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("MANPAGER", "cat"),
    ("SYSTEMD_PAGER", ""),
    ("SYSTEMD_PAGERSECURE", "1"),
    ("LESSSECURE", "1"),
];

/// Why this variable may not be added, if it may not.
#[must_use]
pub fn refusal(variable: &Variable) -> Option<Problem> {
    let name = variable.name();
    let problem = |why: &str| Some(Problem::new(format!("the variable {name} cannot be added"), why));
    if SET_HERE.contains(&name) || name.starts_with("SUDO_") {
        return problem("sudo sets it itself; leave it out");
    }
    let refused = REFUSED.contains(&name)
        || name == "LESSSECURE"
        || REFUSED_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || REFUSED_ENDS.iter().any(|end| name.ends_with(end));
    if refused {
        return problem("it can make a program run something else than what is approved; leave it out");
    }
    // Old shells took functions from the environment (CVE-2014-6271); sudo removes them as well.
    variable
        .value()
        .starts_with(b"()")
        .then(|| problem("its value begins with (), as a shell function does"))?
}

/// The environment of a command, as execve(2) takes it.
///
/// `inherited` is this process's own environment, which the real sudo has reset before; it is not trusted all the same.
#[must_use]
pub fn environment<'e>(
    inherited: impl Iterator<Item = (&'e OsStr, &'e OsStr)>,
    secure_path: &str,
    caller: &Caller,
    target: &Target,
    command: &[u8],
    approved: &Environment,
) -> Vec<CString> {
    let mut out: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (name, value) in inherited.filter(|(name, value)| is_kept(name, value)) {
        set(&mut out, name.as_bytes(), value.as_bytes());
    }
    if !out.iter().any(|(name, _)| name == b"TERM") {
        // sudo's own choice where there is no terminal.
        set(&mut out, b"TERM", b"unknown");
    }
    let mail = [b"/var/mail/", target.name.as_str().as_bytes()].concat();
    let texts: [(&str, &[u8]); 11] = [
        ("PATH", secure_path.as_bytes()),
        ("HOME", target.home.as_os_str().as_bytes()),
        ("USER", target.name.as_str().as_bytes()),
        ("LOGNAME", target.name.as_str().as_bytes()),
        ("SHELL", target.shell.as_os_str().as_bytes()),
        ("MAIL", &mail),
        ("SUDO_COMMAND", command),
        ("SUDO_USER", caller.name.as_str().as_bytes()),
        ("SUDO_UID", &caller.uid.to_string().into_bytes()),
        ("SUDO_GID", &caller.gid.to_string().into_bytes()),
        ("SUDO_HOME", caller.home.as_os_str().as_bytes()),
    ];
    for (name, value) in texts {
        set(&mut out, name.as_bytes(), value);
    }
    for (name, value) in NO_PAGERS {
        set(&mut out, name.as_bytes(), value.as_bytes());
    }
    for variable in approved.variables().iter().filter(|variable| refusal(variable).is_none()) {
        set(&mut out, variable.name().as_bytes(), variable.value());
    }
    // Nothing here holds NUL: an entry that did would be left out.
    out.into_iter()
        .filter_map(|(name, value)| CString::new([name, b"=".to_vec(), value].concat()).ok())
        .collect()
}

/// sudo's `env_check`: the language's and the terminal's variables, where their value has neither `/` nor `%`.
fn is_kept(name: &OsStr, value: &OsStr) -> bool {
    let name = name.to_str().unwrap_or_default();
    let known = matches!(name, "TERM" | "COLORTERM" | "LANG" | "LANGUAGE") || is_locale(name);
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._-+@:,".contains(b);
    known && value.as_bytes().iter().all(plain)
}

fn is_locale(name: &str) -> bool {
    name.strip_prefix("LC_")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase()))
}

fn set(out: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &[u8], value: &[u8]) {
    out.retain(|(other, _)| other != name);
    out.push((name.to_vec(), value.to_vec()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn variable(text: &str) -> Variable {
        Variable::new(text.as_bytes()).unwrap()
    }

    fn made(inherited: &[(&str, &str)], approved: &[&str]) -> Vec<String> {
        let caller = Caller::for_test("ada", 1100);
        let target = Target::for_test("root", 0);
        let approved = Environment::new(approved.iter().map(|text| variable(text)).collect()).unwrap();
        let inherited = inherited.iter().map(|(name, value)| (OsStr::new(name), OsStr::new(value)));
        let made = environment(inherited, "/usr/bin:/bin", &caller, &target, b"/usr/bin/id", &approved);
        made.into_iter().map(|entry| entry.into_string().unwrap()).collect()
    }

    #[test]
    fn environment_is_made_anew_and_pagers_are_off() {
        let inherited = [
            ("LD_PRELOAD", "/tmp/x.so"),
            ("PAGER", "sh"),
            ("PATH", "/tmp"),
            ("BASH_ENV", "/tmp/x"),
            ("IFS", "/"),
            ("HOME", "/home/ada"),
            ("SUDO_COMMAND", "x"),
            ("FOO", "bar"),
            ("LC_", "x"),
            ("LC_x/y", "x"),
            ("TERM", "xterm-256color"),
            ("LANG", "de_DE.UTF-8"),
            ("LC_ALL", "C"),
            ("LC_TIME", "/tmp/locale"),
            ("LANGUAGE", "%s"),
            ("COLORTERM", "../x"),
        ];
        let expected = [
            "TERM=xterm-256color",
            "LANG=de_DE.UTF-8",
            "LC_ALL=C",
            "PATH=/usr/bin:/bin",
            "HOME=/root",
            "USER=root",
            "LOGNAME=root",
            "SHELL=/bin/sh",
            "MAIL=/var/mail/root",
            "SUDO_COMMAND=/usr/bin/id",
            "SUDO_USER=ada",
            "SUDO_UID=1100",
            "SUDO_GID=1100",
            "SUDO_HOME=/home/ada",
            "PAGER=cat",
            "GIT_PAGER=cat",
            "MANPAGER=cat",
            "SYSTEMD_PAGER=",
            "SYSTEMD_PAGERSECURE=1",
            "LESSSECURE=1",
        ];
        assert_eq!(made(&inherited, &[]), expected);
    }

    #[test]
    fn approved_variable_is_added_and_takes_the_place_of_a_kept_one() {
        let made = made(&[("LANG", "de_DE")], &["LANG=C", "DEBIAN_FRONTEND=noninteractive"]);
        assert_eq!(made.iter().filter(|entry| entry.starts_with("LANG=")).collect::<Vec<_>>(), ["LANG=C"]);
        assert!(made.contains(&"DEBIAN_FRONTEND=noninteractive".to_owned()));
    }

    #[test]
    fn variable_that_makes_a_program_run_something_else_is_refused_by_name() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "BASH_ENV",
            "ENV",
            "IFS",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PERL5LIB",
            "PERL5OPT",
            "PAGER",
            "GIT_PAGER",
            "MANPAGER",
            "GIT_SSH_COMMAND",
            "GIT_CONFIG_COUNT",
            "PATH",
            "HOME",
            "SUDO_USER",
            "SUDO_EDITOR",
            "EDITOR",
            "NODE_OPTIONS",
            "SHELLOPTS",
            "PS4",
            "GLIBC_TUNABLES",
            "GCONV_PATH",
            "NIX_LD",
            "OPENSSL_CONF",
            "LESSOPEN",
            "SYSTEMD_PAGER",
            "TERMINFO",
        ] {
            let problem = refusal(&variable(&format!("{name}=x"))).expect(name);
            assert!(problem.what.contains(name), "{problem}");
        }
        assert!(refusal(&variable("X=() { :;}; id")).is_some());
        for taken in [
            "DEBIAN_FRONTEND=noninteractive",
            "LANG=C",
            "LC_ALL=C",
            "NIX_PATH=x",
            "http_proxy=http://x",
            "X=",
            "TZ=UTC",
        ] {
            assert_eq!(refusal(&variable(taken)), None, "{taken}");
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_ever_inherited(name in "[A-Z_]{1,9}|LC_[A-Z]{0,3}|LD_PRELOAD|TERM|LANG", value in "\\PC{0,9}") {
            let entry = format!("{name}={value}");
            let made = made(&[(&name, &value)], &[]);
            if made.contains(&entry) {
                prop_assert!(!value.contains(['/', '%', '\n', ' ']));
                prop_assert!(["TERM", "LANG", "LANGUAGE", "COLORTERM"].contains(&name.as_str()) || name.starts_with("LC_") || NO_PAGERS.contains(&(&name, &value)));
            }
            prop_assert_eq!(made.iter().filter(|entry| entry.starts_with(&format!("{name}="))).count() <= 1, true);
        }
    }
}
