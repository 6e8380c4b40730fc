//! A command as its arguments, byte for byte, and the two texts that stand for it.
//!
//! # Invariants
//!
//! - No text of a command is ever given to a shell; arguments are never joined and split again to be executed.
//! - [`Argv::to_text`] is injective: [`Argv::parse_text`] gives the same arguments back.
//! - Neither text holds a character that XML cannot carry or that is not shown as itself.

use std::fmt::Write as _;

use crate::{Malformed, visible};

/// The most arguments of a command.
pub const ARGUMENTS_MAX: usize = 256;

/// The most bytes of all arguments: about 80 lines of a terminal, which a person can still read, and which stays below
/// 64 kB on the wire when every byte of it is escaped.
pub const ARGV_BYTES_MAX: usize = 6 * 1024;

/// A program's name and its arguments: at least one, each without NUL (execve(2)), not necessarily UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Argv(Vec<Vec<u8>>);

impl Argv {
    /// Takes the arguments as they will be executed, the program's name first.
    ///
    /// # Errors
    ///
    /// If there is none, the program's name is empty, one holds NUL, or they are too many or too long.
    pub fn new(arguments: Vec<Vec<u8>>) -> Result<Self, Malformed> {
        let wrong = |found: String, expected: &str| Err(Malformed::at("the command", found, expected));
        if arguments.first().is_none_or(Vec::is_empty) {
            return wrong("names no program".to_owned(), "the first argument is the program to run");
        }
        if arguments.iter().any(|argument| argument.contains(&0)) {
            return wrong(
                "has a NUL byte in an argument".to_owned(),
                "no program can be given one; leave it out",
            );
        }
        if arguments.len() > ARGUMENTS_MAX {
            let expected = format!("at most {ARGUMENTS_MAX} can be shown to a person; put them into a file");
            return wrong(format!("has {} arguments", arguments.len()), &expected);
        }
        let bytes: usize = arguments.iter().map(Vec::len).sum();
        if bytes > ARGV_BYTES_MAX {
            let expected = format!("at most {ARGV_BYTES_MAX} can be shown to a person; put them into a file");
            return wrong(format!("has {bytes} bytes"), &expected);
        }
        Ok(Self(arguments))
    }

    /// The arguments, the program's name first.
    #[must_use]
    pub fn arguments(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// The program's name as it was typed.
    #[must_use]
    pub fn program(&self) -> &[u8] {
        self.0.first().map_or(&[], Vec::as_slice)
    }

    /// The command on one line, quoted as bash does where it must: `sh -c 'rm x' $'a\nb'`.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.iter().map(|argument| word(argument)).collect::<Vec<_>>().join(" ")
    }

    /// Reads the text form. Words stand apart by spaces; quotes are `'…'` and `$'…'`, as [`Argv::to_text`]
    /// writes them.
    ///
    /// # Errors
    ///
    /// If a character outside of quotes would mean something to a shell, or is not shown as itself: what a person
    /// would take it for is not certain then.
    pub fn parse_text(text: &str) -> Result<Self, Malformed> {
        let mut rest = text.trim_matches(|c: char| c.is_ascii_whitespace());
        let mut arguments = Vec::new();
        while !rest.is_empty() {
            let mut argument = Vec::new();
            rest = parse_word(rest, &mut argument)?;
            arguments.push(argument);
            rest = rest.trim_start_matches(' ');
        }
        Self::new(arguments)
    }
}

impl std::fmt::Debug for Argv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Argv({})", self.to_text())
    }
}

/// One argument as bash would take it, and as a person can read it.
///
/// Bare where it is plain; else `'…'`; else `$'…'` with `\\`, `\'`, `\n`, `\t`, `\r`, `\xHH` (a byte), `\uHHHH` and
/// `\UHHHHHHHH` (a character that is not shown as itself).
pub(crate) fn word(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if !text.is_empty() && text.chars().all(is_bare) {
            return text.to_owned();
        }
        if text.chars().all(|c| visible::in_command(c) && c != '\'') {
            return format!("'{text}'");
        }
    }
    let mut out = "$'".to_owned();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut out, c);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, c: char) {
    let _ = match c {
        '\\' | '\'' => write!(out, "\\{c}"),
        '\n' => write!(out, "\\n"),
        '\t' => write!(out, "\\t"),
        '\r' => write!(out, "\\r"),
        c if visible::in_command(c) => write!(out, "{c}"),
        c if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)),
        c if u32::from(c) <= 0xffff => write!(out, "\\u{:04x}", u32::from(c)),
        c => write!(out, "\\U{:08x}", u32::from(c)),
    };
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c)
}

/// Reads one word of the text form into `out`, and gives what follows it.
fn parse_word<'t>(text: &'t str, out: &mut Vec<u8>) -> Result<&'t str, Malformed> {
    let mut rest = text;
    while let Some(c) = rest.chars().next().filter(|&c| c != ' ') {
        if let Some(inner) = rest.strip_prefix('\'') {
            let (quoted, after) =
                inner.split_once('\'').ok_or_else(|| unreadable(text, "a quote is never closed"))?;
            if let Some(hidden) = quoted.chars().find(|&c| !visible::in_command(c)) {
                return Err(unreadable(
                    text,
                    &format!("{} must be an escape in $'…'", hidden.escape_unicode()),
                ));
            }
            out.extend_from_slice(quoted.as_bytes());
            rest = after;
        } else if let Some(inner) = rest.strip_prefix("$'") {
            rest = parse_escaped(inner, out)?;
        } else if is_bare(c) {
            out.push(u8::try_from(u32::from(c)).unwrap_or(b'?'));
            rest = rest.get(1..).unwrap_or("");
        } else {
            return Err(unreadable(text, &format!("{} must stand in quotes: '…'", c.escape_default())));
        }
    }
    Ok(rest)
}

/// Reads the inside of `$'…'` up to its end.
fn parse_escaped<'t>(text: &'t str, out: &mut Vec<u8>) -> Result<&'t str, Malformed> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => return Ok(chars.as_str()),
            '\\' => {
                escape(&mut chars, out).ok_or_else(|| unreadable(text, "an escape is not one of $'…'"))?;
            }
            c if visible::in_command(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            c => return Err(unreadable(text, &format!("{} must be an escape", c.escape_unicode()))),
        }
    }
    Err(unreadable(text, "a quote is never closed"))
}

fn escape(chars: &mut std::str::Chars<'_>, out: &mut Vec<u8>) -> Option<()> {
    let c = match chars.next()? {
        c @ ('\\' | '\'') => c,
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'x' => {
            out.push(u8::try_from(hexadecimal(chars, 2)?).ok()?);
            return Some(());
        }
        'u' => char::from_u32(hexadecimal(chars, 4)?)?,
        'U' => char::from_u32(hexadecimal(chars, 8)?)?,
        _ => return None,
    };
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

fn hexadecimal(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<u32> {
    let text = chars.as_str().get(..digits).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    chars.nth(digits - 1)?;
    u32::from_str_radix(text, 16).ok()
}

fn unreadable(text: &str, why: &str) -> Malformed {
    Malformed::new("<command>", text, format!("{why}; or send the arguments as <argv>"))
}

/// Bytes as the text of an XML element: UTF-8 as it is, but `\` as `\\`, and control characters, noncharacters and bytes
/// that are no UTF-8 as `\xHH`. XML 1.0 cannot carry most of these, and its readers change line ends.
pub(crate) fn to_wire(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if c.is_control() || is_noncharacter(c) => {
                    push_bytes(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                c => out.push(c),
            }
        }
        push_bytes(&mut out, chunk.invalid());
    }
    out
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// The 66 code points that never become characters (Unicode, section 23.7).
fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// Reads what [`to_wire`] wrote, and nothing else: two texts never stand for the same bytes.
pub(crate) fn from_wire(place: &str, text: &str) -> Result<Vec<u8>, Malformed> {
    let wrong =
        || Malformed::new(place, text, "expected \\\\ for a backslash and \\xHH for a control character");
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\\') => bytes.push(b'\\'),
                Some('x') => {
                    let byte = hexadecimal(&mut chars, 2).and_then(|byte| u8::try_from(byte).ok());
                    bytes.push(byte.ok_or_else(wrong)?);
                }
                _ => return Err(wrong()),
            },
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if to_wire(&bytes) == text { Ok(bytes) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{argv, hostile_argv};
    use proptest::prelude::*;

    #[test]
    fn text_of_a_plain_command_is_what_was_typed() {
        assert_eq!(argv(&["nixos-rebuild", "switch"]).to_text(), "nixos-rebuild switch");
        assert_eq!(Argv::parse_text("nixos-rebuild switch"), Ok(argv(&["nixos-rebuild", "switch"])));
    }

    #[test]
    fn boundaries_of_arguments_are_visible() {
        let text = |arguments: &[&str]| argv(arguments).to_text();
        assert_eq!(text(&["sh", "-c", "rm x"]), "sh -c 'rm x'");
        assert_eq!(text(&["echo", ""]), "echo ''");
        assert_eq!(text(&["echo", r"a\nb"]), r"echo 'a\nb'");
        assert_eq!(text(&["echo", "a\n'b'"]), r"echo $'a\n\'b\''");
        assert_ne!(text(&["a", "b c"]), text(&["a", "b", "c"]));
        assert_ne!(text(&["a", "b"]), text(&["a b"]));
    }

    #[test]
    fn text_with_shell_syntax_outside_of_quotes_is_refused() {
        for text in [
            "ls *",
            "a;b",
            "a|b",
            "a&b",
            "$(x)",
            "`x`",
            "a>b",
            "\"x\"",
            "'x",
            "$'x",
            "$'\\q'",
            "a\\ b",
            "~x",
            "a\nb",
            "'a\u{202e}b'",
            "$'\\x4'",
            "$'\\xzz'",
            "$'\\ud800'",
            "ä",
            "",
            "  ",
            "''",
            "$'\\x00'",
        ] {
            assert!(Argv::parse_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn command_that_no_person_could_read_is_refused() {
        assert!(Argv::new(vec![b"x".to_vec(); ARGUMENTS_MAX]).is_ok());
        assert!(Argv::new(vec![b"x".to_vec(); ARGUMENTS_MAX + 1]).is_err());
        assert!(Argv::new(vec![vec![b'x'; ARGV_BYTES_MAX]]).is_ok());
        assert!(Argv::new(vec![vec![b'x'; ARGV_BYTES_MAX + 1]]).is_err());
        assert!(Argv::new(vec![]).is_err());
        assert!(Argv::new(vec![vec![]]).is_err());
    }

    #[test]
    fn wire_text_is_refused_unless_it_is_the_canonical_one() {
        for text in ["\\x41", "\\xC3", "\\", "\\x", "\\x1", "\\q", "\\xc3\\xa4", "\u{85}"] {
            assert!(from_wire("<arg>", text).is_err(), "{text}");
        }
        assert_eq!(from_wire("<arg>", "a\\\\b\\x0a\\xff"), Ok(b"a\\b\n\xff".to_vec()));
    }

    proptest! {
        #[test]
        fn text_gives_the_same_arguments_back(argv in hostile_argv()) {
            let text = argv.to_text();
            prop_assert!(text.chars().all(visible::in_command), "{text:?}");
            prop_assert_eq!(Argv::parse_text(&text), Ok(argv));
        }

        #[test]
        fn wire_text_gives_the_same_bytes_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = to_wire(&bytes);
            prop_assert!(!text.chars().any(|c| c.is_control() || is_noncharacter(c)));
            prop_assert_eq!(from_wire("<arg>", &text), Ok(bytes));
        }

        #[test]
        fn any_text_is_read_without_harm_and_means_one_thing(text in ".{0,60}") {
            if let Ok(argv) = Argv::parse_text(&text) {
                prop_assert_eq!(Argv::parse_text(&argv.to_text()), Ok(argv));
            }
            if let Ok(bytes) = from_wire("<arg>", &text) {
                prop_assert_eq!(to_wire(&bytes), text);
            }
        }
    }
}
