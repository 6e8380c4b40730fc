//! Commands that need no question (`sudo.preApproved`), matched argument by argument.
//!
//! # How a pattern reads
//!
//! Words stand apart by spaces, as many as there are. The first is the program, the others are its arguments:
//!
//! - `*` alone, as the last word, stands for any remaining arguments, none included;
//! - `*` inside a word stands for any characters of that argument, none included;
//! - `\*`, `\\` and `\ ` stand for the character itself;
//! - `''` alone stands for an empty argument;
//! - everything else stands for itself. There is no shell, so nothing is expanded, quoted or split.
//!
//! A `*` inside a word stands for less than it could, where more would be another command: it does not begin an option
//! (`*.service` is not `--root=x.service`), and takes no step out of a directory (`/var/log/*` is not `/var/log/../shadow`).
//!
//! # How the program is found
//!
//! A request is matched only if whoever executes it says which file that is ([`Sudo::program`]): found in a search path that
//! the agent cannot change, every symbolic link followed, opened before the question and executed by that descriptor.
//! A name without `/` is matched by the name that was typed, and thereby by that search path. An absolute path is
//! matched by that file, however it was typed. Only commands as root, without a group and an environment of their own, are
//! matched, and only where nobody but root can change the file.

use std::str::FromStr;

use crate::{Malformed, Sudo, UnixName, visible};

/// The longest pattern, in bytes.
const PATTERN_MAX: usize = 1024;

/// A pre-approved command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    program: Vec<u8>,
    words: Vec<Word>,
    /// Whether any more arguments may follow.
    open_ended: bool,
}

/// An argument's pattern: the literal parts between its stars, so one more than there are stars.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word(Vec<Vec<u8>>);

impl FromStr for Pattern {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |expected: &str| Malformed::new("a pre-approved command", text, expected);
        if text.len() > PATTERN_MAX {
            return Err(wrong("at most 1024 bytes are matched"));
        }
        if let Some(hidden) = text.chars().find(|&c| !visible::in_command(c)) {
            return Err(wrong(&format!("{} is not shown as itself; leave it out", hidden.escape_unicode())));
        }
        let mut words =
            split(text).ok_or_else(|| wrong("write a backslash as \\\\; \\* and \"\\ \" are the others"))?;
        let open_ended = words.len() > 1 && words.pop_if(|word| word.is_star()).is_some();
        if words.iter().skip(1).any(Word::is_star) {
            return Err(wrong("\"*\" alone stands for all remaining arguments, so it is the last word"));
        }
        let mut words = words.into_iter();
        match words.next().map(|Word(parts)| parts).as_deref() {
            Some([program]) if is_program(program) => {
                Ok(Self { program: program.clone(), words: words.collect(), open_ended })
            }
            Some([program]) if program.contains(&b'/') => {
                Err(wrong("the program is a name or an absolute path without . and .."))
            }
            _ => Err(wrong("its first word must be one program, without \"*\"")),
        }
    }
}

impl Pattern {
    /// Whether this command needs no question.
    #[must_use]
    pub fn matches(&self, sudo: &Sudo) -> bool {
        let arguments = sudo.argv.arguments().get(1..).unwrap_or_default();
        let Some((fixed, rest)) = arguments.split_at_checked(self.words.len()) else { return false };
        sudo.user == UnixName::root()
            && sudo.group.is_none()
            && sudo.environment.is_empty()
            && sudo.identity.is_none_or(|identity| identity.sha256.is_none())
            && self.is_its_program(sudo)
            && (self.open_ended || rest.is_empty())
            && self.words.iter().zip(fixed).all(|(word, argument)| word.matches(argument))
    }

    fn is_its_program(&self, sudo: &Sudo) -> bool {
        match &sudo.program {
            None => false,
            Some(file) if self.program.contains(&b'/') => file.as_bytes() == self.program,
            Some(_) => sudo.argv.program() == self.program,
        }
    }
}

impl Word {
    fn is_star(&self) -> bool {
        matches!(self.0.as_slice(), [before, after] if before.is_empty() && after.is_empty())
    }

    fn matches(&self, argument: &[u8]) -> bool {
        let [first, between @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|literal| literal == argument);
        };
        if first.is_empty() && argument.starts_with(b"-") {
            return false;
        }
        let Some(rest) = argument.strip_prefix(first.as_slice()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_slice()) else { return false };
        for part in between {
            // The first place is as good as any: what follows only has to fit behind it.
            let Some(at) = find(rest, part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        !steps_out(argument)
    }
}

/// Whether a path has a component `..`.
fn steps_out(argument: &[u8]) -> bool {
    // Options and lists of paths hide them behind other signs: --file=.., a:../b.
    argument.split(|b| b"/=:,".contains(b)).any(|part| part == b"..")
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

fn is_program(program: &[u8]) -> bool {
    let plain = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
    match program.strip_prefix(b"/") {
        Some(path) => path.split(|&b| b == b'/').all(plain),
        None => plain(program) && !program.contains(&b'/') && !program.starts_with(b"-"),
    }
}

/// The words of a pattern; None where a backslash stands before anything but a star, a space or a backslash.
fn split(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut chars = text.chars();
    loop {
        let rest = chars.as_str().trim_start_matches(' ');
        if rest.is_empty() {
            return Some(words);
        }
        chars = rest.chars();
        let (mut parts, mut bare) = (vec![Vec::new()], String::new());
        while let Some(c) = chars.next().filter(|&c| c != ' ') {
            bare.push(c);
            let literal = match c {
                '*' => {
                    parts.push(Vec::new());
                    continue;
                }
                '\\' => chars.next().filter(|c| "*\\ ".contains(*c))?,
                c => c,
            };
            if let Some(part) = parts.last_mut() {
                part.extend_from_slice(literal.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        words.push(Word(if bare == "''" { vec![Vec::new()] } else { parts }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{argv, environment, hostile_argv, path};
    use crate::{Environment, Identity};
    use proptest::prelude::*;

    fn command(arguments: &[&str]) -> Sudo {
        let name = arguments[0].rsplit('/').next().unwrap();
        Sudo {
            argv: argv(arguments),
            program: Some(path(&format!("/bin/{name}"))),
            identity: None,
            environment: Environment::default(),
            user: UnixName::root(),
            group: None,
        }
    }

    fn matches(pattern: &str, arguments: &[&str]) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(&command(arguments))
    }

    #[test]
    fn patterns_of_the_architecture_match_what_they_say() {
        assert!(matches("systemctl restart *", &["systemctl", "restart", "prosody"]));
        assert!(matches("systemctl restart *", &["systemctl", "restart", "prosody", "dovecot"]));
        assert!(!matches("systemctl restart *", &["systemctl", "stop", "prosody"]));
        assert!(!matches("systemctl restart *", &["systemctl", "--root=/x", "restart", "prosody"]));
        assert!(matches("journalctl *", &["journalctl"]));
        assert!(matches("certbot renew", &["certbot", "renew"]));
        assert!(!matches("certbot renew", &["certbot", "renew", "--pre-hook=x"]));
        assert!(!matches("certbot renew", &["certbot"]));
    }

    #[test]
    fn star_never_reaches_across_arguments() {
        assert!(matches("systemctl restart pro*", &["systemctl", "restart", "prosody"]));
        assert!(!matches("systemctl restart pro*", &["systemctl", "restart", "pro", "dovecot"]));
        assert!(!matches("systemctl restart*", &["systemctl", "restart", "prosody"]));
        assert!(!matches("systemctl restart prosody", &["systemctl", "restart prosody"]));
        assert!(!matches("systemctl restart prosody", &["systemctl restart", "prosody"]));
        assert!(!matches("certbot renew", &["certbot", "renew", ""]));
        assert!(!matches("certbot renew", &["certbot", "renew\n"]));
    }

    #[test]
    fn star_inside_a_word_takes_any_characters_of_it() {
        assert!(matches("x a*b*c", &["x", "abc"]));
        assert!(matches("x a*b*c", &["x", "a b\nbb c"]));
        assert!(!matches("x a*b*c", &["x", "acb"]));
        assert!(!matches("x ab*ba", &["x", "aba"]), "the parts do not overlap");
        assert!(matches("x a**", &["x", "a"]));
    }

    #[test]
    fn star_inside_a_word_begins_no_option_and_leaves_no_directory() {
        assert!(matches("systemctl restart *.service", &["systemctl", "restart", "a.service"]));
        assert!(!matches("systemctl restart *.service", &["systemctl", "restart", "--root=/x/a.service"]));
        assert!(matches("cat /var/log/*", &["cat", "/var/log/a..b"]));
        for outside in [
            "/var/log/../shadow",
            "/var/log/..",
            "/var/log/a/../../shadow",
            "/var/log/x=../y",
            "/var/log/x:..:y",
        ] {
            assert!(!matches("cat /var/log/*", &["cat", outside]), "{outside}");
        }
        assert!(matches("cat /var/log/../x", &["cat", "/var/log/../x"]), "it says so itself");
    }

    #[test]
    fn escaped_characters_stand_for_themselves() {
        assert!(matches("x \\*", &["x", "*"]) && !matches("x \\*", &["x", "y"]));
        assert!(matches("x a\\ b", &["x", "a b"]) && !matches("x a\\ b", &["x", "a", "b"]));
        assert!(matches("x \\\\", &["x", "\\"]) && !matches("x \\\\*", &["x", "y"]));
        assert!(matches("x \\\\*", &["x", "\\y"]));
        assert!(matches("x ''", &["x", ""]) && !matches("x ''", &["x"]) && !matches("x ''", &["x", "''"]));
        assert!(matches("x $(id) ?", &["x", "$(id)", "?"]) && !matches("x ?", &["x", "y"]));
    }

    #[test]
    fn pattern_that_names_no_program_or_cannot_be_read_is_refused() {
        for bad in [
            "",
            " ",
            "*",
            "* restart",
            "sys*",
            "\\",
            "x \\",
            "x \\n",
            "x a\\nb",
            "x * y",
            "x\ty",
            "x\ny",
            "./x",
            "a/b",
            "/",
            "/a/../b",
            "//a",
            ".",
            "..",
            "-x",
            "''",
            "x \u{202e}",
            "x \u{a0}",
            &"x".repeat(1025),
        ] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn program_is_the_resolved_one() {
        let absolute: Pattern = "/bin/systemctl *".parse().unwrap();
        let name: Pattern = "systemctl *".parse().unwrap();
        assert!(absolute.matches(&command(&["systemctl", "x"])));
        assert!(absolute.matches(&command(&["/bin/systemctl", "x"])));
        assert!(!name.matches(&command(&["/tmp/systemctl", "x"])), "typed with a path");
        let elsewhere = Sudo { program: Some(path("/tmp/systemctl")), ..command(&["/bin/systemctl", "x"]) };
        assert!(!absolute.matches(&elsewhere));
        for other in [
            Sudo { program: None, ..command(&["systemctl", "x"]) },
            Sudo { user: "josh".parse().unwrap(), ..command(&["systemctl", "x"]) },
            Sudo { environment: environment(&["A=1"]), ..command(&["systemctl", "x"]) },
            Sudo {
                identity: Some(Identity { device: 1, inode: 2, sha256: Some([0; 32]) }),
                ..command(&["systemctl", "x"])
            },
            Sudo { group: Some("wheel".parse().unwrap()), ..command(&["systemctl", "x"]) },
        ] {
            assert!(!absolute.matches(&other) && !name.matches(&other), "{other:?}");
        }
    }

    fn sudo(argv: crate::Argv) -> Sudo {
        Sudo {
            argv,
            program: Some(path("/bin/x")),
            identity: None,
            environment: Environment::default(),
            user: UnixName::root(),
            group: None,
        }
    }

    /// A pattern that means exactly these arguments, where they can be said.
    fn literally(arguments: &[Vec<u8>]) -> Option<String> {
        let words = arguments.iter().map(|argument| {
            let text = std::str::from_utf8(argument).ok()?;
            match text {
                "" => Some("''".to_owned()),
                "''" => None,
                _ => Some(text.replace('\\', "\\\\").replace('*', "\\*").replace(' ', "\\ ")),
            }
        });
        words.collect::<Option<Vec<_>>>().map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn escaped_command_matches_itself_and_nothing_else(a in hostile_argv(), b in hostile_argv()) {
            let Some(pattern) = literally(a.arguments()).and_then(|text| text.parse::<Pattern>().ok()) else { return Ok(()) };
            let program = |argv: &crate::Argv| Sudo {
                program: crate::AbsolutePath::new(argv.program().to_vec()).ok().or_else(|| Some(path("/bin/x"))),
                ..sudo(argv.clone())
            };
            prop_assert!(pattern.matches(&program(&a)));
            prop_assert_eq!(pattern.matches(&program(&b)), a == b);
        }

        #[test]
        fn word_matches_as_a_naive_reading_of_it(word in "[ab*]{0,6}", argument in "[ab]{0,6}") {
            fn naive(word: &[u8], text: &[u8]) -> bool {
                match (word.split_first(), text.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), _) => naive(rest, text) || text.split_first().is_some_and(|(_, t)| naive(word, t)),
                    (Some((w, rest)), Some((t, text))) => w == t && naive(rest, text),
                    _ => false,
                }
            }
            prop_assume!(!word.is_empty() && word != "*");
            let pattern: Pattern = format!("x {word}").parse().unwrap();
            let sudo = sudo(argv(&["x", &argument]));
            prop_assert_eq!(pattern.matches(&sudo), naive(word.as_bytes(), argument.as_bytes()));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "[a-z*\\\\' /.\\PC]{0,40}", argv in hostile_argv()) {
            if let Ok(pattern) = text.parse::<Pattern>() {
                let _ = pattern.matches(&sudo(argv));
            }
        }
    }
}
