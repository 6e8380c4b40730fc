//! Every flag of sudo(8), 1.9.13 to 1.9.17, and what becomes of it.

/// A flag of sudo.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its letter.
    pub short: Option<char>,
    /// Its long name, without dashes.
    pub long: &'static str,
    /// Whether a value belongs to it.
    pub takes: Takes,
    /// What becomes of it.
    pub treatment: Treatment,
}

/// Whether a flag takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It takes none.
    Nothing,
    /// It takes one, attached or as the next word.
    Value,
    /// It may take one, attached.
    Optional,
}

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It does this.
    Honoured(&'static str),
    /// The command does not run, for this reason.
    Refused(&'static str),
}

use Takes::{Nothing, Optional, Value};
use Treatment::{Honoured, Refused};

/// Why `-E` without names is refused.
pub(super) const WHOLE_ENVIRONMENT: &str = "everything that is kept is shown to a human and recorded, and your environment may hold \
     secrets; name the variables: --preserve-env=NAME,NAME";

const NO_PASSWORD: &str = "does nothing: no password is ever asked for";

const fn flag(short: char, long: &'static str, takes: Takes, treatment: Treatment) -> Flag {
    Flag { short: Some(short), long, takes, treatment }
}

/// All flags, in the order of their letters.
pub const FLAGS: [Flag; 31] = [
    flag('A', "askpass", Nothing, Honoured(NO_PASSWORD)),
    flag('a', "auth-type", Value, Refused("it is BSD's; a human is the only way in")),
    flag('B', "bell", Nothing, Honoured("rings the bell when it begins to wait")),
    flag(
        'b',
        "background",
        Nothing,
        Refused("what was approved runs where it was asked for; put & behind the command"),
    ),
    flag('C', "close-from", Value, Refused("descriptors above 2 are always closed")),
    flag('c', "login-class", Value, Refused("it is BSD's")),
    flag('D', "chdir", Value, Honoured("runs in this directory, which is shown")),
    flag(
        'E',
        "preserve-env",
        Optional,
        Honoured("with names: keeps these variables, which are shown; alone it is refused"),
    ),
    flag(
        'e',
        "edit",
        Nothing,
        Refused("what is written would not be what was approved; write a file and have it installed"),
    ),
    flag('g', "group", Value, Honoured("runs with this group")),
    flag('H', "set-home", Nothing, Honoured("does nothing: HOME is always the target user's")),
    flag('h', "help", Optional, Honoured("prints the flags; with a host it is refused")),
    Flag { short: None, long: "host", takes: Value, treatment: Refused("commands run on this host") },
    flag('i', "login", Nothing, Honoured("runs the target user's login shell in that user's home")),
    flag('K', "remove-timestamp", Nothing, Honoured("does nothing: no answer is ever used twice")),
    flag('k', "reset-timestamp", Nothing, Honoured("does nothing: no answer is ever used twice")),
    flag(
        'l',
        "list",
        Nothing,
        Honoured("says that each command is asked about; with a command it is refused"),
    ),
    flag('N', "no-update", Nothing, Honoured("does nothing: no answer is ever used twice")),
    flag(
        'n',
        "non-interactive",
        Nothing,
        Honoured("asks no human: a rule of the policy allows it, or it fails"),
    ),
    flag(
        'P',
        "preserve-groups",
        Nothing,
        Refused("the command gets the target user's groups, which are what was approved"),
    ),
    flag('p', "prompt", Value, Honoured(NO_PASSWORD)),
    flag('R', "chroot", Value, Refused("the program would not be the one that was approved")),
    flag('r', "role", Value, Refused("SELinux roles are not shown to whoever approves")),
    flag('S', "stdin", Nothing, Honoured(NO_PASSWORD)),
    flag('s', "shell", Nothing, Honoured("runs your login shell, as the password database has it")),
    flag('T', "command-timeout", Value, Refused("let the command end itself: sudo timeout 60 COMMAND")),
    flag('t', "type", Value, Refused("SELinux types are not shown to whoever approves")),
    flag('U', "other-user", Value, Refused("others' rights are not yours to see")),
    flag('u', "user", Value, Honoured("runs as this user")),
    flag('V', "version", Nothing, Honoured("prints the version")),
    flag(
        'v',
        "validate",
        Nothing,
        Honoured("does nothing: no password is ever asked for, and no answer is used twice"),
    ),
];
