//! Makes text from outside fit to be shown on a terminal.
//!
//! Nix repeats what a flake says (`throw` takes any text), so its messages are as trustworthy as the flake.
//!
//! # Invariants
//!
//! - What comes out holds no control character but the newline, and no character that reorders or hides others.
//! - It has at most the given number of lines, each of at most [`LINE`] characters.

/// The most characters of one line that are shown.
pub(super) const LINE: usize = 400;

/// Removes terminal escape sequences, makes other unprintable characters visible, and bounds the size.
///
/// Blank lines and the indentation that all lines share are dropped. A message of more than `lines` lines ends
/// with a line that says how many are missing.
pub(super) fn tidy(text: &str, lines: usize) -> String {
    let shown = visible(&without_escapes(text));
    let kept: Vec<&str> = shown.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let indent = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let first = kept.first().map_or(0, indent);
    let rest = kept.iter().skip(1).map(indent).min().unwrap_or(0);
    let mut out: Vec<String> = Vec::new();
    for (at, line) in kept.iter().enumerate() {
        if out.len() + 1 == lines && kept.len() > lines {
            out.push(format!("… and {} more lines", kept.len() - at));
            break;
        }
        let cut = if at == 0 { first } else { rest };
        out.push(shortened(&line[cut..]));
    }
    out.join("\n")
}

/// The text on a single line, for a name or a path in the middle of a sentence.
pub(super) fn one_line(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    shortened(&visible(&without_escapes(&line.join(" "))))
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Drops the escape sequences of ECMA-48: CSI (`ESC [ … final`), OSC and its kin (`ESC ] … BEL` or `ESC \`), and
/// two-character ones. Nix colours its messages even where they do not go to a terminal.
pub(super) fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match rest.peek() {
            Some('[') => {
                rest.next();
                while rest.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
                rest.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut rest),
            Some('\u{20}'..='\u{7e}') => {
                rest.next();
            }
            _ => {}
        }
    }
    out
}

/// Skips a control string. One that is not ended swallows no more than its line: the rest may be the message.
fn skip_string(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = rest.next_if(|c| *c != '\n') {
        if c == '\u{7}' {
            return;
        }
        if c == '\u{1b}' {
            rest.next_if_eq(&'\\');
            return;
        }
    }
}

/// Writes characters that a reader would not see, or not where they are, as their code point.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            '\t' => out.push_str("    "),
            '\r' => {}
            _ if c.is_control() || is_hidden(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// Line and paragraph separators, zero-width characters, and the bidirectional controls of Unicode Annex 9.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_go_and_the_words_stay() {
        assert_eq!(tidy("\u{1b}[31;1merror:\u{1b}[0m boom\n       second", 12), "error: boom\nsecond");
    }

    #[test]
    fn a_title_sequence_does_not_reach_the_terminal() {
        assert_eq!(tidy("a\u{1b}]0;owned\u{7}b\u{1b}]8;;http://x\u{1b}\\c", 12), "abc");
    }

    #[test]
    fn an_unended_control_string_hides_only_its_line() {
        assert_eq!(tidy("a\u{1b}]0;no end\nerror", 12), "a\nerror");
    }

    #[test]
    fn hidden_characters_become_visible() {
        assert_eq!(tidy("a\u{202e}b\u{200b}c\u{8}d", 12), "a\\u{202e}b\\u{200b}c\\u{8}d");
    }

    #[test]
    fn a_long_message_says_what_it_leaves_out() {
        assert_eq!(tidy("1\n2\n3\n4\n5", 3), "1\n2\n… and 3 more lines");
        assert_eq!(tidy("1\n2\n3", 3), "1\n2\n3");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_what_comes_out_is_harmless_and_bounded(text in any::<String>(), lines in 1usize..12) {
            let out = tidy(&text, lines);
            prop_assert!(out.chars().all(|c| c == '\n' || !(c.is_control() || is_hidden(c))));
            prop_assert!(out.lines().count() <= lines);
            prop_assert!(out.lines().all(|line| line.chars().count() <= LINE + 1));
        }

        #[test]
        fn printable_words_come_through_unchanged(text in "[!-~]{1,40}( [!-~]{1,40}){0,8}") {
            prop_assert_eq!(tidy(&text, 12), text);
        }

        #[test]
        fn escape_sequences_of_any_shape_are_survived(text in "(\u{1b}[\\[\\]PX^_a-z]?[0-9;]{0,4}[mKJ\u{7}\\\\\n]?x?){0,20}") {
            let (many, one) = (tidy(&text, 12), one_line(&text));
            prop_assert!(!many.contains('\x1b'), "{:?}", many);
            prop_assert!(!one.contains(['\n', '\x1b']), "{:?}", one);
        }
    }
}
