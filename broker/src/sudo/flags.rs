//! The command line, read as sudo 1.9 reads it: `getopt_long(3)` with `+`, variables between the options, `--` as the end.
//!
//! # Invariants
//!
//! - Every flag of sudo(8) is in [`FLAGS`]. Each is honoured or refused by name; none is ignored unseen.

mod table;

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
};

use nuketown::Problem;
use nuketown_approval::{Environment, Variable, shown};

use super::environment::refusal;
pub use table::{FLAGS, Flag, Takes, Treatment};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A command or a shell.
    Run(Box<Run>),
    /// `-l`: what may be asked for.
    List,
    /// `-k`, `-K` and `-v` without a command: nothing is remembered, so there is nothing to forget and to renew.
    Credentials,
    /// `-h`.
    Help,
    /// `-V`.
    Version,
}

/// A command and how it is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// `-u`: a name, or `#` and a uid.
    pub user: Option<OsString>,
    /// `-g`: a name, or `#` and a gid.
    pub group: Option<OsString>,
    /// `-n`: nobody is asked.
    pub non_interactive: bool,
    /// `-B`: the bell rings with the message that it waits.
    pub bell: bool,
    /// `-s` or `-i`.
    pub shell: Option<Shell>,
    /// `-D`: the directory to run in.
    pub directory: Option<OsString>,
    /// `--preserve-env=…`: variables to take from the caller's environment.
    pub preserved: Vec<String>,
    /// `NAME=value`: variables to add.
    pub variables: Vec<Variable>,
    /// The command and its arguments; empty for a shell without a command.
    pub command: Vec<OsString>,
}

impl Run {
    /// Arguments that are read as this very thing again, for the privileged half.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut out: Vec<OsString> = Vec::new();
        let values = [("-u", &self.user), ("-g", &self.group), ("-D", &self.directory)];
        for (flag, value) in values.into_iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?))) {
            out.extend([flag.into(), value.clone()]);
        }
        let switches = [
            ("-n", self.non_interactive),
            ("-B", self.bell),
            ("-s", self.shell == Some(Shell::Own)),
            ("-i", self.shell == Some(Shell::Login)),
        ];
        out.extend(switches.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| OsString::from(flag)));
        if !self.preserved.is_empty() {
            out.push(format!("--preserve-env={}", self.preserved.join(",")).into());
        }
        out.extend(self.variables.iter().map(|variable| OsString::from_vec(variable.assignment())));
        out.push("--".into());
        out.extend(self.command.iter().cloned());
        out
    }
}

/// Which shell runs the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// `-s`: that of whoever asks.
    Own,
    /// `-i`: that of the target user, as a login.
    Login,
}

/// Reads the arguments behind the program's name.
///
/// # Errors
///
/// If sudo would not take them, or a flag is one that is refused here. The problem names the flag.
pub fn parse(arguments: &[OsString]) -> Result<Line, Problem> {
    let mut reader = Reader { rest: arguments.iter().cloned().collect(), seen: Seen::default() };
    reader.read()?;
    let Reader { rest, seen } = reader;
    let command: Vec<OsString> = rest.into();
    finish(Run { command, ..seen.run }, &seen.flags)
}

/// Decides which of sudo's modes the flags ask for.
fn finish(run: Run, flags: &[&'static str]) -> Result<Line, Problem> {
    let has = |name: &str| flags.contains(&name);
    let modes: Vec<&str> = ["list", "validate", "remove-timestamp", "help", "version"]
        .into_iter()
        .filter(|name| has(name))
        .collect();
    if let [first, second, ..] = modes.as_slice() {
        return Err(usage(format!("--{first} and --{second} are two different things")));
    }
    if has("login") && has("shell") {
        return Err(usage("-i and -s are two different shells".to_owned()));
    }
    if has("askpass") && has("stdin") {
        return Err(usage("-A and -S are two ways to read one password".to_owned()));
    }
    let bare = run.command.is_empty() && run.shell.is_none();
    match modes.first() {
        Some(&"help") => return Ok(Line::Help),
        Some(&"version") => return Ok(Line::Version),
        Some(_) if !run.variables.is_empty() => {
            return Err(usage("variables belong to a command".to_owned()));
        }
        Some(&"list") if bare => return Ok(Line::List),
        Some(&"list") => {
            let problem =
                Problem::new("-l with a command is not supported", "a human decides when the command is run");
            return Err(
                problem.hint("run the command, or -n and the command to see whether a rule allows it")
            );
        }
        Some(mode) if !bare => return Err(usage(format!("--{mode} takes no command"))),
        Some(_) => return Ok(Line::Credentials),
        None => {}
    }
    if bare && has("reset-timestamp") && run.user.is_none() && run.group.is_none() && run.variables.is_empty()
    {
        return Ok(Line::Credentials);
    }
    if bare {
        return Err(usage("there is no command".to_owned()));
    }
    Environment::new(run.variables.clone()).map_err(Problem::from)?;
    Ok(Line::Run(Box::new(run)))
}

fn usage(cause: String) -> Problem {
    Problem::new("the command line cannot be used", cause).hint("sudo -h lists the flags")
}

/// What has been read.
#[derive(Default)]
struct Seen {
    run: Run,
    flags: Vec<&'static str>,
}

struct Reader {
    rest: std::collections::VecDeque<OsString>,
    seen: Seen,
}

impl Reader {
    /// Takes flags and variables from the front, until the command begins.
    fn read(&mut self) -> Result<(), Problem> {
        while let Some(first) = self.rest.front().cloned() {
            let bytes = first.as_bytes();
            if bytes == b"--" {
                self.rest.pop_front();
                return Ok(());
            }
            if let Some(long) = bytes.strip_prefix(b"--") {
                self.rest.pop_front();
                self.long(long)?;
            } else if bytes.len() > 1 && bytes.starts_with(b"-") {
                self.rest.pop_front();
                self.cluster(bytes.get(1..).unwrap_or_default())?;
            } else if !bytes.starts_with(b"/") && bytes.contains(&b'=') {
                self.rest.pop_front();
                self.variable(bytes)?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    fn variable(&mut self, assignment: &[u8]) -> Result<(), Problem> {
        let variable = Variable::new(assignment)?;
        if let Some(problem) = refusal(&variable) {
            return Err(problem);
        }
        self.seen.run.variables.push(variable);
        Ok(())
    }

    /// `--user=root`, `--user root`, and what begins only one name: `--us=root`.
    fn long(&mut self, text: &[u8]) -> Result<(), Problem> {
        let (name, value) = match text.iter().position(|&b| b == b'=') {
            Some(at) => (&text[..at], text.get(at + 1..)),
            None => (text, None),
        };
        let name = String::from_utf8_lossy(name);
        let fits: Vec<&Flag> = FLAGS.iter().filter(|flag| flag.long.starts_with(&*name)).collect();
        let exact = fits.iter().find(|flag| flag.long == name);
        let flag = match (exact, fits.as_slice()) {
            (Some(flag), _) | (None, [flag]) => *flag,
            (None, []) => return Err(usage(format!("sudo has no flag --{}", shown(&name)))),
            (None, several) => {
                let names: Vec<String> = several.iter().map(|flag| format!("--{}", flag.long)).collect();
                return Err(usage(format!("--{} may be {}", shown(&name), names.join(" or "))));
            }
        };
        let value = value.map(|bytes| OsString::from_vec(bytes.to_vec()));
        let value = match flag.takes {
            Takes::Nothing if value.is_some() => {
                return Err(usage(format!("--{} takes no value", flag.long)));
            }
            Takes::Value if value.is_none() => Some(self.next_value(&format!("--{}", flag.long))?),
            Takes::Nothing | Takes::Value | Takes::Optional => value,
        };
        self.set(flag, value)
    }

    /// `-nu root`, `-uroot`: the first flag that takes a value takes the rest.
    fn cluster(&mut self, mut letters: &[u8]) -> Result<(), Problem> {
        while let Some((&letter, rest)) = letters.split_first() {
            let flag = FLAGS.iter().find(|flag| flag.short.is_some_and(|short| short as u8 == letter));
            let Some(flag) = flag else {
                let text = String::from_utf8_lossy(&letters[..1]).into_owned();
                return Err(usage(format!("sudo has no flag -{}", shown(&text))));
            };
            let attached = (!rest.is_empty()).then(|| OsStr::from_bytes(rest).to_owned());
            match flag.takes {
                Takes::Value => {
                    let value = match attached {
                        Some(value) => value,
                        None => self.next_value(&format!("-{}", char::from(letter)))?,
                    };
                    return self.set(flag, Some(value));
                }
                Takes::Optional if flag.long == "help" => {
                    let host = attached.or_else(|| self.next_host());
                    return self.set(flag, host);
                }
                Takes::Nothing | Takes::Optional => self.set(flag, None)?,
            }
            letters = rest;
        }
        Ok(())
    }

    /// `-h` takes the next word for a host, unless it is a flag or a variable.
    fn next_host(&mut self) -> Option<OsString> {
        let is_host =
            |word: &OsString| !word.as_bytes().starts_with(b"-") && !word.as_bytes().contains(&b'=');
        let next = self.rest.front().is_some_and(is_host);
        next.then(|| self.rest.pop_front()).flatten()
    }

    fn next_value(&mut self, flag: &str) -> Result<OsString, Problem> {
        self.rest.pop_front().ok_or_else(|| usage(format!("{flag} needs a value")))
    }

    fn set(&mut self, flag: &'static Flag, value: Option<OsString>) -> Result<(), Problem> {
        // `-h HOST` and `--help` share a letter.
        let refused = match flag.treatment {
            Treatment::Refused(reason) => Some(reason),
            Treatment::Honoured(_) if flag.long == "help" && value.is_some() => {
                Some("commands run on this host")
            }
            Treatment::Honoured(_) if flag.long == "preserve-env" && value.is_none() => {
                Some(table::WHOLE_ENVIRONMENT)
            }
            Treatment::Honoured(_) => None,
        };
        if let Some(reason) = refused {
            let name = flag.short.map_or(String::new(), |short| format!("-{short}, "));
            return Err(Problem::new(format!("{name}--{} is not supported", flag.long), reason));
        }
        self.seen.flags.push(flag.long);
        self.apply(flag.long, value.unwrap_or_default())
    }

    fn apply(&mut self, flag: &str, value: OsString) -> Result<(), Problem> {
        let run = &mut self.seen.run;
        match flag {
            "user" | "group" | "chdir" if value.is_empty() => {
                return Err(usage(format!("--{flag} needs a value that is not empty")));
            }
            "user" => run.user = Some(value),
            "group" => run.group = Some(value),
            "chdir" => run.directory = Some(value),
            "non-interactive" => run.non_interactive = true,
            "bell" => run.bell = true,
            "shell" => run.shell = Some(Shell::Own),
            "login" => run.shell = Some(Shell::Login),
            "preserve-env" => {
                let names = value.to_str().unwrap_or("=").split(',').filter(|name| !name.is_empty());
                for name in names {
                    self.preserve(name)?;
                }
            }
            // The others have their effect in `finish`, or none where no password is asked for.
            _ => {}
        }
        Ok(())
    }

    fn preserve(&mut self, name: &str) -> Result<(), Problem> {
        // With a `=` of its own it would be taken for a name and the beginning of a value.
        let empty = Variable::new(format!("{}=", name.replace('=', "?")).as_bytes())?;
        if let Some(problem) = refusal(&empty) {
            return Err(problem);
        }
        self.seen.run.preserved.push(name.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
